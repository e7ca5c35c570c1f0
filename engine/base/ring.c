/* SPDX-License-Identifier: MIT */
#include "engine/base/ring.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LINE 64

/* Head and tail on lines of their own, each with its side's stale copy of the other, so that the
 * two threads exchange a cache line only when one runs out. */
struct nbx_ring {
    _Alignas(LINE) _Atomic size_t head; /* next to pop */
    size_t tail_seen;
    _Alignas(LINE) _Atomic size_t tail; /* next to push */
    size_t head_seen;
    _Alignas(LINE) size_t mask;
    void *slots[]; /* (mask + 1) */
};

struct nbx_ring *nbx_ring_new(size_t capacity)
{
    size_t n = 2;
    while (n < capacity)
        n *= 2;
    size_t bytes = (sizeof(struct nbx_ring) + n * sizeof(void *) + LINE - 1) / LINE * LINE;
    struct nbx_ring *r = aligned_alloc(LINE, bytes);
    if (!r)
        return NULL;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    r->head_seen = r->tail_seen = 0;
    r->mask = n - 1;
    return r;
}

void nbx_ring_destroy(struct nbx_ring **ring)
{
    if (!ring)
        return;
    free(*ring);
    *ring = NULL;
}

enum nbx_err nbx_ring_push(struct nbx_ring *r, void *p)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail - r->head_seen > r->mask) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        if (tail - r->head_seen > r->mask)
            return NBX_EBUSY;
    }
    r->slots[tail & r->mask] = p;
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return NBX_OK;
}

void *nbx_ring_pop(struct nbx_ring *r)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == r->tail_seen) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head == r->tail_seen)
            return NULL;
    }
    void *p = r->slots[head & r->mask];
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return p;
}

size_t nbx_ring_depth(const struct nbx_ring *r)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    return tail >= head ? tail - head : 0;
}

enum nbx_err nbx_bell_init(struct nbx_bell *bell)
{
    atomic_init(&bell->asleep, false);
    bell->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return bell->fd < 0 ? NBX_ELIMIT : NBX_OK;
}

void nbx_bell_fini(struct nbx_bell *bell)
{
    if (bell->fd >= 0)
        close(bell->fd);
    bell->fd = -1;
}

/* Both sides read-modify-write `asleep`, so one comes after the other in its order: either the
 * producer sees true and rings, or the consumer's exchange reads what the producer wrote and with
 * it the push. No fence: thread sanitizers know none. */
void nbx_bell_ring(struct nbx_bell *bell)
{
    if (!atomic_exchange(&bell->asleep, false))
        return;
    uint64_t one = 1;
    ssize_t ignored = write(bell->fd, &one, sizeof one);
    (void)ignored;
}

void nbx_bell_sleep(struct nbx_bell *bell)
{
    atomic_exchange(&bell->asleep, true);
}

void nbx_bell_wait(struct nbx_bell *bell, int timeout_ms)
{
    struct pollfd p = {bell->fd, POLLIN, 0};
    poll(&p, 1, timeout_ms);
}

/* Drained whoever rang: a ring that came after its push was already seen would otherwise leave the
 * descriptor readable, and every later wait would return at once. */
void nbx_bell_wake(struct nbx_bell *bell)
{
    nbx_bell_heard(bell, true);
}

void nbx_bell_heard(struct nbx_bell *bell, bool readable)
{
    atomic_exchange(&bell->asleep, false);
    if (!readable)
        return;
    uint64_t count;
    ssize_t ignored = read(bell->fd, &count, sizeof count);
    (void)ignored;
}
