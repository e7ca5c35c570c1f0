/* SPDX-License-Identifier: MIT */
#include "models/ials/row.h"

#include "engine/blas/blas.h"

#include <math.h>
#include <string.h>

/* Rows gathered at a time where there are more pairs than dimensions. */
#define BLOCK_ROWS 256

static size_t block_rows(size_t dim)
{
    return dim > BLOCK_ROWS ? dim : BLOCK_ROWS;
}

/* The gathered block, one system of at most dim unknowns, its right-hand side and the roots of
 * the weights. */
size_t nbx_ials_row_scratch_floats(size_t dim)
{
    return block_rows(dim) * dim + dim * dim + dim + block_rows(dim);
}

static float weight_root(const struct nbx_ials_row *row, size_t i)
{
    return row->weights ? sqrtf(row->weights[i]) : 1.0f;
}

/* Rows from .. from + n of S; weight_roots (n). */
static void gather(float *s, float *weight_roots, const struct nbx_ials_row *row, size_t dim,
                   size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float *restrict z = row->z + (size_t)row->cols[from + i] * dim;
        const float *restrict root = row->root;
        float *restrict to = s + i * dim;
        float scale = weight_roots[i] = weight_root(row, from + i);
        for (size_t j = 0; j < dim; j++)
            to[j] = z[j] * root[j] * scale;
    }
}

static void identity(float *a, size_t n)
{
    memset(a, 0, n * n * sizeof *a);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] = 1.0f;
}

static enum nbx_err solve_short(float *v, const struct nbx_ials_row *row, size_t dim,
                                float *scratch)
{
    float *s = scratch, *k = s + block_rows(dim) * dim, *u = k + dim * dim;
    gather(s, u, row, dim, 0, row->n);
    identity(k, row->n);
    nbx_blas_outer(k, s, row->n, dim);
    enum nbx_err err = nbx_blas_solve(k, u, row->n, 1);
    if (!err)
        nbx_blas_gemv_t(v, s, u, row->n, dim);
    return err;
}

static enum nbx_err solve_long(float *v, const struct nbx_ials_row *row, size_t dim, float *scratch)
{
    float *s = scratch, *m = s + block_rows(dim) * dim, *part = m + dim * dim, *ones = part + dim;
    identity(m, dim);
    memset(v, 0, dim * sizeof *v);
    for (size_t from = 0; from < row->n; from += BLOCK_ROWS) {
        size_t n = row->n - from < BLOCK_ROWS ? row->n - from : BLOCK_ROWS;
        gather(s, ones, row, dim, from, n);
        nbx_blas_gram(m, s, n, dim, 1.0f);
        nbx_blas_gemv_t(part, s, ones, n, dim);
        for (size_t j = 0; j < dim; j++)
            v[j] += part[j];
    }
    return nbx_blas_solve(m, v, dim, 1);
}

enum nbx_err nbx_ials_row_solve(float *out, const struct nbx_ials_row *row, size_t dim,
                                float *scratch)
{
    if (row->n == 0) {
        memset(out, 0, dim * sizeof *out);
        return NBX_OK;
    }
    enum nbx_err err =
        row->n < dim ? solve_short(out, row, dim, scratch) : solve_long(out, row, dim, scratch);
    for (size_t j = 0; j < dim; j++)
        out[j] *= row->root[j];
    return err;
}
