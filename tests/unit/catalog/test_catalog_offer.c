/* SPDX-License-Identifier: MIT */
#include "engine/catalog/filter.h"
#include "tests/unit/catalog/shop.h"

static struct nbx_offer offer_of(const char *channel, const char *store, int64_t now_ms)
{
    return (struct nbx_offer){nbx_str_c(channel), nbx_str_c(store), now_ms};
}

/* What one item says and what the bits say is the same. */
static void offers(struct shop *s, const char *id, struct nbx_offer offer, bool want)
{
    struct nbx_filter_cache *cache = nbx_filter_cache_new(1 << 20);
    struct nbx_passing got;
    struct nbx_fault fault = {0};
    uint32_t no = shop_no(s, id);
    cr_assert_eq(nbx_filter_pass(&got, cache, s->c, &offer, NULL, &fault), NBX_OK);
    cr_assert_eq(nbx_catalog_offered(s->c, no, &offer), want, "%s at %lld", id,
                 (long long)offer.now_ms);
    cr_assert_eq(got.bits[no / 64] >> (no % 64) & 1, want);
    nbx_filter_cache_destroy(&cache);
}

Test(catalog_offer, presence_and_availability)
{
    struct shop s;
    struct nbx_offer any = {.now_ms = 5};
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{}"));
    shop_takes(shop_put(&s, "b", "{available: false}"));
    shop_takes(shop_put(&s, "c", "{available: true}"));
    offers(&s, "a", any, true);
    offers(&s, "b", any, false);
    offers(&s, "c", any, true);
    shop_takes(shop_delete(&s, "c"));
    offers(&s, "c", any, false);
    cr_assert(!nbx_catalog_offered(s.c, 0, &any));
    cr_assert(!nbx_catalog_offered(s.c, 1000000, &any));
    shop_end(&s);
}

Test(catalog_offer, channels_empty_or_named)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "all", "{}"));
    shop_takes(shop_put(&s, "web", "{channels: ['web']}"));
    offers(&s, "all", offer_of("store", "", 0), true);
    offers(&s, "web", offer_of("store", "", 0), false);
    offers(&s, "web", offer_of("web", "", 0), true);
    offers(&s, "web", offer_of("", "", 0), true);
    offers(&s, "web", offer_of("fax", "", 0), false);
    shop_end(&s);
}

Test(catalog_offer, stock_by_store)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "free", "{}"));
    shop_takes(shop_put(&s, "some", "{stock: {s1: 1, s2: 0}}"));
    shop_takes(shop_put(&s, "none", "{stock: {s1: 0}}"));
    offers(&s, "free", offer_of("", "s9", 0), true);
    offers(&s, "some", offer_of("", "s1", 0), true);
    offers(&s, "some", offer_of("", "s2", 0), false);
    offers(&s, "some", offer_of("", "s9", 0), false);
    offers(&s, "some", offer_of("", "", 0), true);
    offers(&s, "none", offer_of("", "", 0), false);
    shop_takes(shop_patch(&s, "none", "{stock: {s2: 3}}"));
    offers(&s, "none", offer_of("", "", 0), true);
    shop_end(&s);
}

Test(catalog_offer, validity_includes_its_beginning_and_not_its_end)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{valid_from: 10, valid_to: 20}"));
    shop_takes(shop_put(&s, "from", "{valid_from: 10}"));
    shop_takes(shop_put(&s, "to", "{valid_to: 20}"));
    const int64_t times[] = {INT64_MIN, 9, 10, 19, 20, INT64_MAX};
    for (size_t i = 0; i < 6; i++) {
        struct nbx_offer now = {.now_ms = times[i]};
        offers(&s, "a", now, times[i] >= 10 && times[i] < 20);
        offers(&s, "from", now, times[i] >= 10);
        offers(&s, "to", now, times[i] < 20);
    }
    shop_end(&s);
}
