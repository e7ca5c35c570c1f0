/* SPDX-License-Identifier: MIT */
#include "bench/subjects/exact.h"

#include "engine/base/arena.h"
#include "engine/base/parallel.h"
#include "engine/score/approximate.h"
#include "engine/score/dot.h"
#include "engine/score/excerpt.h"
#include "engine/score/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)1 << 30)
#define CHUNK       64 /* queries a thread takes at a time: whole groups of a pass */
#define MAX_THREADS 16

struct exact {
    struct nbx_index *index;
    size_t n;
    const uint64_t *bits;        /* ((n + 63) / 64), or NULL */
    struct nbx_excerpt *excerpt; /* of the largest pack, for these bits, or NULL */
    struct nbx_weights *weights;
    struct nbx_transform transform;
    float reach;
    uint64_t tiles; /* that the last search scanned */
    struct nbx_arena *arenas[MAX_THREADS];
};

static void must(bool ok, const char *what)
{
    if (!ok)
        nbx_subject_fail(what, "out of memory");
}

static struct nbx_query query_of(const struct exact *e, const float *vector, size_t k)
{
    return (struct nbx_query){.vector = vector,
                              .k = k,
                              .reach = e->reach,
                              .eligible = e->bits,
                              .n_eligible = (e->n + 63) / 64 * 64,
                              .weights = e->weights,
                              .transform = &e->transform};
}

static void search(void *self, const float *vector, size_t k, uint32_t *ids)
{
    struct exact *e = self;
    struct nbx_arena *arena = e->arenas[0];
    struct nbx_search_stats stats = {0};
    struct nbx_query query = query_of(e, vector, k);
    struct nbx_hit *hits = nbx_arena_alloc(arena, k * sizeof *hits);
    size_t found;
    const struct nbx_index *index = e->index;
    if (e->excerpt) /* once for each request, as nbxd does */
        must(!nbx_excerpt_view(&index, e->index, e->excerpt, arena), "search");
    must(hits && !nbx_search(index, &query, arena, hits, &found, &stats), "search");
    for (size_t i = 0; i < found; i++)
        ids[i] = hits[i].row;
    e->tiles = stats.tiles;
    nbx_arena_reset(arena);
}

/* What nbxd makes of a filter that comes often. */
static void make_excerpt(struct exact *e)
{
    if (!e->bits)
        nbx_subject_fail("set excerpt", "no filter");
    must(!nbx_excerpt_begin(&e->excerpt, e->index->parts[0].pack, e->bits, (e->n + 63) / 64 * 64,
                            NULL) &&
             !nbx_excerpt_fill(e->excerpt),
         "make an excerpt");
}

static void set(void *self, const char *name, double value)
{
    struct exact *e = self;
    float measured;
    if (strcmp(name, "recall") == 0) /* as a request asks for it */
        e->reach = nbx_approximation_reach(e->index, (float)value, &measured);
    else if (strcmp(name, "excerpt") == 0)
        make_excerpt(e);
    else
        nbx_subject_fail("set", name);
}

static void filter(void *self, const uint64_t *bits)
{
    struct exact *e = self;
    e->bits = bits;
    nbx_excerpt_destroy(&e->excerpt);
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
    struct exact *e = b->exact;
    size_t first = chunk * CHUNK, n = b->n - first < CHUNK ? b->n - first : CHUNK;
    struct nbx_query queries[CHUNK];
    size_t found[CHUNK];
    struct nbx_search_results results = {
        nbx_arena_alloc(e->arenas[worker], n * b->k * sizeof(struct nbx_hit)), b->k, found};
    for (size_t i = 0; i < n; i++)
        queries[i] = query_of(e, b->queries + (first + i) * e->index->padded, b->k);
    must(results.hits && !nbx_search_many(e->index, queries, n, e->arenas[worker], &results, NULL),
         "search");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < found[i]; j++)
            b->ids[(first + i) * b->k + j] = results.hits[i * b->k + j].row;
    nbx_arena_reset(e->arenas[worker]);
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

/* As nbxd does in the background: packed anew where that helps, and what approximations find
 * measured. */
static void repack(struct nbx_index **index)
{
    struct nbx_packed *fresh;
    struct nbx_index *old = *index;
    if (!nbx_index_wants_repacking(old))
        return;
    must(!nbx_index_repack(&fresh, old, NULL) && !nbx_approximation_measure(fresh) &&
             !nbx_index_adopt(index, old, old, &fresh),
         "pack the index");
    nbx_index_destroy(&old);
}

void nbx_exact_subject(struct nbx_subject *out, const struct nbx_brute *question)
{
    size_t n = question->n;
    const float *weight = question->weight;
    struct exact *e = calloc(1, sizeof *e);
    struct nbx_packed_items items = {.vectors = question->vectors,
                                     .weights = weight,
                                     .n = n,
                                     .dim = question->dim,
                                     .threads = nbx_parallel_processors()};
    must(e && !nbx_index_new(&e->index, &items), "build the index");
    if (question->transform)
        e->transform = *question->transform;
    e->n = n;
    if (weight)
        must(!nbx_weights_new(&e->weights, e->index, weight, n), "weigh the index");
    else
        repack(&e->index);
    for (size_t i = 0; i < MAX_THREADS; i++) {
        e->arenas[i] = nbx_arena_new(ARENA_BYTES);
        must(e->arenas[i] != NULL, "build the index");
    }
    *out = (struct nbx_subject){.self = e,
                                .n_items = n,
                                .bytes = nbx_index_bytes_beside(e->index),
                                .set = set,
                                .filter = filter,
                                .search = search,
                                .search_many = search_many};
}

double nbx_exact_scanned_share(const struct nbx_subject *subject)
{
    const struct exact *e = subject->self;
    return (double)e->tiles * NBX_TILE_ITEMS / (double)e->n;
}
