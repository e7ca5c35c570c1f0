/* SPDX-License-Identifier: MIT
 * A column of item weights, made ready for an index: a cap for each node and each run.
 *
 * Why:     value differs more between items than taste does; a bound is only tight where it knows
 *          the largest weight below it.
 * Owns:    the caps; the column is the caller's and must not change while this is in use.
 * Threads: immutable after nbx_weights_new.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_WEIGHTS_H
#define NBX_SCORE_WEIGHTS_H

#include "engine/base/err.h"
#include "engine/score/index.h"

struct nbx_weights {
    const float *by_label; /* (n) finite, >= 0; labels beyond weigh 1 */
    size_t n;
    float **node_caps; /* (n_parts of the index) (n_nodes) */
    float **run_caps;  /* (n_parts) (n_runs) */
    size_t n_parts;
};

/* Takes one pass over the index's labels. */
enum nbx_err nbx_weights_new(struct nbx_weights **out, const struct nbx_index *index,
                             const float *by_label, size_t n);
void nbx_weights_destroy(struct nbx_weights **weights);

static inline float nbx_weight_of(const struct nbx_weights *w, uint32_t label)
{
    return label < w->n ? w->by_label[label] : 1;
}

#endif
