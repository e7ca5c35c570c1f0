/* SPDX-License-Identifier: MIT
 * Items of which a bundle knows nothing but what their attributes mean.
 */
#include "engine/model/model.h"
#include "engine/score/dot.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>

#define MOST_DIMS 3

static const struct nbx_str ids[] = {{"old", 3}, {"late", 4}};
static const float factors[] = {1, 0, 0, 1};     /* (2, 2) */
static const float other[] = {3, 4, 0, 2, 0, 0}; /* (2, 3) */
static const struct nbx_str names[] = {
    {"brand=b", 7}, {"category=x", 10}, {"item", 4}, {"price=1", 7}, {"word=red", 8}};
static const float vectors[] = {1,   2, 0, 3, 4,  /* brand=b */
                                10,  0, 0, 0, 1,  /* category=x */
                                0.5, 0, 0, 0, 0,  /* item */
                                0,   8, 0, 0, -5, /* price=1 */
                                0,   0, 1, 0, 0}; /* word=red */
static const int64_t bounds[] = {100};

static struct shop s;
static struct nbx_model *m;
static struct nbx_budget budget;
static char path[128];

static void load(bool attributes)
{
    struct nbx_fault fault = {0};
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = NBX_STR("1"),
                                   .family = NBX_STR("factors"),
                                   .n_items = 2,
                                   .item_ids = ids,
                                   .n_spaces = 2,
                                   .spaces = {{.name = NBX_STR("dot"),
                                               .dims = 2,
                                               .item_factors = factors,
                                               .alpha0 = 0.1F,
                                               .lambda = 0.1F,
                                               .nu = 1},
                                              {.name = NBX_STR("angle"),
                                               .dims = 3,
                                               .metric = NBX_METRIC_COSINE,
                                               .customer = NBX_CUSTOMER_GIVEN,
                                               .item_factors = other}}};
    if (attributes)
        info.features = (struct nbx_features){names, 5, vectors, bounds, 1};
    nbx_model_release(&m);
    snprintf(path, sizeof path, "%s/taste.safetensors", s.f.root);
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_model_load(&m, path, s.ids, &budget, &fault), NBX_OK, "%s", fault.message);
}

static void begin(void)
{
    shop_begin(&s);
    budget = (struct nbx_budget){.limit = (size_t)1 << 30};
    load(true);
}

static void end(void)
{
    nbx_model_release(&m);
    cr_assert_eq(atomic_load(&budget.used), 0, "memory is still charged");
    shop_end(&s);
}

TestSuite(model_attributes, .init = begin, .fini = end);

/* The model follows a change; minds says whether it had to. */
static void follow(enum nbx_change_kind kind, const char *id, const char *fields, bool minds)
{
    struct nbx_catalog *before;
    struct nbx_model *fresh;
    struct nbx_change change = {.kind = kind, .id = nbx_str_c(id)};
    change.fields = fields ? shop_value(&s, fields) : NULL;
    shop_apply(&s, &change, 1, &before);
    shop_takes(change.fault);
    cr_expect_eq(nbx_model_minds(m, before, s.c), minds, "%s: %s", id, fields);
    cr_assert_eq(nbx_model_refresh(&fresh, m, before, s.c), NBX_OK);
    nbx_catalog_release(&before);
    nbx_model_release(&m);
    m = fresh;
}

static void must_be(const char *id, size_t space, const float *want)
{
    size_t dims = nbx_model_space_at(m, space)->dims;
    const float *got = nbx_model_item(m, space, nbx_ids_find(s.ids, nbx_str_c(id)));
    cr_assert_eq(got != NULL, want != NULL, "%s in space %zu", id, space);
    for (size_t d = 0; want && d < dims && d < MOST_DIMS; d++)
        cr_expect_float_eq((double)got[d], (double)want[d], 1e-6, "%s, dimension %zu: %g", id, d,
                           (double)got[d]);
}

#define V(...) ((const float[MOST_DIMS]){__VA_ARGS__})

Test(model_attributes, a_new_item_has_the_sum_of_its_features)
{
    follow(NBX_CHANGE_PUT, "new", "{brand: 'b', categories: ['x', 'y'], title: 'Red', price: 99}",
           true);
    must_be("new", 0, V(11.5, 2));
    must_be("new", 1, V(1 / sqrtf(35), 3 / sqrtf(35), 5 / sqrtf(35)));
    cr_expect(nbx_model_has_own(m));
    cr_expect_eq(nbx_index_count(nbx_model_space_at(m, 0)->index), 3);
    cr_expect_float_eq((double)nbx_weight_of(nbx_model_space_at(m, 0)->by_angle,
                                             nbx_ids_find(s.ids, NBX_STR("new"))),
                       1 / sqrt(11.5 * 11.5 + 4), 1e-6);
    follow(NBX_CHANGE_PATCH, "new", "{price: 100}", true);
    must_be("new", 0, V(11.5, 10));
    follow(NBX_CHANGE_PATCH, "new", "{url: 'u', available: false, stock: {s: 1}}", false);
    must_be("new", 0, V(11.5, 10));
    follow(NBX_CHANGE_PATCH, "new", "{brand: nil, categories: ['y'], price: 3, title: 'blue'}",
           true);
    must_be("new", 0, NULL); /* nothing is known but that it is an item */
    cr_expect_not(nbx_model_has_own(m));
    follow(NBX_CHANGE_PATCH, "new", "{brand: 'b'}", true);
    must_be("new", 0, V(1.5, 2));
    follow(NBX_CHANGE_DELETE, "new", NULL, true);
    must_be("new", 0, NULL);
    must_be("new", 1, NULL);
    cr_expect_not(nbx_model_has_own(m));
    cr_expect_eq(nbx_index_count(nbx_model_space_at(m, 0)->index), 2);
}

Test(model_attributes, items_of_the_bundle_keep_their_vectors)
{
    follow(NBX_CHANGE_PUT, "late", "{brand: 'b', categories: ['x']}", false);
    must_be("late", 0, V(0, 1));
    follow(NBX_CHANGE_PATCH, "late", "{vector: [7, 8]}", true);
    must_be("late", 0, V(7, 8));
    follow(NBX_CHANGE_PATCH, "late", "{brand: 'c'}", false);
    follow(NBX_CHANGE_PATCH, "late", "{vector: nil}", true);
    must_be("late", 0, V(0, 1));
    follow(NBX_CHANGE_DELETE, "late", NULL, false);
    must_be("late", 0, V(0, 1));
    cr_expect_not(nbx_model_has_own(m));
}

Test(model_attributes, a_vector_of_its_own_stands_before_the_made_one)
{
    follow(NBX_CHANGE_PUT, "new", "{brand: 'b', vector: [7, 8], space: 'dot'}", true);
    must_be("new", 0, V(7, 8));
    must_be("new", 1, V(0, 0.6F, 0.8F)); /* it has none there */
    follow(NBX_CHANGE_PATCH, "new", "{vector: nil}", true);
    must_be("new", 0, V(1.5, 2));
    cr_expect(nbx_model_has_own(m));
}

/* What is there when a bundle comes is made as what comes after it. */
Test(model_attributes, are_the_same_from_the_whole_catalogue)
{
    struct nbx_model *whole, *bare;
    struct nbx_fault fault;
    follow(NBX_CHANGE_PUT, "old", "{brand: 'b'}", false);
    follow(NBX_CHANGE_PUT, "n1", "{brand: 'b', title: 'a red thing'}", true);
    follow(NBX_CHANGE_PUT, "n2", "{categories: ['x'], price: 1000}", true);
    follow(NBX_CHANGE_PUT, "n3", "{}", true);
    cr_assert_eq(nbx_model_load(&bare, path, s.ids, &budget, &fault), NBX_OK);
    cr_assert_eq(nbx_model_refresh(&whole, bare, NULL, s.c), NBX_OK);
    nbx_model_release(&bare);
    nbx_model_release(&m);
    m = whole;
    must_be("old", 0, V(1, 0));
    must_be("n1", 0, V(1.5, 2));
    must_be("n1", 1, V(1 / sqrtf(26), 3 / sqrtf(26), 4 / sqrtf(26)));
    must_be("n2", 0, V(10.5, 8));
    must_be("n2", 1, V(0, 0, -1));
    must_be("n3", 0, NULL);
}

Test(model_attributes, a_bundle_without_them_makes_none)
{
    load(false);
    follow(NBX_CHANGE_PUT, "new", "{brand: 'b', categories: ['x']}", false);
    must_be("new", 0, NULL);
    follow(NBX_CHANGE_PATCH, "new", "{vector: [1, 2]}", true);
    must_be("new", 0, V(1, 2));
}

Test(model_attributes, are_not_made_where_memory_is_out)
{
    struct nbx_model *fresh;
    struct nbx_catalog *before;
    struct nbx_change change = {.id = NBX_STR("new"), .fields = shop_value(&s, "{brand: 'b'}")};
    shop_apply(&s, &change, 1, &before);
    budget.limit = atomic_load(&budget.used);
    cr_expect_eq(nbx_model_refresh(&fresh, m, before, s.c), NBX_ELIMIT);
    cr_expect_null(fresh);
    nbx_catalog_release(&before);
}
