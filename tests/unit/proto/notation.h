/* SPDX-License-Identifier: MIT
 * Bodies for tests in a notation like JSON's, written to msgpack.
 *
 * Why:     a test shows the body it sends in one line.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  a mistake in the notation ends the test.
 *
 * {key:value, ..}, [..], 12, -3, 1.5, true, false, nil, 'text', x'0a0b' (bin) and #300, which is a
 * text of 300 times the letter a. Keys stand bare or in quotes. Text is copied byte for byte.
 */
#ifndef NBX_TESTS_PROTO_NOTATION_H
#define NBX_TESTS_PROTO_NOTATION_H

#include "engine/base/check.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <stdlib.h>

static inline void notation_value(struct nbx_buf *b, const char **at);

static void notation_space(const char **at)
{
    *at += strspn(*at, " \n,");
}

static struct nbx_str notation_word(const char **at)
{
    notation_space(at);
    bool quoted = **at == '\'';
    *at += quoted;
    struct nbx_str s = {*at, (uint32_t)(quoted ? strcspn(*at, "'") : strcspn(*at, " ,:]}"))};
    *at += s.len + quoted;
    return s;
}

/* The members up to `close`, behind a count that is known only afterwards. */
static void notation_many(struct nbx_buf *b, const char **at, char close)
{
    struct nbx_buf inner = {0};
    uint32_t n = 0;
    for (++*at, notation_space(at); **at != close; notation_space(at), n++) {
        NBX_ASSERT(**at);
        if (close == '}') {
            nbx_wire_str(&inner, notation_word(at));
            NBX_ASSERT(**at == ':');
            ++*at;
        }
        notation_value(&inner, at);
    }
    ++*at;
    if (close == '}')
        nbx_wire_map(b, n);
    else
        nbx_wire_list(b, n);
    nbx_buf_put(b, inner.p, inner.len);
    nbx_buf_fini(&inner);
}

static void notation_repeat(struct nbx_buf *b, struct nbx_str count)
{
    uint32_t n = (uint32_t)strtoul(count.p + 1, NULL, 10);
    char *text = malloc(n + 1);
    NBX_ASSERT(text);
    memset(text, 'a', n);
    nbx_wire_str(b, (struct nbx_str){text, n});
    free(text);
}

static void notation_bin(struct nbx_buf *b, struct nbx_str hex)
{
    uint8_t bytes[256];
    uint32_t n = hex.len / 2;
    NBX_ASSERT(n <= sizeof bytes);
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)strtoul((char[]){hex.p[2 * i], hex.p[2 * i + 1], '\0'}, NULL, 16);
    nbx_wire_bin(b, bytes, n);
}

static void notation_bare(struct nbx_buf *b, struct nbx_str w)
{
    if (nbx_str_is(w, "nil"))
        nbx_wire_nil(b);
    else if (nbx_str_is(w, "true") || nbx_str_is(w, "false"))
        nbx_wire_bool(b, w.p[0] == 't');
    else if (w.p[0] == '#')
        notation_repeat(b, w);
    else if (memchr(w.p, '.', w.len))
        nbx_wire_float(b, strtod(w.p, NULL));
    else
        nbx_wire_int(b, strtoll(w.p, NULL, 10));
}

static inline void notation_value(struct nbx_buf *b, const char **at)
{
    notation_space(at);
    if (**at == '{') {
        notation_many(b, at, '}');
    } else if (**at == '[') {
        notation_many(b, at, ']');
    } else if (**at == '\'') {
        nbx_wire_str(b, notation_word(at));
    } else if (**at == 'x') {
        ++*at;
        notation_bin(b, notation_word(at));
    } else {
        notation_bare(b, notation_word(at));
    }
}

/* Appends what `text` says. */
static inline void notation(struct nbx_buf *b, const char *text)
{
    notation_value(b, &text);
}

#endif
