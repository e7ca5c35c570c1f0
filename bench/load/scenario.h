/* SPDX-License-Identifier: MIT
 * The requests nbx-bench sends.
 *
 * Owns:    the list of customers, the bodies.
 * Threads: one.
 * Errors:  NBX_EBAD with the option as the field.
 */
#ifndef NBX_BENCH_LOAD_SCENARIO_H
#define NBX_BENCH_LOAD_SCENARIO_H

#include "bench/load/arguments.h"

struct nbx_load_scenario;

enum nbx_err nbx_load_scenario_new(struct nbx_load_scenario **out,
                                   const struct nbx_load_arguments *arguments,
                                   struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_load_scenario_destroy(struct nbx_load_scenario **scenario);

/* An nbx_load_make; arg is the scenario. */
void nbx_load_scenario_make(void *arg, uint64_t number, struct nbx_request *out);

#endif
