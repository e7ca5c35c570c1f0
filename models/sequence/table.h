/* SPDX-License-Identifier: MIT
 * A matrix of parameters with its gradient and Adam's moments.
 *
 * Why:     where every item is scored at each step, every row has a gradient and is updated each
 *          time. Where items are sampled that would cost more than all the rest, so only rows that
 *          were met are: a row's moments and decay catch up when it is met again, as if its
 *          gradients had been 0 meanwhile, but what the first moment would still have moved it is
 *          left out.
 * Owns:    its arrays.
 * Threads: place: one at a time; different blocks may be updated at once.
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
    size_t decaying; /* columns, the first ones */
    float *value;    /* (n, width) */
    float *first;    /* (n, width) moment */
    float *second;   /* (n, width) */
    /* Of the step at hand: row rows[p] has its gradient at place p, 0 before the step. */
    size_t n_rows, capacity;
    float *gradient; /* (capacity, width) */
    uint32_t *rows;  /* (capacity); NULL: every row lies at its own place */
    uint32_t *place; /* (n) NBX_SEQUENCE_NO_PLACE: not met; NULL with rows */
    uint32_t *last;  /* (n) the step that met it last; NULL with rows */
};

/* Values are 0. capacity: rows that a step may meet; n or more: every row is updated each time. */
enum nbx_err nbx_sequence__table_init(struct nbx_sequence_table *t, size_t n, size_t width,
                                      size_t capacity) NBX_MUST_CHECK;
void nbx_sequence__table_fini(struct nbx_sequence_table *t);
uint64_t nbx_sequence__table_bytes(size_t n, size_t width, size_t capacity);

/* Meets a row. */
uint32_t nbx_sequence__table_place(struct nbx_sequence_table *t, uint32_t row);

/* An update by blocks of places: all of them, then done. */
struct nbx_sequence_step {
    uint32_t number; /* from 1 */
    float rate, decay;
};
size_t nbx_sequence__table_blocks(const struct nbx_sequence_table *t);
void nbx_sequence__table_update(struct nbx_sequence_table *t, size_t block,
                                const struct nbx_sequence_step *step);
/* Forgets which rows were met. */
void nbx_sequence__table_done(struct nbx_sequence_table *t);

#endif
