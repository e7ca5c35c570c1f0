/* SPDX-License-Identifier: MIT
 * How inner products with all items spread, without making them.
 *
 * Why:     scores are compared by their deviation over the catalogue, for every answer. Of a vector
 *          x they have the mean x.mean and the variance xT covariance x, both from the items alone.
 * Owns:    its arrays, until nbx_moments_fini.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out; NBX_EBAD where a covariance is beyond fp32.
 */
#ifndef NBX_SCORE_MOMENTS_H
#define NBX_SCORE_MOMENTS_H

#include "engine/base/arena.h"
#include "engine/base/err.h"

#include <stddef.h>

struct nbx_moments {
    size_t dims, padded;
    float *mean;       /* (padded) */
    float *covariance; /* (dims, padded) */
};

/* Of the items' factors (n, dims); n and dims above 0. After an error nothing is left to fini. */
enum nbx_err nbx_moments_make(struct nbx_moments *out, const float *factors, size_t n,
                              size_t dims) NBX_MUST_CHECK;
void nbx_moments_fini(struct nbx_moments *m);
/* Bytes that it owns. */
size_t nbx_moments_bytes(const struct nbx_moments *m);

/* Scores over all items. */
struct nbx_spread {
    double mean, variance; /* not finite where x is too large */
};

/* Of x (padded, 64-byte aligned, zeros behind dims). Scratch comes from the arena. */
enum nbx_err nbx_moments_spread(struct nbx_spread *out, const struct nbx_moments *m, const float *x,
                                struct nbx_arena *arena) NBX_MUST_CHECK;

#endif
