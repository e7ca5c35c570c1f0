/* SPDX-License-Identifier: MIT
 * A store with something in every family, and what verify finds in it.
 *
 * Threads: one.
 */
#ifndef NBX_TEST_CARE_WHOLE_H
#define NBX_TEST_CARE_WHOLE_H

#include "engine/care/verify.h"
#include "engine/model/registry.h"
#include "tests/unit/decide/linking.h"

static struct town t;
static struct nbx_buf findings; /* "family: what", a line each */
static struct nbx_verified verified;

static inline void put_customer(const char *id, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(id), &req, &seq, &t.fault), NBX_OK);
}

static inline void observe_anonymous(uint8_t group, const char *events)
{
    char text[512];
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    snprintf(text, sizeof text, "{events:[%s]}", events);
    cr_assert_eq(nbx_message_observe(&req, town_body(&t, text), false, t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, group, &req.events), NBX_OK);
}

static inline void decide(const char *customer, uint16_t counter)
{
    struct nbx_profile profile = town_profile(&t, customer);
    struct nbx_recommend_req req = town_request(&t, "{n:3}", false);
    struct nbx_decision decision = town_decide(&t, customer, "{n:3}");
    struct nbx_decision_context context = {
        .id = nbx_decision_id_make(profile.number, SHOP_NOW, counter),
        .req = &req,
        .profile = &profile,
        .time_ms = SHOP_NOW};
    cr_assert_eq(nbx_decision_write(&t.d, &decision, &context), NBX_OK);
}

/* Two views, of which the first lies in the base. */
static inline void make_base(const char *customer)
{
    struct nbx_customer_scope scope = t.scope;
    uint64_t at = 0;
    town_observe(&t, customer, "{type:'view',item:'a',time:1699999999000},{type:'view',item:'b'}");
    nbx_customers_keep(t.customers, 0, 1);
    scope.arena = nbx_arena_new((size_t)1 << 20);
    cr_assert_eq(nbx_sweep(&scope, nbx_group_of(nbx_str_c(customer)), &at, 10), NBX_OK);
    cr_assert_eq(at, 0);
    nbx_arena_destroy(&scope.arena);
    nbx_customers_keep(t.customers, 0, 0);
}

/* A version of a model, of which there is no file. */
static inline void put_version(const char *version, enum nbx_stage stage)
{
    struct nbx_version v = {NBX_STR("taste"),
                            nbx_str_c(version),
                            {.stage = stage, .bytes = 5, .share = .5, .activated_ms = SHOP_NOW}};
    nbx_registry_put(t.shop.f.batch, &v);
    fixture_write(&t.shop.f);
}

/* Something in every family, and traces of what is gone. */
static inline void begin(void)
{
    struct nbx_forgetting done;
    town_begin(&t);
    shop_takes(shop_put(&t.shop, "a", "{price:5}"));
    shop_takes(shop_put(&t.shop, "b", "{price:6}"));
    shop_takes(shop_put(&t.shop, "c", "{}"));
    shop_takes(shop_delete(&t.shop, "c"));
    town_world(&t, true);
    town_observe(&t, "anna", "{type:'view',item:'a'},{type:'buy',item:'b',channel:'web'}");
    town_observe(&t, "bert", "{type:'view',item:'never put',id:'e1'},{type:'show'}");
    town_observe(&t, "bert", "{type:'view',item:'a',id:'e1'}");
    town_observe(&t, "cleo", "{type:'view',item:'a'}");
    put_customer("anna", "{attributes:{a:1},vector:[1,2,3],space:'main'}");
    put_customer("dora", "{locale:'de'}");
    observe_anonymous(3, "{type:'view',item:'a',id:'e9'},{type:'view',item:'b'}");
    town_observe(&t, "gina", "{type:'view',item:'a'}");
    town_observe(&t, "gina", "{type:'view',item:'a',id:'h1',time:1700009000000}");
    town_observe(&t, "fred", "{type:'view',item:'a',id:'h2',time:1700009000000}");
    observe_anonymous(3, "{type:'view',item:'a',id:'h3',time:1700009000000}");
    make_base("hugo");
    town_observe(&t, "lena", "{type:'view',item:'b'}");
    town_link(&t, "kate", "lena", "card"); /* of kate nothing else is known */
    town_link(&t, "mila", "lena", "");
    town_unlink(&t, "mila", "lena");
    decide("anna", 1);
    decide("nobody", 2);
    put_version("1", NBX_STAGE_ARCHIVED);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("cleo")), NBX_OK);
    cr_assert(done.forgotten);
}

static inline void end(void)
{
    nbx_buf_fini(&findings);
    town_end(&t);
}

static inline void found(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    nbx_buf_printf(&findings, "%s: %s\n", nbx_family_name(finding->family), finding->what);
}

static inline const char *verify(const struct nbx_store *store, int64_t now_ms)
{
    struct nbx_verify_options options = {
        .now_ms = now_ms, .event_retention_ms = INT64_C(86400000), .found = found};
    nbx_buf_clear(&findings);
    cr_assert_eq(nbx_verify(&verified, store, &options), NBX_OK);
    nbx_buf_put_u8(&findings, 0);
    return (const char *)findings.p;
}

static inline void finds(const char *want)
{
    const char *got = verify(t.shop.f.store, SHOP_NOW);
    cr_assert_not_null(strstr(got, want), "wanted \"%s\", found:\n%s", want, got);
    cr_assert_gt(verified.findings, 0);
}

struct copy {
    struct nbx_key key;
    uint8_t version;
    struct nbx_str payload;
};

/* The first record of a family whose key is at or behind `from`. */
static inline struct copy first(enum nbx_family family, const struct nbx_key *from)
{
    struct copy copy = {0};
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, t.shop.f.store, family, nbx_key_str(from),
                                 (struct nbx_str){0}, false),
                 NBX_OK);
    cr_assert_eq(nbx_cursor_next(cursor, &key, &stored), NBX_OK, "%s", nbx_family_name(family));
    memcpy(copy.key.p, key.p, key.len);
    copy.key.len = key.len;
    copy.version = stored.version;
    copy.payload = nbx_arena_str(t.shop.arena, stored.payload);
    nbx_cursor_close(&cursor);
    return copy;
}

static inline void write_raw(enum nbx_family family, const struct nbx_key *key, uint8_t version,
                             struct nbx_str payload)
{
    nbx_batch_put(t.shop.f.batch, family, nbx_key_str(key), version, payload);
    fixture_write(&t.shop.f);
}

static inline void delete (enum nbx_family family, const struct nbx_key *key)
{
    nbx_batch_delete(t.shop.f.batch, family, nbx_key_str(key));
    fixture_write(&t.shop.f);
}

#endif
