/* SPDX-License-Identifier: MIT
 * A ramp against a server: measures the rates nbx_load_ramp asks for.
 *
 * Owns:    what it says of its steps, until nbx_load_climb_fini.
 * Threads: main.
 * Errors:  those of nbx_load_run.
 */
#ifndef NBX_BENCH_LOAD_CLIMB_H
#define NBX_BENCH_LOAD_CLIMB_H

#include "bench/load/arguments.h"
#include "bench/load/ramp.h"
#include "engine/base/buf.h"

struct nbx_load_climb {
    struct nbx_load_ramp ramp;
    unsigned n_steps;
    struct nbx_buf steps; /* JSON objects, commas between */
    double held_p99_us;   /* at ramp.holds */
    bool failed_late;     /* at ramp.fails the generator did not keep its schedule */
};

/* How step number `step` (from 0) is measured: long enough for step_samples requests, however the
 * arrivals fall. */
struct nbx_load_options nbx_load_step_options(const struct nbx_load_arguments *a, double rate,
                                              unsigned step);
/* p99 within the bound and every request answered with ok. */
bool nbx_load_step_holds(const struct nbx_load_result *result, double p99_ms);

/* Runs the whole ramp; a line per step on stdout unless --json. *out holds the steps done also
 * where one failed. */
enum nbx_err nbx_load_climb(struct nbx_load_climb *out, const struct nbx_load_arguments *a,
                            nbx_load_make *make, void *arg, struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_load_climb_fini(struct nbx_load_climb *climb);

/* The answer in a line or two; or, with the steps, as one JSON object and a newline. `error` is why
 * the ramp stopped early; NULL: it did not. */
void nbx_load_climb_text(struct nbx_buf *out, const struct nbx_load_climb *climb,
                         const struct nbx_load_arguments *a);
void nbx_load_climb_json(struct nbx_buf *out, const struct nbx_load_climb *climb,
                         const struct nbx_load_arguments *a, const char *error);

#endif
