/* SPDX-License-Identifier: MIT
 * The canonical score: nbx's own inner product, bit-equal on every processor.
 *
 * Why:     BLAS gives different bits for slices and processors; lists, golden queries and replay
 *          need one answer. Definition, for vectors of d floats padded with zeros to a multiple of
 *          16: lane l (0..15) accumulates acc[l] = fma(x[16 j + l], y[16 j + l], acc[l]) for
 *          j = 0, 1, ... from acc[l] = +0; then the lanes are added as a tree: 8 pairs
 *          (l, l + 8), 4 pairs (l, l + 4), 2 pairs (l, l + 2), 1 pair (0, 1).
 * Threads: any.
 * Errors:  none. NaN never enters: doors refuse it.
 */
#ifndef NBX_SCORE_DOT_H
#define NBX_SCORE_DOT_H

#include <stddef.h>
#include <stdint.h>

#define NBX_LANES 16
/* Floats in a padded row of `dim`. */
static inline size_t nbx_padded(size_t dim)
{
    return (dim + NBX_LANES - 1) / NBX_LANES * NBX_LANES;
}

/* The definition in plain C, and the reference every kernel is tested against. x, y: (padded). */
float nbx_dot_reference(const float *x, const float *y, size_t padded);
/* The fastest kernel this processor has; same bits. */
float nbx_dot(const float *x, const float *y, size_t padded);
/* out (n) = the canonical score of x (padded) with each row of y (n, padded). Same bits as nbx_dot.
 */
void nbx_dot_rows(float *out, const float *x, const float *y, size_t n, size_t padded);
/* "avx512", "avx2" or "portable"; NBX_KERNEL= in the environment forces one that the processor has.
 */
const char *nbx_dot_kernel(void);

#endif
