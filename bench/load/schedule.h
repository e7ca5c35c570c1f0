/* SPDX-License-Identifier: MIT
 * When each request of an open loop is due: Poisson arrivals, or evenly spaced ones.
 *
 * Why:     the moments are fixed before the first request goes out, by the seed alone, so that a
 *          slow server cannot thin out the load it gets.
 * Owns:    nothing.
 * Threads: one at a time.
 */
#ifndef NBX_BENCH_LOAD_SCHEDULE_H
#define NBX_BENCH_LOAD_SCHEDULE_H

#include "engine/base/random.h"

#include <stdbool.h>
#include <stdint.h>

struct nbx_load_schedule {
    struct nbx_random random;
    double rate; /* per second */
    bool constant;
    int64_t due_ns; /* of the next request */
};

/* The first request is due one gap after start_ns. */
void nbx_load_schedule_begin(struct nbx_load_schedule *s, uint64_t seed, double rate, bool constant,
                             int64_t start_ns);
/* The moment that is due, and moves on to the next. */
int64_t nbx_load_schedule_take(struct nbx_load_schedule *s);

#endif
