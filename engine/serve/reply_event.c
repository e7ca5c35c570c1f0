/* SPDX-License-Identifier: MIT */
#include "engine/serve/reply_event.h"

#include "engine/customer/fold.h"
#include "proto/wire.h"

#include <math.h>

static const char *const effects[] = {"neutral", "positive", "negative", "unknown"};

static void put_if(struct nbx_buf *b, uint32_t *n, const char *key, struct nbx_str s)
{
    if (s.len == 0)
        return;
    nbx_wire_kv_str(b, key, s);
    ++*n;
}

/* The members of one event that it had; counts them. */
static uint32_t put_event_members(struct nbx_buf *b, const struct nbx_request *r, int64_t time_ms,
                                  const struct nbx_event_record *e)
{
    static const char *const scopes[] = {"item", "brand", "category"};
    const struct nbx_vocabulary *words = r->worker->world->vocabulary;
    const struct nbx_event_type *type = nbx_vocabulary_type_no(words, e->type_no);
    uint32_t n = 2;
    nbx_wire_kv_int(b, "time", time_ms);
    nbx_wire_kv_str(b, "id", e->id);
    put_if(b, &n, "type", type ? type->name : NBX_STR("unknown"));
    if (e->item_no)
        put_if(b, &n, "item", nbx_ids_name(r->worker->server->ids, e->item_no));
    put_if(b, &n, "channel", nbx_vocabulary_channel_name(words, e->channel_no));
    put_if(b, &n, "placement", e->placement);
    put_if(b, &n, "store", e->store);
    put_if(b, &n, "session", e->session);
    put_if(b, &n, "order", e->order);
    put_if(b, &n, "currency", e->currency);
    put_if(b, &n, "actor", e->actor);
    put_if(b, &n, "decision", e->decision);
    if (e->quantity != 1)
        nbx_wire_kv_float(b, "quantity", e->quantity), n++;
    if (e->value != NBX_MONEY_UNSET)
        nbx_wire_kv_int(b, "value", e->value), n++;
    if (!isnan(e->rating))
        nbx_wire_kv_float(b, "rating", e->rating), n++;
    if (e->scope != NBX_SCOPE_ITEM)
        nbx_wire_kv_text(b, "scope", scopes[e->scope]), n++;
    if (e->attributes)
        nbx_wire_kv_value(b, "attributes", e->attributes), n++;
    return n;
}

/* The map's size is known only after its members. */
static void put_event(struct nbx_buf *b, struct nbx_buf *members, uint32_t n)
{
    nbx_wire_map(b, n);
    nbx_buf_put(b, members->p, members->len);
    b->failed |= members->failed;
    nbx_buf_fini(members);
}

void nbx_reply_event(struct nbx_buf *b, const struct nbx_request *r, struct nbx_str identity,
                     int64_t time_ms, const struct nbx_event_record *e)
{
    struct nbx_buf members = {0};
    uint32_t n = put_event_members(&members, r, time_ms, e);
    put_if(&members, &n, "identity", identity);
    put_event(b, &members, n);
}

void nbx_reply_owned_event(struct nbx_buf *b, const struct nbx_request *r,
                           const struct nbx_event_owner *owner, int64_t time_ms,
                           const struct nbx_event_record *e)
{
    struct nbx_buf members = {0};
    uint32_t n = put_event_members(&members, r, time_ms, e);
    put_if(&members, &n, "identity", owner->identity);
    nbx_wire_kv_str(&members, "customer", owner->customer);
    nbx_wire_kv_text(&members, "effect", effects[e->effect]);
    put_event(b, &members, n + 2);
}

void nbx_reply_whole_event(struct nbx_buf *b, const struct nbx_request *r, int64_t time_ms,
                           const struct nbx_event_record *e)
{
    struct nbx_buf members = {0};
    uint32_t n = put_event_members(&members, r, time_ms, e);
    nbx_wire_kv_int(&members, "arrived", e->arrived_ms);
    nbx_wire_kv_int(&members, "seq", (int64_t)e->seq);
    nbx_wire_kv_text(&members, "effect", effects[e->effect]);
    nbx_wire_kv_float(&members, "trend", (double)e->trend_amount / NBX_TREND_AMOUNT_UNITS);
    put_event(b, &members, n + 4);
}
