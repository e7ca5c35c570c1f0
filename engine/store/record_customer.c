/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

#define TOTAL_MIN_BYTES 3

/* What follows the id, in this order. */
enum {
    ATTRIBUTES = 1,
    CONSENT = 2,
    IDENTITIES = 4,
    TIMEZONE = 8,
    LOCALE = 16,
    CHANNELS = 32,
    PUT = 64, /* version 1: number of events, and the last one's time */
    TOTALS = 128,
    ALL_FLAGS = 255,
    EVENTS_1 = PUT,
    ALL_FLAGS_1 = 127
};

static unsigned flags_of(const struct nbx_customer_record *r)
{
    return (nbx_record__is_empty(r->attributes) ? 0 : ATTRIBUTES) |
           (nbx_record__is_empty(r->consent) ? 0 : CONSENT) |
           (nbx_record__is_empty(r->identities) ? 0 : IDENTITIES) |
           (r->timezone.len ? TIMEZONE : 0) | (r->locale.len ? LOCALE : 0) |
           (nbx_record__is_empty(r->channels) ? 0 : CHANNELS) | (r->put_ms ? PUT : 0) |
           (r->totals.n ? TOTALS : 0);
}

static void put_said(struct nbx_buf *out, const struct nbx_customer_record *r, unsigned flags)
{
    if (flags & ATTRIBUTES)
        nbx_record__put_value(out, r->attributes);
    if (flags & CONSENT)
        nbx_record__put_value(out, r->consent);
    if (flags & IDENTITIES)
        nbx_record__put_value(out, r->identities);
    if (flags & TIMEZONE)
        nbx_buf_put_str(out, r->timezone);
    if (flags & LOCALE)
        nbx_buf_put_str(out, r->locale);
    if (flags & CHANNELS)
        nbx_record__put_value(out, r->channels);
}

void nbx_record__put_totals(struct nbx_buf *out, const struct nbx_totals *t)
{
    uint32_t before = 0;
    nbx_buf_put_u64le(out, t->digest);
    nbx_buf_put_varsint(out, t->first_ms);
    nbx_buf_put_varint(out, t->n);
    for (uint32_t i = 0; i < t->n; i++) {
        nbx_buf_put_varint(out, t->types[i].type_no - before);
        nbx_buf_put_varint(out, t->types[i].n);
        nbx_buf_put_varint(out, (uint64_t)t->types[i].last_ms - (uint64_t)t->first_ms);
        before = t->types[i].type_no;
    }
}

void nbx_customer_record_encode(struct nbx_buf *out, const struct nbx_customer_record *r)
{
    unsigned flags = flags_of(r);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put_str(out, r->id);
    put_said(out, r, flags);
    if (flags & PUT)
        nbx_buf_put_varsint(out, r->put_ms);
    if (flags & TOTALS)
        nbx_record__put_totals(out, &r->totals);
}

static void read_said(struct nbx_customer_record *c, struct nbx_record_reader *rr, uint64_t flags)
{
    if (flags & ATTRIBUTES)
        c->attributes = nbx_record__value(rr, NBX_MAP);
    if (flags & CONSENT)
        c->consent = nbx_record__value(rr, NBX_MAP);
    if (flags & IDENTITIES)
        c->identities = nbx_record__value(rr, NBX_MAP);
    if (flags & TIMEZONE)
        c->timezone = nbx_read_str(&rr->r);
    if (flags & LOCALE)
        c->locale = nbx_read_str(&rr->r);
    if (flags & CHANNELS)
        c->channels = nbx_record__value(rr, NBX_LIST);
}

void nbx_record__totals(struct nbx_totals *t, struct nbx_record_reader *rr)
{
    uint32_t before = 0;
    t->digest = nbx_read_u64le(&rr->r);
    t->first_ms = nbx_read_varsint(&rr->r);
    t->n = t->cap = nbx_record__count(rr, TOTAL_MIN_BYTES);
    rr->r.failed |= t->n == 0;
    t->types = rr->r.failed ? NULL : nbx_record__alloc(rr, t->n, sizeof *t->types);
    for (uint32_t i = 0; t->types && i < t->n; i++) {
        struct nbx_type_total *total = &t->types[i];
        uint32_t step = nbx_record__u16(rr);
        rr->r.failed |= step > UINT16_MAX - before || (i > 0 && step == 0);
        total->type_no = (uint16_t)(before + step);
        total->n = nbx_read_varint(&rr->r);
        rr->r.failed |= total->n == 0;
        total->last_ms = (int64_t)((uint64_t)t->first_ms + nbx_read_varint(&rr->r));
        before = total->type_no;
    }
}

/* Who was created when is taken for who was put when: version 1 did not tell them apart. */
static void read_1(struct nbx_customer_record *c, struct nbx_record_reader *rr, uint64_t flags)
{
    c->put_ms = nbx_read_varsint(&rr->r);
    read_said(c, rr, flags);
    if (flags & EVENTS_1) {
        nbx_read_varint(&rr->r);
        nbx_read_varsint(&rr->r);
    }
    c->totals_unknown = true;
}

static void read_2(struct nbx_customer_record *c, struct nbx_record_reader *rr, uint64_t flags)
{
    read_said(c, rr, flags);
    if (flags & PUT)
        c->put_ms = nbx_read_varsint(&rr->r);
    if (flags & TOTALS)
        nbx_record__totals(&c->totals, rr);
}

enum nbx_err nbx_customer_record_decode(struct nbx_customer_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_CUSTOMER_RECORD, arena);
    struct nbx_customer_record c = {0};
    bool old = stored->version == 1;
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > (old ? ALL_FLAGS_1 : ALL_FLAGS);
    c.id = nbx_read_str(&rr.r);
    if (old)
        read_1(&c, &rr, flags);
    else
        read_2(&c, &rr, flags);
    *out = c;
    return nbx_record__end(&rr);
}
