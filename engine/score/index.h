/* SPDX-License-Identifier: MIT
 * The retrieval index of one factor space: exact top-k by canonical score under a row filter.
 *
 * Why:     everything that ranks by inner product asks here, so a faster index changes one file.
 *          Rows are the index's own; `item_row` maps them to catalogue rows.
 * Owns:    a copy of the vectors, padded to 16 floats and 64-byte aligned.
 * Threads: immutable after nbx_index_new; any number of readers.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_INDEX_H
#define NBX_SCORE_INDEX_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/score/topk.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_index;

/* vectors (n, dim) fp32 row-major, finite. Copied. */
enum nbx_err nbx_index_new(struct nbx_index **out, const float *vectors, size_t n, size_t dim);
void nbx_index_destroy(struct nbx_index **index);
size_t nbx_index_rows(const struct nbx_index *index);
size_t nbx_index_dim(const struct nbx_index *index);
size_t nbx_index_bytes(const struct nbx_index *index);
/* Row r's padded vector (nbx_padded(dim)), borrowed. */
const float *nbx_index_vector(const struct nbx_index *index, size_t row);

struct nbx_query {
    const float *vector;      /* (nbx_padded(dim)), 64-byte aligned */
    const uint32_t *item_row; /* (rows of the index) catalogue row, or UINT32_MAX: not there */
    const uint64_t *eligible; /* (n_eligible) bits over catalogue rows; NULL: all that are there */
    size_t n_eligible;        /* rows beyond are not eligible */
    const float *weight;      /* (rows of the index) factor on each row's score; NULL: 1 */
    size_t k;
    nbx_tie_fn tie; /* over catalogue rows */
    const void *tie_ctx;
};

/* hits: room for k. Fills hits with (score, catalogue row), best first, and *n. */
enum nbx_err nbx_index_search(const struct nbx_index *index, const struct nbx_query *query,
                              struct nbx_arena *arena, struct nbx_hit *hits, size_t *n);

#endif
