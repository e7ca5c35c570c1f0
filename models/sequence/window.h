/* SPDX-License-Identifier: MIT
 * From the slots of a batch to its targets' x, and from the gradients by x back to the slots.
 *
 * Why:     let W[p] be the paces of position p, one number for each dimension. A target's x is the
 *          sum over p of W[p] * kept[slot at p], number by number; the gradients by `kept` and by W
 *          are sums of the same kind.
 * Owns:    its arrays.
 * Threads: a call for each part, at once; sums over parts are added in order.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_SEQUENCE_WINDOW_H
#define NBX_MODELS_SEQUENCE_WINDOW_H

#include "models/sequence/batch.h"
#include "models/sequence/table.h"

#define NBX_SEQUENCE_PARTS 64 /* of a batch's chunks */

struct nbx_sequence_window {
    size_t dim, recent, groups;
    float history_dropout, dropout;
    float *paces;       /* (recent, dim) */
    float *scales;      /* (max slots) 0 where dropout left an item out */
    float *kept;        /* (max slots, dim) rows of A by their scale */
    float *d_kept;      /* (max slots, dim) gradients by those rows of A */
    float *live;        /* (max targets, dim) scales of x: 0 where dropout left a dimension out */
    float *x;           /* (max targets, dim + 1) the last is 1 */
    float *dx;          /* (max targets, dim + 1) gradients by x; the last says nothing */
    float *d_positions; /* (NBX_SEQUENCE_PARTS, groups, recent + 1) */
};

enum nbx_err nbx_sequence__window_init(struct nbx_sequence_window *w,
                                       const struct nbx_sequence_options *options) NBX_MUST_CHECK;
void nbx_sequence__window_fini(struct nbx_sequence_window *w);
uint64_t nbx_sequence__window_bytes(const struct nbx_sequence_options *options);

/* Of V (groups, recent + 1). */
void nbx_sequence__window_paces(struct nbx_sequence_window *w, const float *positions);

struct nbx_sequence_pass {
    struct nbx_sequence_window *window;
    const struct nbx_sequence_chunks *chunks;
    const struct nbx_sequence_batch *batch;
    const float *history; /* (n_items, dim + 1) A */
    uint64_t seed, epoch; /* of dropout */
};
/* scales, kept, live and x of a part's chunks. */
void nbx_sequence__forward(const struct nbx_sequence_pass *pass, size_t part);
/* From dx, which it changes: d_kept and d_positions of a part. */
void nbx_sequence__backward(const struct nbx_sequence_pass *pass, size_t part);
/* Adds them to the gradients of A and V. */
void nbx_sequence__gather(const struct nbx_sequence_pass *pass, struct nbx_sequence_table *history,
                          struct nbx_sequence_table *positions);

#endif
