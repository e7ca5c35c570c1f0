/* SPDX-License-Identifier: MIT
 * Item vectors put, changed and removed by some while others search, with a filter that comes often
 * or without, through repacks of the index, excerpts of it and reloads of the bundle: each change
 * is in force in the next answer after its acknowledgement.
 *
 *     race_updates [SECONDS]
 *
 * At least that long, and until REPACKS repacks have ended and EXCERPTS excerpts were made.
 */
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "engine/serve/server.h"
#include "models/bundle/bundle.h"
#include "proto/client/client.h"
#include "proto/wire.h"
#include "tests/crash/daemon.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS    5.0
#define PATIENCE   24 /* times SECONDS */
#define REPACKS    3
#define EXCERPTS   4
#define N_ITEMS    20000 /* enough for excerpts */
#define DIMS       8
#define WRITERS    2
#define SEARCHERS  2
#define BULK       100
#define PROBE_NORM 1000.0F /* longer than any other: a probe is the best for its own vector */
#define TIMEOUT_MS 60000
#define RELOAD_NS  INT64_C(700000000)
#define MIB        ((size_t)1 << 20)
#define DAY_MS     INT64_C(86400000)

static const struct nbx_event_type types[] = {
    {NBX_STR("view"), 0, NBX_CLASS_POSITIVE, 0.3, 0, NAN}};
static const struct nbx_str channels[] = {NBX_STR("web")};
static const struct nbx_vocabulary_options vocabulary = {.types = types,
                                                         .n_types = 1,
                                                         .channels = channels,
                                                         .n_channels = 1,
                                                         .currency = NBX_STR("EUR")};

struct peer {
    unsigned number;
    const char *endpoint;
    const _Atomic bool *stop;
    pthread_t thread;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_random random;
    unsigned failures;
    uint64_t requests;
};

static bool fail(struct peer *p, const char *what, struct nbx_str detail)
{
    printf("peer %u: %s: %.*s\n", p->number, what, NBX_STR_ARG(detail));
    p->failures++;
    return false;
}

/* Sends what stands in the body; the answer must be ok and without errors of entries. */
static bool ask(struct peer *p, const char *op, struct nbx_value *out)
{
    struct nbx_reply reply;
    struct nbx_request request = {.op = op,
                                  .body = {(const char *)p->body.p, (uint32_t)p->body.len}};
    nbx_arena_reset(p->arena);
    p->requests++;
    if (nbx_client_call(p->client, &request, TIMEOUT_MS, p->arena, &reply))
        return fail(p, op, NBX_STR("no reply"));
    const struct nbx_value *errors = nbx_value_get(&reply.body, "errors");
    const struct nbx_value *why = nbx_value_get(&reply.body, "message");
    if (!nbx_str_is(reply.status, "ok") || (errors && errors->n))
        return fail(p, op, why ? why->s : reply.status);
    *out = reply.body;
    return true;
}

static void random_vector(struct peer *p, float *x, float norm)
{
    float square = 0;
    for (size_t d = 0; d < DIMS; d++) {
        x[d] = (float)nbx_random_normal(&p->random);
        square += x[d] * x[d];
    }
    for (size_t d = 0; d < DIMS; d++)
        x[d] *= norm / sqrtf(square);
}

static void put_vector(struct peer *p, const float *x)
{
    nbx_wire_text(&p->body, "vector");
    nbx_wire_bin(&p->body, x, DIMS * sizeof *x);
}

static void put_item(struct peer *p, const char *prefix, unsigned number, const float *x)
{
    char id[16];
    snprintf(id, sizeof id, "%s%u", prefix, number);
    nbx_wire_map(&p->body, 3);
    nbx_wire_kv_text(&p->body, "id", id);
    nbx_wire_kv_int(&p->body, "price", p->number % WRITERS);
    put_vector(p, x);
}

/* The probe with the vector x, and BULK of the writer's own items. */
static bool put(struct peer *p, const float *probe)
{
    struct nbx_value reply;
    float x[DIMS];
    unsigned first = (unsigned)nbx_random_below(&p->random, N_ITEMS / WRITERS);
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 1);
    nbx_wire_text(&p->body, "items");
    nbx_wire_list(&p->body, BULK + 1);
    for (unsigned i = 0; i < BULK; i++) {
        random_vector(p, x, 1 + (float)nbx_random_below(&p->random, 8));
        put_item(p, "i", (first + i) % (N_ITEMS / WRITERS) * WRITERS + p->number, x);
    }
    put_item(p, "p", p->number, probe);
    return ask(p, "item.put", &reply);
}

/* Among all items, or half of the time those of one writer, by a filter. */
static bool search(struct peer *p, const float *x, struct nbx_value *out)
{
    bool filtered = nbx_random_below(&p->random, 2);
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, filtered ? 4 : 3);
    nbx_wire_kv_int(&p->body, "n", 20);
    nbx_wire_kv_text(&p->body, "record", "none");
    put_vector(p, x);
    if (filtered) {
        nbx_wire_text(&p->body, "filter");
        nbx_wire_map(&p->body, 2);
        nbx_wire_kv_text(&p->body, "field", "price");
        nbx_wire_kv_int(&p->body, "eq", p->number % WRITERS);
    }
    return ask(p, "recommend", out);
}

/* Where the writer's probe stands among the best for x; -1 where it does not. */
static int place_of_probe(struct peer *p, const float *x)
{
    struct nbx_value reply;
    char id[16];
    snprintf(id, sizeof id, "p%u", p->number);
    if (!search(p, x, &reply))
        return -2;
    const struct nbx_value *items = nbx_value_get(&reply, "items");
    for (uint32_t i = 0; items && i < items->n; i++)
        if (nbx_str_is(nbx_value_get(&items->list[i], "id")->s, id))
            return (int)i;
    return -1;
}

static bool take_probe_away(struct peer *p)
{
    struct nbx_value reply;
    char id[16];
    snprintf(id, sizeof id, "p%u", p->number);
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 1);
    if (nbx_random_below(&p->random, 2)) {
        nbx_wire_text(&p->body, "ids");
        nbx_wire_list(&p->body, 1);
        nbx_wire_text(&p->body, id);
        return ask(p, "item.delete", &reply);
    }
    nbx_wire_text(&p->body, "items");
    nbx_wire_list(&p->body, 1);
    nbx_wire_map(&p->body, 2);
    nbx_wire_kv_text(&p->body, "id", id);
    nbx_wire_text(&p->body, "vector");
    nbx_wire_nil(&p->body);
    return ask(p, "item.patch", &reply);
}

static void *write_items(void *arg)
{
    struct peer *p = arg;
    float x[DIMS], opposite[DIMS];
    while (!atomic_load(p->stop) && p->failures == 0) {
        random_vector(p, x, PROBE_NORM);
        for (size_t d = 0; d < DIMS; d++)
            opposite[d] = -x[d];
        if (put(p, x) && place_of_probe(p, x) != 0)
            fail(p, "a vector put is not found", NBX_STR("recommend"));
        if (nbx_random_below(&p->random, 2) && put(p, opposite) &&
            (place_of_probe(p, x) != -1 || place_of_probe(p, opposite) != 0))
            fail(p, "a vector changed counts as before", NBX_STR("recommend"));
        if (nbx_random_below(&p->random, 2) && take_probe_away(p) && place_of_probe(p, x) >= 0)
            fail(p, "a vector removed is found", NBX_STR("recommend"));
    }
    return NULL;
}

static void *search_items(void *arg)
{
    struct peer *p = arg;
    struct nbx_value reply;
    float x[DIMS];
    while (!atomic_load(p->stop) && p->failures == 0) {
        random_vector(p, x, 1);
        if (!search(p, x, &reply))
            break;
        const struct nbx_value *items = nbx_value_get(&reply, "items");
        if (items->n != 20)
            fail(p, "a short list", NBX_STR("recommend"));
        for (uint32_t i = 1; i < items->n; i++)
            if (nbx_value_get(&items->list[i], "score")->f >
                nbx_value_get(&items->list[i - 1], "score")->f)
                fail(p, "a list out of order", NBX_STR("recommend"));
    }
    return NULL;
}

static bool write_bundle(const char *data_dir, unsigned version)
{
    static float factors[N_ITEMS * DIMS]; /* (N_ITEMS, DIMS) */
    static char texts[N_ITEMS][8];
    static struct nbx_str ids[N_ITEMS];
    char name[32], path[512];
    struct nbx_random random;
    struct nbx_fault fault = {0};
    nbx_random_init(&random, version);
    for (size_t i = 0; i < N_ITEMS * DIMS; i++)
        factors[i] = (float)nbx_random_normal(&random);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%u", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    snprintf(name, sizeof name, "v%06u", version);
    struct nbx_bundle_info info = {.name = NBX_STR("race"),
                                   .version = nbx_str_c(name),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1000 + version,
                                   .n_items = N_ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                        .dims = DIMS,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = factors};
    snprintf(path, sizeof path, "%s/%u" NBX_BUNDLE_SUFFIX, data_dir, version % 2);
    if (nbx_bundle_write(path, &info, NULL, &fault) == NBX_OK)
        return true;
    printf("bundle: %s %s\n", fault.field, fault.message);
    return false;
}

static struct nbx_server *start(const struct nbx_str *endpoint, const char *data_dir)
{
    struct nbx_fault fault = {0};
    struct nbx_server *server = NULL;
    struct nbx_server_options options = {.listen = endpoint,
                                         .n_listen = 1,
                                         .data_dir = data_dir,
                                         .workers = 2,
                                         .memory_limit = 1024 * MIB,
                                         .vocabulary = vocabulary,
                                         .trend_half_life_ms = DAY_MS,
                                         .event_retention_ms = 400 * DAY_MS,
                                         .decision_retention_ms = 30 * DAY_MS,
                                         .accept = NBX_ACCEPT_ANY,
                                         .queue = 64,
                                         .queue_time_ms = 60000,
                                         .max_message_bytes = MIB,
                                         .drain_timeout_ms = 20000,
                                         .version = "race"};
    if (nbx_server_start(&server, &options, &fault))
        printf("server: %s %s\n", fault.field, fault.message);
    return server;
}

static void peer_open(struct peer *p)
{
    nbx_random_init(&p->random, p->number + 1);
    p->arena = nbx_arena_new(4 * MIB);
    if (!p->arena || nbx_client_new(&p->client, p->endpoint))
        abort();
}

static void peer_close(struct peer *p)
{
    nbx_client_destroy(&p->client);
    nbx_arena_destroy(&p->arena);
    nbx_buf_fini(&p->body);
}

/* What has happened so far, by the daemon's counters. */
struct progress {
    int64_t repacks, excerpts;
};

static bool get_progress(struct peer *p, struct progress *out)
{
    struct nbx_value reply;
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 0);
    if (!ask(p, "stats", &reply))
        return false;
    *out = (struct progress){nbx_value_get(&reply, "repacks.ended")->i,
                             nbx_value_get(&reply, "excerpts.made")->i};
    return true;
}

static bool is_enough(const struct progress *now)
{
    return now->repacks >= REPACKS && now->excerpts >= EXCERPTS;
}

/* Reloads bundles until time is over and enough has happened; false where it has not. */
static bool reload_for(struct peer *p, struct nbx_server *server, const char *data_dir,
                       double seconds)
{
    struct timespec pause = {0, RELOAD_NS};
    struct nbx_server_options fresh = {.vocabulary = vocabulary,
                                       .accept = NBX_ACCEPT_ANY,
                                       .queue_time_ms = 60000,
                                       .drain_timeout_ms = 20000};
    int64_t start_ns = nbx_clock_mono_ns();
    struct progress now = {0};
    for (unsigned n = 2;; n++) {
        double past = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
        if (!get_progress(p, &now) || past > PATIENCE * seconds)
            break;
        if (is_enough(&now) && past > seconds)
            break;
        if (n % 8 == 0) {
            if (!write_bundle(data_dir, n))
                return false;
            nbx_server_reload(server, &fresh);
        }
        nanosleep(&pause, NULL);
    }
    printf("%lld repacks, %lld excerpts\n", (long long)now.repacks, (long long)now.excerpts);
    return is_enough(&now);
}

static bool race(struct nbx_server *server, const char *endpoint, const char *data_dir,
                 double seconds)
{
    static struct peer peers[WRITERS + SEARCHERS + 1];
    struct peer *own = &peers[WRITERS + SEARCHERS];
    _Atomic bool stop = false;
    unsigned failures = 0;
    uint64_t requests = 0;
    for (unsigned i = 0; i <= WRITERS + SEARCHERS; i++) {
        peers[i] = (struct peer){.number = i, .endpoint = endpoint, .stop = &stop};
        peer_open(&peers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) /* so that every list is full */
        for (unsigned n = 0; n < 3; n++)
            if (!put(&peers[i], (float[DIMS]){PROBE_NORM}))
                return false;
    for (unsigned i = 0; i < WRITERS + SEARCHERS; i++)
        if (pthread_create(&peers[i].thread, NULL, i < WRITERS ? write_items : search_items,
                           &peers[i]))
            abort();
    bool repacked = reload_for(own, server, data_dir, seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i <= WRITERS + SEARCHERS; i++) {
        if (&peers[i] != own)
            pthread_join(peers[i].thread, NULL);
        failures += peers[i].failures;
        requests += peers[i].requests;
        peer_close(&peers[i]);
    }
    printf("%llu requests, %u failures\n", (unsigned long long)requests, failures);
    return failures == 0 && repacked;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : SECONDS;
    char folder[256], endpoint[300], data_dir[300];
    if (!folder_make(folder, sizeof folder, "nbx-race"))
        return 1;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/sock", folder);
    snprintf(data_dir, sizeof data_dir, "%s/data", folder);
    nbx_blas_init();
    struct nbx_str listen = nbx_str_c(endpoint);
    struct nbx_server *server = start(&listen, data_dir);
    struct nbx_server_options fresh = {.vocabulary = vocabulary,
                                       .accept = NBX_ACCEPT_ANY,
                                       .queue_time_ms = 60000,
                                       .drain_timeout_ms = 20000};
    bool ok = server && write_bundle(data_dir, 1);
    if (ok)
        nbx_server_reload(server, &fresh);
    ok = ok && race(server, endpoint, data_dir, seconds);
    nbx_server_stop(&server);
    folder_remove(folder);
    return ok ? 0 : 1;
}
