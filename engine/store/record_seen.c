/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/store/record_internal.h"

/* Level, digest, number of entries, newest time; then per entry: item minus the item before; type,
 * sign and scope in one number, whose order is the set's; newest time minus the entry's. */
#define SCOPE_MASK      3u
#define NEGATIVE        4u
#define TYPE_SHIFT      3
#define ENTRY_MIN_BYTES 3

/* Version 1 had a revision in the place of the digest, no level, and counted. */
#define NEGATIVE_1    1u
#define COUNTED_1     2u
#define SCOPE_SHIFT_1 2
#define TYPE_SHIFT_1  4

static uint32_t code_of(const struct nbx_seen_entry *e)
{
    return (uint32_t)e->type_no << TYPE_SHIFT | (e->negative ? NEGATIVE : 0) | e->scope;
}

static uint64_t order_of(const struct nbx_seen_entry *e)
{
    return (uint64_t)e->item_no << 32 | code_of(e);
}

static int64_t newest_of(const struct nbx_seen_record *r)
{
    int64_t newest = r->n ? r->entries[0].last_ms : 0;
    for (uint32_t i = 1; i < r->n; i++)
        if (r->entries[i].last_ms > newest)
            newest = r->entries[i].last_ms;
    return newest;
}

void nbx_seen_record_encode(struct nbx_buf *out, const struct nbx_seen_record *r)
{
    NBX_ASSERT(r->n <= NBX_SEEN_MAX);
    int64_t newest = newest_of(r);
    uint32_t item_before = 0;
    nbx_buf_put_varint(out, r->level);
    nbx_buf_put_u64le(out, r->digest);
    nbx_buf_put_varint(out, r->n);
    nbx_buf_put_varsint(out, newest);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct nbx_seen_entry *e = &r->entries[i];
        NBX_ASSERT(e->scope <= SCOPE_MASK && (i == 0 || order_of(e - 1) < order_of(e)));
        nbx_buf_put_varint(out, e->item_no - item_before);
        nbx_buf_put_varint(out, code_of(e));
        nbx_buf_put_varint(out, (uint64_t)newest - (uint64_t)e->last_ms);
        item_before = e->item_no;
    }
}

static void read_code(struct nbx_seen_entry *e, struct nbx_record_reader *rr, bool old)
{
    uint32_t code = nbx_record__u32(rr);
    uint32_t type_no = code >> (old ? TYPE_SHIFT_1 : TYPE_SHIFT);
    rr->r.failed |= type_no > UINT16_MAX;
    e->type_no = (uint16_t)type_no;
    e->negative = code & (old ? NEGATIVE_1 : NEGATIVE);
    e->scope = (old ? code >> SCOPE_SHIFT_1 : code) & SCOPE_MASK;
    if (old && code & COUNTED_1)
        nbx_record__u32(rr);
}

static void read_entries(struct nbx_seen_record *s, struct nbx_record_reader *rr, bool old)
{
    int64_t newest = nbx_read_varsint(&rr->r);
    uint32_t item_before = 0;
    s->entries = rr->r.failed ? NULL : nbx_record__alloc(rr, s->n, sizeof *s->entries);
    for (uint32_t i = 0; s->entries && i < s->n && !rr->r.failed; i++) {
        struct nbx_seen_entry *e = &s->entries[i];
        uint32_t step = nbx_record__u32(rr);
        rr->r.failed |= step > UINT32_MAX - item_before;
        e->item_no = item_before + step;
        read_code(e, rr, old);
        e->last_ms = (int64_t)((uint64_t)newest - nbx_read_varint(&rr->r));
        item_before = e->item_no;
        if (i > 0 && order_of(e - 1) >= order_of(e))
            rr->r.failed = true;
    }
}

enum nbx_err nbx_seen_record_decode(struct nbx_seen_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_SEEN_RECORD, arena);
    struct nbx_seen_record s = {0};
    bool old = stored->version == 1;
    if (!old) {
        s.level = nbx_record__u32(&rr);
        s.digest = nbx_read_u64le(&rr.r);
    }
    s.n = nbx_record__count(&rr, ENTRY_MIN_BYTES);
    rr.r.failed |= s.n > NBX_SEEN_MAX;
    if (old)
        s.digest = nbx_read_varint(&rr.r);
    read_entries(&s, &rr, old);
    *out = s;
    return nbx_record__end(&rr);
}
