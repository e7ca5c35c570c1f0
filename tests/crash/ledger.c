/* SPDX-License-Identifier: MIT */
#include "tests/crash/ledger.h"

#include <stdio.h>
#include <stdlib.h>

void ledger_init(struct ledger *l, unsigned round, unsigned writer)
{
    *l = (struct ledger){.round = round, .writer = writer};
}

void ledger_fini(struct ledger *l)
{
    free(l->customers);
    l->customers = NULL;
}

uint32_t ledger_add(struct ledger *l)
{
    if (l->n_customers == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 32;
        struct customer *more = realloc(l->customers, l->cap * sizeof *more);
        if (!more)
            abort();
        l->customers = more;
    }
    l->customers[l->n_customers].n = l->customers[l->n_customers].found = 0;
    return l->n_customers++;
}

uint32_t ledger_send(struct ledger *l, uint32_t customer, uint32_t request)
{
    struct customer *c = &l->customers[customer];
    c->events[c->n] = (struct sent_event){request, FATE_UNKNOWN};
    l->n_sent++;
    return c->n++;
}

void ledger_settle(struct ledger *l, uint32_t customer, uint32_t ordinal, enum fate fate)
{
    l->customers[customer].events[ordinal].fate = (uint8_t)fate;
    l->n_durable += fate == FATE_DURABLE;
    l->n_memory += fate == FATE_MEMORY;
    l->n_refused += fate == FATE_REFUSED;
}

void ledger_customer_id(char *text, const struct ledger *l, uint32_t customer)
{
    snprintf(text, LEDGER_ID_BYTES, "r%u-w%u-c%u", l->round, l->writer, customer);
}

void ledger_event_id(char *text, const struct ledger *l, uint32_t customer, uint32_t ordinal)
{
    snprintf(text, LEDGER_ID_BYTES, "r%u-w%u-c%u-e%u", l->round, l->writer, customer, ordinal);
}

void ledger_item_id(char *text, const struct ledger *l, uint32_t ordinal)
{
    snprintf(text, LEDGER_ID_BYTES, "r%u-i%u", l->round, ordinal);
}

void ledger_card_id(char *text, const struct ledger *l)
{
    snprintf(text, LEDGER_ID_BYTES, "r%u-w%u-card", l->round, l->writer);
}

void ledger_shelf_item_id(char *text, unsigned writer, unsigned shelf, unsigned item)
{
    snprintf(text, LEDGER_ID_BYTES, "w%u-s%u-%u", writer, shelf, item);
}
