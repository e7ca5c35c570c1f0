/* SPDX-License-Identifier: MIT */
#include "engine/decide/taste.h"

#include "engine/score/dot.h"
#include "tests/unit/decide/town.h"

static struct town t;

static void begin(void)
{
    town_begin(&t);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(taste, .init = begin, .fini = end);

static struct nbx_taste taste_of(const char *customer)
{
    struct nbx_taste taste;
    struct nbx_profile profile = town_profile(&t, customer);
    cr_assert_eq(nbx_taste_of_customer(&taste, &t.d, &profile, &t.fault), NBX_OK);
    return taste;
}

/* A decision and its record, which carries the fresh vector into the cache. */
static struct nbx_decision decide_and_write(const char *customer)
{
    struct nbx_profile profile = town_profile(&t, customer);
    struct nbx_recommend_req req = town_request(&t, "{}", false);
    struct nbx_decision out = town_decide(&t, customer, "{}");
    struct nbx_decision_context context = {
        .id = nbx_decision_id_make(profile.number, SHOP_NOW, 1), .req = &req, .profile = &profile};
    cr_assert_eq(nbx_decision_write(&t.d, &out, &context), NBX_OK);
    return out;
}

static void must_equal(const struct nbx_taste *a, const struct nbx_taste *b)
{
    cr_assert(a->vector && b->vector);
    cr_assert_eq(memcmp(a->vector, b->vector, nbx_padded(TOWN_DIMS) * sizeof(float)), 0);
}

Test(taste, strangers_and_empty_histories_have_none)
{
    cr_assert_null(taste_of("anna").space, "no model");
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    cr_assert_null(taste_of("anna").space, "a stranger");
    town_observe(&t, "anna", "{type:'dismiss',item:'i03'},{type:'view',item:'beyond the model'}");
    cr_assert_null(taste_of("anna").space, "nothing liked that the model knows");
    town_observe(&t, "anna", "{type:'view',item:'i03',time:1700000000001}");
    cr_assert_not_null(taste_of("anna").space);
}

Test(taste, cached_equals_fresh_to_the_bit)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    for (int n = 1; n < 12; n++) { /* above and below the number of dimensions */
        char event[64];
        snprintf(event, sizeof event, "{type:'%s',item:'i%02d'}", n % 2 ? "view" : "buy", n * 2);
        town_observe(&t, "anna", event);
        struct nbx_taste fresh = taste_of("anna");
        cr_assert_not(fresh.cached, "an event makes the cached one old");
        cr_assert_eq(fresh.history.n, n);
        cr_assert_not_null(decide_and_write("anna").fresh_vector);
        struct nbx_taste cached = taste_of("anna");
        cr_assert(cached.cached);
        must_equal(&fresh, &cached);
        cr_assert_null(decide_and_write("anna").fresh_vector, "there is nothing new to keep");
        struct nbx_profile profile = town_profile(&t, "anna");
        cr_assert_eq(nbx_taste_need_history(&cached, &t.d, &profile), NBX_OK);
        cr_assert_eq(cached.history.n, n);
    }
}

Test(taste, cache_ends_with_the_model_and_with_the_hour)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    town_observe(&t, "anna", "{type:'buy',item:'i01'},{type:'view',item:'i02'}");
    decide_and_write("anna");
    t.scope.now_ms = SHOP_NOW / TOWN_HOUR_MS * TOWN_HOUR_MS;
    cr_assert(taste_of("anna").cached, "within the hour");
    t.scope.now_ms += TOWN_HOUR_MS;
    cr_assert_not(taste_of("anna").cached, "a weight has faded");
    t.scope.now_ms = SHOP_NOW;
    cr_assert(taste_of("anna").cached);
    town_model(&t, NBX_CUSTOMER_FOLDED, "2");
    cr_assert_not(taste_of("anna").cached, "another version");
}

Test(taste, nothing_is_cached_while_items_have_vectors_of_their_own)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    town_observe(&t, "anna", "{type:'buy',item:'i01'}");
    decide_and_write("anna");
    struct nbx_taste before = taste_of("anna");
    cr_assert(before.cached);
    shop_takes(shop_patch(&t.shop, "i01", "{vector:[9,9,9,9,9,9]}"));
    town_refresh_model(&t);
    struct nbx_taste own = taste_of("anna");
    cr_assert_not(own.cached);
    cr_assert(memcmp(before.vector, own.vector, TOWN_DIMS * sizeof(float)) != 0);
    cr_assert_null(decide_and_write("anna").fresh_vector);
    shop_takes(shop_patch(&t.shop, "i01", "{vector:nil}"));
    town_refresh_model(&t);
    struct nbx_taste after = taste_of("anna");
    must_equal(&before, &after);
}

Test(taste, given_vectors_are_taken_as_they_are)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    town_model(&t, NBX_CUSTOMER_GIVEN, "1");
    town_observe(&t, "anna", "{type:'buy',item:'i01'}");
    cr_assert_null(taste_of("anna").space);
    for (int named = 0; named < 2; named++) {
        const char *body = named ? "{vector:[6,5,4,3,2,1],space:'main'}" : "{vector:[1,2,3,4,5,6]}";
        cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                     NBX_OK);
        cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
        struct nbx_taste taste = taste_of("anna");
        cr_assert_eq(taste.reason, NBX_REASON_CUSTOMER_VECTOR);
        cr_assert(taste.vector[0] == (named ? 6 : 1) && taste.vector[5] == (named ? 1 : 6));
    }
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, "{vector:[1,2],space:'main'}"),
                                          t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    cr_assert_null(taste_of("anna").space, "of other dimensions than the model now has");
}

Test(taste, queries_are_checked)
{
    struct nbx_taste taste;
    float v[TOWN_DIMS] = {1, 2, 3};
    struct nbx_vector query = {.p = v, .n = TOWN_DIMS};
    cr_assert_eq(nbx_taste_of_query(&taste, &t.d, &query, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "vector");
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    cr_assert_eq(nbx_taste_of_query(&taste, &t.d, &query, &t.fault), NBX_OK);
    cr_assert(taste.vector[2] == 3 && taste.vector[TOWN_DIMS] == 0);
    query.space = NBX_STR("other");
    cr_assert_eq(nbx_taste_of_query(&taste, &t.d, &query, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "space");
    cr_assert_not_null(strstr(t.fault.message, "main (6)"));
    query = (struct nbx_vector){.p = v, .n = 2, .space = NBX_STR("main")};
    cr_assert_eq(nbx_taste_of_query(&taste, &t.d, &query, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "vector");
}
