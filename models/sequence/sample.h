/* SPDX-License-Identifier: MIT
 * The items that a step's softmax runs over: all, or a sample of them.
 *
 * Why:     Bengio and Senecal 2008 ("Adaptive importance sampling to accelerate training of a
 *          neural probabilistic language model"). With n draws of items by q,
 *              e^score(target) + sum over draws of others  e^(score - log(n q))
 *          has the softmax's denominator as its mean; so a sample is a set of items with something
 *          added to their biases. q goes by the square root of an item's count: rare ones are drawn
 *          too. Draws are stratified along the items, one in each n-th of q: the same means, and
 *          less is left to chance.
 * Owns:    its arrays.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_SEQUENCE_SAMPLE_H
#define NBX_MODELS_SEQUENCE_SAMPLE_H

#include "engine/base/err.h"
#include "engine/base/random.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_sequence_sample {
    size_t n_items, n_draws;
    double *upto;    /* (n_items + 1) weights of the items before */
    uint32_t *items; /* (n) distinct, ascending; room for n_draws */
    float *added;    /* (n) to their scores: log(times drawn / (n_draws q)) */
    size_t n;
};

/* start (n_items + 1): item i was taken start[i + 1] - start[i] times, which may be 0. */
enum nbx_err nbx_sequence__sample_init(struct nbx_sequence_sample *s, const uint64_t *start,
                                       size_t n_items, size_t n_draws) NBX_MUST_CHECK;
void nbx_sequence__sample_fini(struct nbx_sequence_sample *s);
uint64_t nbx_sequence__sample_bytes(size_t n_items, size_t n_draws);
void nbx_sequence__sample_draw(struct nbx_sequence_sample *s, struct nbx_random *random);

#endif
