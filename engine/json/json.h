/* SPDX-License-Identifier: MIT
 * JSON to struct nbx_value and back: the door to jansson.
 *
 * Why:     the gateway, bundles and reports speak JSON; nobody else sees the library. Text is
 *          written here, not by jansson, which prints 0.1 as 0.10000000000000001 and would need
 *          a second tree.
 * Owns:    nothing: decoded trees and their strings live in the caller's arena.
 * Threads: any.
 * Errors:  NBX_EBAD with a message "line L column C: reason", NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_JSON_JSON_H
#define NBX_JSON_JSON_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/value.h"

#include <stddef.h>

/* One JSON text (RFC 8259, any value at the top) of len bytes. Refused: depth above
 * NBX_VALUE_MAX_DEPTH, a key twice in one object, an integer beyond int64, a number beyond
 * double, invalid UTF-8, \u0000, anything after the value. A number with a point or an exponent
 * is NBX_FLOAT, any other NBX_INT. Columns count characters from 1. */
enum nbx_err nbx_json_decode(struct nbx_value *out, const char *text, size_t len,
                             struct nbx_arena *arena, struct nbx_fault *fault) NBX_MUST_CHECK;

/* How deep a tree may be written; twice what may be read, since replies wrap what was read. */
#define NBX_JSON_MAX_ENCODE_DEPTH (2 * NBX_VALUE_MAX_DEPTH)

/* Appends v to out, without spaces. Floats take as few of 15, 16, 17 digits as read back as
 * the same double, always with a point or an exponent. NBX_EBAD, out then as it was, where v holds
 * NaN, Inf, NBX_BIN or is too deep; NBX_ELIMIT where memory is out. */
enum nbx_err nbx_json_encode(struct nbx_buf *out, const struct nbx_value *v) NBX_MUST_CHECK;
/* The same with two spaces per level and a line per member, for people. No newline at the end. */
enum nbx_err nbx_json_encode_indented(struct nbx_buf *out,
                                      const struct nbx_value *v) NBX_MUST_CHECK;

#endif
