/* SPDX-License-Identifier: MIT
 * From a read command line to printed results: one rate, or a ramp. What nbx-bench and bench_echo
 * have in common.
 *
 * Threads: main.
 * Errors:  printed on stderr; the exit code says the kind.
 */
#ifndef NBX_BENCH_LOAD_DRIVE_H
#define NBX_BENCH_LOAD_DRIVE_H

#include "bench/load/arguments.h"

/* The exit code: 0 all ok or a rate found, 1 not so, 2 wrong usage. */
int nbx_load_drive(const struct nbx_load_arguments *a, nbx_load_make *make, void *arg);

/* Prints "program: field: message" and returns the exit code of the error. */
int nbx_load_complain(const struct nbx_load_arguments *a, enum nbx_err err,
                      const struct nbx_fault *fault);

#endif
