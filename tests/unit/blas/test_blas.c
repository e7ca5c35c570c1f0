/* SPDX-License-Identifier: MIT */
#include "engine/blas/blas.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define SEED 20240131

static float *random_matrix(struct nbx_random *r, size_t m, size_t n)
{
    float *a = calloc(m * n + 1, sizeof *a);
    for (size_t i = 0; i < m * n; i++)
        a[i] = (float)nbx_random_normal(r);
    return a;
}

static void expect_near(double got, double want, double scale, const char *what)
{
    cr_assert(fabs(got - want) <= 1e-5 * (scale + fabs(want)), "%s: %g, not %g (seed %d)", what,
              got, want, SEED);
}

/* (i, j) of alpha AᵀA + beta I. */
static double gram_at(const float *a, size_t m, size_t n, size_t i, size_t j)
{
    double sum = 0;
    for (size_t r = 0; r < m; r++)
        sum += (double)a[r * n + i] * a[r * n + j];
    return sum;
}

Test(blas, gram_fills_the_lower_triangle_only)
{
    nbx_blas_init();
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 17, N = 9 };
    float *a = random_matrix(&r, M, N), c[N * N];
    for (size_t i = 0; i < N * N; i++)
        c[i] = 1.0f;
    nbx_blas_gram(c, a, M, N, 2.0f);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            expect_near(c[i * N + j], j <= i ? 1 + 2 * gram_at(a, M, N, i, j) : 1, 10, "gram");
    free(a);
}

Test(blas, rank1_and_outer_fill_the_lower_triangle_only)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 5, K = 3 };
    float *a = random_matrix(&r, M, K), c[M * M] = {0}, d[M * M] = {0};
    nbx_blas_outer(c, a, M, K);
    nbx_blas_rank1(d, a, M, 3.0f);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < M; j++) {
            double dot = 0;
            for (size_t k = 0; k < K; k++)
                dot += (double)a[i * K + k] * a[j * K + k];
            expect_near(c[i * M + j], j <= i ? dot : 0, 1, "outer");
            expect_near(d[i * M + j], j <= i ? 3.0 * a[i] * a[j] : 0, 1, "rank1");
        }
    }
    free(a);
}

Test(blas, products_match_loops)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 7, N = 5, K = 11 };
    float *a = random_matrix(&r, M, K), *b = random_matrix(&r, N, K), c[M * N], y[M], z[K];
    float *x = random_matrix(&r, 1, M);
    nbx_blas_gemm_nt(c, a, b, M, N, K);
    nbx_blas_gemv(y, a, b, M, K);
    nbx_blas_gemv_t(z, a, x, M, K);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < K; k++)
                sum += (double)a[i * K + k] * b[j * K + k];
            expect_near(c[i * N + j], sum, 1, "gemm_nt");
        }
        expect_near(y[i], c[i * N], 1, "gemv");
    }
    for (size_t k = 0; k < K; k++) {
        double sum = 0;
        for (size_t i = 0; i < M; i++)
            sum += (double)a[i * K + k] * x[i];
        expect_near(z[k], sum, 1, "gemv_t");
    }
    free(a);
    free(b);
    free(x);
}

Test(blas, a_product_in_doubles_is_added_to_what_is_there)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 4, N = 6, K = 9 };
    double a[K * M], b[K * N], c[M * N];
    for (size_t i = 0; i < K * M; i++)
        a[i] = nbx_random_normal(&r);
    for (size_t i = 0; i < K * N; i++)
        b[i] = nbx_random_normal(&r);
    for (size_t i = 0; i < M * N; i++)
        c[i] = 3;
    nbx_blas_gemm_tn_double(c, a, b, M, N, K);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 3;
            for (size_t k = 0; k < K; k++)
                sum += a[k * M + i] * b[k * N + j];
            cr_expect_float_eq(c[i * N + j], sum, 1e-13, "seed %d", SEED);
        }
}

Test(blas, products_are_added_to_what_is_there)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 7, N = 5, K = 11 };
    float *a = random_matrix(&r, M, K), *at = random_matrix(&r, K, M), *b = random_matrix(&r, K, N);
    float c[M * N], d[M * N];
    for (size_t i = 0; i < M * N; i++)
        c[i] = d[i] = (float)i;
    for (size_t i = 0; i < M; i++)
        for (size_t k = 0; k < K; k++)
            at[k * M + i] = a[i * K + k];
    nbx_blas_gemm_nn_add(c, a, b, M, N, K);
    nbx_blas_gemm_tn_add(d, at, b, M, N, K);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = (double)(i * N + j);
            for (size_t k = 0; k < K; k++)
                sum += (double)a[i * K + k] * b[k * N + j];
            expect_near(c[i * N + j], sum, 1, "gemm_nn_add");
            expect_near(d[i * N + j], sum, 1, "gemm_tn_add");
        }
    free(a);
    free(at);
    free(b);
}

Test(blas, solve_inverts_a_positive_definite_matrix)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 60, N = 12, RHS = 3 };
    float *a = random_matrix(&r, M, N), *b = random_matrix(&r, RHS, N), g[N * N] = {0}, l[N * N];
    float x[RHS * N], x2[RHS * N];
    nbx_blas_gram(g, a, M, N, 1.0f);
    for (size_t i = 0; i < N; i++) /* what lies above the diagonal must not matter */
        for (size_t j = i + 1; j < N; j++)
            g[i * N + j] = NAN;
    memcpy(l, g, sizeof g);
    memcpy(x, b, sizeof x);
    memcpy(x2, b, sizeof x2);
    cr_assert_eq(nbx_blas_solve(g, x, N, RHS), NBX_OK);
    cr_assert_eq(nbx_blas_cholesky(l, N), NBX_OK);
    nbx_blas_cholesky_solve(l, x2, N, RHS);
    cr_expect_arr_eq(x, x2, sizeof x);
    for (size_t s = 0; s < RHS; s++) {
        for (size_t i = 0; i < N; i++) {
            double sum = 0;
            for (size_t j = 0; j < N; j++)
                sum += gram_at(a, M, N, i, j) * x[s * N + j];
            expect_near(sum, b[s * N + i], 1, "A x");
        }
    }
    free(a);
    free(b);
}

Test(blas, an_indefinite_matrix_is_refused)
{
    float a[4] = {1, 0, 2, 1}, b[2] = {1, 1};
    cr_expect_eq(nbx_blas_solve(a, b, 2, 1), NBX_EBAD);
    float zero[1] = {0};
    cr_expect_eq(nbx_blas_cholesky(zero, 1), NBX_EBAD);
}

Test(blas, empty_systems_are_fine)
{
    float none[1] = {7};
    cr_expect_eq(nbx_blas_solve(none, none, 0, 0), NBX_OK);
    cr_expect_eq(nbx_blas_eigen(NULL, NULL, 0), NBX_OK);
    cr_expect_eq(none[0], 7);
}

Test(blas, eigen_takes_a_matrix_apart)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    enum { M = 40, N = 24 };
    float *a = random_matrix(&r, M, N);
    double q[N * N], values[N];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            q[i * N + j] = j <= i ? gram_at(a, M, N, i, j) : NAN;
    cr_assert_eq(nbx_blas_eigen(q, values, N), NBX_OK);
    for (size_t i = 0; i < N; i++) {
        cr_expect(i == 0 || values[i] >= values[i - 1]);
        for (size_t j = 0; j < N; j++) {
            double sum = 0, dot = 0;
            for (size_t k = 0; k < N; k++) {
                sum += values[k] * q[k * N + i] * q[k * N + j];
                dot += q[i * N + k] * q[j * N + k];
            }
            cr_assert(fabs(sum - gram_at(a, M, N, i, j)) < 1e-9);
            cr_assert(fabs(dot - (i == j)) < 1e-12);
        }
    }
    free(a);
}
