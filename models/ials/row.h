/* SPDX-License-Identifier: MIT
 * One row of a half epoch: the exact solution in the basis where the common part is diagonal.
 *
 * Why:     with z = V y (ials.h) and root = (alpha0 D + reg)^-1/2, the rows s_i = sqrt(w_i) root
 *          z_i of S (n, dim) give x = VT root v with
 *
 *              (I + ST S) v = ST sqrt(w), of dim unknowns, or
 *              v = ST u,  (I + S ST) u = sqrt(w), of n unknowns (Woodbury);
 *
 *          the smaller one is solved. Its eigenvalues are all at least 1, so fp32 suffices.
 * Owns:    nothing.
 * Threads: one scratch space per thread.
 * Errors:  NBX_EBAD where numbers overflowed.
 */
#ifndef NBX_MODELS_IALS_ROW_H
#define NBX_MODELS_IALS_ROW_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_ials_row {
    const float *z;       /* (n_other, dim) the other side's factors in the eigenbasis */
    const uint32_t *cols; /* (n) rows of z */
    const float *weights; /* (n), or NULL: all 1 */
    size_t n;
    const float *root; /* (dim) */
};

/* Floats of scratch space a thread needs. */
size_t nbx_ials_row_scratch_floats(size_t dim);
/* out (dim): root v, still to be turned back by VT. */
enum nbx_err nbx_ials_row_solve(float *out, const struct nbx_ials_row *row, size_t dim,
                                float *scratch) NBX_MUST_CHECK;

#endif
