/* SPDX-License-Identifier: MIT
 * Approximate search by recall: which reach finds how much, measured on a sample.
 *
 * Why:     exact is the default; where all norms are alike and a million items must be answered
 *          from in a fraction of a millisecond, a request may ask for less. What it gets is
 *          measured on the very index, not promised from elsewhere.
 * Owns:    nothing: what was measured lies in the pack's cells.
 * Threads: measuring: while the pack is made, any thread. Asking: any.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_APPROXIMATE_H
#define NBX_SCORE_APPROXIMATE_H

#include "engine/score/search.h"

/* Fills pack->cells.recalls: for each of the reaches, the share of the exact answers found, the
 * lower of top 10 and top 100, over sums of a few items as queries (a customer likes several
 * things). Seeded. Does nothing where the pack has no cells. */
enum nbx_err nbx_approximation_measure(struct nbx_packed *pack);
/* The least reach that found at least `recall` in every partitioned part of the index, and in
 * *measured what it found; 0 and 1 where only an exact search is sure to. */
float nbx_approximation_reach(const struct nbx_index *index, float recall, float *measured);

#endif
