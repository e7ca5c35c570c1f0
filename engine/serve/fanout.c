/* SPDX-License-Identifier: MIT
 * The fan-out: an observe without a key, split over the workers that own its customers.
 */
#include "engine/base/hash.h"
#include "engine/serve/reply.h"
#include "engine/serve/server_internal.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)64 << 20)

/* An event's place while the list is being split. */
struct place {
    struct nbx_str customer;
    uint32_t at; /* in req.events */
    uint8_t group;
};

static void fan_destroy(struct nbx_fan *fan)
{
    if (!fan)
        return;
    for (uint32_t p = 0; fan->parts && p < fan->n_parts; p++)
        nbx_arena_destroy(&fan->parts[p].arena);
    nbx_arena_destroy(&fan->arena);
    free(fan);
}

/* Anonymous events of one id must meet, so the id names their group; without one any will do. */
static uint8_t group_of(const struct nbx_event *e, uint32_t at)
{
    if (e->customer.len)
        return nbx_group_of(e->customer);
    return e->id.len ? nbx_group_of(e->id) : (uint8_t)at;
}

/* By group, customer, then order sent. */
static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    int c = nbx_str_cmp(x->customer, y->customer);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

static bool same_run(const struct place *a, const struct place *b)
{
    return a->group == b->group && nbx_str_eq(a->customer, b->customer);
}

/* Appends the places [from, to), all of one run, to the part of the worker that owns them. */
static bool add_run(struct nbx_fan *fan, const struct place *from, const struct place *to,
                    unsigned n_workers)
{
    struct nbx_part *part = &fan->parts[from->group % n_workers];
    struct nbx_run *run = &part->runs[part->n_runs++];
    uint32_t n = (uint32_t)(to - from);
    *run = (struct nbx_run){.customer = from->customer, .group = from->group};
    run->events.name = fan->req.events.name;
    run->events.p = nbx_arena_calloc(fan->arena, n, sizeof *run->events.p);
    run->events.index = nbx_arena_calloc(fan->arena, n, sizeof *run->events.index);
    run->places = nbx_arena_calloc(fan->arena, n, sizeof *run->places);
    if (!run->events.p || !run->events.index || !run->places)
        return false;
    for (; from < to; from++) {
        run->places[run->events.n] = from->at;
        run->events.p[run->events.n] = fan->req.events.p[from->at];
        run->events.index[run->events.n++] = fan->req.events.index[from->at];
    }
    return true;
}

/* Room for runs in every part, and the parts' own arenas. */
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
        fan->parts[p].runs =
            nbx_arena_calloc(fan->arena, fan->req.events.n, sizeof *fan->parts[p].runs);
        if (!fan->parts[p].arena || !fan->parts[p].runs)
            return false;
    }
    return fan->parts != NULL;
}

static bool split(struct nbx_fan *fan, struct nbx_server *server)
{
    uint32_t n = fan->req.events.n;
    struct place *places = nbx_arena_calloc(fan->arena, n, sizeof *places);
    if (!places || !make_parts(fan, server))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct nbx_event *e = &fan->req.events.p[i];
        places[i] = (struct place){e->customer, i, group_of(e, i)};
    }
    qsort(places, n, sizeof *places, compare_places);
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && same_run(&places[from], &places[to]); to++)
            continue;
        if (!add_run(fan, &places[from], &places[to], server->n_workers))
            return false;
    }
    return true;
}

/* Sends the parts; all of them are counted before the first can come back. */
static void send_parts(struct nbx_server *s, struct nbx_fan *fan)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < fan->n_parts; p++)
        n += fan->parts[p].n_runs > 0;
    /* one more for ourselves: with no part at all the reply is made here */
    atomic_store(&fan->left, n + 1);
    struct nbx_part *own = &fan->parts[0];
    for (uint32_t p = 0; p < fan->n_parts; p++)
        if (fan->parts[p].n_runs > 0)
            nbx_mail__send(s->workers[p].from_fanout, &s->workers[p].bell, &fan->parts[p]);
    struct nbx_job *job = nbx_fan__part_done(own);
    if (job)
        nbx_front__answer(&s->front, &job, 1);
}

static void serve(struct nbx_fanout *f, struct nbx_job *job)
{
    struct nbx_server *s = f->server;
    struct nbx_fault fault;
    struct nbx_fan *fan = calloc(1, sizeof *fan);
    enum nbx_err err = NBX_ELIMIT;
    nbx_fault_set(&fault, NBX_ELIMIT, "events", "no memory for this request");
    if (fan && (fan->arena = nbx_arena_new(ARENA_BYTES))) {
        fan->job = job;
        err = nbx_message_observe(&fan->req, nbx_job_body(job), false, fan->arena, &fault);
        if (!err && split(fan, s)) {
            send_parts(s, fan);
            return;
        }
    }
    nbx_reply_fault(job, &fault, fan && fan->arena ? &fan->req.id : NULL);
    fan_destroy(fan);
    nbx_front__answer(&s->front, &job, 1);
}

static void merge_run(struct nbx_observed *all, const struct nbx_run *run)
{
    all->applied += run->observed.applied;
    all->duplicates += run->observed.duplicates;
    for (uint32_t i = 0; i < run->observed.n_errors; i++)
        all->errors[all->n_errors++] = run->observed.errors[i];
    for (uint32_t i = 0; i < run->events.n; i++) {
        if (!run->fault.code) {
            all->ids[run->places[i]] = run->observed.ids[i];
            continue;
        }
        uint32_t index = run->events.index[i];
        struct nbx_entry_error *e = &all->errors[all->n_errors++];
        *e = (struct nbx_entry_error){.index = index, .fault = run->fault};
        nbx_fault_prefix(&e->fault, "%.*s[%u]", NBX_STR_ARG(run->events.name), index);
    }
}

static bool assemble(struct nbx_fan *fan, struct nbx_observed *all)
{
    const struct nbx_events *events = &fan->req.events;
    *all = (struct nbx_observed){0};
    all->ids = nbx_arena_calloc(fan->arena, events->n, sizeof *all->ids);
    all->errors =
        nbx_arena_calloc(fan->arena, (size_t)events->n + events->n_errors, sizeof *all->errors);
    if (!all->ids || !all->errors)
        return false;
    for (uint32_t i = 0; i < events->n_errors; i++)
        all->errors[all->n_errors++] = events->errors[i];
    for (uint32_t p = 0; p < fan->n_parts; p++)
        for (uint32_t r = 0; r < fan->parts[p].n_runs; r++)
            merge_run(all, &fan->parts[p].runs[r]);
    return true;
}

struct nbx_job *nbx_fan__part_done(struct nbx_part *part)
{
    struct nbx_fan *fan = part->fan;
    if (atomic_fetch_sub(&fan->left, 1) > 1)
        return NULL;
    struct nbx_job *job = fan->job;
    struct nbx_observed all;
    if (assemble(fan, &all)) {
        nbx_reply_begin(job, 5, &fan->req.id);
        nbx_reply_observed(&job->reply, &all, &fan->req.events);
    } else {
        job->reply.failed = true;
    }
    nbx_reply_finish(job);
    fan_destroy(fan);
    return job;
}

static void *fanout_main(void *arg)
{
    struct nbx_fanout *f = arg;
    for (;;) {
        struct nbx_job *job = nbx_ring_pop(f->from_front);
        if (job) {
            serve(f, job);
            continue;
        }
        if (atomic_load(&f->server->stop))
            return NULL;
        nbx_bell_sleep(&f->bell);
        if (!nbx_ring_depth(f->from_front) && !atomic_load(&f->server->stop))
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
