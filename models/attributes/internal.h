/* SPDX-License-Identifier: MIT
 * What learning from items and from customers share: rows with features and vectors.
 *
 * Owns:    nothing.
 * Threads: one caller.
 * Errors:  as in learn.h.
 */
#ifndef NBX_MODELS_ATTRIBUTES_INTERNAL_H
#define NBX_MODELS_ATTRIBUTES_INTERNAL_H

#include "models/attributes/learn.h"

struct nbx_learn__rows {
    const char *what; /* "items", for messages */
    size_t n, dims;
    const float *weights; /* (n) w, at least 0; rows of 0 are left out */
    float lambda;
    void *ctx;
    /* Tells the features of a row. */
    void (*name)(void *ctx, size_t row, nbx_feature_fn *tell, void *tell_ctx);
    /* out (n, dims): the vectors of rows (n), which ascend. */
    enum nbx_err (*vectors)(void *ctx, const uint32_t *rows, size_t n, float *out);
};

/* out: zeros but for the price bounds, where there are some. */
enum nbx_err nbx_learn__rows(struct nbx_learnt *out, const struct nbx_learn__rows *rows,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
enum nbx_err nbx_learn__no_memory(struct nbx_fault *fault);

#endif
