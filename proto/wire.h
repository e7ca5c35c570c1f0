/* SPDX-License-Identifier: MIT
 * msgpack: the door. Bytes to a value tree after a bounded pre-check, and a writer for replies.
 *
 * Why:     a few hostile bytes make msgpack-c reserve gigabytes, so every declared count is first
 *          held against the bytes that remain, and depth against NBX_VALUE_MAX_DEPTH.
 * Owns:    decoded trees live in the arena; their strings point into the message.
 * Threads: any.
 * Errors:  NBX_EBAD: not msgpack, cut short, bytes behind the end, too deep, a map key that is not
 *          a string or stands twice, text that is not UTF-8, NaN or Inf, an integer beyond int64,
 *          an extension type. NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_PROTO_WIRE_H
#define NBX_PROTO_WIRE_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/value.h"

enum nbx_err nbx_wire_decode(struct nbx_value *out, const void *p, size_t len,
                             struct nbx_arena *arena, struct nbx_fault *fault);

/* Appends msgpack to a buffer; a failed buffer stays failed, so check once at the end. */
void nbx_wire_map(struct nbx_buf *b, uint32_t n_members);
void nbx_wire_list(struct nbx_buf *b, uint32_t n);
void nbx_wire_nil(struct nbx_buf *b);
void nbx_wire_bool(struct nbx_buf *b, bool v);
void nbx_wire_int(struct nbx_buf *b, int64_t v);
void nbx_wire_float(struct nbx_buf *b, double v); /* float 64 */
void nbx_wire_str(struct nbx_buf *b, struct nbx_str s);
/* Up to NBX_WIRE_HEX_MAX bytes as a string of hex digits. */
#define NBX_WIRE_HEX_MAX 64
void nbx_wire_hex(struct nbx_buf *b, const void *p, uint32_t n);
static inline void nbx_wire_text(struct nbx_buf *b, const char *text) /* NUL-terminated */
{
    nbx_wire_str(b, nbx_str_c(text));
}
void nbx_wire_bin(struct nbx_buf *b, const void *p, uint32_t n);
void nbx_wire_value(struct nbx_buf *b, const struct nbx_value *v);
/* Shorthands for a map's members: key and value. */
void nbx_wire_kv_int(struct nbx_buf *b, const char *key, int64_t v);
static inline void nbx_wire_kv_float(struct nbx_buf *b, const char *key, double v)
{
    nbx_wire_text(b, key);
    nbx_wire_float(b, v);
}
void nbx_wire_kv_bool(struct nbx_buf *b, const char *key, bool v);
static inline void nbx_wire_kv_str(struct nbx_buf *b, const char *key, struct nbx_str s)
{
    nbx_wire_text(b, key);
    nbx_wire_str(b, s);
}
static inline void nbx_wire_kv_text(struct nbx_buf *b, const char *key, const char *text)
{
    nbx_wire_kv_str(b, key, nbx_str_c(text));
}
void nbx_wire_kv_value(struct nbx_buf *b, const char *key, const struct nbx_value *v);

/* An error body: {message, field?, id?}. id may be NULL or nil. */
void nbx_wire_fault(struct nbx_buf *b, const struct nbx_fault *fault, const struct nbx_value *id);

#endif
