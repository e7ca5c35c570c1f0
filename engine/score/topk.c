/* SPDX-License-Identifier: MIT */
#include "engine/score/topk.h"

#include <math.h>

/* Whether a stands before b in the list. Rows decide last, so that the order is always total. */
static bool before(const struct nbx_topk *t, struct nbx_hit a, struct nbx_hit b)
{
    if (a.score != b.score)
        return a.score > b.score;
    int order = t->tie ? t->tie(t->tie_ctx, a.row, b.row) : 0;
    return order ? order < 0 : a.row < b.row;
}

/* Puts hit where it belongs in the heap of n from `at` downwards; the worst is on top. */
static void sift_down(struct nbx_topk *t, size_t at, size_t n, struct nbx_hit hit)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && before(t, t->heap[child], t->heap[child + 1]))
            child++;
        if (!before(t, hit, t->heap[child]))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = hit;
}

static void sift_up(struct nbx_topk *t, size_t at, struct nbx_hit hit)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!before(t, t->heap[parent], hit))
            break;
        t->heap[at] = t->heap[parent];
        at = parent;
    }
    t->heap[at] = hit;
}

void nbx_topk_init(struct nbx_topk *t, struct nbx_hit *heap, size_t k, nbx_tie_fn tie,
                   const void *tie_ctx)
{
    *t = (struct nbx_topk){.heap = heap, .k = k, .tie = tie, .tie_ctx = tie_ctx};
}

float nbx_topk_threshold(const struct nbx_topk *t)
{
    if (t->k == 0)
        return INFINITY;
    return t->n < t->k ? -INFINITY : t->heap[0].score;
}

void nbx_topk_offer(struct nbx_topk *t, float score, uint32_t row)
{
    struct nbx_hit hit = {score, row};
    if (t->n < t->k)
        sift_up(t, t->n++, hit);
    else if (t->k && before(t, hit, t->heap[0]))
        sift_down(t, 0, t->n, hit);
}

size_t nbx_topk_finish(struct nbx_topk *t)
{
    for (size_t left = t->n; left > 1; left--) {
        struct nbx_hit last = t->heap[left - 1];
        t->heap[left - 1] = t->heap[0];
        sift_down(t, 0, left - 1, last);
    }
    return t->n;
}
