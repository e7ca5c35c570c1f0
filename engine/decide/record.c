/* SPDX-License-Identifier: MIT */
#include "engine/decide/record.h"

#include "engine/base/check.h"
#include "engine/decide/taste.h"

static const struct nbx_decision_item *items_of(const struct nbx_decision *decision,
                                                struct nbx_arena *arena)
{
    struct nbx_decision_item *items = nbx_arena_calloc(arena, decision->n, sizeof *items);
    for (uint32_t i = 0; items && i < decision->n; i++)
        items[i] =
            (struct nbx_decision_item){decision->choices[i].item_no, decision->choices[i].score,
                                       (uint8_t)decision->choices[i].source};
    return items;
}

static enum nbx_vector_from vector_from(enum nbx_reason reason)
{
    switch (reason) {
    case NBX_REASON_BECAUSE_OF_ITEMS: return NBX_VECTOR_FOLDED;
    case NBX_REASON_BECAUSE_OF_ATTRIBUTES: return NBX_VECTOR_DESCRIBED;
    case NBX_REASON_CUSTOMER_VECTOR: return NBX_VECTOR_GIVEN;
    default: return NBX_VECTOR_QUERY;
    }
}

/* What the list was scored with. Of a blend the vector does not say all. */
static void set_taste(struct nbx_decision_record *r, const struct nbx_taste *taste)
{
    if (!taste->space)
        return;
    r->vector = (struct nbx_decision_vector){.from = vector_from(taste->reason),
                                             .space = taste->space->name,
                                             .p = taste->vector,
                                             .n = (uint32_t)taste->space->dims};
    if (!taste->space->blend)
        return;
    r->history = (struct nbx_item_numbers){taste->history_items, (uint32_t)taste->history.n};
    r->history_weights = taste->history.weights;
}

static void set_request(struct nbx_decision_record *r, const struct nbx_recommend_req *req)
{
    r->op = req->items.n ? NBX_STR("rank") : NBX_STR("recommend");
    r->placement = req->placement;
    r->channel = req->channel;
    r->store = req->store;
    r->context = req->context;
    r->personal = req->personal;
    r->shown = req->record == NBX_RECORD_SHOWN;
    r->asked = req->n;
    r->filter = req->filter;
    r->exclude_seen = req->exclude_seen;
    r->distinct_group = req->distinct_group;
}

static enum nbx_err put_decision(const struct nbx_decide *d, const struct nbx_decision *decision,
                                 const struct nbx_decision_context *c)
{
    const struct nbx_world *world = d->world;
    struct nbx_batch *batch = d->scope->batch;
    struct nbx_key key = nbx_key_decision(c->id);
    uint8_t group = NBX_CUSTOMER_GROUP(c->profile->number);
    struct nbx_decision_record record = {
        .time_ms = c->time_ms,
        .now_ms = d->scope->now_ms,
        .model_name = world->model ? nbx_model_name(world->model) : NBX_STR(""),
        .model_version = world->model ? nbx_model_version(world->model) : NBX_STR(""),
        .group_seq = nbx_customers_seq(d->scope->customers, group),
        .catalogue_seq = world->catalogue_seq,
        .items = items_of(decision, d->scope->arena),
        .n = decision->n,
        .excluded = decision->excluded,
        .ranked = decision->ranked,
        .approximate = decision->approximate,
        .partial = decision->partial,
        .recall = decision->recall,
        .seen_digest = c->req->personal ? c->profile->seen.digest : 0,
        .propensity = 1};
    if (record.seen_digest && c->profile->linked) {
        record.parts = c->profile->linked->parts;
        record.n_parts = c->profile->linked->n;
    }
    if (!record.items)
        return NBX_ELIMIT;
    if (record.seen_digest)
        record.n_ttls = nbx_vocabulary_ttls(world->vocabulary, &record.ttls);
    set_request(&record, c->req);
    set_taste(&record, decision->taste);
    nbx_decision_record_encode(nbx_batch_payload(batch), &record);
    nbx_batch_put_payload(batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key), NBX_DECISION_RECORD);
    return NBX_OK;
}

static void put_fresh_vector(const struct nbx_decide *d, const struct nbx_decision *decision,
                             const struct nbx_profile *profile)
{
    struct nbx_vector_record record = {.model_tag = nbx_model_tag(d->world->model),
                                       .source_digest = nbx_taste_source(d, profile),
                                       .made_ms = d->scope->now_ms,
                                       .p = decision->fresh_vector,
                                       .n = decision->fresh_dims};
    struct nbx_batch *batch = d->scope->batch;
    struct nbx_key key = nbx_key_vector(profile->number, decision->fresh_space);
    nbx_vector_record_encode(nbx_batch_payload(batch), &record);
    nbx_batch_put_payload(batch, NBX_FAMILY_VECTORS, nbx_key_str(&key), NBX_VECTOR_RECORD);
}

enum nbx_err nbx_decision_write(const struct nbx_decide *d, const struct nbx_decision *decision,
                                const struct nbx_decision_context *context)
{
    enum nbx_err err = put_decision(d, decision, context);
    if (err)
        return err;
    if (decision->fresh_vector)
        put_fresh_vector(d, decision, context->profile);
    return nbx_customer_write(d->scope);
}
