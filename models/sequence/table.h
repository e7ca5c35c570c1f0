/* SPDX-License-Identifier: MIT
 * A matrix of parameters with its gradient and Adam's moments.
 *
 * Why:     where every item is scored at each step, every row has a gradient and is updated each
 *          time. Where items are sampled that would cost more than all the rest, so only rows that
 *          were met are. A row that is met first catches up with the steps it was not met in, as if
 *          its gradients had been 0 and the rate what it is now: a moment m / root(v) goes on to
 *          move a value by r + r^2 + ... of what it did, r = beta1 / root(beta2). A row met once
 *          would else learn a tenth of what it should.
 * Owns:    its arrays.
 * Threads: different blocks may be updated at once; all else one at a time.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_SEQUENCE_TABLE_H
#define NBX_MODELS_SEQUENCE_TABLE_H

#include "engine/base/err.h"
#include "models/sequence/kernels.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_SEQUENCE_NO_PLACE UINT32_MAX

struct nbx_sequence_table {
    size_t n, width;
    size_t decaying;               /* columns, the first ones */
    struct nbx_sequence_adam adam; /* of the step at hand */
    uint32_t step;                 /* its number, from 1; before the first 0 */
    float *value;                  /* (n, width) */
    float *first;                  /* (n, width) moment */
    float *second;                 /* (n, width) */
    /* Of the step at hand: row rows[p] has its gradient at place p, 0 before the step. */
    size_t n_rows, capacity;
    float *gradient; /* (capacity, width) */
    uint32_t *rows;  /* (capacity); NULL: every row lies at its own place */
    uint32_t *place; /* (n) NBX_SEQUENCE_NO_PLACE: not met; NULL with rows */
    uint32_t *last;  /* (n) the step up to which it is; NULL with rows */
};

/* Values are 0. capacity: rows that a step may meet; n or more: every row is updated each time. */
enum nbx_err nbx_sequence__table_init(struct nbx_sequence_table *t, size_t n, size_t width,
                                      size_t capacity) NBX_MUST_CHECK;
void nbx_sequence__table_fini(struct nbx_sequence_table *t);
uint64_t nbx_sequence__table_bytes(size_t n, size_t width, size_t capacity);

/* Begins a step. */
void nbx_sequence__table_begin(struct nbx_sequence_table *t, uint32_t step, float rate,
                               float decay);
/* Meets a row, which may then be read; returns its place. */
uint32_t nbx_sequence__table_place(struct nbx_sequence_table *t, uint32_t row);
/* The update, by blocks of places. */
size_t nbx_sequence__table_blocks(const struct nbx_sequence_table *t);
void nbx_sequence__table_update(struct nbx_sequence_table *t, size_t block);
/* After all blocks: forgets which rows were met. */
void nbx_sequence__table_done(struct nbx_sequence_table *t);
/* Between steps: all rows catch up. */
void nbx_sequence__table_settle(struct nbx_sequence_table *t);

#endif
