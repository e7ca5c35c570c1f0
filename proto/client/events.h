/* SPDX-License-Identifier: MIT
 * A daemon's events, pulled page by page into a CSV file that nbx-train reads.
 *
 * Why:     the trainer and the command line write the same file.
 * Owns:    nothing.
 * Threads: as the client's.
 * Errors:  those of ask.h; NBX_ESTORAGE where the file cannot be written. A daemon that is away
 *          for a while between two pages is waited for.
 */
#ifndef NBX_PROTO_CLIENT_EVENTS_H
#define NBX_PROTO_CLIENT_EVENTS_H

#include "proto/client/ask.h"

#include <stdio.h>

struct nbx_pull {
    struct nbx_asking from;
    const struct nbx_value *wanted; /* map: fields of events.read, such as since; not `after` */
    int progress_fd;                /* as in progress.h */
};

/* Writes all of them to `out`: a header, then a row an event, customer after customer, a customer's
 * by time. *n: events. */
enum nbx_err nbx_pull_events(const struct nbx_pull *pull, FILE *out, uint64_t *n,
                             struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
