/* SPDX-License-Identifier: MIT */
#include "engine/model/model.h"

#include "engine/base/random.h"
#include "engine/score/dot.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>
#include <stdlib.h>

#define N_ITEMS 40
#define DIMS    5
#define SEED    20240622

static struct shop s;
static struct nbx_model *m;
static float factors[N_ITEMS * DIMS];
static char texts[N_ITEMS][8];
static struct nbx_str ids[N_ITEMS];
static struct nbx_bundle_info info;
static char path[128];
static struct nbx_budget budget;
static struct nbx_fault fault;

static void begin(void)
{
    struct nbx_random r;
    shop_begin(&s);
    nbx_random_init(&r, SEED);
    for (int i = 0; i < N_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%02d", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    for (int i = 0; i < N_ITEMS * DIMS; i++)
        factors[i] = (float)nbx_random_normal(&r);
    info = (struct nbx_bundle_info){.name = NBX_STR("taste"),
                                    .version = NBX_STR("1"),
                                    .family = NBX_STR("factors"),
                                    .created_ms = 1700000000000,
                                    .n_items = N_ITEMS,
                                    .item_ids = ids,
                                    .n_spaces = 2};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("dot"),
                                        .dims = DIMS,
                                        .item_factors = factors,
                                        .alpha0 = 0.1F,
                                        .lambda = 0.1F,
                                        .nu = 1};
    info.spaces[1] = (struct nbx_space){.name = NBX_STR("angle"),
                                        .dims = DIMS,
                                        .metric = NBX_METRIC_COSINE,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = factors};
    budget = (struct nbx_budget){.limit = (size_t)1 << 30};
    snprintf(path, sizeof path, "%s/taste.safetensors", s.f.root);
}

static void load(void)
{
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_model_load(&m, path, s.ids, &budget, &fault), NBX_OK, "%s", fault.message);
}

static void end(void)
{
    nbx_model_release(&m);
    cr_assert_eq(atomic_load(&budget.used), 0, "memory is still charged");
    shop_end(&s);
}

TestSuite(model, .init = begin, .fini = end);

static const float *item(const struct nbx_model *model, size_t space, const char *id)
{
    return nbx_model_item(model, space, nbx_ids_find(s.ids, nbx_str_c(id)));
}

static void must_be_row(const float *got, const float *want, double scale)
{
    cr_assert_not_null(got);
    for (size_t j = 0; j < DIMS; j++)
        cr_assert_float_eq(got[j], want[j] * scale, 1e-6);
    for (size_t j = DIMS; j < nbx_padded(DIMS); j++)
        cr_assert(got[j] == 0);
}

/* The model with the catalogue's own vectors; the old one stays for the test to look at. */
static struct nbx_model *refreshed(void)
{
    struct nbx_model *fresh;
    cr_assert_eq(nbx_model_refresh(&fresh, m, NULL, s.c), NBX_OK);
    return fresh;
}

Test(model, serves_what_the_bundle_holds)
{
    load();
    cr_assert(nbx_str_is(nbx_model_name(m), "taste"));
    cr_assert(nbx_str_is(nbx_model_version(m), "1"));
    cr_assert_eq(nbx_model_n_spaces(m), 2);
    for (int i = 0; i < N_ITEMS; i++)
        must_be_row(item(m, 0, texts[i]), factors + (size_t)i * DIMS, 1);
    cr_assert_null(item(m, 0, "never heard of"));
    cr_assert_null(nbx_model_item(m, 0, 4000000000U));
    const struct nbx_model_space *dot = nbx_model_space_at(m, 0);
    cr_assert_eq(nbx_index_count(dot->index), N_ITEMS);
    cr_assert_not_null(dot->fold);
    cr_assert_eq(dot->customer, NBX_CUSTOMER_FOLDED);
    cr_assert_not(nbx_model_has_own(m));
    cr_assert(atomic_load(&budget.used) > 0);
}

Test(model, spaces_are_found_by_name_the_first_by_none)
{
    load();
    cr_assert_eq(nbx_model_space(m, NBX_STR("angle")), nbx_model_space_at(m, 1));
    cr_assert_eq(nbx_model_space(m, NBX_STR("")), nbx_model_space_at(m, 0));
    cr_assert_null(nbx_model_space(m, NBX_STR("other")));
    struct nbx_buf names = {0};
    nbx_model_list_spaces(m, &names);
    nbx_buf_put_u8(&names, '\0');
    cr_assert_str_eq((char *)names.p, "dot (5), angle (5)");
    nbx_buf_fini(&names);
}

Test(model, cosine_rows_have_length_one)
{
    memset(factors + 3 * DIMS, 0, DIMS * sizeof *factors); /* a zero vector stays one */
    load();
    const struct nbx_model_space *angle = nbx_model_space_at(m, 1), *dot = nbx_model_space_at(m, 0);
    cr_assert_null(angle->fold);
    cr_assert_null(angle->by_angle, "lengths are all 1");
    for (size_t i = 0; i < N_ITEMS; i++) {
        double sum = 0;
        for (size_t j = 0; j < DIMS; j++)
            sum += (double)factors[i * DIMS + j] * (double)factors[i * DIMS + j];
        must_be_row(item(m, 1, texts[i]), factors + i * DIMS, i == 3 ? 1 : 1 / sqrt(sum));
        uint32_t item_no = nbx_ids_find(s.ids, ids[i]);
        cr_assert_float_eq(nbx_weight_of(dot->by_angle, item_no), i == 3 ? 0 : 1 / sqrt(sum), 1e-5);
    }
}

Test(model, own_vectors_stand_before_the_bundles)
{
    load();
    shop_takes(shop_put(&s, "i07", "{vector: [1,2,3,4,5]}"));
    shop_takes(shop_put(&s, "new", "{vector: [5,4,3,2,1], space: 'dot'}"));
    shop_takes(shop_put(&s, "other", "{vector: [3,0,0,4,0], space: 'angle'}"));
    shop_takes(shop_put(&s, "short", "{vector: [1,2], space: 'dot'}"));
    shop_takes(shop_put(&s, "far", "{vector: [1,2,3,4,5], space: 'no such'}"));
    struct nbx_model *fresh = refreshed();
    cr_assert(nbx_model_has_own(fresh));
    must_be_row(item(fresh, 0, "i07"), (float[]){1, 2, 3, 4, 5}, 1);
    must_be_row(item(fresh, 0, "new"), (float[]){5, 4, 3, 2, 1}, 1);
    must_be_row(item(fresh, 1, "other"), (float[]){3, 0, 0, 4, 0}, 0.2);
    cr_assert_null(item(fresh, 0, "other"));
    cr_assert_null(item(fresh, 0, "short"));
    cr_assert_null(item(fresh, 0, "far"));
    must_be_row(item(fresh, 0, "i08"), factors + 8 * DIMS, 1);
    const struct nbx_model_space *dot = nbx_model_space_at(fresh, 0);
    cr_assert_eq(nbx_index_count(dot->index), N_ITEMS + 1, "one replaced, one more");
    cr_assert_float_eq(nbx_weight_of(dot->by_angle, shop_no(&s, "new")), 1 / sqrt(55), 1e-6);
    must_be_row(item(m, 0, "i07"), factors + 7 * DIMS, 1); /* the old one is as it was */
    cr_assert_not(nbx_model_has_own(m));
    nbx_model_release(&fresh);
}

Test(model, removed_own_vectors_give_the_bundles_back)
{
    load();
    shop_takes(shop_put(&s, "i07", "{vector: [1,2,3,4,5]}"));
    struct nbx_model *with = refreshed();
    shop_takes(shop_patch(&s, "i07", "{vector: nil}"));
    struct nbx_model *without = refreshed();
    must_be_row(item(without, 0, "i07"), factors + 7 * DIMS, 1);
    cr_assert_not(nbx_model_has_own(without));
    nbx_model_release(&m); /* the bundle lives as long as one of them does */
    must_be_row(item(with, 0, "i07"), (float[]){1, 2, 3, 4, 5}, 1);
    nbx_model_release(&with);
    must_be_row(item(without, 0, "i07"), factors + 7 * DIMS, 1);
    nbx_model_release(&without);
}

Test(model, items_are_numbered_whether_the_catalogue_knows_them_or_not)
{
    shop_takes(shop_put(&s, "i39", "{}"));
    uint32_t before = shop_no(&s, "i39");
    load();
    cr_assert_eq(shop_no(&s, "i39"), before);
    for (int i = 0; i < N_ITEMS; i++)
        cr_assert(shop_no(&s, texts[i]) > 0);
    shop_takes(shop_put(&s, "later", "{}"));
    cr_assert_null(item(m, 0, "later"));
}

Test(model, faults_are_told)
{
    cr_assert_eq(nbx_model_load(&m, path, s.ids, &budget, &fault), NBX_ENOTFOUND);
    cr_assert_null(m);
    load();
    nbx_model_release(&m);
    budget.limit = 1000;
    cr_assert_eq(nbx_model_load(&m, path, s.ids, &budget, &fault), NBX_ELIMIT);
    cr_assert_null(m);
    cr_assert_eq(atomic_load(&budget.used), 0);
    nbx_model_release(&m);
}
