/* SPDX-License-Identifier: MIT */
#include "models/calibrate/platt.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define N 60000

static float scores[N];
static uint8_t labels[N];

static void plant(uint64_t seed, double a, double b, double centre, double spread)
{
    struct nbx_random random;
    nbx_random_init(&random, seed);
    for (size_t i = 0; i < N; i++) {
        scores[i] = (float)(centre + spread * nbx_random_normal(&random));
        double p = 1 / (1 + exp(-(a * (double)scores[i] + b)));
        labels[i] = nbx_random_unit(&random) < p;
    }
}

Test(platt, recovers_a_planted_curve)
{
    static const struct {
        double a, b, centre, spread;
    } cases[] = {{2, -1, 0, 1}, {-1.5, 0.5, 0, 1}, {3, -7, 1, 0.5}, {0.02, -3, 100, 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plant(7 + i, cases[i].a, cases[i].b, cases[i].centre, cases[i].spread);
        struct nbx_platt p = nbx_platt_fit(scores, labels, N);
        cr_expect_float_eq(p.a, cases[i].a, 0.06 * fabs(cases[i].a), "%zu: a %g", i, p.a);
        cr_expect_float_eq(p.b, cases[i].b, 0.15 + 0.02 * fabs(cases[i].b), "%zu: b %g", i, p.b);
    }
}

static double loss(struct nbx_platt p, size_t n, double yes, double no)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double q = nbx_platt_apply(p, (double)scores[i]), t = labels[i] ? yes : no;
        sum -= t * log(q) + (1 - t) * log(1 - q);
    }
    return sum;
}

Test(platt, nothing_near_fits_better)
{
    double positives = 0;
    plant(3, 1, -2, 0, 1);
    for (size_t i = 0; i < N; i++)
        positives += labels[i];
    double yes = (positives + 1) / (positives + 2), no = 1 / (N - positives + 2);
    struct nbx_platt p = nbx_platt_fit(scores, labels, N);
    double best = loss(p, N, yes, no);
    for (int i = 0; i < 8; i++) {
        struct nbx_platt other = {p.a + 1e-3 * cos(i * M_PI / 4), p.b + 1e-3 * sin(i * M_PI / 4)};
        cr_expect_gt(loss(other, N, yes, no), best);
    }
}

Test(platt, extremes_stay_finite)
{
    float s[] = {-1e30F, -2, 3, 1e30F}, same[] = {0.1F, 0.1F, 0.1F, 0.1F};
    uint8_t parted[] = {0, 0, 1, 1}, all[] = {1, 1, 1, 1}, mixed[] = {0, 1, 0, 0};
    struct nbx_platt p = nbx_platt_fit(s + 1, parted + 1, 2);
    cr_expect(isfinite(p.a) && isfinite(p.b));
    cr_expect_gt(nbx_platt_apply(p, 3), 0.6);
    cr_expect_lt(nbx_platt_apply(p, -2), 0.4);
    p = nbx_platt_fit(s, parted, 4);
    cr_expect(isfinite(p.a) && isfinite(p.b));
    p = nbx_platt_fit(s, all, 4);
    cr_expect(isfinite(p.a) && isfinite(p.b));
    p = nbx_platt_fit(same, mixed, 4);
    cr_expect_eq(p.a, 0);
    /* targets 2/3 once and 1/5 three times */
    cr_expect_float_eq(nbx_platt_apply(p, 0.1), (2.0 / 3 + 3.0 / 5) / 4, 1e-6);
    p = nbx_platt_fit(same, all, 1);
    cr_expect_float_eq(nbx_platt_apply(p, 0.1), 2.0 / 3, 1e-6);
    cr_expect_eq(nbx_platt_apply((struct nbx_platt){1, 0}, INFINITY), 1);
    cr_expect_eq(nbx_platt_apply((struct nbx_platt){1, 0}, -INFINITY), 0);
}
