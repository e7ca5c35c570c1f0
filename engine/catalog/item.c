/* SPDX-License-Identifier: MIT */
#include "engine/catalog/item.h"

#include "engine/base/check.h"

#include <string.h>

static enum nbx_err no_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "the memory for items is used up");
}

static enum nbx_err wrong_type(const struct nbx_column *column, const struct nbx_value *v,
                               struct nbx_fault *fault)
{
    nbx_fault_set(fault, NBX_EBAD, NULL, "must be %s, got %s", nbx_column_type_name(column->type),
                  nbx_value_type_name(v->type));
    nbx_fault_prefix(fault, "%.*s", NBX_STR_ARG(column->name));
    return NBX_EBAD;
}

static enum nbx_err strings_cell(struct nbx_cell *cell, struct nbx_catalog_home *home,
                                 const struct nbx_value *v)
{
    uint32_t n = 0, *codes = nbx_arena_calloc(home->scratch, v->n, sizeof *codes);
    if (!codes)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->list[i].type != NBX_STRING)
            return NBX_EBAD;
        uint32_t code, before = 0;
        if (nbx_words_add(home->words, v->list[i].s, &code))
            return NBX_ELIMIT;
        while (before < n && codes[before] != code)
            before++;
        codes[before] = code;
        n += before == n;
    }
    cell->set = n > 0;
    cell->many.p = codes;
    cell->many.n = n;
    return NBX_OK;
}

static enum nbx_err counts_cell(struct nbx_cell *cell, struct nbx_catalog_home *home,
                                const struct nbx_value *v)
{
    uint32_t n = 0, *pairs = nbx_arena_calloc(home->scratch, v->n, 2 * sizeof *pairs);
    if (!pairs)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < v->n; i++) {
        const struct nbx_value *count = &v->members[i].value;
        if (count->type == NBX_NIL)
            continue;
        if (count->type != NBX_INT || count->i < 0 || count->i > NBX_MAX_STOCK)
            return NBX_EBAD;
        if (nbx_words_add(home->words, v->members[i].key, &pairs[n]))
            return NBX_ELIMIT;
        pairs[n + 1] = (uint32_t)count->i;
        n += 2;
    }
    cell->set = n > 0;
    cell->many.p = pairs;
    cell->many.n = n;
    return NBX_OK;
}

static enum nbx_err string_cell(struct nbx_cell *cell, struct nbx_catalog_home *home,
                                const struct nbx_value *v)
{
    cell->set = true;
    return nbx_words_add(home->words, v->s, &cell->code);
}

static enum nbx_err fill_cell(struct nbx_cell *cell, struct nbx_catalog_home *home,
                              enum nbx_column_type type, const struct nbx_value *v)
{
    if (type == NBX_COLUMN_STRING && v->type == NBX_STRING)
        return string_cell(cell, home, v);
    if (type == NBX_COLUMN_STRINGS && v->type == NBX_LIST)
        return strings_cell(cell, home, v);
    if (type == NBX_COLUMN_COUNTS && v->type == NBX_MAP)
        return counts_cell(cell, home, v);
    if (type == NBX_COLUMN_INT && v->type == NBX_INT)
        *cell = (struct nbx_cell){.set = true, .i = v->i};
    else if (type == NBX_COLUMN_FLOAT && v->type == NBX_FLOAT)
        *cell = (struct nbx_cell){.set = true, .f = v->f};
    else if (type == NBX_COLUMN_FLOAT && v->type == NBX_INT)
        *cell = (struct nbx_cell){.set = true, .f = (double)v->i};
    else if (type == NBX_COLUMN_BOOL && v->type == NBX_BOOL)
        *cell = (struct nbx_cell){.set = true, .b = v->b};
    else
        return NBX_EBAD;
    return NBX_OK;
}

static enum nbx_err read_cell(struct nbx_cell *cell, struct nbx_catalog_home *home,
                              const struct nbx_column *column, const struct nbx_value *v,
                              struct nbx_fault *fault)
{
    if (!v || v->type == NBX_NIL)
        return NBX_OK;
    enum nbx_err err = fill_cell(cell, home, column->type, v);
    if (err == NBX_ELIMIT)
        return no_memory(fault);
    return err ? wrong_type(column, v, fault) : NBX_OK;
}

static enum nbx_err read_vector(struct nbx_cell *cell, struct nbx_catalog_home *home,
                                const struct nbx_value *fields, struct nbx_fault *fault)
{
    const struct nbx_value *v = nbx_value_get(fields, "vector");
    const struct nbx_value *space = nbx_value_get(fields, "space");
    if (!v || v->type == NBX_NIL)
        return NBX_OK;
    struct nbx_vector vector = {0};
    enum nbx_err err = nbx_vector_read(&vector, v, home->scratch, fault);
    if (err) {
        nbx_fault_prefix(fault, "vector");
        return err;
    }
    uint32_t code;
    if (space && space->type == NBX_STRING) {
        if (nbx_words_add(home->words, space->s, &code))
            return no_memory(fault);
        vector.space = nbx_words_text(home->words, code);
    }
    if (nbx_own_vector_new(&cell->vector, vector, home->budget))
        return no_memory(fault);
    cell->set = true;
    return NBX_OK;
}

static enum nbx_err read_attributes(struct nbx_cell *cells, struct nbx_catalog_home *home,
                                    const struct nbx_schema *schema,
                                    const struct nbx_value *attributes, struct nbx_fault *fault)
{
    for (uint32_t i = 0; attributes && i < attributes->n; i++) {
        const struct nbx_member *m = &attributes->members[i];
        if (m->value.type == NBX_NIL)
            continue;
        uint32_t column = nbx_schema_find(schema, m->key);
        if (column < NBX_N_BUILT_IN || column >= schema->n)
            return nbx_fault_set(fault, NBX_EBAD, "attributes", "\"%.*s\" is no attribute",
                                 NBX_STR_ARG(m->key));
        enum nbx_err err =
            read_cell(&cells[column], home, &schema->columns[column], &m->value, fault);
        if (err) {
            nbx_fault_prefix(fault, "attributes");
            return err;
        }
    }
    return NBX_OK;
}

static enum nbx_err fill_defaults(struct nbx_cell *cells, struct nbx_catalog_home *home,
                                  struct nbx_fault *fault)
{
    if (!cells[NBX_COL_AVAILABLE].set)
        cells[NBX_COL_AVAILABLE] = (struct nbx_cell){.set = true, .b = true};
    if (cells[NBX_COL_KIND].set)
        return NBX_OK;
    cells[NBX_COL_KIND].set = true;
    return nbx_words_add(home->words, NBX_STR("product"), &cells[NBX_COL_KIND].code)
               ? no_memory(fault)
               : NBX_OK;
}

enum nbx_err nbx_item_cells(struct nbx_cell **out, struct nbx_catalog_home *home,
                            const struct nbx_schema *schema, const struct nbx_value *fields,
                            struct nbx_fault *fault)
{
    struct nbx_cell *cells = nbx_arena_calloc(home->scratch, schema->n, sizeof *cells);
    *out = cells;
    if (!cells)
        return no_memory(fault);
    enum nbx_err err = NBX_OK;
    for (uint32_t i = 0; !err && i < NBX_N_BUILT_IN; i++)
        if (schema->columns[i].name.len)
            err = read_cell(&cells[i], home, &schema->columns[i],
                            nbx_value_get_str(fields, schema->columns[i].name), fault);
    if (!err)
        err = read_attributes(cells, home, schema, nbx_value_get(fields, "attributes"), fault);
    if (!err)
        err = fill_defaults(cells, home, fault);
    return err ? err : read_vector(&cells[NBX_COL_VECTOR], home, fields, fault);
}

void nbx_item_discard(struct nbx_cell *cells, struct nbx_budget *budget)
{
    if (cells && cells[NBX_COL_VECTOR].set)
        nbx_own_vector_release(&cells[NBX_COL_VECTOR].vector, budget);
}
