/* SPDX-License-Identifier: MIT
 * The spectral family: an ideal low-pass filter over the graph of customers and items.
 *
 * Why:     with B = D_c^-customer_power R D_i^-item_power (R the pairs, each of them 1 whatever its
 *          weight, D the numbers of pairs), the first `dim` right singular vectors V of B span what
 *          many customers share. A customer's scores are
 *              r D_i^-in_power V VT D_i^out_power,
 *          r the customer's row of R: item factors D_i^out_power V, history factors D_i^-in_power V
 *          (Shen et al. 2021, "How powerful is graph convolution for recommendation?", GF-CF,
 *          eq. 13, has powers .5). V comes from a randomised truncated SVD: a Gaussian sketch, each
 *          of `rounds` subspace iterations turning it into its own singular vectors by those of a
 *          small matrix (Halko, Martinsson, Tropp 2011, algorithms 4.4 and 5.1). Where singular
 *          values hardly fall, as they do on sparse data, V is a mixture around the last of them;
 *          more rounds make it exact. Vectors of a singular value below a thousandth of the largest
 *          cannot be told from rounding: their columns of V, the last ones, are 0.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over options.threads. The same bits on any number of them.
 * Errors:  NBX_EBAD names the option, or without a field where it does not converge; NBX_ELIMIT
 *          where memory is out.
 */
#ifndef NBX_MODELS_SPECTRAL_SPECTRAL_H
#define NBX_MODELS_SPECTRAL_SPECTRAL_H

#include "engine/base/err.h"
#include "models/dataset/dataset.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_SPECTRAL_MAX_DIM 4096

struct nbx_spectral_options {
    size_t dim;                       /* 1 to NBX_SPECTRAL_MAX_DIM; cut to the number of items */
    float customer_power, item_power; /* 0 to 2, of the matrix */
    float in_power, out_power;        /* 0 to 2, of the factors */
    unsigned rounds;                  /* 1 to 50 */
    uint64_t seed;
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

/* dim 128, powers .5, 6 rounds, seed 1, all processors, no progress. */
void nbx_spectral_defaults(struct nbx_spectral_options *out);

/* (n_items, dim) each, malloc, the caller's to free; *dim: as cut. */
struct nbx_spectral {
    float *item_factors, *history_factors;
    size_t dim;
};

enum nbx_err nbx_spectral_fit(struct nbx_spectral *out, const struct nbx_dataset *dataset,
                              const struct nbx_spectral_options *options,
                              struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_spectral_fini(struct nbx_spectral *spectral);

/* Bytes that nbx_spectral_fit takes at most, its result included. */
uint64_t nbx_spectral_bound_bytes(const struct nbx_dataset *dataset,
                                  const struct nbx_spectral_options *options);

#endif
