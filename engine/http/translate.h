/* SPDX-License-Identifier: MIT
 * Bodies between JSON and msgpack, and statuses to HTTP codes.
 *
 * Why:     both formats meet in struct nbx_value; no field but the top-level `customer` is known.
 * Owns:    nothing; trees live in the arena.
 * Threads: any, one per arena.
 * Errors:  NBX_EBAD names the field, or line and column of what is no JSON; NBX_ELIMIT where the
 *          body has too many values, the arena or memory is out.
 */
#ifndef NBX_HTTP_TRANSLATE_H
#define NBX_HTTP_TRANSLATE_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/utf8.h"

#include <stdbool.h>

/* Brackets, commas and colons of a body: each may become a value of a hundred bytes, so their
 * number is bounded before the parser sees the text. */
#define NBX_HTTP_MAX_MARKS 250000

struct nbx_http_key {
    char p[NBX_ID_MAX_BYTES]; /* (len) */
    uint32_t len;
};

/* JSON text to a msgpack map appended to out. With takes_customer the member `customer` leaves
 * the map and becomes *key. */
enum nbx_err nbx_http_translate_request(struct nbx_buf *out, struct nbx_http_key *key,
                                        struct nbx_str json, bool takes_customer,
                                        struct nbx_arena *arena, struct nbx_fault *fault);

/* The reply of an operation as JSON in out (emptied first), and its code. A reply that makes no
 * sense becomes 500. */
unsigned nbx_http_translate_reply(struct nbx_buf *out, struct nbx_str status, struct nbx_str body,
                                  struct nbx_arena *arena);

/* The error body {status, message, field?} in out (emptied first). */
void nbx_http_error_body(struct nbx_buf *out, const struct nbx_fault *fault);

/* The HTTP code of a status; about_request: the fault names a field or the body itself. */
unsigned nbx_http_code(struct nbx_str status, bool about_request);

/* Is `ready` true in this reply (JSON, as nbx_http_translate_reply wrote it)? */
bool nbx_http_says_ready(struct nbx_str json, struct nbx_arena *arena);

#endif
