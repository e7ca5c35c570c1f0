/* SPDX-License-Identifier: MIT */
#include "proto/client/client.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "proto/ops.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

struct nbx_client {
    void *context, *socket;
    int fd;
    uint64_t next_tag; /* of nbx_client_call */
};

/* sending and receiving */

static enum nbx_err transfer_error(void)
{
    return errno == EAGAIN ? NBX_EBUSY : NBX_EINTERNAL;
}

static int send_frame(void *socket, const void *p, size_t n, int more)
{
    int sent;
    do
        sent = zmq_send(socket, p, n, ZMQ_DONTWAIT | more);
    while (sent < 0 && errno == EINTR);
    return sent;
}

enum nbx_err nbx_client_send(struct nbx_client *client, const struct nbx_request *r)
{
    uint8_t tag[8];
    nbx_be64_put(tag, r->tag);
    struct nbx_str frames[] = {{(char *)tag, sizeof tag}, {"", 0}, NBX_STR(NBX_MAGIC),
                               nbx_str_c(r->op),          r->key,  r->body};
    size_t n = sizeof frames / sizeof frames[0];
    for (size_t i = 0; i < n; i++) {
        /* Only the first frame can find the queue full: a message is taken whole or not. */
        const char *p = frames[i].p ? frames[i].p : "";
        if (send_frame(client->socket, p, frames[i].len, i + 1 < n ? ZMQ_SNDMORE : 0) < 0)
            return transfer_error();
    }
    return NBX_OK;
}

#define REPLY_FRAMES 5 /* tag, empty, magic, status, body */

/* All frames of the message whose first one waits, into frames (REPLY_FRAMES); *n counts those
 * beyond as well. frames are initialised on return whatever happens. */
static enum nbx_err receive_frames(void *socket, zmq_msg_t *frames, int *n)
{
    zmq_msg_t surplus;
    for (int i = 0; i < REPLY_FRAMES; i++)
        zmq_msg_init(&frames[i]);
    zmq_msg_init(&surplus);
    enum nbx_err err = NBX_OK;
    int more = 1;
    for (*n = 0; more && !err; ++*n) {
        zmq_msg_t *frame = *n < REPLY_FRAMES ? &frames[*n] : &surplus;
        int got;
        do
            got = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            err = transfer_error();
        more = zmq_msg_more(frame);
    }
    zmq_msg_close(&surplus);
    return err;
}

static struct nbx_str text_of(zmq_msg_t *frame)
{
    return (struct nbx_str){zmq_msg_data(frame), (uint32_t)zmq_msg_size(frame)};
}

static enum nbx_err read_reply(struct nbx_reply *out, zmq_msg_t *frames, int n,
                               struct nbx_arena *arena)
{
    if (n != REPLY_FRAMES || zmq_msg_size(&frames[0]) != 8 || zmq_msg_size(&frames[1]) != 0 ||
        !nbx_str_is(text_of(&frames[2]), NBX_MAGIC))
        return NBX_EBAD;
    *out = (struct nbx_reply){.tag = nbx_be64_get(zmq_msg_data(&frames[0])),
                              .status = nbx_arena_str(arena, text_of(&frames[3])),
                              .raw = nbx_arena_str(arena, text_of(&frames[4]))};
    if (!out->status.p || !out->raw.p)
        return NBX_ELIMIT;
    return nbx_wire_decode(&out->body, out->raw.p, out->raw.len, arena, NULL);
}

static enum nbx_err receive(struct nbx_client *client, struct nbx_arena *arena,
                            struct nbx_reply *out)
{
    zmq_msg_t frames[REPLY_FRAMES];
    int n;
    enum nbx_err err = receive_frames(client->socket, frames, &n);
    if (!err)
        err = read_reply(out, frames, n, arena);
    for (int i = 0; i < REPLY_FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return err;
}

/* Waits until a message may be there; NBX_EBUSY where none came before deadline_ns. */
static enum nbx_err wait_readable(struct nbx_client *client, int64_t deadline_ns)
{
    zmq_pollitem_t item = {.socket = client->socket, .events = ZMQ_POLLIN};
    for (;;) {
        long left_ms = -1;
        if (deadline_ns >= 0) {
            int64_t left_ns = deadline_ns - nbx_clock_mono_ns();
            left_ms = left_ns > 0 ? (long)((left_ns + 999999) / 1000000) : 0;
        }
        int ready = zmq_poll(&item, 1, left_ms);
        if (ready > 0)
            return NBX_OK;
        if (ready == 0)
            return NBX_EBUSY;
        if (errno != EINTR)
            return NBX_EINTERNAL;
    }
}

static int64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : nbx_clock_mono_ns() + (int64_t)timeout_ms * 1000000;
}

enum nbx_err nbx_client_recv(struct nbx_client *client, int timeout_ms, struct nbx_arena *arena,
                             struct nbx_reply *out)
{
    enum nbx_err err = receive(client, arena, out);
    if (err != NBX_EBUSY || timeout_ms == 0)
        return err;
    err = wait_readable(client, deadline_of(timeout_ms));
    return err ? err : receive(client, arena, out);
}

enum nbx_err nbx_client_call(struct nbx_client *client, const struct nbx_request *request,
                             int timeout_ms, struct nbx_arena *arena, struct nbx_reply *out)
{
    int64_t deadline_ns = deadline_of(timeout_ms);
    struct nbx_request tagged = *request;
    tagged.tag = client->next_tag++;
    enum nbx_err err = nbx_client_send(client, &tagged);
    while (!err) {
        err = wait_readable(client, deadline_ns);
        if (!err)
            err = receive(client, arena, out);
        if (!err && out->tag == tagged.tag) {
            out->tag = request->tag;
            return NBX_OK;
        }
    }
    return err;
}

int nbx_client_fd(const struct nbx_client *client)
{
    return client->fd;
}

/* making */

static bool set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* Reconnects start at 50 ms, spread so that a thousand clients do not come back in one instant. */
static bool set_options(void *socket)
{
    uint8_t spread;
    nbx_random_system(&spread, sizeof spread);
    int64_t max_bytes = NBX_CLIENT_MAX_REPLY_BYTES;
    return set(socket, ZMQ_LINGER, 1000) && set(socket, ZMQ_RECONNECT_IVL, 50 + spread % 25) &&
           set(socket, ZMQ_RECONNECT_IVL_MAX, 2000) && set(socket, ZMQ_HEARTBEAT_IVL, 5000) &&
           set(socket, ZMQ_HEARTBEAT_TIMEOUT, 15000) && set(socket, ZMQ_HEARTBEAT_TTL, 30000) &&
           set(socket, ZMQ_IPV6, 1) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0;
}

/* Tags of calls begin anywhere, so that a late reply to an earlier process is not taken for ours.
 */
static enum nbx_err open_socket(struct nbx_client *client, const char *endpoint)
{
    size_t fd_size = sizeof client->fd;
    nbx_random_system(&client->next_tag, sizeof client->next_tag);
    client->context = zmq_ctx_new();
    client->socket = client->context ? zmq_socket(client->context, ZMQ_DEALER) : NULL;
    if (!client->socket || !set_options(client->socket) ||
        zmq_getsockopt(client->socket, ZMQ_FD, &client->fd, &fd_size) != 0)
        return NBX_ELIMIT;
    return zmq_connect(client->socket, endpoint) == 0 ? NBX_OK : NBX_EBAD;
}

enum nbx_err nbx_client_new(struct nbx_client **out, const char *endpoint)
{
    *out = NULL;
    struct nbx_client *client = calloc(1, sizeof *client);
    if (!client)
        return NBX_ELIMIT;
    enum nbx_err err = open_socket(client, endpoint);
    if (err)
        nbx_client_destroy(&client);
    *out = client;
    return err;
}

void nbx_client_destroy(struct nbx_client **client)
{
    if (!client || !*client)
        return;
    if ((*client)->socket)
        zmq_close((*client)->socket);
    if ((*client)->context)
        zmq_ctx_term((*client)->context);
    free(*client);
    *client = NULL;
}

void nbx_client_drop(struct nbx_client **client)
{
    if (client && *client && (*client)->socket)
        set((*client)->socket, ZMQ_LINGER, 0);
    nbx_client_destroy(client);
}
