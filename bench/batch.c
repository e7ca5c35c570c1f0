/* SPDX-License-Identifier: MIT
 * bench_batch: customers c0, c1, ... answered as fast as the daemon can, one or many a request.
 *
 *     bench_batch CUSTOMERS TOGETHER UNDER_WAY      as JSON; NBX_ENDPOINT names the daemon
 */
#include "engine/base/clock.h"
#include "proto/client/client.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>

#define REPLY_ARENA ((size_t)256 << 20)
#define TIMEOUT_MS  60000

struct bench {
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    unsigned long customers, together, under_way;
    unsigned long sent, answered; /* customers */
    unsigned long n_busy;
};

static struct nbx_str put_id(char *out, size_t room, unsigned long i)
{
    return (struct nbx_str){out, (uint32_t)snprintf(out, room, "c%lu", i)};
}

/* The next customers: one by key, or a list of them. */
static enum nbx_err send_next(struct bench *b)
{
    char id[24];
    unsigned long left = b->customers - b->sent, n = left < b->together ? left : b->together;
    struct nbx_request request = {.op = "recommend", .tag = n};
    nbx_buf_clear(&b->body);
    nbx_wire_map(&b->body, 1);
    if (b->together == 1) {
        request.key = put_id(id, sizeof id, b->sent);
        nbx_wire_kv_text(&b->body, "record", "none");
    } else {
        nbx_wire_text(&b->body, "customers");
        nbx_wire_list(&b->body, (uint32_t)n);
        for (unsigned long i = 0; i < n; i++)
            nbx_wire_str(&b->body, put_id(id, sizeof id, b->sent + i));
    }
    request.body = (struct nbx_str){(const char *)b->body.p, (uint32_t)b->body.len};
    b->sent += n;
    return nbx_client_send(b->client, &request);
}

static enum nbx_err run(struct bench *b)
{
    enum nbx_err err = NBX_OK;
    while (!err && b->answered < b->customers) {
        if (b->sent < b->customers && b->sent - b->answered < b->together * b->under_way) {
            err = send_next(b);
            continue;
        }
        struct nbx_reply reply;
        nbx_arena_reset(b->arena);
        err = nbx_client_recv(b->client, TIMEOUT_MS, b->arena, &reply);
        if (err)
            return err;
        bool ok = nbx_str_is(reply.status, "ok");
        if (!ok && !nbx_str_is(reply.status, "busy"))
            return NBX_EBAD;
        b->n_busy += !ok;
        b->answered += ok ? (unsigned long)reply.tag : 0;
        b->sent -= ok ? 0 : (unsigned long)reply.tag; /* as many answers all the same */
    }
    return err;
}

int main(int argc, char **argv)
{
    const char *endpoint = getenv("NBX_ENDPOINT");
    struct bench b = {.arena = nbx_arena_new(REPLY_ARENA)};
    if (argc == 4) {
        b.customers = strtoul(argv[1], NULL, 10);
        b.together = strtoul(argv[2], NULL, 10);
        b.under_way = strtoul(argv[3], NULL, 10);
    }
    if (!b.customers || !b.together || !b.under_way || !endpoint) {
        fputs("usage: NBX_ENDPOINT=... bench_batch CUSTOMERS TOGETHER UNDER_WAY\n", stderr);
        return 2;
    }
    enum nbx_err err = b.arena ? nbx_client_new(&b.client, endpoint) : NBX_ELIMIT;
    int64_t from_ns = nbx_clock_mono_ns();
    if (!err)
        err = run(&b);
    double seconds = (double)(nbx_clock_mono_ns() - from_ns) / 1e9;
    if (err)
        fprintf(stderr, "bench_batch: %s\n", nbx_err_status(err));
    else
        printf("{\"customers\": %lu, \"seconds\": %.4f, \"per_second\": %.1f, \"busy\": %lu}\n",
               b.customers, seconds, (double)b.customers / seconds, b.n_busy);
    nbx_client_destroy(&b.client);
    nbx_arena_destroy(&b.arena);
    nbx_buf_fini(&b.body);
    return err ? 1 : 0;
}
