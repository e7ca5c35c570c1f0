/* SPDX-License-Identifier: MIT */
#include "engine/score/fold_in.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define SEED    4321
#define N_ITEMS 500
#define MAX_DIM 96
#define MAX_N   700

static float items[N_ITEMS * MAX_DIM]; /* (N_ITEMS, dim) */
static float gram[MAX_DIM * MAX_DIM];
static const float *factors[MAX_N];
static float weights[MAX_N];
static struct nbx_random rng;
static struct nbx_arena *arena;

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(64 << 20);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(fold_in, .init = setup, .fini = teardown);

/* Trained factors fall off from dimension to dimension; so do these. */
static void make_items(size_t dim)
{
    for (size_t i = 0; i < N_ITEMS; i++)
        for (size_t d = 0; d < dim; d++)
            items[i * dim + d] = (float)(nbx_random_normal(&rng) / sqrt(1.0 + (double)d));
    memset(gram, 0, sizeof gram);
    nbx_blas_gram(gram, items, N_ITEMS, dim, 1.0f);
}

static struct nbx_history make_history(size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        factors[i] = items + nbx_random_below(&rng, N_ITEMS) * dim;
        weights[i] = nbx_random_below(&rng, 2) ? 1.0f : 0.1f + 5 * (float)nbx_random_unit(&rng);
    }
    return (struct nbx_history){factors, weights, n};
}

/* M = alpha0 G + reg I + sum w y yT in doubles, from the items themselves. */
static void reference_matrix(double *m, const struct nbx_history *h, size_t dim,
                             struct nbx_fold_in_options o)
{
    double reg = (double)o.lambda * pow((double)h->n + (double)o.alpha0 * N_ITEMS, (double)o.nu);
    for (size_t a = 0; a < dim; a++) {
        for (size_t b = 0; b < dim; b++) {
            double sum = a == b ? reg : 0;
            for (size_t i = 0; i < N_ITEMS; i++)
                sum += (double)o.alpha0 * items[i * dim + a] * items[i * dim + b];
            for (size_t i = 0; i < h->n; i++)
                sum += (double)h->weights[i] * h->factors[i][a] * h->factors[i][b];
            m[a * dim + b] = sum;
        }
    }
}

/* Gauss with partial pivoting; m and x are overwritten. */
static void gauss(double *m, double *x, size_t dim)
{
    for (size_t c = 0; c < dim; c++) {
        size_t pivot = c;
        for (size_t r = c + 1; r < dim; r++)
            pivot = fabs(m[r * dim + c]) > fabs(m[pivot * dim + c]) ? r : pivot;
        for (size_t k = 0; k < dim; k++) {
            double keep = m[c * dim + k];
            m[c * dim + k] = m[pivot * dim + k];
            m[pivot * dim + k] = keep;
        }
        double keep = x[c];
        x[c] = x[pivot];
        x[pivot] = keep;
        for (size_t r = c + 1; r < dim; r++) {
            double f = m[r * dim + c] / m[c * dim + c];
            for (size_t k = c; k < dim; k++)
                m[r * dim + k] -= f * m[c * dim + k];
            x[r] -= f * x[c];
        }
    }
    for (size_t c = dim; c-- > 0;) {
        for (size_t k = c + 1; k < dim; k++)
            x[c] -= m[c * dim + k] * x[k];
        x[c] /= m[c * dim + c];
    }
}

static void reference_solve(double *x, const struct nbx_history *h, size_t dim,
                            struct nbx_fold_in_options o)
{
    static double m[MAX_DIM * MAX_DIM];
    reference_matrix(m, h, dim, o);
    for (size_t d = 0; d < dim; d++) {
        x[d] = 0;
        for (size_t i = 0; i < h->n; i++)
            x[d] += (double)h->weights[i] * h->factors[i][d];
    }
    gauss(m, x, dim);
}

static void check_vector(const struct nbx_fold_in *fold, const struct nbx_history *h, size_t dim,
                         struct nbx_fold_in_options o)
{
    double want[MAX_DIM], error = 0, size = 0;
    float x[MAX_DIM + NBX_LANES];
    for (size_t d = 0; d < nbx_padded(dim); d++)
        x[d] = NAN;
    cr_assert_eq(nbx_fold_in_customer(fold, h, arena, x), NBX_OK);
    reference_solve(want, h, dim, o);
    for (size_t d = 0; d < dim; d++) {
        error += (x[d] - want[d]) * (x[d] - want[d]);
        size += want[d] * want[d];
    }
    cr_assert(sqrt(error) <= 2e-4 * sqrt(size), "dim %zu n %zu: relative error %.2g, seed %d", dim,
              h->n, sqrt(error / size), SEED);
    for (size_t d = dim; d < nbx_padded(dim); d++)
        cr_assert_eq(x[d], 0);
    nbx_arena_reset(arena);
}

static void check_shares(const struct nbx_fold_in *fold, const struct nbx_history *h, size_t dim)
{
    float x[MAX_DIM + NBX_LANES], shares[MAX_N];
    const float *y = items + nbx_random_below(&rng, N_ITEMS) * dim;
    cr_assert_eq(nbx_fold_in_customer(fold, h, arena, x), NBX_OK);
    cr_assert_eq(nbx_fold_in_explain(fold, h, y, arena, shares), NBX_OK);
    double score = 0, sum = 0, magnitude = 0;
    for (size_t d = 0; d < dim; d++)
        score += (double)x[d] * y[d];
    for (size_t i = 0; i < h->n; i++) {
        sum += shares[i];
        magnitude += fabs(shares[i]);
    }
    cr_assert(fabs(sum - score) <= 1e-4 * (magnitude + fabs(score)),
              "dim %zu n %zu: shares sum to %g, score %g, seed %d", dim, h->n, sum, score, SEED);
    nbx_arena_reset(arena);
}

static const struct nbx_fold_in_options usual = {.alpha0 = 0.01f, .lambda = 0.003f, .nu = 1};

/* The items that there are, with histories of many lengths. */
static void check_lengths(size_t dim, struct nbx_fold_in_options o)
{
    static const size_t lengths[] = {1, 2, 5, 20, 50, 95, 96, 97, 256, 257, 600};
    struct nbx_fold_in *fold = NULL;
    cr_assert_eq(nbx_fold_in_new(&fold, gram, dim, N_ITEMS, o), NBX_OK);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct nbx_history h = make_history(lengths[i], dim);
        check_vector(fold, &h, dim, o);
        check_shares(fold, &h, dim);
    }
    struct nbx_history h = make_history(dim > 1 ? dim - 1 : 1, dim); /* the last by Woodbury */
    check_vector(fold, &h, dim, o);
    check_shares(fold, &h, dim);
    nbx_fold_in_destroy(&fold);
    cr_assert_null(fold);
}

static void check_dim(size_t dim, struct nbx_fold_in_options o)
{
    make_items(dim);
    check_lengths(dim, o);
}

/* Turns the items into the axes of their Gram matrix, as nbx-train does. */
static void align_items(size_t dim)
{
    static double axes[MAX_DIM * MAX_DIM], values[MAX_DIM];
    for (size_t i = 0; i < dim * dim; i++)
        axes[i] = gram[i];
    cr_assert_eq(nbx_blas_eigen(axes, values, dim), NBX_OK);
    for (size_t i = 0; i < N_ITEMS; i++) {
        float row[MAX_DIM];
        memcpy(row, items + i * dim, dim * sizeof *row);
        for (size_t a = 0; a < dim; a++) {
            double sum = 0;
            for (size_t d = 0; d < dim; d++)
                sum += axes[a * dim + d] * row[d];
            items[i * dim + a] = (float)sum;
        }
    }
    memset(gram, 0, sizeof gram);
    nbx_blas_gram(gram, items, N_ITEMS, dim, 1.0f);
}

Test(fold_in, aligned_factors_need_no_turning_and_give_the_same)
{
    static const size_t dims[] = {1, 16, 64, 96};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        make_items(dims[i]);
        align_items(dims[i]);
        check_lengths(dims[i], usual);
    }
}

Test(fold_in, equals_the_reference_solution)
{
    static const size_t dims[] = {1, 2, 16, 17, 64, 96};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        check_dim(dims[i], usual);
}

Test(fold_in, equals_the_reference_under_other_settings)
{
    check_dim(32, (struct nbx_fold_in_options){.alpha0 = 1, .lambda = 0.1f, .nu = 0});
    check_dim(32, (struct nbx_fold_in_options){.alpha0 = 0.1f, .lambda = 0.05f, .nu = 0.5f});
    check_dim(32, (struct nbx_fold_in_options){.alpha0 = 0, .lambda = 1, .nu = 1});
}

/* One share worked out from the definition itself. */
Test(fold_in, a_share_is_what_its_event_adds_to_the_score)
{
    enum { DIM = 8 };
    static double m[DIM * DIM];
    double t[DIM], want = 0;
    float shares[20];
    struct nbx_fold_in *fold = NULL;
    make_items(DIM);
    cr_assert_eq(nbx_fold_in_new(&fold, gram, DIM, N_ITEMS, usual), NBX_OK);
    for (size_t n = 5; n <= 20; n += 15) {
        struct nbx_history h = make_history(n, DIM);
        reference_matrix(m, &h, DIM, usual);
        for (size_t d = 0; d < DIM; d++)
            t[d] = items[d];
        gauss(m, t, DIM);
        want = 0;
        for (size_t d = 0; d < DIM; d++)
            want += (double)h.weights[2] * h.factors[2][d] * t[d];
        cr_assert_eq(nbx_fold_in_explain(fold, &h, items, arena, shares), NBX_OK);
        cr_expect(fabs(shares[2] - want) < 1e-4 * (1 + fabs(want)), "n %zu: %g, not %g", n,
                  shares[2], want);
    }
    nbx_fold_in_destroy(&fold);
}

Test(fold_in, an_empty_history_gives_zeros)
{
    struct nbx_fold_in *fold = NULL;
    float x[NBX_LANES] = {1, 2, 3}, zeros[NBX_LANES] = {0};
    make_items(3);
    cr_assert_eq(nbx_fold_in_new(&fold, gram, 3, N_ITEMS, usual), NBX_OK);
    struct nbx_history none = {0};
    cr_expect_eq(nbx_fold_in_customer(fold, &none, arena, x), NBX_OK);
    cr_expect_arr_eq(x, zeros, sizeof x);
    cr_expect_eq(nbx_fold_in_explain(fold, &none, items, arena, NULL), NBX_OK);
    nbx_fold_in_destroy(&fold);
    nbx_fold_in_destroy(NULL);
}

Test(fold_in, the_same_history_gives_the_same_bits)
{
    enum { DIM = 64 };
    struct nbx_fold_in *fold = NULL, *again = NULL;
    float x[DIM], y[DIM];
    make_items(DIM);
    cr_assert_eq(nbx_fold_in_new(&fold, gram, DIM, N_ITEMS, usual), NBX_OK);
    cr_assert_eq(nbx_fold_in_new(&again, gram, DIM, N_ITEMS, usual), NBX_OK);
    for (size_t n = 1; n < 150; n += 7) {
        struct nbx_history h = make_history(n, DIM);
        cr_assert_eq(nbx_fold_in_customer(fold, &h, arena, x), NBX_OK);
        cr_assert_not_null(nbx_arena_alloc(arena, 48));
        cr_assert_eq(nbx_fold_in_customer(again, &h, arena, y), NBX_OK);
        cr_assert_arr_eq(x, y, sizeof x, "n %zu", n);
    }
    nbx_fold_in_destroy(&fold);
    nbx_fold_in_destroy(&again);
}

Test(fold_in, only_the_lower_triangle_is_read)
{
    enum { DIM = 4 };
    struct nbx_fold_in *fold = NULL;
    make_items(DIM);
    for (size_t i = 0; i < DIM; i++)
        for (size_t j = i + 1; j < DIM; j++)
            gram[i * DIM + j] = NAN;
    cr_assert_eq(nbx_fold_in_new(&fold, gram, DIM, N_ITEMS, usual), NBX_OK);
    struct nbx_history h = make_history(2, DIM);
    check_vector(fold, &h, DIM, usual);
    nbx_fold_in_destroy(&fold);
}

Test(fold_in, what_cannot_be_solved_is_refused)
{
    enum { DIM = 8 };
    struct nbx_fold_in *fold = NULL;
    float x[NBX_LANES], nothing[DIM * DIM] = {0}, bad[DIM * DIM] = {NAN};
    make_items(DIM);
    cr_expect_eq(nbx_fold_in_new(&fold, bad, DIM, N_ITEMS, usual), NBX_EBAD);
    cr_expect_null(fold);
    struct nbx_fold_in_options none = {0};
    cr_assert_eq(nbx_fold_in_new(&fold, nothing, DIM, N_ITEMS, none), NBX_OK);
    struct nbx_history h = make_history(3, DIM);
    cr_expect_eq(nbx_fold_in_customer(fold, &h, arena, x), NBX_EBAD);
    h = make_history(20, DIM);
    weights[3] = NAN;
    cr_expect_eq(nbx_fold_in_customer(fold, &h, arena, x), NBX_EBAD);
    nbx_fold_in_destroy(&fold);
}

Test(fold_in, a_full_arena_is_a_limit)
{
    enum { DIM = 16 };
    struct nbx_fold_in *fold = NULL;
    struct nbx_arena *tiny = nbx_arena_new(600);
    float x[DIM], shares[40];
    make_items(DIM);
    cr_assert_eq(nbx_fold_in_new(&fold, gram, DIM, N_ITEMS, usual), NBX_OK);
    for (size_t n = 4; n <= 40; n += 36) {
        struct nbx_history h = make_history(n, DIM);
        cr_expect_eq(nbx_fold_in_customer(fold, &h, tiny, x), NBX_ELIMIT);
        cr_expect_eq(nbx_fold_in_explain(fold, &h, items, tiny, shares), NBX_ELIMIT);
    }
    nbx_fold_in_destroy(&fold);
    nbx_arena_destroy(&tiny);
}
