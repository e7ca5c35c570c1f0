/* SPDX-License-Identifier: MIT
 * Dense linear algebra: the door to cblas and LAPACK.
 *
 * Why:     OpenBLAS proposes and trains; it never gives a final score (engine/score/dot does).
 * Owns:    nothing. Matrices are row-major, fp32 unless a
 *          function says otherwise; symmetric ones hold their lower triangle.
 * Threads: any; OpenBLAS itself is set to one thread by nbx_blas_init.
 * Errors:  Cholesky answers NBX_EBAD where the matrix is not positive definite, eigen where it
 *          does not converge (NaN inside) and NBX_ELIMIT where memory is out. Dimensions above
 *          INT_MAX are a bug of the caller.
 */
#ifndef NBX_BLAS_BLAS_H
#define NBX_BLAS_BLAS_H

#include "engine/base/err.h"

#include <stddef.h>

/* Once, first thing in main: one thread, so that results do not depend on the machine's cores. */
void nbx_blas_init(void);

/* C (n, n) lower += alpha * Aᵀ A, A (m, n). */
void nbx_blas_gram(float *c, const float *a, size_t m, size_t n, float alpha);
/* C (n, n) lower += alpha * x xᵀ, x (n). */
void nbx_blas_rank1(float *c, const float *x, size_t n, float alpha);
/* y (m) = A x, A (m, n). */
void nbx_blas_gemv(float *y, const float *a, const float *x, size_t m, size_t n);
/* y (n) = Aᵀ x, A (m, n). */
void nbx_blas_gemv_t(float *y, const float *a, const float *x, size_t m, size_t n);
/* C (m, m) lower += A Aᵀ, A (m, k). */
void nbx_blas_outer(float *c, const float *a, size_t m, size_t k);
/* C (m, n) = A Bᵀ, A (m, k), B (n, k). */
void nbx_blas_gemm_nt(float *c, const float *a, const float *b, size_t m, size_t n, size_t k);
/* C (m, n) += Aᵀ B, A (k, m), B (k, n), in doubles. */
void nbx_blas_gemm_tn_double(double *c, const double *a, const double *b, size_t m, size_t n,
                             size_t k);
/* C (m, n) += A B, A (m, k), B (k, n). */
void nbx_blas_gemm_nn_add(float *c, const float *a, const float *b, size_t m, size_t n, size_t k);
/* C (m, n) += Aᵀ B, A (k, m), B (k, n). */
void nbx_blas_gemm_tn_add(float *c, const float *a, const float *b, size_t m, size_t n, size_t k);
/* Cholesky in place of the lower triangle of A (n, n): A = L Lᵀ. */
enum nbx_err nbx_blas_cholesky(float *a, size_t n);
/* Solves L Lᵀ X = B in place for n_rhs right-hand sides, B (n_rhs, n), each row one side. */
void nbx_blas_cholesky_solve(const float *l, float *b, size_t n, size_t n_rhs);
/* A X = B in one go: factors the lower triangle of A (n, n) in place, then solves, B (n_rhs, n). */
enum nbx_err nbx_blas_solve(float *a, float *b, size_t n, size_t n_rhs);
/* A = Qᵀ diag(values) Q from the lower triangle of A (n, n), in doubles: done once per model.
 * In place: row i of A becomes the unit eigenvector of values[i]; values (n) ascend. */
enum nbx_err nbx_blas_eigen(double *a, double *values, size_t n);

#endif
