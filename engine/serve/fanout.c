/* SPDX-License-Identifier: MIT
 * The fan-out: requests with many customers inside, or of one who is linked, split over the workers
 * that own them.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/fan.h"
#include "engine/serve/reply.h"

#include <stdlib.h>

#define ARENA_BYTES      ((size_t)64 << 20)
#define PART_PATIENCE_MS 10000
#define MAX_LISTS        8 /* recommends for many under way: each may hold 16 MiB of answers */

static void fan_destroy(struct nbx_fan *fan)
{
    if (!fan)
        return;
    for (uint32_t p = 0; fan->parts && p < fan->n_parts; p++) {
        nbx_arena_destroy(&fan->parts[p].arena);
        nbx_buf_fini(&fan->parts[p].answers);
    }
    nbx_arena_destroy(&fan->arena);
    free(fan);
}

/* A part for each worker, with an arena of its own. */
static bool make_parts(struct nbx_fan *fan, struct nbx_server *server)
{
    uint32_t n_workers = server->n_workers;
    fan->n_parts = n_workers;
    fan->parts = nbx_arena_calloc(fan->arena, n_workers, sizeof *fan->parts);
    for (unsigned p = 0; fan->parts && p < n_workers; p++) {
        fan->parts[p].mail.kind = NBX_MAIL_PART;
        fan->parts[p].server = server;
        fan->parts[p].fan = fan;
        fan->parts[p].arena = nbx_arena_new(ARENA_BYTES);
        if (!fan->parts[p].arena)
            return false;
    }
    return fan->parts != NULL;
}

/* Sends the parts; all of them are counted before the first can come back. */
static void send_parts(struct nbx_server *s, struct nbx_fan *fan)
{
    enum nbx_lane_kind lane = fan->kind->lane;
    uint32_t n = 0;
    for (uint32_t p = 0; p < fan->n_parts; p++)
        n += fan->parts[p].n > 0;
    /* one more for ourselves: with no part at all the reply is made here */
    atomic_store(&fan->left, n + 1);
    atomic_fetch_add(&s->fanout.under_way[lane], 1);
    struct nbx_part *own = &fan->parts[0];
    for (uint32_t p = 0; p < fan->n_parts; p++)
        if (fan->parts[p].n > 0)
            nbx_mail__send(s->workers[p].lanes[lane].from_fanout, &s->workers[p].bell,
                           &fan->parts[p]);
    struct nbx_job *job = nbx_fan__part_done(own);
    if (job)
        nbx_front__answer(&s->front, &job, 1);
}

static const struct nbx_fan_kind *kind_of(enum nbx_op op)
{
    switch (op) {
    case NBX_OP_RECOMMEND: return &nbx_fan_recommend;
    case NBX_OP_RETRACT: return &nbx_fan_retract;
    case NBX_OP_CUSTOMER_FORGET: return &nbx_fan_forget;
    case NBX_OP_CUSTOMER_LINK:
    case NBX_OP_CUSTOMER_UNLINK: return &nbx_fan_link;
    default: return &nbx_fan_observe;
    }
}

static struct nbx_fan *fan_new(struct nbx_server *server, struct nbx_job *job)
{
    struct nbx_fan *fan = calloc(1, sizeof *fan);
    if (!fan)
        return NULL;
    fan->server = server;
    fan->job = job;
    fan->kind = kind_of(job->op->op);
    fan->arena = nbx_arena_new(ARENA_BYTES);
    if (fan->arena)
        return fan;
    fan_destroy(fan);
    return NULL;
}

/* Decoded and split; the fault says why not. */
static enum nbx_err prepare(struct nbx_fanout *f, struct nbx_fan *fan, struct nbx_fault *fault)
{
    bool is_list = fan->kind->lane == NBX_LANE_CUSTOMERS;
    if (is_list && atomic_load(&f->under_way[NBX_LANE_CUSTOMERS]) >= MAX_LISTS)
        return nbx_fault_set(fault, NBX_EBUSY, NULL, "%d requests for many are under way",
                             MAX_LISTS);
    enum nbx_err err = fan->kind->decode(fan, fault);
    if (!err && !(make_parts(fan, f->server) && fan->kind->split(fan)))
        err = nbx_fault_set(fault, NBX_ELIMIT, fan->kind->list, "no memory for this request");
    return err;
}

static void serve(struct nbx_fanout *f, struct nbx_job *job)
{
    struct nbx_fault fault;
    struct nbx_fan *fan = fan_new(f->server, job);
    enum nbx_err err = fan ? prepare(f, fan, &fault)
                           : nbx_fault_set(&fault, NBX_ELIMIT, NULL, "no memory for this request");
    if (!err) {
        send_parts(f->server, fan);
        return;
    }
    nbx_reply_fault(job, &fault, fan ? fan->id : NULL);
    fan_destroy(fan);
    nbx_front__answer(&f->server->front, &job, 1);
}

const struct nbx_fault *nbx_fan_find_fault(const struct nbx_fan *fan)
{
    for (uint32_t p = 0; p < fan->n_parts; p++)
        if (fan->parts[p].fault.code)
            return &fan->parts[p].fault;
    return NULL;
}

bool nbx_fan_may_wait(const struct nbx_part *part)
{
    int64_t waited_ms = (nbx_clock_mono_ns() - part->fan->job->arrived_ns) / 1000000;
    return waited_ms < PART_PATIENCE_MS;
}

enum nbx_err nbx_fan__serve_slice(struct nbx_worker *w, struct nbx_part *part)
{
    nbx_log_set_context(part->fan->kind->name);
    enum nbx_err err = part->fan->kind->serve(w, part);
    nbx_log_set_context(NULL);
    return err;
}

struct nbx_job *nbx_fan__part_done(struct nbx_part *part)
{
    struct nbx_fan *fan = part->fan;
    if (atomic_fetch_sub(&fan->left, 1) > 1)
        return NULL;
    struct nbx_job *job = fan->job;
    struct nbx_server *s = part->server;
    fan->kind->reply(fan);
    atomic_fetch_sub(&s->fanout.under_way[fan->kind->lane], 1);
    fan_destroy(fan);
    return job;
}

/* The next one from the front, or that a worker found to have many customers inside. */
static struct nbx_job *take(struct nbx_fanout *f)
{
    struct nbx_job *job = nbx_ring_pop(f->from_front);
    for (unsigned w = 0; !job && w < f->server->n_workers; w++)
        job = nbx_ring_pop(f->server->workers[w].to_fanout);
    return job;
}

static bool waits(const struct nbx_fanout *f)
{
    for (unsigned w = 0; w < f->server->n_workers; w++)
        if (nbx_ring_depth(f->server->workers[w].to_fanout))
            return true;
    return nbx_ring_depth(f->from_front) > 0;
}

static void *fanout_main(void *arg)
{
    struct nbx_fanout *f = arg;
    for (;;) {
        struct nbx_job *job = take(f);
        if (job) {
            serve(f, job);
            continue;
        }
        if (atomic_load(&f->server->stop))
            return NULL;
        nbx_bell_sleep(&f->bell);
        if (!waits(f) && !atomic_load(&f->server->stop))
            nbx_bell_wait(&f->bell, -1);
        nbx_bell_wake(&f->bell);
    }
}

enum nbx_err nbx_fanout__start(struct nbx_fanout *f, struct nbx_server *server)
{
    f->server = server;
    f->from_front = nbx_ring_new(server->options.queue);
    if (!f->from_front || nbx_bell_init(&f->bell))
        return NBX_ELIMIT;
    return pthread_create(&f->thread, NULL, fanout_main, f) ? NBX_ELIMIT : NBX_OK;
}

void nbx_fanout__stop(struct nbx_fanout *f)
{
    if (!f->thread)
        return;
    nbx_bell_ring(&f->bell);
    pthread_join(f->thread, NULL);
}

void nbx_fanout__free(struct nbx_fanout *f)
{
    nbx_ring_destroy(&f->from_front);
    nbx_bell_fini(&f->bell);
}
