/* SPDX-License-Identifier: MIT */
#include "bench/load/schedule.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { N = 100000 };
static struct nbx_load_schedule s, other;

Test(schedule, poisson_gaps_have_the_mean_and_the_spread_of_their_rate)
{
    printf("seed 5\n");
    nbx_load_schedule_begin(&s, 5, 1000, false, 0);
    double sum = 0, squares = 0;
    int64_t before = 0;
    for (int i = 0; i < N; i++) {
        int64_t due = nbx_load_schedule_take(&s);
        double gap = (double)(due - before);
        cr_assert_geq(due, before);
        sum += gap;
        squares += gap * gap;
        before = due;
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    cr_expect_float_eq(mean, 1e6, 1.5e4);
    cr_expect_float_eq(deviation, 1e6, 3e4); /* of an exponential: the mean */
}

Test(schedule, as_many_come_in_a_second_as_the_rate_says)
{
    printf("seed 9\n");
    nbx_load_schedule_begin(&s, 9, 5000, false, 7);
    int n = 0;
    while (nbx_load_schedule_take(&s) < 7 + INT64_C(10000000000))
        n++;
    cr_expect(fabs(n - 50000.0) < 4 * sqrt(50000.0), "%d", n);
}

Test(schedule, the_seed_alone_fixes_it)
{
    nbx_load_schedule_begin(&s, 3, 700, false, 0);
    nbx_load_schedule_begin(&other, 3, 700, false, 1000);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(nbx_load_schedule_take(&s) + 1000, nbx_load_schedule_take(&other));
    nbx_load_schedule_begin(&s, 3, 700, false, 0);
    nbx_load_schedule_begin(&other, 4, 700, false, 0);
    int n_same = 0;
    for (int i = 0; i < 1000; i++)
        n_same += nbx_load_schedule_take(&s) == nbx_load_schedule_take(&other);
    cr_expect_lt(n_same, 3);
}

Test(schedule, constant_gaps_are_even_and_begin_after_the_first)
{
    nbx_load_schedule_begin(&s, 1, 1000, true, 500);
    for (int64_t i = 1; i < 100; i++)
        cr_assert_eq(nbx_load_schedule_take(&s), 500 + i * 1000000);
}
