/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/store/record_internal.h"

/* Count, revision, newest time; then per entry: item minus the item before; type, scope and signs
 * in one number; the count unless it is 1; newest time minus the entry's. */
#define NEGATIVE        1u
#define COUNTED         2u
#define SCOPE_SHIFT     2
#define SCOPE_MASK      3u
#define TYPE_SHIFT      4
#define ENTRY_MIN_BYTES 3

static uint64_t order_of(const struct nbx_seen_entry *e)
{
    return (uint64_t)e->item_no << 19 | (uint64_t)e->type_no << 3 | (e->negative ? 4 : 0) |
           e->scope;
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
    nbx_buf_put_varint(out, r->n);
    nbx_buf_put_varint(out, r->revision);
    nbx_buf_put_varsint(out, newest);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct nbx_seen_entry *e = &r->entries[i];
        NBX_ASSERT(e->scope <= SCOPE_MASK && (i == 0 || order_of(e - 1) < order_of(e)));
        nbx_buf_put_varint(out, e->item_no - item_before);
        nbx_buf_put_varint(out, (uint32_t)e->type_no << TYPE_SHIFT |
                                    (uint32_t)e->scope << SCOPE_SHIFT |
                                    (e->count == 1 ? 0 : COUNTED) | (e->negative ? NEGATIVE : 0));
        if (e->count != 1)
            nbx_buf_put_varint(out, e->count);
        nbx_buf_put_varint(out, (uint64_t)newest - (uint64_t)e->last_ms);
        item_before = e->item_no;
    }
}

static struct nbx_seen_entry read_entry(struct nbx_record_reader *rr, uint32_t item_before,
                                        int64_t newest)
{
    struct nbx_seen_entry e = {0};
    uint32_t step = nbx_record__u32(rr), code = nbx_record__u32(rr);
    if (step > UINT32_MAX - item_before || code >> TYPE_SHIFT > UINT16_MAX)
        rr->r.failed = true;
    e.item_no = item_before + step;
    e.type_no = (uint16_t)(code >> TYPE_SHIFT);
    e.scope = code >> SCOPE_SHIFT & SCOPE_MASK;
    e.negative = code & NEGATIVE;
    e.count = code & COUNTED ? nbx_record__u32(rr) : 1;
    e.last_ms = (int64_t)((uint64_t)newest - nbx_read_varint(&rr->r));
    return e;
}

enum nbx_err nbx_seen_record_decode(struct nbx_seen_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_SEEN_RECORD, arena);
    struct nbx_seen_record s = {0};
    s.n = nbx_record__count(&rr, ENTRY_MIN_BYTES);
    rr.r.failed |= s.n > NBX_SEEN_MAX;
    s.revision = nbx_read_varint(&rr.r);
    int64_t newest = nbx_read_varsint(&rr.r);
    s.entries = rr.r.failed ? NULL : nbx_record__alloc(&rr, s.n, sizeof *s.entries);
    uint32_t item_before = 0;
    for (uint32_t i = 0; s.entries && i < s.n && !rr.r.failed; i++) {
        s.entries[i] = read_entry(&rr, item_before, newest);
        item_before = s.entries[i].item_no;
        if (i > 0 && order_of(&s.entries[i - 1]) >= order_of(&s.entries[i]))
            rr.r.failed = true;
    }
    s.cap = s.n;
    *out = s;
    return nbx_record__end(&rr);
}
