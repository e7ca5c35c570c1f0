/* SPDX-License-Identifier: MIT */
#include "engine/blas/blas.h"

#include "engine/base/check.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>

/* LAPACK by its Fortran names: Debian's OpenBLAS carries no LAPACKE. Fortran is column-major, so
 * our row-major lower triangle is its upper one, and our rows of right-hand sides its columns. */
void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void spotrs_(const char *uplo, const int *n, const int *nrhs, const float *a, const int *lda,
             float *b, const int *ldb, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

static const char ROW_LOWER[] = "U";

static int to_int(size_t n)
{
    NBX_ASSERT(n <= INT_MAX);
    return (int)n;
}

void nbx_blas_init(void)
{
    openblas_set_num_threads(1);
}

void nbx_blas_gram(float *c, const float *a, size_t m, size_t n, float alpha)
{
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, to_int(n), to_int(m), alpha, a, to_int(n),
                1.0f, c, to_int(n));
}

void nbx_blas_rank1(float *c, const float *x, size_t n, float alpha)
{
    cblas_ssyr(CblasRowMajor, CblasLower, to_int(n), alpha, x, 1, c, to_int(n));
}

void nbx_blas_gemv(float *y, const float *a, const float *x, size_t m, size_t n)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, to_int(m), to_int(n), 1.0f, a, to_int(n), x, 1, 0.0f,
                y, 1);
}

void nbx_blas_gemv_t(float *y, const float *a, const float *x, size_t m, size_t n)
{
    cblas_sgemv(CblasRowMajor, CblasTrans, to_int(m), to_int(n), 1.0f, a, to_int(n), x, 1, 0.0f, y,
                1);
}

void nbx_blas_gemm_nt(float *c, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, to_int(m), to_int(n), to_int(k), 1.0f, a,
                to_int(k), b, to_int(k), 0.0f, c, to_int(n));
}

void nbx_blas_gemm_tn_double(double *c, const double *a, const double *b, size_t m, size_t n,
                             size_t k)
{
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, to_int(m), to_int(n), to_int(k), 1.0, a,
                to_int(m), b, to_int(n), 1.0, c, to_int(n));
}

void nbx_blas_gemm_nn_add(float *c, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, to_int(m), to_int(n), to_int(k), 1.0f, a,
                to_int(k), b, to_int(n), 1.0f, c, to_int(n));
}

void nbx_blas_gemm_tn_add(float *c, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, to_int(m), to_int(n), to_int(k), 1.0f, a,
                to_int(m), b, to_int(n), 1.0f, c, to_int(n));
}

void nbx_blas_outer(float *c, const float *a, size_t m, size_t k)
{
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, to_int(m), to_int(k), 1.0f, a, to_int(k),
                1.0f, c, to_int(m));
}

enum nbx_err nbx_blas_cholesky(float *a, size_t n)
{
    int size = to_int(n), info = 0;
    if (n == 0)
        return NBX_OK;
    spotrf_(ROW_LOWER, &size, a, &size, &info);
    NBX_ASSERT(info >= 0);
    return info ? NBX_EBAD : NBX_OK;
}

void nbx_blas_cholesky_solve(const float *l, float *b, size_t n, size_t n_rhs)
{
    int size = to_int(n), sides = to_int(n_rhs), info = 0;
    if (n == 0 || n_rhs == 0)
        return;
    spotrs_(ROW_LOWER, &size, &sides, l, &size, b, &size, &info);
    NBX_ASSERT(info == 0);
}

enum nbx_err nbx_blas_solve(float *a, float *b, size_t n, size_t n_rhs)
{
    enum nbx_err err = nbx_blas_cholesky(a, n);
    if (!err)
        nbx_blas_cholesky_solve(a, b, n, n_rhs);
    return err;
}

enum nbx_err nbx_blas_eigen(double *a, double *values, size_t n)
{
    int size = to_int(n), info = 0, n_work = -1, n_iwork = -1, iwork_size = 0;
    double work_size = 0;
    if (n == 0)
        return NBX_OK;
    dsyevd_("V", ROW_LOWER, &size, a, &size, values, &work_size, &n_work, &iwork_size, &n_iwork,
            &info);
    n_work = (int)work_size;
    n_iwork = iwork_size;
    double *work = malloc((size_t)n_work * sizeof *work);
    int *iwork = malloc((size_t)n_iwork * sizeof *iwork);
    if (work && iwork)
        dsyevd_("V", ROW_LOWER, &size, a, &size, values, work, &n_work, iwork, &n_iwork, &info);
    enum nbx_err err = !work || !iwork ? NBX_ELIMIT : info ? NBX_EBAD : NBX_OK;
    free(work);
    free(iwork);
    return err;
}
