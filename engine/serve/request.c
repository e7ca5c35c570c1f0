/* SPDX-License-Identifier: MIT */
#include "engine/serve/request.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "proto/wire.h"

#define RUNS_A_SLICE     8 /* of bulk, before the next request: some 0.2 ms */
#define PART_PATIENCE_MS 10000

typedef void (*handler)(struct nbx_request *);

static const handler handlers[NBX_N_OPS] = {
    [NBX_OP_HELLO] = nbx_request_hello,
    [NBX_OP_RECOMMEND] = nbx_request_recommend,
    [NBX_OP_RANK] = nbx_request_recommend,
    [NBX_OP_SIMILAR] = nbx_request_similar,
    [NBX_OP_OBSERVE] = nbx_request_observe,
    [NBX_OP_CUSTOMER_GET] = nbx_request_customer_get,
    [NBX_OP_CUSTOMER_PUT] = nbx_request_customer_put,
    [NBX_OP_CUSTOMER_FORGET] = nbx_request_customer_forget,
    [NBX_OP_DECISION_GET] = nbx_request_decision_get,
    [NBX_OP_ITEM_GET] = nbx_request_item_get,
    [NBX_OP_STATS] = nbx_request_stats,
};

static struct nbx_customer_scope scope_of(struct nbx_worker *w, int64_t now_ms)
{
    return (struct nbx_customer_scope){.customers = w->server->customers,
                                       .vocabulary = w->world->vocabulary,
                                       .arena = w->arena,
                                       .batch = w->batch,
                                       .recent = w->recent,
                                       .now_ms = now_ms};
}

struct nbx_decide nbx_request_decide(const struct nbx_request *r,
                                     const struct nbx_customer_scope *scope)
{
    return (struct nbx_decide){.world = r->worker->world,
                               .scope = scope,
                               .ids = r->worker->server->ids,
                               .filters = r->worker->filters};
}

void nbx_request__serve(struct nbx_worker *w, struct nbx_job *job)
{
    struct nbx_request r = {.worker = w, .job = job, .scope = scope_of(w, job->arrived_ms)};
    NBX_ASSERT(handlers[job->op->op]); /* the front sends the rest to keeper and fan-out */
    handlers[job->op->op](&r);
}

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

/* Bulk waits for a stalled store, but not for ever. */
static bool may_wait(const struct nbx_part *part)
{
    int64_t waited_ms = (nbx_clock_mono_ns() - part->fan->job->arrived_ns) / 1000000;
    return waited_ms < PART_PATIENCE_MS;
}

enum nbx_err nbx_request__serve_part(struct nbx_worker *w, struct nbx_part *part)
{
    struct nbx_customer_scope scope = scope_of(w, part->fan->job->arrived_ms);
    for (int left = RUNS_A_SLICE; left > 0 && part->n_done < part->n_runs; left--) {
        struct nbx_run *run = &part->runs[part->n_done];
        struct nbx_observed observed = {0};
        enum nbx_err err = apply_run(&scope, run, &observed);
        if (err == NBX_EBUSY && may_wait(part)) {
            run->fault = (struct nbx_fault){0};
            nbx_arena_reset(w->arena);
            return NBX_EBUSY;
        }
        if (!err && !keep_observed(run, &observed, part->arena))
            err = NBX_ELIMIT;
        if (err)
            nbx_fault_set(&run->fault, err, NULL, "the event cannot be written: %s",
                          nbx_err_status(err));
        part->durable |=
            part->fan->req.ack != NBX_ACK_MEMORY && observed.applied + observed.duplicates > 0;
        nbx_count(&w->counters.events, observed.applied);
        nbx_count(&w->counters.duplicates, observed.duplicates);
        nbx_arena_reset(w->arena);
        part->n_done++;
    }
    return NBX_OK;
}
