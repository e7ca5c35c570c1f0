/* SPDX-License-Identifier: MIT */
#include "engine/decide/gate.h"

#include "tests/unit/decide/town.h"

static struct town t;

static void begin(void)
{
    town_begin(&t);
    shop_takes(shop_put(&t.shop, "a", "{brand:'x',categories:['p','q'],price:5}"));
    shop_takes(shop_put(&t.shop, "b", "{brand:'x',categories:['r']}"));
    shop_takes(shop_put(&t.shop, "c", "{categories:['q'],available:false}"));
    shop_takes(shop_put(&t.shop, "d", "{channels:['store'],stock:{north:1}}"));
    shop_takes(shop_put(&t.shop, "e", "{categories:['q']}"));
    town_world(&t, true);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(gate, .init = begin, .fini = end);

static const char *open_to(const struct nbx_gate *gate)
{
    static char out[64];
    size_t n = 0;
    for (const char *c = "abcde"; *c; c++)
        if (nbx_gate_passes(gate, shop_no(&t.shop, (char[]){*c, '\0'})))
            out[n++] = *c;
    out[n] = '\0';
    return out;
}

static const char *passes(struct nbx_gate_request request)
{
    struct nbx_gate gate;
    request.offer.now_ms = SHOP_NOW;
    cr_assert_eq(nbx_gate_open(&gate, &t.d, &request, &t.fault), NBX_OK, "%s", t.fault.message);
    return open_to(&gate);
}

#define PASSES(want, ...) cr_assert_str_eq(passes((struct nbx_gate_request){__VA_ARGS__}), want)

Test(gate, lets_through_what_is_offered)
{
    PASSES("abde", .exclude_seen = false);
    PASSES("abe", .offer.channel = NBX_STR("web"));
    PASSES("abde", .offer.channel = NBX_STR("store"));
    PASSES("abe", .offer.store = NBX_STR("south"));
    PASSES("a", .filter = shop_value(&t.shop, "{field:'price',exists:true}"));
    struct nbx_str out[] = {NBX_STR("a"), NBX_STR("nobody"), NBX_STR("e")};
    PASSES("bd", .exclude = {out, 3});
}

Test(gate, faults_name_the_field)
{
    struct nbx_gate gate;
    struct nbx_gate_request request = {.offer.channel = NBX_STR("fax")};
    cr_assert_eq(nbx_gate_open(&gate, &t.d, &request, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "channel");
    cr_assert_not_null(strstr(t.fault.message, "web, store"));
    request = (struct nbx_gate_request){.filter = shop_value(&t.shop, "{field:'x',eq:1}")};
    cr_assert_eq(nbx_gate_open(&gate, &t.d, &request, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "filter.field");
}

Test(gate, closes_the_history)
{
    town_observe(&t, "anna",
                 "{type:'view',item:'a'},{type:'dismiss',item:'b'},{type:'show',item:'d'}");
    struct nbx_profile anna = town_profile(&t, "anna");
    PASSES("ade", .profile = &anna);
    PASSES("de", .profile = &anna, .exclude_seen = true);
    PASSES("abde", .profile = NULL, .exclude_seen = true);
}

Test(gate, dislikes_reach_brand_and_categories)
{
    town_observe(&t, "brand", "{type:'dismiss',item:'b',scope:'brand'}");
    town_observe(&t, "category", "{type:'dismiss',item:'a',scope:'category'}");
    town_observe(&t, "hidden", "{type:'dismiss',item:'c',scope:'category'}");
    town_observe(&t, "none", "{type:'dismiss',item:'e',scope:'brand'}");
    town_observe(&t, "gone", "{type:'dismiss',item:'never put',scope:'brand'}");
    struct nbx_profile p = town_profile(&t, "brand");
    PASSES("de", .profile = &p);
    p = town_profile(&t, "category");
    PASSES("bd", .profile = &p);
    p = town_profile(&t, "hidden"); /* an item that is not offered has its category still */
    PASSES("bd", .profile = &p);
    p = town_profile(&t, "none");
    PASSES("abd", .profile = &p);
    p = town_profile(&t, "gone");
    PASSES("abde", .profile = &p);
}

Test(gate, keep_only_and_close)
{
    struct nbx_gate gate;
    struct nbx_gate_request request = {.offer.now_ms = SHOP_NOW};
    uint32_t numbers[] = {shop_no(&t.shop, "c"), shop_no(&t.shop, "e"), shop_no(&t.shop, "a"),
                          4000000000U};
    cr_assert_eq(nbx_gate_open(&gate, &t.d, &request, &t.fault), NBX_OK);
    cr_assert_eq(nbx_gate_keep_only(&gate, numbers, 4, t.shop.arena), NBX_OK);
    cr_assert_str_eq(open_to(&gate), "ae");
    nbx_gate_close(&gate, shop_no(&t.shop, "a"));
    nbx_gate_close(&gate, 4000000000U);
    cr_assert_str_eq(open_to(&gate), "e");
    cr_assert_not(nbx_gate_passes(&gate, 0));
}
