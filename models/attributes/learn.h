/* SPDX-License-Identifier: MIT
 * What each feature adds to an item's vector, learnt from the items that have one: ridge
 * regression.
 *
 * Why:     the features of an item, weighed by what they meant for items with a history, are the
 *          best linear guess at where it will lie.
 * Owns:    what is learnt, until nbx_learnt_fini.
 * Threads: one caller. The same input gives the same bits on one machine.
 * Errors:  NBX_EBAD where no item has a count and a line in the table; NBX_ELIMIT.
 *
 * Minimises  sum over items  w |sum of its features' vectors - its vector|^2 + lambda |vectors|^2
 * by the normal equations. w is the root of the item's count over the mean of all: vectors of
 * items with many events are known better, and a new item is to be ranked among them, but the
 * few that everybody knows shall not decide alone. Features of a single item are left out, and of
 * more than NBX_LEARNT_MAX_FEATURES the rarest. Prices fall into tenths.
 */
#ifndef NBX_MODELS_ATTRIBUTES_LEARN_H
#define NBX_MODELS_ATTRIBUTES_LEARN_H

#include "engine/base/map.h"
#include "models/attributes/items.h"
#include "models/bundle/bundle.h"

#define NBX_LEARNT_MAX_FEATURES 4096
#define NBX_LEARNT_TENTHS       10
#define NBX_LEARNT_LAMBDA       10.0F

struct nbx_learnt {
    struct nbx_features features; /* borrows the rest; names in byte order */
    struct nbx_map *texts;
    struct nbx_str *names;
    float *vectors;
    int64_t bounds[NBX_LEARNT_TENTHS];
};

struct nbx_learn_options {
    const struct nbx_item_table *table;
    const struct nbx_bundle_info *info; /* its spaces, side by side, are what is learnt */
    const float *counts; /* (n_items) events of each; items without any are left out */
    float lambda;        /* above 0 */
};

enum nbx_err nbx_learn(struct nbx_learnt *out, const struct nbx_learn_options *options,
                       struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_learnt_fini(struct nbx_learnt *learnt);

#endif
