/* SPDX-License-Identifier: MIT
 * The reference of exact retrieval: every item scored canonically, then sorted.
 *
 * Why:     a search promises the answer of exactly this; it shares no code with what it tests but
 *          the definitions: nbx_dot_reference and nbx_query_value.
 * Owns:    nothing.
 * Threads: one at a time: scratch is static.
 */
#ifndef NBX_TESTS_SCORE_BRUTE_H
#define NBX_TESTS_SCORE_BRUTE_H

#include "engine/base/random.h"
#include "engine/score/dot.h"
#include "engine/score/search.h"

#include <stdlib.h>
#include <string.h>

#define BRUTE_LABELS 32768 /* labels are below */

/* What lives: rows (n, padded) with zeros behind the dimensions, labels (n) distinct. */
struct brute_items {
    const float *rows;
    const uint32_t *labels;
    size_t n, padded;
};

static inline bool brute_same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static inline int brute_order(const void *a, const void *b, void *query)
{
    const struct nbx_hit *x = a, *y = b;
    const struct nbx_query *q = query;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    int order = q->tie ? q->tie(q->tie_ctx, x->row, y->row) : 0;
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static inline bool brute_wants(const struct nbx_query *q, uint32_t label)
{
    if (q->eligible && (label >= q->n_eligible || !(q->eligible[label / 64] >> (label % 64) & 1)))
        return false;
    return !q->admits || q->admits(q->admits_ctx, label);
}

/* Whether the group is in the set (room, a power of 2) of groups + 1; it is from now on. */
static inline bool brute_seen(uint64_t *set, size_t room, uint32_t group)
{
    size_t at = group % room;
    while (set[at] && set[at] != (uint64_t)group + 1)
        at = (at + 1) % room;
    bool seen = set[at];
    set[at] = (uint64_t)group + 1;
    return seen;
}

/* Of each group the first stays. Returns how many do, at most `most`. */
static inline size_t brute_cut(struct nbx_hit *hits, size_t n, const struct nbx_query *q,
                               size_t most)
{
    static uint64_t set[2 * BRUTE_LABELS];
    size_t kept = 0, room = 1;
    while (room < 2 * n)
        room *= 2;
    memset(set, 0, q->group ? room * sizeof *set : 0);
    for (size_t i = 0; i < n && kept < most; i++) {
        uint32_t group = q->group ? q->group(q->tie_ctx, hits[i].row) : 0;
        if (!group || !brute_seen(set, room, group))
            hits[kept++] = hits[i];
    }
    return kept;
}

/* The best `most` of the items, best first, whatever q->k; out has room for all of them. */
static inline size_t brute_force(struct nbx_hit *out, const struct brute_items *items,
                                 const struct nbx_query *q, size_t most)
{
    static float addend[BRUTE_LABELS]; /* by label */
    const struct nbx_addends *a = q->addends;
    size_t n = 0;
    for (size_t i = 0; a && i < a->n; i++)
        addend[a->labels[i]] = a->values[i];
    for (size_t i = 0; i < items->n; i++) {
        uint32_t label = items->labels[i];
        if (!brute_wants(q, label))
            continue;
        float score = nbx_dot_reference(q->vector, items->rows + i * items->padded, items->padded);
        out[n++] = (struct nbx_hit){nbx_query_value(q, label, score, addend[label]), label};
    }
    for (size_t i = 0; a && i < a->n; i++)
        addend[a->labels[i]] = 0;
    qsort_r(out, n, sizeof *out, brute_order, (void *)q);
    return brute_cut(out, n, q, most);
}

/* The first place at which two lists differ in label or in a bit of the score; -1: none. */
static inline long brute_difference(const struct nbx_hit *a, size_t n_a, const struct nbx_hit *b,
                                    size_t n_b)
{
    size_t both = n_a < n_b ? n_a : n_b;
    for (size_t i = 0; i < both; i++)
        if (a[i].row != b[i].row || !brute_same_bits(a[i].score, b[i].score))
            return (long)i;
    return n_a == n_b ? -1 : (long)both;
}

#endif
