/* SPDX-License-Identifier: MIT
 * The main axes of a set of vectors: eigenvectors of their second moments.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_AXES_H
#define NBX_SCORE_AXES_H

#include "engine/score/packed.h"

/* axes (dim, padded), made with malloc, or NULL where there are too few items or too many
 * dimensions for it to pay, or no finite answer. error: |A q . A x - q . x| <= error |q| |x|, with
 * A q and A x rounded as floats. */
enum nbx_err nbx_axes(float **axes, double *error, const struct nbx_packed_items *items);

#endif
