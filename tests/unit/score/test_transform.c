/* SPDX-License-Identifier: MIT */
#include "engine/score/transform.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define SEED       8080
#define TRANSFORMS 4000
#define NEIGHBOURS 500
#define MAX_POINTS 20

static struct nbx_random rng;
static float from[MAX_POINTS], into[MAX_POINTS];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(transform, .init = setup, .timeout = 300);

static size_t below(size_t n)
{
    return (size_t)nbx_random_below(&rng, n);
}
static float normal(void)
{
    return (float)nbx_random_normal(&rng);
}
/* Magnitudes over 60 decades. */
static float anything(void)
{
    return ldexpf(normal(), (int)below(200) - 100);
}

static struct nbx_transform sigmoid(float slope, float shift)
{
    return (struct nbx_transform){.kind = NBX_TRANSFORM_SIGMOID, .slope = slope, .shift = shift};
}

static struct nbx_transform random_sigmoid(void)
{
    float slope = below(4) ? expf(2 * normal()) : fabsf(anything());
    return sigmoid(slope > 0 ? slope : 1, below(4) ? 3 * normal() : 100 * normal());
}

/* Points near each other and far apart, flat pieces, values of one sign and of both. */
static struct nbx_transform random_table(void)
{
    size_t n = 1 + below(MAX_POINTS), kind = below(4);
    float scale = kind == 0 ? 0x1p-100f : kind == 1 ? 0x1p100f : 1;
    from[0] = scale * normal();
    into[0] = below(2) ? 0 : kind == 3 ? 1000 * normal() : normal();
    for (size_t i = 1; i < n; i++) {
        float step = below(6) ? scale * (float)nbx_random_unit(&rng) : 0;
        from[i] = fmaxf(from[i - 1] + step, nextafterf(from[i - 1], INFINITY));
        into[i] = into[i - 1] + (below(3) ? (float)nbx_random_unit(&rng) : 0);
        if (below(8) == 0)
            into[i] = nextafterf(into[i - 1], INFINITY);
    }
    return (struct nbx_transform){.kind = NBX_TRANSFORM_TABLE, .from = from, .into = into, .n = n};
}

static struct nbx_transform random_transform(void)
{
    struct nbx_transform t = below(2) ? random_sigmoid() : random_table();
    cr_assert(nbx_transform_valid(&t));
    return t;
}

/* Where something happens: around the points of a table, on the slope of a sigmoid, or anywhere. */
static float random_score(const struct nbx_transform *t)
{
    if (below(8) == 0)
        return anything();
    if (t->kind == NBX_TRANSFORM_SIGMOID) {
        float score = (10 * normal() - t->shift) / t->slope;
        return isfinite(score) ? score : normal();
    }
    size_t i = below(t->n);
    float to = t->from[i + 1 < t->n ? i + 1 : i];
    return t->from[i] + (to - t->from[i]) * (float)nbx_random_unit(&rng);
}

static void check_neighbours(const struct nbx_transform *t, float score, int number)
{
    float value = nbx_transform_apply(t, score);
    for (int i = 0; i < NEIGHBOURS; i++) {
        float next_score = nextafterf(score, INFINITY);
        float next = nbx_transform_apply(t, next_score);
        cr_assert(next >= nextafterf(value, -INFINITY), "seed %d transform %d at %a: %a after %a",
                  SEED, number, score, next, value);
        score = next_score;
        value = next;
    }
}

/* Two million pairs of floats next to each other. */
Test(transform, does_not_fall)
{
    for (int i = 0; i < TRANSFORMS; i++) {
        struct nbx_transform t = random_transform();
        check_neighbours(&t, random_score(&t), i);
        float a = random_score(&t), b = random_score(&t);
        float low = nbx_transform_apply(&t, fminf(a, b)),
              high = nbx_transform_apply(&t, fmaxf(a, b));
        cr_assert(high >= nextafterf(low, -INFINITY), "seed %d transform %d: %a, %a", SEED, i, a,
                  b);
        cr_assert(nbx_transform_apply(&t, -INFINITY) <= low);
        cr_assert(nbx_transform_apply(&t, INFINITY) >= high);
    }
}

/* A value that is reached, one next to it, or one out of reach. */
static double random_goal(const struct nbx_transform *t)
{
    float value = nbx_transform_apply(t, random_score(t));
    switch (below(6)) {
    case 0: return nextafterf(value, INFINITY);
    case 1: return nextafterf(value, -INFINITY);
    case 2: return value * (1 + 1e-9 * nbx_random_normal(&rng));
    case 3: return anything();
    default: return value;
    }
}

/* The largest float below x. */
static float float_below(double x)
{
    float f = (float)x;
    return f < x ? f : nextafterf(f, -INFINITY);
}

Test(transform, nothing_below_least_reaches_the_value)
{
    for (int i = 0; i < 40 * TRANSFORMS; i++) {
        struct nbx_transform t = random_transform();
        double value = random_goal(&t), least = nbx_transform_least(&t, value);
        cr_assert(!isnan(least), "seed %d case %d", SEED, i);
        float just_below = least <= -FLT_MAX ? -INFINITY : float_below(least);
        cr_assert(least == -INFINITY || nbx_transform_apply(&t, just_below) < value,
                  "seed %d case %d: %a is not below %a", SEED, i, just_below, least);
        for (int j = 0; j < 5; j++) {
            float score = random_score(&t);
            cr_assert(nbx_transform_apply(&t, score) < value || score >= least,
                      "seed %d case %d: %a reaches %a, least %a", SEED, i, score, value, least);
        }
    }
}

/* ... and it is close: a little above it, the value is nearly reached. */
Test(transform, least_is_close)
{
    for (int i = 0; i < TRANSFORMS; i++) {
        struct nbx_transform t = sigmoid(expf(normal()), normal());
        float score = (6 * normal() - t.shift) / t.slope;
        float value = nbx_transform_apply(&t, score);
        double least = nbx_transform_least(&t, value), x = (double)t.slope * score + t.shift;
        double slack = 1e-6 * (1 + fabs(x) + fabs((double)t.shift)) / t.slope;
        /* Where floats near 1 are coarse, many scores are transformed alike. */
        cr_assert(value == 1 || score - least <= slack / (1 - value), "seed %d case %d: %a for %a",
                  SEED, i, least, score);
    }
}

Test(transform, least_of_what_always_or_never_is_reached)
{
    struct nbx_transform s = sigmoid(2, -1), none = {.kind = NBX_TRANSFORM_NONE};
    from[0] = 1;
    into[0] = 0.5f;
    struct nbx_transform point = {.kind = NBX_TRANSFORM_TABLE, .from = from, .into = into, .n = 1};
    const struct nbx_transform *all[] = {&s, &none, &point};
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(nbx_transform_least(all[i], -INFINITY), -INFINITY);
        cr_expect_eq(nbx_transform_least(all[i], INFINITY), INFINITY);
    }
    cr_expect_eq(nbx_transform_least(&s, 0), -INFINITY);
    cr_expect_eq(nbx_transform_least(&s, 1.5), INFINITY);
    cr_expect_eq(nbx_transform_least(&point, 0.5), -INFINITY);
    cr_expect_eq(nbx_transform_least(&point, 0.75), INFINITY);
    cr_expect_eq(nbx_transform_least(&none, 0.75), 0.75);
}

/* Floats between a and b, both above 0. */
static long steps_apart(float a, float b)
{
    int32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return labs((long)x - y);
}

Test(transform, sigmoid_is_within_a_step_of_long_double)
{
    for (int i = 0; i < 200000; i++) {
        struct nbx_transform t = random_sigmoid();
        float score = random_score(&t);
        long double x = (long double)t.slope * score + t.shift;
        float want = (float)(1 / (1 + expl(-x))), got = nbx_transform_apply(&t, score);
        cr_assert(steps_apart(got, want) <= 1, "seed %d case %d: %a, not %a", SEED, i, got, want);
    }
}

Test(transform, sigmoid_saturates)
{
    struct nbx_transform t = sigmoid(1, 0);
    cr_expect_eq(nbx_transform_apply(&t, 0), 0.5f);
    cr_expect_eq(nbx_transform_apply(&t, 1e6f), 1);
    cr_expect_eq(nbx_transform_apply(&t, -1e6f), 0);
    cr_expect_eq(nbx_transform_apply(&t, INFINITY), 1);
    cr_expect_eq(nbx_transform_apply(&t, -INFINITY), 0);
    cr_expect_eq(nbx_transform_apply(&t, FLT_MAX), 1);
}

Test(transform, tables_go_through_their_points_in_straight_lines)
{
    for (int i = 0; i < TRANSFORMS; i++) {
        struct nbx_transform t = random_table();
        for (size_t p = 0; p < t.n; p++)
            cr_assert_eq(nbx_transform_apply(&t, from[p]), into[p], "seed %d table %d", SEED, i);
        cr_assert_eq(nbx_transform_apply(&t, -INFINITY), into[0]);
        cr_assert_eq(nbx_transform_apply(&t, INFINITY), into[t.n - 1]);
    }
    float at[] = {0, 2, 4}, to[] = {1, 2, 2};
    struct nbx_transform t = {.kind = NBX_TRANSFORM_TABLE, .from = at, .into = to, .n = 3};
    cr_expect_eq(nbx_transform_apply(&t, 0.5f), 1.25f);
    cr_expect_eq(nbx_transform_apply(&t, 3), 2);
}

Test(transform, none_is_the_score_itself)
{
    struct nbx_transform t = {.kind = NBX_TRANSFORM_NONE};
    cr_expect(nbx_transform_valid(&t));
    cr_expect_eq(nbx_transform_apply(&t, -3.5f), -3.5f);
}

Test(transform, what_is_out_of_order_is_not_valid)
{
    float rising[] = {0, 1, 2}, level[] = {0, 1, 1}, falling[] = {0, 2, 1};
    float broken[] = {0, 1, NAN}, endless[] = {0, 1, INFINITY};
    struct {
        const float *from, *into;
        size_t n;
        bool valid;
    } tables[] = {
        {rising, rising, 3, true},   {rising, level, 3, true},    {rising, level, 1, true},
        {rising, level, 0, false},   {level, rising, 3, false},   {falling, rising, 3, false},
        {rising, falling, 3, false}, {broken, rising, 3, false},  {rising, broken, 3, false},
        {endless, rising, 3, false}, {rising, endless, 3, false}, {broken + 2, rising, 1, false}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct nbx_transform t = {.kind = NBX_TRANSFORM_TABLE,
                                  .from = tables[i].from,
                                  .into = tables[i].into,
                                  .n = tables[i].n};
        cr_expect_eq(nbx_transform_valid(&t), tables[i].valid, "table %zu", i);
    }
    float slopes[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof slopes / sizeof *slopes; i++) {
        struct nbx_transform t = sigmoid(slopes[i], 0);
        cr_expect_not(nbx_transform_valid(&t), "slope %g", slopes[i]);
    }
    struct nbx_transform shifted = sigmoid(1, NAN), unknown = {.kind = (enum nbx_transform_kind)9};
    cr_expect_not(nbx_transform_valid(&shifted));
    cr_expect_not(nbx_transform_valid(&unknown));
}
