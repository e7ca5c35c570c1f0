/* SPDX-License-Identifier: MIT
 * Golden queries: what a bundle's maker says it answers, read from its metadata.
 *
 * Why:     factors that came apart on the way, rows against ids, still look like factors; a few
 *          known answers tell. models/FORMAT.md says how they are written.
 * Owns:    nothing: all of it lives in the caller's arena and in the bundle.
 * Threads: any.
 * Errors:  NBX_EBAD with a fault that names the query, as `__metadata__.golden[3].expect`;
 *          NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_MODELS_BUNDLE_GOLDEN_H
#define NBX_MODELS_BUNDLE_GOLDEN_H

#include "engine/base/arena.h"
#include "models/bundle/bundle.h"

#define NBX_BUNDLE_GOLDEN      "golden" /* the metadata's key */
#define NBX_GOLDEN_MAX         100      /* queries of a bundle, */
#define NBX_GOLDEN_MAX_HISTORY 256      /* items of a history, */
#define NBX_GOLDEN_MAX_EXPECT  100      /* items of an answer */

/* A customer, by history or by vector, and the list that is expected. */
struct nbx_golden {
    const uint32_t *rows;   /* (n) of the bundle, most recent first, distinct */
    const float *weights;   /* (n) above 0 */
    size_t n;               /* 0: the vector counts */
    const float *vector;    /* (dims of the space) finite */
    size_t space;           /* of the vector: which of the bundle's */
    const uint32_t *expect; /* (n_expect) rows, the best first, distinct */
    size_t n_expect;
    double tolerance; /* share of expect that may be missing; 0: the very list, in that order */
};

/* *out (*n) of the bundle's own metadata; *n = 0 where it has none. */
enum nbx_err nbx_bundle_golden(const struct nbx_golden **out, size_t *n,
                               const struct nbx_bundle_info *info, struct nbx_arena *arena,
                               struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
