/* SPDX-License-Identifier: MIT
 * A worker: serves the requests of the customers it owns, one after the other.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"
#include "engine/serve/server_internal.h"

#include <stdlib.h>
#include <unistd.h>

#define ARENA_BYTES     ((size_t)64 << 20) /* what one request may use */
#define FILTER_BYTES    ((size_t)8 << 20)
#define STALL_PAUSE_MS  2     /* between tries of a part that the store would not take */
#define DUE_PAUSE_MS    100   /* between looks at all groups for events that are due */
#define DUE_SLEEP_MS    10000 /* the most while one is held: the clock may be set */
#define SWEEP_CUSTOMERS 16    /* looked after at a time: some 0.3 ms */
#define SWEEP_PAUSE_NS  INT64_C(100000000)     /* while the worker is idle */
#define SWEEP_BUSY_NS   INT64_C(10000000000)   /* while it never is */
#define SWEEP_ROUND_NS  INT64_C(3600000000000) /* from the beginning of one round to the next */
#define PATIENCE_NS     INT64_C(5000000) /* how long customers of a list make way for requests */

static bool waited_too_long(struct nbx_worker *w, struct nbx_job *job)
{
    int64_t waited_ms = (nbx_clock_mono_ns() - job->arrived_ns) / 1000000;
    if (waited_ms <= atomic_load_explicit(&w->server->queue_time_ms, memory_order_relaxed))
        return false;
    struct nbx_fault fault;
    nbx_fault_set(&fault, NBX_EBUSY, NULL, "waited %lld ms", (long long)waited_ms);
    nbx_reply_fault(job, &fault, NULL);
    return true;
}

struct nbx_customer_scope nbx_worker__scope(struct nbx_worker *w, int64_t now_ms)
{
    return (struct nbx_customer_scope){.customers = w->server->customers,
                                       .vocabulary = w->world->vocabulary,
                                       .arena = w->arena,
                                       .batch = w->batch,
                                       .recent = w->recent,
                                       .now_ms = now_ms};
}

void nbx_worker__due(struct nbx_worker *w, uint8_t group, int64_t now_ms)
{
    if (nbx_due_at(w->server->customers, group) > now_ms)
        return;
    struct nbx_customer_scope scope = nbx_worker__scope(w, now_ms);
    uint32_t applied;
    enum nbx_err err = nbx_due_apply(&scope, group, &applied);
    if (err && err != NBX_EBUSY)
        nbx_log_warnx("what=held_events error=%s text=\"they wait on\"", nbx_err_status(err));
    nbx_count(&w->counters.events, applied);
}

/* Of all groups, requests or not: others' answers follow trends. */
static void apply_due(struct nbx_worker *w)
{
    int64_t now_ns = nbx_clock_mono_ns();
    if (now_ns < w->due_ns)
        return;
    w->due_ns = now_ns + DUE_PAUSE_MS * INT64_C(1000000);
    int64_t now_ms = nbx_clock_wall_ms();
    for (unsigned group = w->ix; group < NBX_N_GROUPS; group += w->server->n_workers)
        nbx_worker__due(w, (uint8_t)group, now_ms);
}

/* All of this worker's groups are looked after in turn, then there is a rest. */
static void next_group(struct nbx_worker *w)
{
    w->sweep_group += w->server->n_workers;
    if (w->sweep_group < NBX_N_GROUPS)
        return;
    int64_t next_ns = w->sweep_begun_ns + SWEEP_ROUND_NS;
    w->sweep_group = w->ix;
    w->sweep_ns = next_ns > w->sweep_ns ? next_ns : w->sweep_ns;
    w->sweep_begun_ns = w->sweep_ns;
}

/* What retention takes of a few customers; what the store does not take is tried again. */
static void sweep(struct nbx_worker *w, bool idle)
{
    int64_t now_ns = nbx_clock_mono_ns();
    if (now_ns < w->sweep_ns + (idle ? 0 : SWEEP_BUSY_NS))
        return;
    struct nbx_customer_scope scope = nbx_worker__scope(w, nbx_clock_wall_ms());
    w->sweep_ns = now_ns + SWEEP_PAUSE_NS;
    enum nbx_err err = nbx_sweep(&scope, (uint8_t)w->sweep_group, &w->sweep_at, SWEEP_CUSTOMERS);
    if (err && err != NBX_EBUSY)
        nbx_log_warnx("what=retention group=%u error=%s text=\"is tried again\"", w->sweep_group,
                      nbx_err_status(err));
    if (w->sweep_at == 0)
        next_group(w);
}

/* How long until an event is due; DUE_SLEEP_MS at most. */
static int due_within_ms(const struct nbx_worker *w)
{
    int64_t next_ms = INT64_MAX;
    for (unsigned group = w->ix; group < NBX_N_GROUPS; group += w->server->n_workers) {
        int64_t at_ms = nbx_due_at(w->server->customers, (uint8_t)group);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    int64_t left_ms = next_ms == INT64_MAX ? DUE_SLEEP_MS : next_ms - nbx_clock_wall_ms();
    return left_ms < DUE_PAUSE_MS   ? DUE_PAUSE_MS
           : left_ms > DUE_SLEEP_MS ? DUE_SLEEP_MS
                                    : (int)left_ms;
}

/* The keeper looks now and then; while it has not, others' wishes come to nothing. */
static void hand_on_wish(struct nbx_worker *w)
{
    struct nbx_excerpt_wish *none = NULL;
    if (w->wish && !atomic_compare_exchange_strong(&w->wished, &none, w->wish))
        free(w->wish);
    w->wish = NULL;
}

/* For a model that is tried or about to serve, while the keeper wants some. */
static void hand_on_question(struct nbx_worker *w, struct nbx_job *job)
{
    uint64_t share = atomic_load_explicit(&w->server->keeper.ask_share, memory_order_relaxed);
    bool askable = (job->op->op == NBX_OP_RECOMMEND || job->op->op == NBX_OP_RANK) &&
                   !job->fans_out && !job->status;
    if (!share || !askable || (w->ask_due += share) < NBX_ASK_ALL)
        return;
    w->ask_due -= NBX_ASK_ALL;
    struct nbx_question *q = nbx_question_of(job);
    if (q && !nbx_ring_push(w->asked, q))
        return;
    free(q);
    nbx_count(&w->counters.unasked, 1);
}

static void serve(struct nbx_worker *w, struct nbx_job *job)
{
    if (!waited_too_long(w, job)) {
        nbx_log_set_context(job->op->name);
        nbx_request__serve(w, job);
        hand_on_question(w, job);
        nbx_log_set_context(NULL);
        nbx_arena_reset(w->arena);
    }
    if (job->fans_out)
        nbx_mail__send(w->to_fanout, &w->server->fanout.bell, job);
    else if (job->durable)
        nbx_mail__send(w->to_commit, &w->server->commit.bell, job);
    else
        nbx_front__answer(&w->server->front, &job, 1);
}

/* Customers of a list make way for requests that wait, but not for ever. */
static bool makes_way(const struct nbx_worker *w, enum nbx_lane_kind kind)
{
    return kind == NBX_LANE_CUSTOMERS && nbx_ring_depth(w->from_front) > 0 &&
           nbx_clock_mono_ns() - w->lanes[kind].served_ns < PATIENCE_NS;
}

/* A slice of the part under way, or of the next one; false where nothing moved. */
static bool serve_slice(struct nbx_worker *w, enum nbx_lane_kind kind)
{
    struct nbx_lane *lane = &w->lanes[kind];
    if (!lane->part)
        lane->part = nbx_ring_pop(lane->from_fanout);
    struct nbx_part *part = lane->part;
    if (!part || makes_way(w, kind))
        return false;
    bool stalled = nbx_fan__serve_slice(w, part) == NBX_EBUSY;
    lane->served_ns = nbx_clock_mono_ns();
    if (part->n_done < part->n)
        return !stalled;
    lane->part = NULL;
    if (part->durable) {
        nbx_mail__send(w->to_commit, &w->server->commit.bell, part);
        return true;
    }
    struct nbx_job *job = nbx_fan__part_done(part);
    if (job)
        nbx_front__answer(&w->server->front, &job, 1);
    return true;
}

/* A new world first: what was acknowledged before a request came is obeyed by its answer. */
static bool adopt(struct nbx_worker *w)
{
    struct nbx_world_mail *mail = nbx_ring_pop(w->from_keeper);
    if (!mail)
        return false;
    w->world = mail->world;
    atomic_store(&w->adopted, mail->world->generation);
    nbx_bell_ring(&w->server->keeper.bell);
    return true;
}

static bool work(struct nbx_worker *w)
{
    bool worked = false;
    while (adopt(w))
        worked = true;
    struct nbx_job *job = nbx_ring_pop(w->from_front);
    if (job)
        serve(w, job);
    for (int lane = 0; lane < NBX_N_LANES; lane++)
        worked = serve_slice(w, (enum nbx_lane_kind)lane) || worked;
    hand_on_wish(w);
    apply_due(w);
    sweep(w, !worked && !job);
    return worked || job;
}

/* How long to sleep where nobody asks. */
static int rest_ms(const struct nbx_worker *w)
{
    int due_ms = due_within_ms(w);
    int64_t sweep_ms = (w->sweep_ns - nbx_clock_mono_ns()) / 1000000 + 1;
    if (sweep_ms < 1)
        sweep_ms = 1;
    return sweep_ms < due_ms ? (int)sweep_ms : due_ms;
}

static bool waits(const struct nbx_worker *w)
{
    bool waiting = nbx_ring_depth(w->from_front) || nbx_ring_depth(w->from_keeper);
    for (int i = 0; i < NBX_N_LANES; i++)
        waiting = waiting || (nbx_ring_depth(w->lanes[i].from_fanout) && !w->lanes[i].part);
    return waiting;
}

/* A part can only be left under way by a store that stalls. */
static bool is_stalled(const struct nbx_worker *w)
{
    bool stalled = false;
    for (int i = 0; i < NBX_N_LANES; i++)
        stalled = stalled || w->lanes[i].part;
    return stalled;
}

static void *worker_main(void *arg)
{
    struct nbx_worker *w = arg;
    for (;;) {
        if (work(w))
            continue;
        if (atomic_load(&w->quit) && !is_stalled(w))
            return NULL;
        enum nbx_heard heard = NBX_HEARD_NOTHING;
        nbx_bell_sleep(&w->bell);
        if (!waits(w) && !atomic_load(&w->quit))
            heard = nbx_front__rest(w->ear, &w->bell, is_stalled(w) ? STALL_PAUSE_MS : rest_ms(w));
        nbx_bell_heard(&w->bell, heard & NBX_HEARD_BELL);
        /* Before anything is served: the message that woke this thread woke no other. */
        if (heard & NBX_HEARD_SOCKET)
            nbx_front__take(&w->server->front);
    }
}

enum nbx_err nbx_worker__make(struct nbx_worker *w, struct nbx_server *server, unsigned ix)
{
    size_t max_jobs = server->front.max_jobs;
    w->server = server;
    w->ix = w->sweep_group = ix;
    w->sweep_begun_ns = nbx_clock_mono_ns();
    w->world = server->keeper.world;
    atomic_store(&w->adopted, w->world->generation);
    w->from_front = nbx_ring_new(server->options.queue);
    w->to_fanout = nbx_ring_new(max_jobs);
    bool made = true;
    for (int i = 0; i < NBX_N_LANES; i++)
        made &= (w->lanes[i].from_fanout = nbx_ring_new(max_jobs)) != NULL;
    w->from_keeper = nbx_ring_new(4);
    w->asked = nbx_ring_new(NBX_QUESTIONS_MAX);
    for (int i = 0; i < NBX_N_ARMS; i++)
        pthread_mutex_init(&w->arms[i].lock, NULL);
    w->to_commit = nbx_ring_new(max_jobs);
    w->arena = nbx_arena_new(ARENA_BYTES);
    w->batch = nbx_batch_new();
    w->recent = nbx_recent_new(server->recent_bytes);
    w->filters = nbx_filter_cache_new(FILTER_BYTES);
    made = made && w->from_front && w->to_fanout && w->from_keeper && w->asked && w->to_commit &&
           w->arena && w->batch && w->recent && w->filters && !nbx_bell_init(&w->bell);
    w->ear = made ? nbx_front__ear(&server->front, &w->bell) : -1;
    return w->ear < 0 ? NBX_ELIMIT : NBX_OK;
}

enum nbx_err nbx_worker__start(struct nbx_worker *w)
{
    return pthread_create(&w->thread, NULL, worker_main, w) ? NBX_ELIMIT : NBX_OK;
}

void nbx_worker__stop(struct nbx_worker *w)
{
    if (!w->thread)
        return;
    atomic_store(&w->quit, true);
    nbx_bell_ring(&w->bell);
    pthread_join(w->thread, NULL);
}

void nbx_worker__free(struct nbx_worker *w)
{
    nbx_ring_destroy(&w->from_front);
    nbx_ring_destroy(&w->to_fanout);
    for (int i = 0; i < NBX_N_LANES; i++)
        nbx_ring_destroy(&w->lanes[i].from_fanout);
    nbx_ring_destroy(&w->from_keeper);
    for (struct nbx_question *q; w->asked && (q = nbx_ring_pop(w->asked));)
        free(q);
    nbx_ring_destroy(&w->asked);
    for (int i = 0; i < NBX_N_ARMS; i++)
        pthread_mutex_destroy(&w->arms[i].lock);
    nbx_ring_destroy(&w->to_commit);
    nbx_filter_cache_destroy(&w->filters);
    free(atomic_load(&w->wished));
    nbx_recent_destroy(&w->recent);
    nbx_batch_destroy(&w->batch);
    nbx_arena_destroy(&w->arena);
    if (w->ear >= 0)
        close(w->ear);
    nbx_bell_fini(&w->bell);
}
