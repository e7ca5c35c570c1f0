/* SPDX-License-Identifier: MIT */
#include "engine/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void nbx_buf_fini(struct nbx_buf *b)
{
    if (!b)
        return;
    free(b->p);
    *b = (struct nbx_buf){0};
}

void nbx_buf_clear(struct nbx_buf *b)
{
    b->len = 0;
    b->failed = false;
}

uint8_t *nbx_buf__grow(struct nbx_buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (b->cap - b->len < n) {
        size_t cap = b->cap ? b->cap * 2 : 256;
        while (cap - b->len < n)
            cap *= 2;
        uint8_t *p = realloc(b->p, cap);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->len;
}

void nbx_buf_put_u32le(struct nbx_buf *b, uint32_t v)
{
    nbx_buf_put(b, &v, sizeof v);
}

void nbx_buf_put_u64le(struct nbx_buf *b, uint64_t v)
{
    nbx_buf_put(b, &v, sizeof v);
}

void nbx_buf_put_f32le(struct nbx_buf *b, float v)
{
    nbx_buf_put(b, &v, sizeof v);
}

void nbx_buf_put_f64le(struct nbx_buf *b, double v)
{
    nbx_buf_put(b, &v, sizeof v);
}

void nbx_buf_put_varint(struct nbx_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        v >>= 7;
    } while (v);
    nbx_buf_put(b, bytes, n);
}

void nbx_buf_put_varsint(struct nbx_buf *b, int64_t v)
{
    nbx_buf_put_varint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void nbx_buf_put_str(struct nbx_buf *b, struct nbx_str s)
{
    nbx_buf_put_varint(b, s.len);
    nbx_buf_put(b, s.p, s.len);
}

void nbx_buf_printf(struct nbx_buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    uint8_t *to = n >= 0 ? nbx_buf_reserve(b, (size_t)n + 1) : NULL;
    if (to) {
        vsnprintf((char *)to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

/* The next n bytes, or NULL past the end. */
static const uint8_t *take(struct nbx_reader *r, size_t n)
{
    if (r->failed || (size_t)(r->end - r->p) < n) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

/* Copies n bytes to *to, which keeps its value past the end. */
static void copy(struct nbx_reader *r, void *to, size_t n)
{
    const uint8_t *p = take(r, n);
    if (p)
        memcpy(to, p, n);
}

uint8_t nbx_read_u8(struct nbx_reader *r)
{
    uint8_t v = 0;
    copy(r, &v, sizeof v);
    return v;
}

uint32_t nbx_read_u32le(struct nbx_reader *r)
{
    uint32_t v = 0;
    copy(r, &v, sizeof v);
    return v;
}

uint64_t nbx_read_u64le(struct nbx_reader *r)
{
    uint64_t v = 0;
    copy(r, &v, sizeof v);
    return v;
}

float nbx_read_f32le(struct nbx_reader *r)
{
    float v = 0;
    copy(r, &v, sizeof v);
    return v;
}

double nbx_read_f64le(struct nbx_reader *r)
{
    double v = 0;
    copy(r, &v, sizeof v);
    return v;
}

uint64_t nbx_read_varint(struct nbx_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = nbx_read_u8(r);
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return v;
    }
    r->failed = true;
    return 0;
}

int64_t nbx_read_varsint(struct nbx_reader *r)
{
    uint64_t v = nbx_read_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct nbx_str nbx_read_bytes(struct nbx_reader *r, size_t n)
{
    const uint8_t *p = n <= UINT32_MAX ? take(r, n) : NULL;
    if (!p) {
        r->failed = true;
        return (struct nbx_str){NULL, 0};
    }
    return (struct nbx_str){(const char *)p, (uint32_t)n};
}

struct nbx_str nbx_read_str(struct nbx_reader *r)
{
    return nbx_read_bytes(r, nbx_read_varint(r));
}
