/* SPDX-License-Identifier: MIT
 * Makes a tree fit for JSON: packed vectors become lists of numbers.
 *
 * Why:     msgpack carries a vector as a run of little-endian fp32, JSON has no bytes.
 * Owns:    nothing: new lists live in the arena.
 * Threads: any, while nobody else reads the tree.
 * Errors:  NBX_ELIMIT where the arena is out; the tree is then partly changed.
 */
#ifndef NBX_BASE_VALUE_FLOATS_H
#define NBX_BASE_VALUE_FLOATS_H

#include "engine/base/err.h"
#include "engine/base/value.h"

/* Every NBX_BIN below v, and v itself, becomes a list: of floats where its length is a multiple
 * of 4 (NaN and Inf become nil), else of its bytes as integers. */
enum nbx_err nbx_value_spread_bins(struct nbx_value *v, struct nbx_arena *arena) NBX_MUST_CHECK;

#endif
