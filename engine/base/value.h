/* SPDX-License-Identifier: MIT
 * A tree of plain data: what msgpack, JSON and YAML have in common.
 *
 * Why:     each format's door turns bytes into this and back; nobody else knows the format.
 * Owns:    nothing: trees live in the arena they were made in, strings may point into the
 *          message they were decoded from.
 * Threads: any, while nobody changes it.
 * Errors:  lookups return NULL where there is nothing.
 */
#ifndef NBX_BASE_VALUE_H
#define NBX_BASE_VALUE_H

#include "engine/base/arena.h"
#include "engine/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nbx_value_type {
    NBX_NIL,
    NBX_BOOL,
    NBX_INT,   /* int64; a larger uint64 is refused by the doors */
    NBX_FLOAT, /* double, finite: the doors refuse NaN and Inf */
    NBX_STRING,
    NBX_BIN, /* msgpack only; JSON carries vectors as arrays of numbers */
    NBX_LIST,
    NBX_MAP, /* keys are strings, in the order they came */
};

struct nbx_member;

struct nbx_value {
    enum nbx_value_type type;
    uint32_t n; /* elements of a list, members of a map */
    union {
        bool b;
        int64_t i;
        double f;
        struct nbx_str s;           /* NBX_STRING (valid UTF-8) and NBX_BIN */
        struct nbx_value *list;     /* (n) */
        struct nbx_member *members; /* (n) */
    };
};

struct nbx_member {
    struct nbx_str key;
    struct nbx_value value;
};

/* Depth bound of every door: a scalar is 1, a list of scalars 2. */
#define NBX_VALUE_MAX_DEPTH 16

/* The member of a map, or NULL (also where v is not a map). Linear: bodies are small. */
const struct nbx_value *nbx_value_get(const struct nbx_value *v, const char *key);
const struct nbx_value *nbx_value_get_str(const struct nbx_value *v, struct nbx_str key);

/* "nil", "bool", "int", "float", "string", "bin", "list", "map": for messages. */
const char *nbx_value_type_name(enum nbx_value_type type);

/* Deep copy into `arena`, strings too. false where the arena is out. */
bool nbx_value_copy(struct nbx_value *out, const struct nbx_value *v, struct nbx_arena *arena);
/* Same type and content; maps compare in any order, int 3 and float 3.0 differ. */
bool nbx_value_eq(const struct nbx_value *a, const struct nbx_value *b);

static inline struct nbx_value nbx_value_nil(void)
{
    return (struct nbx_value){.type = NBX_NIL};
}
static inline struct nbx_value nbx_value_bool(bool b)
{
    return (struct nbx_value){.type = NBX_BOOL, .b = b};
}
static inline struct nbx_value nbx_value_int(int64_t i)
{
    return (struct nbx_value){.type = NBX_INT, .i = i};
}
static inline struct nbx_value nbx_value_float(double f)
{
    return (struct nbx_value){.type = NBX_FLOAT, .f = f};
}
static inline struct nbx_value nbx_value_string(struct nbx_str s)
{
    return (struct nbx_value){.type = NBX_STRING, .s = s};
}

#endif
