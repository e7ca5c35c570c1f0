/* SPDX-License-Identifier: MIT
 * How well a bundle ranks what customers took to later.
 *
 * Why:     a figure is worth what it is compared with, so protocols are named. `lightgcn`: every
 *          item of the bundle is ranked for every customer of the test file, the customer's own
 *          items in the events are left out, the metrics at k are averaged over customers
 *          (He et al. 2020, "LightGCN", and the papers that follow it).
 *          Customers are folded in from their events and items scored by the code that serves
 *          (engine/score: fold, dot, topk), so the figure is that of the answers customers get,
 *          ties by item id in byte order.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over options.threads. The same input gives the same figures on any
 *          number of them.
 * Errors:  NBX_EBAD with a fault: unknown protocol (the known ones are named), k out of 1 to 1000,
 *          a bundle whose customers are given rather than folded in, a metric other than dot, no
 *          customer to evaluate. NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_EVALUATE_EVALUATE_H
#define NBX_MODELS_EVALUATE_EVALUATE_H

#include "engine/base/err.h"
#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"
#include "models/evaluate/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_EVALUATE_MAX_K     1000
#define NBX_EVALUATE_PROTOCOLS "lightgcn" /* for messages */

struct nbx_evaluate_options {
    const char *protocol; /* "lightgcn" */
    size_t k;
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

struct nbx_evaluation {
    struct nbx_metrics metrics;    /* at k, means over `customers` */
    struct nbx_metrics popularity; /* what the same list for all would have reached: the bundle's
                                      items by how many customers have them in the events */
    size_t customers;              /* of the test file, with at least one held-out item */
    size_t cold; /* among them: no event on an item of the bundle; their list is empty */
    size_t test_pairs;
    size_t unknown_pairs; /* among them: items the bundle does not know; always missed */
    double seconds;       /* folding in, scoring and ranking; reading files not counted */
};

enum nbx_err nbx_evaluate(struct nbx_evaluation *out, const struct nbx_bundle_info *bundle,
                          const struct nbx_dataset *events, const struct nbx_dataset *test,
                          const struct nbx_evaluate_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;

/* Whether nbx_evaluate has a protocol of that name. */
bool nbx_evaluate_knows(const char *protocol);

/* Bytes nbx_evaluate takes beside its inputs, at most. */
uint64_t nbx_evaluate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                  const struct nbx_evaluate_options *options);

#endif
