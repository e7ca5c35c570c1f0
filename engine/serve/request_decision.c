/* SPDX-License-Identifier: MIT
 * decision.get: what was answered, to what, by what, and what came of it.
 */
#include "engine/serve/person.h"
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
    struct nbx_person person;
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

/* With whom the customer is linked now. A stranger may be, too, whose id only links tell. */
static enum nbx_err find_linked(struct shown *s, uint64_t number)
{
    const struct nbx_customer_scope *scope = &s->r->scope;
    struct nbx_link_record link;
    struct nbx_profile profile;
    enum nbx_err err = nbx_link_read(&link, scope, number);
    if (!err)
        err = nbx_profile_load(&profile, scope, link.id);
    bool same = !err && (profile.known ? profile.number : profile.reserved) == number;
    if (!same) /* else another, since, by the id of one who was forgotten */
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    s->customer = link.id;
    return nbx_person_read(&s->person, scope, &profile);
}

static enum nbx_err find_person(struct shown *s)
{
    uint64_t number = nbx_decision_id_customer(s->id);
    s->person = (struct nbx_person){.numbers = {number}, .n = s->customer.len > 0};
    return nbx_customers_links(s->r->scope.customers, number) ? find_linked(s, number) : NBX_OK;
}

/* Adds the event if it names the decision. */
static void look_at_event(struct shown *s, const struct nbx_person_event *e)
{
    struct nbx_decision_id named;
    if (e->record.held || nbx_event_is_past(&s->r->scope, &e->record, e->time_ms) ||
        !nbx_decision_id_parse(e->record.decision, &named) ||
        memcmp(&named, &s->id, sizeof named) != 0)
        return;
    nbx_reply_event(&s->outcomes, s->r, e->identity, e->time_ms, &e->record);
    s->n_outcomes++;
}

/* The customer's events since then that name the decision, oldest first. */
static enum nbx_err read_outcomes(struct shown *s)
{
    struct nbx_person_events events;
    const struct nbx_person_event *e;
    uint32_t n_looked = 0;
    struct nbx_person_span span = {nbx_decision_id_time_ms(s->id) - CLOCKS_DIFFER_MS, INT64_MAX,
                                   false};
    enum nbx_err err = find_person(s);
    if (!err) {
        err = nbx_person_events_open(&events, s->r, &s->person, span);
        while (!err && s->n_outcomes < OUTCOMES_MAX && n_looked++ < OUTCOMES_LOOKED &&
               !(err = nbx_person_events_next(&events, &e)))
            look_at_event(s, e);
        nbx_person_events_close(&events);
    }
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
