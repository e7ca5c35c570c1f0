/* SPDX-License-Identifier: MIT
 * A growing byte buffer, and the varints records are written with.
 *
 * Owns:    its bytes until nbx_buf_fini or nbx_buf_take.
 * Threads: one at a time.
 * Errors:  running out of memory sets `failed`; later writes are ignored, so a writer checks
 *          once at its end. Readers set `failed` on the first read past the end.
 */
#ifndef NBX_BASE_BUF_H
#define NBX_BASE_BUF_H

#include "engine/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_buf {
    uint8_t *p; /* (len) written of (cap) */
    size_t len, cap;
    bool failed;
};

/* All zeros is an empty buffer: struct nbx_buf b = {0}; */
void nbx_buf_fini(struct nbx_buf *b);
void nbx_buf_clear(struct nbx_buf *b); /* keeps the memory */
/* As reserve, where the room is not there yet. */
uint8_t *nbx_buf__grow(struct nbx_buf *b, size_t n);
/* Room for n more bytes; NULL where memory is out. The caller then adds to b->len. */
static inline uint8_t *nbx_buf_reserve(struct nbx_buf *b, size_t n)
{
    return !b->failed && b->cap - b->len >= n ? b->p + b->len : nbx_buf__grow(b, n);
}
static inline void nbx_buf_put(struct nbx_buf *b, const void *p, size_t n)
{
    uint8_t *to = n ? nbx_buf_reserve(b, n) : NULL;
    if (!to)
        return;
    memcpy(to, p, n);
    b->len += n;
}
static inline void nbx_buf_put_u8(struct nbx_buf *b, uint8_t v)
{
    nbx_buf_put(b, &v, 1);
}
void nbx_buf_put_u32le(struct nbx_buf *b, uint32_t v);
void nbx_buf_put_u64le(struct nbx_buf *b, uint64_t v);
void nbx_buf_put_f32le(struct nbx_buf *b, float v);
void nbx_buf_put_f64le(struct nbx_buf *b, double v);
void nbx_buf_put_varint(struct nbx_buf *b, uint64_t v);    /* LEB128 */
void nbx_buf_put_varsint(struct nbx_buf *b, int64_t v);    /* zigzag, then LEB128 */
void nbx_buf_put_str(struct nbx_buf *b, struct nbx_str s); /* varint length, bytes */
void nbx_buf_printf(struct nbx_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reads what the writers above wrote; borrowed bytes. */
struct nbx_reader {
    const uint8_t *p, *end;
    bool failed;
};

static inline struct nbx_reader nbx_reader_of(const void *p, size_t n)
{
    return (struct nbx_reader){p, (const uint8_t *)p + n, false};
}
uint8_t nbx_read_u8(struct nbx_reader *r);
uint32_t nbx_read_u32le(struct nbx_reader *r);
uint64_t nbx_read_u64le(struct nbx_reader *r);
float nbx_read_f32le(struct nbx_reader *r);
double nbx_read_f64le(struct nbx_reader *r);
uint64_t nbx_read_varint(struct nbx_reader *r);
int64_t nbx_read_varsint(struct nbx_reader *r);
struct nbx_str nbx_read_str(struct nbx_reader *r); /* points into the bytes read */
struct nbx_str nbx_read_bytes(struct nbx_reader *r, size_t n);

/* Big-endian, so that byte order in a key is number order. */
static inline void nbx_be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}
static inline uint64_t nbx_be64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline void nbx_be32_put(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline uint32_t nbx_be32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

#endif
