/* SPDX-License-Identifier: MIT
 * A subspace of the items that closes in on the first right singular vectors of B.
 *
 * Why:     a step replaces Y by the left singular vectors of BT B Y, made from the eigenvectors of
 *          the small matrix (BT B Y)T BT B Y. They come out largest first, so that after the last
 *          step the vectors wanted are the first ones. BT B is applied to a panel of columns at a
 *          time, in place: what B Y needs is a panel for the customers, not a second matrix. Y is
 *          in floats, since products with B wait for memory; the small matrix, its eigenvectors and
 *          what is decided by them are in doubles.
 * Owns:    all its arrays; it borrows the data set.
 * Threads: one caller; a step spreads over `threads`. Each entry of a product is added up by one
 *          thread in one order, so that the bits do not depend on how many there are.
 * Errors:  NBX_ELIMIT where memory is out (after init, fini is still due); NBX_EBAD where the
 *          eigenvectors do not converge.
 */
#ifndef NBX_MODELS_SPECTRAL_SUBSPACE_H
#define NBX_MODELS_SPECTRAL_SUBSPACE_H

#include "models/spectral/spectral.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_subspace {
    const struct nbx_csr *by_customer, *by_item;
    size_t width; /* columns of Y: the vectors wanted and some more, whole panels */
    unsigned threads;
    float *y;              /* (n_items, width) */
    float *panel;          /* (n_customers, columns of a panel) */
    float *customer_scale; /* (n_customers) n_c^-customer_power */
    float *item_scale;     /* (n_items) n_i^-item_power */
    double *gram, *square; /* (width, width) each */
    double *values;        /* (width) squares of the singular values of BT B Y, ascending */
    float *turn;           /* (width, width) what Y is multiplied by, transposed */
    double *blocks;        /* (threads, ..) scratch space for the small matrix */
    float *turned;         /* (threads, .., width) scratch space for turning */
};

/* Y starts as Normal(0, 1) from the seed. `dim` vectors are wanted. */
enum nbx_err nbx_subspace_init(struct nbx_subspace *s, const struct nbx_dataset *dataset,
                               const struct nbx_spectral_options *options,
                               size_t dim) NBX_MUST_CHECK;
void nbx_subspace_fini(struct nbx_subspace *s);
/* Bytes of a subspace, with what its steps take. */
uint64_t nbx_subspace_bytes(const struct nbx_dataset *dataset,
                            const struct nbx_spectral_options *options, size_t dim);

/* One step, as above. Columns are of length 1, but for those whose singular value is rounding. */
enum nbx_err nbx_subspace_step(struct nbx_subspace *s) NBX_MUST_CHECK;
/* After the last step: the first dim columns of Y orthonormal to a float's precision; those whose
 * singular value is rounding, and all columns behind, 0. */
enum nbx_err nbx_subspace_finish(struct nbx_subspace *s, size_t dim) NBX_MUST_CHECK;

#endif
