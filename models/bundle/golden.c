/* SPDX-License-Identifier: MIT */
#include "models/bundle/golden.h"

#include "engine/base/map.h"
#include "engine/json/json.h"
#include "models/bundle/internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NO_ROW UINT32_MAX

/* Golden queries being read. Ids are gathered first and found in one pass over the bundle's. */
struct reading {
    const struct nbx_bundle_info *info;
    struct nbx_arena *arena;
    struct nbx_map *wanted; /* id -> place in rows */
    uint32_t *rows;         /* (wanted) NO_ROW: the bundle has no such item */
    struct nbx_fault *fault;
};

static const char *const keys[] = {"history", "vector", "space", "expect", "tolerance"};

static enum nbx_err refuse(struct reading *r, const char *field, const char *reason)
{
    return nbx_fault_set(r->fault, NBX_EBAD, field, "%s", reason);
}

static enum nbx_err no_memory(struct reading *r)
{
    return nbx_fault_set(r->fault, NBX_ELIMIT, NULL, "out of memory");
}

static double number_of(const struct nbx_value *v)
{
    return v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : NAN;
}

/* An item of a history is an id, or [id, weight]. */
static const struct nbx_value *id_of(const struct nbx_value *entry)
{
    return entry->type == NBX_LIST && entry->n == 2 ? &entry->list[0] : entry;
}

static enum nbx_err want(struct reading *r, const struct nbx_value *list)
{
    for (uint32_t i = 0; list && list->type == NBX_LIST && i < list->n; i++) {
        const struct nbx_value *id = id_of(&list->list[i]);
        if (id->type == NBX_STRING && nbx_map_get(r->wanted, id->s) == NBX_MAP_NONE &&
            nbx_map_put(r->wanted, id->s, nbx_map_count(r->wanted)))
            return no_memory(r);
    }
    return NBX_OK;
}

static enum nbx_err find_rows(struct reading *r, const struct nbx_value *queries)
{
    enum nbx_err err = NBX_OK;
    for (uint32_t i = 0; !err && i < queries->n; i++) {
        err = want(r, nbx_value_get(&queries->list[i], "history"));
        if (!err)
            err = want(r, nbx_value_get(&queries->list[i], "expect"));
    }
    size_t n = nbx_map_count(r->wanted);
    r->rows = nbx_arena_calloc(r->arena, n, sizeof *r->rows);
    if (err || !r->rows)
        return err ? err : no_memory(r);
    memset(r->rows, 0xFF, n * sizeof *r->rows);
    for (size_t i = 0; n && i < r->info->n_items; i++) {
        uint32_t at = nbx_map_get(r->wanted, r->info->item_ids[i]);
        if (at != NBX_MAP_NONE)
            r->rows[at] = (uint32_t)i;
    }
    return NBX_OK;
}

/* The row of entry i of a list, which has those of the entries before it. */
static enum nbx_err read_row(uint32_t *rows, struct reading *r, const struct nbx_value *list,
                             uint32_t i, const char *field)
{
    const struct nbx_value *id = id_of(&list->list[i]);
    if (id->type != NBX_STRING)
        return nbx_fault_set(r->fault, NBX_EBAD, field, "number %u must be an item's id", i);
    rows[i] = r->rows[nbx_map_get(r->wanted, id->s)];
    if (rows[i] == NO_ROW)
        return nbx_fault_set(r->fault, NBX_EBAD, field,
                             "number %u, '%.*s', is no item of the bundle", i, NBX_STR_ARG(id->s));
    for (uint32_t k = 0; k < i; k++)
        if (rows[k] == rows[i])
            return nbx_fault_set(r->fault, NBX_EBAD, field, "numbers %u and %u are the same item",
                                 k, i);
    return NBX_OK;
}

static enum nbx_err read_history(struct nbx_golden *g, struct reading *r,
                                 const struct nbx_value *list)
{
    if (list->type != NBX_LIST || list->n < 1 || list->n > NBX_GOLDEN_MAX_HISTORY)
        return refuse(r, "history", "must be a list of 1 to 256 ids, or [id, weight]");
    uint32_t *rows = nbx_arena_calloc(r->arena, list->n, sizeof *rows);
    float *weights = nbx_arena_calloc(r->arena, list->n, sizeof *weights);
    if (!rows || !weights)
        return no_memory(r);
    for (uint32_t i = 0; i < list->n; i++) {
        const struct nbx_value *entry = &list->list[i];
        bool bare = entry->type != NBX_LIST;
        double weight = bare ? 1 : entry->n == 2 ? number_of(&entry->list[1]) : NAN;
        enum nbx_err err = read_row(rows, r, list, i, "history");
        if (err)
            return err;
        weights[i] = (float)weight;
        if (!(weights[i] > 0 && weight <= NBX_BUNDLE_MOST))
            return nbx_fault_set(r->fault, NBX_EBAD, "history",
                                 "number %u must have a weight above 0 to %g", i, NBX_BUNDLE_MOST);
    }
    *g = (struct nbx_golden){.rows = rows, .weights = weights, .n = list->n};
    return NBX_OK;
}

/* The space that a query names, else the first. */
static enum nbx_err find_space(size_t *out, struct reading *r, const struct nbx_value *name)
{
    *out = 0;
    if (nbx_bundle_is_blend(r->info))
        return refuse(r, "vector", "customers of a blend have a history, not a vector");
    if (!name)
        return NBX_OK;
    for (; name->type == NBX_STRING && *out < r->info->n_spaces; ++*out)
        if (nbx_str_eq(r->info->spaces[*out].name, name->s))
            return NBX_OK;
    return refuse(r, "space", "must be the name of a space");
}

static enum nbx_err read_vector(struct nbx_golden *g, struct reading *r,
                                const struct nbx_value *query, const struct nbx_value *list)
{
    size_t space;
    enum nbx_err err = find_space(&space, r, nbx_value_get(query, "space"));
    if (err)
        return err;
    size_t dims = r->info->spaces[space].dims;
    if (list->type != NBX_LIST || list->n != dims)
        return nbx_fault_set(r->fault, NBX_EBAD, "vector", "must be a list of %zu numbers", dims);
    float *x = nbx_arena_calloc(r->arena, dims, sizeof *x);
    if (!x)
        return no_memory(r);
    for (size_t i = 0; i < dims; i++) {
        double f = number_of(&list->list[i]);
        if (!(fabs(f) <= (double)FLT_MAX))
            return nbx_fault_set(r->fault, NBX_EBAD, "vector", "number %zu must be a 32-bit float",
                                 i);
        x[i] = (float)f;
    }
    *g = (struct nbx_golden){.vector = x, .space = space};
    return NBX_OK;
}

static enum nbx_err read_expect(struct nbx_golden *g, struct reading *r,
                                const struct nbx_value *query)
{
    const struct nbx_value *list = nbx_value_get(query, "expect");
    const struct nbx_value *tolerance = nbx_value_get(query, "tolerance");
    if (!list || list->type != NBX_LIST || list->n < 1 || list->n > NBX_GOLDEN_MAX_EXPECT)
        return refuse(r, "expect", "must be a list of 1 to 100 ids");
    uint32_t *rows = nbx_arena_calloc(r->arena, list->n, sizeof *rows);
    if (!rows)
        return no_memory(r);
    for (uint32_t i = 0; i < list->n; i++) {
        enum nbx_err err = read_row(rows, r, list, i, "expect");
        if (err)
            return err;
    }
    g->expect = rows;
    g->n_expect = list->n;
    g->tolerance = tolerance ? number_of(tolerance) : 0;
    if (!(g->tolerance >= 0 && g->tolerance < 1))
        return refuse(r, "tolerance", "must be from 0 to below 1");
    return NBX_OK;
}

static enum nbx_err check_keys(struct reading *r, const struct nbx_value *query)
{
    if (query->type != NBX_MAP)
        return refuse(r, NULL, "must be an object");
    for (uint32_t i = 0; i < query->n; i++) {
        size_t k = 0;
        while (k < sizeof keys / sizeof *keys && !nbx_str_is(query->members[i].key, keys[k]))
            k++;
        if (k == sizeof keys / sizeof *keys)
            return nbx_fault_set(r->fault, NBX_EBAD, NULL, "unknown key %.*s",
                                 NBX_STR_ARG(query->members[i].key));
    }
    return NBX_OK;
}

static enum nbx_err read_query(struct nbx_golden *g, struct reading *r,
                               const struct nbx_value *query)
{
    enum nbx_err err = check_keys(r, query);
    if (err)
        return err;
    const struct nbx_value *history = nbx_value_get(query, "history");
    const struct nbx_value *vector = nbx_value_get(query, "vector");
    if (!history == !vector)
        return refuse(r, NULL, "must have either a history or a vector");
    if (!vector && nbx_value_get(query, "space"))
        return refuse(r, "space", "belongs to a vector");
    err = history ? read_history(g, r, history) : read_vector(g, r, query, vector);
    return err ? err : read_expect(g, r, query);
}

static enum nbx_err read_queries(const struct nbx_golden **out, size_t *n, struct reading *r,
                                 const struct nbx_value *queries)
{
    if (queries->type != NBX_LIST || queries->n > NBX_GOLDEN_MAX)
        return refuse(r, NULL, "must be a list of at most 100 queries");
    struct nbx_golden *list = nbx_arena_calloc(r->arena, queries->n, sizeof *list);
    r->wanted = nbx_map_new();
    if (!list || !r->wanted)
        return no_memory(r);
    enum nbx_err err = find_rows(r, queries);
    for (uint32_t i = 0; !err && i < queries->n; i++) {
        err = read_query(&list[i], r, &queries->list[i]);
        if (err)
            nbx_fault_prefix(r->fault, "[%u]", i);
    }
    *out = list;
    *n = err ? 0 : queries->n;
    return err;
}

enum nbx_err nbx_bundle_golden(const struct nbx_golden **out, size_t *n,
                               const struct nbx_bundle_info *info, struct nbx_arena *arena,
                               struct nbx_fault *fault)
{
    struct nbx_value metadata, queries;
    struct reading r = {.info = info, .arena = arena, .fault = fault};
    *out = NULL;
    *n = 0;
    enum nbx_err err =
        nbx_json_decode(&metadata, info->metadata_json, strlen(info->metadata_json), arena, fault);
    const struct nbx_value *text = err ? NULL : nbx_value_get(&metadata, NBX_BUNDLE_GOLDEN);
    if (!text)
        return err;
    err = nbx_json_decode(&queries, text->s.p, text->s.len, arena, fault);
    if (!err)
        err = read_queries(out, n, &r, &queries);
    nbx_map_destroy(&r.wanted);
    if (err == NBX_EBAD)
        nbx_fault_prefix(fault, "__metadata__." NBX_BUNDLE_GOLDEN);
    return err;
}
