/* SPDX-License-Identifier: MIT */
#include "models/compress/joint.h"

#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 256
/* Directions in which customers differ by less than this share of the most are rounding. */
#define LEAST_SHARE 1e-7

/* All (dims, dims). */
struct algebra {
    size_t dims;
    double *c;     /* (XH)T XH, then its eigenvectors by rows */
    double *items; /* YT Y, then the eigenvectors of W YT Y WT by rows */
    double *wt;    /* WT = QT diag(root of values) */
    double *work;
    double *values, *roots; /* (dims) */
};

static enum nbx_err algebra_init(struct algebra *a, size_t dims)
{
    *a = (struct algebra){.dims = dims};
    a->c = calloc(dims * dims, sizeof *a->c);
    a->items = calloc(dims * dims, sizeof *a->items);
    a->wt = calloc(dims * dims, sizeof *a->wt);
    a->work = calloc(dims * dims, sizeof *a->work);
    a->values = calloc(dims, sizeof *a->values);
    a->roots = calloc(dims, sizeof *a->roots);
    bool ok = a->c && a->items && a->wt && a->work && a->values && a->roots;
    return ok ? NBX_OK : NBX_ELIMIT;
}

static void algebra_fini(struct algebra *a)
{
    free(a->c);
    free(a->items);
    free(a->wt);
    free(a->work);
    free(a->values);
    free(a->roots);
}

/* out (dims, dims), full, from the lower triangle of gram. */
static void widen(double *out, const float *gram, size_t dims)
{
    for (size_t i = 0; i < dims; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * dims + j] = out[j * dims + i] = (double)gram[i * dims + j];
}

/* gram (dims, dims) lower += (XH)T XH over the sample of customers. */
static enum nbx_err add_customers(float *gram, const struct nbx_linear *linear,
                                  const struct nbx_dataset *dataset)
{
    size_t rows, at = 0, dims = linear->dims;
    float *x = malloc(BLOCK * dims * sizeof *x);
    if (!x)
        return NBX_ELIMIT;
    do {
        for (rows = 0; rows < BLOCK; rows++) {
            size_t customer = nbx_linear_customer(dataset, at + rows);
            if (customer == dataset->n_customers)
                break;
            nbx_linear_sum(x + rows * dims, dataset, customer, linear->history, dims);
        }
        if (rows)
            nbx_blas_gram(gram, x, rows, dims, 1);
        at += rows;
    } while (rows == BLOCK);
    free(x);
    return NBX_OK;
}

static enum nbx_err find_grams(struct algebra *a, const struct nbx_linear *linear,
                               const struct nbx_dataset *dataset)
{
    float *gram = calloc(2 * a->dims * a->dims, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    float *items = gram + a->dims * a->dims;
    enum nbx_err err = add_customers(gram, linear, dataset);
    nbx_blas_gram(items, linear->items, linear->n_items, a->dims, 1);
    widen(a->c, gram, a->dims);
    widen(a->items, items, a->dims);
    free(gram);
    return err;
}

/* wt from the eigenvectors in c; a root of 0 where there is nothing but rounding. */
static void find_whitening(struct algebra *a)
{
    size_t n = a->dims;
    double most = a->values[n - 1];
    for (size_t i = 0; i < n; i++)
        a->roots[i] = a->values[i] > LEAST_SHARE * most ? sqrt(a->values[i]) : 0;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < n; d++)
            a->wt[d * n + i] = a->roots[i] * a->c[i * n + d];
}

/* items becomes the eigenvectors of W YT Y WT by rows, the last ones the largest. */
static enum nbx_err find_axes(struct algebra *a)
{
    size_t n = a->dims;
    memset(a->work, 0, n * n * sizeof *a->work);
    nbx_blas_gemm_tn_double(a->work, a->items, a->wt, n, n, n); /* YT Y WT, YT Y symmetric */
    memset(a->items, 0, n * n * sizeof *a->items);
    nbx_blas_gemm_tn_double(a->items, a->wt, a->work, n, n, n);
    return nbx_blas_eigen(a->items, a->values, n);
}

/* to_items, to_history (dims): the rows of UT W and of UT W^-T for an eigenvector u (dims). */
static void find_turn(const struct algebra *a, const double *u, float *to_items, float *to_history)
{
    size_t n = a->dims;
    for (size_t d = 0; d < n; d++) {
        double w = 0, inverse = 0;
        for (size_t i = 0; i < n; i++) {
            w += u[i] * a->wt[d * n + i];
            inverse += a->roots[i] > 0 ? u[i] / a->roots[i] * a->c[i * n + d] : 0;
        }
        to_items[d] = (float)w;
        to_history[d] = (float)inverse;
    }
}

static enum nbx_err turn(struct nbx_joint *out, const struct nbx_linear *linear,
                         const struct algebra *a)
{
    size_t n = linear->n_items, k = out->dims;
    size_t dims = a->dims;
    float *turns = malloc(2 * k * dims * sizeof *turns), *back = turns + k * dims;
    out->history = malloc((n * k + 1) * sizeof *out->history);
    out->items = malloc((n * k + 1) * sizeof *out->items);
    bool ok = turns && out->history && out->items;
    if (ok) {
        for (size_t j = 0; j < k; j++) /* the largest come last */
            find_turn(a, a->items + (dims - 1 - j) * dims, turns + j * dims, back + j * dims);
        nbx_blas_gemm_nt(out->items, linear->items, turns, n, k, dims);
        nbx_blas_gemm_nt(out->history, linear->history, back, n, k, dims);
    }
    free(turns);
    return ok ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_joint_make(struct nbx_joint *out, const struct nbx_linear *linear,
                            const struct nbx_dataset *dataset, size_t dims)
{
    struct algebra a;
    *out = (struct nbx_joint){.dims = dims < linear->dims ? dims : linear->dims};
    enum nbx_err err = algebra_init(&a, linear->dims);
    if (!err)
        err = find_grams(&a, linear, dataset);
    if (!err)
        err = nbx_blas_eigen(a.c, a.values, a.dims);
    if (!err) {
        find_whitening(&a);
        err = find_axes(&a);
    }
    if (!err)
        err = turn(out, linear, &a);
    algebra_fini(&a);
    return err;
}
