/* SPDX-License-Identifier: MIT
 * The requests nbx-bench sends.
 *
 * Why:     customers, items and kinds are drawn from the seed alone, request by request, so two
 *          runs send the same whatever the daemon answers.
 * Owns:    the lists of customers and items, the bodies.
 * Threads: one.
 * Errors:  NBX_EBAD with the option as the field; those of nbx_load_ids_sample.
 */
#ifndef NBX_BENCH_LOAD_SCENARIO_H
#define NBX_BENCH_LOAD_SCENARIO_H

#include "bench/load/arguments.h"

struct nbx_load_scenario;

/* Asks the daemon where items have to be sampled. */
enum nbx_err nbx_load_scenario_new(struct nbx_load_scenario **out,
                                   const struct nbx_load_arguments *arguments,
                                   struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_load_scenario_destroy(struct nbx_load_scenario **scenario);

/* An nbx_load_make; arg is the scenario. Returns an enum nbx_load_kind. */
unsigned nbx_load_scenario_make(void *arg, uint64_t number, struct nbx_request *out);

#endif
