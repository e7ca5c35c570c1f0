/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

#include "proto/wire.h"

#include <math.h>

#define U64_RECORD     1
#define LANES          16     /* the kernels read whole runs of this many floats */
#define EXACT_INTEGERS 0x1p52 /* below it every whole double is an int64 and back */

struct nbx_record_reader nbx_record__begin(const struct nbx_stored *stored, uint8_t newest,
                                           struct nbx_arena *arena)
{
    struct nbx_record_reader rr = {.arena = arena};
    if (stored->version > newest)
        rr.err = NBX_EVERSION;
    else if (stored->version == 0)
        rr.err = NBX_ECORRUPT;
    struct nbx_str copy = nbx_arena_str(arena, stored->payload);
    if (!rr.err && !copy.p)
        rr.err = NBX_ELIMIT;
    rr.r = nbx_reader_of(copy.p ? copy.p : "", rr.err ? 0 : copy.len);
    return rr;
}

enum nbx_err nbx_record__end(const struct nbx_record_reader *rr)
{
    if (rr->err)
        return rr->err;
    return rr->r.failed || rr->r.p != rr->r.end ? NBX_ECORRUPT : NBX_OK;
}

static uint64_t at_most(struct nbx_record_reader *rr, uint64_t max)
{
    uint64_t v = nbx_read_varint(&rr->r);
    if (v <= max)
        return v;
    rr->r.failed = true;
    return 0;
}

uint32_t nbx_record__count(struct nbx_record_reader *rr, size_t min_bytes)
{
    uint64_t n = at_most(rr, UINT32_MAX);
    if (n <= (size_t)(rr->r.end - rr->r.p) / min_bytes)
        return (uint32_t)n;
    rr->r.failed = true;
    return 0;
}

uint16_t nbx_record__u16(struct nbx_record_reader *rr)
{
    return (uint16_t)at_most(rr, UINT16_MAX);
}

uint32_t nbx_record__u32(struct nbx_record_reader *rr)
{
    return (uint32_t)at_most(rr, UINT32_MAX);
}

void *nbx_record__alloc(struct nbx_record_reader *rr, size_t n, size_t size)
{
    void *p = nbx_arena_calloc(rr->arena, n, size);
    if (!p && !rr->err)
        rr->err = NBX_ELIMIT;
    return p;
}

const float *nbx_record__floats(struct nbx_record_reader *rr, uint32_t n)
{
    struct nbx_str bytes = nbx_read_bytes(&rr->r, (size_t)n * sizeof(float));
    if (rr->r.failed || rr->err)
        return NULL;
    size_t padded = ((size_t)n + LANES - 1) / LANES * LANES;
    float *p = nbx_arena_floats(rr->arena, padded);
    if (!p) {
        rr->err = NBX_ELIMIT;
        return NULL;
    }
    memset(p, 0, padded * sizeof *p);
    memcpy(p, bytes.p, bytes.len);
    return p;
}

void nbx_record__put_near(struct nbx_buf *out, int64_t v, int64_t near)
{
    nbx_buf_put_varsint(out, (int64_t)((uint64_t)v - (uint64_t)near));
}

int64_t nbx_record__near(struct nbx_record_reader *rr, int64_t near)
{
    return (int64_t)((uint64_t)nbx_read_varsint(&rr->r) + (uint64_t)near);
}

void nbx_record__put_number(struct nbx_buf *out, double v)
{
    bool whole = fabs(v) < EXACT_INTEGERS && v == (double)(int64_t)v && !(v == 0 && signbit(v));
    if (!whole) {
        nbx_buf_put_u8(out, 1);
        nbx_buf_put_f64le(out, v);
        return;
    }
    int64_t i = (int64_t)v;
    nbx_buf_put_varint(out, (((uint64_t)i << 1) ^ (uint64_t)(i >> 63)) << 1);
}

double nbx_record__number(struct nbx_record_reader *rr)
{
    uint64_t head = nbx_read_varint(&rr->r);
    if (head == 1)
        return nbx_read_f64le(&rr->r);
    if (head & 1)
        rr->r.failed = true;
    uint64_t zigzag = head >> 1;
    return (double)((int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1));
}

/* The length is known only after the value, and then goes before it. */
void nbx_record__put_value(struct nbx_buf *out, const struct nbx_value *v)
{
    uint8_t head[10];
    size_t at = out->len;
    nbx_wire_value(out, v);
    size_t n = out->len - at;
    nbx_buf_put_varint(out, n);
    if (out->failed)
        return;
    size_t n_head = out->len - at - n;
    memcpy(head, out->p + at + n, n_head);
    memmove(out->p + at + n_head, out->p + at, n);
    memcpy(out->p + at, head, n_head);
}

const struct nbx_value *nbx_record__value(struct nbx_record_reader *rr, enum nbx_value_type type)
{
    struct nbx_str bytes = nbx_read_str(&rr->r);
    if (rr->r.failed || rr->err)
        return NULL;
    struct nbx_value *v = nbx_record__alloc(rr, 1, sizeof *v);
    if (!v)
        return NULL;
    enum nbx_err err = nbx_wire_decode(v, bytes.p, bytes.len, rr->arena, NULL);
    if (err == NBX_ELIMIT)
        rr->err = err;
    else if (err || v->type != type)
        rr->r.failed = true;
    return err || v->type != type ? NULL : v;
}

void nbx_record_u64_put(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                        uint64_t v)
{
    nbx_batch_put(batch, family, key, U64_RECORD, (struct nbx_str){(const char *)&v, sizeof v});
}

enum nbx_err nbx_record_u64_decode(uint64_t *out, const struct nbx_stored *stored)
{
    if (stored->version > U64_RECORD)
        return NBX_EVERSION;
    if (stored->version == 0 || stored->payload.len != sizeof *out)
        return NBX_ECORRUPT;
    memcpy(out, stored->payload.p, sizeof *out);
    return NBX_OK;
}

enum nbx_err nbx_record_u64_get(const struct nbx_store *store, enum nbx_family family,
                                struct nbx_str key, struct nbx_arena *arena, uint64_t *out)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(store, family, key, arena, &stored);
    return err ? err : nbx_record_u64_decode(out, &stored);
}
