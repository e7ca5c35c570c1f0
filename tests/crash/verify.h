/* SPDX-License-Identifier: MIT
 * Holds the store of a restarted daemon against the ledgers.
 *
 * Threads: main.
 * Errors:  violations are counted, the first ones told on stdout. false: the daemon does not
 *          answer.
 */
#ifndef NBX_TEST_CRASH_VERIFY_H
#define NBX_TEST_CRASH_VERIFY_H

#include "proto/client/client.h"
#include "tests/crash/ledger.h"

/* What a scenario adds up over its rounds. */
struct tally {
    uint64_t sent, durable, memory, refused, items; /* of the writers */
    uint64_t found;                                 /* events there without acknowledgement */
    uint64_t lost;                                  /* acknowledged and not there */
    uint64_t twice;                                 /* there more than once, or counted so */
    uint64_t half;                                  /* requests there in part */
    uint64_t wrong;                                 /* anything else */
};

struct verifier {
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct tally *tally;
    bool power;                 /* memory acknowledgements may be gone */
    bool quiet;                 /* violations are wanted: only count them */
    uint64_t seq[N_GROUPS];     /* of each group, as last looked at */
    uint64_t present[N_GROUPS]; /* new changes found in it since */
};

/* Once, on an empty store: a probe customer in each group, to read its sequence number by. */
bool verify_begin(struct verifier *v);
/* After a restart: every event, item and number of the round; then sends every event again, after
 * which each must be there just once. shelves: (WRITERS, SHELVES), brought to what was found. */
bool verify_round(struct verifier *v, struct ledger *ledgers, struct shelf (*shelves)[SHELVES]);
/* Later: every event of a round that verify_round has seen is there just once. */
bool verify_again(struct verifier *v, const struct ledger *ledger);
uint64_t tally_violations(const struct tally *t);

#endif
