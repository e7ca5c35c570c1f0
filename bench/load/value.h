/* SPDX-License-Identifier: MIT
 * Values of options: read, held against their bounds, refused with a reason.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_EBAD; the fault's field is the caller's to set.
 */
#ifndef NBX_BENCH_LOAD_VALUE_H
#define NBX_BENCH_LOAD_VALUE_H

#include "engine/base/err.h"

struct nbx_load_bounds {
    double min, max;
};

/* A number within the bounds. */
enum nbx_err nbx_load_number(double *out, const char *text, struct nbx_load_bounds bounds,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
/* The same, whole. */
enum nbx_err nbx_load_whole(double *out, const char *text, struct nbx_load_bounds bounds,
                            struct nbx_fault *fault) NBX_MUST_CHECK;
/* "R", or "LOW:HIGH" with LOW below HIGH; *high is 0 for the first. */
enum nbx_err nbx_load_rates(double *low, double *high, const char *text,
                            struct nbx_load_bounds bounds, struct nbx_fault *fault) NBX_MUST_CHECK;
/* Which of the words, which end with NULL. */
enum nbx_err nbx_load_choice(unsigned *out, const char *text, const char *const *words,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
/* Weights by word, "recommend=80,rank=5": whole numbers up to 1,000,000, words left out have 0, and
 * one at least is above it. weights (as many as words). */
enum nbx_err nbx_load_weights(unsigned *weights, const char *text, const char *const *words,
                              struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
