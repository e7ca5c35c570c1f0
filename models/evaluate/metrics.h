/* SPDX-License-Identifier: MIT
 * What one list is worth, given which of its places were right.
 *
 * Why:     these are the definitions of the LightGCN protocol (He et al. 2020, and its code): the
 *          gain of a right item is 1, its discount log2(place + 1), the ideal list has
 *          min(k, n_test) right items in front.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_MODELS_EVALUATE_METRICS_H
#define NBX_MODELS_EVALUATE_METRICS_H

#include <stdbool.h>
#include <stddef.h>

struct nbx_metrics {
    double recall;    /* right / n_test */
    double ndcg;      /* sum of 1 / log2(place + 1) of the right, over the ideal list's */
    double precision; /* right / k */
    double hit;       /* 1 where any is right */
    double mrr;       /* 1 / place of the first right one */
    double map;       /* sum of precision at each right place, over min(k, n_test) */
};

/* right (n): whether place 1 .. n of a list of at most k is in the customer's n_test > 0 held-out
 * items. */
struct nbx_metrics nbx_metrics_of(const bool *right, size_t n, size_t k, size_t n_test);
/* sum += m */
void nbx_metrics_add(struct nbx_metrics *sum, const struct nbx_metrics *m);
/* The mean of n; n = 0 leaves zeros. */
struct nbx_metrics nbx_metrics_mean(const struct nbx_metrics *sum, size_t n);

#endif
