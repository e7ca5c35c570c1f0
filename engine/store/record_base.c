/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

/* A set left by version 1 may be all there is: of its events no more is known. */
enum { TOTALS = 1, ALL_FLAGS = 1 };

void nbx_base_record_encode(struct nbx_buf *out, const struct nbx_base_record *r)
{
    nbx_buf_put_varint(out, r->totals.n ? TOTALS : 0);
    if (r->totals.n)
        nbx_record__put_totals(out, &r->totals);
    nbx_buf_put_u8(out, NBX_SEEN_RECORD);
    nbx_seen_record_encode(out, &r->seen);
}

enum nbx_err nbx_base_record_decode(struct nbx_base_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_BASE_RECORD, arena);
    struct nbx_base_record base = {.totals = {0}};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS;
    if (flags & TOTALS)
        nbx_record__totals(&base.totals, &rr);
    struct nbx_stored seen = {.version = nbx_read_u8(&rr.r)};
    seen.payload = nbx_read_bytes(&rr.r, rr.r.failed ? 0 : (size_t)(rr.r.end - rr.r.p));
    enum nbx_err err = nbx_record__end(&rr);
    if (!err)
        err = nbx_seen_record_decode(&base.seen, &seen, arena);
    *out = base;
    return err == NBX_EVERSION && stored->version <= NBX_BASE_RECORD ? NBX_ECORRUPT : err;
}
