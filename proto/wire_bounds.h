/* SPDX-License-Identifier: MIT
 * The look at a message before msgpack-c may see it: is it whole, and how large is its tree?
 *
 * Why:     msgpack-c believes every declared count and reserves memory for it; this walk believes
 *          none, allocates nothing and visits each byte's tag once.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_EBAD: empty, cut short, bytes behind the end, deeper than NBX_VALUE_MAX_DEPTH, a
 *          byte that is not msgpack, an extension type.
 */
#ifndef NBX_PROTO_WIRE_BOUNDS_H
#define NBX_PROTO_WIRE_BOUNDS_H

#include "engine/base/err.h"

#include <stddef.h>

/* *n_inner: the values below the root; a map's member counts as two. At most len. */
enum nbx_err nbx_wire_bounds(size_t *n_inner, const void *p, size_t len, struct nbx_fault *fault);

#endif
