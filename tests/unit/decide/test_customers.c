/* SPDX-License-Identifier: MIT
 * Profiles, observing, putting, forgetting. (Of engine/customer; they stand here, where catalogue
 * and customers are linked together.)
 */
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

TestSuite(customers, .init = begin, .fini = end);

static struct nbx_str seen_bytes(const char *customer)
{
    struct nbx_buf b = {0};
    struct nbx_profile p = town_profile(&t, customer);
    nbx_seen_record_encode(&b, &p.seen);
    struct nbx_str s =
        nbx_arena_str(t.shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

Test(customers, stranger_has_no_number_and_an_empty_record)
{
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert_not(p.known);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(p.number), 0);
    cr_assert_eq(NBX_CUSTOMER_GROUP(p.number), nbx_group_of(NBX_STR("anna")));
    cr_assert_eq(p.seen.n, 0);
    p = town_profile(&t, "");
    cr_assert_not(p.known);
    cr_assert_eq(p.number, 0);
}

Test(customers, first_event_creates_and_counts)
{
    struct nbx_observed o = town_observe(&t, "anna", "{type:'view',item:'a'},{type:'show'}");
    cr_assert_eq(o.applied, 2);
    cr_assert_eq(o.seq, 2);
    cr_assert_eq(nbx_customers_seq(t.customers, nbx_group_of(NBX_STR("anna"))), 2);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert(p.known);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(p.number), 1);
    cr_assert(nbx_str_is(p.head.id, "anna"));
    cr_assert_eq(p.head.put_ms, 0);
    cr_assert_eq(p.head.totals.first_ms, SHOP_NOW);
    cr_assert_eq(p.head.totals.n, 2, "by type");
    cr_assert_eq(p.head.totals.types[0].n, 1);
    cr_assert_eq(p.head.totals.types[1].last_ms, SHOP_NOW);
    cr_assert_eq(p.seen.n, 1, "neutral events are no part of the set");
    cr_assert_eq(nbx_trends_generation(t.trends), 1);
}

Test(customers, refused_events_change_nothing)
{
    struct nbx_observed o =
        town_observe(&t, "anna",
                     "{type:'nope'},{type:'view',channel:'fax'},{type:'buy',currency:'USD'},"
                     "{type:'view',time:1731622400001}");
    cr_assert_eq(o.applied, 0);
    cr_assert_eq(o.n_errors, 4);
    cr_assert_str_eq(o.errors[0].fault.field, "events[0].type");
    cr_assert_not_null(strstr(o.errors[0].fault.message, "view, buy, show, dismiss"));
    cr_assert_str_eq(o.errors[1].fault.field, "events[1].channel");
    cr_assert_str_eq(o.errors[2].fault.field, "events[2].currency");
    cr_assert_str_eq(o.errors[3].fault.field, "events[3].time");
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(town_observe(&t, "anna", "{type:'view',time:1700000300000}").applied, 1);
}

Test(customers, atomic_refuses_whole)
{
    town_try_observe(&t, "anna", "{type:'view',item:'a'},{type:'nope'}", true, NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "events[1].type");
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(town_try_observe(&t, "anna", "{type:'view'},{type:'view'}", true, NBX_OK).applied,
                 2);
}

Test(customers, an_id_counts_once_for_each_customer)
{
    struct nbx_observed o =
        town_observe(&t, "anna", "{type:'view',item:'a',id:'e'},{type:'buy',item:'a',id:'e'}");
    cr_assert_eq(o.applied, 1);
    cr_assert_eq(o.duplicates, 1);
    town_reopen(&t);
    o = town_observe(&t, "anna", "{type:'buy',item:'a',id:'e'},{type:'buy',item:'a',id:'f'}");
    cr_assert_eq(o.applied, 1);
    cr_assert_eq(o.duplicates, 1);
    cr_assert_eq(o.seq, 2);
    cr_assert(nbx_str_is(o.ids[0], "e") && nbx_str_is(o.ids[1], "f"));
    cr_assert_eq(town_observe(&t, "bert", "{type:'buy',item:'a',id:'e'}").applied, 1);
}

static struct nbx_observed observe_anonymous(uint8_t group, const char *events)
{
    char text[256];
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    snprintf(text, sizeof text, "{events:[%s]}", events);
    cr_assert_eq(nbx_message_observe(&req, town_body(&t, text), false, t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, group, &req.events), NBX_OK);
    return out;
}

Test(customers, anonymous_ids_count_once_over_all_groups_and_for_no_customer)
{
    cr_assert_eq(observe_anonymous(3, "{type:'view',item:'a',id:'e'}").applied, 1);
    cr_assert_eq(observe_anonymous(200, "{type:'view',item:'a',id:'e'}").duplicates, 1);
    cr_assert_eq(observe_anonymous(9, "{type:'view',item:'a'},{type:'view',item:'a'}").applied, 2);
    cr_assert_eq(nbx_customers_seq(t.customers, 3), 1);
    cr_assert_eq(nbx_customers_seq(t.customers, 200), 0);
    cr_assert_eq(town_observe(&t, "e", "{type:'view',item:'a',id:'e'}").applied, 1,
                 "a stranger of that very group");
    town_reopen(&t);
    cr_assert_eq(observe_anonymous(77, "{type:'view',item:'a',id:'e'}").duplicates, 1);
}

Test(customers, any_order_of_arrival_gives_the_same_set)
{
    static const char *const events[] = {"{type:'view',item:'a',time:10,id:'1'}",
                                         "{type:'dismiss',item:'a',time:20,id:'2'}",
                                         "{type:'buy',item:'b',time:15,id:'3'}",
                                         "{type:'buy',item:'b',rating:1,time:16,id:'4'}",
                                         "{type:'view',item:'a',time:30,id:'5'}",
                                         "{type:'dismiss',item:'c',time:1,scope:'brand',id:'6'}"};
    static const int orders[][6] = {
        {0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {2, 5, 0, 3, 1, 4}, {4, 0, 5, 1, 3, 2}};
    struct nbx_str first = {0};
    for (int o = 0; o < 4; o++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", o);
        for (int e = 0; e < 6; e++)
            cr_assert_eq(town_observe(&t, name, events[orders[o][e]]).applied, 1);
        first = o ? first : seen_bytes(name);
        cr_assert(nbx_str_eq(first, seen_bytes(name)), "order %d", o);
    }
}

Test(customers, put_merges_and_survives)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(
                     &req, town_body(&t, "{attributes:{a:1,b:2},channels:['web'],locale:'de'}"),
                     t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    cr_assert_eq(seq, 1);
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, "{attributes:{a:nil,c:3}}"),
                                          t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    town_reopen(&t);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert(p.known);
    cr_assert_eq(p.head.attributes->n, 2);
    cr_assert_eq(nbx_value_get(p.head.attributes, "b")->i, 2);
    cr_assert_eq(nbx_value_get(p.head.attributes, "c")->i, 3);
    cr_assert(nbx_str_is(p.head.locale, "de"));
    cr_assert_eq(
        nbx_message_customer_put(&req, town_body(&t, "{channels:['fax']}"), t.shop.arena, &t.fault),
        NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("bert"), &req, &seq, &t.fault), NBX_EBAD);
    cr_assert_str_eq(t.fault.field, "channels");
    cr_assert_not(town_profile(&t, "bert").known);
}

Test(customers, given_vectors_are_kept_by_space)
{
    struct nbx_customer_put_req req;
    struct nbx_vector v;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, "{vector:[1,2,3],space:'main'}"),
                                          t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    struct nbx_profile anna = town_profile(&t, "anna");
    cr_assert_eq(nbx_customer_given_vector(&t.scope, &anna, NBX_STR("main"), &v), NBX_OK);
    cr_assert_eq(v.n, 3);
    cr_assert(v.p[0] == 1 && v.p[2] == 3);
    cr_assert_eq(nbx_customer_given_vector(&t.scope, &anna, NBX_STR("other"), &v), NBX_OK);
    cr_assert_eq(v.n, 0);
}

Test(customers, forget_deletes_and_the_number_is_not_used_again)
{
    struct nbx_forgetting done;
    struct nbx_str id;
    town_observe(&t, "anna", "{type:'dismiss',item:'a',id:'e'}");
    uint64_t number = town_profile(&t, "anna").number;
    cr_assert_eq(nbx_customer_id_of(&t.scope, number, &id), NBX_OK);
    cr_assert(nbx_str_is(id, "anna"));
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(done.seq, 2);
    cr_assert_eq(done.events, 1);
    cr_assert_eq(done.receipt.time_ms, SHOP_NOW);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(nbx_customer_id_of(&t.scope, number, &id), NBX_OK);
    cr_assert_eq(id.len, 0);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert_not(done.forgotten);
    cr_assert_eq(town_observe(&t, "anna", "{type:'view',item:'a',id:'e'}").applied, 1);
    cr_assert(town_profile(&t, "anna").number != number);
}
