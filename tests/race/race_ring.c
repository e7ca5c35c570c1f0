/* SPDX-License-Identifier: MIT
 * A ring and its bell between two threads: every pointer arrives, in order, and nobody sleeps
 * through one.
 *
 *     race_ring [MESSAGES]
 */
#include "engine/base/ring.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MESSAGES 1000000
#define CAPACITY 64   /* small: full and empty all the time */
#define LOST_MS  5000 /* a wait this long means that a ring of the bell was missed */

struct lane {
    struct nbx_ring *ring;
    struct nbx_bell bell;
    uint64_t n;
    uint64_t *cells; /* (n) what the pointers point at: written before, read after */
    bool failed;
};

static void *produce(void *arg)
{
    struct lane *lane = arg;
    for (uint64_t i = 0; i < lane->n; i++) {
        lane->cells[i] = i * i;
        while (nbx_ring_push(lane->ring, &lane->cells[i]))
            sched_yield();
        nbx_bell_ring(&lane->bell);
    }
    return NULL;
}

/* The consumer's protocol, as ring.h tells it; false where nothing came. */
static bool rest(struct lane *lane)
{
    struct pollfd fd = {lane->bell.fd, POLLIN, 0};
    bool woken = true;
    nbx_bell_sleep(&lane->bell);
    if (nbx_ring_depth(lane->ring) == 0)
        woken = poll(&fd, 1, LOST_MS) > 0;
    nbx_bell_wake(&lane->bell);
    return woken || nbx_ring_depth(lane->ring) > 0;
}

static void *consume(void *arg)
{
    struct lane *lane = arg;
    for (uint64_t i = 0; i < lane->n;) {
        const uint64_t *cell = nbx_ring_pop(lane->ring);
        if (!cell) {
            if (rest(lane))
                continue;
            printf("slept through message %llu\n", (unsigned long long)i);
            lane->failed = true;
            return NULL;
        }
        if (cell != &lane->cells[i] || *cell != i * i) {
            printf("message %llu is not the one that was sent\n", (unsigned long long)i);
            lane->failed = true;
            return NULL;
        }
        i++;
    }
    return NULL;
}

static bool run(uint64_t n)
{
    struct lane lane = {.ring = nbx_ring_new(CAPACITY), .n = n};
    pthread_t producer, consumer;
    lane.cells = calloc(n, sizeof *lane.cells);
    if (!lane.ring || !lane.cells || nbx_bell_init(&lane.bell))
        abort();
    pthread_create(&consumer, NULL, consume, &lane);
    pthread_create(&producer, NULL, produce, &lane);
    pthread_join(consumer, NULL);
    if (lane.failed)
        _exit(1); /* the producer may wait for room for ever */
    pthread_join(producer, NULL);
    bool empty = nbx_ring_pop(lane.ring) == NULL;
    nbx_ring_destroy(&lane.ring);
    nbx_bell_fini(&lane.bell);
    free(lane.cells);
    return empty;
}

/* A ring that comes late, its push seen long before, may wake one wait, not all of them. */
static bool late_ring_is_drained(void)
{
    struct nbx_bell bell;
    uint64_t one = 1;
    if (nbx_bell_init(&bell))
        abort();
    struct pollfd fd = {bell.fd, POLLIN, 0};
    bool wrote = write(bell.fd, &one, sizeof one) == sizeof one;
    nbx_bell_sleep(&bell);
    bool woken = poll(&fd, 1, 0) == 1;
    nbx_bell_wake(&bell);
    bool quiet = poll(&fd, 1, 0) == 0;
    nbx_bell_fini(&bell);
    if (!quiet)
        printf("a drained bell still rings\n");
    return wrote && woken && quiet;
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : MESSAGES;
    return late_ring_is_drained() && run(n) ? 0 : 1;
}
