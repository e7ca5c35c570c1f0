/* SPDX-License-Identifier: MIT
 * A good client beside the bad ones: it asks and observes without pause and must get every answer.
 *
 * Why:     whatever a hostile peer does, others must not notice.
 * Owns:    a connection and a thread, until neighbour_stop.
 * Threads: start and stop from the test's.
 * Errors:  neighbour_stop fails the test where an answer was wrong, missing or slow.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_NEIGHBOUR_H
#define NBX_TEST_DAEMON_HARNESS_NEIGHBOUR_H

#include "tests/daemon/harness.h"

#include <pthread.h>
#include <stdatomic.h>

struct neighbour {
    pthread_t thread;
    struct nbx_client *client;
    atomic_bool stop;
    _Atomic size_t answers;
    size_t problems;
    double worst_ms;
    char problem[128];
};

/* The catalogue must hold an item "a". */
void neighbour_start(struct neighbour *n, const struct server *s);
/* Waits until `more` further answers came. */
void neighbour_wait(struct neighbour *n, size_t more);
/* Every answer came, was ok and took at most max_ms. */
void neighbour_stop(struct neighbour *n, double max_ms);

#endif
