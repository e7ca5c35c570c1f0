/* SPDX-License-Identifier: MIT */
#include "bench/subjects/exact.h"

#include "engine/base/arena.h"
#include "engine/base/parallel.h"
#include "engine/score/dot.h"
#include "engine/score/index.h"

#include <math.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 30)
#define CHUNK       64 /* queries a thread takes at a time */
#define MAX_THREADS 16

struct exact {
    struct nbx_index *index;
    size_t n, padded;
    uint32_t *item_row;   /* (n): itself */
    const uint64_t *bits; /* ((n + 63) / 64), or NULL */
    const float *weight;  /* (n), or NULL */
    struct nbx_arena *arenas[MAX_THREADS];
};

static void must(bool ok, const char *what)
{
    if (!ok)
        nbx_subject_fail(what, "out of memory");
}

static void search_with(struct exact *e, struct nbx_arena *arena, const float *query, size_t k,
                        uint32_t *ids)
{
    size_t found;
    struct nbx_hit *hits = nbx_arena_alloc(arena, k * sizeof *hits);
    const struct nbx_query q = {.vector = query,
                                .item_row = e->item_row,
                                .eligible = e->bits,
                                .n_eligible = e->n,
                                .weight = e->weight,
                                .k = k};
    must(hits && !nbx_index_search(e->index, &q, arena, hits, &found), "search");
    for (size_t i = 0; i < found; i++)
        ids[i] = hits[i].row;
    nbx_arena_reset(arena);
}

static void search(void *self, const float *query, size_t k, uint32_t *ids)
{
    struct exact *e = self;
    search_with(e, e->arenas[0], query, k, ids);
}

static void filter(void *self, const uint64_t *bits)
{
    struct exact *e = self;
    e->bits = bits;
}

struct batch {
    struct exact *exact;
    const float *queries; /* (n, padded) */
    uint32_t *ids;        /* (n, k) */
    size_t n, k;
};

static enum nbx_err search_chunk(void *ctx, unsigned worker, size_t chunk)
{
    const struct batch *b = ctx;
    size_t end = (chunk + 1) * CHUNK < b->n ? (chunk + 1) * CHUNK : b->n;
    for (size_t i = chunk * CHUNK; i < end; i++)
        search_with(b->exact, b->exact->arenas[worker], b->queries + i * b->exact->padded, b->k,
                    b->ids + i * b->k);
    return NBX_OK;
}

static void search_many(void *self, const float *queries, size_t n, size_t k, unsigned threads,
                        uint32_t *ids)
{
    struct batch batch = {self, queries, ids, n, k};
    if (threads > MAX_THREADS)
        nbx_subject_fail("many", "too many threads");
    must(!nbx_parallel(threads, (n + CHUNK - 1) / CHUNK, search_chunk, &batch), "search");
}

void nbx_exact_subject(struct nbx_subject *out, const float *vectors, size_t n, size_t dim,
                       const float *weight)
{
    struct exact *e = calloc(1, sizeof *e);
    must(e && !nbx_index_new(&e->index, vectors, n, dim), "build the index");
    *e = (struct exact){e->index, n,      nbx_padded(dim), malloc(n * sizeof *e->item_row),
                        NULL,     weight, {NULL}};
    must(e->item_row != NULL, "build the index");
    for (size_t i = 0; i < n; i++)
        e->item_row[i] = (uint32_t)i;
    for (size_t i = 0; i < MAX_THREADS; i++) {
        e->arenas[i] = nbx_arena_new(ARENA_BYTES);
        must(e->arenas[i] != NULL, "build the index");
    }
    *out = (struct nbx_subject){.self = e,
                                .n_items = n,
                                .bytes = nbx_index_bytes(e->index),
                                .filter = filter,
                                .search = search,
                                .search_many = search_many};
}

double nbx_exact_scanned_share(const struct nbx_subject *subject)
{
    (void)subject; /* the index does not say yet */
    return (double)NAN;
}
