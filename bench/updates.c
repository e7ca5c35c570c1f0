/* SPDX-License-Identifier: MIT
 * bench_updates [--items N] [--seconds S] [--dir DIR] [--json]
 *
 * Item vectors that change in service, N items x 64 in one process with the daemon's threads: how
 * long the bundle takes to load; how long from an item.put sent until it is acknowledged, and until
 * a recommend asked then has found the item, one at a time and 1,000 at a time, with and without a
 * repack under way; and what recommend (500 a second, open loop) is like while vectors stay as they
 * are and while 100 a second change.
 */
#include "engine/base/clock.h"
#include "engine/base/hist.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "engine/serve/server.h"
#include "models/bundle/bundle.h"
#include "proto/client/client.h"
#include "proto/wire.h"

#include <ftw.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIMS         64
#define BULK         1000
#define FILL         5000
#define SINGLES      300
#define BULKS        40
#define TIMEOUT_MS   120000
#define ASKED_A_S    500
#define CHANGED_A_S  100
#define PROBE_NORM   1000.0F /* longer than any other: found first for its own vector */
#define DAY_MS       INT64_C(86400000)
#define MEMORY_LIMIT ((size_t)12 << 30)

static struct {
    uint32_t items;
    double seconds;
    const char *dir;
    bool json;
} args = {100000, 10, NULL, false};

static char folder[256], endpoint[300], data_dir[300];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_updates: cannot %s\n", what);
    exit(1);
}

static void report(const char *name, double v, const char *unit)
{
    printf(args.json ? "{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}\n" : "%-44s %12.3f %s\n",
           name, v, unit);
    fflush(stdout);
}

static void report_hist(const char *name, const struct nbx_hist *h)
{
    char text[96];
    snprintf(text, sizeof text, "%s p50", name);
    report(text, (double)nbx_hist_quantile(h, 0.5) / 1e6, "ms");
    snprintf(text, sizeof text, "%s p99", name);
    report(text, (double)nbx_hist_quantile(h, 0.99) / 1e6, "ms");
}

/* One connection and what it says. */
struct peer {
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_random random;
    struct nbx_reply reply;
};

static void peer_open(struct peer *p, uint64_t seed)
{
    *p = (struct peer){.arena = nbx_arena_new((size_t)64 << 20)};
    nbx_random_init(&p->random, seed);
    must(p->arena && !nbx_client_new(&p->client, endpoint), "connect");
}

static void peer_close(struct peer *p)
{
    nbx_client_destroy(&p->client);
    nbx_arena_destroy(&p->arena);
    nbx_buf_fini(&p->body);
}

static struct nbx_request request_of(const struct peer *p, const char *op)
{
    return (struct nbx_request){.op = op, .body = {(const char *)p->body.p, (uint32_t)p->body.len}};
}

static const struct nbx_value *ask(struct peer *p, const char *op)
{
    struct nbx_request request = request_of(p, op);
    nbx_arena_reset(p->arena);
    must(!nbx_client_call(p->client, &request, TIMEOUT_MS, p->arena, &p->reply) &&
             nbx_str_is(p->reply.status, "ok"),
         op);
    return &p->reply.body;
}

/* Lengths differ as those of trained factors do. */
static void random_vector(struct nbx_random *r, float *x)
{
    float length = expf(0.5F * (float)nbx_random_normal(r));
    for (size_t d = 0; d < DIMS; d++)
        x[d] = length * (float)nbx_random_normal(r);
}

static void begin_items(struct peer *p, uint32_t n)
{
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 1);
    nbx_wire_text(&p->body, "items");
    nbx_wire_list(&p->body, n);
}

static void put_item(struct peer *p, uint32_t number, const float *vector)
{
    char id[16];
    snprintf(id, sizeof id, "i%u", number);
    nbx_wire_map(&p->body, vector ? 3 : 2);
    nbx_wire_kv_text(&p->body, "id", id);
    nbx_wire_kv_int(&p->body, "price", number % 1000);
    if (vector) {
        nbx_wire_text(&p->body, "vector");
        nbx_wire_bin(&p->body, vector, DIMS * sizeof *vector);
    }
}

static void write_search(struct peer *p, const float *vector, int n)
{
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 3);
    nbx_wire_kv_int(&p->body, "n", n);
    nbx_wire_kv_text(&p->body, "record", "none");
    nbx_wire_text(&p->body, "vector");
    nbx_wire_bin(&p->body, vector, DIMS * sizeof *vector);
}

static void write_bundle(void)
{
    struct nbx_random random;
    struct nbx_fault fault = {0};
    char path[400];
    float *factors = malloc((size_t)args.items * DIMS * sizeof *factors);
    struct nbx_str *ids = malloc(args.items * sizeof *ids);
    char(*texts)[12] = malloc(args.items * sizeof *texts);
    must(factors && ids && texts, "make vectors");
    nbx_random_init(&random, 1);
    for (uint32_t i = 0; i < args.items; i++) {
        random_vector(&random, factors + (size_t)i * DIMS);
        snprintf(texts[i], sizeof texts[i], "i%u", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    struct nbx_bundle_info info = {.name = NBX_STR("bench"),
                                   .version = NBX_STR("1"),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1,
                                   .n_items = args.items,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                        .dims = DIMS,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = factors};
    snprintf(path, sizeof path, "%s/bench" NBX_BUNDLE_SUFFIX, data_dir);
    must(!nbx_bundle_write(path, &info, NULL, &fault), "write the bundle");
    free(factors);
    free(ids);
    free(texts);
}

static const struct nbx_event_type types[] = {
    {NBX_STR("view"), 0, NBX_CLASS_POSITIVE, 0.3, 0, NAN}};
static const struct nbx_str channels[] = {NBX_STR("web")};

static struct nbx_server *start(void)
{
    static struct nbx_str listen;
    struct nbx_fault fault = {0};
    struct nbx_server *server = NULL;
    listen = nbx_str_c(endpoint);
    struct nbx_server_options options = {.listen = &listen,
                                         .n_listen = 1,
                                         .data_dir = data_dir,
                                         .workers = 2,
                                         .memory_limit = MEMORY_LIMIT,
                                         .vocabulary = {.types = types,
                                                        .n_types = 1,
                                                        .channels = channels,
                                                        .n_channels = 1,
                                                        .currency = NBX_STR("EUR")},
                                         .trend_half_life_ms = DAY_MS,
                                         .event_retention_ms = 400 * DAY_MS,
                                         .decision_retention_ms = 30 * DAY_MS,
                                         .accept = NBX_ACCEPT_ANY,
                                         .queue = 4096,
                                         .queue_time_ms = TIMEOUT_MS,
                                         .max_message_bytes = (size_t)64 << 20,
                                         .drain_timeout_ms = TIMEOUT_MS,
                                         .version = "bench"};
    if (nbx_server_start(&server, &options, &fault))
        fprintf(stderr, "%s: %s\n", fault.field, fault.message);
    must(server, "start the server");
    return server;
}

static void fill(struct peer *p)
{
    for (uint32_t first = 0; first < args.items; first += FILL) {
        uint32_t n = args.items - first < FILL ? args.items - first : FILL;
        begin_items(p, n);
        for (uint32_t i = 0; i < n; i++)
            put_item(p, first + i, NULL);
        ask(p, "item.put");
    }
}

/* n items get new vectors, the last one a long one, to be looked for. */
struct update {
    float probe[DIMS];
    uint32_t number;
};

static void write_update(struct peer *p, uint32_t n, struct update *u)
{
    float x[DIMS], square = 0;
    begin_items(p, n);
    for (uint32_t i = 0; i + 1 < n; i++) {
        random_vector(&p->random, x);
        put_item(p, (uint32_t)nbx_random_below(&p->random, args.items), x);
    }
    random_vector(&p->random, u->probe);
    for (size_t d = 0; d < DIMS; d++)
        square += u->probe[d] * u->probe[d];
    for (size_t d = 0; d < DIMS; d++)
        u->probe[d] *= PROBE_NORM / sqrtf(square);
    u->number = (uint32_t)nbx_random_below(&p->random, args.items);
    put_item(p, u->number, u->probe);
}

struct times {
    struct nbx_hist acknowledged, found;
};

static void measure_one(struct peer *p, uint32_t n, struct times *t)
{
    struct update u;
    char id[16];
    write_update(p, n, &u);
    int64_t sent_ns = nbx_clock_mono_ns();
    ask(p, "item.put");
    nbx_hist_add(&t->acknowledged, (uint64_t)(nbx_clock_mono_ns() - sent_ns));
    write_search(p, u.probe, 1);
    const struct nbx_value *items = nbx_value_get(ask(p, "recommend"), "items");
    nbx_hist_add(&t->found, (uint64_t)(nbx_clock_mono_ns() - sent_ns));
    snprintf(id, sizeof id, "i%u", u.number);
    must(items && items->n == 1 && nbx_str_is(nbx_value_get(&items->list[0], "id")->s, id),
         "find an acknowledged vector");
    begin_items(p, 1); /* and out of the way of the next */
    random_vector(&p->random, u.probe);
    put_item(p, u.number, u.probe);
    ask(p, "item.put");
}

static bool repacking(struct peer *p)
{
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 0);
    const struct nbx_value *stats = ask(p, "stats");
    return nbx_value_get(stats, "repacks.begun")->i > nbx_value_get(stats, "repacks.ended")->i;
}

/* Changes vectors until the index wants packing anew and that is under way. */
static void scatter(struct peer *p)
{
    struct update u;
    while (!repacking(p)) {
        write_update(p, BULK, &u);
        ask(p, "item.put");
    }
}

/* repacked: only while a repack is under way, made to be where there is none. */
static void measure(struct peer *p, uint32_t n, bool repacked)
{
    static struct times t;
    char name[96];
    size_t samples = n == 1 ? SINGLES : BULKS;
    memset(&t, 0, sizeof t);
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)(args.seconds * 4e9);
    for (size_t i = 0; i < samples && nbx_clock_mono_ns() < until_ns; i++) {
        if (repacked)
            scatter(p);
        measure_one(p, n, &t);
    }
    const char *beside = repacked ? ", repacking" : "";
    snprintf(name, sizeof name, "put %u%s: measured", n, beside);
    report(name, (double)t.found.n, "times");
    snprintf(name, sizeof name, "put %u%s: acknowledged", n, beside);
    report_hist(name, &t.acknowledged);
    snprintf(name, sizeof name, "put %u%s: found", n, beside);
    report_hist(name, &t.found);
}

/* Changes vectors at a steady rate until told to stop. */
struct changing {
    struct peer peer;
    _Atomic bool stop;
    uint64_t n;
};

static void sleep_until(int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *change_steadily(void *arg)
{
    struct changing *c = arg;
    float x[DIMS];
    int64_t due_ns = nbx_clock_mono_ns();
    for (; !atomic_load(&c->stop); due_ns += 1000000000 / CHANGED_A_S, c->n++) {
        sleep_until(due_ns);
        begin_items(&c->peer, 1);
        random_vector(&c->peer.random, x);
        put_item(&c->peer, (uint32_t)nbx_random_below(&c->peer.random, args.items), x);
        ask(&c->peer, "item.put");
    }
    return NULL;
}

/* Open loop: each request is due at its time, whatever became of those before. */
static uint64_t ask_steadily(struct peer *p, struct nbx_hist *h)
{
    float x[DIMS];
    int64_t start_ns = nbx_clock_mono_ns(), gap_ns = 1000000000 / ASKED_A_S;
    uint64_t n = (uint64_t)(args.seconds * ASKED_A_S), sent = 0, got = 0, failed = 0;
    while (got < n) {
        int64_t now_ns = nbx_clock_mono_ns();
        if (sent < n && now_ns >= start_ns + (int64_t)sent * gap_ns) {
            random_vector(&p->random, x);
            write_search(p, x, 20);
            struct nbx_request request = request_of(p, "recommend");
            request.tag = sent++;
            must(!nbx_client_send(p->client, &request), "send");
            continue;
        }
        int64_t wait_ns = start_ns + (int64_t)sent * gap_ns - now_ns;
        nbx_arena_reset(p->arena);
        if (nbx_client_recv(p->client, sent < n ? (int)(wait_ns / 1000000) : TIMEOUT_MS, p->arena,
                            &p->reply))
            continue;
        failed += !nbx_str_is(p->reply.status, "ok");
        nbx_hist_add(h,
                     (uint64_t)(nbx_clock_mono_ns() - start_ns - (int64_t)p->reply.tag * gap_ns));
        got++;
    }
    return failed;
}

static void measure_recommend(struct peer *p, bool change)
{
    static struct nbx_hist h;
    static struct changing c;
    pthread_t thread;
    nbx_hist_clear(&h);
    if (change) {
        memset(&c, 0, sizeof c);
        peer_open(&c.peer, 3);
        must(!pthread_create(&thread, NULL, change_steadily, &c), "start a thread");
    }
    uint64_t failed = ask_steadily(p, &h);
    if (change) {
        atomic_store(&c.stop, true);
        pthread_join(thread, NULL);
        peer_close(&c.peer);
    }
    report_hist(change ? "recommend, 100 vectors/s changing" : "recommend, nothing changing", &h);
    if (failed)
        report("  of these refused", (double)failed, "requests");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static bool read_args(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--json") == 0)
            args.json = true;
        else if (strcmp(argv[i], "--items") == 0 && value)
            args.items = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0 && value)
            args.seconds = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--dir") == 0 && value)
            args.dir = argv[++i];
        else
            return false;
    }
    return args.items >= 100 && args.seconds > 0;
}

static void run(void)
{
    struct peer p;
    struct nbx_server *server = start(); /* the ids get their numbers */
    nbx_server_stop(&server);
    int64_t start_ns = nbx_clock_mono_ns();
    server = start();
    report("load of the bundle", (double)(nbx_clock_mono_ns() - start_ns) / 1e6, "ms");
    peer_open(&p, 2);
    fill(&p);
    measure_recommend(&p, false);
    measure_recommend(&p, true);
    measure(&p, 1, false);
    measure(&p, BULK, false);
    measure(&p, 1, true);
    measure(&p, BULK, true);
    peer_close(&p);
    nbx_server_stop(&server);
}

int main(int argc, char **argv)
{
    if (!read_args(argc, argv)) {
        fprintf(stderr, "usage: bench_updates [--items N] [--seconds S] [--dir DIR] [--json]\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/nbx-updates-XXXXXX", args.dir ? args.dir : "/tmp");
    must(mkdtemp(folder) != NULL, "make a folder");
    snprintf(data_dir, sizeof data_dir, "%s/data", folder);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/sock", folder);
    must(mkdir(data_dir, 0700) == 0, "make a folder");
    nbx_blas_init();
    write_bundle();
    run();
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
