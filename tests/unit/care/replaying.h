/* SPDX-License-Identifier: MIT
 * A town in which decisions are made, and made again.
 *
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_CARE_REPLAYING_H
#define NBX_TEST_CARE_REPLAYING_H

#include "engine/care/replay.h"
#include "engine/decide/taste.h"
#include "tests/unit/decide/linking.h"

#define SEED 20261127u

static struct town t;
static struct nbx_random r;
static unsigned n_models;

/* Bundles lie in the store's folder, as the daemon has them. Nothing expires: the shop's clock is
 * years behind. */
static inline void replaying_begin(void)
{
    n_models = 0;
    nbx_random_init(&r, SEED);
    town_begin(&t);
    t.shop.f.options.event_retention_ms = t.shop.f.options.decision_retention_ms = 0;
    town_reopen(&t);
}

static inline void replaying_end(void)
{
    town_end(&t);
}

static inline unsigned below(unsigned n)
{
    return (unsigned)nbx_random_below(&r, n);
}

/* Another bundle, of other factors: every third takes customers' vectors as they are given. */
static inline void change_model(void)
{
    static char texts[TOWN_ITEMS][8];
    static struct nbx_str ids[TOWN_ITEMS];
    char path[160], version[16];
    snprintf(version, sizeof version, "%u", ++n_models);
    snprintf(path, sizeof path, "%s/%s.safetensors", t.shop.f.dir, version);
    for (int i = 0; i < TOWN_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%02d", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    for (int i = 0; i < TOWN_ITEMS * TOWN_DIMS; i++)
        t.factors[i] = (float)nbx_random_normal(&r);
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = SHOP_NOW + n_models,
                                   .n_items = TOWN_ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] =
        (struct nbx_space){.name = NBX_STR("main"),
                           .dims = TOWN_DIMS,
                           .customer = n_models % 3 ? NBX_CUSTOMER_FOLDED : NBX_CUSTOMER_GIVEN,
                           .metric = n_models % 2 ? NBX_METRIC_DOT : NBX_METRIC_COSINE,
                           .item_factors = t.factors,
                           .alpha0 = 0.1F,
                           .lambda = 0.05F,
                           .nu = 1};
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &t.fault), NBX_OK, "%s", t.fault.message);
    nbx_model_release(&t.bare);
    cr_assert_eq(nbx_model_load(&t.bare, path, t.shop.ids, &t.shop.budget, &t.fault), NBX_OK);
    town_refresh_model(&t);
}

static inline void restart(void)
{
    char path[160];
    nbx_model_release(&t.model);
    nbx_model_release(&t.bare);
    town_reopen(&t);
    if (n_models == 0)
        return;
    cr_assert_eq(nbx_bundle_newest(t.shop.f.dir, path, sizeof path), NBX_OK);
    cr_assert_eq(nbx_model_load(&t.bare, path, t.shop.ids, &t.shop.budget, &t.fault), NBX_OK);
    town_refresh_model(&t);
}

/* Decides, records, and gives the id. */
static inline struct nbx_decision_id decide(const char *customer, const char *text)
{
    static uint16_t counter;
    t.world.catalogue_seq = t.shop.seq;
    t.scope.now_ms = SHOP_NOW;
    struct nbx_profile profile = town_profile(&t, customer);
    struct nbx_recommend_req req = town_request(&t, text, strstr(text, "items:") != NULL);
    struct nbx_decision decision = town_decide(&t, customer, text);
    cr_assert_eq(nbx_profile_for_answer(&profile, &t.scope, &profile, req.personal), NBX_OK);
    struct nbx_decision_context context = {
        .id = nbx_decision_id_make(profile.number, SHOP_NOW, ++counter),
        .req = &req,
        .profile = &profile,
        .time_ms = SHOP_NOW};
    cr_assert_eq(nbx_decision_write(&t.d, &decision, &context), NBX_OK);
    t.scope.now_ms = SHOP_NOW;
    return context.id;
}

static int64_t ttl_ms; /* of a view, in the settings that replay gets */

static inline struct nbx_replay replay_within(struct nbx_decision_id id, int64_t keep_ms)
{
    struct nbx_event_type types[] = {{.name = {"view", 4},
                                      .class = NBX_CLASS_POSITIVE,
                                      .weight = 9,
                                      .ttl_ms = ttl_ms,
                                      .negative_below = NAN}};
    struct nbx_vocabulary_options words = {.types = types,
                                           .n_types = 1,
                                           .channels = t.shop.channels,
                                           .n_channels = 2,
                                           .currency = NBX_STR("EUR")};
    struct nbx_replay_options options = {.data_dir = t.shop.f.dir,
                                         .vocabulary = &words,
                                         .memory_bytes = (size_t)1 << 30,
                                         .now_ms = SHOP_NOW + 1000,
                                         .decision_retention_ms = keep_ms};
    struct nbx_replay out;
    cr_assert_eq(nbx_replay(&out, t.shop.f.store, id, &options, &t.fault), NBX_OK, "%s",
                 t.fault.message);
    return out;
}

static inline struct nbx_replay replay(struct nbx_decision_id id)
{
    return replay_within(id, 0);
}

static inline struct nbx_replay must_be_same(struct nbx_decision_id id)
{
    char hex[33];
    struct nbx_replay out = replay(id);
    nbx_decision_id_hex(id, hex);
    cr_assert_eq(out.verdict, NBX_REPLAY_SAME, "seed %u, %s: %s", SEED, hex, out.what);
    return out;
}

static inline void must_say(struct nbx_decision_id id, enum nbx_replay_verdict verdict,
                            const char *what)
{
    struct nbx_replay out = replay(id);
    cr_assert(out.verdict == verdict && strstr(out.what, what), "verdict %d: %s, wanted %d: %s",
              out.verdict, out.what, verdict, what);
}

#endif
