/* SPDX-License-Identifier: MIT
 * What a run of load has measured, as text for people or as JSON.
 *
 * Owns:    nothing.
 * Threads: main.
 * Errors:  the buffer's `failed`.
 */
#ifndef NBX_BENCH_LOAD_REPORT_H
#define NBX_BENCH_LOAD_REPORT_H

#include "bench/load/arguments.h"
#include "engine/base/buf.h"

/* A line for each kind there was and one for all of a mix, what failed and how, bars with
 * --histogram. */
void nbx_load_report_text(struct nbx_buf *out, const struct nbx_load_result *result,
                          const struct nbx_load_arguments *a);
/* One JSON object and a newline. `error` is why the run stopped early; NULL: it did not. */
void nbx_load_report_json(struct nbx_buf *out, const struct nbx_load_result *result,
                          const struct nbx_load_arguments *a, const char *error);

/* Members of a JSON object, without braces: how the load was made; what one tally counted. */
void nbx_load_report_setup(struct nbx_buf *out, const struct nbx_load_arguments *a);
void nbx_load_report_tally(struct nbx_buf *out, const struct nbx_load_result *result,
                           const struct nbx_load_tally *tally);

/* In microseconds. */
double nbx_load_quantile_us(const struct nbx_hist *ns, double q);

/* Was every request answered with ok? */
bool nbx_load_is_clean(const struct nbx_load_result *result);

#endif
