/* SPDX-License-Identifier: MIT
 * Exact search: the best k items of an index by value, for one query or for many in one pass.
 *
 * The value of an item is  weight * transform(canonical score + addend),  each part optional; ties
 * go by `tie`. The answer equals sorting all items by it, always: a scan of sketches gives a bound
 * for every score (sketch.h), what may still reach the value that k items have is scored
 * canonically, and what need not be read is told by a bound,
 * weight cap * transform(bound on the score + largest addend), that stays below (packed.h).
 *
 * Owns:    nothing: scratch comes from the arena.
 * Threads: any number beside each other on one index, each with its own arena.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_SCORE_SEARCH_H
#define NBX_SCORE_SEARCH_H

#include "engine/base/arena.h"
#include "engine/score/index.h"
#include "engine/score/kernel.h"
#include "engine/score/topk.h"
#include "engine/score/transform.h"
#include "engine/score/weights.h"

/* A number added to some items' scores, before the transform: the sparse part of a blend. */
struct nbx_addends {
    const uint32_t *labels; /* (n) distinct */
    const float *values;    /* (n) finite */
    size_t n;
};

/* What a search did. */
struct nbx_search_stats {
    uint64_t tiles;  /* scanned, of 16 items each */
    uint64_t scored; /* canonical scores computed */
};

struct nbx_query {
    const float *vector; /* (index->padded), 64-byte aligned, finite, zeros behind dim */
    size_t k;
    /* 0: exact. Above: an approximation where a pack is partitioned: of a cell no more is expected
     * than its centre's score and this many spreads; approximate.h knows the recall that gives. */
    float reach;
    const uint64_t *eligible; /* (n_eligible) bits over labels; NULL: every live item */
    size_t n_eligible;        /* a multiple of 64; labels beyond are not eligible */
    /* False: leave the item out. Asked of items good enough, after the bits. NULL: none. */
    bool (*admits)(const void *ctx, uint32_t label);
    const void *admits_ctx;
    const struct nbx_transform *transform; /* NULL: the score itself; valid */
    const struct nbx_weights *weights;     /* NULL: 1 each; made for this very index */
    const struct nbx_addends *addends;     /* NULL: none */
    /* Of items in one group (not 0) only the best stands in the list. NULL: no groups. */
    uint32_t (*group)(const void *tie_ctx, uint32_t label);
    nbx_tie_fn tie; /* over labels; NULL: the lower label first */
    const void *tie_ctx;
    const struct nbx_kernel *kernel; /* NULL: the processor's best */
};

/* hits: room for k. Fills them with (value, label), best first, and *n. stats may be NULL. */
enum nbx_err nbx_search(const struct nbx_index *index, const struct nbx_query *query,
                        struct nbx_arena *arena, struct nbx_hit *hits, size_t *n,
                        struct nbx_search_stats *stats);

/* The same for many queries, each node read once for a group of them: the same answers. hits: room
 * for the sum of the queries' k, one query's after the other's at every `stride`; n_hits
 * (n_queries). The arena's use does not grow with n_queries, but for filters and addends. */
struct nbx_search_results {
    struct nbx_hit *hits; /* (n_queries, stride) */
    size_t stride;        /* at least the largest k */
    size_t *n_hits;       /* (n_queries) */
    bool *partial;        /* (n_queries) not all was looked at: reach; NULL: nobody asks */
};
enum nbx_err nbx_search_many(const struct nbx_index *index, const struct nbx_query *queries,
                             size_t n_queries, struct nbx_arena *arena,
                             struct nbx_search_results *results, struct nbx_search_stats *stats);

/* The canonical value of one item: what the hits hold. -Inf for a score that is not a number. */
float nbx_query_value(const struct nbx_query *query, uint32_t label, float score, float addend);

#endif
