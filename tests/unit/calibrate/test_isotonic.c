/* SPDX-License-Identifier: MIT */
#include "models/calibrate/isotonic.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define MAX_N  40
#define ROUNDS 300

static float scores[MAX_N];
static uint8_t labels[MAX_N];

/* The mean label of scores in [from, to]; NAN where there is none. */
static double mean_of(size_t n, float from, float to)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        if (scores[i] < from || scores[i] > to)
            continue;
        sum += labels[i];
        count++;
    }
    return sum / count;
}

/* The minimax formula of isotonic regression: the largest, over starts at or below s, of the
 * smallest, over ends at or above s, of the mean between. */
static double brute_force(size_t n, float s)
{
    double best = -1;
    for (size_t i = 0; i < n; i++) {
        double least = 2;
        if (scores[i] > s)
            continue;
        for (size_t j = 0; j < n; j++)
            if (scores[j] >= s)
                least = fmin(least, mean_of(n, scores[i], scores[j]));
        best = fmax(best, least);
    }
    return best;
}

Test(isotonic, is_brute_force)
{
    struct nbx_random random;
    nbx_random_init(&random, 11);
    for (int round = 0; round < ROUNDS; round++) {
        struct nbx_isotonic c;
        size_t n = 1 + (size_t)nbx_random_below(&random, MAX_N);
        uint64_t distinct = 1 + nbx_random_below(&random, 30); /* so that scores are equal, too */
        for (size_t i = 0; i < n; i++) {
            scores[i] = (float)nbx_random_below(&random, distinct) / 4 - 2;
            labels[i] = nbx_random_unit(&random) < 0.2 + 0.02 * (double)scores[i];
        }
        cr_assert_eq(nbx_isotonic_fit(&c, scores, labels, n), NBX_OK);
        for (size_t i = 0; i < n; i++)
            cr_expect_float_eq(nbx_isotonic_apply(&c, scores[i]), brute_force(n, scores[i]), 1e-12);
        for (size_t i = 1; i < c.n; i++) {
            cr_expect_lt(c.from[i - 1], c.from[i]);
            cr_expect_leq(c.into[i - 1], c.into[i]);
        }
        nbx_isotonic_fini(&c);
    }
}

Test(isotonic, is_linear_between_points_and_constant_beyond)
{
    float s[] = {1, 2, 4, 5};
    uint8_t l[] = {0, 0, 1, 1};
    struct nbx_isotonic c;
    cr_assert_eq(nbx_isotonic_fit(&c, s, l, 4), NBX_OK);
    cr_expect_eq(nbx_isotonic_apply(&c, -9), 0);
    cr_expect_eq(nbx_isotonic_apply(&c, 2), 0);
    cr_expect_float_eq(nbx_isotonic_apply(&c, 2.5F), 0.25, 1e-12);
    cr_expect_eq(nbx_isotonic_apply(&c, 4), 1);
    cr_expect_eq(nbx_isotonic_apply(&c, 9), 1);
    nbx_isotonic_fini(&c);
}
