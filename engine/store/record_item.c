/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum { FIELDS = 1, FLAGS_1 = 1, SEQ = 2, FLAGS_2 = 3 };

void nbx_item_record_encode(struct nbx_buf *out, const struct nbx_item_record *r)
{
    bool has_fields = !nbx_record__is_empty(r->fields);
    nbx_buf_put_varint(out, (has_fields ? FIELDS : 0) | (r->seq ? SEQ : 0));
    nbx_buf_put_str(out, r->id);
    nbx_buf_put_varsint(out, r->created_ms);
    nbx_record__put_near(out, r->updated_ms, r->created_ms);
    if (has_fields)
        nbx_record__put_value(out, r->fields);
    if (r->seq)
        nbx_buf_put_varint(out, r->seq);
}

enum nbx_err nbx_item_record_decode(struct nbx_item_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_ITEM_RECORD, arena);
    struct nbx_item_record item = {0};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > (stored->version == 1 ? FLAGS_1 : FLAGS_2);
    item.id = nbx_read_str(&rr.r);
    item.created_ms = nbx_read_varsint(&rr.r);
    item.updated_ms = nbx_record__near(&rr, item.created_ms);
    if (flags & FIELDS)
        item.fields = nbx_record__value(&rr, NBX_MAP);
    if (flags & SEQ)
        item.seq = nbx_read_varint(&rr.r);
    *out = item;
    return nbx_record__end(&rr);
}

/* The time stands first and is of fixed size: compaction reads it (retention.c). */
void nbx_past_item_record_encode(struct nbx_buf *out, const struct nbx_past_item_record *r)
{
    nbx_buf_put_u64le(out, (uint64_t)r->ended_ms);
    nbx_buf_put_u8(out, r->was.version);
    nbx_buf_put_str(out, r->was.payload);
}

enum nbx_err nbx_past_item_record_decode(struct nbx_past_item_record *out,
                                         const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_PAST_ITEM_RECORD, arena);
    out->ended_ms = (int64_t)nbx_read_u64le(&rr.r);
    out->was.version = nbx_read_u8(&rr.r);
    out->was.payload = nbx_read_str(&rr.r);
    return nbx_record__end(&rr);
}
