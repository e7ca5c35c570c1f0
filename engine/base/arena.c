/* SPDX-License-Identifier: MIT */
#include "engine/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN        16
#define VECTOR_ALIGN 64
#define FIRST_BYTES  65536
#define KEPT_BYTES   ((size_t)1 << 20) /* the most that is kept over resets */

struct chunk {
    struct chunk *next;
    size_t size, used;
    _Alignas(VECTOR_ALIGN) unsigned char bytes[];
};

struct nbx_arena {
    struct chunk *first;   /* kept over resets; may grow there */
    struct chunk *current; /* the last of the chain */
    size_t used, cap;
};

static struct chunk *chunk_new(size_t size)
{
    size_t total = (sizeof(struct chunk) + size + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    struct chunk *c = aligned_alloc(VECTOR_ALIGN, total);
    if (c)
        *c = (struct chunk){NULL, size, 0};
    return c;
}

struct nbx_arena *nbx_arena_new(size_t cap_bytes)
{
    struct nbx_arena *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->cap = cap_bytes;
    a->first = a->current = chunk_new(cap_bytes < FIRST_BYTES ? cap_bytes : FIRST_BYTES);
    if (!a->first) {
        free(a);
        return NULL;
    }
    return a;
}

static void free_chain(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
}

void nbx_arena_destroy(struct nbx_arena **arena)
{
    if (!arena || !*arena)
        return;
    free_chain((*arena)->first);
    free(*arena);
    *arena = NULL;
}

/* What was used just now will be wanted again, and memory fresh from the system costs more than
 * what is done with it: one chunk for all of it, within reason. */
static void widen(struct nbx_arena *a)
{
    size_t size = a->first->size;
    while (size < a->used && size * 2 <= KEPT_BYTES && size * 2 <= a->cap)
        size *= 2;
    struct chunk *wider = size > a->first->size ? chunk_new(size) : NULL;
    if (!wider)
        return;
    free(a->first);
    a->first = wider;
}

void nbx_arena_reset(struct nbx_arena *a)
{
    free_chain(a->first->next);
    a->first->next = NULL;
    if (a->used > a->first->size)
        widen(a);
    a->first->used = 0;
    a->current = a->first;
    a->used = 0;
}

void *nbx_arena_alloc(struct nbx_arena *a, size_t size)
{
    if (size > a->cap)
        return NULL;
    size_t rounded = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (rounded == 0)
        rounded = ALIGN;
    if (a->used + rounded > a->cap)
        return NULL;
    struct chunk *c = a->current;
    if (c->used + rounded > c->size) {
        size_t grown = c->size * 2;
        struct chunk *fresh = chunk_new(rounded > grown ? rounded : grown);
        if (!fresh)
            return NULL;
        c->next = fresh;
        a->current = c = fresh;
    }
    void *p = c->bytes + c->used;
    c->used += rounded;
    a->used += rounded;
    return p;
}

float *nbx_arena_floats(struct nbx_arena *a, size_t n)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, sizeof(float), &bytes) || bytes > a->cap)
        return NULL;
    uintptr_t p = (uintptr_t)nbx_arena_alloc(a, bytes + VECTOR_ALIGN);
    return p ? (float *)((p + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN) : NULL;
}

void *nbx_arena_calloc(struct nbx_arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    void *p = nbx_arena_alloc(a, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

struct nbx_str nbx_arena_str(struct nbx_arena *a, struct nbx_str s)
{
    char *p = nbx_arena_alloc(a, (size_t)s.len + 1);
    if (!p)
        return (struct nbx_str){NULL, 0};
    if (s.len)
        memcpy(p, s.p, s.len);
    p[s.len] = '\0';
    return (struct nbx_str){p, s.len};
}

size_t nbx_arena_used(const struct nbx_arena *a)
{
    return a->used;
}
