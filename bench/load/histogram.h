/* SPDX-License-Identifier: MIT
 * A histogram of latencies for people, as bars, and for programs, as JSON.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  the buffer's `failed`.
 */
#ifndef NBX_BENCH_LOAD_HISTOGRAM_H
#define NBX_BENCH_LOAD_HISTOGRAM_H

#include "engine/base/buf.h"
#include "engine/base/hist.h"

/* A line for each tenth of a decade from the least to the greatest value: upper end in
 * microseconds, count, share, bar. Nothing where it is empty. */
void nbx_load_histogram_text(struct nbx_buf *out, const struct nbx_hist *ns);
/* [{"le_us": 251.903, "count": 17}, ...]: the buckets that are not empty, at full resolution. */
void nbx_load_histogram_json(struct nbx_buf *out, const struct nbx_hist *ns);

#endif
