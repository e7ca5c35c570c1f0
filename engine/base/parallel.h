/* SPDX-License-Identifier: MIT
 * A loop over numbered chunks of work by a few threads.
 *
 * Why:     training and evaluation are loops over rows that do not touch each other. Chunks are
 *          numbered and their results kept apart, so a result never depends on how many threads
 *          there were or which of them took which chunk.
 * Owns:    its threads, for the call.
 * Threads: the caller is worker 0; the call returns when every chunk is done.
 * Errors:  the error of the lowest-numbered chunk that failed; chunks not yet begun are then left
 *          out. Where a thread cannot be started the others do its work.
 */
#ifndef NBX_BASE_PARALLEL_H
#define NBX_BASE_PARALLEL_H

#include "engine/base/err.h"

#include <stddef.h>

#define NBX_PARALLEL_MAX_THREADS 256

/* worker: 0 .. threads - 1, for scratch space; chunk: 0 .. n_chunks - 1. */
typedef enum nbx_err (*nbx_parallel_fn)(void *ctx, unsigned worker, size_t chunk);

/* threads: 1 .. NBX_PARALLEL_MAX_THREADS. */
enum nbx_err nbx_parallel(unsigned threads, size_t n_chunks, nbx_parallel_fn fn,
                          void *ctx) NBX_MUST_CHECK;

/* The processors this process may run on, at most NBX_PARALLEL_MAX_THREADS; for a thread in
 * SCHED_IDLE one. */
unsigned nbx_parallel_processors(void);

#endif
