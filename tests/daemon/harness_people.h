/* SPDX-License-Identifier: MIT
 * Persons of several identities, for daemons of one, two and four workers.
 *
 * Owns:    nothing.
 * Threads: the test's.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_PEOPLE_H
#define NBX_TEST_DAEMON_HARNESS_PEOPLE_H

#include "tests/daemon/harness.h"

/* One person: a card first, to which the others are to be linked. With four workers they are of
 * three or more, with two of both. */
#define N_PEOPLE 5
extern const char *const people[N_PEOPLE];

/* Runs the scenario against a fresh daemon of 1, of 2 and of 4 workers. */
void people_with_workers(struct server *s, void (*scenario)(void));
/* Links all of them to the first. */
void people_link(struct peer *p);
/* The raw bytes of an answer; in the peer's arena. */
struct nbx_str raw_answer(struct peer *p, const char *op, const char *key, const char *body);
/* The same answer whichever of the (n) is asked. */
void people_must_agree(struct peer *p, const char *const *ids, int n);

#endif
