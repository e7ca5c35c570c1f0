/* SPDX-License-Identifier: MIT */
#include "models/calibrate/reliability.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define EXPECT_NEAR(a, b) cr_expect_float_eq((a), (b), 1e-12)

Test(reliability, by_hand)
{
    /* 20 cases, two to a bin: predicted i / 20, and every third happened */
    struct nbx_case cases[20];
    double ece = 0;
    for (int i = 0; i < 20; i++)
        cases[19 - i] = (struct nbx_case){i / 20.0, i % 3 == 0};
    struct nbx_reliability r = nbx_reliability_of(cases, 20);
    cr_assert_eq(r.n_bins, 10);
    for (int b = 0; b < 10; b++) {
        double predicted = (2 * b + 2 * b + 1) / 40.0;
        double observed = (((2 * b) % 3 == 0) + ((2 * b + 1) % 3 == 0)) / 2.0;
        EXPECT_NEAR(r.bins[b].predicted, predicted);
        EXPECT_NEAR(r.bins[b].observed, observed);
        cr_expect_eq(r.bins[b].n, 2);
        ece += fabs(predicted - observed) / 10;
    }
    EXPECT_NEAR(r.ece, ece);
}

Test(reliability, equal_predictions_are_in_one_bin)
{
    struct nbx_case cases[] = {{0.25, true}, {0.25, false}, {0.25, false}, {0.75, true}};
    struct nbx_reliability r = nbx_reliability_of(cases, 4);
    cr_assert_eq(r.n_bins, 2);
    cr_expect_eq(r.bins[0].n, 3);
    EXPECT_NEAR(r.bins[0].observed, 1.0 / 3);
    EXPECT_NEAR(r.ece, (3 * (1.0 / 3 - 0.25) + 0.25) / 4);
}

Test(reliability, extremes)
{
    struct nbx_case one = {0.5, true};
    struct nbx_reliability r = nbx_reliability_of(NULL, 0);
    cr_expect_eq(r.n_bins, 0);
    EXPECT_NEAR(r.ece, 0);
    r = nbx_reliability_of(&one, 1);
    cr_expect_eq(r.n_bins, 1);
    EXPECT_NEAR(r.ece, 0.5);
}

Test(reliability, tells_overconfidence)
{
    enum { N = 50000 };
    struct nbx_random random;
    struct nbx_case *good = calloc(N, sizeof *good), *bad = calloc(N, sizeof *bad);
    nbx_random_init(&random, 2);
    for (int i = 0; i < N; i++) {
        double score = nbx_random_normal(&random), p = 1 / (1 + exp(-score));
        bool happened = nbx_random_unit(&random) < p;
        good[i] = (struct nbx_case){p, happened};
        bad[i] = (struct nbx_case){1 / (1 + exp(-4 * score)), happened};
    }
    cr_expect_lt(nbx_reliability_of(good, N).ece, 0.01);
    cr_expect_gt(nbx_reliability_of(bad, N).ece, 0.1);
    free(good);
    free(bad);
}
