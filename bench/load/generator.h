/* SPDX-License-Identifier: MIT
 * An open-loop load generator: requests go out when they are due, whatever the server does.
 *
 * Why:     a closed loop waits for a slow reply and so leaves out the requests that would have
 *          been slow as well (coordinated omission). Latency counts from the intended send time.
 * Owns:    its connections while it runs.
 * Threads: one; it sleeps in ppoll with nanoseconds and never spins: on two cores a spinning
 *          generator takes the time it measures.
 * Errors:  NBX_EBUSY where nobody answers at the endpoint, NBX_EBAD where it is none.
 */
#ifndef NBX_BENCH_LOAD_GENERATOR_H
#define NBX_BENCH_LOAD_GENERATOR_H

#include "engine/base/hist.h"
#include "engine/base/random.h"
#include "proto/client/client.h"

#include <stdbool.h>

#define NBX_LOAD_MAX_CONNECTIONS 64
#define NBX_LOAD_MAX_STATUSES    16
#define NBX_LOAD_MAX_UNDER_WAY   (1 << 17) /* one more is not sent, and counted */

struct nbx_load_options {
    const char *endpoint;
    double rate, seconds;  /* requests per second; how long */
    double warmup_seconds; /* before that, at the same rate, not counted */
    bool constant;         /* evenly spaced; else Poisson arrivals */
    unsigned connections;
    unsigned timeout_ms; /* a request unanswered for that long after the last send is lost */
    uint64_t seed;
};

struct nbx_load_status {
    char name[24];
    uint64_t n;
};

struct nbx_load_result {
    uint64_t sent, answered, lost, not_sent;
    double seconds;             /* from the first counted send to the last reply */
    struct nbx_hist latency_ns; /* of all answers, errors too */
    struct nbx_load_status statuses[NBX_LOAD_MAX_STATUSES]; /* (n_statuses) */
    uint32_t n_statuses;
};

/* Fills request number `number` (from 0); tag is the generator's. What it points at must live
 * until the next call. */
typedef void nbx_load_make(void *arg, uint64_t number, struct nbx_request *out);

enum nbx_err nbx_load_run(struct nbx_load_result *out, const struct nbx_load_options *options,
                          nbx_load_make *make, void *arg) NBX_MUST_CHECK;

/* Nanoseconds until the next request of `rate` per second. */
int64_t nbx_load_gap_ns(struct nbx_random *random, double rate, bool constant);

#endif
