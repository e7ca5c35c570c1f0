/* SPDX-License-Identifier: MIT
 * Implicit alternating least squares, row by row.
 *
 * Why:     Rendle, Krichene, Zhang, Koren 2022 ("Revisiting the performance of iALS on item
 *          recommendation benchmarks", RecSys), eq. 1-5: with S the observed pairs of weight w,
 *          minimise
 *              sum_S w (x_c.y_i - 1)^2  +  alpha0 sum_all (x_c.y_i)^2
 *              + sum_c reg(n_c, n_items) |x_c|^2 + sum_i reg(n_i, n_customers) |y_i|^2,
 *              reg(n, n_other) = lambda (n + alpha0 n_other)^nu,
 *          customers and items in turn, each row being the solution of
 *              (alpha0 G + sum_S w y yT + reg I) x = sum_S w y,      G = YT Y.
 *          One eigendecomposition G = VT D V per half epoch makes alpha0 G + reg I diagonal for
 *          every row at once, so a row of n pairs costs one symmetric system of
 *          min(n, dim) unknowns (Woodbury where n < dim), if it is solved exactly (steps 0).
 *          engine/score/fold_in solves the same system when it serves.
 *          In that basis a few steps of conjugate gradients from the last epoch's row come as close
 *          in a quarter of the time (improve.h); and since customers and items converge as two
 *          blocks of one system, going 1.4 times as far as the steps lead (successive
 *          over-relaxation, Young 1954) saves half of the epochs. Each row's loss is a parabola
 *          along the way that was gone, so up to twice as far it is never above where it began.
 * Owns:    factors and scratch space; borrows the matrices.
 * Threads: one caller; a call spreads over options.threads and returns when they are done.
 * Errors:  NBX_EBAD names the option; NBX_ELIMIT where memory is out; NBX_EBAD without a field
 *          where the numbers overflowed and a system cannot be solved.
 *
 * The same seed, data and options give the same bits whatever the number of threads, on one
 * machine with one BLAS.
 */
#ifndef NBX_MODELS_IALS_IALS_H
#define NBX_MODELS_IALS_IALS_H

#include "engine/base/err.h"
#include "models/dataset/csr.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_IALS_MAX_DIM 4096

struct nbx_ials_options {
    size_t dim;
    float alpha0, lambda, nu;
    uint64_t seed;
    unsigned threads;
    unsigned steps;   /* of conjugate gradients for each row; 0: exact solutions */
    float relaxation; /* of steps, 1 to below 2; the first two epochs take less of it */
};

/* dim 64, alpha0 .01, lambda .003, nu 1, seed 1, steps 3, relaxation 1.4, threads: all processors.
 */
void nbx_ials_defaults(struct nbx_ials_options *out);
#define NBX_IALS_DEFAULT_EPOCHS     4
#define NBX_IALS_DEFAULT_STEPS      3
#define NBX_IALS_DEFAULT_RELAXATION 1.4f

struct nbx_ials;

/* by_customer (n_customers, n_items) and its transpose, both borrowed until destroy. Item factors
 * start as Normal(0, .1) / sqrt(dim), customers' at zero. */
enum nbx_err nbx_ials_new(struct nbx_ials **out, const struct nbx_csr *by_customer,
                          const struct nbx_csr *by_item, const struct nbx_ials_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_ials_destroy(struct nbx_ials **ials);

/* Factors as an earlier one's were after so many epochs: customers (n_customers, dim), items
 * (n_items, dim). What follows has the same bits. */
void nbx_ials_restart(struct nbx_ials *ials, const float *customers, const float *items,
                      uint64_t epochs);
/* One epoch: all customers given the items, then all items given the customers. With steps both
 * sides' factors turn together, so that only their inner products compare from epoch to epoch. */
enum nbx_err nbx_ials_epoch(struct nbx_ials *ials, struct nbx_fault *fault) NBX_MUST_CHECK;
/* The loss above; it never rises from one epoch to the next, but for rounding. */
enum nbx_err nbx_ials_loss(struct nbx_ials *ials, double *loss,
                           struct nbx_fault *fault) NBX_MUST_CHECK;

/* Turns the factors into the axes in which the items' Gram matrix is diagonal. No score changes,
 * and whoever folds customers in need not turn their histories (engine/score/fold_in.h). */
enum nbx_err nbx_ials_align(struct nbx_ials *ials, struct nbx_fault *fault) NBX_MUST_CHECK;

/* Borrowed until destroy; changed by each epoch. */
const float *nbx_ials_customers(const struct nbx_ials *ials); /* (n_customers, dim) */
const float *nbx_ials_items(const struct nbx_ials *ials);     /* (n_items, dim) */

/* Bytes that nbx_ials_new takes for such matrices, all of them before it returns. */
uint64_t nbx_ials_bound_bytes(size_t n_customers, size_t n_items,
                              const struct nbx_ials_options *options);

#endif
