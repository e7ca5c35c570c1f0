/* SPDX-License-Identifier: MIT
 * From a score to a probability by the best curve that does not fall.
 *
 * Why:     where it is much better calibrated than the logistic curve (platt.h), the logistic curve
 *          is the wrong shape; so it is a check. Pool adjacent violators, Zadrozny and Elkan
 *          (2002), "Transforming classifier scores into accurate multiclass probability estimates".
 * Owns:    its points, until nbx_isotonic_fini.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out; nothing is then left behind.
 */
#ifndef NBX_MODELS_CALIBRATE_ISOTONIC_H
#define NBX_MODELS_CALIBRATE_ISOTONIC_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Linear between points, constant beyond them: each pooled block's first and last score. */
struct nbx_isotonic {
    float *from;  /* (n) rising */
    double *into; /* (n) not falling */
    size_t n;
};

/* scores (n) finite, labels (n) 0 or 1, n > 0. Equal scores have one value. */
enum nbx_err nbx_isotonic_fit(struct nbx_isotonic *out, const float *scores, const uint8_t *labels,
                              size_t n) NBX_MUST_CHECK;
void nbx_isotonic_fini(struct nbx_isotonic *c);
double nbx_isotonic_apply(const struct nbx_isotonic *c, float score);

#endif
