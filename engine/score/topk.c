/* SPDX-License-Identifier: MIT */
#include "engine/score/topk.h"

#include <math.h>
#include <string.h>

#define FEW_HITS  32  /* are sorted before a radix sort has cleared its counters */
#define SOME_HITS 512 /* are spread sooner than a radix sort has passed over them four times */
#define BUCKETS   256
#define CROWD     32 /* hits in one bucket: by insertion these would take longer than by radix */

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

/* A number that falls as the score rises; both zeros are one score. */
static uint32_t falling_key(float score)
{
    uint32_t bits;
    float x = score + 0.0F;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? bits : ~bits & ~(UINT32_C(1) << 31);
}

/* One stable pass of a radix sort by 8 bits of the key. */
static void radix_pass(struct nbx_hit *to, const struct nbx_hit *from, size_t n, unsigned shift)
{
    uint32_t starts[257] = {0};
    for (size_t i = 0; i < n; i++)
        starts[(falling_key(from[i].score) >> shift & 0xFF) + 1]++;
    for (size_t d = 0; d < 256; d++)
        starts[d + 1] += starts[d];
    for (size_t i = 0; i < n; i++)
        to[starts[falling_key(from[i].score) >> shift & 0xFF]++] = from[i];
}

/* Sorts by where scores lie between the best and the worst, in as many steps as there are buckets;
 * what shares a bucket keeps its order. False: scores are infinite, all alike or in a crowd, and
 * hits are as they were. */
static bool spread(struct nbx_hit *hits, struct nbx_hit *scratch, size_t n)
{
    uint16_t starts[BUCKETS + 1] = {0}, most = 0;
    float high = hits[0].score, low = high;
    for (size_t i = 1; i < n; i++) {
        high = hits[i].score > high ? hits[i].score : high;
        low = hits[i].score < low ? hits[i].score : low;
    }
    float per = (BUCKETS - 1) / (high - low);
    if (!(high - low < INFINITY && per < INFINITY))
        return false;
    for (size_t i = 0; i < n; i++)
        starts[(size_t)((high - hits[i].score) * per) + 1]++;
    for (size_t b = 0; b < BUCKETS; b++) {
        most = starts[b + 1] > most ? starts[b + 1] : most;
        starts[b + 1] = (uint16_t)(starts[b + 1] + starts[b]);
    }
    if (most > CROWD)
        return false;
    for (size_t i = 0; i < n; i++)
        scratch[starts[(size_t)((high - hits[i].score) * per)]++] = hits[i];
    memcpy(hits, scratch, n * sizeof *hits);
    return true;
}

/* In buckets, because comparisons of scores are branches that cannot be foreseen; then what is
 * equal or shares a bucket, which are few, by insertion, and short lists by that alone. */
void nbx_hits_sort(struct nbx_hit *hits, struct nbx_hit *scratch, size_t n, nbx_tie_fn tie,
                   const void *tie_ctx)
{
    const struct nbx_topk order = {.tie = tie, .tie_ctx = tie_ctx};
    bool few = n <= FEW_HITS || (n <= SOME_HITS && spread(hits, scratch, n));
    for (unsigned shift = 0; !few && shift < 32; shift += 16) {
        radix_pass(scratch, hits, n, shift);
        radix_pass(hits, scratch, n, shift + 8);
    }
    for (size_t i = 1; i < n; i++) {
        struct nbx_hit hit = hits[i];
        size_t at = i;
        for (; at > 0 && before(&order, hit, hits[at - 1]); at--)
            hits[at] = hits[at - 1];
        hits[at] = hit;
    }
}
