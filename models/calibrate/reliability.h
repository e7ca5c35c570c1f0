/* SPDX-License-Identifier: MIT
 * Whether what was said to happen in p of all cases did happen in p of them.
 *
 * Why:     a probability is worth its calibration on cases it was not fitted on. The cases are cut
 *          into bins of equal mass by what was predicted; of each stand side by side the mean
 *          prediction and the share that happened, and the expected calibration error is the mean
 *          distance of the two over all cases (Guo, Pleiss, Sun, Weinberger 2017).
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_MODELS_CALIBRATE_RELIABILITY_H
#define NBX_MODELS_CALIBRATE_RELIABILITY_H

#include <stdbool.h>
#include <stddef.h>

#define NBX_RELIABILITY_BINS 10

struct nbx_case {
    double predicted; /* 0 to 1 */
    bool happened;
};

struct nbx_reliability_bin {
    double predicted, observed; /* means */
    size_t n;
};

struct nbx_reliability {
    struct nbx_reliability_bin bins[NBX_RELIABILITY_BINS]; /* (n_bins) by what was predicted */
    size_t n_bins;
    double ece;
};

/* cases (n) are sorted by what was predicted. Equal predictions are in one bin, so there may be
 * fewer bins, of unequal mass. n = 0 gives none and an error of 0. */
struct nbx_reliability nbx_reliability_of(struct nbx_case *cases, size_t n);

#endif
