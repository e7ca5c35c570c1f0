/* SPDX-License-Identifier: MIT */
#include "models/ials/improve.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Compiled once for each width of vectors; one is chosen when the program starts. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) /* which resolves before it has started   \
                                                          */
#define EVERY_WIDTH __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define EVERY_WIDTH
#endif
#define INLINE static inline __attribute__((always_inline))

#define LANES 16
/* Rows of z taken together: as many sums as hide what an addition waits. */
#define TOGETHER 4
/* Rows asked of memory before their turn. */
#define AHEAD 8

/* Vectors never leave this file: what takes them is inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

INLINE float sum_lanes(lanes v)
{
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    return v[0];
}

INLINE lanes at(const float *x)
{
    return *(const lanes *)x;
}

/* The sum of scale x^2. */
INLINE float squares(const float *x, const float *scale, size_t dim)
{
    lanes sums = {0};
    float sum = 0;
    size_t j = 0;
    for (; j + LANES <= dim; j += LANES)
        sums += at(x + j) * at(x + j) * at(scale + j);
    for (; j < dim; j++)
        sum += x[j] * x[j] * scale[j];
    return sum + sum_lanes(sums);
}

/* sum (dim) is ZT W (Z p - wanted) in the end, `misses` the squares of what is in brackets, each
 * with its weight. */
struct pass {
    const struct nbx_ials_row *row;
    const float *p; /* (dim) */
    float *sum;     /* (dim) */
    float wanted, misses;
    size_t dim;
};

/* The k rows from i on. */
INLINE void take_rows(struct pass *pass, size_t i, size_t k)
{
    const float *z[TOGETHER];
    lanes dots[TOGETHER] = {{0}};
    float miss[TOGETHER];
    size_t dim = pass->dim, whole = dim / LANES * LANES;
    for (size_t r = 0; r < k; r++)
        z[r] = pass->row->z + (size_t)pass->row->cols[i + r] * dim;
    for (size_t j = 0; j < whole; j += LANES)
        for (size_t r = 0; r < k; r++)
            dots[r] += at(z[r] + j) * at(pass->p + j);
    for (size_t r = 0; r < k; r++) {
        float beyond = sum_lanes(dots[r]) - pass->wanted;
        for (size_t j = whole; j < dim; j++)
            beyond += z[r][j] * pass->p[j];
        miss[r] = pass->row->weights ? pass->row->weights[i + r] * beyond : beyond;
        pass->misses += miss[r] * beyond;
    }
    for (size_t j = 0; j < whole; j += LANES) {
        lanes s = at(pass->sum + j);
        for (size_t r = 0; r < k; r++)
            s += miss[r] * at(z[r] + j);
        *(lanes *)(pass->sum + j) = s;
    }
    for (size_t j = whole; j < dim; j++)
        for (size_t r = 0; r < k; r++)
            pass->sum[j] += miss[r] * z[r][j];
}

INLINE void ask_ahead(const struct nbx_ials_row *row, size_t i, size_t dim)
{
    const float *z = row->z + (size_t)row->cols[i] * dim;
    for (size_t j = 0; j < dim; j += LANES)
        __builtin_prefetch(z + j);
}

/* first: the row's vectors come from memory; later passes find most of them nearer. */
INLINE void run_pass(struct pass *pass, bool first)
{
    size_t n = pass->row->n, i = 0;
    memset(pass->sum, 0, pass->dim * sizeof *pass->sum);
    for (; i + TOGETHER <= n; i += TOGETHER) {
        for (size_t a = i + AHEAD; first && a < i + AHEAD + TOGETHER && a < n; a++)
            ask_ahead(pass->row, a, pass->dim);
        take_rows(pass, i, TOGETHER);
    }
    for (; i < n; i++)
        take_rows(pass, i, 1);
}

size_t nbx_ials_improve_scratch_floats(size_t dim)
{
    return 4 * dim;
}

/* The residual is kept for the steps as they are: x may go farther, nothing reads it on the way.
 * Once it is what rounding leaves, a step more would gain nothing, and soon divide by nothing. */
EVERY_WIDTH enum nbx_err nbx_ials_row_improve(float *x, const struct nbx_ials_row *row,
                                              const struct nbx_ials_steps *steps, size_t dim,
                                              float *scratch)
{
    float *restrict residual = scratch, *restrict p = residual + dim, *restrict sum = p + dim;
    float *restrict inverse = sum + dim, *restrict to = x;
    const float *restrict common = steps->common;
    struct pass start = {.row = row, .p = x, .sum = sum, .wanted = 1, .dim = dim};
    run_pass(&start, true);
    for (size_t j = 0; j < dim; j++) {
        inverse[j] = 1.0f / common[j];
        residual[j] = -sum[j] - common[j] * to[j];
        p[j] = residual[j] * inverse[j];
    }
    float left = squares(residual, inverse, dim), least = left * FLT_EPSILON * FLT_EPSILON;
    least = least > FLT_MIN ? least : FLT_MIN;
    for (unsigned step = 1; left > least; step++) {
        struct pass pass = {.row = row, .p = p, .sum = sum, .dim = dim};
        run_pass(&pass, false);
        float length = left / (pass.misses + squares(p, common, dim)), before = left;
        if (!isfinite(length))
            return NBX_EBAD;
        for (size_t j = 0; j < dim; j++)
            to[j] += steps->relaxation * length * p[j];
        if (step >= steps->n)
            break;
        for (size_t j = 0; j < dim; j++)
            residual[j] -= length * (common[j] * p[j] + sum[j]);
        left = squares(residual, inverse, dim);
        for (size_t j = 0; j < dim; j++)
            p[j] = residual[j] * inverse[j] + left / before * p[j];
    }
    return isfinite(left) ? NBX_OK : NBX_EBAD;
}
