/* SPDX-License-Identifier: MIT */
#include "engine/serve/reply.h"

#include "proto/wire.h"

#include <stdlib.h>

#define EXPECTED 64 /* items whose names are asked for ahead: more would push each other out */

void nbx_reply_fault(struct nbx_job *job, const struct nbx_fault *fault, const struct nbx_value *id)
{
    nbx_buf_clear(&job->reply);
    nbx_wire_fault(&job->reply, fault, id);
    job->status = fault->code;
    job->durable = false;
}

void nbx_reply_finish(struct nbx_job *job)
{
    job->status = NBX_OK;
    if (!job->reply.failed)
        return;
    struct nbx_fault fault;
    nbx_fault_set(&fault, NBX_ELIMIT, NULL, "no memory for the reply");
    nbx_reply_fault(job, &fault, NULL);
}

void nbx_reply_begin(struct nbx_job *job, uint32_t n, const struct nbx_value *id)
{
    bool echo = id->type != NBX_NIL;
    nbx_buf_clear(&job->reply);
    nbx_wire_map(&job->reply, n + echo);
    if (echo)
        nbx_wire_kv_value(&job->reply, "id", id);
}

void nbx_reply_model(struct nbx_buf *b, const struct nbx_world *world)
{
    nbx_wire_text(b, "model");
    nbx_wire_map(b, 2);
    nbx_wire_kv_str(b, "name", world->model ? nbx_model_name(world->model) : NBX_STR(""));
    nbx_wire_kv_str(b, "version", world->model ? nbx_model_version(world->model) : NBX_STR(""));
}

static int compare_errors(const void *a, const void *b)
{
    const struct nbx_entry_error *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

void nbx_reply_errors(struct nbx_buf *b, struct nbx_entry_error *errors, uint32_t n)
{
    if (n)
        qsort(errors, n, sizeof *errors, compare_errors);
    nbx_wire_text(b, "errors");
    nbx_wire_list(b, n);
    for (uint32_t i = 0; i < n; i++) {
        nbx_wire_map(b, 3);
        nbx_wire_kv_int(b, "index", errors[i].index);
        nbx_wire_kv_text(b, "field", errors[i].fault.field);
        nbx_wire_kv_text(b, "message", errors[i].fault.message);
    }
}

/* Good events and those refused before they were read share the places of the list that came. */
static void put_ids(struct nbx_buf *b, const struct nbx_observed *observed,
                    const struct nbx_events *events)
{
    uint32_t n_sent = events->n + events->n_errors;
    nbx_wire_text(b, "ids");
    nbx_wire_list(b, n_sent);
    for (uint32_t sent = 0, good = 0; sent < n_sent; sent++) {
        bool is_good = good < events->n && events->index[good] == sent;
        nbx_wire_str(b, is_good ? observed->ids[good] : NBX_STR(""));
        good += is_good;
    }
}

uint32_t nbx_reply_n_observed(const struct nbx_observed *observed)
{
    return 6 + (observed->withheld > 0);
}

void nbx_reply_observed(struct nbx_buf *b, struct nbx_observed *observed,
                        const struct nbx_events *events)
{
    nbx_wire_kv_int(b, "applied", observed->applied);
    nbx_wire_kv_int(b, "duplicates", observed->duplicates);
    if (observed->withheld)
        nbx_wire_kv_int(b, "withheld", observed->withheld);
    nbx_wire_kv_int(b, "held", observed->held);
    nbx_wire_kv_int(b, "seq", (int64_t)observed->seq);
    put_ids(b, observed, events);
    nbx_reply_errors(b, observed->errors, observed->n_errors);
}

void nbx_reply_retracted(struct nbx_job *job, const struct nbx_retracted *done,
                         const struct nbx_value *id)
{
    nbx_reply_begin(job, 3, id);
    nbx_wire_kv_int(&job->reply, "retracted", done->retracted);
    nbx_wire_kv_int(&job->reply, "unknown", done->unknown);
    nbx_wire_kv_int(&job->reply, "seq", (int64_t)done->seq);
    nbx_reply_finish(job);
}

static void put_receipt(struct nbx_buf *b, const struct nbx_forgetting *done)
{
    nbx_wire_text(b, "receipt");
    nbx_wire_hex(b, done->receipt.hash, sizeof done->receipt.hash);
    nbx_wire_kv_int(b, "time", done->receipt.time_ms);
    nbx_wire_kv_int(b, "events", (int64_t)done->events);
    nbx_wire_kv_int(b, "decisions", (int64_t)done->decisions);
}

void nbx_reply_forgotten(struct nbx_job *job, const struct nbx_forgetting *done,
                         uint32_t identities, const struct nbx_value *id)
{
    nbx_reply_begin(job, (done->forgotten ? 6 : 2) + (identities > 0), id);
    nbx_wire_kv_bool(&job->reply, "forgotten", done->forgotten);
    nbx_wire_kv_int(&job->reply, "seq", (int64_t)done->seq);
    if (done->forgotten)
        put_receipt(&job->reply, done);
    if (identities)
        nbx_wire_kv_int(&job->reply, "identities", identities);
    nbx_reply_finish(job);
}

static void put_fields(struct nbx_buf *b, const struct nbx_reply_list *list, uint32_t item_no)
{
    const struct nbx_decide *d = list->d;
    struct nbx_value values[NBX_MAX_FIELDS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->fields.n; i++) {
        values[i] =
            nbx_catalog_field(d->world->catalog, item_no, list->fields.p[i], d->scope->arena);
        n += values[i].type != NBX_NIL;
    }
    nbx_wire_text(b, "fields");
    nbx_wire_map(b, n);
    for (uint32_t i = 0; i < list->fields.n; i++) {
        if (values[i].type == NBX_NIL)
            continue;
        nbx_wire_str(b, list->fields.p[i]);
        nbx_wire_value(b, &values[i]);
    }
}

static void put_factors(struct nbx_buf *b, const struct nbx_choice *c)
{
    nbx_wire_text(b, "factors");
    nbx_wire_map(b, 4);
    nbx_wire_kv_float(b, "p", (double)c->score);
    nbx_wire_kv_float(b, "c", 1);
    nbx_wire_kv_float(b, "v", 1);
    nbx_wire_kv_float(b, "l", 1);
}

static void put_reason_args(struct nbx_buf *b, const struct nbx_reply_list *list,
                            const struct nbx_choice *c)
{
    nbx_wire_text(b, "args");
    switch (c->reason) {
    case NBX_REASON_BECAUSE_OF_ITEMS:
        nbx_wire_map(b, 1);
        nbx_wire_text(b, "items");
        nbx_wire_list(b, c->n_because);
        for (uint32_t i = 0; i < c->n_because; i++)
            nbx_wire_str(b, nbx_ids_name(list->d->ids, c->because[i].item_no));
        return;
    case NBX_REASON_SIMILAR_TO:
        nbx_wire_map(b, 1);
        nbx_wire_kv_str(b, "item", list->similar_to);
        return;
    case NBX_REASON_TRENDING_IN_CHANNEL:
        nbx_wire_map(b, 1);
        nbx_wire_kv_str(b, "channel", list->channel);
        return;
    default: nbx_wire_map(b, 0); return;
    }
}

static void put_explain(struct nbx_buf *b, const struct nbx_reply_list *list,
                        const struct nbx_choice *c)
{
    nbx_wire_text(b, "explain");
    nbx_wire_map(b, 3);
    put_factors(b, c);
    nbx_wire_text(b, "because");
    nbx_wire_list(b, c->n_because);
    for (uint32_t i = 0; i < c->n_because; i++) {
        nbx_wire_map(b, 2);
        nbx_wire_kv_str(b, "item", nbx_ids_name(list->d->ids, c->because[i].item_no));
        nbx_wire_kv_float(b, "share", (double)c->because[i].share);
    }
    nbx_wire_text(b, "reason");
    nbx_wire_map(b, 2);
    nbx_wire_kv_text(b, "code", nbx_reason_name(c->reason));
    put_reason_args(b, list, c);
}

void nbx_reply_expect_items(const struct nbx_reply_list *list)
{
    uint32_t item_nos[EXPECTED], n = 0;
    for (uint32_t i = 0; i < list->decision->n && n < EXPECTED; i++)
        item_nos[n++] = list->decision->choices[i].item_no;
    nbx_ids_expect(list->d->ids, item_nos, n);
}

void nbx_reply_items(struct nbx_buf *b, const struct nbx_reply_list *list)
{
    nbx_wire_text(b, "items");
    nbx_wire_list(b, list->decision->n);
    for (uint32_t i = 0; i < list->decision->n; i++) {
        const struct nbx_choice *c = &list->decision->choices[i];
        nbx_wire_map(b, 3 + (list->fields.n > 0) + list->explain);
        nbx_wire_kv_str(b, "id", nbx_ids_name(list->d->ids, c->item_no));
        nbx_wire_kv_float(b, "score", (double)c->score);
        nbx_wire_kv_text(b, "source", nbx_source_name(c->source));
        if (list->fields.n)
            put_fields(b, list, c->item_no);
        if (list->explain)
            put_explain(b, list, c);
    }
}
