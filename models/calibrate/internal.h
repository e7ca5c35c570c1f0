/* SPDX-License-Identifier: MIT
 * What the files of models/calibrate share: the lists of all customers, laid out as cases.
 *
 * Why:     lists are made once (cases.c) and labelled once for each outcome (calibrate.c).
 * Owns:    see struct nbx_calibrate__cases.
 * Threads: one at a time.
 * Errors:  as in calibrate.h.
 */
#ifndef NBX_MODELS_CALIBRATE_INTERNAL_H
#define NBX_MODELS_CALIBRATE_INTERNAL_H

#include "engine/base/map.h"
#include "models/calibrate/calibrate.h"

struct nbx_calibrate__cases {
    /* borrowed */
    const struct nbx_bundle_info *bundle;
    const struct nbx_dataset *test; /* of every type */
    /* owned */
    struct nbx_map *rows; /* the bundle's row of an item's id */
    uint32_t *order;      /* (n_customers) rows of test: those fitted on, then the others */
    size_t n_customers;
    size_t *start;   /* (n_customers + 1) customer order[i] has cases start[i] .. start[i + 1] */
    float *scores;   /* (start[n_customers]) */
    uint32_t *items; /* (start[n_customers]) rows of the bundle */
    uint8_t *labels; /* (start[n_customers]) of the outcome at hand */
    uint8_t *marked; /* (n_items) all 0 between two customers */
    size_t n_fitted; /* cases, the first ones */
    size_t fitted_customers, held_customers, cold;
};

/* Makes every list. cases: what is borrowed, zeros else; freed by the caller. */
enum nbx_err nbx_calibrate__make_cases(struct nbx_calibrate__cases *cases,
                                       const struct nbx_dataset *events,
                                       const struct nbx_calibrate_options *options,
                                       struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_calibrate__free_cases(struct nbx_calibrate__cases *cases);
/* Labels by outcome: a data set in which its pairs, and no others, are. */
enum nbx_err nbx_calibrate__label(struct nbx_calibrate__cases *cases,
                                  const struct nbx_dataset *outcome) NBX_MUST_CHECK;
#endif
