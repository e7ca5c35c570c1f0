/* SPDX-License-Identifier: MIT
 * Whether what a search found can be served from a few dimensions, and nearly as well.
 *
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over the pool's threads.
 * Errors:  those of models/compress and of the pool.
 */
#ifndef NBX_MODELS_TUNE_COMPACT_H
#define NBX_MODELS_TUNE_COMPACT_H

#include "models/tune/pool.h"
#include "models/tune/search.h"

#include <stdint.h>

/* Items times dimensions that a search goes through in half a millisecond. */
#define NBX_COMPACT_QUICK (8UL << 20)

struct nbx_compact_options {
    struct nbx_pool_options pool; /* what the result was weighed on */
    size_t k;
    size_t quick;          /* items times dimensions that are left as they are: NBX_COMPACT_QUICK */
    double seconds;        /* left, for this and for doing it again; INFINITY: enough */
    uint64_t memory_bytes; /* 0: no limit */
};

/* Sets result->recipe.compress, and result->ndcg to what that gives, where joining the parts costs
 * little on what was held out; leaves it as it is where not, or where they are quick already. */
enum nbx_err nbx_compact(struct nbx_search_result *result,
                         const struct nbx_compact_options *options,
                         struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
