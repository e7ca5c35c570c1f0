/* SPDX-License-Identifier: MIT
 * Random blends, and customers to ask them for.
 *
 * Owns:    a scene its parts and its blend, from scene_begin to scene_end.
 * Threads: one at a time: the random numbers and the arena are static.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TESTS_SCORE_SCENE_H
#define NBX_TESTS_SCORE_SCENE_H

#include "engine/base/random.h"
#include "engine/score/dot.h"
#include "tests/unit/score/mix.h"

#include <criterion/criterion.h>

#define SCENE_SEED  20260803
#define MAX_ITEMS   400
#define MAX_HISTORY 60
#define MAX_LABEL   5000
#define MAX_JOINED  (NBX_BLEND_MAX_PARTS * MIX_DIMS)
#define MAX_GROUPS  4

static struct nbx_random rng;
static struct nbx_arena *arena;

static inline void scene_setup(void)
{
    nbx_random_init(&rng, SCENE_SEED);
    arena = nbx_arena_new((size_t)64 << 20);
}

static inline void scene_teardown(void)
{
    nbx_arena_destroy(&arena);
}

static inline size_t below(size_t n)
{
    return (size_t)nbx_random_below(&rng, n);
}
static inline float normal(void)
{
    return (float)nbx_random_normal(&rng);
}

/* Parts and a history, everything random. */
struct scene {
    struct nbx_blend_options o;
    struct nbx_blend_part parts[NBX_BLEND_MAX_PARTS];
    uint32_t labels[MAX_ITEMS];
    struct nbx_blend *blend;
    size_t dims;  /* of all spaces, 0 where there is none */
    float *items; /* (n_items, padded) joined; of a blend without spaces zeros */
    size_t padded;
    struct nbx_blend_history h;
    uint32_t rows[MAX_HISTORY];
    float weights[MAX_HISTORY];
    const float *vectors[MAX_HISTORY];
    float own[MAX_HISTORY][MAX_JOINED]; /* vectors of items without a row, or with another */
};

/* (n, dims) around a mean that is up to three deviations off, as scores of popularity are. */
static inline float *matrix(size_t n, size_t dims)
{
    float scale = expf(2 * normal()), *out = malloc((n * dims + 1) * sizeof *out), mean[MIX_DIMS];
    for (size_t d = 0; d < dims; d++)
        mean[d] = below(2) ? 0 : 6 * (float)nbx_random_unit(&rng) - 3;
    for (size_t i = 0; i < n * dims; i++)
        out[i] = scale * (normal() + mean[i % dims]);
    return out;
}

/* A list for each group; one number in four is negative. */
static inline void make_positions(struct nbx_blend_part *p, size_t n_groups)
{
    float *out = malloc(MAX_GROUPS * 8 * sizeof *out);
    p->n_groups = n_groups;
    p->n_positions = 1 + below(8);
    for (size_t i = 0; i < n_groups * p->n_positions; i++)
        out[i] = (below(4) ? 1 : -1) * (below(4) ? (float)nbx_random_unit(&rng) : (float)below(2));
    p->positions = out;
}

static inline void make_summed(struct nbx_blend_part *p, size_t n_items)
{
    make_positions(p, 1 + below(MAX_GROUPS));
    p->bias = below(2);
    p->dims = p->n_groups * (1 + below(below(4) ? 12 : (MIX_DIMS - 1) / p->n_groups)) + p->bias;
    p->item_factors = matrix(n_items, p->dims);
    p->history_factors = matrix(n_items, p->dims);
}

/* Each row with none, few or many of the items, ascending. */
static inline void make_neighbours(struct nbx_blend_part *p, size_t n_items)
{
    static const double densities[] = {0, 0.01, 0.2, 1};
    double density = densities[below(4)];
    uint64_t *start = malloc((n_items + 1) * sizeof *start), n = 0;
    uint32_t *to = malloc((n_items * n_items + 1) * sizeof *to);
    float *weights = malloc((n_items * n_items + 1) * sizeof *weights), scale = expf(2 * normal());
    for (size_t i = 0; i < n_items; i++) {
        start[i] = n;
        for (uint32_t j = 0; j < n_items; j++)
            if (nbx_random_unit(&rng) < density) {
                to[n] = j;
                weights[n++] = scale * (below(4) ? fabsf(normal()) : normal());
            }
    }
    start[n_items] = n;
    p->start = start;
    p->neighbours = to;
    p->weights = weights;
}

static inline void make_part(struct nbx_blend_part *p, enum nbx_blend_kind kind, size_t n_items)
{
    *p = (struct nbx_blend_part){.kind = kind, .weight = 0.1F + 2 * (float)nbx_random_unit(&rng)};
    if (kind == NBX_BLEND_NEIGHBOURS) {
        make_neighbours(p, n_items);
        make_positions(p, 1);
    } else if (kind == NBX_BLEND_SUMMED) {
        make_summed(p, n_items);
    } else {
        p->dims = kind == NBX_BLEND_CONSTANT ? 1 : 1 + below(below(4) ? 12 : MIX_DIMS);
        p->item_factors = matrix(n_items, p->dims);
    }
    if (kind == NBX_BLEND_FOLDED)
        p->fold = (struct nbx_fold_in_options){.alpha0 = 0.01F + (float)nbx_random_unit(&rng),
                                               .lambda = 0.1F,
                                               .nu = (float)nbx_random_unit(&rng)};
}

static inline void free_part(const struct nbx_blend_part *p)
{
    free((void *)p->item_factors);
    free((void *)p->history_factors);
    free((void *)p->positions);
    free((void *)p->start);
    free((void *)p->neighbours);
    free((void *)p->weights);
}

/* Items as an index takes them. */
static inline void join_items(struct scene *s)
{
    s->dims = nbx_blend_dims(s->blend);
    s->padded = nbx_padded(s->dims ? s->dims : 1);
    s->items = aligned_alloc(64, s->o.n_items * s->padded * sizeof *s->items);
    memset(s->items, 0, s->o.n_items * s->padded * sizeof *s->items);
    for (size_t i = 0; i < s->o.n_items; i++)
        nbx_blend_item(s->blend, i, s->items + i * s->padded);
}

/* Labels in no order, with gaps. */
static inline void make_labels(struct scene *s)
{
    uint32_t label = 0;
    for (size_t i = 0; i < s->o.n_items; i++)
        s->labels[i] = label += 1 + (uint32_t)below(MAX_LABEL / MAX_ITEMS);
    for (size_t i = s->o.n_items; i-- > 1;) {
        size_t j = below(i + 1);
        uint32_t keep = s->labels[i];
        s->labels[i] = s->labels[j];
        s->labels[j] = keep;
    }
}

/* Distinct rows; one in five has a vector of its own, of which half have no row. */
static inline void make_history(struct scene *s, size_t n)
{
    size_t first = below(s->o.n_items);
    s->h = (struct nbx_blend_history){s->rows, s->weights, s->vectors,
                                      n < s->o.n_items ? n : s->o.n_items};
    for (size_t k = 0; k < s->h.n; k++) {
        size_t row = (first + k * 7919) % s->o.n_items; /* prime to every number of items */
        s->rows[k] = (uint32_t)row;
        s->weights[k] = below(2) ? 1 : 0.1F + 3 * (float)nbx_random_unit(&rng);
        s->vectors[k] = s->items + row * s->padded;
        if (below(5))
            continue;
        for (size_t d = 0; d < s->dims; d++)
            s->own[k][d] = 2 * s->vectors[k][d] + 0.1F * normal();
        s->vectors[k] = s->own[k];
        s->rows[k] = below(2) ? NBX_BLEND_NO_ROW : s->rows[k];
    }
}

/* Some neighbours correct a space, before or behind them. */
static inline void scale_neighbours(struct scene *s)
{
    for (size_t i = 0; i < s->o.n_parts; i++) {
        size_t by = below((uint32_t)s->o.n_parts);
        enum nbx_blend_kind kind = s->parts[by].kind;
        if (s->parts[i].kind == NBX_BLEND_NEIGHBOURS &&
            (kind == NBX_BLEND_FOLDED || kind == NBX_BLEND_SUMMED))
            s->parts[i].scaled_by = by + 1;
    }
}

static inline void scene_begin(struct scene *s, size_t n_parts, size_t n_items, bool standardise)
{
    s->o = (struct nbx_blend_options){.parts = s->parts,
                                      .n_parts = n_parts,
                                      .n_items = n_items,
                                      .labels = below(2) ? s->labels : NULL,
                                      .standardise = standardise};
    make_labels(s);
    for (size_t i = 0; i < n_parts; i++)
        make_part(&s->parts[i], (enum nbx_blend_kind)below(4), n_items);
    scale_neighbours(s);
}

static inline void scene_ready(struct scene *s)
{
    cr_assert_eq(nbx_blend_new(&s->blend, &s->o), NBX_OK);
    cr_assert_gt(nbx_blend_bytes(s->blend), 0);
    join_items(s);
}

static inline void scene_end(struct scene *s)
{
    nbx_blend_destroy(&s->blend);
    cr_assert_null(s->blend);
    free(s->items);
    for (size_t i = 0; i < s->o.n_parts; i++)
        free_part(&s->parts[i]);
}

#endif
