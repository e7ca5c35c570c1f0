/* SPDX-License-Identifier: MIT
 * What all lists together show of a catalogue.
 *
 * Why:     lists that are right may still be everybody's: a model that shows the same hundred items
 *          to all wins little for the rest of the catalogue, and recall does not tell.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_EVALUATE_EXPOSURE_H
#define NBX_MODELS_EVALUATE_EXPOSURE_H

#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_exposure {
    double coverage; /* share of the items that are in at least one list */
    double gini;     /* of how often each item is in a list: 0 all as often, towards 1 one alone */
    double novelty;  /* bits: mean over places of -log2(share of customers that have the item) */
};

/* shown (n): in how many lists each item is. taken (n): how many of `customers` have it; an item
 * that nobody has counts as one customer's. Without a list all are 0. */
enum nbx_err nbx_exposure_of(struct nbx_exposure *out, const uint32_t *shown, const size_t *taken,
                             size_t n, size_t customers) NBX_MUST_CHECK;

#endif
