/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum { ERASED = 1 };

void nbx_forgotten_record_encode(struct nbx_buf *out, const struct nbx_forgotten_record *r)
{
    nbx_buf_put_u64le(out, r->number);
    nbx_buf_put_varint(out, r->erased_ms ? ERASED : 0);
    if (!r->erased_ms)
        return;
    nbx_buf_put_varsint(out, r->erased_ms);
    nbx_buf_put_varint(out, r->before_file);
}

enum nbx_err nbx_forgotten_record_decode(struct nbx_forgotten_record *out,
                                         const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_FORGOTTEN_RECORD, arena);
    *out = (struct nbx_forgotten_record){.number = nbx_read_u64le(&rr.r)};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ERASED;
    if (flags & ERASED) {
        out->erased_ms = nbx_read_varsint(&rr.r);
        out->before_file = nbx_read_varint(&rr.r);
    }
    return nbx_record__end(&rr);
}
