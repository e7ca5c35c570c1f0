/* SPDX-License-Identifier: MIT */
#include "engine/base/hist.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct nbx_hist h, other;

Test(hist, an_empty_one_answers_zero)
{
    cr_expect_eq(nbx_hist_quantile(&h, 0.5), 0);
    cr_expect_eq(nbx_hist_mean(&h), 0);
}

Test(hist, small_values_are_exact)
{
    for (uint64_t v = 1; v <= 63; v++)
        nbx_hist_add(&h, v);
    cr_expect_eq(nbx_hist_quantile(&h, 0), 1);
    cr_expect_eq(nbx_hist_quantile(&h, 0.5), 32);
    cr_expect_eq(nbx_hist_quantile(&h, 1), 63);
    cr_expect_eq(nbx_hist_mean(&h), 32);
}

Test(hist, takes_the_whole_range)
{
    nbx_hist_add(&h, 0);
    nbx_hist_add(&h, UINT64_MAX);
    cr_expect_eq(nbx_hist_quantile(&h, 0.5), 0);
    cr_expect_eq(nbx_hist_quantile(&h, 1), UINT64_MAX);
    cr_expect_eq(h.max, UINT64_MAX);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

Test(hist, quantiles_are_never_low_and_at_most_a_64th_high)
{
    enum { N = 20000 };
    static uint64_t values[N];
    struct nbx_random r;
    printf("seed 7\n");
    nbx_random_init(&r, 7);
    for (int i = 0; i < N; i++) {
        values[i] = nbx_random_u64(&r) >> nbx_random_below(&r, 60);
        nbx_hist_add(&h, values[i]);
    }
    qsort(values, N, sizeof values[0], ascending);
    static const double qs[] = {0.01, 0.25, 0.5, 0.95, 0.99, 0.999};
    for (size_t i = 0; i < sizeof qs / sizeof qs[0]; i++) {
        uint64_t exact = values[(size_t)(qs[i] * N + 0.9999999) - 1];
        uint64_t got = nbx_hist_quantile(&h, qs[i]);
        cr_expect(got >= exact && (double)got <= (double)exact * (1 + 1.0 / 64),
                  "q %g: %llu, exact %llu", qs[i], (unsigned long long)got,
                  (unsigned long long)exact);
    }
    cr_expect_eq(nbx_hist_quantile(&h, 1), values[N - 1]);
}

Test(hist, merging_is_adding)
{
    for (uint64_t v = 1; v <= 1000; v++)
        nbx_hist_add(v % 2 ? &h : &other, v * 1000);
    nbx_hist_merge(&h, &other);
    cr_expect_eq(h.n, 1000);
    cr_expect_eq(h.max, 1000000);
    cr_expect_float_eq(nbx_hist_mean(&h), 500500, 1e-6);
    uint64_t median = nbx_hist_quantile(&h, 0.5);
    cr_expect(median >= 500000 && median <= 507813, "%llu", (unsigned long long)median);
    nbx_hist_clear(&h);
    cr_expect_eq(h.n, 0);
    cr_expect_eq(nbx_hist_quantile(&h, 1), 0);
}
