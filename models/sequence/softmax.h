/* SPDX-License-Identifier: MIT
 * Cross-entropy of the softmax over candidate items, and its gradients, for the targets of a batch.
 *
 * Why:     nearly all of the work, so it is three matrix products, by panels of targets that bound
 *          the memory of scores: e = exp(x BT - largest) in tiles of items, then  e B  gives the
 *          gradients by x and  eT x  those by B. A target's own score is taken apart from the
 *          others, so it need not be a candidate, and 1 - p is not a difference of near equals.
 * Owns:    its arrays.
 * Threads: one caller; a call spreads over threads in blocks that do not depend on their number.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_SEQUENCE_SOFTMAX_H
#define NBX_MODELS_SEQUENCE_SOFTMAX_H

#include "models/sequence/table.h"

struct nbx_sequence_softmax {
    size_t width, panel; /* panel: rows */
    float *e;            /* (panel, candidates) tile by tile */
    float *scaled;       /* (panel, width) x over the softmax's denominator and n_targets */
    float *own;          /* (max targets) gradient by the target's own score: (p - 1) / n_targets */
    double *losses;      /* (max targets) */
};

enum nbx_err nbx_sequence__softmax_init(struct nbx_sequence_softmax *s, size_t width,
                                        size_t max_targets, size_t max_candidates) NBX_MUST_CHECK;
void nbx_sequence__softmax_fini(struct nbx_sequence_softmax *s);
uint64_t nbx_sequence__softmax_bytes(size_t width, size_t max_targets, size_t max_candidates);

struct nbx_sequence_problem {
    size_t n_targets;
    const float *x;          /* (n_targets, width) the last is 1 */
    float *dx;               /* (n_targets, width) out: gradients of the mean loss */
    const uint32_t *targets; /* (n_targets) rows of `items` */
    const uint32_t *places;  /* (n_targets) their places in its gradient */
    size_t n_candidates;
    const float *candidates; /* (n_candidates, width), at the first places of the gradient */
    struct nbx_sequence_table *items; /* its gradient is added to */
};
/* loss: the sum over the targets. */
enum nbx_err nbx_sequence__softmax(struct nbx_sequence_softmax *s,
                                   const struct nbx_sequence_problem *problem, unsigned threads,
                                   double *loss) NBX_MUST_CHECK;

#endif
