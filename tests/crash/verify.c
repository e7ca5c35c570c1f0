/* SPDX-License-Identifier: MIT */
#include "tests/crash/verify.h"

#include "engine/base/buf.h"
#include "engine/store/key.h"
#include "proto/wire.h"
#include "tests/crash/daemon.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLD_MAX 20 /* violations told in words */

__attribute__((format(printf, 3, 4))) static void blame(struct verifier *v, uint64_t *counter,
                                                        const char *format, ...)
{
    va_list args;
    ++*counter;
    if (v->quiet || tally_violations(v->tally) > TOLD_MAX)
        return;
    printf("violation: ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

uint64_t tally_violations(const struct tally *t)
{
    return t->lost + t->twice + t->half + t->wrong;
}

static bool ask(struct verifier *v, const char *op, const char *key, const struct nbx_buf *body,
                struct nbx_reply *reply)
{
    struct nbx_str bytes = {NULL, 0};
    if (body)
        bytes = (struct nbx_str){(const char *)body->p, (uint32_t)body->len};
    nbx_arena_reset(v->arena);
    return daemon_ask(v->client, op, nbx_str_c(key), bytes, v->arena, reply);
}

/* sequence numbers */

/* Sends one event with an id; the reply's seq, or -1. */
static int64_t probe(struct verifier *v, const char *customer, const struct nbx_str *expected)
{
    struct nbx_buf b = {0};
    struct nbx_reply reply;
    nbx_wire_map(&b, 2);
    nbx_wire_kv_text(&b, "ack", "memory");
    nbx_wire_text(&b, "events");
    nbx_wire_list(&b, 1);
    nbx_wire_map(&b, 2);
    nbx_wire_kv_text(&b, "type", "visit");
    nbx_wire_kv_text(&b, "id", "probe");
    bool asked = ask(v, "observe", customer, &b, &reply);
    nbx_buf_fini(&b);
    if (!asked)
        return -1;
    const struct nbx_value *n = nbx_value_get_str(&reply.body, *expected);
    if (!n || n->type != NBX_INT || n->i != 1)
        blame(v, &v->tally->wrong, "the probe of %s is not among the %.*s", customer,
              NBX_STR_ARG(*expected));
    return reply_int(&reply.body, "seq");
}

/* The first name whose hash falls into the group. */
static void probe_id(char *text, unsigned group)
{
    for (unsigned i = 0;; i++) {
        snprintf(text, LEDGER_ID_BYTES, "probe-%u", i);
        if (nbx_group_of(nbx_str_c(text)) == group)
            return;
    }
}

bool verify_begin(struct verifier *v)
{
    char text[LEDGER_ID_BYTES];
    struct nbx_str applied = NBX_STR("applied");
    for (unsigned g = 0; g < N_GROUPS; g++) {
        probe_id(text, g);
        int64_t seq = probe(v, text, &applied);
        if (seq < 0)
            return false;
        v->seq[g] = (uint64_t)seq;
    }
    return true;
}

/* Each change takes one number, so a group's number tells how often its changes were applied. */
static bool check_sequences(struct verifier *v, const struct ledger *ledgers)
{
    char text[LEDGER_ID_BYTES];
    struct nbx_str duplicates = NBX_STR("duplicates");
    for (unsigned g = 0; g < N_GROUPS; g++) {
        probe_id(text, g);
        int64_t got = probe(v, text, &duplicates);
        if (got < 0)
            return false;
        uint64_t seq = (uint64_t)got, told = 0;
        for (unsigned w = 0; ledgers && w < WRITERS; w++) {
            const uint64_t *of = v->power ? ledgers[w].durable_seq : ledgers[w].memory_seq;
            told = of[g] > told ? of[g] : told;
        }
        if (seq < told)
            blame(v, &v->tally->lost, "group %u went back from %llu to %llu", g,
                  (unsigned long long)told, (unsigned long long)seq);
        if (seq > v->seq[g] + v->present[g])
            blame(v, &v->tally->twice, "group %u counts %llu changes, has %llu", g,
                  (unsigned long long)(seq - v->seq[g]), (unsigned long long)v->present[g]);
        if (seq < v->seq[g] + v->present[g])
            blame(v, &v->tally->half, "group %u has %llu changes, counts %lld", g,
                  (unsigned long long)v->present[g], (long long)(seq - v->seq[g]));
        v->seq[g] = seq;
        v->present[g] = 0;
    }
    return true;
}

/* customers */

/* How often each of a customer's events is there. */
struct found {
    uint8_t times[EVENTS_A_CUSTOMER];
    uint32_t n; /* different ones */
};

static bool text_is(const struct nbx_value *map, const char *key, const char *text)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_STRING && nbx_str_is(v->s, text);
}

static void count_event(struct verifier *v, const struct ledger *l, uint32_t customer,
                        const struct nbx_value *event, struct found *found)
{
    char text[LEDGER_ID_BYTES], own[LEDGER_ID_BYTES];
    const struct nbx_value *id = nbx_value_get(event, "id");
    uint32_t ordinal = EVENTS_A_CUSTOMER;
    if (id && id->type == NBX_STRING) {
        snprintf(text, sizeof text, "%.*s", NBX_STR_ARG(id->s));
        const char *e = strrchr(text, 'e');
        ordinal = e ? (uint32_t)atoi(e + 1) : ordinal;
    }
    ledger_customer_id(own, l, customer);
    if (ordinal >= l->customers[customer].n) {
        blame(v, &v->tally->wrong, "%s has an event nobody sent", own);
        return;
    }
    ledger_event_id(text, l, customer, ordinal);
    if (!text_is(event, "id", text))
        blame(v, &v->tally->wrong, "%s has an event nobody sent instead of %s", own, text);
    ledger_item_id(text, l, ordinal);
    if (!text_is(event, "item", text))
        blame(v, &v->tally->wrong, "event %u of %s is not on %s", ordinal, own, text);
    found->n += found->times[ordinal]++ == 0;
}

/* History, and the set of seen items that must tell the same story. */
static bool look(struct verifier *v, const struct ledger *l, uint32_t customer, struct found *found)
{
    char own[LEDGER_ID_BYTES];
    struct nbx_reply reply;
    *found = (struct found){0};
    ledger_customer_id(own, l, customer);
    if (!ask(v, "customer.get", own, NULL, &reply))
        return false;
    const struct nbx_value *history = nbx_value_get(&reply.body, "history");
    for (uint32_t i = 0; history && i < history->n; i++)
        count_event(v, l, customer, &history->list[i], found);
    int64_t seen = reply_int(&reply.body, "seen");
    if (seen != found->n)
        blame(v, &v->tally->half, "%s has %u events and %lld seen items", own, found->n,
              (long long)seen);
    return true;
}

static void judge_event(struct verifier *v, const struct ledger *l, uint32_t customer, uint32_t i,
                        unsigned times)
{
    char text[LEDGER_ID_BYTES];
    enum fate fate = (enum fate)l->customers[customer].events[i].fate;
    bool must = fate == FATE_DURABLE || (fate == FATE_MEMORY && !v->power);
    ledger_event_id(text, l, customer, i);
    if (must && times == 0)
        blame(v, &v->tally->lost, "%s, acknowledged as %s", text,
              fate == FATE_DURABLE ? "durable" : "memory");
    if (times > 1)
        blame(v, &v->tally->twice, "%s is there %u times", text, times);
    if (fate == FATE_REFUSED && times > 0)
        blame(v, &v->tally->wrong, "%s was refused and is there", text);
    v->tally->found += fate == FATE_UNKNOWN && times > 0;
}

/* Events of one request are neighbours, and there together or not at all. */
static void judge(struct verifier *v, const struct ledger *l, uint32_t customer,
                  const struct found *found)
{
    char own[LEDGER_ID_BYTES];
    const struct customer *c = &l->customers[customer];
    ledger_customer_id(own, l, customer);
    for (uint32_t i = 0; i < c->n; i++) {
        judge_event(v, l, customer, i, found->times[i]);
        if (i > 0 && c->events[i].request == c->events[i - 1].request &&
            c->events[i].fate == c->events[i - 1].fate &&
            (found->times[i] > 0) != (found->times[i - 1] > 0))
            blame(v, &v->tally->half, "request %u of %s", c->events[i].request, own);
    }
    v->present[nbx_group_of(nbx_str_c(own))] += found->n;
}

/* Sends all of a customer's events again: those that are there are duplicates, the rest applies. */
static bool send_again(struct verifier *v, const struct ledger *l, uint32_t customer)
{
    char text[LEDGER_ID_BYTES];
    struct nbx_buf b = {0};
    struct nbx_reply reply;
    uint32_t n = l->customers[customer].n, expected = l->customers[customer].found;
    if (n == 0)
        return true;
    nbx_wire_map(&b, 2);
    nbx_wire_kv_text(&b, "ack", "memory");
    nbx_wire_text(&b, "events");
    nbx_wire_list(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        nbx_wire_map(&b, 3);
        nbx_wire_kv_text(&b, "type", "purchase");
        ledger_event_id(text, l, customer, i);
        nbx_wire_kv_text(&b, "id", text);
        ledger_item_id(text, l, i);
        nbx_wire_kv_text(&b, "item", text);
    }
    ledger_customer_id(text, l, customer);
    bool asked = ask(v, "observe", text, &b, &reply);
    nbx_buf_fini(&b);
    if (!asked)
        return false;
    int64_t duplicates = reply_int(&reply.body, "duplicates");
    int64_t applied = reply_int(&reply.body, "applied");
    if (duplicates != expected || applied != (int64_t)n - expected)
        blame(v, &v->tally->wrong, "%s sent again: %lld duplicates of %u, %lld applied of %u", text,
              (long long)duplicates, expected, (long long)applied, n - expected);
    v->present[nbx_group_of(nbx_str_c(text))] += (uint64_t)applied;
    return true;
}

/* Every customer.put took one of the group's numbers, those that were refused aside. */
static bool check_card(struct verifier *v, const struct ledger *l)
{
    char own[LEDGER_ID_BYTES];
    struct nbx_reply reply;
    ledger_card_id(own, l);
    if (!ask(v, "customer.get", own, NULL, &reply))
        return false;
    int64_t version = reply_int(nbx_value_get(&reply.body, "attributes"), "version");
    version = version < 0 ? 0 : version;
    if (version < l->card.acknowledged)
        blame(v, &v->tally->lost, "%s is at %lld, acknowledged %lld", own, (long long)version,
              (long long)l->card.acknowledged);
    if (version > l->card.sent)
        blame(v, &v->tally->wrong, "%s is ahead of what was sent", own);
    for (int64_t i = 1; i <= version && i <= l->card.sent; i++)
        v->present[nbx_group_of(nbx_str_c(own))] += !l->card.refused[i];
    return true;
}

/* items */

static int64_t price_of(struct verifier *v, unsigned writer, unsigned shelf, unsigned item)
{
    char text[LEDGER_ID_BYTES];
    struct nbx_buf b = {0};
    struct nbx_reply reply;
    ledger_shelf_item_id(text, writer, shelf, item);
    nbx_wire_map(&b, 1);
    nbx_wire_text(&b, "ids");
    nbx_wire_list(&b, 1);
    nbx_wire_text(&b, text);
    bool asked = ask(v, "item.get", "", &b, &reply);
    nbx_buf_fini(&b);
    if (!asked)
        return -1;
    const struct nbx_value *items = nbx_value_get(&reply.body, "items");
    return items && items->n ? reply_int(&items->list[0], "price") : 0;
}

static bool check_shelf(struct verifier *v, unsigned writer, unsigned at, struct shelf *shelf)
{
    int64_t first = price_of(v, writer, at, 0);
    if (first < 0)
        return false;
    if (first < shelf->acknowledged)
        blame(v, &v->tally->lost, "shelf %u of writer %u is at %lld, acknowledged %lld", at, writer,
              (long long)first, (long long)shelf->acknowledged);
    if (first > shelf->sent)
        blame(v, &v->tally->wrong, "shelf %u of writer %u is ahead of what was sent", at, writer);
    for (unsigned i = 1; i < ITEMS_A_SHELF; i++)
        if (price_of(v, writer, at, i) != first)
            blame(v, &v->tally->half, "shelf %u of writer %u is of two minds", at, writer);
    shelf->acknowledged = first;
    return true;
}

/* An item change more must have a number beyond all that were told. */
static bool check_catalogue(struct verifier *v, const struct ledger *ledgers)
{
    struct nbx_buf b = {0};
    struct nbx_reply reply;
    nbx_wire_map(&b, 1);
    nbx_wire_text(&b, "items");
    nbx_wire_list(&b, 1);
    nbx_wire_map(&b, 1);
    nbx_wire_kv_text(&b, "id", "probe");
    bool asked = ask(v, "item.put", "", &b, &reply);
    nbx_buf_fini(&b);
    for (unsigned w = 0; asked && w < WRITERS; w++)
        if (reply_int(&reply.body, "seq") <= (int64_t)ledgers[w].catalogue_seq)
            blame(v, &v->tally->lost, "the catalogue's number went back below %llu",
                  (unsigned long long)ledgers[w].catalogue_seq);
    return asked;
}

static void check_decision(struct verifier *v, const struct ledger *l)
{
    struct nbx_reply reply;
    if (!v->power && l->decision[0] && !ask(v, "decision.get", l->decision, NULL, &reply))
        blame(v, &v->tally->lost, "decision %s", l->decision);
}

/* rounds */

static void add_up(struct tally *t, const struct ledger *l)
{
    t->sent += l->n_sent;
    t->durable += l->n_durable;
    t->memory += l->n_memory;
    t->refused += l->n_refused;
    t->items += l->n_items;
}

static bool check_events(struct verifier *v, struct ledger *l)
{
    struct found found;
    for (uint32_t c = 0; c < l->n_customers; c++) {
        if (!look(v, l, c, &found))
            return false;
        judge(v, l, c, &found);
        l->customers[c].found = found.n;
    }
    return true;
}

bool verify_again(struct verifier *v, const struct ledger *l)
{
    struct found found;
    char own[LEDGER_ID_BYTES];
    for (uint32_t c = 0; c < l->n_customers; c++) {
        if (!look(v, l, c, &found))
            return false;
        ledger_customer_id(own, l, c);
        if (found.n < l->customers[c].n)
            blame(v, &v->tally->lost, "%s has %u events, was given %u", own, found.n,
                  l->customers[c].n);
        for (uint32_t i = 0; i < l->customers[c].n; i++)
            if (found.times[i] > 1)
                blame(v, &v->tally->twice, "event %u of %s is there %u times", i, own,
                      found.times[i]);
    }
    return true;
}

static bool send_all_again(struct verifier *v, const struct ledger *l)
{
    for (uint32_t c = 0; c < l->n_customers; c++)
        if (!send_again(v, l, c))
            return false;
    return true;
}

bool verify_round(struct verifier *v, struct ledger *ledgers, struct shelf (*shelves)[SHELVES])
{
    for (unsigned w = 0; w < WRITERS; w++) {
        add_up(v->tally, &ledgers[w]);
        check_decision(v, &ledgers[w]);
        if (!check_events(v, &ledgers[w]) || !check_card(v, &ledgers[w]))
            return false;
        for (unsigned s = 0; s < SHELVES; s++)
            if (!check_shelf(v, w, s, &shelves[w][s]))
                return false;
    }
    if (!check_sequences(v, ledgers))
        return false;
    for (unsigned w = 0; w < WRITERS; w++)
        if (!send_all_again(v, &ledgers[w]) || !verify_again(v, &ledgers[w]))
            return false;
    /* an item change is durable, and with it all that was written before */
    return check_sequences(v, NULL) && check_catalogue(v, ledgers);
}
