/* SPDX-License-Identifier: MIT
 * A writer: a client that sends events and item changes without pause until told to stop, and
 * enters in its ledger what it was told.
 *
 * Owns:    its thread and client; the ledger and the shelves are the scenario's.
 * Threads: main starts, awaits and joins; the rest is the writer's own.
 * Errors:  what cannot be sent or read ends the writing early and shows as `failed`.
 */
#ifndef NBX_TEST_CRASH_WRITER_H
#define NBX_TEST_CRASH_WRITER_H

#include "engine/base/random.h"
#include "proto/client/client.h"
#include "tests/crash/ledger.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define WINDOW           6 /* requests under way */
#define EVENTS_A_REQUEST 8
#define ACTIVE_CUSTOMERS 8

enum sent_kind { SENT_KEYED, SENT_FANNED, SENT_RECOMMEND, SENT_ITEMS, SENT_CARD };

struct sent_place {
    uint32_t customer, ordinal;
};

/* A request under way. */
struct sent_request {
    bool busy;
    enum sent_kind kind;
    bool durable;
    uint64_t tag;
    struct sent_place events[EVENTS_A_REQUEST]; /* (n) in the order sent */
    uint32_t n;
    unsigned shelf;
    int64_t version; /* of the shelf or the card */
};

struct writer {
    struct ledger *ledger;
    struct shelf *shelves; /* (SHELVES) */
    const char *endpoint;
    struct nbx_random random;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct sent_request window[WINDOW];
    uint32_t active[ACTIVE_CUSTOMERS];
    _Atomic bool stop;
    sem_t settled; /* posted once the ledger is final */
    bool failed;
    pthread_t thread;
};

/* endpoint, ledger and shelves must outlive the thread. */
bool writer_start(struct writer *w, const char *endpoint, struct ledger *ledger,
                  struct shelf *shelves, uint64_t seed);
/* Stops sending, waits until the ledger is final. The client may linger on. */
void writer_settle(struct writer *w);
void writer_join(struct writer *w);

/* writer_send.c: a request of random kind, entered in the ledger and sent. */
bool writer_send(struct writer *w, struct sent_request *slot);

#endif
