/* SPDX-License-Identifier: MIT
 * What became of requests of one kind: counts, statuses, latencies.
 *
 * Owns:    nothing.
 * Threads: one at a time.
 */
#ifndef NBX_BENCH_LOAD_TALLY_H
#define NBX_BENCH_LOAD_TALLY_H

#include "engine/base/hist.h"
#include "engine/base/str.h"

#define NBX_LOAD_MAX_STATUSES 16

struct nbx_load_status {
    char name[24];
    uint64_t n;
};

/* All zeros is an empty tally. */
struct nbx_load_tally {
    uint64_t sent, answered;
    uint64_t lost;              /* sent and never answered */
    uint64_t not_sent;          /* due while the queue was full */
    uint64_t late;              /* sent, but later than NBX_LOAD_LATE_NS after they were due */
    struct nbx_hist latency_ns; /* of all answers, errors too, from the moment they were due */
    struct nbx_load_status statuses[NBX_LOAD_MAX_STATUSES]; /* (n_statuses) */
    uint32_t n_statuses;
};

/* One answer. Characters no status has are counted as '?', so that a name can be printed. */
void nbx_load_tally_answer(struct nbx_load_tally *t, struct nbx_str status, uint64_t latency_ns);
/* Adds what `other` counted. */
void nbx_load_tally_merge(struct nbx_load_tally *t, const struct nbx_load_tally *other);
/* Answers with this status. */
uint64_t nbx_load_tally_status(const struct nbx_load_tally *t, const char *status);
/* Requests that were due and did not get an "ok". */
uint64_t nbx_load_tally_failed(const struct nbx_load_tally *t);

#endif
