/* SPDX-License-Identifier: MIT
 * Random queries in a world: each part of a query, usual and nasty, there or not.
 *
 * Owns:    nothing: a query lies in a struct of its own.
 * Threads: one at a time.
 * Errors:  none.
 */
#ifndef NBX_TESTS_SCORE_QUERIES_H
#define NBX_TESTS_SCORE_QUERIES_H

#include "tests/unit/score/worlds.h"

#define WORLD_TABLE 9 /* points, at most */

/* A query and all it points at. */
struct world_query {
    struct nbx_query q;
    _Alignas(64) float vector[WORLD_DIM + NBX_LANES];
    uint64_t eligible[BRUTE_LABELS / 64];
    struct nbx_transform transform;
    float from[WORLD_TABLE], into[WORLD_TABLE];
    struct nbx_addends addends;
    uint32_t addend_labels[WORLD_ITEMS];
    float addend_values[WORLD_ITEMS];
    uint32_t modulus;
};

static inline int world_tie(const void *ctx, uint32_t a, uint32_t b)
{
    const struct world_labels *l = ctx;
    return (l->rank[a] > l->rank[b]) - (l->rank[a] < l->rank[b]);
}
static inline uint32_t world_group_of(const void *ctx, uint32_t label)
{
    const struct world_labels *l = ctx;
    return l->group[label];
}
static inline bool world_admits(const void *ctx, uint32_t label)
{
    const struct world_query *q = ctx;
    return label % q->modulus != 0;
}

static inline const struct nbx_kernel *world_kernel(struct nbx_random *r)
{
    static const char *const names[] = {"avx512", "avx2", "portable"};
    size_t i = world_below(r, 4);
    return i < 3 ? nbx_kernel_find(names[i]) : NULL;
}

/* The size of the scores there are. */
static inline float world_scale(const struct world *w, const struct world_query *q,
                                struct nbx_random *r)
{
    const float *row = w->n ? w->rows + world_below(r, w->n) * w->padded : q->vector;
    float score = fabsf(nbx_dot_reference(q->vector, row, w->padded));
    return score > 0 && score < FLT_MAX / 64 ? score : 1;
}

static inline void world_ask_vector(struct world_query *q, const struct world *w,
                                    struct nbx_random *r)
{
    size_t dice = world_below(r, 10);
    memset(q->vector, 0, sizeof q->vector);
    if (dice == 0 && w->n)
        memcpy(q->vector, w->rows + world_below(r, w->n) * w->padded, w->dim * sizeof *q->vector);
    else
        world_vector(r, dice < 7 ? w->kind : (enum world_kind)world_below(r, WORLD_KINDS),
                     q->vector, w->dim);
    q->q.vector = q->vector;
}

static inline void world_ask_eligible(struct world_query *q, const struct world *w,
                                      struct nbx_random *r)
{
    static const double densities[] = {0, 0.001, 0.01, 0.02, 0.1, 0.5, 1};
    double density = densities[world_below(r, sizeof densities / sizeof *densities)];
    size_t words = (w->end + 63) / 64;
    memset(q->eligible, 0, sizeof q->eligible);
    for (size_t i = 0; i < w->n; i++)
        if (nbx_random_unit(r) < density)
            q->eligible[w->labels[i] / 64] |= UINT64_C(1) << w->labels[i] % 64;
    if (w->n && density == 0 && world_one_in(r, 2)) { /* one left */
        uint32_t label = w->labels[world_below(r, w->n)];
        q->eligible[label / 64] |= UINT64_C(1) << label % 64;
    }
    if (world_one_in(r, 4)) /* bits of labels that do not live */
        q->eligible[world_below(r, words + 1) % (BRUTE_LABELS / 64)] |= nbx_random_u64(r);
    q->q.eligible = q->eligible;
    q->q.n_eligible = 64 * (world_one_in(r, 4) ? world_below(r, words + 1) : words);
}

static inline void world_ask_table(struct world_query *q, struct nbx_random *r, float scale)
{
    size_t n = 1 + world_below(r, WORLD_TABLE);
    float from = -scale * fabsf(world_normal(r)) * 2;
    float into = world_one_in(r, 2) ? 0 : world_normal(r);
    for (size_t i = 0; i < n; i++) {
        q->from[i] = from;
        q->into[i] = into;
        from = fmaxf(from + scale * (float)nbx_random_unit(r), nextafterf(from, INFINITY));
        into += world_one_in(r, 3) ? 0 : (float)nbx_random_unit(r);
    }
    q->transform = (struct nbx_transform){
        .kind = NBX_TRANSFORM_TABLE, .from = q->from, .into = q->into, .n = n};
}

static inline void world_ask_transform(struct world_query *q, struct nbx_random *r, float scale)
{
    size_t dice = world_below(r, 8);
    float slope = (float)(exp(3 * nbx_random_normal(r)) / (double)scale);
    if (dice == 0)
        q->transform = (struct nbx_transform){.kind = NBX_TRANSFORM_NONE};
    else if (dice < 5)
        q->transform = (struct nbx_transform){.kind = NBX_TRANSFORM_SIGMOID,
                                              .slope = slope > 0 && slope <= FLT_MAX ? slope : 1,
                                              .shift = 5 * world_normal(r)};
    else
        world_ask_table(q, r, scale);
    q->q.transform = &q->transform;
}

static inline void world_ask_addends(struct world_query *q, const struct world *w,
                                     struct nbx_random *r, float scale)
{
    size_t kind = world_below(r, 8), most = w->end < WORLD_ITEMS ? w->end : WORLD_ITEMS;
    size_t n = kind < 3 ? world_below(r, 6) : kind < 6 ? world_below(r, 200) : most;
    float size = scale * expf(world_normal(r));
    q->addends = (struct nbx_addends){q->addend_labels, q->addend_values, n < most ? n : most};
    world_choose_labels(r, q->addend_labels, q->addends.n, w->end);
    for (size_t i = 0; i < q->addends.n; i++) {
        float x = w->kind == WORLD_COARSE ? (float)world_below(r, 3) - 1 : size * world_normal(r);
        q->addend_values[i] = kind == 1 ? -fabsf(x) : kind == 2 ? fabsf(x) : x;
    }
    if (q->addends.n && world_one_in(r, 12))
        q->addend_values[0] = world_one_in(r, 2) ? FLT_MAX : -FLT_MAX;
    q->q.addends = &q->addends;
}

static inline size_t world_k(const struct world *w, struct nbx_random *r)
{
    size_t dice = world_below(r, 20);
    return dice < 3 ? dice : dice == 3 ? w->n : dice == 4 ? w->n + 7 : 1 + world_below(r, 40);
}

/* Each part of a query is there or not, by the toss of a coin. */
static inline void world_ask(struct world_query *q, const struct world *w, struct nbx_random *r)
{
    q->q = (struct nbx_query){.k = world_k(w, r), .kernel = world_kernel(r)};
    q->q.tie_ctx = w->by_label;
    q->q.tie = world_one_in(r, 4) ? NULL : world_tie;
    world_ask_vector(q, w, r);
    float scale = world_scale(w, q, r);
    if (world_one_in(r, 3))
        world_ask_eligible(q, w, r);
    if (world_one_in(r, 3))
        world_ask_transform(q, r, scale);
    if (world_one_in(r, 3))
        world_ask_addends(q, w, r, scale);
    if (world_one_in(r, 3))
        q->q.weights = w->weights[world_below(r, WORLD_COLUMNS)];
    if (world_one_in(r, 4))
        q->q.group = world_group_of;
    if (world_one_in(r, 5)) {
        q->modulus = 2 + (uint32_t)world_below(r, 9);
        q->q.admits = world_admits;
        q->q.admits_ctx = q;
    }
}

#endif
