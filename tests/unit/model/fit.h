/* SPDX-License-Identifier: MIT
 * What the tests of acceptance share: a sound bundle of 400 items to spoil, and what is said of it.
 *
 * Why:     a test changes one thing of `info`, the arrays or `extra`, and asks.
 * Owns:    the shop's folder and the file in it, from fit_begin to fit_end.
 * Threads: one: everything is static.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_MODEL_FIT_H
#define NBX_TEST_MODEL_FIT_H

#include "engine/model/accept.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "tests/unit/catalog/shop.h"

#include <float.h>
#include <math.h>

#define FIT_ITEMS 400
#define FIT_DIMS  8
#define FIT_SEED  20261126

static struct shop s;
static struct nbx_budget budget;
static struct nbx_bundle_info info;
static char texts[FIT_ITEMS][8];
static struct nbx_str ids[FIT_ITEMS];
static float factors[FIT_ITEMS * FIT_DIMS], history_factors[FIT_ITEMS * FIT_DIMS];
static float constants[FIT_ITEMS];
static uint64_t start[FIT_ITEMS + 1];
static uint32_t neighbours[FIT_ITEMS];
static float weights[FIT_ITEMS];
static const float ones[1] = {1};
static const char *extra; /* metadata beside the format's own, as JSON, or NULL */
static char file[128];
static struct nbx_accept_options options;
static struct nbx_accepted accepted;
static struct nbx_fault fault;

static inline struct nbx_space fit_space(const char *name, enum nbx_customer_source customer)
{
    return (struct nbx_space){.name = nbx_str_c(name),
                              .dims = customer == NBX_CUSTOMER_CONSTANT ? 1 : FIT_DIMS,
                              .customer = customer,
                              .item_factors =
                                  customer == NBX_CUSTOMER_CONSTANT ? constants : factors,
                              .history_factors = history_factors,
                              .positions = ones,
                              .n_positions = 1,
                              .n_groups = 1,
                              .alpha0 = 0.1F,
                              .lambda = 0.1F,
                              .nu = 1,
                              .weight = 1};
}

static inline void fit_fill(void)
{
    struct nbx_random r;
    nbx_random_init(&r, FIT_SEED);
    for (int i = 0; i < FIT_ITEMS * FIT_DIMS; i++) {
        factors[i] = (float)nbx_random_normal(&r);
        history_factors[i] = (float)nbx_random_normal(&r);
    }
    for (uint32_t i = 0; i < FIT_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%03u", i);
        ids[i] = nbx_str_c(texts[i]);
        constants[i] = (float)nbx_random_unit(&r);
        start[i + 1] = i + 1;
        neighbours[i] = (i + 1) % FIT_ITEMS;
        weights[i] = 1 + (float)nbx_random_unit(&r);
    }
    info = (struct nbx_bundle_info){.name = NBX_STR("taste"),
                                    .version = NBX_STR("1"),
                                    .family = NBX_STR("factors"),
                                    .created_ms = SHOP_NOW,
                                    .n_items = FIT_ITEMS,
                                    .item_ids = ids,
                                    .n_spaces = 1};
    info.spaces[0] = fit_space("main", NBX_CUSTOMER_FOLDED);
}

static inline void fit_begin(void)
{
    shop_begin(&s);
    fit_fill();
    extra = NULL;
    budget = (struct nbx_budget){.limit = (size_t)1 << 30};
    options = (struct nbx_accept_options){.bounds = {.max_without_vector = 0.005,
                                                     .max_norm = 100000,
                                                     .max_unknown = 0.5,
                                                     .min_covered = 0.05,
                                                     .min_listed = 0.01,
                                                     .max_loss = 0.1},
                                          .budget = &budget,
                                          .ids = s.ids};
    snprintf(file, sizeof file, "%s/taste.safetensors", s.f.root);
}

static inline void fit_end(void)
{
    cr_assert_eq(atomic_load(&budget.used), 0, "memory is still charged");
    shop_end(&s);
}

/* A blend of every kind of part. */
static inline void fit_blend(void)
{
    info.family = NBX_STR("blend");
    info.spaces[1] = fit_space("next", NBX_CUSTOMER_SUMMED);
    info.spaces[2] = fit_space("popular", NBX_CUSTOMER_CONSTANT);
    info.n_spaces = 3;
    info.neighbours[0] = (struct nbx_neighbours){.name = NBX_STR("together"),
                                                 .start = start,
                                                 .items = neighbours,
                                                 .weights = weights,
                                                 .positions = ones,
                                                 .n_positions = 1,
                                                 .weight = 1};
    info.n_neighbours = 1;
}

/* Item i lies on axis i % FIT_DIMS, longer than all before it: who likes one gets the others of its
 * axis, the last first. */
static inline void fit_axes(void)
{
    memset(factors, 0, sizeof factors);
    for (size_t i = 0; i < FIT_ITEMS; i++)
        factors[i * FIT_DIMS + i % FIT_DIMS] = 1 + (float)i / FIT_ITEMS;
}

static inline void fit_write(void)
{
    cr_assert_eq(nbx_bundle_write(file, &info, extra, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

static inline enum nbx_err fit_ask(void)
{
    fault = (struct nbx_fault){0};
    return nbx_model_accept(&accepted, file, &options, &fault);
}

static inline void fit_takes(void)
{
    fit_write();
    cr_assert_eq(fit_ask(), NBX_OK, "refused: %s: %s", fault.field, fault.message);
    cr_assert_eq(accepted.n_items, info.n_items);
    cr_assert(nbx_str_is(info.name, accepted.name) && nbx_str_is(info.version, accepted.version));
}

/* message: a part of it. */
static inline void fit_refuses(const char *field, const char *message)
{
    fit_write();
    cr_assert_eq(fit_ask(), NBX_EBAD, "accepted, or %d: %s", fault.code, fault.message);
    cr_assert_str_eq(fault.field, field, "%s: %s", fault.field, fault.message);
    cr_assert(strstr(fault.message, message), "'%s' lacks '%s'", fault.message, message);
}

/* Items `from` to `end` of the bundle, into the catalogue. */
static inline void fit_put(size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        shop_takes(shop_put(&s, texts[i], "{}"));
    options.catalog = s.c;
}

#endif
