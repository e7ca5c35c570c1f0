/* SPDX-License-Identifier: MIT
 * What the tests of deciding share: a shop with customers, trends, a vocabulary and, where wanted,
 * a model; and a world to decide in.
 *
 * Owns:    all of it, until town_end.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DECIDE_TOWN_H
#define NBX_TEST_DECIDE_TOWN_H

#include "engine/base/random.h"
#include "engine/decide/decide.h"
#include "engine/decide/record.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>

#define TOWN_DIMS    6
#define TOWN_ITEMS   30 /* i00, i01, ... in the model */
#define TOWN_SEED    20240623
#define TOWN_HOUR_MS INT64_C(3600000)

struct town {
    struct shop shop;
    struct nbx_trends *trends;
    struct nbx_rankings *rankings;
    struct nbx_customers *customers;
    struct nbx_vocabulary *vocabulary;
    struct nbx_model *bare, *model; /* without the items' own vectors; as served */
    struct nbx_filter_cache *filters;
    struct nbx_customer_scope scope;
    struct nbx_world world;
    struct nbx_decide d;
    struct nbx_fault fault;
    float factors[TOWN_ITEMS * TOWN_DIMS];
    struct nbx_features customer_features; /* of the next town_model */
};

#define TOWN_TYPES 4
static const struct nbx_event_type town_types[TOWN_TYPES] = {
    {.name = {"view", 4}, .class = NBX_CLASS_POSITIVE, .weight = 0.5, .negative_below = NAN},
    {.name = {"buy", 3},
     .class = NBX_CLASS_POSITIVE,
     .weight = 2,
     .half_life_ms = 6 * TOWN_HOUR_MS,
     .negative_below = 2.5},
    {.name = {"show", 4}, .class = NBX_CLASS_NEUTRAL, .negative_below = NAN},
    {.name = {"dismiss", 7}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN}};

static inline void town_vocabulary(struct town *t, const struct nbx_event_type *types)
{
    struct nbx_vocabulary_options options = {.types = types,
                                             .n_types = TOWN_TYPES,
                                             .channels = t->shop.channels,
                                             .n_channels = 2,
                                             .currency = NBX_STR("EUR")};
    cr_assert_eq(nbx_vocabulary_new(&t->vocabulary, t->shop.f.store, &options), NBX_OK);
}

/* The world as it is now: after changes of the catalogue or of counts. */
static inline void town_world(struct town *t, bool new_rankings)
{
    if (new_rankings) {
        nbx_rankings_destroy(&t->rankings);
        cr_assert_eq(nbx_rankings_build(&t->rankings, t->trends, t->shop.c, t->shop.now_ms),
                     NBX_OK);
    }
    t->world.generation++;
    t->world.catalog = t->shop.c;
    t->world.model = t->model;
    t->world.rankings = t->rankings;
    t->world.vocabulary = t->vocabulary;
}

/* Other settings of the town's types (TOWN_TYPES), in the same order, as after a reload. */
static inline void town_change_types(struct town *t, const struct nbx_event_type *types)
{
    nbx_vocabulary_destroy(&t->vocabulary);
    town_vocabulary(t, types);
    t->scope.vocabulary = t->vocabulary;
    town_world(t, false);
}

static inline void town_open(struct town *t)
{
    struct shop *s = &t->shop;
    town_vocabulary(t, town_types);
    struct nbx_trends_options trends = {.half_life_ms = 24 * TOWN_HOUR_MS,
                                        .n_channels = nbx_vocabulary_max_channel(t->vocabulary),
                                        .now_ms = SHOP_NOW};
    cr_assert_eq(nbx_trends_load(&t->trends, s->f.store, &s->budget, &trends), NBX_OK);
    cr_assert_eq(nbx_customers_new(&t->customers, s->f.store, s->ids, t->trends), NBX_OK);
    t->scope = (struct nbx_customer_scope){.customers = t->customers,
                                           .vocabulary = t->vocabulary,
                                           .arena = s->arena,
                                           .batch = s->f.batch,
                                           .now_ms = SHOP_NOW};
    t->d = (struct nbx_decide){
        .world = &t->world, .scope = &t->scope, .ids = s->ids, .filters = t->filters};
    town_world(t, true);
}

static inline void town_begin(struct town *t)
{
    memset(t, 0, sizeof *t);
    shop_begin(&t->shop);
    t->filters = nbx_filter_cache_new((size_t)1 << 20);
    town_open(t);
}

static inline void town_close(struct town *t)
{
    nbx_rankings_destroy(&t->rankings);
    nbx_customers_destroy(&t->customers);
    nbx_trends_destroy(&t->trends);
    nbx_vocabulary_destroy(&t->vocabulary);
}

static inline void town_reopen(struct town *t)
{
    town_close(t);
    shop_reopen(&t->shop);
    town_open(t);
}

static inline void town_end(struct town *t)
{
    nbx_model_release(&t->model);
    nbx_model_release(&t->bare);
    town_close(t);
    nbx_filter_cache_destroy(&t->filters);
    shop_end(&t->shop);
}

/* The model with the catalogue's own vectors as they are now. */
static inline void town_refresh_model(struct town *t)
{
    struct nbx_model *fresh;
    cr_assert_eq(nbx_model_refresh(&fresh, t->bare, NULL, t->shop.c), NBX_OK);
    nbx_model_release(&t->model);
    t->model = fresh;
    town_world(t, true);
}

/* Loads a model of random factors over i00 to i29, all of them put into the catalogue. */
static inline void town_model(struct town *t, enum nbx_customer_source source, const char *version)
{
    static char texts[TOWN_ITEMS][8];
    static struct nbx_str ids[TOWN_ITEMS];
    char path[160];
    struct nbx_random r;
    nbx_random_init(&r, TOWN_SEED);
    for (int i = 0; i < TOWN_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%02d", i);
        ids[i] = nbx_str_c(texts[i]);
        shop_takes(shop_put(&t->shop, texts[i], "{}"));
    }
    for (int i = 0; i < TOWN_ITEMS * TOWN_DIMS; i++)
        t->factors[i] = (float)nbx_random_normal(&r);
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = SHOP_NOW,
                                   .n_items = TOWN_ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1,
                                   .customer_features = t->customer_features};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("main"),
                                        .dims = TOWN_DIMS,
                                        .customer = source,
                                        .item_factors = t->factors,
                                        .alpha0 = 0.1F,
                                        .lambda = 0.05F,
                                        .nu = 1};
    snprintf(path, sizeof path, "%s/%s.safetensors", t->shop.f.root, version);
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &t->fault), NBX_OK, "%s", t->fault.message);
    nbx_model_release(&t->bare);
    cr_assert_eq(nbx_model_load(&t->bare, path, t->shop.ids, &t->shop.budget, &t->fault), NBX_OK);
    town_refresh_model(t);
}

static inline struct nbx_body town_body(struct town *t, const char *text)
{
    struct nbx_buf b = {0};
    notation(&b, text);
    struct nbx_str kept =
        nbx_arena_str(t->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return (struct nbx_body){kept.p, kept.len};
}

static inline struct nbx_profile town_profile(struct town *t, const char *customer)
{
    struct nbx_profile profile;
    cr_assert_eq(nbx_profile_load(&profile, &t->scope, nbx_str_c(customer)), NBX_OK);
    cr_assert_eq(nbx_profile_load_head(&profile, &t->scope), NBX_OK);
    return profile;
}

/* Events of one customer, as a list in notation. */
static inline struct nbx_observed town_try_observe(struct town *t, const char *customer,
                                                   const char *events, bool atomic,
                                                   enum nbx_err want)
{
    char text[4096];
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    struct nbx_profile profile = town_profile(t, customer);
    snprintf(text, sizeof text, "{events:[%s]}", events);
    enum nbx_err err =
        nbx_message_observe(&req, town_body(t, text), true, t->shop.arena, &t->fault);
    cr_assert_eq(err, NBX_OK, "%s: %s", t->fault.field, t->fault.message);
    err = nbx_observe(&out, &t->scope, &profile, &req.events, atomic, &t->fault);
    cr_assert_eq(err, want, "%s: %s", t->fault.field, t->fault.message);
    return out;
}

static inline struct nbx_observed town_observe(struct town *t, const char *customer,
                                               const char *events)
{
    return town_try_observe(t, customer, events, false, NBX_OK);
}

static inline struct nbx_recommend_req town_request(struct town *t, const char *text, bool rank)
{
    struct nbx_recommend_req req;
    enum nbx_err err =
        nbx_message_recommend(&req, town_body(t, text), rank, t->shop.arena, &t->fault);
    cr_assert_eq(err, NBX_OK, "%s: %s", t->fault.field, t->fault.message);
    if (req.now_ms != NBX_TIME_UNSET)
        t->scope.now_ms = req.now_ms;
    return req;
}

/* A decision for the customer; `text` is the body of a recommend, of a rank where it has items. */
static inline struct nbx_decision town_decide(struct town *t, const char *customer,
                                              const char *text)
{
    struct nbx_decision out;
    struct nbx_profile profile = town_profile(t, customer);
    struct nbx_recommend_req req = town_request(t, text, strstr(text, "items:") != NULL);
    cr_assert_eq(nbx_profile_for_answer(&profile, &t->scope, &profile, req.personal), NBX_OK);
    cr_assert_eq(nbx_decide_recommend(&out, &t->d, &req, &profile, &t->fault), NBX_OK, "%s: %s",
                 t->fault.field, t->fault.message);
    return out;
}

/* The decision's items by id, joined by blanks, in the arena. */
static inline const char *town_ids(struct town *t, const struct nbx_decision *d)
{
    struct nbx_buf b = {0};
    for (uint32_t i = 0; i < d->n; i++)
        nbx_buf_printf(&b, "%s%.*s", i ? " " : "",
                       NBX_STR_ARG(nbx_ids_name(t->shop.ids, d->choices[i].item_no)));
    struct nbx_str s =
        nbx_arena_str(t->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s.p;
}

#endif
