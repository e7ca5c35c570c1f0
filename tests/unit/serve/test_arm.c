/* SPDX-License-Identifier: MIT
 * When a canary is rolled back, and how two lists compare.
 */
#include "engine/serve/arm.h"
#include "engine/serve/asker.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct nbx_guard guard = {
    .window = 100, .max_failed = .01, .max_slower = 2, .min_coverage = .5};

static struct nbx_arm *arms; /* (NBX_N_ARMS) */
static struct nbx_arm_figures *figures;
static char why[512];

static void begin(void)
{
    arms = calloc(NBX_N_ARMS, sizeof *arms);
    figures = calloc(NBX_N_ARMS, sizeof *figures);
    for (int i = 0; i < NBX_N_ARMS; i++)
        pthread_mutex_init(&arms[i].lock, NULL);
}

static void end(void)
{
    free(arms);
    free(figures);
}

TestSuite(arm, .init = begin, .fini = end);

/* An answer of ten items from `from` on. */
static void answer(enum nbx_arm_kind arm, int64_t took_ns, uint32_t from, enum nbx_err err)
{
    struct nbx_choice choices[10] = {0};
    struct nbx_decision d = {.choices = choices, .n = 10};
    for (uint32_t i = 0; i < d.n; i++)
        choices[i].item_no = from + i;
    nbx_arm_note(&arms[arm], took_ns, err, &d);
}

static enum nbx_verdict judged(void)
{
    for (int i = 0; i < NBX_N_ARMS; i++)
        nbx_arm_take(&arms[i], &figures[i]);
    return nbx_guard_judge(&guard, figures, why, sizeof why);
}

static void answer_well(enum nbx_arm_kind arm, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        answer(arm, 200000, 10 * i + 1, NBX_OK);
}

Test(arm, a_window_is_open_until_both_have_answered)
{
    answer_well(NBX_ARM_CANARY, 100);
    answer_well(NBX_ARM_ACTIVE, 99);
    cr_assert_eq(judged(), NBX_VERDICT_OPEN);
    answer_well(NBX_ARM_ACTIVE, 1);
    cr_assert_eq(judged(), NBX_VERDICT_GOOD);
    cr_assert_eq(figures[NBX_ARM_CANARY].asked, 100);
    cr_assert_eq(figures[NBX_ARM_CANARY].n_shown, 1000);
}

Test(arm, what_is_taken_is_not_taken_again)
{
    answer_well(NBX_ARM_CANARY, 60);
    cr_assert_eq(judged(), NBX_VERDICT_OPEN);
    cr_assert_eq(judged(), NBX_VERDICT_OPEN);
    cr_assert_eq(figures[NBX_ARM_CANARY].asked, 60);
}

Test(arm, a_canary_that_fails_goes_before_the_window_is_full)
{
    for (int i = 0; i < NBX_GUARD_FAILURES - 1; i++)
        answer(NBX_ARM_CANARY, 1000, 1, NBX_EINTERNAL);
    cr_assert_eq(judged(), NBX_VERDICT_OPEN, "a few failures are no verdict");
    answer(NBX_ARM_CANARY, 1000, 1, NBX_EINTERNAL);
    cr_assert_eq(judged(), NBX_VERDICT_BAD);
    cr_assert(strstr(why, "10 of 10 requests failed"), "%s", why);
}

Test(arm, it_may_fail_where_the_active_model_does)
{
    answer_well(NBX_ARM_CANARY, 90);
    answer_well(NBX_ARM_ACTIVE, 90);
    for (int i = 0; i < 10; i++) {
        answer(NBX_ARM_CANARY, 1000, 1, NBX_ELIMIT);
        answer(NBX_ARM_ACTIVE, 1000, 1, NBX_ELIMIT);
    }
    cr_assert_eq(judged(), NBX_VERDICT_GOOD);
}

Test(arm, a_canary_that_dawdles_goes)
{
    answer_well(NBX_ARM_CANARY, 97);
    for (uint32_t i = 97; i < 100; i++)
        answer(NBX_ARM_CANARY, 5000000, 10 * i + 1, NBX_OK);
    answer_well(NBX_ARM_ACTIVE, 100);
    cr_assert_eq(judged(), NBX_VERDICT_BAD);
    cr_assert(strstr(why, "99th percentile"), "%s", why);
}

Test(arm, under_a_millisecond_nothing_is_slow)
{
    for (uint32_t i = 0; i < 100; i++) {
        answer(NBX_ARM_CANARY, 900000, 10 * i + 1, NBX_OK);
        answer(NBX_ARM_ACTIVE, 1000, 10 * i + 1, NBX_OK);
    }
    cr_assert_eq(judged(), NBX_VERDICT_GOOD);
}

Test(arm, a_canary_that_shows_everybody_the_same_goes)
{
    for (int i = 0; i < 100; i++)
        answer(NBX_ARM_CANARY, 1000, 1, NBX_OK);
    answer_well(NBX_ARM_ACTIVE, 1000);
    cr_assert_eq(judged(), NBX_VERDICT_BAD);
    cr_assert(strstr(why, "of 1000 items shown 10 are distinct where of the active model's 1000"),
              "%s", why);
}

Test(arm, more_is_shown_than_is_noted)
{
    answer_well(NBX_ARM_CANARY, 1000);
    answer_well(NBX_ARM_ACTIVE, 1000);
    cr_assert_eq(judged(), NBX_VERDICT_GOOD);
    cr_assert_eq(figures[NBX_ARM_CANARY].n_shown, NBX_ARM_SHOWN);
    cr_assert_eq(figures[NBX_ARM_CANARY].asked, 1000);
}

/* lists */

static void fill(struct nbx_choice *out, const uint32_t *numbers, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (struct nbx_choice){.item_no = numbers[i]};
}

struct lists {
    uint32_t a[8], n_a, b[8], n_b;
    double overlap, tau;
    bool told;
};

Test(arm, lists_compare)
{
    static const struct lists cases[] = {
        {{1, 2, 3, 4}, 4, {1, 2, 3, 4}, 4, 1, 1, true},
        {{1, 2, 3, 4}, 4, {4, 3, 2, 1}, 4, 1, -1, true},
        {{1, 2, 3, 4}, 4, {5, 6, 7, 8}, 4, 0, 0, false},
        {{1, 2, 3, 4}, 4, {9, 2, 8, 7}, 4, .25, 0, false},
        {{1, 2, 3, 4}, 4, {2, 1, 3, 9}, 4, .75, 1. / 3, true},
        {{1, 2}, 2, {2, 9, 1, 8}, 4, .5, -1, true},
        {{1}, 0, {2}, 0, 1, 0, false},
        {{1}, 0, {2}, 1, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nbx_choice a[8], b[8];
        double tau, overlap;
        fill(a, cases[i].a, cases[i].n_a);
        fill(b, cases[i].b, cases[i].n_b);
        bool told = nbx_shadow_compare(&tau, &overlap, a, cases[i].n_a, b, cases[i].n_b);
        cr_expect_eq(told, cases[i].told, "case %zu", i);
        cr_expect_float_eq(overlap, cases[i].overlap, 1e-12, "case %zu: overlap %g", i, overlap);
        cr_expect_float_eq(tau, cases[i].tau, 1e-12, "case %zu: tau %g", i, tau);
        nbx_shadow_compare(&tau, &overlap, b, cases[i].n_b, a, cases[i].n_a);
        cr_expect_float_eq(overlap, cases[i].overlap, 1e-12, "case %zu the other way", i);
        cr_expect_float_eq(tau, cases[i].tau, 1e-12, "case %zu the other way", i);
    }
}

/* By the definition, over all pairs, of long lists with what is compared of them. */
Test(arm, only_the_first_places_of_long_lists_compare)
{
    struct nbx_choice a[200], b[200];
    double tau, overlap;
    for (uint32_t i = 0; i < 200; i++) {
        a[i] = (struct nbx_choice){.item_no = i + 1};
        b[i] = (struct nbx_choice){.item_no = i < 50 ? 50 - i : i + 1};
    }
    cr_assert(nbx_shadow_compare(&tau, &overlap, a, 200, b, 200));
    cr_assert_float_eq(overlap, 1, 1e-12);
    cr_assert_float_eq(tau, -1, 1e-12);
}
