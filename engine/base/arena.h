/* SPDX-License-Identifier: MIT
 * Memory that lives until reset: one per worker, reset after each reply.
 *
 * Why:     handlers contain no free, so none is forgotten.
 * Owns:    its chunks; reset keeps one (at most 1 MiB, as large as was used), destroy
 *          frees all.
 * Threads: one at a time.
 * Errors:  allocation returns NULL once `cap_bytes` would be passed or memory is out; callers
 *          answer NBX_ELIMIT.
 */
#ifndef NBX_BASE_ARENA_H
#define NBX_BASE_ARENA_H

#include "engine/base/str.h"

#include <stddef.h>

struct nbx_arena;

/* NULL only where memory is out. cap_bytes bounds what is handed out between two resets. */
struct nbx_arena *nbx_arena_new(size_t cap_bytes);
void nbx_arena_destroy(struct nbx_arena **arena);
void nbx_arena_reset(struct nbx_arena *arena);

/* Aligned to 16 bytes, uninitialised. size 0 gives a valid pointer. */
void *nbx_arena_alloc(struct nbx_arena *arena, size_t size) __attribute__((malloc));
/* (n) floats aligned to 64 bytes, uninitialised: vectors the kernels read. */
float *nbx_arena_floats(struct nbx_arena *arena, size_t n);
/* n elements of `size` bytes, zeroed; NULL where the product overflows. */
void *nbx_arena_calloc(struct nbx_arena *arena, size_t n, size_t size) __attribute__((malloc));
/* A copy, with a NUL behind it that len does not count. p is NULL where memory is out. */
struct nbx_str nbx_arena_str(struct nbx_arena *arena, struct nbx_str s);
/* Bytes handed out since the last reset. */
size_t nbx_arena_used(const struct nbx_arena *arena);

#endif
