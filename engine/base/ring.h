/* SPDX-License-Identifier: MIT
 * Pointers from one thread to one other, and the bell that wakes the other.
 *
 * Why:     a ring per pair of threads needs no lock and keeps order; one bell (an eventfd) per
 *          consumer serves all its rings. Ringing costs a system call only when the consumer
 *          sleeps.
 * Owns:    the slots, never what the pointers point at.
 * Threads: push: the one producer. pop: the one consumer. Bell: ring from any, wait by one.
 * Errors:  push answers NBX_EBUSY when full, at once.
 */
#ifndef NBX_BASE_RING_H
#define NBX_BASE_RING_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_ring;

/* capacity is rounded up to a power of two. NULL where memory is out. */
struct nbx_ring *nbx_ring_new(size_t capacity);
void nbx_ring_destroy(struct nbx_ring **ring);
enum nbx_err nbx_ring_push(struct nbx_ring *ring, void *p) __attribute__((warn_unused_result));
/* The oldest pointer, or NULL when empty. */
void *nbx_ring_pop(struct nbx_ring *ring);
/* How many wait; a snapshot, for stats. */
size_t nbx_ring_depth(const struct nbx_ring *ring);

struct nbx_bell {
    int fd; /* readable while rung: may be polled beside sockets */
    _Atomic bool asleep;
};

/* NBX_ELIMIT where the process has no descriptor left. */
enum nbx_err nbx_bell_init(struct nbx_bell *bell);
void nbx_bell_fini(struct nbx_bell *bell);
/* After pushing. Cheap when the consumer is awake. */
void nbx_bell_ring(struct nbx_bell *bell);
/* The consumer's protocol: say you will sleep, look at the rings once more, then wait (or poll
 * bell->fd yourself), then say you are awake. A push between the look and the wait is seen:
 *     nbx_bell_sleep(b); if (rings are empty) nbx_bell_wait(b, timeout_ms); nbx_bell_wake(b); */
void nbx_bell_sleep(struct nbx_bell *bell);
void nbx_bell_wait(struct nbx_bell *bell, int timeout_ms); /* -1: for ever */
void nbx_bell_wake(struct nbx_bell *bell);
/* The same from a consumer that polled bell->fd itself and knows whether it was readable; a ring
 * that comes later ends the next wait at once. */
void nbx_bell_heard(struct nbx_bell *bell, bool readable);

#endif
