/* SPDX-License-Identifier: MIT
 * From a score to a probability by two numbers: 1 / (1 + exp(-(a score + b))).
 *
 * Why:     a score says which item comes first, not how likely anything is. Platt (1999) fits a
 *          logistic curve to scores and what happened; two numbers do not overfit, and the daemon
 *          has the same curve (engine/score/transform.h).
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none: the fit is of a convex function, by Newton's method with steps that are halved
 *          until they help (Lin, Lin, Weng 2007, "A note on Platt's probabilistic outputs").
 */
#ifndef NBX_MODELS_CALIBRATE_PLATT_H
#define NBX_MODELS_CALIBRATE_PLATT_H

#include <stddef.h>
#include <stdint.h>

struct nbx_platt {
    double a, b; /* a below 0: what is liked happens less; 0 where all scores are equal */
};

/* scores (n) finite, labels (n) 0 or 1, n > 0. The targets are Platt's, (N+ + 1) / (N+ + 2) and
 * 1 / (N- + 2), so that labels that scores part without error do not send a to infinity. */
struct nbx_platt nbx_platt_fit(const float *scores, const uint8_t *labels, size_t n);
double nbx_platt_apply(struct nbx_platt p, double score);

#endif
