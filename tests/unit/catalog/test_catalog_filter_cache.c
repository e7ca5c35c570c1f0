/* SPDX-License-Identifier: MIT */
#include "engine/base/random.h"
#include "engine/catalog/filter.h"
#include "tests/unit/catalog/shop.h"

#define SEED 77

static struct shop s;
static struct nbx_filter_cache *cache;

static void begin(void)
{
    shop_begin(&s);
    cache = nbx_filter_cache_new(1 << 20);
}

static void end(void)
{
    nbx_filter_cache_destroy(&cache);
    cr_assert_null(cache);
    nbx_filter_cache_destroy(&cache);
    shop_end(&s);
}

TestSuite(catalog_filter_cache, .init = begin, .fini = end);

static struct nbx_filter_stats stats(void)
{
    struct nbx_filter_stats out;
    nbx_filter_cache_stats(cache, &out);
    return out;
}

static struct nbx_passing pass(const struct nbx_catalog *c, const struct nbx_offer *offer,
                               const struct nbx_value *filter)
{
    struct nbx_fault fault = {0};
    struct nbx_passing passing;
    cr_assert_eq(nbx_filter_pass(&passing, cache, c, offer, filter, &fault), NBX_OK, "%s: %s",
                 fault.field, fault.message);
    return passing;
}

static size_t words_of(const struct nbx_catalog *c)
{
    return (nbx_catalog_rows(c) + NBX_CHUNK_ITEMS - 1) / NBX_CHUNK_ITEMS * (NBX_CHUNK_ITEMS / 64);
}

/* The cache says what a cache that has never seen anything says. */
static void agrees(const struct nbx_catalog *c, const struct nbx_offer *offer,
                   const struct nbx_value *filter)
{
    struct nbx_filter_cache *fresh = nbx_filter_cache_new(0);
    struct nbx_passing want, got = pass(c, offer, filter);
    cr_assert_eq(nbx_filter_pass(&want, fresh, c, offer, filter, NULL), NBX_OK);
    cr_assert_eq(memcmp(want.bits, got.bits, words_of(c) * sizeof *want.bits), 0);
    nbx_filter_cache_destroy(&fresh);
}

Test(catalog_filter_cache, the_same_content_is_found_again)
{
    struct nbx_offer offer = {.now_ms = 5};
    shop_takes(shop_put(&s, "a", "{price: 5}"));
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 5}"));
    cr_assert_eq(stats().hits, 0);
    cr_assert_eq(stats().misses, 2, "an offer and a filter");
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 5}"));
    cr_assert_eq(stats().hits, 2);
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 6}"));
    cr_assert_eq(stats().hits, 3);
    cr_assert_eq(stats().misses, 3);
    offer.channel = NBX_STR("web");
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 6}"));
    cr_assert_eq(stats().hits, 4);
    cr_assert_eq(stats().misses, 4);
}

Test(catalog_filter_cache, names_do_not_run_into_each_other)
{
    shop_takes(shop_put(&s, "a", "{channels: ['web'], stock: {s: 0}}"));
    struct nbx_offer one = {.channel = NBX_STR("we"), .store = NBX_STR("bs")};
    struct nbx_offer other = {.channel = NBX_STR("web"), .store = NBX_STR("s")};
    pass(s.c, &one, NULL);
    pass(s.c, &other, NULL);
    cr_assert_eq(stats().misses, 2);
}

Test(catalog_filter_cache, random_changes_and_a_clock_that_jumps)
{
    const struct nbx_value *filters[] = {
        NULL, shop_value(&s, "{field: 'price', lt: 50}"),
        shop_value(&s, "{not: {field: 'brand', in: ['b1', 'b2']}}"),
        shop_value(&s, "{field: 'brand', eq: 'b99'}"), /* a word nobody knows at first */
    };
    struct nbx_random r;
    struct nbx_catalog *old = NULL;
    printf("seed %d\n", SEED);
    nbx_random_init(&r, SEED);
    for (int round = 0; round < 300; round++) {
        struct nbx_change changes[40];
        uint32_t n = 1 + (uint32_t)nbx_random_below(&r, 40);
        for (uint32_t i = 0; i < n; i++) {
            char id[16], fields[160];
            snprintf(id, sizeof id, "i%u", (unsigned)nbx_random_below(&r, 9000));
            snprintf(fields, sizeof fields,
                     "{price: %u, brand: 'b%u', valid_from: %u, valid_to: %u, stock: {s: %u}}",
                     (unsigned)nbx_random_below(&r, 100), (unsigned)nbx_random_below(&r, 100),
                     (unsigned)nbx_random_below(&r, 50), 50 + (unsigned)nbx_random_below(&r, 50),
                     (unsigned)nbx_random_below(&r, 3));
            changes[i] = (struct nbx_change){.kind = nbx_random_below(&r, 10) ? NBX_CHANGE_PUT
                                                                              : NBX_CHANGE_DELETE,
                                             .id = nbx_arena_str(s.arena, nbx_str_c(id)),
                                             .fields = shop_value(&s, fields)};
        }
        nbx_catalog_release(&old);
        shop_apply(&s, changes, n, &old);
        for (int k = 0; k < 4; k++) {
            struct nbx_offer offer = {.now_ms = (int64_t)nbx_random_below(&r, 110)};
            offer.store = k % 2 ? NBX_STR("s") : (struct nbx_str){0};
            agrees(s.c, &offer, filters[nbx_random_below(&r, 4)]);
            if (k == 3) /* going back to an older snapshot is odd, but no reason to lie */
                agrees(old, &offer, filters[nbx_random_below(&r, 4)]);
        }
    }
    nbx_catalog_release(&old);
    cr_assert_gt(stats().hits, 0);
}

Test(catalog_filter_cache, bits_hold_until_a_border_is_crossed)
{
    shop_takes(shop_put(&s, "a", "{valid_from: 100, valid_to: 200}"));
    uint32_t no = shop_no(&s, "a");
    const struct {
        int64_t now_ms;
        bool offered, hit;
    } steps[] = {{50, false, false}, {99, false, true},   {100, true, false},
                 {199, true, true},  {200, false, false}, {5000, false, true},
                 {150, true, false}, {60, false, false},  {99, false, true}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct nbx_offer offer = {.now_ms = steps[i].now_ms};
        uint64_t hits = stats().hits;
        struct nbx_passing got = pass(s.c, &offer, NULL);
        cr_assert_eq(got.bits[no / 64] >> (no % 64) & 1, steps[i].offered, "step %zu", i);
        cr_assert_eq(stats().hits - hits, steps[i].hit, "step %zu", i);
    }
}

Test(catalog_filter_cache, a_filter_does_not_mind_the_clock)
{
    const struct nbx_value *filter = shop_value(&s, "{field: 'price', eq: 5}");
    shop_takes(shop_put(&s, "a", "{price: 5, valid_from: 100}"));
    struct nbx_offer before = {.now_ms = 50}, after = {.now_ms = 150};
    pass(s.c, &before, filter);
    pass(s.c, &after, filter);
    cr_assert_eq(stats().hits, 1, "the filter's part");
    cr_assert_eq(stats().misses, 3);
}

Test(catalog_filter_cache, the_least_recently_used_goes_first)
{
    struct nbx_offer offer = {.now_ms = 5};
    shop_takes(shop_put(&s, "a", "{price: 5}"));
    nbx_filter_cache_destroy(&cache);
    cache = nbx_filter_cache_new(
        6000); /* seven entries of one chunk: an offer, three filters with it joined */
    char text[64];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "{field: 'price', eq: %d}", i);
        pass(s.c, &offer, shop_value(&s, text));
        cr_assert_leq(stats().bytes, 6000);
        uint64_t hits = stats().hits;
        pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 0}"));
        cr_assert_eq(stats().hits, hits + 2, "what is used stays");
    }
    uint64_t misses = stats().misses;
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 98}"));
    cr_assert_eq(stats().misses, misses);
    pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 50}"));
    cr_assert_eq(stats().misses, misses + 1);
}

Test(catalog_filter_cache, no_room_at_all_still_answers)
{
    struct nbx_offer offer = {.now_ms = 5};
    shop_takes(shop_put(&s, "a", "{price: 5}"));
    nbx_filter_cache_destroy(&cache);
    cache = nbx_filter_cache_new(0);
    for (int i = 0; i < 3; i++) {
        struct nbx_passing got = pass(s.c, &offer, shop_value(&s, "{field: 'price', eq: 5}"));
        cr_assert_eq(got.bits[0], UINT64_C(1) << shop_no(&s, "a"));
    }
}

/* By content the same filter is known again, by version its bits; a note goes with the entry. */
Test(catalog_filter_cache, tells_content_and_version)
{
    const struct nbx_value *five = shop_value(&s, "{field: 'price', eq: 5}");
    const struct nbx_value *six = shop_value(&s, "{field: 'price', eq: 6}");
    struct nbx_offer any = {.now_ms = 5}, web = {.now_ms = 5, .channel = NBX_STR("web")};
    shop_takes(shop_put(&s, "a", "{price: 5}"));
    struct nbx_passing first = pass(s.c, &any, five);
    cr_expect_eq(first.note->n_uses, 0);
    first.note->n_uses = 7;
    cr_expect_neq(pass(s.c, &any, six).content, first.content);
    cr_expect_neq(pass(s.c, &any, NULL).content, first.content);
    cr_expect_neq(pass(s.c, &web, five).content, first.content);
    struct nbx_passing again = pass(s.c, &any, five);
    cr_expect(again.content == first.content && again.version == first.version);
    cr_expect_eq(again.note->n_uses, 7);
    shop_takes(shop_put(&s, "b", "{price: 5}"));
    struct nbx_passing changed = pass(s.c, &any, five);
    cr_expect(changed.content == first.content && changed.version != first.version);
    cr_expect_eq(changed.note->n_uses, 7);
}
