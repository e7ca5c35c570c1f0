/* SPDX-License-Identifier: MIT
 * EASE with a support: each item predicted from the items that go with it, by ridge regression.
 *
 * Why:     counts say that two items go together, not that a third explains both; a regression
 *          does. Of item j the weights B[S][j] over its support S, which does not hold j, minimise
 *
 *              sum_c n_c^-customer_power (R[c][j] - sum_S R[c][i] B[i][j])^2
 *                  + sum_S l_i B[i][j]^2,
 *
 *          R the pairs, n_c a customer's number of pairs, so that (G_SS + diag l) B = G_Sj with
 *          G = RT diag(n_c^-customer_power) R. l_i = lambda h (n_i / m)^lambda_power, h the mean of
 *          n_c^-customer_power over customers, n_i an item's number of pairs and m their mean. The
 *          support is the `support` items of largest G[i][j] n_i^-support_power, of those that go
 *          with it at all. With all items in it and powers 0 this is EASE without its inverse of
 *          everything (Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8);
 *          with few it is SLIM's feature selection (Ning and Karypis 2011, section 4.3). Of each
 *          row of B the `keep` largest weights above 0 are kept.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over options.threads. The same bits on any number of them.
 * Errors:  NBX_EBAD names the option; NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_EASE_EASE_H
#define NBX_MODELS_EASE_EASE_H

#include "engine/base/err.h"
#include "models/dataset/dataset.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_EASE_MAX_SUPPORT 8192

struct nbx_ease_options {
    float customer_power; /* 0 to 2 */
    size_t support;       /* 1 to NBX_EASE_MAX_SUPPORT */
    float support_power;  /* 0 to 2 */
    float lambda;         /* above 0 */
    float lambda_power;   /* 0 to 2 */
    size_t keep;          /* 1 or more */
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

/* out (n_items, n_items), weighted: row i is what item i of a history adds to others, columns
 * ascending; the caller's to fini. */
enum nbx_err nbx_ease_fit(struct nbx_csr *out, const struct nbx_dataset *dataset,
                          const struct nbx_ease_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;

/* Bytes that nbx_ease_fit takes at most, its result included. */
uint64_t nbx_ease_bound_bytes(const struct nbx_dataset *dataset,
                              const struct nbx_ease_options *options);

#endif
