/* SPDX-License-Identifier: MIT
 * Counters of one thread: written by it alone, read by `stats` from anywhere, hence relaxed.
 */
#ifndef NBX_SERVE_COUNTERS_H
#define NBX_SERVE_COUNTERS_H

#include "proto/ops.h"

#include <stdatomic.h>
#include <stdint.h>

struct nbx_counters {
    _Atomic uint64_t requests[NBX_N_OPS];
    _Atomic uint64_t refused; /* answered with another status than ok */
    _Atomic uint64_t shed;    /* of these busy */
    _Atomic uint64_t events, duplicates, withheld;
    _Atomic uint64_t decisions, decisions_lost, impressions;
    _Atomic uint64_t forgotten;         /* customers; keeper: those found at the start */
    _Atomic uint64_t erased;            /* keeper: of them those whom no file holds */
    _Atomic uint64_t listed;            /* customers answered in requests for many */
    _Atomic uint64_t unasked;           /* questions for a shadow that found no room */
    _Atomic uint64_t syncs, synced;     /* commit: syncs, and acknowledgements they released */
    _Atomic uint64_t malformed, unsent; /* front: dropped messages, replies nobody took */
    _Atomic uint64_t worlds;            /* keeper: handed out */
    _Atomic uint64_t repacks_begun;     /* keeper: indexes packed anew */
    _Atomic uint64_t repacks_ended;     /* likewise, also those thrown away */
    _Atomic uint64_t excerpts_made, excerpts_refused; /* keeper: refused for want of room */
    _Atomic uint64_t excerpt_bytes;                   /* keeper: of those in service, no counter */
};

static inline void nbx_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t nbx_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
