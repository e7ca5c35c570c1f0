/* SPDX-License-Identifier: MIT */
#include "models/spectral/spectral.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20260303

static struct nbx_fault fault;

/* Each pair with a chance that falls with the item's number; the last item nobody takes. */
static struct nbx_dataset make_data(size_t n_customers, size_t n_items, double chance)
{
    struct nbx_dataset d = {.n_customers = n_customers, .n_items = n_items};
    struct nbx_triple *t = calloc(n_customers * n_items + 1, sizeof *t);
    struct nbx_random random;
    size_t n = 0;
    nbx_random_init(&random, SEED);
    for (size_t c = 0; c < n_customers; c++)
        for (size_t i = 0; i + 1 < n_items; i++)
            if (nbx_random_unit(&random) < chance * (1.5 - (double)i / (double)n_items))
                t[n++] = (struct nbx_triple){(uint32_t)c, (uint32_t)i, 1};
    cr_assert_eq(nbx_csr_from_triples(&d.by_customer, t, n, n_customers, n_items, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&d.by_item, &d.by_customer), NBX_OK);
    free(t);
    return d;
}

static void free_data(struct nbx_dataset *d)
{
    nbx_csr_fini(&d->by_customer);
    nbx_csr_fini(&d->by_item);
}

static struct nbx_spectral_options some_options(size_t dim, unsigned rounds)
{
    struct nbx_spectral_options o;
    nbx_blas_init();
    nbx_spectral_defaults(&o);
    o.dim = dim;
    o.rounds = rounds;
    o.seed = SEED;
    o.threads = 2;
    return o;
}

static struct nbx_spectral must_fit(const struct nbx_dataset *d,
                                    const struct nbx_spectral_options *o)
{
    struct nbx_spectral s;
    cr_assert_eq(nbx_spectral_fit(&s, d, o, &fault), NBX_OK, "%s", fault.message);
    return s;
}

static double count_power(const struct nbx_csr *pairs, size_t row, double power)
{
    size_t n = nbx_csr_row_entries(pairs, row);
    return n ? pow((double)n, power) : 0;
}

/* BT B (n_items, n_items), every pair of pairs of a customer visited. */
static double *dense_square(const struct nbx_dataset *d, const struct nbx_spectral_options *o)
{
    size_t m = d->n_items;
    double *a = calloc(m * m + 1, sizeof *a);
    for (size_t c = 0; c < d->n_customers; c++) {
        double weight = count_power(&d->by_customer, c, -2 * (double)o->customer_power);
        for (uint64_t p = d->by_customer.start[c]; p < d->by_customer.start[c + 1]; p++)
            for (uint64_t q = d->by_customer.start[c]; q < d->by_customer.start[c + 1]; q++) {
                size_t i = d->by_customer.col[p], j = d->by_customer.col[q];
                a[i * m + j] += weight * count_power(&d->by_item, i, -(double)o->item_power) *
                                count_power(&d->by_item, j, -(double)o->item_power);
            }
    }
    return a;
}

/* D^-in V VT D^out (n_items, n_items) from a dense decomposition. */
static double *dense_scores(const struct nbx_dataset *d, const struct nbx_spectral_options *o)
{
    size_t m = d->n_items;
    double *a = dense_square(d, o), *values = calloc(m + 1, sizeof *values);
    double *scores = calloc(m * m + 1, sizeof *scores);
    cr_assert_eq(nbx_blas_eigen(a, values, m), NBX_OK);
    for (size_t k = m - o->dim; k < m; k++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < m; j++)
                scores[i * m + j] += a[k * m + i] * a[k * m + j] *
                                     count_power(&d->by_item, i, -(double)o->in_power) *
                                     count_power(&d->by_item, j, (double)o->out_power);
    free(a);
    free(values);
    return scores;
}

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)x[k] * (double)y[k];
    return sum;
}

static void compare_with_dense(const struct nbx_dataset *d, const struct nbx_spectral_options *o)
{
    struct nbx_spectral s = must_fit(d, o);
    size_t m = d->n_items;
    double *wanted = dense_scores(d, o), largest = 0;
    cr_assert_eq(s.dim, o->dim);
    for (size_t i = 0; i < m * m; i++)
        largest = fmax(largest, fabs(wanted[i]));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double got = dot(s.history_factors + i * s.dim, s.item_factors + j * s.dim, s.dim);
            cr_assert_float_eq(got, wanted[i * m + j], 1e-4 * largest,
                               "seed %d, dim %zu: score (%zu, %zu) is %g, not %g", SEED, s.dim, i,
                               j, got, wanted[i * m + j]);
        }
    free(wanted);
    nbx_spectral_fini(&s);
    cr_expect_null(s.item_factors);
}

/* 90 items: more than columns are carried along. */
Test(spectral, agrees_with_a_dense_decomposition)
{
    static const float powers[][4] = {
        {.5f, .5f, .5f, .5f}, {0, 0, 0, 0}, {.3f, .6f, .7f, .2f}, {1, .2f, 0, 1}};
    struct nbx_dataset d = make_data(150, 90, 0.1);
    for (size_t p = 0; p < sizeof powers / sizeof *powers; p++)
        for (size_t dim = 1; dim <= 12; dim += 11) {
            struct nbx_spectral_options o = some_options(dim, 40);
            o.customer_power = powers[p][0];
            o.item_power = powers[p][1];
            o.in_power = powers[p][2];
            o.out_power = powers[p][3];
            compare_with_dense(&d, &o);
        }
    free_data(&d);
}

/* V from item factors made with out_power 0. */
static double column_product(const struct nbx_spectral *s, size_t n_items, size_t a, size_t b)
{
    double sum = 0;
    for (size_t i = 0; i < n_items; i++)
        sum += (double)s->item_factors[i * s->dim + a] * (double)s->item_factors[i * s->dim + b];
    return sum;
}

/* The first `rank` columns of V are orthonormal, the others 0. */
static void expect_orthonormal(const struct nbx_spectral *s, size_t n_items, size_t rank)
{
    for (size_t a = 0; a < s->dim; a++)
        for (size_t b = 0; b <= a; b++)
            cr_expect_float_eq(column_product(s, n_items, a, b), a == b && a < rank ? 1 : 0, 1e-5,
                               "seed %d: columns %zu and %zu of %zu: %g", SEED, a, b, s->dim,
                               column_product(s, n_items, a, b));
}

Test(spectral, vectors_are_orthonormal_after_one_round_too)
{
    struct nbx_dataset d = make_data(400, 300, 0.05);
    struct nbx_spectral_options o = some_options(100, 1);
    o.out_power = 0;
    struct nbx_spectral s = must_fit(&d, &o);
    expect_orthonormal(&s, d.n_items, 100);
    nbx_spectral_fini(&s);
    free_data(&d);
}

/* Seven customers: seven singular values at most, whatever was asked for. */
Test(spectral, beyond_the_rank_there_is_nothing)
{
    struct nbx_dataset d = make_data(7, 50, 0.3);
    for (unsigned rounds = 1; rounds <= 9; rounds += 4) {
        struct nbx_spectral_options o = some_options(20, rounds);
        o.out_power = 0;
        struct nbx_spectral s = must_fit(&d, &o);
        expect_orthonormal(&s, d.n_items, 7);
        nbx_spectral_fini(&s);
    }
    free_data(&d);
}

Test(spectral, dim_is_cut_to_the_number_of_items)
{
    struct nbx_dataset d = make_data(200, 20, 0.3);
    struct nbx_spectral_options o = some_options(NBX_SPECTRAL_MAX_DIM, 6);
    o.out_power = 0;
    struct nbx_spectral s = must_fit(&d, &o);
    cr_expect_eq(s.dim, 20);
    expect_orthonormal(&s, d.n_items, 19); /* nobody takes the last item */
    for (size_t k = 0; k < s.dim; k++)
        cr_expect_eq(s.item_factors[19 * s.dim + k], 0);
    nbx_spectral_fini(&s);
    free_data(&d);
}

/* 600 items: three units of rows; 100 dimensions: three squares of the small matrix. */
Test(spectral, threads_do_not_change_a_bit_and_seeds_do)
{
    struct nbx_dataset d = make_data(700, 600, 0.02);
    struct nbx_spectral_options o = some_options(100, 2);
    size_t bytes = d.n_items * o.dim * sizeof(float);
    o.threads = 1;
    struct nbx_spectral one = must_fit(&d, &o);
    for (o.threads = 2; o.threads <= 5; o.threads++) {
        struct nbx_spectral s = must_fit(&d, &o);
        cr_expect_arr_eq(s.item_factors, one.item_factors, bytes);
        cr_expect_arr_eq(s.history_factors, one.history_factors, bytes);
        nbx_spectral_fini(&s);
    }
    o.threads = 2;
    o.seed++;
    struct nbx_spectral other = must_fit(&d, &o);
    cr_expect_neq(memcmp(other.item_factors, one.item_factors, bytes), 0);
    nbx_spectral_fini(&other);
    nbx_spectral_fini(&one);
    free_data(&d);
}

Test(spectral, nothing_to_learn_from)
{
    struct nbx_dataset none = make_data(0, 0, 0), alone = make_data(3, 5, 0);
    struct nbx_spectral_options o = some_options(4, 3);
    struct nbx_spectral s = must_fit(&none, &o);
    cr_expect_eq(s.dim, 0);
    nbx_spectral_fini(&s);
    s = must_fit(&alone, &o);
    for (size_t k = 0; k < 5 * 4; k++)
        cr_expect(s.item_factors[k] == 0 && s.history_factors[k] == 0);
    nbx_spectral_fini(&s);
    free_data(&none);
    free_data(&alone);
}

static void expect_refused(const struct nbx_spectral_options *o, const char *field)
{
    struct nbx_dataset d = make_data(3, 5, 0.5);
    struct nbx_spectral s;
    cr_expect_eq(nbx_spectral_fit(&s, &d, o, &fault), NBX_EBAD, "%s", field);
    cr_expect_str_eq(fault.field, field);
    cr_expect_null(s.item_factors);
    free_data(&d);
}

#define REFUSED(member, value)                                                                     \
    do {                                                                                           \
        struct nbx_spectral_options refused = some_options(4, 3);                                  \
        refused.member = (value);                                                                  \
        expect_refused(&refused, #member);                                                         \
    } while (0)

Test(spectral, options_are_refused_by_name)
{
    REFUSED(dim, 0);
    REFUSED(dim, NBX_SPECTRAL_MAX_DIM + 1);
    REFUSED(customer_power, -0.1f);
    REFUSED(customer_power, NAN);
    REFUSED(item_power, 2.1f);
    REFUSED(in_power, INFINITY);
    REFUSED(out_power, -1);
    REFUSED(rounds, 0);
    REFUSED(rounds, 51);
    REFUSED(threads, 0);
    REFUSED(threads, 257);
}

Test(spectral, the_bound_covers_the_factors_and_grows_with_threads)
{
    struct nbx_dataset d = make_data(100, 200, 0.05);
    struct nbx_spectral_options o = some_options(64, 3);
    uint64_t two = nbx_spectral_bound_bytes(&d, &o);
    cr_expect_gt(two, 3 * 200 * 64 * sizeof(float));
    o.threads = 3;
    cr_expect_gt(nbx_spectral_bound_bytes(&d, &o), two);
    free_data(&d);
}
