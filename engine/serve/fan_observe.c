/* SPDX-License-Identifier: MIT
 * An observe without a key: its events by customer, each run applied by the worker that owns it.
 */
#include "engine/base/hash.h"
#include "engine/serve/fan.h"
#include "engine/serve/request.h"

#include <stdlib.h>

#define RUNS_A_SLICE 8 /* before the next request: some 0.2 ms */

static enum nbx_err decode(struct nbx_fan *fan, struct nbx_fault *fault)
{
    fan->id = &fan->req.observe.id;
    return nbx_message_observe(&fan->req.observe, nbx_job_body(fan->job), false, fan->arena, fault);
}

/* splitting */

/* An event's place while the list is being split. */
struct place {
    struct nbx_str customer;
    uint32_t at; /* in req.events */
    uint8_t group;
};

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
static bool add_run(struct nbx_fan *fan, const struct place *from, const struct place *to)
{
    struct nbx_part *part = &fan->parts[from->group % fan->n_parts];
    struct nbx_run *run = &part->runs[part->n++];
    uint32_t n = (uint32_t)(to - from);
    *run = (struct nbx_run){.customer = from->customer, .group = from->group};
    run->events.name = fan->req.observe.events.name;
    run->events.p = nbx_arena_calloc(fan->arena, n, sizeof *run->events.p);
    run->events.index = nbx_arena_calloc(fan->arena, n, sizeof *run->events.index);
    run->places = nbx_arena_calloc(fan->arena, n, sizeof *run->places);
    if (!run->events.p || !run->events.index || !run->places)
        return false;
    for (; from < to; from++) {
        run->places[run->events.n] = from->at;
        run->events.p[run->events.n] = fan->req.observe.events.p[from->at];
        run->events.index[run->events.n++] = fan->req.observe.events.index[from->at];
    }
    return true;
}

/* Room for runs in every part. */
static bool make_runs(struct nbx_fan *fan)
{
    for (uint32_t p = 0; p < fan->n_parts; p++) {
        struct nbx_part *part = &fan->parts[p];
        part->runs = nbx_arena_calloc(fan->arena, fan->req.observe.events.n, sizeof *part->runs);
        if (!part->runs)
            return false;
    }
    return true;
}

static bool split(struct nbx_fan *fan)
{
    uint32_t n = fan->req.observe.events.n;
    struct place *places = nbx_arena_calloc(fan->arena, n, sizeof *places);
    if (!places || !make_runs(fan))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct nbx_event *e = &fan->req.observe.events.p[i];
        places[i] = (struct place){e->customer, i, group_of(e, i)};
    }
    qsort(places, n, sizeof *places, compare_places);
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && same_run(&places[from], &places[to]); to++)
            continue;
        if (!add_run(fan, &places[from], &places[to]))
            return false;
    }
    return true;
}

/* serving */

/* Copies what the part's reply needs out of the worker's arena. */
static bool keep_observed(struct nbx_run *run, const struct nbx_observed *o,
                          struct nbx_arena *arena)
{
    run->observed = *o;
    run->observed.ids = nbx_arena_calloc(arena, run->events.n, sizeof *o->ids);
    run->observed.errors = nbx_arena_calloc(arena, o->n_errors, sizeof *o->errors);
    if (!run->observed.ids || !run->observed.errors)
        return false;
    if (o->n_errors)
        memcpy(run->observed.errors, o->errors, o->n_errors * sizeof *o->errors);
    for (uint32_t i = 0; i < run->events.n; i++) {
        run->observed.ids[i] = nbx_arena_str(arena, o->ids[i]);
        if (!run->observed.ids[i].p)
            return false;
    }
    return true;
}

static enum nbx_err apply_run(const struct nbx_customer_scope *scope, struct nbx_run *run,
                              struct nbx_observed *observed)
{
    struct nbx_profile profile;
    if (run->customer.len == 0)
        return nbx_observe_anonymous(observed, scope, run->group, &run->events);
    enum nbx_err err = nbx_profile_load(&profile, scope, run->customer);
    if (err)
        return err;
    return nbx_observe(observed, scope, &profile, &run->events, false, &run->fault);
}

static enum nbx_err serve(struct nbx_worker *w, struct nbx_part *part)
{
    struct nbx_customer_scope scope = nbx_request_of(w, part->fan->job).scope;
    for (int left = RUNS_A_SLICE; left > 0 && part->n_done < part->n; left--) {
        struct nbx_run *run = &part->runs[part->n_done];
        struct nbx_observed observed = {0};
        nbx_worker__due(w, run->group, scope.now_ms);
        enum nbx_err err = apply_run(&scope, run, &observed);
        if (err == NBX_EBUSY && nbx_fan_may_wait(part)) {
            run->fault = (struct nbx_fault){0};
            nbx_arena_reset(w->arena);
            return NBX_EBUSY;
        }
        if (!err && !keep_observed(run, &observed, part->arena))
            err = NBX_ELIMIT;
        if (err)
            nbx_fault_set(&run->fault, err, NULL, "the event cannot be written: %s",
                          nbx_err_status(err));
        part->durable |= part->fan->req.observe.ack != NBX_ACK_MEMORY &&
                         observed.applied + observed.duplicates + observed.held > 0;
        nbx_count_observed(w, &observed);
        nbx_arena_reset(w->arena);
        part->n_done++;
    }
    return NBX_OK;
}

/* the reply */

static void merge_run(struct nbx_observed *all, const struct nbx_run *run)
{
    all->applied += run->observed.applied;
    all->duplicates += run->observed.duplicates;
    all->withheld += run->observed.withheld;
    all->held += run->observed.held;
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
    const struct nbx_events *events = &fan->req.observe.events;
    *all = (struct nbx_observed){0};
    all->ids = nbx_arena_calloc(fan->arena, events->n, sizeof *all->ids);
    all->errors =
        nbx_arena_calloc(fan->arena, (size_t)events->n + events->n_errors, sizeof *all->errors);
    if (!all->ids || !all->errors)
        return false;
    for (uint32_t i = 0; i < events->n_errors; i++)
        all->errors[all->n_errors++] = events->errors[i];
    for (uint32_t p = 0; p < fan->n_parts; p++)
        for (uint32_t r = 0; r < fan->parts[p].n; r++)
            merge_run(all, &fan->parts[p].runs[r]);
    return true;
}

static void reply(struct nbx_fan *fan)
{
    struct nbx_job *job = fan->job;
    struct nbx_observed all;
    if (assemble(fan, &all)) {
        nbx_reply_begin(job, nbx_reply_n_observed(&all), fan->id);
        nbx_reply_observed(&job->reply, &all, &fan->req.observe.events);
    } else {
        job->reply.failed = true;
    }
    nbx_reply_finish(job);
}

const struct nbx_fan_kind nbx_fan_observe = {.lane = NBX_LANE_EVENTS,
                                             .name = "observe part",
                                             .list = "events",
                                             .decode = decode,
                                             .split = split,
                                             .serve = serve,
                                             .reply = reply};
