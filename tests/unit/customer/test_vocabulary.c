/* SPDX-License-Identifier: MIT */
#include "engine/customer/vocabulary.h"

#include "tests/unit/store/fixture.h"

#include <math.h>

#define HOUR_MS INT64_C(3600000)

static struct fixture f;
static struct nbx_vocabulary *v;

static const struct nbx_event_type types[] = {
    {.name = {"view", 4}, .class = NBX_CLASS_POSITIVE, .weight = 0.5, .negative_below = NAN},
    {.name = {"buy", 3},
     .class = NBX_CLASS_POSITIVE,
     .weight = 2,
     .half_life_ms = 6 * HOUR_MS,
     .negative_below = 2.5},
    {.name = {"dismiss", 7}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN},
};
static const struct nbx_str channels[] = {{"web", 3}, {"app", 3}};

static const struct nbx_placement placements[] = {{{"home", 4}, 0.9F}, {{"cart", 4}, 1}};

static void make(size_t n_types, size_t n_channels)
{
    struct nbx_vocabulary_options options = {.types = types,
                                             .n_types = n_types,
                                             .channels = channels,
                                             .n_channels = n_channels,
                                             .placements = placements,
                                             .n_placements = 2,
                                             .currency = NBX_STR("EUR")};
    cr_assert_eq(nbx_vocabulary_new(&v, f.store, &options), NBX_OK);
}

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    nbx_vocabulary_destroy(&v);
    fixture_end(&f);
}

TestSuite(vocabulary, .init = begin, .fini = end);

Test(vocabulary, knows_what_it_was_given)
{
    make(3, 2);
    const struct nbx_event_type *buy = nbx_vocabulary_type(v, NBX_STR("buy"));
    cr_assert_not_null(buy);
    cr_assert_eq(buy->class, NBX_CLASS_POSITIVE);
    cr_assert(buy->weight == 2 && buy->negative_below == 2.5);
    cr_assert_eq(nbx_vocabulary_type_no(v, buy->no), buy);
    cr_assert_null(nbx_vocabulary_type(v, NBX_STR("bu")));
    cr_assert_null(nbx_vocabulary_type(v, NBX_STR("")));
    cr_assert_null(nbx_vocabulary_type_no(v, 99));
    cr_assert(nbx_vocabulary_channel(v, NBX_STR("web")) > 0);
    cr_assert_eq(nbx_vocabulary_channel(v, NBX_STR("fax")), 0);
    cr_assert_eq(nbx_vocabulary_channel(v, NBX_STR("")), 0);
    cr_assert(nbx_str_is(nbx_vocabulary_currency(v), "EUR"));
    cr_assert_str_eq(nbx_vocabulary_list_types(v), "view, buy, dismiss");
    cr_assert_str_eq(nbx_vocabulary_list_channels(v), "web, app");
    cr_assert(
        nbx_str_is(nbx_vocabulary_channel_name(v, nbx_vocabulary_channel(v, channels[1])), "app"));
    cr_assert_eq(nbx_vocabulary_channel_name(v, 0).len, 0);
    cr_assert_eq(nbx_vocabulary_max_channel(v), 2);
}

Test(vocabulary, knows_what_placements_ask_for)
{
    make(1, 1);
    cr_assert_eq(nbx_vocabulary_recall(v, NBX_STR("home")), 0.9F);
    cr_assert_eq(nbx_vocabulary_recall(v, NBX_STR("cart")), 1);
    cr_assert_eq(nbx_vocabulary_recall(v, NBX_STR("hom")), 1, "exact where nobody says otherwise");
    cr_assert_eq(nbx_vocabulary_recall(v, NBX_STR("")), 1);
}

Test(vocabulary, numbers_last)
{
    make(3, 2);
    uint16_t buy = nbx_vocabulary_type(v, NBX_STR("buy"))->no;
    uint16_t app = nbx_vocabulary_channel(v, NBX_STR("app"));
    nbx_vocabulary_destroy(&v);
    fixture_reopen(&f);
    make(1, 1); /* types and channels that are no longer configured keep their numbers */
    cr_assert_null(nbx_vocabulary_type_no(v, buy));
    cr_assert_eq(nbx_vocabulary_channel_name(v, app).len, 0);
    nbx_vocabulary_destroy(&v);
    make(3, 2);
    cr_assert_eq(nbx_vocabulary_type(v, NBX_STR("buy"))->no, buy);
    cr_assert_eq(nbx_vocabulary_channel(v, NBX_STR("app")), app);
}

Test(vocabulary, weights_halve_in_steps_of_an_hour)
{
    const struct nbx_event_type *view = &types[0], *buy = &types[1];
    int64_t t = 1000 * HOUR_MS;
    cr_assert(nbx_event_weight(view, 0, t) == 0.5);
    cr_assert(nbx_event_weight(buy, t, t) == 2);
    cr_assert(nbx_event_weight(buy, t, t - HOUR_MS) == 2, "a clock behind takes nothing away");
    cr_assert_float_eq(nbx_event_weight(buy, t, t + 6 * HOUR_MS), 1, 1e-15);
    cr_assert_float_eq(nbx_event_weight(buy, t, t + 12 * HOUR_MS), 0.5, 1e-15);
    cr_assert(nbx_event_weight(buy, t + 5, t + HOUR_MS + 9) ==
              nbx_event_weight(buy, t + HOUR_MS - 1, t + 2 * HOUR_MS - 1));
}

Test(vocabulary, says_when_weights_are_the_same)
{
    make(3, 2);
    int64_t t = 1000 * HOUR_MS;
    cr_assert(nbx_vocabulary_same_weights(v, t, t + HOUR_MS - 1));
    cr_assert_not(nbx_vocabulary_same_weights(v, t - 1, t));
    nbx_vocabulary_destroy(&v);
    make(1, 1); /* nothing fades */
    cr_assert(nbx_vocabulary_same_weights(v, 0, t));
}

Test(vocabulary, what_expires_does_so_at_a_full_hour)
{
    int64_t last = 1000 * HOUR_MS + HOUR_MS / 6;
    cr_assert_not(nbx_event_expired(0, last, INT64_MAX), "never");
    cr_assert_not(nbx_event_expired(1, last, last - 5 * HOUR_MS), "a clock behind");
    cr_assert_not(nbx_event_expired(HOUR_MS / 2, last, 1001 * HOUR_MS - 1), "within its hour");
    cr_assert(nbx_event_expired(HOUR_MS / 2, last, 1001 * HOUR_MS));
    cr_assert_not(nbx_event_expired(24 * HOUR_MS, last, 1025 * HOUR_MS - 1), "never early");
    cr_assert(nbx_event_expired(24 * HOUR_MS, last, 1025 * HOUR_MS), "and late by less than one");
    cr_assert_not(nbx_event_expired(HOUR_MS, 1000 * HOUR_MS, 1001 * HOUR_MS), "as old, not older");
    cr_assert(nbx_event_expired(HOUR_MS - 1, 1000 * HOUR_MS, 1001 * HOUR_MS));
}

Test(vocabulary, any_types_ttl_makes_the_hour_count)
{
    struct nbx_event_type negative = types[2];
    struct nbx_vocabulary_options options = {.types = &negative, .n_types = 1};
    const struct nbx_type_ttl *ttls;
    uint64_t without;
    cr_assert_eq(nbx_vocabulary_new(&v, f.store, &options), NBX_OK);
    cr_assert(nbx_vocabulary_same_weights(v, 0, HOUR_MS));
    cr_assert_eq(nbx_vocabulary_ttls(v, &ttls), 0);
    without = nbx_vocabulary_digest(v);
    nbx_vocabulary_destroy(&v);
    negative.ttl_ms = 5;
    cr_assert_eq(nbx_vocabulary_new(&v, f.store, &options), NBX_OK);
    cr_assert_not(nbx_vocabulary_same_weights(v, 0, HOUR_MS));
    cr_assert(nbx_vocabulary_same_weights(v, 0, HOUR_MS - 1));
    cr_assert_eq(nbx_vocabulary_ttls(v, &ttls), 1);
    cr_assert(ttls[0].type_no == nbx_vocabulary_type(v, negative.name)->no && ttls[0].ttl_ms == 5);
    cr_assert_neq(nbx_vocabulary_digest(v), without);
}
