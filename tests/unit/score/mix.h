/* SPDX-License-Identifier: MIT
 * The reference of a blend: what models/FORMAT.md says, in double precision and item by item.
 *
 * Why:     blend.c has moments, joined vectors and sparse sums; this has every part's score for
 *          every item and their deviation. Of nbx it uses the structs that say what is asked.
 * Owns:    a mix its arrays, from mix_make to mix_free.
 * Threads: one at a time: scratch is static.
 * Errors:  none: out of memory ends the test.
 */
#ifndef NBX_TESTS_SCORE_MIX_H
#define NBX_TESTS_SCORE_MIX_H

#include "engine/score/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIX_DIMS 64 /* of a space, at most */

struct mix {
    const struct nbx_blend_options *o;
    const struct nbx_blend_history *h;
    size_t offset[NBX_BLEND_MAX_PARTS];      /* of spaces in a joined vector */
    double x[NBX_BLEND_MAX_PARTS][MIX_DIMS]; /* spaces: the customer's vectors */
    double *sums[NBX_BLEND_MAX_PARTS];       /* neighbours: (n_items) */
    double scale[NBX_BLEND_MAX_PARTS];       /* weight over deviation */
    double mean[NBX_BLEND_MAX_PARTS];        /* of the part's scores */
};

static inline double mix_dot(const double *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += x[d] * (double)y[d];
    return sum;
}

/* Dimensions that a summed space sums; a bias is behind them. */
static inline size_t mix_summed(const struct nbx_blend_part *p)
{
    return p->bias ? p->dims - 1 : p->dims;
}

/* By which what item k of the history adds is multiplied, in dimension d (of neighbours 0). */
static inline double mix_position(const struct nbx_blend_part *p, const struct nbx_blend_history *h,
                                  size_t k, size_t d)
{
    size_t group = d * p->n_groups / (mix_summed(p) ? mix_summed(p) : 1);
    size_t at = k < p->n_positions ? k : p->n_positions - 1;
    return (double)p->positions[group * p->n_positions + at] * (double)h->weights[k];
}

/* alpha0 YT Y + sum w y yT + reg I. a: (dims, dims) */
static inline void mix_system(double *a, const struct mix *m, size_t i)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    size_t n = m->o->n_items, dims = p->dims;
    double alpha0 = (double)p->fold.alpha0;
    double reg =
        (double)p->fold.lambda * pow((double)m->h->n + alpha0 * (double)n, (double)p->fold.nu);
    memset(a, 0, dims * dims * sizeof *a);
    for (size_t r = 0; r < n + m->h->n; r++) {
        const float *y = r < n ? p->item_factors + r * dims : m->h->vectors[r - n] + m->offset[i];
        double w = r < n ? alpha0 : (double)m->h->weights[r - n];
        for (size_t j = 0; j < dims; j++)
            for (size_t k = 0; k < dims; k++)
                a[j * dims + k] += w * (double)y[j] * (double)y[k];
    }
    for (size_t j = 0; j < dims; j++)
        a[j * dims + j] += reg;
}

/* Solves a x = b in place by Gauss without pivoting: a is positive definite. */
static inline void mix_solve(double *a, double *b, size_t k)
{
    for (size_t c = 0; c < k; c++)
        for (size_t r = c + 1; r < k; r++) {
            double f = a[r * k + c] / a[c * k + c];
            for (size_t j = c; j < k; j++)
                a[r * k + j] -= f * a[c * k + j];
            b[r] -= f * b[c];
        }
    for (size_t c = k; c-- > 0;) {
        for (size_t j = c + 1; j < k; j++)
            b[c] -= a[c * k + j] * b[j];
        b[c] /= a[c * k + c];
    }
}

static inline void mix_fold(struct mix *m, size_t i)
{
    static double a[MIX_DIMS * MIX_DIMS];
    size_t dims = m->o->parts[i].dims;
    mix_system(a, m, i);
    for (size_t k = 0; k < m->h->n; k++)
        for (size_t d = 0; d < dims; d++)
            m->x[i][d] += (double)m->h->weights[k] * (double)m->h->vectors[k][m->offset[i] + d];
    mix_solve(a, m->x[i], dims);
}

static inline void mix_sum(struct mix *m, size_t i)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    for (size_t k = 0; k < m->h->n; k++)
        for (size_t d = 0; m->h->rows[k] != NBX_BLEND_NO_ROW && d < mix_summed(p); d++)
            m->x[i][d] += mix_position(p, m->h, k, d) *
                          (double)p->history_factors[m->h->rows[k] * p->dims + d];
    if (p->bias)
        m->x[i][p->dims - 1] = 1;
}

static inline void mix_rows(struct mix *m, size_t i)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    m->sums[i] = calloc(m->o->n_items, sizeof *m->sums[i]);
    for (size_t k = 0; k < m->h->n; k++) {
        uint32_t row = m->h->rows[k];
        if (row == NBX_BLEND_NO_ROW)
            continue;
        for (uint64_t e = p->start[row]; e < p->start[row + 1]; e++)
            m->sums[i][p->neighbours[e]] += mix_position(p, m->h, k, 0) * (double)p->weights[e];
    }
}

/* The part's own score of a row of the bundle. */
static inline double mix_row(const struct mix *m, size_t i, size_t row)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    return m->sums[i] ? m->sums[i][row]
                      : mix_dot(m->x[i], p->item_factors + row * p->dims, p->dims);
}

static inline void mix_standardise(struct mix *m, size_t i)
{
    double n = (double)m->o->n_items, mean = 0, squares = 0;
    for (size_t r = 0; r < m->o->n_items; r++)
        mean += mix_row(m, i, r) / n;
    for (size_t r = 0; r < m->o->n_items; r++)
        squares += (mix_row(m, i, r) - mean) * (mix_row(m, i, r) - mean);
    double deviation = sqrt(squares / n), weight = (double)m->o->parts[i].weight;
    m->mean[i] = mean;
    m->scale[i] = !m->o->standardise              ? weight
                  : deviation > 1e-6 * fabs(mean) ? weight / deviation
                                                  : 0;
}

static inline void mix_make(struct mix *m, const struct nbx_blend_options *o,
                            const struct nbx_blend_history *h)
{
    size_t offset = 0;
    *m = (struct mix){.o = o, .h = h};
    for (size_t i = 0; i < o->n_parts; i++) {
        const struct nbx_blend_part *p = &o->parts[i];
        m->offset[i] = offset;
        offset += p->kind == NBX_BLEND_NEIGHBOURS ? 0 : p->dims;
        switch (p->kind) {
        case NBX_BLEND_FOLDED: mix_fold(m, i); break;
        case NBX_BLEND_SUMMED: mix_sum(m, i); break;
        case NBX_BLEND_CONSTANT: m->x[i][0] = 1; break;
        case NBX_BLEND_NEIGHBOURS: mix_rows(m, i); break;
        }
        mix_standardise(m, i);
    }
    for (size_t i = 0; i < o->n_parts; i++) {
        size_t by = o->parts[i].scaled_by;
        if (by)
            m->scale[i] =
                m->scale[by - 1] / (double)o->parts[by - 1].weight * (double)o->parts[i].weight;
    }
}

static inline void mix_free(struct mix *m)
{
    for (size_t i = 0; i < m->o->n_parts; i++)
        free(m->sums[i]);
}

/* What one part gives to the score of an item: its joined vector y, and its row or none. */
static inline double mix_gives(const struct mix *m, size_t i, const float *y, uint32_t row)
{
    if (m->sums[i])
        return row == NBX_BLEND_NO_ROW ? 0 : m->scale[i] * m->sums[i][row];
    return m->scale[i] * mix_dot(m->x[i], y + m->offset[i], m->o->parts[i].dims);
}

static inline double mix_score(const struct mix *m, const float *y, uint32_t row)
{
    double sum = 0;
    for (size_t i = 0; i < m->o->n_parts; i++)
        sum += mix_gives(m, i, y, row);
    return sum;
}

/* What a part gives to an item's score whatever the history. */
static inline double mix_unasked(const struct mix *m, size_t i, const float *y)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    if (p->kind == NBX_BLEND_CONSTANT || p->bias)
        return m->scale[i] * (double)y[m->offset[i] + p->dims - 1];
    return 0;
}

/* N[from, to]. */
static inline double mix_neighbour(const struct nbx_blend_part *p, uint32_t from, uint32_t to)
{
    for (uint64_t e = p->start[from]; e < p->start[from + 1]; e++)
        if (p->neighbours[e] == to)
            return (double)p->weights[e];
    return 0;
}

/* What the history's item k gives to it in a part, before scaling. z (dims): of a folded space
 * M^-1 y. */
static inline double mix_part_share(const struct mix *m, size_t i, size_t k, const double *z,
                                    const float *y, uint32_t row)
{
    const struct nbx_blend_part *p = &m->o->parts[i];
    uint32_t from = m->h->rows[k];
    double sum = 0;
    if (p->kind == NBX_BLEND_FOLDED)
        return (double)m->h->weights[k] * mix_dot(z, m->h->vectors[k] + m->offset[i], p->dims);
    if (p->kind == NBX_BLEND_CONSTANT || from == NBX_BLEND_NO_ROW)
        return 0;
    if (p->kind == NBX_BLEND_NEIGHBOURS)
        return row == NBX_BLEND_NO_ROW ? 0
                                       : mix_position(p, m->h, k, 0) * mix_neighbour(p, from, row);
    for (size_t d = 0; d < mix_summed(p); d++)
        sum += mix_position(p, m->h, k, d) * (double)p->history_factors[from * p->dims + d] *
               (double)y[m->offset[i] + d];
    return sum;
}

/* shares (h->n): what each item of the history gives to the score. */
static inline void mix_shares(double *shares, const struct mix *m, const float *y, uint32_t row)
{
    static double a[MIX_DIMS * MIX_DIMS], z[MIX_DIMS];
    memset(shares, 0, m->h->n * sizeof *shares);
    for (size_t i = 0; i < m->o->n_parts; i++) {
        const struct nbx_blend_part *p = &m->o->parts[i];
        if (p->kind == NBX_BLEND_FOLDED) {
            mix_system(a, m, i);
            for (size_t d = 0; d < p->dims; d++)
                z[d] = (double)y[m->offset[i] + d];
            mix_solve(a, z, p->dims);
        }
        for (size_t k = 0; k < m->h->n; k++)
            shares[k] += m->scale[i] * mix_part_share(m, i, k, z, y, row);
    }
}

#endif
