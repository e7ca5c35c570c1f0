/* SPDX-License-Identifier: MIT
 * decision.get: what was answered, to what, by what, and what came of it.
 */
#include "engine/serve/reply_decision.h"
#include "engine/serve/reply_event.h"
#include "proto/wire.h"

#define OUTCOMES_MAX     100
#define OUTCOMES_LOOKED  5000 /* events */
#define CLOCKS_DIFFER_MS (5 * 60 * 1000)

/* A decision being shown. */
struct shown {
    struct nbx_request *r;
    struct nbx_decision_id id;
    struct nbx_decision_record record;
    struct nbx_str customer; /* empty: nobody in particular, or forgotten */
    struct nbx_buf outcomes; /* (n_outcomes) maps */
    uint32_t n_outcomes;
};

static enum nbx_err read_record(struct shown *s)
{
    struct nbx_request *r = s->r;
    struct nbx_key key = nbx_key_decision(s->id);
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(r->worker->server->store, NBX_FAMILY_DECISIONS,
                                     nbx_key_str(&key), r->scope.arena, &stored);
    if (err == NBX_ENOTFOUND)
        return nbx_fault_set(&r->fault, err, NULL, "no such decision, or no longer kept");
    if (!err)
        err = nbx_decision_record_decode(&s->record, &stored, r->scope.arena);
    if (!err)
        err = nbx_customer_id_of(&r->scope, nbx_decision_id_customer(s->id), &s->customer);
    return err ? nbx_fault_set(&r->fault, err, NULL, "the decision cannot be read") : NBX_OK;
}

/* Adds the event if it names the decision. */
static enum nbx_err look_at_event(struct shown *s, struct nbx_str key,
                                  const struct nbx_stored *stored)
{
    struct nbx_event_record event;
    struct nbx_decision_id named;
    uint64_t owner;
    int64_t time_ms;
    if (!nbx_key_event_parse(key, &owner, &time_ms, NULL))
        return NBX_ECORRUPT;
    enum nbx_err err = nbx_event_record_decode(&event, stored, s->r->scope.arena);
    if (err || event.held || nbx_event_is_past(&s->r->scope, &event, time_ms) ||
        !nbx_decision_id_parse(event.decision, &named) || memcmp(&named, &s->id, sizeof named) != 0)
        return err;
    nbx_reply_event(&s->outcomes, s->r, time_ms, &event);
    s->n_outcomes++;
    return NBX_OK;
}

/* The customer's events since then that name the decision, oldest first. */
static enum nbx_err read_outcomes(struct shown *s)
{
    struct nbx_cursor *cursor = NULL;
    uint64_t number = nbx_decision_id_customer(s->id);
    static const uint8_t first_hash[16];
    int64_t since_ms = nbx_decision_id_time_ms(s->id) - CLOCKS_DIFFER_MS;
    struct nbx_key from = nbx_key_event(number, since_ms, first_hash);
    struct nbx_key to = nbx_key_customer_end(number);
    struct nbx_str key;
    struct nbx_stored stored;
    uint32_t n_looked = 0;
    if (s->customer.len == 0)
        return NBX_OK;
    enum nbx_err err =
        nbx_cursor_open(&cursor, nbx_customers_store(s->r->scope.customers), NBX_FAMILY_EVENTS,
                        nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && s->n_outcomes < OUTCOMES_MAX && n_looked++ < OUTCOMES_LOOKED &&
           !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = look_at_event(s, key, &stored);
    nbx_cursor_close(&cursor);
    if (!err || err == NBX_ENOTFOUND)
        return NBX_OK;
    return nbx_fault_set(&s->r->fault, err, NULL, "the decision's outcomes cannot be read");
}

static void reply(struct shown *s)
{
    struct nbx_buf *b = &s->r->job->reply;
    struct nbx_value none = nbx_value_nil(); /* `id` is the decision's here */
    struct nbx_shown_decision decision = {
        .r = s->r, .id = s->id, .record = &s->record, .customer = s->customer};
    nbx_reply_begin(s->r->job, nbx_reply_n_decision(&decision) + 1, &none);
    nbx_reply_decision(b, &decision);
    nbx_wire_text(b, "outcomes");
    nbx_wire_list(b, s->n_outcomes);
    nbx_buf_put(b, s->outcomes.p, s->outcomes.len);
    b->failed |= s->outcomes.failed;
    nbx_reply_finish(s->r->job);
}

void nbx_request_decision_get(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct shown s = {.r = r};
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && !nbx_decision_id_parse(nbx_job_key(r->job), &s.id))
        err = nbx_fault_set(&r->fault, NBX_EBAD, NULL, "the key frame is not a decision id");
    if (!err)
        err = read_record(&s);
    if (!err)
        err = read_outcomes(&s);
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        reply(&s);
    nbx_buf_fini(&s.outcomes);
}
