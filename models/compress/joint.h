/* SPDX-License-Identifier: MIT
 * The space of few dimensions that is nearest to several, for the customers there are.
 *
 * Why:     an error counts where customers are: with X the customers' histories, H and Y history
 *          and item factors, the H', Y' of k dimensions are wanted that make |X (H YT - H' Y'T)|
 *          least. Where C = (XH)T XH = WT W, that is the truncated SVD of W YT: with U the first k
 *          eigenvectors of W YT Y WT, Y' = Y WT U and H' = H W^-1 U (Eckart, Young 1936).
 * Owns:    out is the caller's to free.
 * Threads: one caller. The same input gives the same bits on one machine.
 * Errors:  NBX_ELIMIT where memory is out, NBX_EBAD where eigenvectors do not converge.
 */
#ifndef NBX_MODELS_COMPRESS_JOINT_H
#define NBX_MODELS_COMPRESS_JOINT_H

#include "models/compress/linear.h"

struct nbx_joint {
    float *history, *items; /* (n_items, dims) each, malloc */
    size_t dims;            /* as wanted, but at most the linear's */
};

enum nbx_err nbx_joint_make(struct nbx_joint *out, const struct nbx_linear *linear,
                            const struct nbx_dataset *dataset, size_t dims) NBX_MUST_CHECK;

#endif
