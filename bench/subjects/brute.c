/* SPDX-License-Identifier: MIT */
#include "bench/subjects/brute.h"

#include "engine/score/dot.h"
#include "engine/score/topk.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 1024 /* rows: they stay in the second cache while every query passes over them */

static void *room(size_t n, size_t size)
{
    size_t bytes = (n * size + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes ? bytes : 64);
    if (!p)
        nbx_subject_fail("brute force", "out of memory");
    memset(p, 0, bytes);
    return p;
}

static void offer(const struct nbx_brute *b, struct nbx_topk *best, const float *scores,
                  size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t row = first + i;
        float score = b->transform ? nbx_transform_apply(b->transform, scores[i]) : scores[i];
        score = b->weight ? score * b->weight[row] : score;
        bool may = !b->eligible || (b->eligible[row / 64] >> (row % 64) & 1);
        if (may && score >= nbx_topk_threshold(best))
            nbx_topk_offer(best, score, (uint32_t)row);
    }
}

void nbx_brute_lists(const struct nbx_brute *b, const struct nbx_subject_queries *queries, size_t k,
                     uint32_t *ids)
{
    size_t padded = nbx_padded(b->dim);
    float *block = room(BLOCK, padded * sizeof *block), scores[BLOCK];
    struct nbx_topk *best = room(queries->n, sizeof *best);
    struct nbx_hit *hits = room(queries->n * k, sizeof *hits);
    for (size_t q = 0; q < queries->n; q++)
        nbx_topk_init(&best[q], hits + q * k, k, NULL, NULL);
    for (size_t first = 0; first < b->n; first += BLOCK) {
        size_t n = b->n - first < BLOCK ? b->n - first : BLOCK;
        for (size_t i = 0; i < n; i++)
            memcpy(block + i * padded, b->vectors + (first + i) * b->dim, b->dim * sizeof *block);
        for (size_t q = 0; q < queries->n; q++) {
            nbx_dot_rows(scores, queries->rows + q * queries->stride, block, n, padded);
            offer(b, &best[q], scores, first, n);
        }
    }
    memset(ids, 0xff, queries->n * k * sizeof *ids);
    for (size_t q = 0; q < queries->n; q++)
        for (size_t i = 0, n = nbx_topk_finish(&best[q]); i < n; i++)
            ids[q * k + i] = hits[q * k + i].row;
    free(block);
    free(best);
    free(hits);
}
