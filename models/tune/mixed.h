/* SPDX-License-Identifier: MIT
 * Pairs to hold out where their order says nothing.
 *
 * Why:     pairs held out by chance lie amid what was kept, and the most local of models looks
 *          best. What customers take to later lies further off: elsewhere, another season. So of
 *          every other customer (by hash) a share of pairs is drawn by chance, and of the rest the
 *          items that are most like one of theirs, drawn by chance, so that a whole interest is
 *          missing. On check-ins the held-out items were then as like the history as those of a
 *          later test, and weights chosen on both kinds stood between those chosen on each.
 * Owns:    nothing.
 * Threads: spreads over threads; the same on any number of them.
 * Errors:  NBX_ELIMIT where memory is out; those of the spectral family, whose vectors say what is
 *          like what.
 */
#ifndef NBX_MODELS_TUNE_MIXED_H
#define NBX_MODELS_TUNE_MIXED_H

#include "models/dataset/dataset.h"

#include <stdbool.h>

/* is_held (pairs, beside all->sequence): of each customer some `share` of the pairs, at least one
 * of those with 2 or more, and never all. */
enum nbx_err nbx_mixed_hold(bool *is_held, const struct nbx_dataset *all, double share,
                            uint64_t seed, unsigned threads,
                            struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
