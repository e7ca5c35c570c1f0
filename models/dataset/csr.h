/* SPDX-License-Identifier: MIT
 * A sparse matrix by rows.
 *
 * Owns:    its arrays, until nbx_csr_fini.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out; nothing is then left behind.
 */
#ifndef NBX_MODELS_DATASET_CSR_H
#define NBX_MODELS_DATASET_CSR_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_csr {
    size_t n_rows, n_cols;
    uint64_t *start; /* (n_rows + 1): row r is col[start[r]] .. col[start[r + 1]) */
    uint32_t *col;   /* (start[n_rows]) ascending within a row once transposed */
    float *weight;   /* (start[n_rows]), or NULL: every entry weighs 1 */
};

struct nbx_triple {
    uint32_t row, col;
    float weight;
};

/* (n_rows, n_cols) from n distinct places in any order; within a row they keep that order.
 * weighted: keep the weights. */
enum nbx_err nbx_csr_from_triples(struct nbx_csr *out, const struct nbx_triple *triples, size_t n,
                                  size_t n_rows, size_t n_cols, bool weighted) NBX_MUST_CHECK;
/* Columns become rows; each row's columns ascend. */
enum nbx_err nbx_csr_transpose(struct nbx_csr *out, const struct nbx_csr *a) NBX_MUST_CHECK;
void nbx_csr_fini(struct nbx_csr *a);
/* The weight of an entry that is there, of a row whose columns ascend. */
float nbx_csr_weight(const struct nbx_csr *a, size_t row, uint32_t col);

static inline size_t nbx_csr_entries(const struct nbx_csr *a)
{
    return a->start ? (size_t)a->start[a->n_rows] : 0;
}

static inline size_t nbx_csr_row_entries(const struct nbx_csr *a, size_t row)
{
    return (size_t)(a->start[row + 1] - a->start[row]);
}

#endif
