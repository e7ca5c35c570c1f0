/* SPDX-License-Identifier: MIT
 * How well a bundle ranks what customers took to later.
 *
 * Why:     a figure is worth what it is compared with. Every item of the bundle is ranked for every
 *          customer of the test file who has a held-out item, the customer's own items in the
 *          events are left out (unless `repeat`), what the customer took back in any case, as nbxd
 *          does, and metrics at each k are averaged over customers: full ranking, never a sample.
 *          Which pairs are held out is a protocol (protocol.h). A customer's vector and scores come
 *          from the code that serves (scorer.h), from the history in the order of the events'
 *          sequence, so the figure is that of the answers customers get, ties by item id in byte
 *          order.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over options.threads. The same input gives the same figures on any
 *          number of them.
 * Errors:  NBX_EBAD with a fault: those of protocol.h and scorer.h, a k out of 1 to 1000 or twice
 *          there, no customer to evaluate. NBX_ELIMIT where memory is out.
 *
 * Segments say whom and what a figure comes from. Customers by how many items they have in the
 * events: fewer than 5, 5 to 19, 20 and more. Items by how many customers have them: the head is
 * the shortest list of most popular items (ties by id) that has half of the events' pairs on items
 * of the bundle; all others are the tail, those the bundle does not know included. A segment of
 * items counts only held-out items of its own, and customers that have one.
 */
#ifndef NBX_MODELS_EVALUATE_EVALUATE_H
#define NBX_MODELS_EVALUATE_EVALUATE_H

#include "engine/base/err.h"
#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"
#include "models/evaluate/exposure.h"
#include "models/evaluate/metrics.h"
#include "models/evaluate/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_EVALUATE_MAX_K   1000
#define NBX_EVALUATE_MAX_N_K 8

struct nbx_hit;

enum nbx_segment {
    NBX_SEGMENT_NEW,
    NBX_SEGMENT_REGULAR,
    NBX_SEGMENT_LOYAL,
    NBX_SEGMENT_HEAD,
    NBX_SEGMENT_TAIL,
    NBX_SEGMENTS,
};

/* "new", "regular", "loyal", "head", "tail" */
extern const char *const nbx_segment_names[NBX_SEGMENTS];

struct nbx_evaluate_options {
    const char *protocol; /* one of NBX_PROTOCOLS */
    size_t k[NBX_EVALUATE_MAX_N_K];
    size_t n_k;
    bool repeat; /* the customer's own items may be in the list, and held out */
    unsigned threads;
    int progress_fd; /* as in dataset.h */
    /* NULL, or what a customer without history (a row of test) is asked with, whose list is else
     * empty: x (nbx_bundle_dims), zeros before; false: nothing is known of them. By any thread. */
    bool (*cold)(void *ctx, size_t customer, float *x);
    void *cold_ctx;
    /* NULL, or called with the list of every customer (a row of test), best first: once each, by
     * whichever thread made it. hits (n, at most the largest k): rows of the bundle. */
    void (*list)(void *ctx, size_t customer, const struct nbx_hit *hits, size_t n);
    void *list_ctx;
};

struct nbx_evaluation_at {
    size_t k;
    struct nbx_metrics metrics;    /* means over `customers` */
    struct nbx_metrics popularity; /* what the same list for all would have reached: the bundle's
                                      items by how many customers have them in the events */
    struct nbx_metrics segments[NBX_SEGMENTS]; /* means over segment_customers */
    struct nbx_exposure exposure;              /* of all lists, over all items of the bundle */
};

struct nbx_evaluation {
    struct nbx_evaluation_at at[NBX_EVALUATE_MAX_N_K]; /* (n_k) as the options have k */
    size_t n_k;
    size_t customers; /* of the test file, with at least one held-out item */
    size_t cold;      /* among them: no event on an item of the bundle */
    size_t described; /* among the cold: options.cold knew something; the others' list is empty */
    size_t segment_customers[NBX_SEGMENTS];
    size_t head_items;
    size_t test_pairs;
    size_t unknown_pairs; /* among them: items the bundle does not know; always missed */
    double seconds;       /* folding in, scoring and ranking; reading files not counted */
};

/* The rows of test that have no pair are passed over, so that a part of nbx_dataset_split will do.
 */
enum nbx_err nbx_evaluate(struct nbx_evaluation *out, const struct nbx_bundle_info *bundle,
                          const struct nbx_dataset *events, const struct nbx_dataset *test,
                          const struct nbx_evaluate_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;

/* Bytes nbx_evaluate takes beside its inputs, at most. */
uint64_t nbx_evaluate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                  const struct nbx_evaluate_options *options);

#endif
