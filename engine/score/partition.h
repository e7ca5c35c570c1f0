/* SPDX-License-Identifier: MIT
 * Partitions of a set of vectors by direction: k-means in two levels.
 *
 * Why:     where all norms are alike (two-tower models) nothing says what to look at first. One
 *          level of 4,000 centres over a million vectors takes half a minute; 64 coarse centres and
 *          then some 60 in each take seconds and are nearly as good.
 * Owns:    nothing.
 * Threads: any; takes seconds on large sets.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_PARTITION_H
#define NBX_SCORE_PARTITION_H

#include "engine/score/packed.h"

/* True for a pack by norm whose norms say little, with enough items to be worth it. */
bool nbx_partition_helps(const struct nbx_packed *pack);
/* cells (n): each item's cell, fewer than 65,536, some 256 items each or more. The same items give
 * the same cells. items->stride is set. */
enum nbx_err nbx_partition(uint32_t *cells, const struct nbx_packed_items *items);

#endif
