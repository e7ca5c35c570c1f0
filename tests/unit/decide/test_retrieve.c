/* SPDX-License-Identifier: MIT
 * Retrieval and explaining: the ladder of sources, one item per group, shares.
 */
#include "engine/decide/retrieve.h"

#include "engine/decide/explain.h"
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

TestSuite(retrieve, .init = begin, .fini = end);

static void put_at(const char *id, const char *fields, int64_t now_ms)
{
    t.shop.now_ms = now_ms;
    shop_takes(shop_put(&t.shop, id, fields));
    t.shop.now_ms = SHOP_NOW;
}

#define IS(customer, body, want)                                                                   \
    do {                                                                                           \
        struct nbx_decision decided_ = town_decide(&t, customer, body);                            \
        cr_assert_str_eq(town_ids(&t, &decided_), want);                                           \
    } while (0)

Test(retrieve, ladder_goes_channel_trend_popular_newest)
{
    put_at("old", "{}", 1000);
    put_at("new", "{}", 2000);
    put_at("w", "{}", 10);
    put_at("s", "{}", 10);
    put_at("p", "{}", 10);
    town_observe(&t, "x",
                 "{type:'view',item:'w',channel:'web'},{type:'buy',item:'s',channel:'store'},"
                 "{type:'view',item:'p',time:1000}");
    town_world(&t, true);
    struct nbx_decision d = town_decide(&t, "anna", "{channel:'web'}");
    static const enum nbx_source sources[] = {NBX_SOURCE_TREND, NBX_SOURCE_TREND,
                                              NBX_SOURCE_POPULAR, NBX_SOURCE_NEWEST,
                                              NBX_SOURCE_NEWEST};
    static const enum nbx_reason reasons[] = {NBX_REASON_TRENDING_IN_CHANNEL, NBX_REASON_TRENDING,
                                              NBX_REASON_POPULAR, NBX_REASON_NEWEST,
                                              NBX_REASON_NEWEST};
    cr_assert_str_eq(town_ids(&t, &d), "w s p new old");
    for (uint32_t i = 0; i < d.n; i++) {
        cr_assert_eq(d.choices[i].source, sources[i]);
        cr_assert_eq(d.choices[i].reason, reasons[i]);
    }
    IS("anna", "{}", "s w p new old");
    IS("anna", "{n:2}", "s w");
}

Test(retrieve, items_newer_than_the_rankings_are_found)
{
    put_at("b", "{}", 1000);
    put_at("a", "{}", 2000);
    town_world(&t, true);
    put_at("d", "{}", 3000);
    put_at("c", "{}", 4000);
    put_at("before", "{}", 500); /* arrived late: older than what is ranked */
    town_world(&t, false);
    IS("anna", "{}", "c d a b before");
    IS("anna", "{n:3}", "c d a");
    IS("anna", "{items:['before','b','c','none']}", "c b before");
    shop_takes(shop_delete(&t.shop, "a"));
    town_world(&t, false);
    IS("anna", "{}", "c d b before");
    town_world(&t, true);
    IS("anna", "{}", "c d b before");
}

Test(retrieve, distinct_draws_until_the_list_is_full)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    for (int i = 0; i < TOWN_ITEMS; i++) {
        char id[8], fields[32];
        snprintf(id, sizeof id, "i%02d", i);
        snprintf(fields, sizeof fields, "{group:'g%d'}", i % 5);
        shop_takes(shop_put(&t.shop, id, fields));
    }
    shop_takes(shop_put(&t.shop, "alone", "{}"));
    town_world(&t, true);
    town_observe(&t, "anna", "{type:'buy',item:'i07'}");
    struct nbx_decision all = town_decide(&t, "anna", "{n:31}");
    cr_assert_eq(all.n, 31);
    struct nbx_decision d = town_decide(&t, "anna", "{n:31,distinct:'group'}");
    cr_assert_eq(d.n, 6, "five groups and one without");
    uint32_t at = 0, taken[6] = {0}, n = 0;
    for (uint32_t i = 0; i < all.n; i++) { /* the first of each group, in the order of all */
        uint32_t group = nbx_catalog_group(t.shop.c, all.choices[i].item_no);
        bool known = false;
        for (uint32_t g = 0; g < n; g++)
            known |= group && taken[g] == group;
        if (known)
            continue;
        cr_assert_eq(d.choices[at].item_no, all.choices[i].item_no);
        taken[n++] = group;
        at++;
    }
    cr_assert_eq(at, 6);
    cr_assert_eq(town_decide(&t, "anna", "{n:3,distinct:'group'}").n, 3);
}

Test(retrieve, rank_scores_as_recommend_does)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    town_observe(&t, "anna", "{type:'buy',item:'i07'},{type:'view',item:'i11'}");
    struct nbx_decision all = town_decide(&t, "anna", "{n:30}");
    struct nbx_decision few =
        town_decide(&t, "anna", "{n:30,items:['i03','i29','i03','i11','i00','none','i15']}");
    cr_assert_eq(few.n, 5);
    cr_assert_eq(few.n_unknown, 1);
    cr_assert(nbx_str_is(few.unknown[0], "none"));
    uint32_t at = 0;
    for (uint32_t i = 0; i < all.n && at < few.n; i++)
        if (all.choices[i].item_no == few.choices[at].item_no) {
            cr_assert(all.choices[i].score == few.choices[at].score);
            at++;
        }
    cr_assert_eq(at, 5, "in the same order");
}

Test(retrieve, explaining_changes_nothing)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    town_observe(&t, "anna",
                 "{type:'buy',item:'i07'},{type:'view',item:'i11'},{type:'view',item:'i02'},"
                 "{type:'buy',item:'i21'}");
    struct nbx_decision plain = town_decide(&t, "anna", "{n:30}");
    struct nbx_decision told = town_decide(&t, "anna", "{n:30,explain:true}");
    cr_assert_eq(plain.n, told.n);
    for (uint32_t i = 0; i < plain.n; i++) {
        const struct nbx_choice *c = &told.choices[i];
        cr_assert_eq(plain.choices[i].item_no, c->item_no);
        cr_assert(plain.choices[i].score == c->score);
        cr_assert_eq(plain.choices[i].n_because, 0);
        cr_assert(c->n_because <= NBX_BECAUSE_MAX);
        for (uint32_t b = 0; b < c->n_because; b++) {
            cr_assert(c->because[b].share > 0 && c->because[b].share <= 1);
            cr_assert(b == 0 || c->because[b].share <= c->because[b - 1].share);
        }
        if (c->score > 0)
            cr_assert(c->n_because > 0, "a score above 0 rests on something");
    }
}

Test(retrieve, a_single_deed_carries_all_of_a_score)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    town_observe(&t, "anna", "{type:'buy',item:'i07'}");
    struct nbx_decision d = town_decide(&t, "anna", "{n:5,explain:true}");
    cr_assert_eq(d.choices[0].item_no, shop_no(&t.shop, "i07"), "nothing is nearer than itself");
    for (uint32_t i = 0; i < d.n; i++) {
        if (d.choices[i].score <= 0)
            continue;
        cr_assert_eq(d.choices[i].n_because, 1);
        cr_assert_eq(d.choices[i].because[0].item_no, shop_no(&t.shop, "i07"));
        cr_assert_float_eq(d.choices[i].because[0].share, 1, 1e-4);
    }
}

/* The same list to the bit, folded vector too. */
static void must_be_same(const struct nbx_decision *a, const struct nbx_decision *b)
{
    cr_assert_eq(a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++) {
        cr_assert_eq(a->choices[i].item_no, b->choices[i].item_no, "place %u", i);
        cr_assert_arr_eq(&a->choices[i].score, &b->choices[i].score, sizeof(float));
        cr_assert_eq(a->choices[i].source, b->choices[i].source);
    }
    cr_assert_eq(a->fresh_vector != NULL, b->fresh_vector != NULL);
}

Test(retrieve, many_are_answered_as_each_alone)
{
    enum { MANY = 40 };
    static const char *const bodies[] = {
        "{n:5}", "{n:30,exclude_seen:true}", "{n:7,distinct:'group'}",
        "{n:40,filter:{field:'group',eq:'g1'}}", "{n:3,personal:false}"};
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    char text[80];
    for (int i = 0; i < TOWN_ITEMS; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%02d", i);
        snprintf(text, sizeof text, "{group:'g%d'}", i % 5);
        shop_takes(shop_put(&t.shop, id, text));
    }
    town_world(&t, true);
    struct nbx_decide_entry entries[MANY];
    struct nbx_profile profiles[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        snprintf(text, sizeof text, "{type:'%s',item:'i%02d'},{type:'%s',item:'i%02d'}",
                 i % 3 ? "buy" : "view", i % TOWN_ITEMS, i % 4 ? "view" : "dismiss",
                 (i * 7 + 1) % TOWN_ITEMS);
        if (i % 8) /* some are strangers */
            town_observe(&t, name, text);
        profiles[i] = town_profile(&t, nbx_arena_str(t.shop.arena, nbx_str_c(name)).p);
    }
    for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
        struct nbx_recommend_req req = town_request(&t, bodies[b], false);
        for (size_t n = 1; n <= MANY; n += n < 18 ? 1 : 11) {
            for (size_t i = 0; i < n; i++)
                entries[i] = (struct nbx_decide_entry){.profile = &profiles[i]};
            nbx_decide_many(entries, n, &t.d, &req);
            for (size_t i = 0; i < n; i++) {
                struct nbx_decision alone;
                cr_assert_eq(entries[i].fault.code, NBX_OK, "%s", entries[i].fault.message);
                cr_assert_eq(nbx_decide_recommend(&alone, &t.d, &req, &profiles[i], &t.fault),
                             NBX_OK);
                must_be_same(&entries[i].decision, &alone);
            }
        }
    }
}

Test(retrieve, many_are_refused_each_by_its_own_fault)
{
    struct nbx_profile profile = town_profile(&t, "anna");
    struct nbx_decide_entry entries[2] = {{.profile = &profile}, {.profile = &profile}};
    struct nbx_recommend_req req = town_request(&t, "{channel:'fax'}", false);
    nbx_decide_many(entries, 2, &t.d, &req);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(entries[i].fault.code, NBX_EBAD);
        cr_assert_str_eq(entries[i].fault.field, "channel");
    }
}

Test(retrieve, check_finds_what_deciding_would)
{
    static const char *const wrong[][2] = {{"{channel:'fax'}", "channel"},
                                           {"{fields:['x']}", "fields"},
                                           {"{filter:{field:'x',eq:1}}", "filter.field"},
                                           {"{vector:[1]}", "vector"}};
    struct nbx_profile profile = town_profile(&t, "anna");
    for (size_t i = 0; i < 4; i++) {
        struct nbx_decision out;
        struct nbx_recommend_req req = town_request(&t, wrong[i][0], false);
        cr_assert_eq(nbx_decide_check(&t.d, &req, &t.fault), NBX_EBAD);
        cr_assert_str_eq(t.fault.field, wrong[i][1]);
        cr_assert_eq(nbx_decide_recommend(&out, &t.d, &req, &profile, &t.fault), NBX_EBAD);
        cr_assert_str_eq(t.fault.field, wrong[i][1]);
    }
    struct nbx_recommend_req good = town_request(&t, "{channel:'web'}", false);
    cr_assert_eq(nbx_decide_check(&t.d, &good, &t.fault), NBX_OK);
}

Test(retrieve, names_of_sources_and_reasons)
{
    cr_assert_str_eq(nbx_source_name(NBX_SOURCE_PERSONAL), "personal");
    cr_assert_str_eq(nbx_source_name(NBX_SOURCE_NEWEST), "newest");
    cr_assert_str_eq(nbx_reason_name(NBX_REASON_BECAUSE_OF_ITEMS), "because_of_items");
    cr_assert_str_eq(nbx_reason_name(NBX_REASON_NEWEST), "newest");
}
