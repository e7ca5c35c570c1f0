/* SPDX-License-Identifier: MIT
 * A data set in two: what a model may learn from, and what it is asked to find.
 *
 * Why:     settings are chosen by what a model finds of pairs it has not seen. Three ways to hold
 *          pairs out, each a question of its own: what comes next (LAST), what else (RANDOM), what
 *          after today (TIME); or as the caller says (GIVEN).
 * Owns:    the parts own matrices and sequences, and borrow the ids of `all`, which must outlive
 *          them.
 * Threads: `all` is only read.
 * Errors:  NBX_EBAD: share not above 0 and below 1, TIME of a data set without times.
 *          NBX_ELIMIT: memory is out. Nothing is then left behind.
 *
 * Both parts have the customers, items and row numbers of `all`, so that rows of factors agree;
 * rows without a pair are empty. Their window is that of their pairs' times, their counts are
 * zeros. A split depends on the pairs alone, not on their order in a file (but for LAST, where they
 * have equal times or none).
 */
#ifndef NBX_MODELS_DATASET_SPLIT_H
#define NBX_MODELS_DATASET_SPLIT_H

#include "models/dataset/dataset.h"

#include <stdbool.h>

enum nbx_split_kind {
    NBX_SPLIT_LAST,   /* the last item of each customer's sequence */
    NBX_SPLIT_RANDOM, /* each pair with probability `share`, by a hash of seed, customer and item;
                         of each customer at least one stays */
    NBX_SPLIT_TIME,   /* pairs of the last `share` of the time from the first pair to the last;
                         pairs without a time stay */
    NBX_SPLIT_GIVEN,  /* those that is_held says */
};

struct nbx_split_options {
    enum nbx_split_kind kind;
    size_t min_history;  /* LAST: of customers with at least so many items; 0: 2 */
    double share;        /* RANDOM, TIME */
    uint64_t seed;       /* RANDOM */
    const bool *is_held; /* GIVEN: (pairs) beside all->sequence */
};

enum nbx_err nbx_dataset_split(struct nbx_dataset **train, struct nbx_dataset **held,
                               const struct nbx_dataset *all,
                               const struct nbx_split_options *options) NBX_MUST_CHECK;

#endif
