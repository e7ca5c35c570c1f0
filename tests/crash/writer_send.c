/* SPDX-License-Identifier: MIT */
#include "proto/wire.h"
#include "tests/crash/writer.h"

#include <stdio.h>

static uint32_t below(struct writer *w, uint32_t n)
{
    return (uint32_t)nbx_random_below(&w->random, n);
}

/* One of the customers in use, with room for an event; a full one gives way to a new one. */
static uint32_t pick_customer(struct writer *w)
{
    uint32_t at = below(w, ACTIVE_CUSTOMERS);
    if (w->ledger->customers[w->active[at]].n == EVENTS_A_CUSTOMER)
        w->active[at] = ledger_add(w->ledger);
    return w->active[at];
}

static void put_event(struct writer *w, const struct sent_place *at, bool named)
{
    static const char *const types[] = {"view", "click", "cart", "purchase"};
    char text[LEDGER_ID_BYTES];
    struct nbx_buf *b = &w->body;
    nbx_wire_map(b, named ? 4 : 3);
    nbx_wire_kv_text(b, "type", types[at->ordinal % 4]);
    ledger_event_id(text, w->ledger, at->customer, at->ordinal);
    nbx_wire_kv_text(b, "id", text);
    ledger_item_id(text, w->ledger, at->ordinal);
    nbx_wire_kv_text(b, "item", text);
    if (!named)
        return;
    ledger_customer_id(text, w->ledger, at->customer);
    nbx_wire_kv_text(b, "customer", text);
}

/* n events into slot, ledger and body; all of one customer, or each of any. */
static void put_events(struct writer *w, struct sent_request *slot, const char *name, uint32_t n,
                       bool fanned)
{
    uint32_t customer = pick_customer(w), request = w->ledger->n_requests++;
    slot->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (fanned)
            customer = pick_customer(w);
        if (w->ledger->customers[customer].n == EVENTS_A_CUSTOMER)
            break;
        slot->events[slot->n++] =
            (struct sent_place){customer, ledger_send(w->ledger, customer, request)};
    }
    nbx_wire_text(&w->body, name);
    nbx_wire_list(&w->body, slot->n);
    for (uint32_t i = 0; i < slot->n; i++)
        put_event(w, &slot->events[i], fanned);
}

static void put_observe(struct writer *w, struct sent_request *slot)
{
    bool fanned = slot->kind == SENT_FANNED;
    slot->durable = below(w, 5) > 0;
    nbx_wire_map(&w->body, 2);
    nbx_wire_kv_text(&w->body, "ack", slot->durable ? "durable" : "memory");
    put_events(w, slot, "events", 1 + below(w, fanned ? EVENTS_A_REQUEST : 4), fanned);
}

static void put_recommend(struct writer *w, struct sent_request *slot)
{
    slot->durable = below(w, 4) == 0; /* memory is the default, so durable is what is said */
    nbx_wire_map(&w->body, slot->durable ? 3 : 2);
    nbx_wire_kv_int(&w->body, "n", 3);
    if (slot->durable)
        nbx_wire_kv_text(&w->body, "ack", "durable");
    put_events(w, slot, "observe", 1 + below(w, 2), false);
}

static void put_items(struct writer *w, struct sent_request *slot)
{
    char text[LEDGER_ID_BYTES];
    slot->n = 0;
    slot->durable = true;
    slot->shelf = below(w, SHELVES);
    slot->version = ++w->shelves[slot->shelf].sent;
    nbx_wire_map(&w->body, 1);
    nbx_wire_text(&w->body, "items");
    nbx_wire_list(&w->body, ITEMS_A_SHELF);
    for (unsigned i = 0; i < ITEMS_A_SHELF; i++) {
        ledger_shelf_item_id(text, w->ledger->writer, slot->shelf, i);
        nbx_wire_map(&w->body, 2);
        nbx_wire_kv_text(&w->body, "id", text);
        nbx_wire_kv_int(&w->body, "price", slot->version);
    }
}

static void put_card(struct writer *w, struct sent_request *slot)
{
    slot->n = 0;
    slot->durable = true;
    slot->version = ++w->ledger->card.sent;
    nbx_wire_map(&w->body, 1);
    nbx_wire_text(&w->body, "attributes");
    nbx_wire_map(&w->body, 1);
    nbx_wire_kv_int(&w->body, "version", slot->version);
}

static enum sent_kind pick_kind(struct writer *w)
{
    uint32_t dice = below(w, 100);
    if (dice < 4 && w->ledger->card.sent < CARDS_MAX)
        return SENT_CARD;
    return dice < 55   ? SENT_KEYED
           : dice < 75 ? SENT_FANNED
           : dice < 92 ? SENT_RECOMMEND
                       : SENT_ITEMS;
}

bool writer_send(struct writer *w, struct sent_request *slot)
{
    static const char *const ops[] = {"observe", "observe", "recommend", "item.put",
                                      "customer.put"};
    char key[LEDGER_ID_BYTES] = "";
    nbx_buf_clear(&w->body);
    slot->kind = pick_kind(w);
    if (slot->kind == SENT_ITEMS)
        put_items(w, slot);
    else if (slot->kind == SENT_CARD)
        put_card(w, slot);
    else if (slot->kind == SENT_RECOMMEND)
        put_recommend(w, slot);
    else
        put_observe(w, slot);
    if (slot->kind == SENT_KEYED || slot->kind == SENT_RECOMMEND)
        ledger_customer_id(key, w->ledger, slot->events[0].customer);
    else if (slot->kind == SENT_CARD)
        ledger_card_id(key, w->ledger);
    struct nbx_request request = {.op = ops[slot->kind],
                                  .key = nbx_str_c(key),
                                  .body = {(const char *)w->body.p, (uint32_t)w->body.len},
                                  .tag = slot->tag};
    slot->busy = true;
    return !w->body.failed && nbx_client_send(w->client, &request) == NBX_OK;
}
