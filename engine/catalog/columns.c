/* SPDX-License-Identifier: MIT */
#include "engine/catalog/columns.h"

#include "engine/base/charged.h"
#include "engine/base/check.h"

#include <stdatomic.h>
#include <stdlib.h>

#define VECTOR_PAD       16 /* floats */
#define FIRST_POOL       256
#define PLACE_NONE       0
#define PLACE_FIRST_FREE 1

static const struct {
    const char *name;
    size_t cell_bytes;
} types[NBX_N_COLUMN_TYPES] = {
    [NBX_COLUMN_STRING] = {"string", sizeof(uint32_t)},
    [NBX_COLUMN_STRINGS] = {"strings", sizeof(uint32_t)},
    [NBX_COLUMN_INT] = {"int", sizeof(int64_t)},
    [NBX_COLUMN_FLOAT] = {"float", sizeof(double)},
    [NBX_COLUMN_BOOL] = {"bool", sizeof(uint8_t)},
    [NBX_COLUMN_COUNTS] = {"counts", sizeof(uint32_t)},
    [NBX_COLUMN_VECTOR] = {"vector", sizeof(struct nbx_own_vector *)},
};

/* Process-wide, so that a cache that meets two catalogues never mistakes one's chunk for another's.
 */
static _Atomic uint64_t generations;

const char *nbx_column_type_name(enum nbx_column_type type)
{
    return types[type].name;
}

bool nbx_column_type_parse(struct nbx_str name, enum nbx_column_type *out)
{
    for (enum nbx_column_type t = NBX_COLUMN_STRING; t <= NBX_COLUMN_BOOL; t++) {
        if (!nbx_str_is(name, types[t].name))
            continue;
        *out = t;
        return true;
    }
    return false;
}

static size_t vector_floats(uint32_t n)
{
    return ((size_t)n + VECTOR_PAD - 1) / VECTOR_PAD * VECTOR_PAD;
}

enum nbx_err nbx_own_vector_new(struct nbx_own_vector **out, struct nbx_vector v,
                                struct nbx_budget *budget)
{
    *out = NULL;
    size_t floats = vector_floats(v.n) * sizeof(float);
    struct nbx_own_vector *own = nbx_charged_aligned(budget, sizeof *own);
    if (!own)
        return NBX_ELIMIT;
    *own = (struct nbx_own_vector){.shares = 1, .n = v.n, .space = v.space};
    own->p = nbx_charged_aligned(budget, floats);
    if (!own->p) {
        nbx_charged_free(budget, own, sizeof *own);
        return NBX_ELIMIT;
    }
    memset(own->p, 0, floats);
    memcpy(own->p, v.p, v.n * sizeof(float));
    *out = own;
    return NBX_OK;
}

void nbx_own_vector_release(struct nbx_own_vector **v, struct nbx_budget *budget)
{
    struct nbx_own_vector *own = *v;
    *v = NULL;
    if (!own || --own->shares)
        return;
    nbx_charged_free(budget, own->p, vector_floats(own->n) * sizeof(float));
    nbx_charged_free(budget, own, sizeof *own);
}

static bool is_pooled(enum nbx_column_type type)
{
    return type == NBX_COLUMN_STRINGS || type == NBX_COLUMN_COUNTS;
}

static void fill_missing(struct nbx_segment *s)
{
    memset(s->data, 0, NBX_CHUNK_ITEMS * types[s->type].cell_bytes);
    if (s->type == NBX_COLUMN_INT)
        for (uint32_t i = 0; i < NBX_CHUNK_ITEMS; i++)
            ((int64_t *)s->data)[i] = NBX_INT_MISSING;
    if (s->type == NBX_COLUMN_FLOAT)
        for (uint32_t i = 0; i < NBX_CHUNK_ITEMS; i++)
            ((double *)s->data)[i] = NAN;
}

static struct nbx_segment *segment_alloc(enum nbx_column_type type, struct nbx_budget *budget)
{
    size_t bytes = sizeof(struct nbx_segment) + NBX_CHUNK_ITEMS * types[type].cell_bytes;
    struct nbx_segment *s = nbx_charged_aligned(budget, bytes);
    if (s)
        *s = (struct nbx_segment){
            .shares = 1, .type = type, .bytes = bytes, .pool_used = PLACE_FIRST_FREE};
    return s;
}

static void segment_release(struct nbx_segment **segment, struct nbx_budget *budget)
{
    struct nbx_segment *s = *segment;
    *segment = NULL;
    if (!s || --s->shares)
        return;
    struct nbx_own_vector **vectors = (struct nbx_own_vector **)s->data;
    for (uint32_t i = 0; s->type == NBX_COLUMN_VECTOR && i < NBX_CHUNK_ITEMS; i++)
        nbx_own_vector_release(&vectors[i], budget);
    nbx_charged_free(budget, s->pool, s->pool_cap * sizeof *s->pool);
    nbx_charged_free(budget, s, s->bytes);
}

static enum nbx_err pool_reserve(struct nbx_segment *s, uint32_t more, struct nbx_budget *budget)
{
    if (s->pool_cap - s->pool_used >= more && s->pool_cap)
        return NBX_OK;
    uint64_t cap = s->pool_cap ? s->pool_cap : FIRST_POOL;
    while (cap < (uint64_t)s->pool_used + more)
        cap += cap / 2;
    if (cap > UINT32_MAX)
        return NBX_ELIMIT;
    uint32_t *pool = nbx_charged_aligned(budget, cap * sizeof *pool);
    if (!pool)
        return NBX_ELIMIT;
    if (s->pool)
        memcpy(pool, s->pool, s->pool_used * sizeof *pool);
    nbx_charged_free(budget, s->pool, s->pool_cap * sizeof *pool);
    s->pool = pool;
    s->pool_cap = (uint32_t)cap;
    return NBX_OK;
}

/* What earlier writes left behind in the pool stays behind. */
static enum nbx_err copy_pool(struct nbx_segment *to, const struct nbx_segment *from,
                              struct nbx_budget *budget)
{
    uint32_t live = 0, n;
    for (uint32_t i = 0; i < NBX_CHUNK_ITEMS; i++)
        live += nbx_segment_many(from, i, &n) ? n + 1 : 0;
    enum nbx_err err = pool_reserve(to, live, budget);
    uint32_t *places = (uint32_t *)to->data;
    for (uint32_t i = 0; !err && i < NBX_CHUNK_ITEMS; i++) {
        const uint32_t *p = nbx_segment_many(from, i, &n);
        places[i] = p ? to->pool_used : PLACE_NONE;
        if (!p)
            continue;
        memcpy(to->pool + to->pool_used, p - 1, (n + 1) * sizeof *p);
        to->pool_used += n + 1;
    }
    return err;
}

static enum nbx_err segment_copy(struct nbx_segment **out, const struct nbx_segment *from,
                                 struct nbx_budget *budget)
{
    struct nbx_segment *s = segment_alloc(from->type, budget);
    if (!s)
        return NBX_ELIMIT;
    if (is_pooled(from->type)) {
        enum nbx_err err = copy_pool(s, from, budget);
        if (err) {
            segment_release(&s, budget);
            return err;
        }
    } else {
        memcpy(s->data, from->data, NBX_CHUNK_ITEMS * types[from->type].cell_bytes);
    }
    struct nbx_own_vector **vectors = (struct nbx_own_vector **)s->data;
    for (uint32_t i = 0; s->type == NBX_COLUMN_VECTOR && i < NBX_CHUNK_ITEMS; i++)
        if (vectors[i])
            vectors[i]->shares++;
    *out = s;
    return NBX_OK;
}

static size_t chunk_bytes(uint32_t n_columns)
{
    return sizeof(struct nbx_chunk) + n_columns * sizeof(struct nbx_segment *);
}

enum nbx_err nbx_chunk_own(struct nbx_chunk **chunk, uint32_t n_columns, struct nbx_budget *budget)
{
    const struct nbx_chunk *old = *chunk;
    if (old && old->shares == 1 && old->n_columns >= n_columns)
        return NBX_OK;
    if (old && old->n_columns > n_columns)
        n_columns = old->n_columns;
    struct nbx_chunk *c = nbx_charged_aligned(budget, chunk_bytes(n_columns));
    if (!c)
        return NBX_ELIMIT;
    memset(c, 0, chunk_bytes(n_columns));
    if (old)
        memcpy(c, old, chunk_bytes(old->n_columns));
    c->shares = 1;
    c->n_columns = n_columns;
    c->generation = atomic_fetch_add(&generations, 1) + 1;
    for (uint32_t i = 0; i < n_columns; i++)
        if (c->segments[i])
            c->segments[i]->shares++;
    nbx_chunk_release(chunk, budget);
    *chunk = c;
    return NBX_OK;
}

void nbx_chunk_release(struct nbx_chunk **chunk, struct nbx_budget *budget)
{
    struct nbx_chunk *c = *chunk;
    *chunk = NULL;
    if (!c || --c->shares)
        return;
    for (uint32_t i = 0; i < c->n_columns; i++)
        segment_release(&c->segments[i], budget);
    nbx_charged_free(budget, c, chunk_bytes(c->n_columns));
}

void nbx_chunk_drop_columns(struct nbx_chunk *c, uint32_t first, struct nbx_budget *budget)
{
    NBX_ASSERT(c->shares == 1);
    for (uint32_t i = first; i < c->n_columns; i++)
        segment_release(&c->segments[i], budget);
}

static bool same_vector(const struct nbx_own_vector *a, const struct nbx_own_vector *b)
{
    return a && a->n == b->n && nbx_str_eq(a->space, b->space) &&
           memcmp(a->p, b->p, a->n * sizeof *a->p) == 0;
}

static bool same_many(const struct nbx_segment *s, uint32_t row, const struct nbx_cell *cell)
{
    uint32_t n;
    const uint32_t *p = nbx_segment_many(s, row, &n);
    return p && n == cell->many.n && memcmp(p, cell->many.p, n * sizeof *p) == 0;
}

static bool is_missing(const struct nbx_segment *s, uint32_t row)
{
    switch (s->type) {
    case NBX_COLUMN_INT: return nbx_segment_ints(s)[row] == NBX_INT_MISSING;
    case NBX_COLUMN_FLOAT: return isnan(nbx_segment_floats(s)[row]);
    case NBX_COLUMN_BOOL: return s->data[row] == NBX_BOOL_MISSING;
    case NBX_COLUMN_VECTOR: return !nbx_segment_vectors(s)[row];
    default: return nbx_segment_codes(s)[row] == 0;
    }
}

/* 0.0 and -0.0 are two values. */
static uint64_t double_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static bool holds(const struct nbx_segment *s, uint32_t row, const struct nbx_cell *cell)
{
    if (!s || !cell->set)
        return !cell->set && (!s || is_missing(s, row));
    switch (s->type) {
    case NBX_COLUMN_STRING: return nbx_segment_codes(s)[row] == cell->code;
    case NBX_COLUMN_INT: return nbx_segment_ints(s)[row] == cell->i;
    case NBX_COLUMN_FLOAT: return double_bits(nbx_segment_floats(s)[row]) == double_bits(cell->f);
    case NBX_COLUMN_BOOL: return s->data[row] == (cell->b ? NBX_BOOL_TRUE : NBX_BOOL_FALSE);
    case NBX_COLUMN_VECTOR: return same_vector(nbx_segment_vectors(s)[row], cell->vector);
    default: return same_many(s, row, cell);
    }
}

enum nbx_err nbx_chunk_prepare(struct nbx_chunk *c, uint32_t column, uint32_t row,
                               enum nbx_column_type type, const struct nbx_cell *cell,
                               struct nbx_budget *budget)
{
    NBX_ASSERT(c->shares == 1 && column < c->n_columns);
    struct nbx_segment *s = c->segments[column];
    if (holds(s, row, cell))
        return NBX_OK;
    if (!s) {
        s = segment_alloc(type, budget);
        if (!s)
            return NBX_ELIMIT;
        fill_missing(s);
        c->segments[column] = s;
    } else if (s->shares > 1) {
        if (segment_copy(&s, c->segments[column], budget))
            return NBX_ELIMIT;
        segment_release(&c->segments[column], budget);
        c->segments[column] = s;
    }
    return is_pooled(type) && cell->set ? pool_reserve(s, cell->many.n + 1, budget) : NBX_OK;
}

static uint32_t pool_put(struct nbx_segment *s, const struct nbx_cell *cell)
{
    uint32_t place = s->pool_used;
    s->pool[place] = cell->many.n;
    memcpy(s->pool + place + 1, cell->many.p, cell->many.n * sizeof *s->pool);
    s->pool_used += cell->many.n + 1;
    return place;
}

static void write_cell(struct nbx_segment *s, uint32_t row, const struct nbx_cell *cell,
                       struct nbx_budget *budget)
{
    uint32_t *codes = (uint32_t *)s->data;
    struct nbx_own_vector **vectors = (struct nbx_own_vector **)s->data;
    switch (s->type) {
    case NBX_COLUMN_STRING: codes[row] = cell->set ? cell->code : 0; break;
    case NBX_COLUMN_STRINGS:
    case NBX_COLUMN_COUNTS: codes[row] = cell->set ? pool_put(s, cell) : PLACE_NONE; break;
    case NBX_COLUMN_INT: ((int64_t *)s->data)[row] = cell->set ? cell->i : NBX_INT_MISSING; break;
    case NBX_COLUMN_FLOAT: ((double *)s->data)[row] = cell->set ? cell->f : NAN; break;
    case NBX_COLUMN_BOOL:
        s->data[row] = !cell->set ? NBX_BOOL_MISSING : cell->b ? NBX_BOOL_TRUE : NBX_BOOL_FALSE;
        break;
    default:
        nbx_own_vector_release(&vectors[row], budget);
        vectors[row] = cell->set ? cell->vector : NULL;
    }
}

bool nbx_chunk_set(struct nbx_chunk *c, uint32_t column, uint32_t row, const struct nbx_cell *cell,
                   struct nbx_budget *budget)
{
    struct nbx_segment *s = c->segments[column];
    if (!holds(s, row, cell)) {
        NBX_ASSERT(s && s->shares == 1);
        write_cell(s, row, cell, budget);
        return true;
    }
    if (s && s->type == NBX_COLUMN_VECTOR && cell->set) {
        struct nbx_own_vector *unused = cell->vector;
        nbx_own_vector_release(&unused, budget);
    }
    return false;
}
