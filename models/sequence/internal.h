/* SPDX-License-Identifier: MIT
 * What makes up the model, for its own files and their tests.
 *
 * Owns:    see the parts.
 * Threads: one caller.
 * Errors:  as in sequence.h, without a fault.
 */
#ifndef NBX_MODELS_SEQUENCE_INTERNAL_H
#define NBX_MODELS_SEQUENCE_INTERNAL_H

#include "models/sequence/batch.h"
#include "models/sequence/sample.h"
#include "models/sequence/sequence.h"
#include "models/sequence/softmax.h"
#include "models/sequence/table.h"
#include "models/sequence/window.h"

#include <stdbool.h>

struct nbx_sequence {
    struct nbx_sequence_options options;
    const struct nbx_dataset *dataset;
    bool sampled;
    struct nbx_sequence_table items;     /* (n_items, dim + 1) B|b */
    struct nbx_sequence_table history;   /* (n_items, dim + 1) A|0 */
    struct nbx_sequence_table positions; /* (groups, recent + 1) V|0 */
    struct nbx_sequence_chunks chunks;
    struct nbx_sequence_batch batch;
    struct nbx_sequence_window window;
    struct nbx_sequence_softmax softmax;
    struct nbx_sequence_sample sample; /* where sampled, and the two below */
    float *candidates;                 /* (negatives, dim + 1) */
    uint32_t *places;                  /* (batch) of targets */
    unsigned epoch;                    /* epochs done */
    uint32_t steps;                    /* done */
};

/* Gradients of the batch's mean loss into the tables; loss: the sum over its targets. */
enum nbx_err nbx_sequence__gradients(struct nbx_sequence *s, double *loss) NBX_MUST_CHECK;

#endif
