/* SPDX-License-Identifier: MIT
 * A bundle as a score of every item for a history, densely: what evaluation ranks by.
 *
 * Why:     a figure must be that of the answers customers get, so vector and addends come from the
 *          blend that serves (models/bundle/blend.h), and the score is nbx_query_value's: the
 *          canonical inner product plus the addend, one fp32 addition.
 * Owns:    the items' joint vectors and the blend; borrows the bundle until destroy.
 * Threads: immutable once made; scratch comes from the caller's arena.
 * Errors:  NBX_EBAD names the part of the bundle: customers that are given, a metric other than
 *          dot, several spaces that are no blend, a blend of nothing, a space customers cannot be
 *          folded into. NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_EVALUATE_SCORER_H
#define NBX_MODELS_EVALUATE_SCORER_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "models/bundle/bundle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_scorer;

enum nbx_err nbx_scorer_new(struct nbx_scorer **out, const struct nbx_bundle_info *bundle,
                            struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_scorer_destroy(struct nbx_scorer **scorer);

/* Floats of a customer's vector; 0 of a blend of neighbours alone. */
size_t nbx_scorer_padded(const struct nbx_scorer *scorer);
/* Whether it has neighbours, so that a customer has addends. */
bool nbx_scorer_adds(const struct nbx_scorer *scorer);

struct nbx_scorer_history {
    const uint32_t *rows; /* (n) of the bundle, most recent first, distinct */
    const float *weights; /* (n) above 0 */
    size_t n;
};

/* x (padded, 64-byte aligned) and, where it adds, addends (n_items), all of them zeros before. */
enum nbx_err nbx_scorer_query(const struct nbx_scorer *scorer,
                              const struct nbx_scorer_history *history, struct nbx_arena *arena,
                              float *x, float *addends) NBX_MUST_CHECK;
/* scores (n): those of the items from `begin` on. addends: of all items, NULL where none. */
void nbx_scorer_score(const struct nbx_scorer *scorer, const float *x, const float *addends,
                      size_t begin, size_t n, float *scores);

/* Bytes that a scorer takes at most, and what the arena of one query must have room for beside
 * 64 bytes per item of the history. */
uint64_t nbx_scorer_bound_bytes(const struct nbx_bundle_info *bundle);
uint64_t nbx_scorer_arena_bytes(const struct nbx_bundle_info *bundle);

#endif
