/* SPDX-License-Identifier: MIT */
#include "models/attributes/vector.h"

#include <criterion/criterion.h>

#define DIMS 3

static const struct nbx_str names[] = {{"word=red", 8},        {"item", 4},    {"category=a", 10},
                                       {"category=b", 10},     {"price=1", 7}, {"brand=x", 7},
                                       {"no such feature", 15}};
static const float vectors[] = {1, 0,     0, 0, 1, 0, 0, 0, 1, 1e8f, 2,
                                3, -1e8f, 4, 5, 1, 1, 1, 9, 9, 9}; /* (7, DIMS) */
static const int64_t bounds[] = {500};
static const struct nbx_features features = {names, 7, vectors, bounds, 1};
static struct nbx_describer *d;

static void begin(void)
{
    cr_assert_eq(nbx_describer_new(&d, &features, DIMS), NBX_OK);
}
static void end(void)
{
    nbx_describer_destroy(&d);
    nbx_describer_destroy(&d);
}
TestSuite(attribute_vector, .init = begin, .fini = end);

static void must_be(const struct nbx_item_facts *facts, const float want[DIMS], bool known)
{
    float got[DIMS] = {7, 7, 7};
    cr_expect_eq(nbx_describe(got, d, facts), known);
    for (int i = 0; i < DIMS; i++)
        cr_expect(got[i] == want[i], "dimension %d: %g", i, (double)got[i]);
}

Test(attribute_vector, is_the_sum_of_the_features)
{
    static const struct nbx_str a[] = {{"a", 1}};
    must_be(&(struct nbx_item_facts){.title = NBX_STR("RED and red"),
                                     .brand = NBX_STR("x"),
                                     .categories = a,
                                     .n_categories = 1},
            (float[]){2, 2, 2}, true);
    cr_expect_gt(nbx_describer_bytes(d), 0);
}

/* 1e8 + 1 is 1e8 in floats: where the order of the sum depended on the item's it would show. */
Test(attribute_vector, is_the_same_in_any_order_of_the_facts)
{
    static const struct nbx_str one[] = {{"a", 1}, {"b", 1}}, other[] = {{"b", 1}, {"a", 1}};
    float first[DIMS], second[DIMS];
    struct nbx_item_facts facts = {.title = NBX_STR("red"),
                                   .categories = one,
                                   .n_categories = 2,
                                   .price = 500,
                                   .has_price = true};
    cr_assert(nbx_describe(first, d, &facts));
    facts.categories = other;
    cr_assert(nbx_describe(second, d, &facts));
    for (int i = 0; i < DIMS; i++)
        cr_expect(first[i] == second[i]);
    cr_expect(first[0] == 0);
}

Test(attribute_vector, is_none_where_nothing_is_known)
{
    static const struct nbx_str c[] = {{"c", 1}};
    must_be(&(struct nbx_item_facts){0}, (float[]){0, 0, 0}, false);
    must_be(&(struct nbx_item_facts){.title = NBX_STR("blue"),
                                     .categories = c,
                                     .n_categories = 1,
                                     .price = 499,
                                     .has_price = true},
            (float[]){0, 0, 0}, false);
    must_be(&(struct nbx_item_facts){.brand = NBX_STR("x")}, (float[]){1, 2, 1}, true);
}
