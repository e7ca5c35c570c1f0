/* SPDX-License-Identifier: MIT
 * One customer's way through a blend: the query, and what the history gave to a score.
 */
#include "engine/score/blend_internal.h"

#include "engine/score/dot.h"
#include "engine/score/tally.h"

#include <math.h>
#include <string.h>

/* What one answer is made of. */
struct mixing {
    const struct nbx_blend *blend;
    const struct nbx_blend_history *history;
    struct nbx_arena *arena;
    float scales[NBX_BLEND_MAX_PARTS]; /* weight over deviation */
    bool mixed;                        /* those of all spaces are known */
};

/* By which what item i of the history adds is multiplied, in group g. */
static float position_weight(const struct nbx_blend_member *p, const struct nbx_blend_history *h,
                             size_t g, size_t i)
{
    size_t n = p->is.n_positions;
    return p->is.positions[g * n + (i < n ? i : n - 1)] * h->weights[i];
}

/* A deviation below this share of the mean is rounding. */
#define LEAST_DEVIATION 1e-6

/* 0 where there is nothing to tell items apart by. */
static float scale_of(const struct nbx_blend *b, const struct nbx_blend_member *p,
                      struct nbx_spread s)
{
    if (!b->standardise)
        return p->is.weight;
    double deviation = s.variance > 0 ? sqrt(s.variance) : 0;
    return deviation > LEAST_DEVIATION * fabs(s.mean) ? (float)((double)p->is.weight / deviation)
                                                      : 0;
}

static enum nbx_err space_scale(float *scale, const struct mixing *m,
                                const struct nbx_blend_member *p, const float *x)
{
    struct nbx_spread s;
    *scale = m->blend->standardise ? 0 : p->is.weight;
    if (!m->blend->standardise)
        return NBX_OK;
    enum nbx_err err = nbx_moments_spread(&s, &p->moments, x, m->arena);
    if (err)
        return err;
    *scale = scale_of(m->blend, p, s);
    return isfinite(s.mean) && isfinite(s.variance) ? NBX_OK : NBX_EBAD;
}

/* The history as fold_in.h takes it: the parts of the items' vectors that are of this space. */
static enum nbx_err fold_history(struct nbx_history *out, const struct mixing *m,
                                 const struct nbx_blend_member *p)
{
    const struct nbx_blend_history *h = m->history;
    const float **factors = nbx_arena_calloc(m->arena, h->n, sizeof *factors);
    if (!factors)
        return NBX_ELIMIT;
    for (size_t i = 0; i < h->n; i++)
        factors[i] = h->vectors[i] + p->offset;
    *out = (struct nbx_history){factors, h->weights, h->n};
    return NBX_OK;
}

/* Dimensions of a group. */
static size_t group_dims(const struct nbx_blend_member *p)
{
    return (p->is.dims - p->is.bias) / p->is.n_groups;
}

static void sum_history(float *x, const struct mixing *m, const struct nbx_blend_member *p)
{
    const struct nbx_blend_history *h = m->history;
    size_t dims = group_dims(p);
    for (size_t i = 0; i < h->n; i++) {
        if (h->rows[i] == NBX_BLEND_NO_ROW)
            continue;
        const float *add = p->is.history_factors + (size_t)h->rows[i] * p->is.dims;
        for (size_t g = 0; g < p->is.n_groups; g++) {
            float w = position_weight(p, h, g, i);
            for (size_t d = g * dims; w != 0 && d < (g + 1) * dims; d++)
                x[d] += w * add[d];
        }
    }
    if (p->is.bias)
        x[p->is.dims - 1] = 1;
}

/* The customer's vector in the part's space, unscaled: x (padded). */
static enum nbx_err space_vector(float *x, const struct mixing *m, const struct nbx_blend_member *p)
{
    struct nbx_history history;
    memset(x, 0, p->padded * sizeof *x);
    if (p->is.kind == NBX_BLEND_CONSTANT)
        x[0] = 1;
    if (p->is.kind == NBX_BLEND_SUMMED)
        sum_history(x, m, p);
    if (p->is.kind != NBX_BLEND_FOLDED || m->history->n == 0)
        return NBX_OK;
    enum nbx_err err = fold_history(&history, m, p);
    return err ? err : nbx_fold_in_customer(p->fold, &history, m->arena, x);
}

/* *own (padded): the customer's vector in the space, unscaled; and its scale. */
static enum nbx_err find_space(struct mixing *m, size_t i, float **own)
{
    const struct nbx_blend_member *p = &m->blend->parts[i];
    *own = nbx_arena_floats(m->arena, p->padded);
    enum nbx_err err = *own ? space_vector(*own, m, p) : NBX_ELIMIT;
    return err ? err : space_scale(&m->scales[i], m, p, *own);
}

static enum nbx_err mix_space(struct mixing *m, size_t i, float *x)
{
    float *own;
    const struct nbx_blend_member *p = &m->blend->parts[i];
    enum nbx_err err = find_space(m, i, &own);
    for (size_t d = 0; !err && d < p->is.dims; d++)
        x[p->offset + d] = own[d] * m->scales[i];
    return err;
}

static uint64_t row_entries(const struct nbx_blend_member *p, uint32_t row)
{
    return row == NBX_BLEND_NO_ROW ? 0 : p->is.start[row + 1] - p->is.start[row];
}

/* Room for every entry that the history's rows have. */
static size_t count_entries(const struct mixing *m, const struct nbx_blend_member *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->history->n; i++)
        if (position_weight(p, m->history, 0, i) != 0)
            n += row_entries(p, m->history->rows[i]);
    return n < m->blend->n_items ? (size_t)n : m->blend->n_items;
}

static void add_rows(struct nbx_tally *t, const struct mixing *m, const struct nbx_blend_member *p)
{
    const struct nbx_blend_history *h = m->history;
    for (size_t i = 0; i < h->n; i++) {
        float w = position_weight(p, h, 0, i);
        if (h->rows[i] == NBX_BLEND_NO_ROW || w == 0)
            continue;
        for (uint64_t e = p->is.start[h->rows[i]]; e < p->is.start[h->rows[i] + 1]; e++)
            nbx_tally_add(t, p->is.neighbours[e], w * p->is.weights[e]);
    }
}

/* By its own deviation or that of the space it corrects, which is found anew where only the addends
 * are asked for. */
static enum nbx_err neighbours_scale(struct mixing *m, size_t i, const struct nbx_tally *own)
{
    float *x;
    enum nbx_err err = NBX_OK;
    const struct nbx_blend_member *p = &m->blend->parts[i];
    if (!p->is.scaled_by) {
        m->scales[i] = scale_of(m->blend, p, nbx_tally_spread(own, m->blend->n_items));
        return NBX_OK;
    }
    size_t space = p->is.scaled_by - 1;
    if (!m->mixed)
        err = find_space(m, space, &x);
    m->scales[i] = m->scales[space] / m->blend->parts[space].is.weight * p->is.weight;
    return err;
}

/* Adds the part's scores to all (empty before the first one). */
static enum nbx_err mix_neighbours(struct mixing *m, size_t i, struct nbx_tally *all)
{
    const struct nbx_blend_member *p = &m->blend->parts[i];
    struct nbx_tally own;
    enum nbx_err err = nbx_tally_init(&own, count_entries(m, p), m->blend->n_items, m->arena);
    if (err)
        return err;
    add_rows(&own, m, p);
    if ((err = neighbours_scale(m, i, &own)))
        return err;
    for (size_t k = 0; k < own.n; k++)
        own.values[k] *= m->scales[i];
    if (all->n == 0) {
        *all = own;
        return NBX_OK;
    }
    struct nbx_tally both;
    size_t room = all->n + own.n;
    if ((err = nbx_tally_init(&both, room < m->blend->n_items ? room : m->blend->n_items,
                              m->blend->n_items, m->arena)))
        return err;
    for (size_t k = 0; k < all->n; k++)
        nbx_tally_add(&both, all->keys[k], all->values[k]);
    for (size_t k = 0; k < own.n; k++)
        nbx_tally_add(&both, own.keys[k], own.values[k]);
    *all = both;
    return NBX_OK;
}

/* What a search may be asked with; sums may have passed the largest float. */
static enum nbx_err all_finite(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return NBX_EBAD;
    return NBX_OK;
}

static enum nbx_err mix_spaces(struct mixing *m, float *x)
{
    enum nbx_err err = NBX_OK;
    memset(x, 0, nbx_padded(m->blend->dims) * sizeof *x);
    for (size_t i = 0; !err && i < m->blend->n_parts; i++)
        if (m->blend->parts[i].is.kind != NBX_BLEND_NEIGHBOURS)
            err = mix_space(m, i, x);
    m->mixed = !err;
    return err ? err : all_finite(x, m->blend->dims);
}

static enum nbx_err mix_all_neighbours(struct mixing *m, struct nbx_tally *all)
{
    enum nbx_err err = NBX_OK;
    *all = (struct nbx_tally){0};
    for (size_t i = 0; !err && i < m->blend->n_parts; i++)
        if (m->blend->parts[i].is.kind == NBX_BLEND_NEIGHBOURS)
            err = mix_neighbours(m, i, all);
    return err ? err : all_finite(all->values, all->n);
}

enum nbx_err nbx_blend_vector(const struct nbx_blend *blend,
                              const struct nbx_blend_history *history, struct nbx_arena *arena,
                              float *x)
{
    struct mixing m = {.blend = blend, .history = history, .arena = arena};
    return mix_spaces(&m, x);
}

static enum nbx_err find_addends(struct nbx_addends *addends, struct mixing *m)
{
    struct nbx_tally all;
    enum nbx_err err = mix_all_neighbours(m, &all);
    for (size_t i = 0; !err && m->blend->labels && i < all.n; i++)
        all.keys[i] = m->blend->labels[all.keys[i]];
    *addends = (struct nbx_addends){all.keys, all.values, err ? 0 : all.n};
    return err;
}

enum nbx_err nbx_blend_addends(const struct nbx_blend *blend,
                               const struct nbx_blend_history *history, struct nbx_arena *arena,
                               struct nbx_addends *addends)
{
    struct mixing m = {.blend = blend, .history = history, .arena = arena};
    return find_addends(addends, &m);
}

enum nbx_err nbx_blend_query(const struct nbx_blend *blend, const struct nbx_blend_history *history,
                             struct nbx_arena *arena, float *x, struct nbx_addends *addends)
{
    struct mixing m = {.blend = blend, .history = history, .arena = arena};
    enum nbx_err err = mix_spaces(&m, x);
    return err ? err : find_addends(addends, &m);
}

/* N[from][to] of neighbours; 0 where there is none. */
static float neighbour_weight(const struct nbx_blend_member *p, uint32_t from, uint32_t to)
{
    uint64_t low = p->is.start[from], high = p->is.start[from + 1];
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (p->is.neighbours[middle] == to)
            return p->is.weights[middle];
        if (p->is.neighbours[middle] < to)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Adds a part's shares to those of the others. */
static enum nbx_err share_folded(float *shares, const struct mixing *m, size_t i, const float *y)
{
    const struct nbx_blend_member *p = &m->blend->parts[i];
    struct nbx_history history;
    float *own = nbx_arena_calloc(m->arena, m->history->n, sizeof *own);
    enum nbx_err err = own ? fold_history(&history, m, p) : NBX_ELIMIT;
    if (!err)
        err = nbx_fold_in_explain(p->fold, &history, y + p->offset, m->arena, own);
    for (size_t k = 0; !err && k < m->history->n; k++)
        shares[k] += m->scales[i] * own[k];
    return err;
}

/* What item k of the history gives to the score in a summed space, before scaling. */
static float summed_share(const struct mixing *m, const struct nbx_blend_member *p, size_t k,
                          const float *y)
{
    size_t dims = group_dims(p);
    const float *h = p->is.history_factors + (size_t)m->history->rows[k] * p->is.dims;
    float sum = 0;
    for (size_t g = 0; g < p->is.n_groups; g++) {
        float gives = 0;
        for (size_t d = g * dims; d < (g + 1) * dims; d++)
            gives += h[d] * y[p->offset + d];
        sum += position_weight(p, m->history, g, k) * gives;
    }
    return sum;
}

static void share_linear(float *shares, const struct mixing *m, size_t i, const float *y,
                         uint32_t row)
{
    const struct nbx_blend_member *p = &m->blend->parts[i];
    for (size_t k = 0; k < m->history->n; k++) {
        uint32_t from = m->history->rows[k];
        float gives = 0;
        if (from == NBX_BLEND_NO_ROW)
            continue;
        if (p->is.kind == NBX_BLEND_SUMMED)
            gives = summed_share(m, p, k, y);
        else if (row != NBX_BLEND_NO_ROW)
            gives = position_weight(p, m->history, 0, k) * neighbour_weight(p, from, row);
        shares[k] += m->scales[i] * gives;
    }
}

enum nbx_err nbx_blend_explain(const struct nbx_blend *blend,
                               const struct nbx_blend_history *history, const float *y,
                               uint32_t row, struct nbx_arena *arena, float *shares)
{
    struct nbx_tally all;
    struct mixing m = {.blend = blend, .history = history, .arena = arena};
    float *x = nbx_arena_floats(arena, nbx_padded(blend->dims));
    enum nbx_err err = x ? mix_spaces(&m, x) : NBX_ELIMIT;
    if (!err)
        err = mix_all_neighbours(&m, &all);
    if (err)
        return err;
    memset(shares, 0, history->n * sizeof *shares);
    for (size_t i = 0; !err && history->n && i < blend->n_parts; i++) {
        enum nbx_blend_kind kind = blend->parts[i].is.kind;
        if (kind == NBX_BLEND_FOLDED)
            err = share_folded(shares, &m, i, y);
        else if (kind != NBX_BLEND_CONSTANT)
            share_linear(shares, &m, i, y, row);
    }
    return err;
}
