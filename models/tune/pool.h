/* SPDX-License-Identifier: MIT
 * Who of some customers would be shown what, part by part: what a blend's weights are fitted on.
 *
 * Why:     of a thousand blends tried only the weights differ. So each customer's best items by
 *          each part, and the held-out ones, are scored once by all parts, as they would be in a
 *          blend (standardised, engine/score/blend.h); a blend then is a weighted sum of columns.
 *          What no part has among its best, no sensible blend has.
 * Owns:    its arrays.
 * Threads: making spreads over threads; afterwards immutable. The same input gives the same pool on
 *          any number of threads.
 * Errors:  NBX_ELIMIT where memory is out, NBX_EBAD where a part cannot be folded in or nobody has
 *          a held-out item.
 */
#ifndef NBX_MODELS_TUNE_POOL_H
#define NBX_MODELS_TUNE_POOL_H

#include "models/dataset/dataset.h"
#include "models/recipe/part.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_pool_options {
    const struct nbx_dataset *train, *held; /* of the same rows (split.h) */
    size_t depth;                           /* best items taken of each part, 1 or more */
    size_t customers; /* at most so many, drawn by seed; 0: all with a held-out item */
    uint64_t seed;
    unsigned threads;
    int progress_fd;
};

struct nbx_pool;

/* parts (n, at most NBX_RECIPE_MAX) learnt from options->train. */
enum nbx_err nbx_pool_new(struct nbx_pool **out, const struct nbx_part *parts, size_t n,
                          const struct nbx_pool_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_pool_destroy(struct nbx_pool **pool);

size_t nbx_pool_customers(const struct nbx_pool *pool);

/* Mean NDCG at k (metrics.h) of the blend with these weights (n parts, 0 or more each). */
double nbx_pool_ndcg(const struct nbx_pool *pool, const double *weights, size_t k);

/* Weights (n) by coordinate ascent on it, from all alike or, where that is better, from the best
 * part alone; a part whose loss costs less than `worth` (relative) gets 0. Returns the metric. */
double nbx_pool_fit(const struct nbx_pool *pool, double *weights, size_t k, double worth);

#endif
