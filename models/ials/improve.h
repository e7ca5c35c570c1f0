/* SPDX-License-Identifier: MIT
 * One row of a half epoch: a few steps of conjugate gradients from where the row was.
 *
 * Why:     Takacs, Pilaszy, Tikk 2011 ("Applications of the conjugate gradient method for implicit
 *          feedback collaborative filtering", RecSys). In the basis of row.h the part that all
 *          rows have in common is diagonal: a step multiplies by the row's own pairs and by
 *          nothing else, 4 n dim operations, and with the diagonal as preconditioner every
 *          eigenvalue is at least 1, and 1 itself but for n of them.
 * Owns:    nothing.
 * Threads: one scratch space per thread.
 * Errors:  NBX_EBAD where numbers overflowed.
 */
#ifndef NBX_MODELS_IALS_IMPROVE_H
#define NBX_MODELS_IALS_IMPROVE_H

#include "models/ials/row.h"

struct nbx_ials_steps {
    const float *common; /* (dim) the diagonal alpha0 D + reg, above 0 */
    unsigned n;          /* steps */
    float relaxation;    /* how much farther than the steps lead: ials.h */
};

/* Floats of scratch space a thread needs. */
size_t nbx_ials_improve_scratch_floats(size_t dim);
/* x (dim), in the basis of row->z, comes closer to the row's solution; row->root is not read. */
enum nbx_err nbx_ials_row_improve(float *x, const struct nbx_ials_row *row,
                                  const struct nbx_ials_steps *steps, size_t dim,
                                  float *scratch) NBX_MUST_CHECK;

#endif
