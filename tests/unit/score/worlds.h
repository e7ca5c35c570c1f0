/* SPDX-License-Identifier: MIT
 * Random worlds of items to search in: usual ones and nasty ones. queries.h asks in them.
 *
 * Owns:    world_make allocates, world_free frees.
 * Threads: one at a time.
 * Errors:  none: out of memory ends the test.
 */
#ifndef NBX_TESTS_SCORE_WORLDS_H
#define NBX_TESTS_SCORE_WORLDS_H

#include "tests/unit/score/brute.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#define WORLD_ITEMS   4200 /* at most, of a random world */
#define WORLD_DIM     320
#define WORLD_COLUMNS 3
#define WORLD_PARTS   4

enum world_kind {
    WORLD_NORMAL,
    WORLD_LONG_TAIL, /* few long vectors, many short ones */
    WORLD_COARSE,    /* entries -1, 0, 1: ties */
    WORLD_EQUAL,     /* all the same vector */
    WORLD_ZERO,
    WORLD_COPIES, /* few distinct vectors */
    WORLD_ONE_HOT,
    WORLD_MIXED, /* magnitudes over 36 decades */
    WORLD_TINY,  /* subnormal */
    WORLD_HUGE,  /* scores pass the largest float */
    WORLD_KINDS
};

/* What ties, groups and admission depend on, by label. */
struct world_labels {
    uint32_t rank[BRUTE_LABELS];
    uint32_t group[BRUTE_LABELS];
};

struct world {
    enum world_kind kind;
    size_t n, dim, padded;
    uint32_t end;                  /* labels are below */
    float *rows;                   /* (n, padded) 64-byte aligned */
    float *stretch;                /* (dim) of the index, NULL: none */
    uint32_t *labels;              /* (n) */
    float *columns[WORLD_COLUMNS]; /* (end) weights by label */
    size_t n_column[WORLD_COLUMNS];
    struct world_labels *by_label;
    struct nbx_index *index;
    struct nbx_weights *weights[WORLD_COLUMNS];
};

static inline size_t world_below(struct nbx_random *r, size_t n)
{
    return (size_t)nbx_random_below(r, n);
}
static inline bool world_one_in(struct nbx_random *r, size_t n)
{
    return nbx_random_below(r, n) == 0;
}
static inline float world_normal(struct nbx_random *r)
{
    return (float)nbx_random_normal(r);
}

static inline void world_vector(struct nbx_random *r, enum world_kind kind, float *x, size_t dim)
{
    double length = kind == WORLD_LONG_TAIL ? exp(2 * nbx_random_normal(r)) : 1;
    for (size_t d = 0; d < dim; d++) {
        switch (kind) {
        case WORLD_COARSE: x[d] = (float)world_below(r, 3) - 1; break;
        case WORLD_ZERO:
        case WORLD_ONE_HOT: x[d] = 0; break;
        case WORLD_MIXED: x[d] = ldexpf(world_normal(r), (int)world_below(r, 120) - 60); break;
        case WORLD_TINY: x[d] = ldexpf(world_normal(r), (int)world_below(r, 12) - 149); break;
        case WORLD_HUGE: x[d] = ldexpf(world_normal(r), 55 + (int)world_below(r, 70)); break;
        default: x[d] = (float)(length * nbx_random_normal(r)); break;
        }
        if (!isfinite(x[d]))
            x[d] = FLT_MAX;
    }
    if (kind == WORLD_ONE_HOT)
        x[world_below(r, dim)] = world_normal(r);
}

static inline void world_fill(struct world *w, struct nbx_random *r)
{
    size_t copies = w->kind == WORLD_EQUAL ? 1 : w->kind == WORLD_COPIES ? 5 : w->n;
    for (size_t i = 0; i < w->n; i++) {
        float *row = w->rows + i * w->padded;
        if (i < copies)
            world_vector(r, w->kind, row, w->dim);
        else
            memcpy(row, w->rows + world_below(r, copies) * w->padded, w->padded * sizeof *row);
    }
}

/* n distinct labels below `end`, in any order. */
static inline void world_choose_labels(struct nbx_random *r, uint32_t *out, size_t n, uint32_t end)
{
    static uint32_t all[BRUTE_LABELS];
    for (uint32_t i = 0; i < end; i++)
        all[i] = i;
    for (size_t i = 0; i < n; i++) {
        size_t j = i + world_below(r, end - i);
        out[i] = all[j];
        all[j] = all[i];
    }
}

/* Uniform, constant, over 6 decades, few values with many zeros, or enormous. */
static inline void world_column(struct nbx_random *r, float *column, size_t n)
{
    size_t kind = world_below(r, 12);
    float constant = expf(world_normal(r));
    for (size_t i = 0; i < n; i++) {
        double u = nbx_random_unit(r);
        column[i] = kind == 0   ? (float)world_below(r, 3)
                    : kind == 1 ? constant
                    : kind == 2 ? (u < 0.8 ? 0 : (float)u)
                    : kind == 3 ? 0
                    : kind == 4 ? (float)exp(80 * (2 * u - 1))
                    : kind < 8  ? (float)u
                                : (float)pow(10, 6 * u - 3);
    }
}

static inline uint32_t world_group(struct nbx_random *r, size_t kind, size_t n)
{
    if (kind == 0)
        return world_one_in(r, 10) ? 0 : 7; /* one huge group */
    if (kind == 1)
        return (uint32_t)world_below(r, 5);
    if (kind == 2)
        return UINT32_MAX - (uint32_t)world_below(r, 20);
    return (uint32_t)world_below(r, n / 2 + 2);
}

static inline size_t world_count(struct nbx_random *r)
{
    size_t dice = world_below(r, 200);
    if (dice == 0)
        return world_below(r, WORLD_ITEMS);
    if (dice < 10)
        return world_below(r, 700);
    if (dice < 60)
        return 64 * (1 + world_below(r, 4)) + world_below(r, 3) - 1;
    return world_below(r, 160);
}

static inline size_t world_dim(struct nbx_random *r)
{
    size_t dice = world_below(r, 100);
    return 1 + world_below(r, dice == 0 ? 300 : dice < 10 ? 100 : 24);
}

/* Items [from, to) as a pack, ordered by one of the columns, by none, or by any partition at all.
 */
static inline struct nbx_packed *world_pack(const struct world *w, struct nbx_random *r,
                                            size_t from, size_t to)
{
    static float weights[BRUTE_LABELS];
    static uint32_t cells[BRUTE_LABELS];
    size_t column = world_below(r, WORLD_COLUMNS + 2);
    for (size_t i = from; i < to; i++) {
        weights[i - from] = column < WORLD_COLUMNS ? w->columns[column][w->labels[i]] : 0;
        cells[i - from] = (uint32_t)world_below(r, 1 + (to - from) / 40);
    }
    struct nbx_packed *pack = NULL;
    struct nbx_packed_items items = {.vectors = w->rows + from * w->padded,
                                     .labels = w->labels + from,
                                     .weights = column < WORLD_COLUMNS ? weights : NULL,
                                     .cells = column == WORLD_COLUMNS ? cells : NULL,
                                     .stretch = w->stretch,
                                     .n = to - from,
                                     .dim = w->dim,
                                     .stride = w->padded};
    cr_assert_eq(nbx_packed_new(&pack, &items), NBX_OK);
    return pack;
}

/* Adds a pack to the world's index: adopting what replaces nothing. */
static inline void world_add_part(struct world *w, struct nbx_packed *pack)
{
    struct nbx_index *none = NULL, *more = NULL;
    struct nbx_packed_items no_items = {.dim = w->dim};
    cr_assert_eq(nbx_index_new(&none, &no_items), NBX_OK);
    cr_assert_eq(nbx_index_adopt(&more, w->index, none, &pack), NBX_OK);
    nbx_index_destroy(&none);
    nbx_index_destroy(&w->index);
    w->index = more;
}

static inline void world_kill(struct nbx_index_part *part, uint32_t label)
{
    uint32_t position = nbx_packed_find(part->pack, label);
    uint64_t bit = UINT64_C(1) << position % 64;
    if (position == NBX_NO_POSITION || !(part->live[position / 64] & bit))
        return;
    part->live[position / 64] &= ~bit;
    part->n_live--;
}

/* The first `dead` items get a second, older vector in a part of their own, where they do not live;
 * the rest lie in one part or several. */
static inline void world_make_index(struct world *w, struct nbx_random *r)
{
    struct nbx_packed_items no_items = {.dim = w->dim, .stretch = w->stretch};
    size_t n_parts = world_one_in(r, 2) ? 1 : 1 + world_below(r, WORLD_PARTS), at = 0;
    cr_assert_eq(nbx_index_new(&w->index, &no_items), NBX_OK);
    for (size_t p = 1; p <= n_parts; p++) {
        size_t to = p == n_parts ? w->n : at + world_below(r, w->n - at + 1);
        world_add_part(w, world_pack(w, r, at, to));
        at = to;
    }
    if (!world_one_in(r, 3))
        return;
    size_t dead = world_below(r, w->n + 1);
    float *rows = w->rows;
    w->rows = calloc(w->n * w->padded + 1, sizeof *w->rows);
    world_fill(w, r);
    world_add_part(w, world_pack(w, r, 0, dead));
    for (size_t i = 0; i < dead; i++)
        world_kill(&w->index->parts[0], w->labels[i]);
    free(w->rows);
    w->rows = rows;
}

/* Half of all indexes are stretched, some only a little. */
static inline void world_stretch(struct world *w, struct nbx_random *r)
{
    size_t most = world_one_in(r, 2) ? 3 : 21;
    if (world_one_in(r, 2))
        return;
    w->stretch = malloc(w->dim * sizeof *w->stretch);
    for (size_t d = 0; d < w->dim; d++)
        w->stretch[d] = ldexpf(1, (int)world_below(r, most));
}

static inline void world_columns(struct world *w, struct nbx_random *r)
{
    for (size_t c = 0; c < WORLD_COLUMNS; c++) {
        w->columns[c] = malloc((w->end + 1) * sizeof **w->columns);
        world_column(r, w->columns[c], w->end);
        w->n_column[c] = world_one_in(r, 4) ? world_below(r, w->end + 1) : w->end;
    }
}

static inline void world_labels(struct world *w, struct nbx_random *r)
{
    size_t room = BRUTE_LABELS - w->n, kind = world_below(r, 4);
    w->end = (uint32_t)(w->n + (world_one_in(r, 8) ? world_below(r, room) : world_below(r, 70)));
    w->labels = malloc((w->n + 1) * sizeof *w->labels);
    w->by_label = malloc(sizeof *w->by_label);
    world_choose_labels(r, w->labels, w->n, w->end);
    world_choose_labels(r, w->by_label->rank, w->end, w->end);
    for (size_t i = 0; i < w->end; i++)
        w->by_label->group[i] = world_group(r, kind, w->n);
}

static inline void world_make(struct world *w, struct nbx_random *r, enum world_kind kind, size_t n,
                              size_t dim)
{
    *w = (struct world){.kind = kind, .n = n, .dim = dim, .padded = nbx_padded(dim)};
    w->rows = calloc(n * w->padded + 1, sizeof *w->rows);
    world_fill(w, r);
    world_labels(w, r);
    world_columns(w, r);
    world_stretch(w, r);
    world_make_index(w, r);
    for (size_t c = 0; c < WORLD_COLUMNS; c++)
        cr_assert_eq(nbx_weights_new(&w->weights[c], w->index, w->columns[c], w->n_column[c]),
                     NBX_OK);
}

/* Any kind of world; the first three kinds are the usual ones. */
static inline void world_random(struct world *w, struct nbx_random *r)
{
    size_t kind = world_below(r, WORLD_KINDS + 4), n = world_count(r), dim = world_dim(r);
    world_make(w, r, kind < WORLD_KINDS ? (enum world_kind)kind : (enum world_kind)(kind % 3), n,
               n > 1000 ? 1 + dim % 32 : dim);
}

static inline void world_free(struct world *w)
{
    nbx_index_destroy(&w->index);
    for (size_t c = 0; c < WORLD_COLUMNS; c++) {
        nbx_weights_destroy(&w->weights[c]);
        free(w->columns[c]);
    }
    free(w->rows);
    free(w->stretch);
    free(w->labels);
    free(w->by_label);
}

static inline struct brute_items world_items(const struct world *w)
{
    return (struct brute_items){w->rows, w->labels, w->n, w->padded};
}

#endif
