/* SPDX-License-Identifier: MIT */
#include "models/ease/ease.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED      20260611
#define CUSTOMERS 60
#define ITEMS     20

static struct nbx_fault fault;
static struct nbx_dataset shop; /* the matrices alone */

static void make_shop(void)
{
    struct nbx_random random;
    struct nbx_triple t[CUSTOMERS * ITEMS];
    size_t n = 0;
    nbx_blas_init();
    nbx_random_init(&random, SEED);
    for (uint32_t c = 0; c < CUSTOMERS; c++)
        for (uint32_t i = 0; i < ITEMS; i++)
            if (nbx_random_unit(&random) < 0.35 + 0.4 * ((c + i) % 3 == 0))
                t[n++] = (struct nbx_triple){c, i, 1};
    shop = (struct nbx_dataset){.n_customers = CUSTOMERS, .n_items = ITEMS};
    cr_assert_eq(nbx_csr_from_triples(&shop.by_customer, t, n, CUSTOMERS, ITEMS, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&shop.by_item, &shop.by_customer), NBX_OK);
}

static void free_shop(void)
{
    nbx_csr_fini(&shop.by_customer);
    nbx_csr_fini(&shop.by_item);
}

TestSuite(ease, .init = make_shop, .fini = free_shop);

static const struct nbx_ease_options plain = {
    .support = ITEMS, .lambda = 3, .keep = ITEMS, .threads = 2, .progress_fd = -1};

static double entry(const struct nbx_csr *b, size_t row, uint32_t col)
{
    for (uint64_t e = b->start[row]; e < b->start[row + 1]; e++)
        if (b->col[e] == col)
            return b->weight[e];
    return 0;
}

/* a (n, n) to its inverse, by Gauss and Jordan. */
static void invert(double *a, size_t n)
{
    double *inverse = calloc(n * n, sizeof *inverse);
    for (size_t i = 0; i < n; i++)
        inverse[i * n + i] = 1;
    for (size_t i = 0; i < n; i++) {
        double pivot = a[i * n + i];
        for (size_t k = 0; k < n; k++) {
            a[i * n + k] /= pivot;
            inverse[i * n + k] /= pivot;
        }
        for (size_t r = 0; r < n; r++) {
            double factor = r == i ? 0 : a[r * n + i];
            for (size_t k = 0; k < n; k++) {
                a[r * n + k] -= factor * a[i * n + k];
                inverse[r * n + k] -= factor * inverse[i * n + k];
            }
        }
    }
    memcpy(a, inverse, n * n * sizeof *a);
    free(inverse);
}

/* g (ITEMS, ITEMS) = RT diag(n_c^-power) R. */
static void gram(double *g, double power)
{
    const struct nbx_csr *r = &shop.by_customer;
    memset(g, 0, ITEMS * ITEMS * sizeof *g);
    for (size_t c = 0; c < CUSTOMERS; c++)
        for (uint64_t i = r->start[c]; i < r->start[c + 1]; i++)
            for (uint64_t j = r->start[c]; j < r->start[c + 1]; j++)
                g[r->col[i] * ITEMS + r->col[j]] += pow((double)nbx_csr_row_entries(r, c), -power);
}

/* Steck 2019, eq. 8: B = I - P diag(P)^-1, P the inverse of G + lambda I. */
Test(ease, with_all_items_it_is_the_closed_form)
{
    struct nbx_csr b;
    double p[ITEMS * ITEMS];
    gram(p, 0);
    for (size_t i = 0; i < ITEMS; i++)
        p[i * ITEMS + i] += (double)plain.lambda;
    invert(p, ITEMS);
    cr_assert_eq(nbx_ease_fit(&b, &shop, &plain, &fault), NBX_OK, "%s", fault.message);
    for (size_t i = 0; i < ITEMS; i++)
        for (uint32_t j = 0; j < ITEMS; j++) {
            double want = i == j ? 0 : -p[i * ITEMS + j] / p[j * ITEMS + j];
            want = want > 0 ? want : 0; /* what is not above 0 is not kept */
            cr_expect_float_eq(entry(&b, i, j), want, 1e-4, "%zu %u seed %d", i, j, SEED);
        }
    nbx_csr_fini(&b);
}

/* The largest `support` of G[i][j] n_i^-power of column j into chosen; ties the lower item. */
static void choose(uint32_t *chosen, const double *g, size_t j, size_t support, double power)
{
    bool taken[ITEMS] = {false};
    for (size_t k = 0; k < support; k++) {
        double most = -1;
        for (uint32_t i = 0; i < ITEMS; i++) {
            double n = (double)nbx_csr_row_entries(&shop.by_item, i);
            double value = g[i * ITEMS + j] * pow(n, -power);
            if (i == j || taken[i] || value <= most + 1e-9)
                continue;
            most = value;
            chosen[k] = i;
        }
        taken[chosen[k]] = true;
    }
}

Test(ease, a_column_solves_its_support)
{
    enum { SUPPORT = 6 };
    struct nbx_ease_options o = plain;
    struct nbx_csr b;
    double g[ITEMS * ITEMS], mean_weight = 0;
    o.support = SUPPORT;
    o.customer_power = 0.5F;
    o.support_power = 0.7F;
    o.lambda_power = 0.4F;
    gram(g, 0.5);
    double mean_pairs = (double)nbx_csr_entries(&shop.by_item) / ITEMS;
    for (size_t c = 0; c < CUSTOMERS; c++)
        mean_weight += pow((double)nbx_csr_row_entries(&shop.by_customer, c), -0.5) / CUSTOMERS;
    cr_assert_eq(nbx_ease_fit(&b, &shop, &o, &fault), NBX_OK, "%s", fault.message);
    for (uint32_t j = 0; j < ITEMS; j++) {
        uint32_t chosen[SUPPORT];
        double a[SUPPORT * SUPPORT];
        choose(chosen, g, j, SUPPORT, 0.7);
        for (size_t k = 0; k < SUPPORT; k++) {
            double n = (double)nbx_csr_row_entries(&shop.by_item, chosen[k]);
            for (size_t l = 0; l < SUPPORT; l++)
                a[k * SUPPORT + l] = g[chosen[k] * ITEMS + chosen[l]];
            a[k * SUPPORT + k] += 3 * mean_weight * pow(n / mean_pairs, 0.4);
        }
        invert(a, SUPPORT);
        for (size_t k = 0; k < SUPPORT; k++) {
            double want = 0;
            for (size_t l = 0; l < SUPPORT; l++)
                want += a[k * SUPPORT + l] * g[chosen[l] * ITEMS + j];
            cr_expect_float_eq(entry(&b, chosen[k], j), want > 0 ? want : 0, 1e-4, "%u seed %d", j,
                               SEED);
        }
    }
    nbx_csr_fini(&b);
}

Test(ease, keeps_the_largest_of_each_row)
{
    struct nbx_ease_options o = plain;
    struct nbx_csr all, few;
    cr_assert_eq(nbx_ease_fit(&all, &shop, &o, &fault), NBX_OK);
    o.keep = 3;
    cr_assert_eq(nbx_ease_fit(&few, &shop, &o, &fault), NBX_OK);
    for (size_t i = 0; i < ITEMS; i++) {
        double least = INFINITY;
        cr_expect(nbx_csr_row_entries(&few, i) <= 3);
        for (uint64_t e = few.start[i]; e < few.start[i + 1]; e++) {
            cr_expect_eq((double)few.weight[e], entry(&all, i, few.col[e]));
            cr_expect(e == few.start[i] || few.col[e] > few.col[e - 1]);
            least = fmin(least, (double)few.weight[e]);
        }
        for (uint64_t e = all.start[i]; e < all.start[i + 1]; e++)
            if ((double)all.weight[e] > least)
                cr_expect(entry(&few, i, all.col[e]) > 0);
    }
    nbx_csr_fini(&all);
    nbx_csr_fini(&few);
}

Test(ease, the_same_on_any_number_of_threads)
{
    struct nbx_ease_options o = plain;
    struct nbx_csr one, three;
    o.support = 7;
    o.threads = 1;
    cr_assert_eq(nbx_ease_fit(&one, &shop, &o, &fault), NBX_OK);
    o.threads = 3;
    cr_assert_eq(nbx_ease_fit(&three, &shop, &o, &fault), NBX_OK);
    cr_expect_arr_eq(one.start, three.start, (ITEMS + 1) * sizeof *one.start);
    cr_expect_arr_eq(one.col, three.col, nbx_csr_entries(&one) * sizeof *one.col);
    cr_expect_arr_eq(one.weight, three.weight, nbx_csr_entries(&one) * sizeof *one.weight);
    nbx_csr_fini(&one);
    nbx_csr_fini(&three);
}

Test(ease, names_the_option_that_is_wrong)
{
    struct nbx_csr b;
    struct nbx_ease_options wrong[] = {plain, plain, plain, plain, plain, plain};
    const char *const fields[] = {"customer_power", "lambda",  "support",
                                  "keep",           "threads", "lambda_power"};
    wrong[0].customer_power = -1;
    wrong[1].lambda = 0;
    wrong[2].support = 0;
    wrong[3].keep = 0;
    wrong[4].threads = 0;
    wrong[5].lambda_power = NAN;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(nbx_ease_fit(&b, &shop, &wrong[i], &fault), NBX_EBAD);
        cr_expect_str_eq(fault.field, fields[i]);
        cr_expect_null(b.start);
    }
}
