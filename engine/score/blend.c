/* SPDX-License-Identifier: MIT */
#include "engine/score/blend.h"

#include "engine/blas/blas.h"
#include "engine/score/dot.h"
#include "engine/score/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How a space's scores spread over the items: of x they have the mean x.mean and the variance
 * xT covariance x. */
struct moments {
    float *mean;       /* (padded) */
    float *covariance; /* (dims, padded) */
};

struct part {
    struct nbx_blend_part is;
    size_t offset, padded; /* of its space */
    struct nbx_fold *fold;
    struct moments moments;
};

struct nbx_blend {
    struct part parts[NBX_BLEND_MAX_PARTS]; /* (n_parts) */
    size_t n_parts, n_items, dims, bytes;
    const uint32_t *labels;
    bool standardise;
};

static float *floats(struct nbx_blend *b, size_t n)
{
    size_t bytes = (n * sizeof(float) + 63) / 64 * 64;
    float *p = aligned_alloc(64, bytes + 64);
    if (p)
        memset(p, 0, bytes + 64);
    b->bytes += bytes + 64;
    return p;
}

#define BLOCK_ROWS 1024

/* gram (dims, dims) lower += the rows' products about their mean, block by block: block
 * (BLOCK_ROWS, dims). Products about 0 would lose a small deviation beside a large mean. */
static void add_centred(float *gram, float *block, const struct nbx_blend_part *p, size_t n,
                        const double *mean)
{
    for (size_t from = 0; from < n; from += BLOCK_ROWS) {
        size_t rows = n - from < BLOCK_ROWS ? n - from : BLOCK_ROWS;
        for (size_t i = 0; i < rows; i++)
            for (size_t d = 0; d < p->dims; d++)
                block[i * p->dims + d] =
                    (float)((double)p->item_factors[(from + i) * p->dims + d] - mean[d]);
        nbx_blas_gram(gram, block, rows, p->dims, 1);
    }
}

static void find_mean(double *mean, const struct nbx_blend_part *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < p->dims; d++)
            mean[d] += (double)p->item_factors[i * p->dims + d];
    for (size_t d = 0; d < p->dims; d++)
        mean[d] /= (double)n;
}

static enum nbx_err fill_moments(struct part *p, const double *mean, const float *gram, size_t n)
{
    size_t dims = p->is.dims;
    for (size_t i = 0; i < dims; i++) {
        p->moments.mean[i] = (float)mean[i];
        for (size_t j = 0; j <= i; j++) {
            float c = gram[i * dims + j] / (float)n;
            if (!isfinite(c))
                return NBX_EBAD;
            p->moments.covariance[i * p->padded + j] = c;
            p->moments.covariance[j * p->padded + i] = c;
        }
    }
    return NBX_OK;
}

static enum nbx_err make_moments(struct nbx_blend *b, struct part *p)
{
    size_t dims = p->is.dims;
    p->moments.mean = floats(b, p->padded);
    p->moments.covariance = floats(b, dims * p->padded);
    double *mean = calloc(dims, sizeof *mean);
    float *gram = calloc(dims * dims, sizeof *gram);
    float *block = malloc(BLOCK_ROWS * dims * sizeof *block);
    bool ok = p->moments.mean && p->moments.covariance && mean && gram && block;
    enum nbx_err err = ok ? NBX_OK : NBX_ELIMIT;
    if (!err) {
        find_mean(mean, &p->is, b->n_items);
        add_centred(gram, block, &p->is, b->n_items, mean);
        err = fill_moments(p, mean, gram, b->n_items);
    }
    free(mean);
    free(gram);
    free(block);
    return err;
}

static enum nbx_err make_fold(struct nbx_blend *b, struct part *p)
{
    size_t dims = p->is.dims;
    float *gram = calloc(dims * dims, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    nbx_blas_gram(gram, p->is.item_factors, b->n_items, dims, 1);
    enum nbx_err err = nbx_fold_new(&p->fold, gram, dims, b->n_items, p->is.fold);
    b->bytes += 2 * dims * dims * sizeof(float);
    free(gram);
    return err;
}

static enum nbx_err prepare_space(struct nbx_blend *b, struct part *p)
{
    enum nbx_err err = p->is.kind == NBX_BLEND_FOLDED ? make_fold(b, p) : NBX_OK;
    return err || !b->standardise ? err : make_moments(b, p);
}

enum nbx_err nbx_blend_new(struct nbx_blend **out, const struct nbx_blend_options *options)
{
    enum nbx_err err = NBX_OK;
    struct nbx_blend *b = calloc(1, sizeof *b);
    *out = b;
    if (!b)
        return NBX_ELIMIT;
    b->bytes = sizeof *b;
    b->n_items = options->n_items;
    b->labels = options->labels;
    b->standardise = options->standardise;
    for (size_t i = 0; !err && i < options->n_parts; i++) {
        struct part *p = &b->parts[b->n_parts++];
        p->is = options->parts[i];
        if (p->is.kind == NBX_BLEND_NEIGHBOURS)
            continue;
        p->offset = b->dims;
        p->padded = nbx_padded(p->is.dims);
        b->dims += p->is.dims;
        err = prepare_space(b, p);
    }
    if (err)
        nbx_blend_destroy(out);
    return err;
}

void nbx_blend_destroy(struct nbx_blend **blend)
{
    if (!blend || !*blend)
        return;
    for (size_t i = 0; i < (*blend)->n_parts; i++) {
        nbx_fold_destroy(&(*blend)->parts[i].fold);
        free((*blend)->parts[i].moments.mean);
        free((*blend)->parts[i].moments.covariance);
    }
    free(*blend);
    *blend = NULL;
}

size_t nbx_blend_dims(const struct nbx_blend *blend)
{
    return blend->dims;
}

size_t nbx_blend_bytes(const struct nbx_blend *blend)
{
    return blend->bytes;
}

void nbx_blend_item(const struct nbx_blend *blend, size_t row, float *out)
{
    for (size_t i = 0; i < blend->n_parts; i++) {
        const struct part *p = &blend->parts[i];
        if (p->is.kind != NBX_BLEND_NEIGHBOURS)
            memcpy(out + p->offset, p->is.item_factors + row * p->is.dims,
                   p->is.dims * sizeof *out);
    }
}

/* What one answer is made of. */
struct mixing {
    const struct nbx_blend *blend;
    const struct nbx_blend_history *history;
    struct nbx_arena *arena;
    float scales[NBX_BLEND_MAX_PARTS]; /* weight over deviation */
};

/* By which what item i of the history adds is multiplied, in group g. */
static float position_weight(const struct part *p, const struct nbx_blend_history *h, size_t g,
                             size_t i)
{
    size_t n = p->is.n_positions;
    return p->is.positions[g * n + (i < n ? i : n - 1)] * h->weights[i];
}

/* A part's scores over all items. */
struct spread {
    double mean, variance;
};

/* A deviation below this share of the mean is rounding. */
#define LEAST_DEVIATION 1e-6

/* 0 where there is nothing to tell items apart by. */
static float scale_of(const struct nbx_blend *b, const struct part *p, struct spread s)
{
    if (!b->standardise)
        return p->is.weight;
    double deviation = s.variance > 0 ? sqrt(s.variance) : 0;
    return deviation > LEAST_DEVIATION * fabs(s.mean) ? (float)((double)p->is.weight / deviation)
                                                      : 0;
}

static enum nbx_err space_scale(float *scale, const struct mixing *m, const struct part *p,
                                const float *x)
{
    *scale = m->blend->standardise ? 0 : p->is.weight;
    if (!m->blend->standardise)
        return NBX_OK;
    float *towards = nbx_arena_floats(m->arena, p->padded); /* covariance x */
    if (!towards)
        return NBX_ELIMIT;
    memset(towards, 0, p->padded * sizeof *towards);
    nbx_dot_rows(towards, x, p->moments.covariance, p->is.dims, p->padded);
    struct spread s = {.mean = (double)nbx_dot(x, p->moments.mean, p->padded),
                       .variance = (double)nbx_dot(x, towards, p->padded)};
    *scale = scale_of(m->blend, p, s);
    return isfinite(s.mean) && isfinite(s.variance) ? NBX_OK : NBX_EBAD;
}

/* The history as fold.h takes it: the parts of the items' vectors that are of this space. */
static enum nbx_err fold_history(struct nbx_history *out, const struct mixing *m,
                                 const struct part *p)
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
static size_t group_dims(const struct part *p)
{
    return (p->is.dims - p->is.bias) / p->is.n_groups;
}

static void sum_history(float *x, const struct mixing *m, const struct part *p)
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
static enum nbx_err space_vector(float *x, const struct mixing *m, const struct part *p)
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
    return err ? err : nbx_fold_customer(p->fold, &history, m->arena, x);
}

/* *own (padded): the customer's vector in the space, unscaled; and its scale. */
static enum nbx_err find_space(struct mixing *m, size_t i, float **own)
{
    const struct part *p = &m->blend->parts[i];
    *own = nbx_arena_floats(m->arena, p->padded);
    enum nbx_err err = *own ? space_vector(*own, m, p) : NBX_ELIMIT;
    return err ? err : space_scale(&m->scales[i], m, p, *own);
}

static enum nbx_err mix_space(struct mixing *m, size_t i, float *x)
{
    float *own;
    const struct part *p = &m->blend->parts[i];
    enum nbx_err err = find_space(m, i, &own);
    for (size_t d = 0; !err && d < p->is.dims; d++)
        x[p->offset + d] = own[d] * m->scales[i];
    return err;
}

static uint64_t row_entries(const struct part *p, uint32_t row)
{
    return row == NBX_BLEND_NO_ROW ? 0 : p->is.start[row + 1] - p->is.start[row];
}

/* Room for every entry that the history's rows have. */
static size_t count_entries(const struct mixing *m, const struct part *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->history->n; i++)
        if (position_weight(p, m->history, 0, i) != 0)
            n += row_entries(p, m->history->rows[i]);
    return n < m->blend->n_items ? (size_t)n : m->blend->n_items;
}

static void add_rows(struct nbx_tally *t, const struct mixing *m, const struct part *p)
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

/* Over all items, of which those that are not in t have 0. */
static struct spread tally_spread(const struct nbx_tally *t, size_t n_items)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < t->n; i++) {
        sum += (double)t->values[i];
        squares += (double)t->values[i] * (double)t->values[i];
    }
    double mean = sum / (double)n_items;
    return (struct spread){mean, squares / (double)n_items - mean * mean};
}

/* By its own deviation or that of the space it corrects, which may come from an answer's vector
 * that was kept, so it is found again. */
static enum nbx_err neighbours_scale(struct mixing *m, size_t i, const struct nbx_tally *own)
{
    float *x;
    const struct part *p = &m->blend->parts[i];
    if (!p->is.scaled_by) {
        m->scales[i] = scale_of(m->blend, p, tally_spread(own, m->blend->n_items));
        return NBX_OK;
    }
    size_t space = p->is.scaled_by - 1;
    enum nbx_err err = find_space(m, space, &x);
    m->scales[i] = m->scales[space] / m->blend->parts[space].is.weight * p->is.weight;
    return err;
}

/* Adds the part's scores to all (empty before the first one). */
static enum nbx_err mix_neighbours(struct mixing *m, size_t i, struct nbx_tally *all)
{
    const struct part *p = &m->blend->parts[i];
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

enum nbx_err nbx_blend_addends(const struct nbx_blend *blend,
                               const struct nbx_blend_history *history, struct nbx_arena *arena,
                               struct nbx_addends *addends)
{
    struct nbx_tally all;
    struct mixing m = {.blend = blend, .history = history, .arena = arena};
    enum nbx_err err = mix_all_neighbours(&m, &all);
    for (size_t i = 0; !err && blend->labels && i < all.n; i++)
        all.keys[i] = blend->labels[all.keys[i]];
    *addends = (struct nbx_addends){all.keys, all.values, err ? 0 : all.n};
    return err;
}

#define STRETCH_SAMPLE 256
#define STRETCH_ARENA  (256UL << 20)

/* Sums of squares, of queries and of items, by part. */
struct lengths {
    double x[NBX_BLEND_MAX_PARTS], y[NBX_BLEND_MAX_PARTS];
};

static double square_of(const float *v, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += (double)v[d] * (double)v[d];
    return sum;
}

/* Adds those of an item and of a history of that item alone. */
static enum nbx_err add_lengths(struct lengths *sums, const struct nbx_blend *b, uint32_t row,
                                struct nbx_arena *arena)
{
    const float one = 1;
    float *x = nbx_arena_floats(arena, nbx_padded(b->dims));
    float *y = nbx_arena_floats(arena, nbx_padded(b->dims));
    if (!x || !y)
        return NBX_ELIMIT;
    nbx_blend_item(b, row, y);
    struct nbx_blend_history history = {&row, &one, (const float *const[]){y}, 1};
    enum nbx_err err = nbx_blend_vector(b, &history, arena, x);
    if (err == NBX_EBAD) /* of this item nobody can have a vector: others say enough */
        return NBX_OK;
    for (size_t i = 0; !err && i < b->n_parts; i++) {
        const struct part *p = &b->parts[i];
        if (p->is.kind == NBX_BLEND_NEIGHBOURS)
            continue;
        sums->x[i] += square_of(x + p->offset, p->is.dims);
        sums->y[i] += square_of(y + p->offset, p->is.dims);
    }
    return err;
}

/* Items get the root of how many times as long queries are, so that the product of the lengths of
 * all spaces side by side is least. The least factor is 1. */
static void set_stretch(float *out, const struct nbx_blend *b, const struct lengths *sums)
{
    double factors[NBX_BLEND_MAX_PARTS] = {0}, least = INFINITY;
    for (size_t i = 0; i < b->n_parts; i++) {
        double ratio = sums->x[i] / sums->y[i];
        if (sums->x[i] > 0 && sums->y[i] > 0 && isfinite(ratio))
            factors[i] = exp2(rint(log2(ratio) / 4));
        if (factors[i] > 0)
            least = fmin(least, factors[i]);
    }
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct part *p = &b->parts[i];
        double by = factors[i] > 0 ? fmin(factors[i] / least, (double)NBX_SKETCH_MOST_STRETCH) : 1;
        for (size_t d = 0; p->is.kind != NBX_BLEND_NEIGHBOURS && d < p->is.dims; d++)
            out[p->offset + d] = (float)by;
    }
}

enum nbx_err nbx_blend_stretch(const struct nbx_blend *blend, float *out)
{
    struct lengths sums = {{0}, {0}};
    size_t n = blend->n_items < STRETCH_SAMPLE ? blend->n_items : STRETCH_SAMPLE;
    struct nbx_arena *arena = nbx_arena_new(STRETCH_ARENA);
    enum nbx_err err = arena ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < n; i++) {
        nbx_arena_reset(arena);
        err = add_lengths(&sums, blend, (uint32_t)(i * blend->n_items / n), arena);
    }
    if (!err)
        set_stretch(out, blend, &sums);
    nbx_arena_destroy(&arena);
    return err;
}

/* N[from][to] of neighbours; 0 where there is none. */
static float neighbour_weight(const struct part *p, uint32_t from, uint32_t to)
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
    const struct part *p = &m->blend->parts[i];
    struct nbx_history history;
    float *own = nbx_arena_calloc(m->arena, m->history->n, sizeof *own);
    enum nbx_err err = own ? fold_history(&history, m, p) : NBX_ELIMIT;
    if (!err)
        err = nbx_fold_explain(p->fold, &history, y + p->offset, m->arena, own);
    for (size_t k = 0; !err && k < m->history->n; k++)
        shares[k] += m->scales[i] * own[k];
    return err;
}

/* What item k of the history gives to the score in a summed space, before scaling. */
static float summed_share(const struct mixing *m, const struct part *p, size_t k, const float *y)
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
    const struct part *p = &m->blend->parts[i];
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
