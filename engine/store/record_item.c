/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum { FIELDS = 1, ALL_FLAGS = 1 };

void nbx_item_record_encode(struct nbx_buf *out, const struct nbx_item_record *r)
{
    bool has_fields = !nbx_record__is_empty(r->fields);
    nbx_buf_put_varint(out, has_fields ? FIELDS : 0);
    nbx_buf_put_str(out, r->id);
    nbx_buf_put_varsint(out, r->created_ms);
    nbx_record__put_near(out, r->updated_ms, r->created_ms);
    if (has_fields)
        nbx_record__put_value(out, r->fields);
}

enum nbx_err nbx_item_record_decode(struct nbx_item_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_ITEM_RECORD, arena);
    struct nbx_item_record item = {0};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS;
    item.id = nbx_read_str(&rr.r);
    item.created_ms = nbx_read_varsint(&rr.r);
    item.updated_ms = nbx_record__near(&rr, item.created_ms);
    if (flags & FIELDS)
        item.fields = nbx_record__value(&rr, NBX_MAP);
    *out = item;
    return nbx_record__end(&rr);
}
