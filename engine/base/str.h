/* SPDX-License-Identifier: MIT
 * A borrowed run of bytes with its length; not NUL-terminated.
 *
 * Why:     ids and texts arrive inside message buffers and are never copied just to end in NUL.
 * Owns:    nothing: whoever owns the buffer says how long it lives.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_BASE_STR_H
#define NBX_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct nbx_str {
    const char *p; /* (len) bytes; may be NULL when len is 0 */
    uint32_t len;
};

/* For printf("%.*s", NBX_STR_ARG(s)). */
#define NBX_STR_ARG(s) (int)(s).len, ((s).p ? (s).p : "")
#define NBX_STR(lit)   ((struct nbx_str){(lit), sizeof(lit) - 1})

static inline struct nbx_str nbx_str_c(const char *text)
{
    return (struct nbx_str){text, text ? (uint32_t)strlen(text) : 0};
}

static inline bool nbx_str_eq(struct nbx_str a, struct nbx_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool nbx_str_is(struct nbx_str a, const char *text)
{
    return nbx_str_eq(a, nbx_str_c(text));
}

/* Byte order, a shorter prefix first: the order of all ties in nbx. <0, 0, >0. */
static inline int nbx_str_cmp(struct nbx_str a, struct nbx_str b)
{
    uint32_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
