/* SPDX-License-Identifier: MIT
 * What a run of load has measured, on stdout.
 *
 * Threads: main.
 */
#ifndef NBX_BENCH_LOAD_REPORT_H
#define NBX_BENCH_LOAD_REPORT_H

#include "bench/load/arguments.h"

/* Rates, errors by status and percentiles in microseconds, for people or as one JSON object. */
void nbx_load_report(const struct nbx_load_result *result, const struct nbx_load_arguments *a);

/* Was every request answered with ok? */
bool nbx_load_is_clean(const struct nbx_load_result *result);

#endif
