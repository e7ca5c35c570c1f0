/* SPDX-License-Identifier: MIT
 * recommend and rank: events first where the request carries some, then the decision, then its
 * record.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/request.h"
#include "proto/wire.h"

/* One recommend being answered. */
struct answer {
    struct nbx_request *r;
    struct nbx_recommend_req req;
    struct nbx_customer_scope scope; /* by the clock of the request */
    struct nbx_profile profile;      /* once its events are applied: as the answer may see it */
    bool observes;
    struct nbx_observed observed;
    struct nbx_decision decision;
    bool recorded;
    struct nbx_decision_id id;
};

static enum nbx_err check_wait(struct answer *a)
{
    int64_t waited_ms = (nbx_clock_mono_ns() - a->r->job->arrived_ns) / 1000000;
    if (a->req.timeout_ms == 0 || waited_ms <= a->req.timeout_ms)
        return NBX_OK;
    return nbx_fault_set(&a->r->fault, NBX_EBUSY, "timeout_ms", "waited %lld ms",
                         (long long)waited_ms);
}

static enum nbx_err load_profile(struct answer *a)
{
    struct nbx_str key = nbx_job_key(a->r->job);
    enum nbx_err err = nbx_profile_load(&a->profile, &a->r->scope, key);
    if (key.len == 0)
        a->profile.number = NBX_CUSTOMER(a->r->job->group, 0);
    return err ? nbx_fault_set(&a->r->fault, err, NULL, "the customer cannot be read") : NBX_OK;
}

static enum nbx_err observe(struct answer *a)
{
    struct nbx_request *r = a->r;
    struct nbx_str key = nbx_job_key(r->job);
    const struct nbx_events *events = &a->req.observe;
    a->observes = events->n + events->n_errors > 0;
    if (!a->observes)
        return NBX_OK;
    enum nbx_err err =
        key.len ? nbx_observe(&a->observed, &r->scope, &a->profile, events, false, &r->fault)
                : nbx_observe_anonymous(&a->observed, &r->scope, r->job->group, events);
    if (err)
        return nbx_fault_set(&r->fault, err, "observe", "cannot be written");
    r->job->durable = a->req.ack == NBX_ACK_DURABLE;
    nbx_count_observed(r->worker, &a->observed);
    return NBX_OK;
}

bool nbx_request_record(struct nbx_worker *w, const struct nbx_decide *d,
                        const struct nbx_decision *decision, struct nbx_decision_context *context)
{
    if (context->req->record == NBX_RECORD_NONE)
        return false;
    context->id =
        nbx_decision_id_make(context->profile->number, context->time_ms, w->decision_counter++);
    if (nbx_decision_write(d, decision, context)) {
        nbx_count(&w->counters.decisions_lost, 1);
        nbx_log_warnx("decision=lost reason=storage");
        return false;
    }
    nbx_count(&w->counters.decisions, 1);
    if (context->req->record == NBX_RECORD_SHOWN)
        nbx_count(&w->counters.impressions, decision->n);
    return true;
}

static void record(struct answer *a, const struct nbx_decide *d)
{
    struct nbx_decision_context context = {
        .req = &a->req, .profile = &a->profile, .time_ms = a->r->job->arrived_ms};
    a->recorded = nbx_request_record(a->r->worker, d, &a->decision, &context);
    a->id = context.id;
}

static void put_unknown(struct nbx_buf *b, const struct nbx_decision *decision)
{
    nbx_wire_text(b, "unknown");
    nbx_wire_list(b, decision->n_unknown);
    for (uint32_t i = 0; i < decision->n_unknown; i++)
        nbx_wire_str(b, decision->unknown[i]);
}

static void reply(struct answer *a, const struct nbx_decide *d)
{
    struct nbx_job *job = a->r->job;
    struct nbx_buf *b = &job->reply;
    bool rank = job->op->op == NBX_OP_RANK, approximate = a->decision.approximate;
    nbx_reply_begin(job, 3 + a->recorded + rank + approximate + a->observes, &a->req.id);
    if (a->recorded) {
        char hex[33];
        nbx_decision_id_hex(a->id, hex);
        nbx_wire_kv_text(b, "decision", hex);
    }
    struct nbx_reply_list list = {.d = d,
                                  .decision = &a->decision,
                                  .fields = a->req.fields,
                                  .explain = a->req.explain,
                                  .channel = a->req.channel};
    nbx_reply_items(b, &list);
    if (rank)
        put_unknown(b, &a->decision);
    if (approximate)
        nbx_wire_kv_float(b, "recall", (double)a->decision.recall);
    nbx_reply_model(b, d->world);
    nbx_wire_text(b, "customer");
    nbx_wire_map(b, 1);
    nbx_wire_kv_bool(b, "known", a->profile.known);
    if (a->observes) {
        nbx_wire_text(b, "observed");
        nbx_wire_map(b, nbx_reply_n_observed(&a->observed));
        nbx_reply_observed(b, &a->observed, &a->req.observe);
    }
    nbx_reply_finish(job);
}

/* A refused request changes nothing, so what can be found wrong is found before its events. */
static enum nbx_err prepare(struct answer *a, const struct nbx_decide *d)
{
    enum nbx_err err = check_wait(a);
    if (!err)
        err = load_profile(a);
    if (!err && a->req.observe.n)
        err = nbx_decide_check(d, &a->req, &a->r->fault);
    return err ? err : observe(a);
}

/* Many customers: the fan-out has each answered by the worker that owns it. */
static enum nbx_err pass_on(struct answer *a)
{
    if (a->r->job->key.len)
        return nbx_fault_set(&a->r->fault, NBX_EBAD, "customers", "needs an empty key frame");
    enum nbx_err err = check_wait(a);
    a->r->job->fans_out = !err;
    return err;
}

/* By the active model, or the canary where the customer is of its share. */
static enum nbx_err decide(struct answer *a, struct nbx_decide *d)
{
    struct nbx_worker *w = a->r->worker;
    bool counts = d->world->canary && nbx_canary_counts(&a->req, &a->profile);
    d->world = nbx_canary_world(d->world, &a->req, &a->profile);
    int64_t from_ns = counts ? nbx_clock_mono_ns() : 0;
    enum nbx_err err = nbx_decide_recommend(&a->decision, d, &a->req, &a->profile, &a->r->fault);
    if (counts)
        nbx_arm_note(&w->arms[d->world->is_canary ? NBX_ARM_CANARY : NBX_ARM_ACTIVE],
                     nbx_clock_mono_ns() - from_ns, err, &a->decision);
    return err;
}

void nbx_request_recommend(struct nbx_request *r)
{
    struct answer a = {.r = r, .scope = r->scope};
    struct nbx_decide d = nbx_request_decide(r, &a.scope);
    bool rank = r->job->op->op == NBX_OP_RANK;
    enum nbx_err err =
        nbx_message_recommend(&a.req, nbx_job_body(r->job), rank, r->scope.arena, &r->fault);
    if (!err && a.req.now_ms != NBX_TIME_UNSET)
        a.scope.now_ms = a.req.now_ms;
    if (!err && nbx_recommend_is_for_many(&a.req) && !(err = pass_on(&a)))
        return;
    if (!err)
        err = prepare(&a, &d);
    if (!err && (err = nbx_profile_for_answer(&a.profile, &r->scope, &a.profile, a.req.personal)))
        nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    if (!err)
        err = decide(&a, &d);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &a.req.id);
        return;
    }
    nbx_reply_expect_items(&(struct nbx_reply_list){.d = &d, .decision = &a.decision});
    record(&a, &d);
    reply(&a, &d);
}

void nbx_request_similar(struct nbx_request *r)
{
    struct nbx_similar_req req;
    struct nbx_decision decision;
    struct nbx_customer_scope scope = r->scope;
    struct nbx_decide d = nbx_request_decide(r, &scope);
    enum nbx_err err = nbx_message_similar(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && req.now_ms != NBX_TIME_UNSET)
        scope.now_ms = req.now_ms;
    if (!err)
        err = nbx_decide_similar(&decision, &d, &req, &r->fault);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    struct nbx_reply_list list = {
        .d = &d, .decision = &decision, .fields = req.fields, .similar_to = req.item};
    nbx_reply_begin(r->job, 2, &req.id);
    nbx_reply_items(&r->job->reply, &list);
    nbx_reply_model(&r->job->reply, d.world);
    nbx_reply_finish(r->job);
}
