/* SPDX-License-Identifier: MIT */
#include "tests/race/race_shop.h"

#include "proto/wire.h"

#include <stdio.h>

#define TIMEOUT_MS 30000

static uint32_t below(struct shopper *s, uint32_t n)
{
    return (uint32_t)nbx_random_below(&s->random, n);
}

static void put_name(struct shopper *s, const char *key, const char *format, uint32_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%s%u", format, n);
    if (key)
        nbx_wire_kv_text(&s->body, key, text);
    else
        nbx_wire_text(&s->body, text);
}

/* Who links finds that somebody else linked otherwise, or too many. */
static bool is_of_links(const char *op, struct nbx_str status)
{
    return strstr(op, "link") && (nbx_str_is(status, "conflict") || nbx_str_is(status, "limit"));
}

/* Sends what stands in the body. Busy and unknown are answers; anything else unexpected is not. */
static bool ask(struct shopper *s, const char *op, struct nbx_str key, struct nbx_reply *reply)
{
    struct nbx_request request = {
        .op = op, .key = key, .body = {(const char *)s->body.p, (uint32_t)s->body.len}};
    nbx_arena_reset(s->arena);
    enum nbx_err err = nbx_client_call(s->client, &request, TIMEOUT_MS, s->arena, reply);
    s->requests++;
    if (!err && (nbx_str_is(reply->status, "ok") || nbx_str_is(reply->status, "busy") ||
                 nbx_str_is(reply->status, "not_found") || is_of_links(op, reply->status)))
        return nbx_str_is(reply->status, "ok");
    const struct nbx_value *why = err ? NULL : nbx_value_get(&reply->body, "message");
    printf("%s: %.*s %.*s\n", op, NBX_STR_ARG(err ? NBX_STR("no reply") : reply->status),
           NBX_STR_ARG(why ? why->s : NBX_STR("")));
    s->failures++;
    return false;
}

static void put_event(struct shopper *s, bool named)
{
    static const char *const types[] = {"view", "cart", "purchase", "dismiss"};
    nbx_wire_map(&s->body, named ? 3 : 2);
    nbx_wire_kv_text(&s->body, "type", types[below(s, 4)]);
    put_name(s, "item", "i", below(s, SHOP_ITEMS * 2)); /* half of them never put */
    if (named)
        put_name(s, "customer", "c", below(s, SHOP_CUSTOMERS));
}

static void put_events(struct shopper *s, const char *key, bool named)
{
    uint32_t n = 1 + below(s, 6);
    nbx_wire_text(&s->body, key);
    nbx_wire_list(&s->body, n);
    for (uint32_t i = 0; i < n; i++)
        put_event(s, named);
}

static void put_filter(struct shopper *s)
{
    nbx_wire_text(&s->body, "filter");
    nbx_wire_map(&s->body, 2);
    nbx_wire_kv_text(&s->body, "field", "price");
    nbx_wire_kv_int(&s->body, "lt", 1 + below(s, 20) * 50);
}

static void recommend(struct shopper *s, struct nbx_str key)
{
    struct nbx_reply reply;
    nbx_wire_map(&s->body, 5);
    nbx_wire_kv_int(&s->body, "n", 1 + below(s, 20));
    nbx_wire_kv_bool(&s->body, "explain", below(s, 2));
    nbx_wire_kv_text(&s->body, "channel", below(s, 2) ? "web" : "app");
    put_events(s, "observe", false);
    put_filter(s);
    if (!ask(s, "recommend", key, &reply))
        return;
    const struct nbx_value *id = nbx_value_get(&reply.body, "decision");
    if (id && id->type == NBX_STRING)
        snprintf(s->decision, sizeof s->decision, "%.*s", NBX_STR_ARG(id->s));
}

static void rank(struct shopper *s, struct nbx_str key)
{
    struct nbx_reply reply;
    nbx_wire_map(&s->body, 2);
    nbx_wire_kv_text(&s->body, "record", "shown");
    nbx_wire_text(&s->body, "items");
    nbx_wire_list(&s->body, 10);
    for (int i = 0; i < 10; i++)
        put_name(s, NULL, "i", below(s, SHOP_ITEMS));
    ask(s, "rank", key, &reply);
}

static void recommend_many(struct shopper *s)
{
    struct nbx_reply reply;
    uint32_t n = 1 + below(s, 60);
    nbx_wire_map(&s->body, 3);
    nbx_wire_kv_text(&s->body, "record", below(s, 2) ? "none" : "shown");
    put_filter(s);
    nbx_wire_text(&s->body, "customers");
    nbx_wire_list(&s->body, n);
    for (uint32_t i = 0; i < n; i++)
        put_name(s, NULL, "c", below(s, SHOP_CUSTOMERS));
    ask(s, "recommend", NBX_STR(""), &reply);
}

static void browse(struct shopper *s, struct nbx_str key)
{
    struct nbx_reply reply;
    switch (below(s, 5)) {
    case 0: rank(s, key); return;
    case 1:
        nbx_wire_map(&s->body, 1);
        put_name(s, "item", "i", below(s, SHOP_ITEMS));
        ask(s, "similar", NBX_STR(""), &reply);
        return;
    case 2: recommend_many(s); return;
    default: recommend(s, key);
    }
}

static void track(struct shopper *s, struct nbx_str key)
{
    struct nbx_reply reply;
    bool fanned = below(s, 2);
    nbx_wire_map(&s->body, 2);
    nbx_wire_kv_text(&s->body, "ack", below(s, 2) ? "durable" : "memory");
    put_events(s, "events", fanned);
    ask(s, "observe", fanned ? NBX_STR("") : key, &reply);
}

static void put_ids(struct shopper *s)
{
    nbx_wire_map(&s->body, 1);
    nbx_wire_text(&s->body, "ids");
    nbx_wire_list(&s->body, 4);
    for (int i = 0; i < 4; i++)
        put_name(s, NULL, "i", below(s, SHOP_ITEMS));
}

static void stock(struct shopper *s, struct nbx_str key)
{
    static const char *const ops[] = {"item.put", "item.patch", "item.delete", "item.get"};
    struct nbx_reply reply;
    (void)key;
    uint32_t op = below(s, 8) < 4 ? 0 : below(s, 4);
    if (op >= 2) {
        put_ids(s);
    } else {
        nbx_wire_map(&s->body, 1);
        nbx_wire_text(&s->body, "items");
        nbx_wire_list(&s->body, 5);
        for (int i = 0; i < 5; i++) {
            nbx_wire_map(&s->body, 4);
            put_name(s, "id", "i", below(s, SHOP_ITEMS));
            put_name(s, "brand", "b", below(s, 9));
            nbx_wire_kv_int(&s->body, "price", below(s, 1000));
            nbx_wire_kv_bool(&s->body, "available", below(s, 8) > 0);
        }
    }
    ask(s, ops[op], NBX_STR(""), &reply);
}

static void manage(struct shopper *s, struct nbx_str key)
{
    static const char *const of_all[] = {"stats", "stats", "events.read", "hello"};
    struct nbx_reply reply;
    uint32_t dice = below(s, 12);
    if (dice < 4) {
        nbx_wire_map(&s->body, 1);
        nbx_wire_text(&s->body, "attributes");
        nbx_wire_map(&s->body, 1);
        nbx_wire_kv_int(&s->body, "age", below(s, 99));
        ask(s, "customer.put", key, &reply);
        return;
    }
    nbx_wire_map(&s->body, 0);
    if (dice < 6)
        ask(s, "customer.forget", key, &reply);
    else if (dice < 8)
        ask(s, "customer.get", key, &reply);
    else
        ask(s, of_all[dice - 8], NBX_STR(""), &reply);
}

/* Links are made, undone and forgotten by many at once. */
static void relate(struct shopper *s, struct nbx_str key)
{
    struct nbx_reply reply;
    char other[16];
    uint32_t dice = below(s, 12);
    nbx_wire_map(&s->body, dice < 10);
    if (dice == 9) {
        put_name(s, "item", "i", below(s, SHOP_ITEMS));
        ask(s, "retract", key, &reply);
        return;
    }
    if (dice > 9) {
        ask(s, dice == 10 ? "customer.export" : "customer.forget", key, &reply);
        return;
    }
    snprintf(other, sizeof other, "c%u", below(s, SHOP_CUSTOMERS));
    if (nbx_str_is(key, other))
        other[0] = 'd';
    nbx_wire_kv_text(&s->body, "identity", other);
    ask(s, dice < 6 ? "customer.link" : "customer.unlink", key, &reply);
}

static void get_decision(struct shopper *s)
{
    struct nbx_reply reply;
    if (!s->decision[0])
        return;
    nbx_buf_clear(&s->body);
    nbx_wire_map(&s->body, 0);
    ask(s, "decision.get", nbx_str_c(s->decision), &reply);
}

static void *shop(void *arg)
{
    static void (*const roles[SHOP_N_ROLES])(struct shopper *, struct nbx_str) = {
        browse, track, stock, manage, relate};
    struct shopper *s = arg;
    while (!atomic_load(s->stop)) {
        char key[16];
        snprintf(key, sizeof key, "c%u", below(s, SHOP_CUSTOMERS));
        nbx_buf_clear(&s->body);
        roles[s->role](s, nbx_str_c(key));
        if (s->role == SHOP_BROWSE && below(s, 8) == 0)
            get_decision(s);
    }
    return NULL;
}

bool shopper_start(struct shopper *s, uint64_t seed)
{
    nbx_random_init(&s->random, seed);
    s->arena = nbx_arena_new(4 << 20);
    return s->arena && nbx_client_new(&s->client, s->endpoint) == NBX_OK &&
           pthread_create(&s->thread, NULL, shop, s) == 0;
}

void shopper_join(struct shopper *s)
{
    pthread_join(s->thread, NULL);
    nbx_client_destroy(&s->client);
    nbx_arena_destroy(&s->arena);
    nbx_buf_fini(&s->body);
}
