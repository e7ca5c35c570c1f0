/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum { LINKED = 1 };

void nbx_link_record_encode(struct nbx_buf *out, const struct nbx_link_record *r)
{
    nbx_buf_put_varint(out, r->parent ? LINKED : 0);
    nbx_buf_put_str(out, r->id);
    if (!r->parent)
        return;
    nbx_buf_put_u64le(out, r->parent);
    nbx_buf_put_varsint(out, r->since_ms);
    nbx_buf_put_str(out, r->type);
}

enum nbx_err nbx_link_record_decode(struct nbx_link_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_LINK_RECORD, arena);
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > LINKED;
    *out = (struct nbx_link_record){.id = nbx_read_str(&rr.r)};
    if (flags & LINKED) {
        out->parent = nbx_read_u64le(&rr.r);
        out->since_ms = nbx_read_varsint(&rr.r);
        out->type = nbx_read_str(&rr.r);
        rr.r.failed |= out->parent == 0;
    }
    return nbx_record__end(&rr);
}
