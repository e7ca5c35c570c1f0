/* SPDX-License-Identifier: MIT */
#include "engine/decide/record.h"

#include "engine/base/check.h"

static void put(struct nbx_batch *batch, enum nbx_family family, const struct nbx_key *key,
                uint8_t version, struct nbx_buf *buf)
{
    NBX_ASSERT(!buf->failed);
    nbx_batch_put(batch, family, nbx_key_str(key), version,
                  (struct nbx_str){(const char *)buf->p, (uint32_t)buf->len});
    nbx_buf_fini(buf);
}

static enum nbx_err put_decision(const struct nbx_decide *d, const struct nbx_decision *decision,
                                 const struct nbx_decision_context *c)
{
    const struct nbx_world *world = d->world;
    struct nbx_decision_item *items = nbx_arena_calloc(d->scope->arena, decision->n, sizeof *items);
    if (!items)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < decision->n; i++)
        items[i] =
            (struct nbx_decision_item){decision->choices[i].item_no, decision->choices[i].score,
                                       (uint8_t)decision->choices[i].source};
    uint8_t group = NBX_CUSTOMER_GROUP(c->profile->number);
    struct nbx_decision_record record = {
        .time_ms = c->time_ms,
        .now_ms = d->scope->now_ms,
        .op = c->req->items.n ? NBX_STR("rank") : NBX_STR("recommend"),
        .placement = c->req->placement,
        .channel = c->req->channel,
        .store = c->req->store,
        .context = c->req->context,
        .model_name = world->model ? nbx_model_name(world->model) : NBX_STR(""),
        .model_version = world->model ? nbx_model_version(world->model) : NBX_STR(""),
        .group_seq = nbx_customers_seq(d->scope->customers, group),
        .catalogue_seq = world->catalogue_seq,
        .personal = c->req->personal,
        .shown = c->req->record == NBX_RECORD_SHOWN,
        .items = items,
        .n = decision->n};
    struct nbx_buf buf = {0};
    struct nbx_key key = nbx_key_decision(c->id);
    nbx_decision_record_encode(&buf, &record);
    put(d->scope->batch, NBX_FAMILY_DECISIONS, &key, NBX_DECISION_RECORD, &buf);
    return NBX_OK;
}

static void put_fresh_vector(const struct nbx_decide *d, const struct nbx_decision *decision,
                             const struct nbx_profile *profile)
{
    struct nbx_vector_record record = {.model_version = nbx_model_version(d->world->model),
                                       .seen_digest = profile->seen.digest,
                                       .made_ms = d->scope->now_ms,
                                       .p = decision->fresh_vector,
                                       .n = decision->fresh_dims};
    struct nbx_buf buf = {0};
    struct nbx_key key = nbx_key_vector(profile->number, decision->fresh_space);
    nbx_vector_record_encode(&buf, &record);
    put(d->scope->batch, NBX_FAMILY_VECTORS, &key, NBX_VECTOR_RECORD, &buf);
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
