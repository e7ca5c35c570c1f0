/* SPDX-License-Identifier: MIT
 * The whole server in one process with its clients, so that ThreadSanitizer sees every thread:
 * front, workers, fan-out, commit and keeper, under every kind of request, while bundles are
 * replaced, and others are pushed, held against the one in service, and deleted.
 *
 *     race_serve [SECONDS]
 */
#include "engine/base/clock.h"
#include "engine/blas/blas.h"
#include "engine/serve/server.h"
#include "models/bundle/bundle.h"
#include "proto/client/push.h"
#include "proto/wire.h"
#include "tests/crash/daemon.h"
#include "tests/race/race_shop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECONDS    5.0
#define WORKERS    3
#define SHOPPERS   8 /* all roles, and most of them twice */
#define DIMS       8
#define MIB        ((size_t)1 << 20)
#define DAY_MS     INT64_C(86400000)
#define RELOAD_NS  INT64_C(100000000)
#define PUSHED     1000000 /* number of the version that is pushed */
#define WAIT_MS    60000
#define PATH_BYTES 512

static const struct nbx_event_type types[] = {
    {NBX_STR("view"), 0, NBX_CLASS_POSITIVE, 0.3, 0, NAN},
    {NBX_STR("cart"), 0, NBX_CLASS_POSITIVE, 0.7, 0, NAN},
    {NBX_STR("purchase"), 0, NBX_CLASS_POSITIVE, 1, 0, NAN},
    {NBX_STR("dismiss"), 0, NBX_CLASS_NEGATIVE, 0, 0, NAN},
    {NBX_STR("search"), 0, NBX_CLASS_NEUTRAL, 0, 0, NAN}, /* there every other time */
};
static const struct nbx_str channels[] = {NBX_STR("web"), NBX_STR("app"), NBX_STR("kiosk")};

static struct nbx_vocabulary_options vocabulary(unsigned version)
{
    return (struct nbx_vocabulary_options){.types = types,
                                           .n_types = sizeof types / sizeof *types - version % 2,
                                           .channels = channels,
                                           .n_channels = 3 - version % 2,
                                           .currency = NBX_STR("EUR")};
}

/* Bundle number `version`: other vectors, and every third time fewer items. */
static bool write_bundle(const char *path, unsigned version)
{
    static float factors[SHOP_ITEMS * DIMS]; /* (n_items, DIMS) */
    static char texts[SHOP_ITEMS][8];
    static struct nbx_str ids[SHOP_ITEMS];
    char name[32];
    struct nbx_random random;
    struct nbx_fault fault = {0};
    struct nbx_bundle_info info = {.name = NBX_STR("race"),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1000 + version,
                                   .n_items = SHOP_ITEMS - (version % 3 == 0 ? 50 : 0),
                                   .item_ids = ids,
                                   .n_spaces = 1};
    nbx_random_init(&random, version);
    for (size_t i = 0; i < SHOP_ITEMS * DIMS; i++)
        factors[i] = (float)nbx_random_normal(&random) * 0.1f;
    for (unsigned i = 0; i < SHOP_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%u", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    snprintf(name, sizeof name, "v%06u", version);
    info.version = nbx_str_c(name);
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                        .dims = DIMS,
                                        .metric = NBX_METRIC_DOT,
                                        .customer = NBX_CUSTOMER_FOLDED,
                                        .item_factors = factors,
                                        .alpha0 = 0.01f,
                                        .lambda = 0.003f,
                                        .nu = 1};
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
                                         .workers = WORKERS,
                                         .memory_limit = 1024 * MIB,
                                         .vocabulary = vocabulary(0),
                                         .trend_half_life_ms = DAY_MS,
                                         .event_retention_ms = 400 * DAY_MS,
                                         .decision_retention_ms = 30 * DAY_MS,
                                         .accept = NBX_ACCEPT_ANY,
                                         .queue = 64,
                                         .queue_time_ms = 20000,
                                         .max_message_bytes = MIB,
                                         .model_max_bytes = MIB,
                                         .model_push_idle_ms = DAY_MS,
                                         .drain_timeout_ms = 20000,
                                         .version = "race"};
    if (nbx_server_start(&server, &options, &fault))
        printf("server: %s %s\n", fault.field, fault.message);
    return server;
}

/* Reloads until the time is over; counts how often. */
static unsigned reload_for(struct nbx_server *server, const char *data_dir, double seconds)
{
    int64_t end_ns = nbx_clock_mono_ns() + (int64_t)(seconds * 1e9);
    unsigned n = 0;
    char path[PATH_BYTES];
    struct timespec pause = {0, RELOAD_NS};
    while (nbx_clock_mono_ns() < end_ns) {
        struct nbx_server_options fresh = {.vocabulary = vocabulary(++n),
                                           .accept = NBX_ACCEPT_ANY,
                                           .queue_time_ms = 20000 + n,
                                           .drain_timeout_ms = 20000};
        snprintf(path, sizeof path, "%s/%u" NBX_BUNDLE_SUFFIX, data_dir, n % 2);
        if (!write_bundle(path, n))
            return 0;
        nbx_server_reload(server, &fresh);
        nanosleep(&pause, NULL);
    }
    return n;
}

/* Pushes one version and deletes it, again and again. */
struct pusher {
    char path[PATH_BYTES];
    struct nbx_push push;
    _Atomic bool *stop;
    unsigned pushes, failures;
    pthread_t thread;
};

static bool push_and_delete(struct pusher *p, const struct nbx_buf *version)
{
    struct nbx_value taken;
    struct nbx_reply reply;
    struct nbx_fault fault = {0};
    if (nbx_push_model(&p->push, &taken, &fault) ||
        nbx_ask_ok(&p->push.to, "model.delete", version, &reply, &fault)) {
        printf("push: %s %s\n", fault.field, fault.message);
        return false;
    }
    return true;
}

static void *push_on(void *arg)
{
    struct pusher *p = arg;
    struct nbx_buf version = {0};
    char name[32];
    snprintf(name, sizeof name, "v%06u", PUSHED);
    nbx_wire_map(&version, 2);
    nbx_wire_kv_text(&version, "name", "race");
    nbx_wire_kv_text(&version, "version", name);
    while (!atomic_load(p->stop)) {
        p->failures += !push_and_delete(p, &version);
        p->pushes++;
    }
    nbx_buf_fini(&version);
    return NULL;
}

static bool pusher_start(struct pusher *p, const char *endpoint, const char *data_dir)
{
    static const struct nbx_value commit = {.type = NBX_MAP};
    snprintf(p->path, sizeof p->path, "%s.pushed", data_dir);
    p->push = (struct nbx_push){
        .to = {.endpoint = endpoint, .timeout_ms = WAIT_MS, .arena = nbx_arena_new(4 << 20)},
        .commit_timeout_ms = WAIT_MS,
        .path = p->path,
        .commit = &commit,
        .progress_fd = -1};
    return p->push.to.arena && write_bundle(p->path, PUSHED) &&
           nbx_client_new(&p->push.to.client, endpoint) == NBX_OK &&
           pthread_create(&p->thread, NULL, push_on, p) == 0;
}

static void pusher_join(struct pusher *p)
{
    pthread_join(p->thread, NULL);
    nbx_client_destroy(&p->push.to.client);
    nbx_arena_destroy(&p->push.to.arena);
}

static bool race(struct nbx_server *server, const char *endpoint, const char *data_dir,
                 double seconds)
{
    static struct shopper shoppers[SHOPPERS];
    static struct pusher pusher;
    _Atomic bool stop = false;
    unsigned failures = 0;
    uint64_t requests = 0;
    for (unsigned i = 0; i < SHOPPERS; i++) {
        shoppers[i] = (struct shopper){
            .role = (enum shop_role)(i % SHOP_N_ROLES), .endpoint = endpoint, .stop = &stop};
        if (!shopper_start(&shoppers[i], i + 1))
            abort();
    }
    pusher.stop = &stop;
    if (!pusher_start(&pusher, endpoint, data_dir))
        abort();
    unsigned reloads = reload_for(server, data_dir, seconds);
    atomic_store(&stop, true);
    pusher_join(&pusher);
    failures += pusher.failures;
    for (unsigned i = 0; i < SHOPPERS; i++) {
        shopper_join(&shoppers[i]);
        failures += shoppers[i].failures;
        requests += shoppers[i].requests;
    }
    printf("%llu requests, %u reloads, %u pushes, %u failures\n", (unsigned long long)requests,
           reloads, pusher.pushes, failures);
    return failures == 0 && reloads > 0 && requests > 0 && pusher.pushes > 0;
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
    bool ok = server && race(server, endpoint, data_dir, seconds);
    nbx_server_stop(&server);
    folder_remove(folder);
    return ok ? 0 : 1;
}
