/* SPDX-License-Identifier: MIT */
#include "proto/message.h"

#include "tests/unit/proto/bodies.h"

#include <criterion/criterion.h>
#include <math.h>

TestSuite(message, .init = bodies_set_up, .fini = bodies_tear_down);

static struct nbx_recommend_req recommend(const char *text, bool rank)
{
    struct nbx_recommend_req r;
    cr_assert_eq(nbx_message_recommend(&r, body_of(text), rank, arena, &fault), NBX_OK, "%s: %s %s",
                 text, fault.field, fault.message);
    return r;
}

static struct nbx_observe_req observe(const char *text, bool keyed)
{
    struct nbx_observe_req r;
    cr_assert_eq(nbx_message_observe(&r, body_of(text), keyed, arena, &fault), NBX_OK, "%s: %s %s",
                 text, fault.field, fault.message);
    return r;
}

static struct nbx_items_req items(const char *text, bool patch)
{
    struct nbx_items_req r;
    cr_assert_eq(nbx_message_items(&r, body_of(text), patch, arena, &fault), NBX_OK, "%s: %s %s",
                 text, fault.field, fault.message);
    return r;
}

Test(message, recommend_defaults)
{
    struct nbx_recommend_req r = recommend("{}", false);
    cr_assert_eq(r.n, 20);
    cr_assert_eq(r.record, NBX_RECORD_DECISION);
    cr_assert_eq(r.ack, NBX_ACK_UNSET);
    cr_assert(r.personal);
    cr_assert_not(r.exclude_seen || r.explain || r.distinct_group);
    cr_assert_eq(r.now_ms, NBX_TIME_UNSET);
    cr_assert_eq(r.timeout_ms, 0);
    cr_assert_eq(r.recall, 0, "the placement's, or exact");
    cr_assert_eq(r.id.type, NBX_NIL);
    cr_assert_null(r.filter);
    cr_assert_null(r.context);
    cr_assert_null(r.vector.p);
    cr_assert_eq(r.exclude.n + r.fields.n + r.observe.n + r.items.n, 0);
    cr_assert_eq(r.channel.len + r.placement.len + r.store.len, 0);
}

Test(message, recommend_carries_every_field)
{
    struct nbx_recommend_req r = recommend(
        "{n:7, placement:'home', channel:'web', store:'s1', context:{weather:'rain', deep:[[1]]}, "
        "filter:{field:'price', lt:5000}, exclude:['a','b'], exclude_seen:true, distinct:'group', "
        "observe:[{type:'view', item:'i1'}], ack:'durable', vector:[1, 0.5], space:'main', "
        "fields:['title','colour'], explain:true, record:'shown', personal:false, timeout_ms:50, "
        "recall:0.5, "
        "now:1700000000000, id:'r-1'}",
        false);
    cr_assert_eq(r.n, 7);
    cr_assert(nbx_str_is(r.placement, "home") && nbx_str_is(r.channel, "web"));
    cr_assert(nbx_str_is(r.store, "s1"));
    cr_assert_eq(r.context->n, 2);
    cr_assert_eq(nbx_value_get(r.filter, "lt")->i, 5000);
    cr_assert_eq(r.exclude.n, 2);
    cr_assert(nbx_str_is(r.exclude.p[1], "b"));
    cr_assert(r.exclude_seen && r.distinct_group && r.explain && !r.personal);
    cr_assert_eq(r.observe.n, 1);
    cr_assert(nbx_str_is(r.observe.p[0].item, "i1"));
    cr_assert_eq(r.ack, NBX_ACK_DURABLE);
    cr_assert_eq(r.vector.n, 2);
    cr_assert_eq(r.vector.p[1], 0.5f);
    cr_assert_eq((uintptr_t)r.vector.p % 64, 0);
    cr_assert(nbx_str_is(r.vector.space, "main"));
    cr_assert(nbx_str_is(r.fields.p[1], "colour"));
    cr_assert_eq(r.record, NBX_RECORD_SHOWN);
    cr_assert_eq(r.timeout_ms, 50);
    cr_assert_eq(r.recall, 0.5F);
    cr_assert_eq(r.now_ms, 1700000000000);
    cr_assert(nbx_str_is(r.id.s, "r-1"));
}

Test(message, rank_takes_items_and_recommend_does_not)
{
    cr_assert_eq(recommend("{items:['a','b','c']}", true).items.n, 3);
    cr_assert_eq(refusal(NBX_OP_RECOMMEND, "{items:['a']}"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "items");
    cr_assert(strstr(fault.message, "known ones are customers, n, placement"), "%s", fault.message);
    cr_assert(strstr(fault.message, ", now, id"), "%s", fault.message);
    cr_assert_null(strstr(fault.message, "items"));
    cr_assert_eq(refusal(NBX_OP_RANK, "{items:['a'], customers:['a']}"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "customers");
    cr_assert(strstr(fault.message, "known ones are n, placement"), "%s", fault.message);
}

Test(message, recommend_takes_many_customers_and_records_nothing_by_itself)
{
    struct nbx_recommend_req r = recommend("{customers:['a',5,'b','',#255,#256], n:3}", false);
    cr_assert(nbx_recommend_is_for_many(&r));
    cr_assert_eq(r.record, NBX_RECORD_NONE);
    cr_assert_eq(r.customers.n, 3);
    cr_assert(nbx_str_is(r.customers.p[0], "a") && nbx_str_is(r.customers.p[1], "b"));
    cr_assert(r.customers.index[0] == 0 && r.customers.index[1] == 2 && r.customers.index[2] == 4);
    cr_assert_eq(r.customers.n_errors, 3);
    static const struct {
        uint32_t index;
        const char *field, *words;
    } wrong[] = {{1, "customers[1]", "got int"},
                 {3, "customers[3]", "got 0 bytes"},
                 {5, "customers[5]", "got 256 bytes"}};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(r.customers.errors[i].index, wrong[i].index);
        cr_assert_str_eq(r.customers.errors[i].fault.field, wrong[i].field);
        cr_assert(strstr(r.customers.errors[i].fault.message, wrong[i].words));
    }
    r = recommend("{customers:[5]}", false);
    cr_assert(nbx_recommend_is_for_many(&r), "though none of them is good");
    r = recommend("{customers:['a'], record:'shown', explain:false}", false);
    cr_assert_eq(r.record, NBX_RECORD_SHOWN);
    r = recommend("{}", false);
    cr_assert_not(nbx_recommend_is_for_many(&r));
}

Test(message, vectors_come_as_bin_too)
{
    struct nbx_recommend_req r = recommend("{vector:x'0000803f000000c0'}", false);
    cr_assert_eq(r.vector.n, 2);
    cr_assert_eq(r.vector.p[0], 1.0f);
    cr_assert_eq(r.vector.p[1], -2.0f);
}

Test(message, similar_takes_an_item_or_a_vector)
{
    struct nbx_similar_req r;
    cr_assert_eq(nbx_message_similar(&r, body_of("{item:'a', n:3}"), arena, &fault), NBX_OK);
    cr_assert(nbx_str_is(r.item, "a") && r.n == 3 && !r.vector.p);
    cr_assert_eq(nbx_message_similar(&r, body_of("{vector:[1]}"), arena, &fault), NBX_OK);
    cr_assert(r.vector.n == 1 && r.item.len == 0 && r.n == 20);
}

Test(message, observe_carries_every_field_of_an_event)
{
    struct nbx_observe_req r = observe(
        "{events:[{id:'e1', customer:'c', type:'purchase', item:'i', time:1700000000000, "
        "channel:'web', placement:'p', store:'s', session:'x', order:'o', quantity:2.5, "
        "value:-1999, currency:'EUR', rating:4, scope:'brand', actor:'agent-7', "
        "decision:'00112233445566778899aabbccddeeff', attributes:{size:'M', tags:['a'], n:1}}], "
        "ack:'memory', id:9}",
        false);
    const struct nbx_event *e = &r.events.p[0];
    cr_assert(nbx_str_is(e->id, "e1") && nbx_str_is(e->customer, "c"));
    cr_assert(nbx_str_is(e->type, "purchase") && nbx_str_is(e->item, "i"));
    cr_assert_eq(e->time_ms, 1700000000000);
    cr_assert(nbx_str_is(e->channel, "web") && nbx_str_is(e->placement, "p"));
    cr_assert(nbx_str_is(e->store, "s") && nbx_str_is(e->session, "x"));
    cr_assert(nbx_str_is(e->order, "o") && nbx_str_is(e->actor, "agent-7"));
    cr_assert_eq(e->quantity, 2.5);
    cr_assert_eq(e->value, -1999);
    cr_assert(nbx_str_is(e->currency, "EUR"));
    cr_assert_eq(e->rating, 4.0);
    cr_assert_eq(e->scope, NBX_SCOPE_BRAND);
    cr_assert_eq(e->decision.len, 32);
    cr_assert_eq(e->attributes->n, 3);
    cr_assert_eq(r.ack, NBX_ACK_MEMORY);
    cr_assert_eq(r.id.i, 9);
    cr_assert_eq(r.events.index[0], 0);
}

Test(message, event_defaults)
{
    struct nbx_observe_req r = observe("{events:[{type:'view'}], atomic:true}", true);
    const struct nbx_event *e = &r.events.p[0];
    cr_assert(r.atomic);
    cr_assert_eq(r.ack, NBX_ACK_UNSET);
    cr_assert_eq(e->time_ms, NBX_TIME_UNSET);
    cr_assert_eq(e->value, NBX_MONEY_UNSET);
    cr_assert_eq(e->quantity, 1.0);
    cr_assert(isnan(e->rating));
    cr_assert_eq(e->scope, NBX_SCOPE_ITEM);
    cr_assert_null(e->attributes);
    cr_assert_eq(e->id.len + e->item.len + e->customer.len + e->decision.len, 0);
}

Test(message, good_events_pass_beside_bad_ones)
{
    struct nbx_observe_req r = observe(
        "{events:[{type:'view'}, 5, {item:'x'}, {type:'view', item:'y'}, {type:'view', foo:1}]}",
        true);
    cr_assert_eq(r.events.n, 2);
    cr_assert_eq(r.events.index[1], 3);
    cr_assert(nbx_str_is(r.events.p[1].item, "y"));
    cr_assert_eq(r.events.n_errors, 3);
    cr_assert_eq(r.events.errors[0].index, 1);
    cr_assert_str_eq(r.events.errors[0].fault.field, "events[1]");
    cr_assert_str_eq(r.events.errors[1].fault.field, "events[2].type");
    cr_assert_str_eq(r.events.errors[1].fault.message, "is required");
    cr_assert_eq(r.events.errors[2].index, 4);
    cr_assert_str_eq(r.events.errors[2].fault.field, "events[4].foo");
}

Test(message, atomic_refuses_all_for_one)
{
    cr_assert_eq(refusal(NBX_OP_OBSERVE, "{events:[{type:'view'},{}], atomic:true, id:3}"),
                 NBX_EBAD);
    cr_assert_str_eq(fault.field, "events[1].type");
    struct nbx_observe_req r;
    cr_assert_eq(nbx_message_observe(&r, body_of("{events:[{type:'view'}], atomic:true}"), false,
                                     arena, &fault),
                 NBX_EBAD);
    cr_assert_str_eq(fault.field, "atomic");
}

Test(message, events_name_customers_only_where_no_key_does)
{
    const char *text = "{events:[{type:'view', customer:'c'}, {type:'view', nonsense:1}]}";
    struct nbx_observe_req r = observe(text, false);
    cr_assert_eq(r.events.n, 1);
    cr_assert(strstr(r.events.errors[0].fault.message, "customer"));
    r = observe(text, true);
    cr_assert_eq(r.events.n, 0);
    cr_assert_str_eq(r.events.errors[0].fault.field, "events[0].customer");
    cr_assert(strstr(r.events.errors[0].fault.message, "key frame is empty"));
    cr_assert_null(strstr(r.events.errors[1].fault.message, "customer"));
    struct nbx_recommend_req q = recommend("{observe:[{type:'view', customer:'c'}]}", false);
    cr_assert_str_eq(q.observe.errors[0].fault.field, "observe[0].customer");
}

Test(message, items_stay_maps)
{
    struct nbx_items_req r = items(
        "{items:[{id:'i1', group:'g', kind:'product', title:'T', url:'u', image:'m', brand:'b', "
        "categories:['c','d'], price:1999, sale_price:0, margin:-5, currency:'EUR', "
        "channels:['web'], available:true, stock:{s1:3, s2:0}, valid_from:1, valid_to:2, "
        "vector:[1,2.5], space:'main', attributes:{colour:'red', sizes:['M','L'], kg:1.5, "
        "new:true, n:4}}, {id:'i2'}], id:'q'}",
        false);
    cr_assert_eq(r.n, 2);
    cr_assert_eq(r.n_errors, 0);
    cr_assert(nbx_str_is(nbx_value_get(r.items[0], "id")->s, "i1"));
    cr_assert_eq(r.index[1], 1);
    cr_assert(nbx_str_is(r.id.s, "q"));
    struct nbx_vector vector = {0};
    cr_assert_eq(nbx_vector_read(&vector, nbx_value_get(r.items[0], "vector"), arena, &fault),
                 NBX_OK);
    cr_assert(vector.n == 2 && vector.p[1] == 2.5f);
}

Test(message, patch_takes_nulls_and_put_does_not)
{
    const char *text = "{items:[{id:'a', price:nil, attributes:{x:nil}, stock:{s:nil}},{id:nil}]}";
    struct nbx_items_req r = items(text, true);
    cr_assert_eq(r.n, 1);
    cr_assert_str_eq(r.errors[0].fault.field, "items[1].id");
    r = items(text, false);
    cr_assert_eq(r.n, 0);
    cr_assert_str_eq(r.errors[0].fault.field, "items[0].price");
}

Test(message, built_in_item_fields_are_known)
{
    cr_assert(nbx_item_field_is_built_in(NBX_STR("sale_price")));
    cr_assert(nbx_item_field_is_built_in(NBX_STR("attributes")));
    cr_assert_not(nbx_item_field_is_built_in(NBX_STR("colour")));
    cr_assert_not(nbx_item_field_is_built_in(NBX_STR("")));
}

Test(message, money_is_never_a_float)
{
    struct nbx_items_req r = items("{items:[{id:'a', price:19.99}]}", false);
    cr_assert_str_eq(r.errors[0].fault.field, "items[0].price");
    cr_assert(strstr(r.errors[0].fault.message, "minor units, an integer"));
}

Test(message, customer_put_keeps_maps)
{
    struct nbx_customer_put_req r;
    cr_assert_eq(nbx_message_customer_put(
                     &r,
                     body_of("{attributes:{age:33, old:nil}, timezone:'Europe/Berlin', "
                             "locale:'de-DE', consent:{email:true}, identities:{card:'4711'}, "
                             "channels:[], vector:[1], space:'s', id:1}"),
                     arena, &fault),
                 NBX_OK, "%s %s", fault.field, fault.message);
    cr_assert_eq(r.attributes->n, 2);
    cr_assert(nbx_str_is(r.timezone, "Europe/Berlin") && nbx_str_is(r.locale, "de-DE"));
    cr_assert(nbx_value_get(r.consent, "email")->b);
    cr_assert(nbx_str_is(nbx_value_get(r.identities, "card")->s, "4711"));
    cr_assert_not_null(r.channels);
    cr_assert_eq(r.channels->n, 0);
    cr_assert_eq(r.vector.n, 1);
    cr_assert_eq(nbx_message_customer_put(&r, body_of("{}"), arena, &fault), NBX_OK);
    cr_assert_null(r.channels);
    cr_assert_null(r.attributes);
}

Test(message, ids_and_simple_bodies)
{
    struct nbx_item_ids_req ids;
    cr_assert_eq(nbx_message_item_ids(&ids, body_of("{ids:['a','b'], id:5}"), arena, &fault),
                 NBX_OK);
    cr_assert_eq(ids.ids.n, 2);
    cr_assert_eq(ids.id.i, 5);
    struct nbx_simple_req simple;
    cr_assert_eq(nbx_message_simple(&simple, body_of("{}"), arena, &fault), NBX_OK);
    cr_assert_eq(simple.id.type, NBX_NIL);
}

Test(message, the_id_is_known_even_where_the_body_is_refused)
{
    struct nbx_recommend_req r;
    cr_assert_eq(nbx_message_recommend(&r, body_of("{n:0, id:'r9'}"), false, arena, &fault),
                 NBX_EBAD);
    cr_assert(nbx_str_is(r.id.s, "r9"));
    cr_assert_eq(nbx_message_recommend(&r, body_of("{n:5, id:[]}"), false, arena, &fault),
                 NBX_EBAD);
    cr_assert_str_eq(fault.field, "id");
    cr_assert_eq(r.id.type, NBX_NIL);
}

Test(message, a_fault_may_be_left_out)
{
    struct nbx_recommend_req r;
    cr_assert_eq(nbx_message_recommend(&r, body_of("{n:0}"), false, arena, NULL), NBX_EBAD);
    struct nbx_observe_req o;
    cr_assert_eq(nbx_message_observe(&o, body_of("{events:[{}], atomic:true}"), true, arena, NULL),
                 NBX_EBAD);
}
