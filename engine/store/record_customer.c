/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

/* What follows id and created_ms, in this order. */
enum {
    ATTRIBUTES = 1,
    CONSENT = 2,
    IDENTITIES = 4,
    TIMEZONE = 8,
    LOCALE = 16,
    CHANNELS = 32,
    EVENTS = 64,
    ALL_FLAGS = 127
};

static unsigned flags_of(const struct nbx_customer_record *r)
{
    return (nbx_record__is_empty(r->attributes) ? 0 : ATTRIBUTES) |
           (nbx_record__is_empty(r->consent) ? 0 : CONSENT) |
           (nbx_record__is_empty(r->identities) ? 0 : IDENTITIES) |
           (r->timezone.len ? TIMEZONE : 0) | (r->locale.len ? LOCALE : 0) |
           (nbx_record__is_empty(r->channels) ? 0 : CHANNELS) |
           (r->n_events || r->last_event_ms ? EVENTS : 0);
}

void nbx_customer_record_encode(struct nbx_buf *out, const struct nbx_customer_record *r)
{
    unsigned flags = flags_of(r);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put_str(out, r->id);
    nbx_buf_put_varsint(out, r->created_ms);
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
    if (flags & EVENTS) {
        nbx_buf_put_varint(out, r->n_events);
        nbx_record__put_near(out, r->last_event_ms, r->created_ms);
    }
}

enum nbx_err nbx_customer_record_decode(struct nbx_customer_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_CUSTOMER_RECORD, arena);
    struct nbx_customer_record c = {0};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS;
    c.id = nbx_read_str(&rr.r);
    c.created_ms = nbx_read_varsint(&rr.r);
    if (flags & ATTRIBUTES)
        c.attributes = nbx_record__value(&rr, NBX_MAP);
    if (flags & CONSENT)
        c.consent = nbx_record__value(&rr, NBX_MAP);
    if (flags & IDENTITIES)
        c.identities = nbx_record__value(&rr, NBX_MAP);
    if (flags & TIMEZONE)
        c.timezone = nbx_read_str(&rr.r);
    if (flags & LOCALE)
        c.locale = nbx_read_str(&rr.r);
    if (flags & CHANNELS)
        c.channels = nbx_record__value(&rr, NBX_LIST);
    if (flags & EVENTS) {
        c.n_events = nbx_read_varint(&rr.r);
        c.last_event_ms = nbx_record__near(&rr, c.created_ms);
    }
    *out = c;
    return nbx_record__end(&rr);
}
