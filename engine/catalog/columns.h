/* SPDX-License-Identifier: MIT
 * Typed columns in pieces of 4,096 items: one segment per chunk and field, copied before a write.
 *
 * Why:     a change of one price copies one segment of 32 KiB, whatever the catalogue holds; all
 *          else is shared with the snapshot before. A loop over a segment has no branches.
 * Owns:    a chunk owns a share of each of its segments, a segment one of each of its vectors.
 * Threads: shares are counted by the writer alone; reading what a snapshot holds: any number.
 * Errors:  NBX_ELIMIT past the memory budget; then nothing has changed.
 *
 * A missing value is a value of its own: code 0, place 0, NBX_INT_MISSING, NaN, NBX_BOOL_MISSING or
 * NULL. A segment that is NULL misses all of them.
 */
#ifndef NBX_CATALOG_COLUMNS_H
#define NBX_CATALOG_COLUMNS_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/catalog/catalog.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_CHUNK_WORDS (NBX_CHUNK_ITEMS / 64)
#define NBX_INT_MISSING INT64_MIN

enum { NBX_BOOL_MISSING, NBX_BOOL_FALSE, NBX_BOOL_TRUE };

enum nbx_column_type {
    NBX_COLUMN_STRING,  /* uint32_t code */
    NBX_COLUMN_STRINGS, /* uint32_t place in the pool: n, then n codes as they were sent */
    NBX_COLUMN_INT,     /* int64_t */
    NBX_COLUMN_FLOAT,   /* double */
    NBX_COLUMN_BOOL,    /* uint8_t */
    NBX_COLUMN_COUNTS,  /* uint32_t place in the pool: n, then n pairs (code, count) */
    NBX_COLUMN_VECTOR,  /* struct nbx_own_vector * */
    NBX_N_COLUMN_TYPES
};

/* "string", "strings", "int", "float", "bool", "counts", "vector": for messages and options. */
const char *nbx_column_type_name(enum nbx_column_type type);
/* One of the first five, as options name them; false where unknown. */
bool nbx_column_type_parse(struct nbx_str name, enum nbx_column_type *out);

/* A vector that came with an item. */
struct nbx_own_vector {
    uint32_t shares, n;
    struct nbx_str space; /* lives in the words */
    float *p;             /* (n), 64-byte aligned, zeros up to a multiple of 16 */
};
enum nbx_err nbx_own_vector_new(struct nbx_own_vector **out, struct nbx_vector v,
                                struct nbx_budget *budget);
void nbx_own_vector_release(struct nbx_own_vector **v, struct nbx_budget *budget);

/* One value on its way into a column. */
struct nbx_cell {
    bool set;
    union {
        uint32_t code;
        int64_t i;
        double f;
        bool b;
        struct {
            const uint32_t *p; /* (n), borrowed; COUNTS: (n / 2, 2) */
            uint32_t n;
        } many;
        struct nbx_own_vector *vector; /* its share is taken by the write */
    };
};

struct nbx_segment {
    uint32_t shares;
    enum nbx_column_type type;
    size_t bytes;   /* of this struct and its data */
    uint32_t *pool; /* (pool_used) of (pool_cap); place 0 is never used */
    uint32_t pool_used, pool_cap;
    _Alignas(64) uint8_t data[]; /* (NBX_CHUNK_ITEMS) of the type's cell */
};

static inline const uint32_t *nbx_segment_codes(const struct nbx_segment *s)
{
    return (const uint32_t *)s->data;
}
static inline const int64_t *nbx_segment_ints(const struct nbx_segment *s)
{
    return (const int64_t *)s->data;
}
static inline const double *nbx_segment_floats(const struct nbx_segment *s)
{
    return (const double *)s->data;
}
static inline struct nbx_own_vector *const *nbx_segment_vectors(const struct nbx_segment *s)
{
    return (struct nbx_own_vector *const *)s->data;
}
/* The codes or pairs of one item: *n numbers, NULL where it has none. */
static inline const uint32_t *nbx_segment_many(const struct nbx_segment *s, uint32_t row,
                                               uint32_t *n)
{
    uint32_t place = nbx_segment_codes(s)[row];
    *n = place ? s->pool[place] : 0;
    return place ? s->pool + place + 1 : NULL;
}

struct nbx_chunk {
    uint32_t shares;
    uint32_t n_items, n_columns;
    uint64_t generation; /* of its content; never given twice in one process */
    uint64_t present[NBX_CHUNK_WORDS];
    struct nbx_segment *segments[]; /* (n_columns), NULL where no item has a value */
};

static inline bool nbx_chunk_has(const struct nbx_chunk *c, uint32_t row)
{
    return c->present[row / 64] >> (row % 64) & 1;
}
/* The segment of a column, NULL where it has none. */
static inline const struct nbx_segment *nbx_chunk_segment(const struct nbx_chunk *c,
                                                          uint32_t column)
{
    return column < c->n_columns ? c->segments[column] : NULL;
}

/* A chunk the caller alone holds, with room for n_columns: new where *chunk is NULL, *chunk itself
 * where it is the caller's alone and wide enough, else a copy (with a new generation) that replaces
 * the share held. */
enum nbx_err nbx_chunk_own(struct nbx_chunk **chunk, uint32_t n_columns, struct nbx_budget *budget);
/* Lets go of the columns from `first` on, of a chunk the caller alone holds; no row has a value
 * there.
 */
void nbx_chunk_drop_columns(struct nbx_chunk *chunk, uint32_t first, struct nbx_budget *budget);
void nbx_chunk_release(struct nbx_chunk **chunk, struct nbx_budget *budget);

/* Makes the column of an owned chunk ready for nbx_chunk_set of this cell, which cannot fail. A
 * value that stands there already needs no copy. */
enum nbx_err nbx_chunk_prepare(struct nbx_chunk *chunk, uint32_t column, uint32_t row,
                               enum nbx_column_type type, const struct nbx_cell *cell,
                               struct nbx_budget *budget);
/* Writes a cell, or what is missing; takes the share of its vector. True where something else
 * stood there. */
bool nbx_chunk_set(struct nbx_chunk *chunk, uint32_t column, uint32_t row,
                   const struct nbx_cell *cell, struct nbx_budget *budget);

#endif
