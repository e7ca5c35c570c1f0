/* SPDX-License-Identifier: MIT
 * The outside ledger: what one writer sent in one round, and what it was told about it.
 *
 * Why:     after the kill the store is held against this, and this against nothing: it lives in the
 *          test alone.
 * Owns:    its arrays.
 * Threads: the writer's while it writes, then main's.
 * Errors:  out of memory ends the test.
 *
 * Everything has a name that tells its place: event rR-wW-cC-eE is the E-th event of customer
 * rR-wW-cC and is on item rR-iE, so that each event of a customer is on an item of its own.
 */
#ifndef NBX_TEST_CRASH_LEDGER_H
#define NBX_TEST_CRASH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITERS            4
#define EVENTS_A_CUSTOMER  80 /* customer.get shows the newest 100 */
#define SHELVES            3  /* of each writer */
#define ITEMS_A_SHELF      4
#define CARDS_MAX          1000 /* changes of one card */
#define N_GROUPS           256
#define LEDGER_ID_BYTES    64
#define DECISION_HEX_BYTES 33

/* What is known about an event that was sent. */
enum fate {
    FATE_UNKNOWN, /* no reply: there or not */
    FATE_REFUSED, /* not there */
    FATE_MEMORY,  /* survives kill -9 */
    FATE_DURABLE, /* survives a power cut as well */
};

struct sent_event {
    uint32_t request; /* events of one request are there together or not at all */
    uint8_t fate;
};

struct customer {
    struct sent_event events[EVENTS_A_CUSTOMER]; /* (n) */
    uint32_t n;
    uint32_t found; /* of them, after the kill */
};

/* Items that are only ever put together, all with the price `version`. They outlive the round. */
struct shelf {
    int64_t sent, acknowledged; /* versions */
};

/* A customer rR-wW-card without events, whose attribute `version` each customer.put raises by 1. */
struct card {
    int64_t sent, acknowledged;  /* versions */
    bool refused[CARDS_MAX + 1]; /* by version */
};

struct ledger {
    unsigned round, writer;
    struct card card;
    struct customer *customers; /* (n_customers) */
    uint32_t n_customers, cap;
    uint32_t n_requests;
    uint64_t durable_seq[N_GROUPS];    /* largest of durable acknowledgements */
    uint64_t memory_seq[N_GROUPS];     /* largest of all */
    uint64_t catalogue_seq;            /* the same of item changes */
    char decision[DECISION_HEX_BYTES]; /* last one told, or empty */
    uint64_t n_sent, n_durable, n_memory, n_refused, n_items; /* events; item changes told */
};

void ledger_init(struct ledger *l, unsigned round, unsigned writer);
void ledger_fini(struct ledger *l);
/* A customer more; its place. */
uint32_t ledger_add(struct ledger *l);
/* Notes an event before it is sent; its ordinal. */
uint32_t ledger_send(struct ledger *l, uint32_t customer, uint32_t request);
void ledger_settle(struct ledger *l, uint32_t customer, uint32_t ordinal, enum fate fate);

/* Names, into text (LEDGER_ID_BYTES). */
void ledger_customer_id(char *text, const struct ledger *l, uint32_t customer);
void ledger_event_id(char *text, const struct ledger *l, uint32_t customer, uint32_t ordinal);
void ledger_item_id(char *text, const struct ledger *l, uint32_t ordinal);
void ledger_card_id(char *text, const struct ledger *l);
void ledger_shelf_item_id(char *text, unsigned writer, unsigned shelf, unsigned item);

#endif
