/* SPDX-License-Identifier: MIT
 * Parts as one matrix from item to item, not multiplied out: history HT -> scores.
 *
 * Why:     what a history's items give to scores is their rows' sum. A folded space is not linear:
 *          x = A^-1 sum c_i y_i with A = alpha0 YT Y + reg I and the c_i smaller the better the
 *          other items of the history explain item i. But an item's c_i differ little from customer
 *          to customer, so their mean is taken, over all customers who have the item.
 * Owns:    its arrays, until nbx_linear_fini; borrows the parts' sparse rows.
 * Threads: one caller; spreads over threads. The same bits on any number of them.
 * Errors:  NBX_ELIMIT where memory is out; NBX_EBAD where a space cannot be folded.
 */
#ifndef NBX_MODELS_COMPRESS_LINEAR_H
#define NBX_MODELS_COMPRESS_LINEAR_H

#include "models/dataset/dataset.h"
#include "models/recipe/part.h"

#include <stddef.h>

/* Scores of a history are sum_h (history[h] . itemsT + sum_s scale[s] rows[s][h]). */
struct nbx_linear {
    size_t n_items, dims;
    float *history, *items;                     /* (n_items, dims) each: all spaces side by side */
    const struct nbx_csr *rows[NBX_RECIPE_MAX]; /* (n_sparse) neighbours */
    float scales[NBX_RECIPE_MAX];               /* (n_sparse) */
    size_t n_sparse;
};

/* The parts (n) as they are, each divided by the deviation of its scores (of customers, their
 * geometric mean) and multiplied by its weight. */
enum nbx_err nbx_linear_init(struct nbx_linear *out, const struct nbx_part *parts,
                             const double *weights, size_t n, const struct nbx_dataset *dataset,
                             unsigned threads) NBX_MUST_CHECK;
void nbx_linear_fini(struct nbx_linear *linear);

/* Customers that stand for all: at most so many, evenly spread. */
#define NBX_LINEAR_SAMPLE 16384
/* The i-th of them, or n_customers where there are no more. */
size_t nbx_linear_customer(const struct nbx_dataset *dataset, size_t i);
/* x (dims): the sum of the customer's rows of history (n_items, dims). */
void nbx_linear_sum(float *x, const struct nbx_dataset *dataset, size_t customer,
                    const float *history, size_t dims);
/* *out: of the deviations that customers' scores x.items have over all items, the logarithms' mean;
 * history, items (n_items, dims). */
enum nbx_err nbx_linear_deviation(double *out, const struct nbx_dataset *dataset,
                                  const float *history, const float *items,
                                  size_t dims) NBX_MUST_CHECK;

#endif
