/* SPDX-License-Identifier: MIT */
#include "engine/serve/server.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/customer/migrate.h"
#include "engine/serve/keeper.h"
#include "engine/serve/server_internal.h"

#include <stdlib.h>

#define JOBS_A_WORKER 1024 /* requests under way, beyond those in the workers' rings */
/* Of memory_limit: first the process as it is when empty, then shares of the rest; what is left
 * after them is for arenas, filters and a snapshot being built. */
#define EMPTY_BYTES     ((size_t)32 << 20)
#define CACHE_SHARE     16
#define CACHE_MAX       ((size_t)96 << 20)
#define BUFFER_SHARE    16
#define BUFFER_MAX      ((size_t)48 << 20)
#define RECENT_SHARE    64
#define RECENT_MAX      ((size_t)48 << 20)
#define MIGRATION_BYTES ((size_t)256 << 20) /* one customer with all events, before any request */
#define FORGET_BYTES    ((size_t)64 << 20)  /* at most: one customer's records */
#define BUDGET_SHARES   10                  /* of 16: catalogue, ids, trends, index */

static size_t share(size_t limit, size_t part, size_t max)
{
    return limit / part < max ? limit / part : max;
}

/* What of memory_limit is there to be shared out. */
static size_t to_share(const struct nbx_server_options *options)
{
    size_t limit = options->memory_limit;
    return limit > 2 * EMPTY_BYTES ? limit - EMPTY_BYTES : limit / 2;
}

struct nbx_store_options nbx_server_store_options(const struct nbx_server_options *options)
{
    size_t limit = to_share(options);
    return (struct nbx_store_options){.dir = options->data_dir,
                                      .cache_bytes = share(limit, CACHE_SHARE, CACHE_MAX),
                                      .write_buffer_bytes = share(limit, BUFFER_SHARE, BUFFER_MAX),
                                      .event_retention_ms = options->event_retention_ms,
                                      .decision_retention_ms = options->decision_retention_ms};
}

static enum nbx_err open_store(struct nbx_server *s, struct nbx_fault *fault)
{
    size_t limit = to_share(&s->options);
    struct nbx_store_options options = nbx_server_store_options(&s->options);
    s->recent_bytes = share(limit, RECENT_SHARE, RECENT_MAX) / s->n_workers;
    s->budget.limit = limit / 16 * BUDGET_SHARES;
    enum nbx_err err = nbx_store_open(&s->store, &options, fault);
    if (err)
        return err;
    nbx_store_be_patient(s->store, true); /* a start writes little, and must not fail for it */
    err = nbx_ids_load(&s->ids, s->store, &s->budget);
    return err ? nbx_fault_set(fault, err, NULL, "item ids cannot be read: %s", nbx_err_status(err))
               : NBX_OK;
}

/* Whom a list beside a restored database names. */
static enum nbx_err forget_again(struct nbx_server *s, struct nbx_fault *fault)
{
    size_t n = 0;
    struct nbx_customer_scope scope = {.customers = s->customers,
                                       .vocabulary = s->keeper.vocabulary,
                                       .arena = nbx_arena_new(FORGET_BYTES),
                                       .batch = nbx_batch_new(),
                                       .now_ms = nbx_clock_wall_ms()};
    enum nbx_err err = scope.arena && scope.batch
                           ? nbx_customers_forget_again(&scope, &n, fault)
                           : nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory");
    if (n)
        nbx_log_info("forgotten=again customers=%zu", n);
    nbx_batch_destroy(&scope.batch);
    nbx_arena_destroy(&scope.arena);
    return err ? err : nbx_keeper__erase_load(&s->keeper);
}

/* A folder of an older format becomes one of today's. */
static enum nbx_err migrate(struct nbx_server *s)
{
    struct nbx_customer_scope scope = {.customers = s->customers,
                                       .vocabulary = s->keeper.vocabulary,
                                       .now_ms = nbx_clock_wall_ms()};
    bool done = nbx_store_format(s->store) == NBX_STORE_FORMAT;
    uint32_t group = 0;
    if (done)
        return NBX_OK;
    nbx_log_info("what=migration format=%d text=\"begins or goes on\"", NBX_STORE_FORMAT);
    scope.arena = nbx_arena_new(MIGRATION_BYTES);
    scope.batch = nbx_batch_new();
    enum nbx_err err = scope.arena && scope.batch ? NBX_OK : NBX_ELIMIT;
    while (!err && !done)
        err = nbx_migrate_2(&scope, &group, &done);
    nbx_batch_destroy(&scope.batch);
    nbx_arena_destroy(&scope.arena);
    if (!err)
        nbx_log_info("what=migration format=%d text=\"is done\"", NBX_STORE_FORMAT);
    return err;
}

static enum nbx_err load_state(struct nbx_server *s, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_keeper__load(&s->keeper, s, fault);
    if (err)
        return err;
    err = nbx_customers_new(&s->customers, s->store, s->ids, s->trends);
    if (!err) {
        nbx_customers_keep(s->customers, s->options.event_retention_ms, s->options.history_max);
        err = migrate(s);
    }
    return err ? nbx_fault_set(fault, err, NULL, "customers cannot be read: %s",
                               nbx_err_status(err))
               : forget_again(s, fault);
}

/* The front last: nobody can ask before there is somebody to answer. */
static enum nbx_err start_threads(struct nbx_server *s, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_front__make(&s->front, s, fault);
    if (err)
        return err;
    nbx_store_be_patient(s->store, false);
    for (unsigned w = 0; !err && w < s->n_workers; w++)
        err = nbx_worker__make(&s->workers[w], s, w);
    if (!err)
        err = nbx_commit__start(&s->commit, s);
    for (unsigned w = 0; !err && w < s->n_workers; w++)
        err = nbx_worker__start(&s->workers[w]);
    if (!err)
        err = nbx_keeper__start(&s->keeper); /* hands worlds to workers: after them */
    if (!err)
        err = nbx_fanout__start(&s->fanout, s);
    if (err)
        return nbx_fault_set(fault, err, NULL, "a thread cannot be started");
    return nbx_front__start(&s->front, fault);
}

static struct nbx_server *server_new(const struct nbx_server_options *options)
{
    struct nbx_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = *options;
    s->n_workers = options->workers;
    s->workers = calloc(s->n_workers, sizeof *s->workers);
    s->zmq = zmq_ctx_new();
    s->front.max_jobs = s->n_workers * (options->queue + JOBS_A_WORKER) + 2 * options->queue;
    s->front.bell.fd = s->commit.bell.fd = s->fanout.bell.fd = s->keeper.bell.fd = -1;
    s->front.ear = -1;
    for (unsigned w = 0; s->workers && w < s->n_workers; w++)
        s->workers[w].bell.fd = s->workers[w].ear = -1;
    s->started_ns = nbx_clock_mono_ns();
    atomic_store(&s->queue_time_ms, options->queue_time_ms);
    atomic_store(&s->drain_timeout_ms, options->drain_timeout_ms);
    if (!s->workers || !s->zmq)
        nbx_server_stop(&s);
    return s;
}

enum nbx_err nbx_server_start(struct nbx_server **out, const struct nbx_server_options *options,
                              struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_server *s = server_new(options);
    if (!s)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory");
    enum nbx_err err;
    if ((err = open_store(s, fault)) || (err = load_state(s, fault)) ||
        (err = start_threads(s, fault))) {
        nbx_server_stop(&s);
        return err;
    }
    *out = s;
    return NBX_OK;
}

/* In the reverse of the way of a request: front, then those it feeds, then the commit thread they
 * feed, then what they all read. */
void nbx_server_stop(struct nbx_server **server)
{
    if (!server || !*server)
        return;
    struct nbx_server *s = *server;
    nbx_front__drain(&s->front);
    atomic_store(&s->stop, true);
    nbx_front__stop(&s->front);
    nbx_fanout__stop(&s->fanout);
    nbx_keeper__stop(&s->keeper); /* waits for workers to adopt: before them */
    for (unsigned w = 0; s->workers && w < s->n_workers; w++)
        nbx_worker__stop(&s->workers[w]);
    nbx_commit__stop(&s->commit);
    for (unsigned w = 0; s->workers && w < s->n_workers; w++)
        nbx_worker__free(&s->workers[w]);
    nbx_fanout__free(&s->fanout);
    nbx_commit__free(&s->commit);
    nbx_front__free(&s->front);
    nbx_keeper__free(&s->keeper);
    nbx_customers_destroy(&s->customers);
    nbx_trends_destroy(&s->trends);
    nbx_ids_destroy(&s->ids);
    if (s->store && nbx_store_sync(s->store))
        nbx_log_errorx("sync=failed");
    nbx_store_close(&s->store);
    if (s->zmq)
        zmq_ctx_term(s->zmq);
    free(s->workers);
    free(s);
    *server = NULL;
}

bool nbx_server_is_damaged(const struct nbx_server *s)
{
    return nbx_store_is_damaged(s->store);
}

void *nbx_server_zmq(const struct nbx_server *s)
{
    return s->zmq;
}
