/* SPDX-License-Identifier: MIT */
#include "bench/load/climb.h"

#include <criterion/criterion.h>
#include <math.h>

static struct nbx_load_ramp ramp;
static unsigned n_steps;
static double highest_tried;

/* p99 of a queue with one server (M/M/1): ln(100) / (capacity - rate) seconds. */
static double simulated_p99_ms(double capacity, double rate)
{
    return rate < capacity ? 1000 * log(100) / (capacity - rate) : INFINITY;
}

/* The answer where p99 must keep within 1 ms and every `hiccup`th step is spoilt by something
 * else; 0: none. */
static double search(double capacity, unsigned tries, unsigned hiccup)
{
    bool more = true;
    nbx_load_ramp_begin(&ramp, 500, 50000, tries);
    n_steps = 0;
    highest_tried = 0;
    while (more) {
        n_steps++;
        highest_tried = fmax(highest_tried, ramp.rate);
        bool spoilt = hiccup && n_steps % hiccup == 0;
        more = nbx_load_ramp_next(&ramp, !spoilt && simulated_p99_ms(capacity, ramp.rate) <= 1);
        cr_assert_lt(n_steps, 100);
    }
    return ramp.holds;
}

Test(ramp, finds_the_highest_rate_within_its_precision)
{
    for (int i = 0; i < 14; i++) {
        double capacity = 6000 * pow(1.17, i);
        double limit = capacity - 1000 * log(100); /* where the p99 is just 1 ms */
        double found = search(capacity, 1, 0);
        cr_expect(found <= limit && found * NBX_LOAD_RAMP_PRECISION >= limit - 1, "%g of %g", found,
                  limit);
        cr_expect(ramp.fails > limit && ramp.fails <= found * NBX_LOAD_RAMP_PRECISION);
    }
}

Test(ramp, takes_few_steps_and_goes_little_beyond_the_limit)
{
    double limit = 20000 - 1000 * log(100);
    search(20000, 1, 0);
    /* log(31) / log(1.5) of growth, then from a factor of 1.5 to 1.05 by halves. */
    cr_expect_leq(n_steps, 10 + 4, "%u", n_steps);
    cr_expect_leq(highest_tried, limit * NBX_LOAD_RAMP_GROWTH);
}

Test(ramp, the_highest_asked_for_is_the_answer_where_it_holds)
{
    cr_expect_eq(search(1e6, 1, 0), 50000);
    cr_expect_eq(ramp.fails, 0);
    cr_expect_eq(highest_tried, 50000);
}

Test(ramp, nothing_holds_where_the_lowest_does_not)
{
    cr_expect_eq(search(400, 1, 0), 0);
    cr_expect_eq(n_steps, 1);
    cr_expect_eq(ramp.fails, 500);
}

Test(ramp, a_rate_that_fails_is_tried_again)
{
    double undisturbed = search(20000, 1, 0);
    cr_expect_lt(search(20000, 1, 5), undisturbed / 2); /* one hiccup ends the growth */
    cr_expect_eq(search(20000, 2, 5), undisturbed);
    cr_expect_eq(search(400, 3, 0), 0);
    cr_expect_eq(n_steps, 3);
}

Test(ramp, slow_rates_are_told_apart_too)
{
    bool more = true;
    nbx_load_ramp_begin(&ramp, 0.5, 20, 1);
    while (more)
        more = nbx_load_ramp_next(&ramp, ramp.rate < 3.3);
    cr_expect(ramp.holds < 3.3 && ramp.fails >= 3.3);
    cr_expect_leq(ramp.fails, ramp.holds * NBX_LOAD_RAMP_PRECISION);
}

Test(climb, a_step_is_long_enough_for_its_samples)
{
    struct nbx_load_arguments a = {.load = {.seconds = 2, .seed = 7}, .step_samples = 2000};
    cr_expect_float_eq(nbx_load_step_options(&a, 100, 0).seconds, 21.79, 0.01);
    cr_expect_eq(nbx_load_step_options(&a, 5000, 0).seconds, 2);
    cr_expect_eq(nbx_load_step_options(&a, 5000, 0).rate, 5000);
    cr_expect_eq(nbx_load_step_options(&a, 5000, 3).seed, 10); /* not the same arrivals again */
}

Test(climb, a_step_holds_within_the_bound_and_without_a_failure)
{
    static struct nbx_load_result r;
    for (int i = 0; i < 1000; i++) {
        r.total.sent++;
        nbx_load_tally_answer(&r.total, NBX_STR("ok"), i < 989 ? 400000 : 3000000);
    }
    cr_expect_not(nbx_load_step_holds(&r, 1));
    cr_expect_not(nbx_load_step_holds(&r, 2.9));
    cr_expect(nbx_load_step_holds(&r, 3.1));
    r.total.sent++;
    nbx_load_tally_answer(&r.total, NBX_STR("busy"), 100000);
    cr_expect_not(nbx_load_step_holds(&r, 3.1));
}
