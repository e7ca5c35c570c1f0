/* SPDX-License-Identifier: MIT
 * observe with a key, and customer.*
 */
#include "engine/customer/seen.h"
#include "engine/decide/taste.h"
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

static void put_receipt(struct nbx_buf *b, const struct nbx_forgetting *done)
{
    struct nbx_decision_id id; /* of as many bytes */
    char hex[33];
    memcpy(id.b, done->receipt.hash, sizeof id.b);
    nbx_decision_id_hex(id, hex);
    nbx_wire_kv_text(b, "receipt", hex);
    nbx_wire_kv_int(b, "time", done->receipt.time_ms);
    nbx_wire_kv_int(b, "events", (int64_t)done->events);
    nbx_wire_kv_int(b, "decisions", (int64_t)done->decisions);
}

void nbx_request_customer_forget(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct nbx_forgetting done = {0};
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && (err = nbx_customer_forget(&done, &r->scope, nbx_job_key(r->job))))
        nbx_fault_set(&r->fault, err, NULL,
                      done.forgotten ? "forgotten, but the list of who was cannot be written"
                                     : "the customer cannot be deleted");
    nbx_count(&r->worker->counters.forgotten, done.forgotten); /* its files are to be rid of it */
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    r->job->durable = true;
    nbx_reply_begin(r->job, done.forgotten ? 6 : 2, &req.id);
    nbx_wire_kv_bool(&r->job->reply, "forgotten", done.forgotten);
    nbx_wire_kv_int(&r->job->reply, "seq", (int64_t)done.seq);
    if (done.forgotten)
        put_receipt(&r->job->reply, &done);
    nbx_reply_finish(r->job);
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
                                 uint64_t number)
{
    struct nbx_cursor *cursor = NULL;
    static const uint8_t least[16];
    struct nbx_key from = nbx_key_customer(number);
    struct nbx_key to = nbx_key_event(number, r->scope.now_ms + NBX_AHEAD_MS + 1, least);
    struct nbx_str key;
    struct nbx_stored stored;
    struct nbx_event_record event;
    uint64_t owner;
    int64_t time_ms;
    *n = 0;
    enum nbx_err err =
        nbx_cursor_open(&cursor, nbx_customers_store(r->scope.customers), NBX_FAMILY_EVENTS,
                        nbx_key_str(&from), nbx_key_str(&to), true);
    while (!err && *n < HISTORY_MAX && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        if (!nbx_key_event_parse(key, &owner, &time_ms, NULL))
            err = NBX_ECORRUPT;
        else if (!(err = nbx_event_record_decode(&event, &stored, r->scope.arena)) && !event.held &&
                 !nbx_event_is_past(&r->scope, &event, time_ms))
            nbx_reply_event(list, r, time_ms, &event), ++*n;
    }
    nbx_cursor_close(&cursor);
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

void nbx_request_customer_get(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct nbx_profile profile;
    struct nbx_taste taste = {0};
    struct nbx_buf history = {0};
    uint32_t n_history = 0;
    struct nbx_decide d = nbx_request_decide(r, &r->scope);
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err) {
        err = nbx_profile_load(&profile, &r->scope, nbx_job_key(r->job));
        if (!err)
            err = nbx_profile_load_head(&profile, &r->scope);
        if (!err && profile.known)
            err = read_history(&history, &n_history, r, profile.number);
        if (err)
            nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    }
    if (!err) {
        struct nbx_profile used;
        if ((err = nbx_profile_for_answer(&used, &r->scope, &profile, true)))
            nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
        else
            err = nbx_taste_of_customer(&taste, &d, &used, &r->fault);
    }
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
    } else {
        struct nbx_value none = nbx_value_nil(); /* `id` is the customer's here */
        nbx_reply_begin(r->job, 10 + (taste.space != NULL), &none);
        put_customer(r, &profile, &taste);
        nbx_wire_text(&r->job->reply, "history");
        nbx_wire_list(&r->job->reply, n_history);
        nbx_buf_put(&r->job->reply, history.p, history.len);
        r->job->reply.failed |= history.failed;
        nbx_reply_finish(r->job);
    }
    nbx_buf_fini(&history);
}
