/* SPDX-License-Identifier: MIT */
#include "tests/crash/memory.h"

#include "engine/base/clock.h"
#include "proto/wire.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LIMIT_MIB       64.0 /* as configured for `limit`, and the least there is */
#define ITEMS_A_REQUEST 500
#define ID_BYTES        200 /* long, so that the limit is soon reached */
#define MAX_REQUESTS    2000
#define REFUSED_ENOUGH  5 /* requests with refusals before we believe them */
#define ENDLESS_MS      30000
#define ENDLESS_BYTES   60000

/* memory_limit */

static void write_items(struct nbx_buf *b, unsigned request)
{
    char id[ID_BYTES + 1];
    nbx_buf_clear(b);
    nbx_wire_map(b, 1);
    nbx_wire_text(b, "items");
    nbx_wire_list(b, ITEMS_A_REQUEST);
    for (unsigned i = 0; i < ITEMS_A_REQUEST; i++) {
        nbx_wire_map(b, 4);
        snprintf(id, sizeof id, "%0*u", ID_BYTES, request * ITEMS_A_REQUEST + i);
        nbx_wire_kv_text(b, "id", id);
        nbx_wire_kv_text(b, "brand", id);
        nbx_wire_kv_int(b, "price", i);
        nbx_wire_text(b, "attributes");
        nbx_wire_map(b, 1);
        nbx_wire_kv_text(b, "note", id);
    }
}

/* How many entries the reply refuses; every refusal must name the entry. -1: not an answer. */
static int count_refused(const struct nbx_reply *reply)
{
    const struct nbx_value *errors = nbx_value_get(&reply->body, "errors");
    const struct nbx_value *applied = nbx_value_get(&reply->body, "applied");
    if (!errors || !applied || applied->i + errors->n != ITEMS_A_REQUEST) {
        printf("limit     a reply does not account for every entry\n");
        return -1;
    }
    const struct nbx_value *why = errors->n ? nbx_value_get(&errors->list[0], "message") : NULL;
    if (errors->n && (!why || !nbx_value_get(&errors->list[0], "index")))
        return -1;
    return (int)errors->n;
}

static bool still_serves(struct nbx_client *client, struct nbx_arena *arena)
{
    struct nbx_reply reply;
    struct nbx_buf b = {0};
    nbx_wire_map(&b, 1);
    nbx_wire_text(&b, "observe");
    nbx_wire_list(&b, 1);
    nbx_wire_map(&b, 2);
    nbx_wire_kv_text(&b, "type", "view");
    char id[ID_BYTES + 1];
    snprintf(id, sizeof id, "%0*u", ID_BYTES, 7U);
    nbx_wire_kv_text(&b, "item", id);
    struct nbx_str body = {(const char *)b.p, (uint32_t)b.len};
    nbx_arena_reset(arena);
    bool ok = daemon_ask(client, "recommend", NBX_STR("anna"), body, arena, &reply);
    nbx_buf_fini(&b);
    const struct nbx_value *items = ok ? nbx_value_get(&reply.body, "items") : NULL;
    const struct nbx_value *observed = ok ? nbx_value_get(&reply.body, "observed") : NULL;
    bool served = items && items->n == 20 && observed && reply_int(observed, "applied") == 1;
    if (!served)
        printf("limit     a recommend with an event is not served any more\n");
    return served;
}

/* Puts items until they are refused, and some more. */
static bool put_until_refused(struct memory_case *c, struct nbx_client *client,
                              struct nbx_arena *arena, double *peak_mib)
{
    struct nbx_reply reply;
    struct nbx_buf b = {0};
    unsigned applied = 0, refusing = 0;
    bool answered = true;
    for (unsigned i = 0; answered && i < MAX_REQUESTS && refusing < REFUSED_ENOUGH; i++) {
        write_items(&b, i);
        nbx_arena_reset(arena);
        struct nbx_str body = {(const char *)b.p, (uint32_t)b.len};
        answered = daemon_ask(client, "item.put", NBX_STR(""), body, arena, &reply);
        int refused = answered ? count_refused(&reply) : -1;
        answered = refused >= 0;
        refusing += refused > 0;
        applied += answered ? ITEMS_A_REQUEST - (unsigned)refused : 0;
        double mib = daemon_resident_mib(&c->daemon);
        *peak_mib = mib > *peak_mib ? mib : *peak_mib;
    }
    nbx_buf_fini(&b);
    printf("limit     %u items taken, then refused; %.1f MiB resident at most\n", applied,
           *peak_mib);
    return refusing == REFUSED_ENOUGH && applied > 0;
}

enum verdict memory_limit(struct memory_case *c)
{
    struct nbx_client *client = NULL;
    struct nbx_arena *arena = nbx_arena_new(16 << 20);
    double peak_mib = 0;
    bool ok = arena && daemon_launch(&c->daemon) && daemon_await(&c->daemon, NULL) &&
              nbx_client_new(&client, c->daemon.endpoint) == NBX_OK &&
              put_until_refused(c, client, arena, &peak_mib) && still_serves(client, arena);
    nbx_client_destroy(&client);
    nbx_arena_destroy(&arena);
    if (ok && peak_mib >= LIMIT_MIB)
        printf("limit     %.1f MiB is over the limit of %.0f\n", peak_mib, LIMIT_MIB);
    return ok && peak_mib < LIMIT_MIB && daemon_stop(&c->daemon) ? PASSED : FAILED;
}

/* watchdog */

static int dial(const struct daemon *d)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", d->folder, d->socket_name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool send_all(int fd, const void *p, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t got = send(fd, (const char *)p + sent, n - sent, MSG_NOSIGNAL);
        if (got <= 0)
            return false;
        sent += (size_t)got;
    }
    return true;
}

/* ZMTP 3.0 by hand: greeting with the NULL mechanism, READY as a DEALER, and the other side's of
 * both: what comes before them closes the connection. */
static bool shake_hands(int fd)
{
    uint8_t theirs[64 + 2], command[255];
    static const uint8_t ready[] = "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                                   "DEALER";
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    return send_all(fd, greeting, sizeof greeting) && send_all(fd, ready, sizeof ready - 1) &&
           recv(fd, theirs, sizeof theirs, MSG_WAITALL) == sizeof theirs &&
           recv(fd, command, theirs[65], MSG_WAITALL) == theirs[65];
}

/* Frames of one message that never ends: each says that more follow. */
static void send_endlessly(int fd)
{
    static uint8_t frame[9 + ENDLESS_BYTES] = {0x03};
    nbx_be64_put(frame + 1, ENDLESS_BYTES);
    int64_t until_ns = nbx_clock_mono_ns() + ENDLESS_MS * INT64_C(1000000);
    while (nbx_clock_mono_ns() < until_ns && send_all(fd, frame, sizeof frame))
        continue;
}

enum verdict memory_watchdog(struct memory_case *c)
{
    struct daemon *d = &c->daemon;
    if (!daemon_launch(d) || !daemon_await(d, NULL))
        return FAILED;
    int fd = dial(d);
    bool sent = fd >= 0 && shake_hands(fd);
    if (sent)
        send_endlessly(fd);
    int code = daemon_wait(d, ENDLESS_MS);
    if (fd >= 0)
        close(fd);
    printf("watchdog  exit code %d after a message without end\n", code);
    if (code != 1)
        daemon_print_log(d);
    return sent && code == 1 ? PASSED : FAILED;
}
