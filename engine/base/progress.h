/* SPDX-License-Identifier: MIT
 * One line on a terminal that says how far a long job is: share, rate, time left.
 *
 * Why:     a job of minutes must not look dead; in a pipe or a log the line would be noise, so
 *          nothing is written where the descriptor is no terminal.
 * Owns:    nothing; the label and unit are borrowed.
 * Threads: one at a time.
 * Errors:  none; a line that cannot be written is dropped.
 */
#ifndef NBX_BASE_PROGRESS_H
#define NBX_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_progress {
    const char *label; /* "reading events.csv" */
    const char *unit;  /* "rows"; "" writes none */
    uint64_t total;    /* 0 where it is not known: no share, no time left */
    int fd;
    bool on_terminal;
    int64_t start_ns, drawn_ns;
};

/* Starts at 0 of total on descriptor fd (usually STDERR_FILENO). */
void nbx_progress_start(struct nbx_progress *p, int fd, const char *label, const char *unit,
                        uint64_t total);
/* Redraws at most five times a second. */
void nbx_progress_update(struct nbx_progress *p, uint64_t done);
/* Wipes the line, so that what is written next stands at its beginning. */
void nbx_progress_end(struct nbx_progress *p);

/* The line's text as it is drawn, after elapsed_ns of work; for tests and other displays. */
void nbx_progress_format(char *out, size_t out_bytes, const struct nbx_progress *p, uint64_t done,
                         int64_t elapsed_ns);

#endif
