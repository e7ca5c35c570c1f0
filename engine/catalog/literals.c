/* SPDX-License-Identifier: MIT */
#include "engine/catalog/compile.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdlib.h>

/* What literals of one operator become: a test on a column, numbers compared exactly. */

struct reading {
    const struct nbx_catalog *c;
    struct nbx_arena *arena;
    struct nbx_fault *fault;
    struct nbx_str field;
    enum nbx_column_type type;
    const struct nbx_value *literals; /* (n) */
    uint32_t n;
    bool listed; /* in, none, all: a list was sent */
    const char *op;
};

static enum nbx_err no_memory(struct reading *r)
{
    return nbx_fault_set(r->fault, NBX_ELIMIT, NULL, "out of memory");
}

static enum nbx_err wrong_literal(struct reading *r, uint32_t i)
{
    nbx_fault_set(r->fault, NBX_EBAD, NULL, "field \"%.*s\" holds %s, got %s",
                  NBX_STR_ARG(r->field), nbx_column_type_name(r->type),
                  nbx_value_type_name(r->literals[i].type));
    if (r->listed)
        nbx_fault_prefix(r->fault, "%s[%u]", r->op, i);
    else
        nbx_fault_prefix(r->fault, "%s", r->op);
    return NBX_EBAD;
}

static uint32_t code_of(struct reading *r, uint32_t column, uint32_t i)
{
    struct nbx_str text = r->literals[i].s;
    return column == NBX_COL_ID ? nbx_ids_find(r->c->home->ids, text)
                                : nbx_words_find(r->c->home->words, text);
}

static bool make_hash_set(struct nbx_filter_node *out, const uint32_t *codes, uint32_t n,
                          struct nbx_arena *arena)
{
    uint32_t slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    uint32_t *set = nbx_arena_calloc(arena, slots, sizeof *set);
    if (!set)
        return false;
    out->codes.p = set;
    out->codes.mask = slots - 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = nbx_filter_slot(codes[i]) & out->codes.mask;
        while (set[at] && set[at] != codes[i])
            at = (at + 1) & out->codes.mask;
        set[at] = codes[i];
    }
    return true;
}

/* Literals that nobody has heard of match nothing and are left out; `all` of them never holds. */
static enum nbx_err read_codes(struct nbx_filter_node *out, struct reading *r)
{
    bool all = r->op[0] == 'a';
    uint32_t room = r->n > NBX_FEW_CODES ? r->n : NBX_FEW_CODES, n = 0;
    uint32_t *codes = nbx_arena_calloc(r->arena, room, sizeof *codes);
    if (!codes)
        return no_memory(r);
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->literals[i].type != NBX_STRING)
            return wrong_literal(r, i);
        uint32_t code = code_of(r, out->column, i);
        if (code || all)
            codes[n++] = code;
    }
    out->test = all                             ? NBX_TEST_ALL_CODES
                : r->type == NBX_COLUMN_STRINGS ? NBX_TEST_CODES
                                                : NBX_TEST_CODE;
    out->n = n;
    out->codes.p = codes;
    out->codes.mask = 0;
    if (all)
        return NBX_OK;
    if (n > NBX_FEW_CODES)
        return make_hash_set(out, codes, n, r->arena) ? NBX_OK : no_memory(r);
    for (uint32_t i = n; n && i < NBX_FEW_CODES; i++)
        codes[i] = codes[0];
    return NBX_OK;
}

static bool is_number(const struct nbx_value *v)
{
    return v->type == NBX_INT || v->type == NBX_FLOAT;
}

#define INT_END 0x1p63 /* the first double above every int64 */

/* The greatest int64 at most f. False where there is none. */
static bool floor_int(double f, int64_t *out)
{
    if (f < -INT_END)
        return false;
    *out = f >= INT_END ? INT64_MAX : (int64_t)floor(f);
    return true;
}

/* An int as a double: -1 where the double is below it, 0 where it is equal, 1 where it is above. */
static int round_int(int64_t i, double *out)
{
    *out = (double)i;
    if (*out >= INT_END)
        return 1;
    int64_t back = (int64_t)*out;
    return (back > i) - (back < i);
}

/* value < x, value <= x and so on, as from <= value <= to over the ints. INT64_MIN is no value. */
static void int_range(struct nbx_filter_node *out, const char *op, const struct nbx_value *v)
{
    int64_t whole = v->i;
    bool exact = v->type == NBX_INT, some = true;
    if (v->type == NBX_FLOAT) {
        some = floor_int(v->f, &whole);
        exact = some && v->f < INT_END && (double)whole == v->f;
    }
    out->test = NBX_TEST_INT_RANGE;
    out->ints.from = INT64_MIN + 1;
    out->ints.to = INT64_MAX;
    if (op[0] == 'l') { /* at most the floor; less than an exact one: one less */
        bool one_less = op[1] == 't' && exact;
        out->ints.to = !some || (one_less && whole == INT64_MIN) ? INT64_MIN : whole - one_less;
    } else if (some) { /* above the floor; at least an exact one: from there */
        bool one_more = !(op[1] == 'e' && exact);
        bool none = one_more && whole == INT64_MAX;
        if (none)
            out->ints.to = INT64_MIN;
        else if (whole + one_more > out->ints.from)
            out->ints.from = whole + one_more;
    }
}

static void float_range(struct nbx_filter_node *out, const char *op, const struct nbx_value *v)
{
    double x = v->f;
    int off = v->type == NBX_INT ? round_int(v->i, &x) : 0;
    out->test = NBX_TEST_FLOAT_RANGE;
    out->floats.from = -INFINITY;
    out->floats.to = INFINITY;
    bool strict = op[1] == 't';
    if (op[0] == 'l')
        out->floats.to = off > 0 || (off == 0 && strict) ? nextafter(x, -INFINITY) : x;
    else
        out->floats.from = off < 0 || (off == 0 && strict) ? nextafter(x, INFINITY) : x;
}

static int rising_ints(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int rising_floats(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A literal that no int equals is left out. */
static enum nbx_err read_ints(struct nbx_filter_node *out, struct reading *r)
{
    int64_t *list = nbx_arena_calloc(r->arena, r->n, sizeof *list);
    if (!list)
        return no_memory(r);
    out->test = NBX_TEST_INT_LIST;
    out->int_list = list;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct nbx_value *v = &r->literals[i];
        int64_t whole = v->i;
        if (!is_number(v))
            return wrong_literal(r, i);
        if (v->type == NBX_FLOAT &&
            (v->f >= INT_END || !floor_int(v->f, &whole) || (double)whole != v->f))
            continue;
        if (whole != NBX_INT_MISSING)
            list[out->n++] = whole;
    }
    qsort(list, out->n, sizeof *list, rising_ints);
    return NBX_OK;
}

static enum nbx_err read_floats(struct nbx_filter_node *out, struct reading *r)
{
    double *list = nbx_arena_calloc(r->arena, r->n, sizeof *list);
    if (!list)
        return no_memory(r);
    out->test = NBX_TEST_FLOAT_LIST;
    out->float_list = list;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct nbx_value *v = &r->literals[i];
        double x = v->f;
        if (!is_number(v))
            return wrong_literal(r, i);
        if (v->type == NBX_FLOAT || round_int(v->i, &x) == 0)
            list[out->n++] = x;
    }
    qsort(list, out->n, sizeof *list, rising_floats);
    return NBX_OK;
}

static enum nbx_err read_bools(struct nbx_filter_node *out, struct reading *r)
{
    out->test = NBX_TEST_BOOL;
    out->bools[NBX_BOOL_FALSE] = out->bools[NBX_BOOL_TRUE] = out->bools[NBX_BOOL_MISSING] = false;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->literals[i].type != NBX_BOOL)
            return wrong_literal(r, i);
        out->bools[r->literals[i].b ? NBX_BOOL_TRUE : NBX_BOOL_FALSE] = true;
    }
    return NBX_OK;
}

static enum nbx_err read_order(struct nbx_filter_node *out, struct reading *r)
{
    if (r->type != NBX_COLUMN_INT && r->type != NBX_COLUMN_FLOAT)
        return nbx_fault_set(r->fault, NBX_EBAD, r->op, "compares numbers; field \"%.*s\" holds %s",
                             NBX_STR_ARG(r->field), nbx_column_type_name(r->type));
    if (!is_number(&r->literals[0]))
        return wrong_literal(r, 0);
    if (r->type == NBX_COLUMN_INT)
        int_range(out, r->op, &r->literals[0]);
    else
        float_range(out, r->op, &r->literals[0]);
    return NBX_OK;
}

static enum nbx_err read_values(struct nbx_filter_node *out, struct reading *r)
{
    if (r->op[0] == 'a' && r->type != NBX_COLUMN_STRINGS)
        return nbx_fault_set(r->fault, NBX_EBAD, r->op,
                             "needs a field of several values; field \"%.*s\" holds %s",
                             NBX_STR_ARG(r->field), nbx_column_type_name(r->type));
    switch (r->type) {
    case NBX_COLUMN_STRING:
    case NBX_COLUMN_STRINGS: return read_codes(out, r);
    case NBX_COLUMN_INT: return read_ints(out, r);
    case NBX_COLUMN_FLOAT: return read_floats(out, r);
    case NBX_COLUMN_BOOL: return read_bools(out, r);
    default:
        return nbx_fault_set(r->fault, NBX_EBAD, "field",
                             "\"%.*s\" has a count for each store: name a store in the request",
                             NBX_STR_ARG(r->field));
    }
}

static enum nbx_err check_list(struct reading *r, const struct nbx_value *v)
{
    if (v->type != NBX_LIST)
        return nbx_fault_set(r->fault, NBX_EBAD, r->op, "must be list, got %s",
                             nbx_value_type_name(v->type));
    if (v->n > NBX_MAX_FILTER_VALUES)
        return nbx_fault_set(r->fault, NBX_EBAD, r->op, "at most %d values, got %u",
                             NBX_MAX_FILTER_VALUES, v->n);
    return NBX_OK;
}

enum nbx_err nbx_filter_literals(struct nbx_filter_node *out, const struct nbx_catalog *c,
                                 struct nbx_str field, const struct nbx_member *op,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    static const char *const names[] = {"eq", "in", "none", "all", "lt", "le", "gt", "ge"};
    size_t at = 0;
    while (!nbx_str_is(op->key, names[at]))
        NBX_ASSERT(++at < sizeof names / sizeof *names);
    uint32_t column = nbx_schema_find(c->schema, field);
    struct reading r = {.c = c, .arena = arena, .fault = fault, .field = field, .op = names[at]};
    r.type = column == NBX_COL_ID ? NBX_COLUMN_STRING : c->schema->columns[column].type;
    r.listed = r.op[0] == 'i' || r.op[0] == 'n' || r.op[0] == 'a';
    r.literals = r.listed ? op->value.list : &op->value;
    r.n = r.listed ? op->value.n : 1;
    *out = (struct nbx_filter_node){.column = column, .but = r.op[0] == 'n'};
    enum nbx_err err = r.listed ? check_list(&r, &op->value) : NBX_OK;
    if (err)
        return err;
    return r.op[0] == 'l' || r.op[0] == 'g' ? read_order(out, &r) : read_values(out, &r);
}
