/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

/* Version 1 of both was the bare number. */

enum { VACANT = 1, WITHDRAWN_SHIFT = 1, WITHDRAWN_MASK = 31 };
enum { KEPT, RETRACTED, FOLDED };

void nbx_identity_record_encode(struct nbx_buf *out, const struct nbx_identity_record *r)
{
    nbx_buf_put_u64le(out, r->number);
    nbx_buf_put_varint(out, (r->vacant ? VACANT : 0) | (uint64_t)r->withdrawn << WITHDRAWN_SHIFT);
}

enum nbx_err nbx_identity_record_decode(struct nbx_identity_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_IDENTITY_RECORD, arena);
    *out = (struct nbx_identity_record){.number = nbx_read_u64le(&rr.r),
                                        .withdrawn_unknown = stored->version < 3};
    if (stored->version > 1) {
        uint64_t flags = nbx_read_varint(&rr.r);
        uint64_t withdrawn = flags >> WITHDRAWN_SHIFT;
        rr.r.failed |= withdrawn > (stored->version > 2 ? WITHDRAWN_MASK : 0);
        out->vacant = flags & VACANT;
        out->withdrawn = withdrawn & WITHDRAWN_MASK;
    }
    return nbx_record__end(&rr);
}

void nbx_event_id_record_encode(struct nbx_buf *out, const struct nbx_event_id_record *r)
{
    nbx_buf_put_u64le(out, (uint64_t)r->time_ms);
    nbx_buf_put_u8(out, r->retracted ? RETRACTED : r->folded ? FOLDED : KEPT);
}

static void read_event_id(struct nbx_event_id_record *out, struct nbx_reader *r, uint8_t version)
{
    *out = (struct nbx_event_id_record){.time_ms = (int64_t)nbx_read_u64le(r)};
    if (version == 1)
        return;
    uint8_t kind = nbx_read_u8(r);
    r->failed |= kind > (version == 2 ? RETRACTED : FOLDED);
    out->retracted = kind == RETRACTED;
    out->folded = kind == FOLDED;
}

enum nbx_err nbx_event_id_record_decode(struct nbx_event_id_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_EVENT_ID_RECORD, arena);
    read_event_id(out, &rr.r, stored->version);
    return nbx_record__end(&rr);
}

enum nbx_err nbx_event_id_record_peek(struct nbx_event_id_record *out,
                                      const struct nbx_stored *stored)
{
    struct nbx_reader r = nbx_reader_of(stored->payload.p, stored->payload.len);
    if (stored->version == 0 || stored->version > NBX_EVENT_ID_RECORD)
        return NBX_EVERSION;
    read_event_id(out, &r, stored->version);
    return r.failed ? NBX_ECORRUPT : NBX_OK;
}
