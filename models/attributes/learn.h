/* SPDX-License-Identifier: MIT
 * What each feature adds to the vector of an item, or of a customer, learnt from those that have
 * one: ridge regression.
 *
 * Why:     the features of an item, weighed by what they meant for items with a history, are the
 *          best linear guess at where it will lie; those of a customer at what they will take.
 * Owns:    what is learnt, until nbx_learnt_fini.
 * Threads: one caller. The same input gives the same bits on one machine.
 * Errors:  NBX_EBAD where no two items, or customers, have a history and a line in the table, or
 *          values are too large for fp32; NBX_ELIMIT.
 *
 * Minimises  sum over rows  w |sum of its features' vectors - its vector|^2 + lambda |vectors|^2
 * by the normal equations. Features of a single row are left out, and of more than
 * NBX_LEARNT_MAX_FEATURES the rarest.
 */
#ifndef NBX_MODELS_ATTRIBUTES_LEARN_H
#define NBX_MODELS_ATTRIBUTES_LEARN_H

#include "engine/base/map.h"
#include "models/attributes/customers.h"
#include "models/attributes/items.h"
#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"

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

struct nbx_learn_items_options {
    const struct nbx_item_table *table;
    const struct nbx_bundle_info *info; /* its spaces, side by side, are what is learnt */
    const float *counts; /* (n_items) events of each; items without any are left out */
    float lambda;        /* above 0 */
};

/* w is the root of the item's count over the mean of all: vectors of items with many events are
 * known better, and a new item is to be ranked among them, but the few that everybody knows shall
 * not decide alone. Prices fall into tenths. */
enum nbx_err nbx_learn_items(struct nbx_learnt *out, const struct nbx_learn_items_options *options,
                             struct nbx_fault *fault) NBX_MUST_CHECK;

struct nbx_learn_customers_options {
    const struct nbx_customer_table *table; /* of the customers of events */
    const struct nbx_bundle_info *info;     /* its spaces, side by side, are what is learnt in */
    const struct nbx_dataset *events;       /* its items are the bundle's, row for row */
    float lambda;                           /* above 0 */
};

/* The sum of a customer's features' vectors times an item's is then the best guess, as far as the
 * spaces can say it, at how much of it such a customer takes: what the history's weights are, and
 * of pairs that all weigh 1 the share of such customers who have it. (The vectors that histories
 * are served with are no such guess: of a narrow space their mean over customers ranks items alike,
 * of a wide one worse than this.) Each customer counts alike. */
enum nbx_err nbx_learn_customers(struct nbx_learnt *out,
                                 const struct nbx_learn_customers_options *options,
                                 struct nbx_fault *fault) NBX_MUST_CHECK;

void nbx_learnt_fini(struct nbx_learnt *learnt);

#endif
