/* SPDX-License-Identifier: MIT
 * A filter tree turned into tests on columns, and their evaluation to bits.
 *
 * Why:     names, types and literals are looked up once; a chunk is then loops without branches.
 * Owns:    nothing: compiled nodes live in the arena and hold for chunks of that snapshot.
 * Threads: any.
 * Errors:  as filter.h, below the place "filter". NBX_ELIMIT where the arena is out.
 *
 * A missing value fails every test but exists: false. Joining and inverting know nothing of missing
 * values, so `not` passes what its test did not pass.
 */
#ifndef NBX_CATALOG_COMPILE_H
#define NBX_CATALOG_COMPILE_H

#include "engine/catalog/snapshot.h"

#define NBX_MAX_FILTER_DEPTH 8

enum nbx_filter_test {
    NBX_TEST_ALL,         /* children; none: always */
    NBX_TEST_ANY,         /* children; none: never */
    NBX_TEST_NOT,         /* one child */
    NBX_TEST_EXISTS,      /* any column */
    NBX_TEST_CODE,        /* STRING or the id: the value is one of codes */
    NBX_TEST_CODES,       /* STRINGS: one of its values is one of codes */
    NBX_TEST_ALL_CODES,   /* STRINGS: every one of codes is one of its values */
    NBX_TEST_INT_RANGE,   /* INT: from <= value <= to */
    NBX_TEST_FLOAT_RANGE, /* FLOAT: likewise */
    NBX_TEST_INT_LIST,    /* INT: one of ints */
    NBX_TEST_FLOAT_LIST,  /* FLOAT: one of floats */
    NBX_TEST_BOOL,        /* BOOL: one of bools */
};

#define NBX_FEW_CODES 4

struct nbx_filter_node {
    enum nbx_filter_test test;
    bool but; /* `none`: passes values that fail the test */
    uint32_t column;
    uint32_t n; /* of what the union holds; the codes' literals */
    union {
        struct nbx_filter_node *children; /* (n) */
        struct {
            const uint32_t *p; /* few: (NBX_FEW_CODES), the last one repeated; ALL_CODES: (n) */
            uint32_t mask;     /* 0: few; else a hash set of (mask + 1), 0 where free */
        } codes;
        struct {
            int64_t from, to;
        } ints;
        struct {
            double from, to;
        } floats;
        const int64_t *int_list;  /* (n), rising */
        const double *float_list; /* (n), rising */
        bool bools[3];            /* by NBX_BOOL_* */
    };
};

enum nbx_err nbx_filter_compile(struct nbx_filter_node *out, const struct nbx_catalog *c,
                                const struct nbx_value *filter, struct nbx_arena *arena,
                                struct nbx_fault *fault);

/* Literals as one test on a column, see literals.c. `op` is eq, in, none, all, lt, le, gt or ge. */
enum nbx_err nbx_filter_literals(struct nbx_filter_node *out, const struct nbx_catalog *c,
                                 struct nbx_str field, const struct nbx_member *op,
                                 struct nbx_arena *arena, struct nbx_fault *fault);

/* bits: (NBX_CHUNK_WORDS). Rows that hold no item get any bit. first_no: the item number of row 0.
 */
void nbx_filter_chunk(uint64_t *bits, const struct nbx_filter_node *node,
                      const struct nbx_chunk *chunk, uint32_t first_no);

/* Where a code stands in a hash set of codes. */
static inline uint32_t nbx_filter_slot(uint32_t code)
{
    return code * UINT32_C(2654435769) >> 7; /* Knuth's multiplier; the low bits mix least */
}

#endif
