/* SPDX-License-Identifier: MIT */
#include "engine/score/index.h"

#include "engine/base/check.h"
#include "engine/score/dot.h"

#include <stdlib.h>
#include <string.h>

#define ROW_ALIGN 64
#define BLOCK     256 /* rows scored at a time: their scores stay in the first cache */

struct nbx_index {
    float *rows; /* (n, padded), 64-byte aligned */
    size_t n, dim, padded;
};

enum nbx_err nbx_index_new(struct nbx_index **out, const float *vectors, size_t n, size_t dim)
{
    *out = NULL;
    NBX_ASSERT(dim > 0 && n < UINT32_MAX);
    size_t padded = nbx_padded(dim), bytes;
    if (__builtin_mul_overflow(n, padded * sizeof(float), &bytes))
        return NBX_ELIMIT;
    struct nbx_index *index = calloc(1, sizeof *index);
    float *rows = aligned_alloc(ROW_ALIGN, bytes ? bytes : ROW_ALIGN);
    if (!index || !rows) {
        free(index);
        free(rows);
        return NBX_ELIMIT;
    }
    for (size_t r = 0; r < n; r++) {
        memcpy(rows + r * padded, vectors + r * dim, dim * sizeof *rows);
        memset(rows + r * padded + dim, 0, (padded - dim) * sizeof *rows);
    }
    *index = (struct nbx_index){rows, n, dim, padded};
    *out = index;
    return NBX_OK;
}

void nbx_index_destroy(struct nbx_index **index)
{
    if (!index || !*index)
        return;
    free((*index)->rows);
    free(*index);
    *index = NULL;
}

size_t nbx_index_rows(const struct nbx_index *index)
{
    return index->n;
}

size_t nbx_index_dim(const struct nbx_index *index)
{
    return index->dim;
}

size_t nbx_index_bytes(const struct nbx_index *index)
{
    return sizeof *index + index->n * index->padded * sizeof *index->rows;
}

const float *nbx_index_vector(const struct nbx_index *index, size_t row)
{
    NBX_ASSERT(row < index->n);
    return index->rows + row * index->padded;
}

static bool may_enter(const struct nbx_query *q, uint32_t item)
{
    if (!q->eligible)
        return item != UINT32_MAX;
    return item < q->n_eligible && (q->eligible[item / 64] >> (item % 64) & 1);
}

static void weigh(float *scores, const float *weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        scores[i] *= weight[i];
}

/* scores (n): of the rows from `first` on. The threshold goes first: it is a comparison in
 * registers that few rows pass, the filter is two loads. */
static void offer_block(struct nbx_topk *best, const struct nbx_query *q, const float *scores,
                        size_t first, size_t n)
{
    float threshold = nbx_topk_threshold(best);
    for (size_t i = 0; i < n; i++) {
        uint32_t item = q->item_row[first + i];
        if (scores[i] < threshold || !may_enter(q, item))
            continue;
        nbx_topk_offer(best, scores[i], item);
        threshold = nbx_topk_threshold(best);
    }
}

enum nbx_err nbx_index_search(const struct nbx_index *index, const struct nbx_query *query,
                              struct nbx_arena *arena, struct nbx_hit *hits, size_t *n)
{
    *n = 0;
    float *scores = nbx_arena_floats(arena, BLOCK);
    if (!scores)
        return NBX_ELIMIT;
    struct nbx_topk best;
    nbx_topk_init(&best, hits, query->k, query->tie, query->tie_ctx);
    for (size_t first = 0; query->k && first < index->n; first += BLOCK) {
        size_t rows = index->n - first < BLOCK ? index->n - first : BLOCK;
        nbx_dot_rows(scores, query->vector, index->rows + first * index->padded, rows,
                     index->padded);
        if (query->weight)
            weigh(scores, query->weight + first, rows);
        offer_block(&best, query, scores, first, rows);
    }
    *n = nbx_topk_finish(&best);
    return NBX_OK;
}
