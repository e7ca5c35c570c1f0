/* SPDX-License-Identifier: MIT
 * An open-loop load generator: requests go out when they are due, whatever the server does.
 *
 * Why:     a closed loop waits for a slow reply and so leaves out the requests that would have
 *          been slow as well (coordinated omission). Latency counts from the moment a request was
 *          due, so a generator that was late itself cannot make a server look fast either.
 * Owns:    its connections while it runs.
 * Threads: one; it sleeps in ppoll with nanoseconds and never spins: on two cores a spinning
 *          generator takes the time it measures.
 * Errors:  NBX_EBUSY where nobody answers, NBX_EBAD where the endpoint is none; the fault says
 *          which. Statuses other than "ok" are no errors here: the tallies have them.
 */
#ifndef NBX_BENCH_LOAD_GENERATOR_H
#define NBX_BENCH_LOAD_GENERATOR_H

#include "bench/load/tally.h"
#include "engine/base/progress.h"
#include "proto/client/client.h"

#define NBX_LOAD_MAX_CONNECTIONS 64
#define NBX_LOAD_MAX_KINDS       4
#define NBX_LOAD_MAX_UNDER_WAY   (1 << 17) /* one more is not sent, and counted */
#define NBX_LOAD_LATE_NS         INT64_C(1000000)
#define NBX_LOAD_LATE_SHARE      0.01 /* of late requests; with more, the schedule was not kept */

struct nbx_load_options {
    const char *endpoint;
    double rate, seconds;  /* requests per second; how long */
    double warmup_seconds; /* before that, at the same rate, not counted */
    bool constant;         /* evenly spaced; else Poisson arrivals */
    unsigned connections;
    unsigned timeout_ms; /* lost: unanswered so long after the last send; gone: silent so long */
    uint64_t seed;
    struct nbx_progress *progress; /* counts requests, warm-up among them; NULL: none */
};

struct nbx_load_result {
    struct nbx_load_tally kinds[NBX_LOAD_MAX_KINDS];
    struct nbx_load_tally total; /* of all kinds */
    struct nbx_hist lateness_ns; /* from due to sent */
    int64_t longest_silence_ns;  /* in which one waited or more, and nothing was answered */
    double seconds;              /* from the first counted moment to the last reply */
    double cpu_share;            /* of one core, which this process used meanwhile */
};

/* Fills request number `number` (from 0) and returns its kind, below NBX_LOAD_MAX_KINDS; tag is the
 * generator's. What it points at must live until the next call. */
typedef unsigned nbx_load_make(void *arg, uint64_t number, struct nbx_request *out);

/* *out holds what was measured until then also where the server fell silent (NBX_EBUSY) after
 * something was sent. */
enum nbx_err nbx_load_run(struct nbx_load_result *out, const struct nbx_load_options *options,
                          nbx_load_make *make, void *arg, struct nbx_fault *fault) NBX_MUST_CHECK;

/* The share of requests that were sent late. */
double nbx_load_late_share(const struct nbx_load_result *result);
/* Answers per second. */
double nbx_load_achieved(const struct nbx_load_result *result, const struct nbx_load_tally *tally);

#endif
