/* SPDX-License-Identifier: MIT
 * What is learnt is held against the equations it must solve, in double precision, and against
 * vectors that were made from features.
 */
#include "models/attributes/learn.h"
#include "models/attributes/vector.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SEED    20240917
#define N_ITEMS 300
#define DIM_A   4
#define DIM_B   3
#define DIMS    (DIM_A + DIM_B)
#define N_KINDS 6
#define N_WORDS 5

static float first[N_ITEMS * DIM_A], second[N_ITEMS * DIM_B], counts[N_ITEMS];
static struct nbx_str categories[N_ITEMS][2];
static struct nbx_item_facts facts[N_ITEMS];
static bool known[N_ITEMS];
static struct nbx_bundle_info info;
static struct nbx_item_table table;
static struct nbx_learnt learnt;
static struct nbx_fault fault;

static const char *const kinds[] = {"c0", "c1", "c2", "c3", "c4", "c5"};
static const char *const titles[] = {"red one", "blue one", "green", "red blue", "grey"};

/* Each item has two categories, a title and a price; its vector is the sum of what each of the
 * two and the title give, and some noise. */
static void begin(void)
{
    struct nbx_random r;
    float of_kind[N_KINDS][DIMS], of_title[N_WORDS][DIMS];
    nbx_random_init(&r, SEED);
    for (int i = 0; i < N_KINDS * DIMS; i++)
        of_kind[i / DIMS][i % DIMS] = (float)nbx_random_normal(&r);
    for (int i = 0; i < N_WORDS * DIMS; i++)
        of_title[i / DIMS][i % DIMS] = (float)nbx_random_normal(&r);
    for (size_t i = 0; i < N_ITEMS; i++) {
        size_t a = nbx_random_below(&r, N_KINDS), b = nbx_random_below(&r, N_KINDS);
        size_t w = nbx_random_below(&r, N_WORDS);
        categories[i][0] = nbx_str_c(kinds[a]);
        categories[i][1] = nbx_str_c(kinds[b]);
        facts[i] = (struct nbx_item_facts){.title = nbx_str_c(titles[w]),
                                           .categories = categories[i],
                                           .n_categories = 2,
                                           .price = (int64_t)i,
                                           .has_price = true};
        counts[i] = (float)nbx_random_below(&r, 100);
        known[i] = i % 10 != 3;
        for (size_t d = 0; d < DIMS; d++) {
            float x = of_kind[a][d] + (a == b ? 0 : of_kind[b][d]) + of_title[w][d] +
                      0.01F * (float)nbx_random_normal(&r);
            *(d < DIM_A ? &first[i * DIM_A + d] : &second[i * DIM_B + d - DIM_A]) = x;
        }
    }
    info = (struct nbx_bundle_info){
        .n_items = N_ITEMS,
        .n_spaces = 2,
        .spaces = {{.name = NBX_STR("a"), .dims = DIM_A, .item_factors = first},
                   {.name = NBX_STR("b"), .dims = DIM_B, .item_factors = second}}};
    table = (struct nbx_item_table){.facts = facts, .known = known, .n_items = N_ITEMS};
}

static void end(void)
{
    nbx_learnt_fini(&learnt);
}
TestSuite(attribute_learn, .init = begin, .fini = end);

static enum nbx_err learn(float lambda)
{
    struct nbx_learn_items_options o = {
        .table = &table, .info = &info, .counts = counts, .lambda = lambda};
    return nbx_learn_items(&learnt, &o, &fault);
}

static double vector_of(size_t item, size_t d)
{
    return (double)(d < DIM_A ? first[item * DIM_A + d] : second[item * DIM_B + d - DIM_A]);
}

/* Which features an item has, by name alone. */
static bool has[N_ITEMS][NBX_FEATURE_MAX];
static size_t asked;

static void mark(void *ctx, struct nbx_str name)
{
    (void)ctx;
    for (size_t f = 0; f < learnt.features.n; f++)
        if (nbx_str_eq(learnt.features.names[f], name))
            has[asked][f] = true;
}

static void mark_all(void)
{
    cr_assert_leq(learnt.features.n, NBX_FEATURE_MAX, "the test's table is too small");
    for (asked = 0; asked < N_ITEMS; asked++)
        nbx_features_name(
            &facts[asked],
            (struct nbx_price_bounds){learnt.features.price_bounds, learnt.features.n_price_bounds},
            mark, NULL);
}

static double predicted(size_t item, size_t d)
{
    double sum = 0;
    for (size_t f = 0; f < learnt.features.n; f++)
        sum += has[item][f] ? (double)learnt.vectors[f * DIMS + d] : 0;
    return sum;
}

/* The gradient of the sum that learn.h says it minimises is zero. */
Test(attribute_learn, solves_its_equations)
{
    double mean = 0, n = 0;
    cr_assert_eq(learn(3), NBX_OK, "%s", fault.message);
    mark_all();
    for (size_t i = 0; i < N_ITEMS; i++)
        if (known[i] && counts[i] > 0) {
            mean += sqrt((double)counts[i]);
            n++;
        }
    mean /= n;
    for (size_t f = 0; f < learnt.features.n; f++)
        for (size_t d = 0; d < DIMS; d++) {
            double slope = 3 * (double)learnt.vectors[f * DIMS + d];
            for (size_t i = 0; i < N_ITEMS; i++)
                if (known[i] && counts[i] > 0 && has[i][f])
                    slope += sqrt((double)counts[i]) / mean * (predicted(i, d) - vector_of(i, d));
            cr_expect_float_eq(slope, 0, 2e-3, "feature %zu, dimension %zu: %g", f, d, slope);
        }
}

Test(attribute_learn, finds_what_vectors_are_made_of)
{
    struct nbx_describer *d = NULL;
    float got[DIMS];
    cr_assert_eq(learn(0.01F), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_describer_new(&d, &learnt.features, DIMS), NBX_OK);
    for (size_t i = 3; i < N_ITEMS; i += 10) { /* nothing was learnt from these */
        cr_assert(nbx_describe(got, d, &facts[i]));
        for (size_t k = 0; k < DIMS; k++)
            cr_expect_float_eq((double)got[k], vector_of(i, k), 0.05, "item %zu", i);
    }
    nbx_describer_destroy(&d);
}

Test(attribute_learn, names_are_in_byte_order_and_of_more_than_one_item)
{
    facts[0].brand = NBX_STR("alone");
    facts[1].brand = facts[2].brand = NBX_STR("both");
    counts[0] = counts[1] = counts[2] = 1;
    cr_assert_eq(learn(1), NBX_OK);
    bool both = false;
    for (size_t f = 0; f < learnt.features.n; f++) {
        cr_expect(!nbx_str_is(learnt.features.names[f], "brand=alone"));
        both = both || nbx_str_is(learnt.features.names[f], "brand=both");
        if (f)
            cr_expect_lt(nbx_str_cmp(learnt.names[f - 1], learnt.names[f]), 0);
    }
    cr_expect(both);
    cr_assert_eq(learnt.features.n_price_bounds, NBX_LEARNT_TENTHS - 1);
    for (size_t i = 1; i < learnt.features.n_price_bounds; i++)
        cr_expect_lt(learnt.bounds[i - 1], learnt.bounds[i]);
}

Test(attribute_learn, prices_that_are_all_alike_have_no_bounds)
{
    for (size_t i = 0; i < N_ITEMS; i++)
        facts[i].price = 5;
    cr_assert_eq(learn(1), NBX_OK);
    cr_expect_eq(learnt.features.n_price_bounds, 0);
}

Test(attribute_learn, gives_the_same_bits_again)
{
    cr_assert_eq(learn(1), NBX_OK);
    size_t n = learnt.features.n * DIMS;
    float *before = malloc(n * sizeof *before);
    memcpy(before, learnt.vectors, n * sizeof *before);
    nbx_learnt_fini(&learnt);
    cr_assert_eq(learn(1), NBX_OK);
    cr_assert_eq(learnt.features.n * DIMS, n);
    cr_expect_eq(memcmp((const char *)before, (const char *)learnt.vectors, n * sizeof *before), 0);
    free(before);
}

Test(attribute_learn, refuses_items_that_the_file_does_not_have)
{
    memset(known, 0, sizeof known);
    cr_expect_eq(learn(1), NBX_EBAD);
    cr_expect(strstr(fault.message, "no two items"), "%s", fault.message);
    cr_expect_null(learnt.vectors);
}

/* More features than are kept: the most frequent ones are. */
Test(attribute_learn, keeps_the_most_frequent)
{
    static char text[NBX_LEARNT_MAX_FEATURES * 2][8];
    static struct nbx_str many[N_ITEMS][64];
    for (size_t i = 0; i < N_ITEMS; i++)
        for (size_t k = 0; k < 64; k++) {
            size_t which = (i / 2 * 64 + k) % (sizeof text / sizeof *text);
            snprintf(text[which], sizeof *text, "m%zu", which);
            many[i][k] = nbx_str_c(text[which]);
        }
    for (size_t i = 0; i < N_ITEMS; i++) {
        facts[i].categories = many[i];
        facts[i].n_categories = 64;
        known[i] = true;
        counts[i] = 1;
    }
    cr_assert_eq(learn(1), NBX_OK, "%s", fault.message);
    cr_expect_eq(learnt.features.n, NBX_LEARNT_MAX_FEATURES);
    bool item = false;
    for (size_t f = 0; f < learnt.features.n; f++)
        item = item || nbx_str_is(learnt.names[f], "item");
    cr_expect(item);
}
