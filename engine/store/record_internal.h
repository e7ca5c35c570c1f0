/* SPDX-License-Identifier: MIT
 * What the record_*.c files share: opening a payload, closing it, maps and numbers in it.
 *
 * Why:     the same care at every field: counts against the bytes that remain, nothing left over.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  a failed reader stays failed, so a decoder checks once, in nbx_record__end.
 */
#ifndef NBX_STORE_RECORD_INTERNAL_H
#define NBX_STORE_RECORD_INTERNAL_H

#include "engine/store/record.h"

/* A payload being decoded. */
struct nbx_record_reader {
    struct nbx_reader r;
    struct nbx_arena *arena;
    enum nbx_err err; /* what else is wrong, NBX_ELIMIT where the arena is out */
};

/* Copies the payload into the arena first, so that strings may point into it. */
struct nbx_record_reader nbx_record__begin(const struct nbx_stored *stored, uint8_t newest,
                                           struct nbx_arena *arena);
/* The verdict: NBX_ECORRUPT where a read failed or bytes are left over. */
enum nbx_err nbx_record__end(const struct nbx_record_reader *rr);

/* A count of elements of at least `min_bytes` each: fails where the rest is too short. */
uint32_t nbx_record__count(struct nbx_record_reader *rr, size_t min_bytes);
uint16_t nbx_record__u16(struct nbx_record_reader *rr);
uint32_t nbx_record__u32(struct nbx_record_reader *rr);
/* n zeroed elements in the arena; NULL (and err set) where it is out. */
void *nbx_record__alloc(struct nbx_record_reader *rr, size_t n, size_t size);

/* n floats, 64-byte aligned and padded with zeros to a multiple of 16; NULL where there are fewer.
 */
const float *nbx_record__floats(struct nbx_record_reader *rr, uint32_t n);

/* A time near another: the difference, so usually few bytes. */
void nbx_record__put_near(struct nbx_buf *out, int64_t v, int64_t near);
int64_t nbx_record__near(struct nbx_record_reader *rr, int64_t near);

/* A double: whole numbers as (zigzag << 1), others as 1 and eight bytes. */
void nbx_record__put_number(struct nbx_buf *out, double v);
double nbx_record__number(struct nbx_record_reader *rr);

/* What events come to, of one type at least. */
void nbx_record__put_totals(struct nbx_buf *out, const struct nbx_totals *t);
void nbx_record__totals(struct nbx_totals *out, struct nbx_record_reader *rr);

/* A value tree as msgpack behind its length. */
void nbx_record__put_value(struct nbx_buf *out, const struct nbx_value *v);
const struct nbx_value *nbx_record__value(struct nbx_record_reader *rr, enum nbx_value_type type);
static inline bool nbx_record__is_empty(const struct nbx_value *v)
{
    return !v || v->n == 0;
}

#endif
