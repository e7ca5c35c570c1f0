/* SPDX-License-Identifier: MIT
 * observe with a key, and customer.*
 */
#include "engine/customer/seen.h"
#include "engine/decide/taste.h"
#include "engine/serve/person.h"
#include "engine/serve/reply_event.h"
#include "proto/wire.h"

#define HISTORY_MAX 100

void nbx_request_observe(struct nbx_request *r)
{
    struct nbx_observe_req req;
    struct nbx_profile profile;
    struct nbx_observed observed;
    struct nbx_str key = nbx_job_key(r->job);
    enum nbx_err err =
        nbx_message_observe(&req, nbx_job_body(r->job), true, r->scope.arena, &r->fault);
    if (!err && (err = nbx_profile_load(&profile, &r->scope, key)))
        nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    if (!err)
        err = nbx_observe(&observed, &r->scope, &profile, &req.events, req.atomic, &r->fault);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    nbx_count_observed(r->worker, &observed);
    /* a duplicate may still wait for the sync of the first */
    r->job->durable =
        req.ack != NBX_ACK_MEMORY && observed.applied + observed.duplicates + observed.held > 0;
    nbx_reply_begin(r->job, nbx_reply_n_observed(&observed), &req.id);
    nbx_reply_observed(&r->job->reply, &observed, &req.events);
    nbx_reply_finish(r->job);
}

void nbx_request_customer_put(struct nbx_request *r)
{
    struct nbx_customer_put_req req;
    uint64_t seq = 0;
    enum nbx_err err =
        nbx_message_customer_put(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err)
        err = nbx_customer_put(&r->scope, nbx_job_key(r->job), &req, &seq, &r->fault);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    r->job->durable = true;
    nbx_reply_begin(r->job, 2, &req.id);
    nbx_wire_kv_bool(&r->job->reply, "applied", true);
    nbx_wire_kv_int(&r->job->reply, "seq", (int64_t)seq);
    nbx_reply_finish(r->job);
}

enum nbx_err nbx_request_forget_of(struct nbx_request *r, struct nbx_str id, bool linked,
                                   struct nbx_forgetting *done)
{
    enum nbx_err err = linked ? nbx_customer_forget_linked(done, &r->scope, id)
                              : nbx_customer_forget(done, &r->scope, id);
    if (err)
        nbx_fault_set(&r->fault, err, NULL,
                      done->forgotten ? "forgotten, but the list of who was cannot be written"
                                      : "the customer cannot be deleted");
    nbx_count(&r->worker->counters.forgotten, done->forgotten); /* its files are to be rid of it */
    return err;
}

void nbx_request_customer_forget(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct nbx_strs ids;
    struct nbx_forgetting done;
    struct nbx_str key = nbx_job_key(r->job);
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && (err = nbx_linked_ids(&ids, &r->scope, key)))
        nbx_fault_set(&r->fault, err, NULL, "the customer cannot be deleted");
    if (!err && ids.n > 1) {
        r->job->fans_out = true;
        return;
    }
    if (!err)
        err = nbx_request_forget_of(r, key, false, &done);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    r->job->durable = true;
    nbx_reply_forgotten(r->job, &done, 0, &req.id);
}

void nbx_request_customer_link(struct nbx_request *r)
{
    struct nbx_link_req req;
    struct nbx_str key = nbx_job_key(r->job);
    bool link = r->job->op->op == NBX_OP_CUSTOMER_LINK;
    enum nbx_err err =
        nbx_message_link(&req, nbx_job_body(r->job), link, key, r->scope.arena, &r->fault);
    if (!err && link)
        err = nbx_link_accept(&r->scope, key, &r->fault);
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        r->job->fans_out = true; /* the rest is the identity's worker's */
}

static void put_map(struct nbx_buf *b, const char *key, const struct nbx_value *map)
{
    nbx_wire_text(b, key);
    if (map)
        nbx_wire_value(b, map);
    else
        nbx_wire_map(b, 0);
}

/* The newest events that are neither held, which are the ones further ahead, nor past what is kept,
 * newest first, appended to `list`; *n counts them. */
static enum nbx_err read_history(struct nbx_buf *list, uint32_t *n, const struct nbx_request *r,
                                 const struct nbx_person *person)
{
    struct nbx_person_events events;
    const struct nbx_person_event *e;
    struct nbx_person_span span = {INT64_MIN, r->scope.now_ms + NBX_AHEAD_MS + 1, true};
    *n = 0;
    enum nbx_err err = nbx_person_events_open(&events, r, person, span);
    while (!err && *n < HISTORY_MAX && !(err = nbx_person_events_next(&events, &e)))
        if (!e->record.held && !nbx_event_is_past(&r->scope, &e->record, e->time_ms))
            nbx_reply_event(list, r, e->identity, e->time_ms, &e->record), ++*n;
    nbx_person_events_close(&events);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static uint32_t count_seen(const struct nbx_request *r, const struct nbx_profile *profile)
{
    struct nbx_seen_item item;
    uint32_t at = 0, n = 0;
    while (nbx_seen_next(&profile->seen, r->worker->world->vocabulary, r->scope.now_ms, &at, &item))
        n++;
    return n;
}

static void put_customer(struct nbx_request *r, const struct nbx_profile *profile,
                         const struct nbx_taste *taste)
{
    struct nbx_buf *b = &r->job->reply;
    const struct nbx_customer_record *head = &profile->head;
    nbx_wire_kv_str(b, "id", nbx_job_key(r->job));
    nbx_wire_kv_bool(b, "known", profile->known);
    put_map(b, "attributes", head->attributes);
    put_map(b, "consent", head->consent);
    put_map(b, "identities", head->identities);
    nbx_wire_kv_str(b, "timezone", head->timezone);
    nbx_wire_kv_str(b, "locale", head->locale);
    nbx_wire_text(b, "channels");
    if (head->channels)
        nbx_wire_value(b, head->channels);
    else
        nbx_wire_list(b, 0);
    nbx_wire_kv_int(b, "seen", count_seen(r, profile));
    if (!taste->space)
        return;
    nbx_wire_text(b, "vector");
    nbx_wire_list(b, (uint32_t)taste->space->dims);
    for (size_t i = 0; i < taste->space->dims; i++)
        nbx_wire_float(b, (double)taste->vector[i]);
}

/* A customer being shown. */
struct shown {
    struct nbx_profile own, whole; /* whole: with all it is linked with */
    struct nbx_person person;
    struct nbx_taste taste;
    struct nbx_buf history; /* (n_history) maps */
    uint32_t n_history;
};

static enum nbx_err read_customer(struct shown *s, const struct nbx_request *r)
{
    enum nbx_err err = nbx_profile_load(&s->own, &r->scope, nbx_job_key(r->job));
    if (!err)
        err = nbx_profile_load_head(&s->own, &r->scope);
    if (!err)
        err = nbx_profile_join(&s->whole, &r->scope, &s->own);
    if (!err)
        err = nbx_person_read(&s->person, &r->scope, &s->own);
    return err || !s->whole.known ? err : read_history(&s->history, &s->n_history, r, &s->person);
}

/* By what an answer may know. */
static enum nbx_err find_taste(struct shown *s, struct nbx_request *r)
{
    struct nbx_decide d = nbx_request_decide(r, &r->scope);
    struct nbx_profile used;
    enum nbx_err err = nbx_profile_for_answer(&used, &r->scope, &s->own, true);
    if (err)
        return nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    return nbx_taste_of_customer(&s->taste, &d, &used, &r->fault);
}

static void reply_customer(struct nbx_request *r, const struct shown *s)
{
    struct nbx_buf *b = &r->job->reply;
    struct nbx_value none = nbx_value_nil(); /* `id` is the customer's here */
    nbx_reply_begin(r->job, 10 + (s->taste.space != NULL) + s->person.linked, &none);
    put_customer(r, &s->whole, &s->taste);
    nbx_wire_text(b, "history");
    nbx_wire_list(b, s->n_history);
    nbx_buf_put(b, s->history.p, s->history.len);
    b->failed |= s->history.failed;
    if (s->person.linked)
        nbx_person_put_linked(b, &s->person);
    nbx_reply_finish(r->job);
}

void nbx_request_customer_get(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct shown s = {.n_history = 0};
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && (err = read_customer(&s, r)))
        nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    if (!err)
        err = find_taste(&s, r);
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        reply_customer(r, &s);
    nbx_buf_fini(&s.history);
}
