/* SPDX-License-Identifier: MIT
 * decision.get: what was answered, to what, by what, and what came of it.
 */
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
    if (err || !nbx_decision_id_parse(event.decision, &named) ||
        memcmp(&named, &s->id, sizeof named) != 0)
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

static void put_ids(struct nbx_buf *b, const struct shown *s, const char *name,
                    struct nbx_item_numbers items)
{
    nbx_wire_text(b, name);
    nbx_wire_list(b, items.n);
    for (uint32_t i = 0; i < items.n; i++)
        nbx_wire_str(b, nbx_ids_name(s->r->worker->server->ids, items.p[i]));
}

static void put_factors(struct nbx_buf *b, const struct nbx_decision_factors *f)
{
    nbx_wire_text(b, "factors");
    nbx_wire_map(b, 4);
    nbx_wire_kv_float(b, "p", (double)f->p);
    nbx_wire_kv_float(b, "c", (double)f->c);
    nbx_wire_kv_float(b, "v", (double)f->v);
    nbx_wire_kv_float(b, "l", (double)f->l);
}

static void put_items(struct nbx_buf *b, const struct shown *s)
{
    const struct nbx_decision_record *d = &s->record;
    nbx_wire_text(b, "items");
    nbx_wire_list(b, d->n);
    for (uint32_t i = 0; i < d->n; i++) {
        struct nbx_decision_factors plain = {d->items[i].score, 1, 1, 1};
        nbx_wire_map(b, 5);
        nbx_wire_kv_str(b, "id", nbx_ids_name(s->r->worker->server->ids, d->items[i].item_no));
        nbx_wire_kv_int(b, "position", i);
        nbx_wire_kv_float(b, "score", (double)d->items[i].score);
        nbx_wire_kv_text(b, "source", nbx_source_name((enum nbx_source)d->items[i].source));
        put_factors(b, d->factors ? &d->factors[i] : &plain);
    }
}

/* What the request asked for, as far as it is kept: three members and the four that may be. */
static void put_asked(struct nbx_buf *b, const struct shown *s)
{
    const struct nbx_decision_record *d = &s->record;
    nbx_wire_kv_int(b, "n", d->asked);
    put_ids(b, s, "exclude", d->excluded);
    nbx_wire_kv_bool(b, "exclude_seen", d->exclude_seen);
    if (d->distinct_group)
        nbx_wire_kv_text(b, "distinct", "group");
    if (d->filter)
        nbx_wire_kv_value(b, "filter", d->filter);
    if (d->ranked.n)
        put_ids(b, s, "ranked", d->ranked);
    if (d->approximate)
        nbx_wire_kv_float(b, "recall", (double)d->recall);
}

static void put_circumstances(struct nbx_buf *b, const struct shown *s)
{
    const struct nbx_decision_record *d = &s->record;
    nbx_wire_kv_str(b, "id", nbx_job_key(s->r->job));
    nbx_wire_kv_int(b, "time", d->time_ms);
    if (s->customer.len)
        nbx_wire_kv_str(b, "customer", s->customer);
    nbx_wire_kv_str(b, "operation", d->op);
    nbx_wire_kv_str(b, "placement", d->placement);
    nbx_wire_kv_str(b, "channel", d->channel);
    nbx_wire_kv_str(b, "store", d->store);
    if (d->context)
        nbx_wire_kv_value(b, "context", d->context);
}

/* By what it was decided. */
static void put_means(struct nbx_buf *b, const struct nbx_decision_record *d)
{
    static const char *const vectors[] = {"none", "query", "given", "folded", "described"};
    nbx_wire_text(b, "model");
    nbx_wire_map(b, 2);
    nbx_wire_kv_str(b, "name", d->model_name);
    nbx_wire_kv_str(b, "version", d->model_version);
    if (d->asked)
        nbx_wire_kv_text(b, "vector", vectors[d->vector.from]);
    nbx_wire_kv_int(b, "policy", d->policy);
    nbx_wire_kv_int(b, "variant", d->variant);
    nbx_wire_kv_float(b, "propensity", (double)d->propensity);
    nbx_wire_kv_int(b, "now", d->now_ms);
    nbx_wire_kv_bool(b, "personal", d->personal);
    nbx_wire_kv_bool(b, "shown", d->shown);
    nbx_wire_kv_int(b, "seq", (int64_t)d->group_seq);
    nbx_wire_kv_int(b, "catalogue_seq", (int64_t)d->catalogue_seq);
}

static void reply(struct shown *s)
{
    const struct nbx_decision_record *d = &s->record;
    struct nbx_buf *b = &s->r->job->reply;
    struct nbx_value none = nbx_value_nil(); /* `id` is the decision's here */
    bool said = d->asked > 0;                /* by a record of version 1 it was not */
    uint32_t n_asked =
        4 + d->distinct_group + (d->filter != NULL) + (d->ranked.n > 0) + d->approximate;
    uint32_t n = 17 + (s->customer.len > 0) + (d->context != NULL) + (said ? n_asked : 0);
    nbx_reply_begin(s->r->job, n, &none);
    put_circumstances(b, s);
    if (said)
        put_asked(b, s);
    put_items(b, s);
    put_means(b, d);
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
