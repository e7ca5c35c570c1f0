/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum { GIVEN = 1, ALL_FLAGS = 1 };

void nbx_vector_record_encode(struct nbx_buf *out, const struct nbx_vector_record *r)
{
    nbx_buf_put_varint(out, r->given ? GIVEN : 0);
    nbx_buf_put_varsint(out, r->made_ms);
    if (!r->given) {
        nbx_buf_put_str(out, r->model_tag);
        nbx_buf_put_u64le(out, r->source_digest);
    }
    nbx_buf_put_varint(out, r->n);
    nbx_buf_put(out, r->p, (size_t)r->n * sizeof *r->p);
}

enum nbx_err nbx_vector_record_decode(struct nbx_vector_record *out,
                                      const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_VECTOR_RECORD, arena);
    struct nbx_vector_record v = {0};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS;
    v.given = flags & GIVEN;
    v.made_ms = nbx_read_varsint(&rr.r);
    if (!v.given) {
        v.model_tag = nbx_read_str(&rr.r);
        v.source_digest = stored->version == 1 ? nbx_read_varint(&rr.r) : nbx_read_u64le(&rr.r);
    }
    v.n = nbx_record__count(&rr, sizeof *v.p);
    v.p = nbx_record__floats(&rr, v.n);
    *out = v;
    return nbx_record__end(&rr);
}
