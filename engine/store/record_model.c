/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

enum {
    DELETED = 1,
    BY = 2,
    PARENT = 4,
    NOTES = 8,
    METRICS = 16,
    ACTIVATED = 32,
    FLAGS_1 = 63, /* of version 1 */
    TRIAL = 64,
    VERDICT = 128,
    FLAGS_2 = 255,
    ACCEPTED = 256,
    ALL_FLAGS = 511,
};

static uint64_t flags_of(const struct nbx_model_record *r)
{
    if (r->deleted)
        return DELETED;
    return (r->by.len ? BY : 0) | (r->parent.len ? PARENT : 0) | (r->notes.len ? NOTES : 0) |
           (nbx_record__is_empty(r->metrics) ? 0 : METRICS) | (r->activated_ms ? ACTIVATED : 0) |
           (nbx_stage_is_trial(r->stage) ? TRIAL : 0) | (r->verdict.len ? VERDICT : 0) |
           (nbx_record__is_empty(r->accepted) ? 0 : ACCEPTED);
}

void nbx_model_record_encode(struct nbx_buf *out, const struct nbx_model_record *r)
{
    uint64_t flags = flags_of(r);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put(out, r->digest, sizeof r->digest);
    nbx_buf_put_varint(out, r->bytes);
    nbx_buf_put_varsint(out, r->pushed_ms);
    if (flags & DELETED)
        return;
    nbx_buf_put_u8(out, (uint8_t)r->stage);
    if (flags & BY)
        nbx_buf_put_str(out, r->by);
    if (flags & PARENT)
        nbx_buf_put_str(out, r->parent);
    if (flags & NOTES)
        nbx_buf_put_str(out, r->notes);
    if (flags & METRICS)
        nbx_record__put_value(out, r->metrics);
    if (flags & ACTIVATED) {
        nbx_buf_put_varsint(out, r->activated_ms);
        nbx_buf_put_str(out, r->replaced_name);
        nbx_buf_put_str(out, r->replaced_version);
    }
    if (flags & TRIAL) {
        nbx_buf_put_f64le(out, r->share);
        nbx_buf_put_varsint(out, r->trial_ms);
    }
    if (flags & VERDICT)
        nbx_buf_put_str(out, r->verdict);
    if (flags & ACCEPTED)
        nbx_record__put_value(out, r->accepted);
}

static void read_rest(struct nbx_model_record *out, struct nbx_record_reader *rr, uint64_t flags)
{
    uint8_t stage = nbx_read_u8(&rr->r);
    out->stage = (enum nbx_stage)stage;
    rr->r.failed |=
        stage >= NBX_N_STAGES || nbx_stage_is_trial(out->stage) != ((flags & TRIAL) != 0);
    if (flags & BY)
        out->by = nbx_read_str(&rr->r);
    if (flags & PARENT)
        out->parent = nbx_read_str(&rr->r);
    if (flags & NOTES)
        out->notes = nbx_read_str(&rr->r);
    if (flags & METRICS)
        out->metrics = nbx_record__value(rr, NBX_MAP);
    if (flags & ACTIVATED) {
        out->activated_ms = nbx_read_varsint(&rr->r);
        out->replaced_name = nbx_read_str(&rr->r);
        out->replaced_version = nbx_read_str(&rr->r);
    }
    if (flags & TRIAL) {
        out->share = nbx_read_f64le(&rr->r);
        out->trial_ms = nbx_read_varsint(&rr->r);
        rr->r.failed |= !(out->share > 0 && out->share <= 1);
    }
    if (flags & VERDICT)
        out->verdict = nbx_read_str(&rr->r);
    if (flags & ACCEPTED)
        out->accepted = nbx_record__value(rr, NBX_MAP);
}

enum nbx_err nbx_model_record_decode(struct nbx_model_record *out, const struct nbx_stored *stored,
                                     struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_MODEL_RECORD, arena);
    *out = (struct nbx_model_record){0};
    uint64_t flags = nbx_read_varint(&rr.r);
    uint64_t most = stored->version == 1 ? FLAGS_1 : stored->version == 2 ? FLAGS_2 : ALL_FLAGS;
    rr.r.failed |= flags > most || (flags & DELETED && flags != DELETED);
    struct nbx_str digest = nbx_read_bytes(&rr.r, sizeof out->digest);
    if (!rr.r.failed)
        memcpy(out->digest, digest.p, sizeof out->digest);
    out->bytes = nbx_read_varint(&rr.r);
    out->pushed_ms = nbx_read_varsint(&rr.r);
    out->deleted = flags & DELETED;
    if (!out->deleted)
        read_rest(out, &rr, flags);
    return nbx_record__end(&rr);
}
