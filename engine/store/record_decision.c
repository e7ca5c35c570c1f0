/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

/* What follows time_ms, in this order; after it the sequence numbers and the items. */
enum {
    PERSONAL = 1, /* a fact, nothing follows */
    SHOWN = 2,    /* likewise */
    RANK = 4,     /* the operation: neither of the two is "recommend" */
    OTHER_OP = 8, /* its name follows */
    CLOCK = 16,   /* now_ms is not time_ms */
    PLACEMENT = 32,
    CHANNEL = 64,
    STORE = 128,
    MODEL = 256, /* name and version */
    CONTEXT = 512,
    ALL_FLAGS = 1023
};

#define ITEM_MIN_BYTES 6 /* item number, score, source */

static unsigned op_flag(struct nbx_str op)
{
    if (nbx_str_is(op, "recommend"))
        return 0;
    return nbx_str_is(op, "rank") ? RANK : OTHER_OP;
}

static unsigned flags_of(const struct nbx_decision_record *r)
{
    return (r->personal ? PERSONAL : 0) | (r->shown ? SHOWN : 0) | op_flag(r->op) |
           (r->now_ms != r->time_ms ? CLOCK : 0) | (r->placement.len ? PLACEMENT : 0) |
           (r->channel.len ? CHANNEL : 0) | (r->store.len ? STORE : 0) |
           (r->model_name.len || r->model_version.len ? MODEL : 0) |
           (nbx_record__is_empty(r->context) ? 0 : CONTEXT);
}

static void put_circumstances(struct nbx_buf *out, const struct nbx_decision_record *r,
                              unsigned flags)
{
    if (flags & OTHER_OP)
        nbx_buf_put_str(out, r->op);
    if (flags & CLOCK)
        nbx_record__put_near(out, r->now_ms, r->time_ms);
    if (flags & PLACEMENT)
        nbx_buf_put_str(out, r->placement);
    if (flags & CHANNEL)
        nbx_buf_put_str(out, r->channel);
    if (flags & STORE)
        nbx_buf_put_str(out, r->store);
    if (flags & MODEL) {
        nbx_buf_put_str(out, r->model_name);
        nbx_buf_put_str(out, r->model_version);
    }
    if (flags & CONTEXT)
        nbx_record__put_value(out, r->context);
}

void nbx_decision_record_encode(struct nbx_buf *out, const struct nbx_decision_record *r)
{
    unsigned flags = flags_of(r);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put_varsint(out, r->time_ms);
    put_circumstances(out, r, flags);
    nbx_buf_put_varint(out, r->group_seq);
    nbx_buf_put_varint(out, r->catalogue_seq);
    nbx_buf_put_varint(out, r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        nbx_buf_put_varint(out, r->items[i].item_no);
        nbx_buf_put_f32le(out, r->items[i].score);
        nbx_buf_put_u8(out, r->items[i].source);
    }
}

static void read_circumstances(struct nbx_decision_record *d, struct nbx_record_reader *rr,
                               uint64_t flags)
{
    d->op = flags & RANK ? NBX_STR("rank") : NBX_STR("recommend");
    if (flags & OTHER_OP)
        d->op = nbx_read_str(&rr->r);
    d->now_ms = flags & CLOCK ? nbx_record__near(rr, d->time_ms) : d->time_ms;
    if (flags & PLACEMENT)
        d->placement = nbx_read_str(&rr->r);
    if (flags & CHANNEL)
        d->channel = nbx_read_str(&rr->r);
    if (flags & STORE)
        d->store = nbx_read_str(&rr->r);
    if (flags & MODEL) {
        d->model_name = nbx_read_str(&rr->r);
        d->model_version = nbx_read_str(&rr->r);
    }
    if (flags & CONTEXT)
        d->context = nbx_record__value(rr, NBX_MAP);
}

static const struct nbx_decision_item *read_items(struct nbx_record_reader *rr, uint32_t n)
{
    struct nbx_decision_item *items = rr->r.failed ? NULL : nbx_record__alloc(rr, n, sizeof *items);
    for (uint32_t i = 0; items && i < n; i++) {
        items[i].item_no = nbx_record__u32(rr);
        items[i].score = nbx_read_f32le(&rr->r);
        items[i].source = nbx_read_u8(&rr->r);
    }
    return items;
}

enum nbx_err nbx_decision_record_decode(struct nbx_decision_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_DECISION_RECORD, arena);
    struct nbx_decision_record d = {0};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS || ((flags & RANK) && (flags & OTHER_OP));
    d.personal = flags & PERSONAL;
    d.shown = flags & SHOWN;
    d.time_ms = nbx_read_varsint(&rr.r);
    read_circumstances(&d, &rr, flags);
    d.group_seq = nbx_read_varint(&rr.r);
    d.catalogue_seq = nbx_read_varint(&rr.r);
    d.n = nbx_record__count(&rr, ITEM_MIN_BYTES);
    d.items = read_items(&rr, d.n);
    *out = d;
    return nbx_record__end(&rr);
}
