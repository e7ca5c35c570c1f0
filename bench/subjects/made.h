/* SPDX-License-Identifier: MIT
 * Vectors made to look trained, for runs without data: clustered directions, log-normal norms.
 *
 * Why:     bench_retrieval must say something on a machine that has no data set.
 * Owns:    nothing: what it returns is the caller's, from malloc, 64-byte aligned.
 * Threads: any.
 * Errors:  memory that is out ends the process with a line on stderr.
 */
#ifndef NBX_BENCH_SUBJECTS_MADE_H
#define NBX_BENCH_SUBJECTS_MADE_H

#include <stddef.h>
#include <stdint.h>

/* (n, dim): each item near one of some sqrt(n) directions. The same seed gives the same items. */
float *nbx_made_items(size_t n, size_t dim, uint64_t seed);
/* (n, stride), zeros behind dim: each the sum of a few of the n_items items and some noise, as a
 * fold-in of a history would be. */
float *nbx_made_queries(const float *items, size_t n_items, size_t dim, size_t n, size_t stride,
                        uint64_t seed);

#endif
