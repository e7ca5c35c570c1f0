/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/store/record_internal.h"

#include "proto/message.h"

#include <math.h>

#define EFFECT_BITS 2
#define AMOUNT_BITS 60

/* What follows the fixed fields, in this order. */
enum {
    CHANNEL = 1,
    PLACEMENT = 2,
    STORE = 4,
    SESSION = 8,
    ORDER = 16,
    QUANTITY = 32, /* absent: 1 */
    VALUE = 64,
    CURRENCY = 128,
    RATING = 256,
    SCOPE = 512,
    ACTOR = 1024,
    DECISION = 2048,      /* 16 bytes */
    DECISION_TEXT = 4096, /* one that is not 32 lower-case hex digits */
    ATTRIBUTES = 8192,
    HELD = 16384, /* no field; from version 3 */
    ALL_FLAGS = 32767
};

static unsigned decision_flag(const struct nbx_event_record *r, struct nbx_decision_id *id)
{
    if (!r->decision.len)
        return 0;
    return nbx_decision_id_parse(r->decision, id) ? DECISION : DECISION_TEXT;
}

static unsigned flags_of(const struct nbx_event_record *r)
{
    return (r->channel_no ? CHANNEL : 0) | (r->placement.len ? PLACEMENT : 0) |
           (r->store.len ? STORE : 0) | (r->session.len ? SESSION : 0) |
           (r->order.len ? ORDER : 0) | (r->quantity != 1 ? QUANTITY : 0) |
           (r->value != NBX_MONEY_UNSET ? VALUE : 0) | (r->currency.len ? CURRENCY : 0) |
           (isnan(r->rating) ? 0 : RATING) | (r->scope ? SCOPE : 0) | (r->actor.len ? ACTOR : 0) |
           (nbx_record__is_empty(r->attributes) ? 0 : ATTRIBUTES) | (r->held ? HELD : 0);
}

static void put_where(struct nbx_buf *out, const struct nbx_event_record *r, unsigned flags)
{
    if (flags & CHANNEL)
        nbx_buf_put_varint(out, r->channel_no);
    if (flags & PLACEMENT)
        nbx_buf_put_str(out, r->placement);
    if (flags & STORE)
        nbx_buf_put_str(out, r->store);
    if (flags & SESSION)
        nbx_buf_put_str(out, r->session);
    if (flags & ORDER)
        nbx_buf_put_str(out, r->order);
}

static void put_amounts(struct nbx_buf *out, const struct nbx_event_record *r, unsigned flags)
{
    if (flags & QUANTITY)
        nbx_record__put_number(out, r->quantity);
    if (flags & VALUE)
        nbx_buf_put_varsint(out, r->value);
    if (flags & CURRENCY)
        nbx_buf_put_str(out, r->currency);
    if (flags & RATING)
        nbx_record__put_number(out, r->rating);
}

void nbx_event_record_encode(struct nbx_buf *out, const struct nbx_event_record *r)
{
    struct nbx_decision_id decision = {{0}};
    unsigned flags = flags_of(r) | decision_flag(r, &decision);
    NBX_ASSERT(r->effect < NBX_EFFECT_UNKNOWN && r->trend_amount >> AMOUNT_BITS == 0);
    nbx_buf_put_varint(out, r->seq);
    nbx_buf_put_varsint(out, r->arrived_ms);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put_varint(out, (uint64_t)r->trend_amount << EFFECT_BITS | r->effect);
    nbx_buf_put_str(out, r->id);
    nbx_buf_put_varint(out, r->type_no);
    nbx_buf_put_varint(out, r->item_no);
    put_where(out, r, flags);
    put_amounts(out, r, flags);
    if (flags & SCOPE)
        nbx_buf_put_u8(out, r->scope);
    if (flags & ACTOR)
        nbx_buf_put_str(out, r->actor);
    if (flags & DECISION)
        nbx_buf_put(out, decision.b, sizeof decision.b);
    if (flags & DECISION_TEXT)
        nbx_buf_put_str(out, r->decision);
    if (flags & ATTRIBUTES)
        nbx_record__put_value(out, r->attributes);
}

static void read_where(struct nbx_event_record *e, struct nbx_record_reader *rr, uint64_t flags)
{
    if (flags & CHANNEL)
        e->channel_no = nbx_record__u16(rr);
    if (flags & PLACEMENT)
        e->placement = nbx_read_str(&rr->r);
    if (flags & STORE)
        e->store = nbx_read_str(&rr->r);
    if (flags & SESSION)
        e->session = nbx_read_str(&rr->r);
    if (flags & ORDER)
        e->order = nbx_read_str(&rr->r);
}

static void read_amounts(struct nbx_event_record *e, struct nbx_record_reader *rr, uint64_t flags)
{
    e->quantity = flags & QUANTITY ? nbx_record__number(rr) : 1;
    e->value = flags & VALUE ? nbx_read_varsint(&rr->r) : NBX_MONEY_UNSET;
    if (flags & CURRENCY)
        e->currency = nbx_read_str(&rr->r);
    e->rating = flags & RATING ? nbx_record__number(rr) : NAN;
}

static struct nbx_str read_decision(struct nbx_record_reader *rr, uint64_t flags)
{
    if (flags & DECISION_TEXT)
        return nbx_read_str(&rr->r);
    struct nbx_decision_id id;
    struct nbx_str bytes = nbx_read_bytes(&rr->r, sizeof id.b);
    char *hex = rr->r.failed ? NULL : nbx_record__alloc(rr, 1, 33);
    if (!hex)
        return (struct nbx_str){NULL, 0};
    memcpy(id.b, bytes.p, sizeof id.b);
    nbx_decision_id_hex(id, hex);
    return (struct nbx_str){hex, 32};
}

static void read_effect(struct nbx_event_record *e, struct nbx_record_reader *rr)
{
    uint64_t v = nbx_read_varint(&rr->r);
    e->effect = v & ((1u << EFFECT_BITS) - 1);
    e->trend_amount = (int64_t)(v >> EFFECT_BITS);
    rr->r.failed |= e->effect == NBX_EFFECT_UNKNOWN || e->trend_amount >> AMOUNT_BITS;
}

/* The fields that every event has; its flags. */
static uint64_t read_fixed(struct nbx_event_record *e, struct nbx_record_reader *rr)
{
    e->seq = nbx_read_varint(&rr->r);
    e->arrived_ms = nbx_read_varsint(&rr->r);
    uint64_t flags = nbx_read_varint(&rr->r);
    read_effect(e, rr);
    e->id = nbx_read_str(&rr->r);
    return flags;
}

static uint64_t read_fixed_1(struct nbx_event_record *e, struct nbx_record_reader *rr)
{
    uint64_t flags = nbx_read_varint(&rr->r);
    e->id = nbx_read_str(&rr->r);
    e->seq = nbx_read_varint(&rr->r);
    e->arrived_ms = nbx_read_varsint(&rr->r);
    e->effect = NBX_EFFECT_UNKNOWN;
    return flags;
}

enum nbx_err nbx_event_record_seq(uint64_t *out, const struct nbx_stored *stored)
{
    struct nbx_record_reader rr = {.r = nbx_reader_of(stored->payload.p, stored->payload.len)};
    struct nbx_event_record e = {0};
    if (stored->version == 0 || stored->version > NBX_EVENT_RECORD)
        return stored->version ? NBX_EVERSION : NBX_ECORRUPT;
    if (stored->version == 1)
        read_fixed_1(&e, &rr);
    else
        read_fixed(&e, &rr);
    *out = e.seq;
    return rr.r.failed ? NBX_ECORRUPT : NBX_OK;
}

enum nbx_err nbx_event_record_decode(struct nbx_event_record *out, const struct nbx_stored *stored,
                                     struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_EVENT_RECORD, arena);
    struct nbx_event_record e = {0};
    uint64_t flags = stored->version == 1 ? read_fixed_1(&e, &rr) : read_fixed(&e, &rr);
    rr.r.failed |= flags > ALL_FLAGS || ((flags & DECISION) && (flags & DECISION_TEXT)) ||
                   ((flags & HELD) && stored->version < 3);
    e.held = flags & HELD;
    e.type_no = nbx_record__u16(&rr);
    e.item_no = nbx_record__u32(&rr);
    read_where(&e, &rr, flags);
    read_amounts(&e, &rr, flags);
    if (flags & SCOPE)
        e.scope = nbx_read_u8(&rr.r);
    if (flags & ACTOR)
        e.actor = nbx_read_str(&rr.r);
    if (flags & (DECISION | DECISION_TEXT))
        e.decision = read_decision(&rr, flags);
    if (flags & ATTRIBUTES)
        e.attributes = nbx_record__value(&rr, NBX_MAP);
    *out = e;
    return nbx_record__end(&rr);
}

void nbx_due_record_encode(struct nbx_buf *out, const struct nbx_due_record *r)
{
    nbx_buf_put_str(out, r->customer);
}

enum nbx_err nbx_due_record_decode(struct nbx_due_record *out, const struct nbx_stored *stored,
                                   struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_DUE_RECORD, arena);
    *out = (struct nbx_due_record){.customer = nbx_read_str(&rr.r)};
    return nbx_record__end(&rr);
}
