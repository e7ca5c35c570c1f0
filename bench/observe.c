/* SPDX-License-Identifier: MIT
 * bench_observe [--json] [--endpoint E] [--writers N] [--seconds S] [--customers N] [--items N]
 *               [--seed N]
 *
 * How many events nbxd acknowledges as durable when N writers each send the next one once the last
 * is acknowledged: what bench_store measures of the store alone, through the daemon. One thread
 * plays all writers over one connection, so that the load takes as little of the machine as it
 * can. Customers are c0 to cN-1, items i0 to iN-1. */
#include "engine/base/clock.h"
#include "engine/base/hist.h"
#include "engine/base/random.h"
#include "proto/client/client.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS  10000
#define WARMUP_NS   INT64_C(300000000)
#define ARENA_BYTES ((size_t)1 << 20)
#define MAX_WRITERS 4096

static struct {
    bool json;
    const char *endpoint;
    uint64_t writers, customers, items, seed;
    double seconds;
} args = {false, NULL, 16, 10000, 10000, 1, 5};

/* A tag is a writer's number. */
struct bench {
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_random random;
    struct nbx_buf body;
    int64_t sent_ns[MAX_WRITERS];
    uint64_t n_acknowledged, n_refused;
    struct nbx_hist latency_ns;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_observe: cannot %s\n", what);
    exit(1);
}

static void send_event(struct bench *b, uint64_t writer)
{
    char customer[32], item[32];
    snprintf(customer, sizeof customer, "c%llu",
             (unsigned long long)nbx_random_below(&b->random, args.customers));
    snprintf(item, sizeof item, "i%llu",
             (unsigned long long)nbx_random_below(&b->random, args.items));
    nbx_buf_clear(&b->body);
    nbx_wire_map(&b->body, 2);
    nbx_wire_kv_text(&b->body, "ack", "durable");
    nbx_wire_text(&b->body, "events");
    nbx_wire_list(&b->body, 1);
    nbx_wire_map(&b->body, 2);
    nbx_wire_kv_text(&b->body, "type", "view");
    nbx_wire_kv_text(&b->body, "item", item);
    struct nbx_request request = {.op = "observe",
                                  .key = nbx_str_c(customer),
                                  .body = {(const char *)b->body.p, (uint32_t)b->body.len},
                                  .tag = writer};
    b->sent_ns[writer] = nbx_clock_mono_ns();
    must(nbx_client_send(b->client, &request) == NBX_OK, "send");
}

/* Waits for one acknowledgement; its writer then sends the next event. */
static void step(struct bench *b, bool counted, bool goes_on)
{
    struct nbx_reply reply;
    must(nbx_client_recv(b->client, TIMEOUT_MS, b->arena, &reply) == NBX_OK, "get a reply");
    must(reply.tag < args.writers, "tell whose reply it is");
    bool ok = nbx_str_is(reply.status, "ok");
    nbx_arena_reset(b->arena);
    if (counted) {
        b->n_acknowledged += ok;
        b->n_refused += !ok;
        nbx_hist_add(&b->latency_ns, (uint64_t)(nbx_clock_mono_ns() - b->sent_ns[reply.tag]));
    }
    if (goes_on)
        send_event(b, reply.tag);
}

static void report(const struct bench *b, double seconds)
{
    const char *format =
        args.json ? "{\"writers\": %llu, \"per_second\": %.0f, \"refused\": %llu, "
                    "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p99.9_us\": %.1f}\n"
                  : "%llu writers: %.0f events a second acknowledged as durable, %llu refused; "
                    "p50 %.1f us, p99 %.1f us, p99.9 %.1f us\n";
    printf(format, (unsigned long long)args.writers, (double)b->n_acknowledged / seconds,
           (unsigned long long)b->n_refused, (double)nbx_hist_quantile(&b->latency_ns, 0.5) / 1e3,
           (double)nbx_hist_quantile(&b->latency_ns, 0.99) / 1e3,
           (double)nbx_hist_quantile(&b->latency_ns, 0.999) / 1e3);
}

static void run(struct bench *b)
{
    for (uint64_t w = 0; w < args.writers; w++)
        send_event(b, w);
    int64_t from = nbx_clock_mono_ns() + WARMUP_NS;
    while (nbx_clock_mono_ns() < from)
        step(b, false, true);
    from = nbx_clock_mono_ns();
    int64_t now = from, until = from + (int64_t)(args.seconds * 1e9);
    for (; now < until; now = nbx_clock_mono_ns())
        step(b, true, true);
    for (uint64_t w = 0; w < args.writers; w++)
        step(b, false, false);
    report(b, (double)(now - from) * 1e-9);
}

static void parse(int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *to;
    } counts[] = {{"--writers", &args.writers},
                  {"--customers", &args.customers},
                  {"--items", &args.items},
                  {"--seed", &args.seed}};
    args.endpoint = getenv("NBX_ENDPOINT");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            args.json = true;
            continue;
        }
        must(i + 1 < argc, "read the arguments");
        bool known = true;
        if (strcmp(argv[i], "--endpoint") == 0)
            args.endpoint = argv[i + 1];
        else if (strcmp(argv[i], "--seconds") == 0)
            args.seconds = strtod(argv[i + 1], NULL);
        else
            known = false;
        for (size_t c = 0; !known && c < sizeof counts / sizeof *counts; c++)
            if ((known = strcmp(argv[i], counts[c].name) == 0))
                *counts[c].to = strtoull(argv[i + 1], NULL, 10);
        must(known, "read the arguments");
        i++;
    }
    must(args.writers > 0 && args.writers <= MAX_WRITERS && args.customers > 0 && args.items > 0 &&
             args.seconds > 0,
         "read the arguments");
}

int main(int argc, char **argv)
{
    static struct bench b;
    parse(argc, argv);
    nbx_random_init(&b.random, args.seed);
    b.arena = nbx_arena_new(ARENA_BYTES);
    const char *endpoint = args.endpoint ? args.endpoint : "tcp://127.0.0.1:7741";
    must(b.arena && nbx_client_new(&b.client, endpoint) == NBX_OK, "connect");
    run(&b);
    nbx_client_destroy(&b.client);
    nbx_arena_destroy(&b.arena);
    nbx_buf_fini(&b.body);
    return b.n_refused ? 1 : 0;
}
