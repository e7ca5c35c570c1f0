/* SPDX-License-Identifier: MIT */
#include "models/attributes/customers.h"

#include "models/attributes/table.h"

#include <stdlib.h>

#define MAX_NAME_BYTES 64
#define SHOWN_BYTES    64

struct reading {
    struct nbx_customer_table *table;
    struct nbx_table file;
    struct nbx_str names[NBX_FEATURE_MAX_ATTRIBUTES + 1]; /* (n) of the columns */
    size_t n;
};

static bool is_name(struct nbx_str s)
{
    bool good = s.len >= 1 && s.len <= MAX_NAME_BYTES;
    for (uint32_t i = 0; good && i < s.len; i++) {
        char c = s.p[i];
        good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    }
    return good;
}

/* The columns' names, kept: the header lives no longer than the file is open. */
static enum nbx_err take_header(struct reading *r, struct nbx_fault *fault)
{
    const struct nbx_csv_row *header = nbx_csv_header(r->file.csv);
    size_t most = NBX_FEATURE_MAX_ATTRIBUTES + 1;
    r->n = header->n;
    if (r->n > most)
        return nbx_csv_fault(r->file.csv, fault, NBX_EBAD, most,
                             "a customer has at most %d attributes", NBX_FEATURE_MAX_ATTRIBUTES);
    for (size_t i = 0; i < r->n; i++) {
        struct nbx_str s = header->fields[i];
        if (!is_name(s))
            return nbx_csv_fault(r->file.csv, fault, NBX_EBAD, i,
                                 "\"%.*s\" is no name for an attribute: 1 to %d of A-Z a-z 0-9 _ . "
                                 "-",
                                 s.len > SHOWN_BYTES ? SHOWN_BYTES : (int)s.len, s.p,
                                 MAX_NAME_BYTES);
        r->names[i] = nbx_arena_str(r->table->arena, s);
        if (!r->names[i].p)
            return nbx_table_no_memory(fault);
    }
    return NBX_OK;
}

/* The values of one cell behind the facts (n) of its row; they are at most as many as there is room
 * for in each. */
static bool take_cell(struct nbx_customer_fact *facts, size_t *n, const struct reading *r,
                      size_t column, struct nbx_str cell)
{
    const struct nbx_str *values;
    size_t n_values;
    if (!nbx_table_values(&values, &n_values, cell, r->table->arena))
        return false;
    for (size_t i = 0; i < n_values && i < NBX_FEATURE_MAX_VALUES; i++)
        facts[(*n)++] = (struct nbx_customer_fact){r->names[column], values[i]};
    return true;
}

static enum nbx_err take_row(struct reading *r, const struct nbx_csv_row *row, uint32_t customer,
                             struct nbx_fault *fault)
{
    struct nbx_customer_fact facts[NBX_FEATURE_MAX_FACTS];
    size_t n = 0;
    if (customer == NBX_MAP_NONE)
        return NBX_OK;
    for (size_t i = 0; i < r->n; i++)
        if (i != r->file.id && !take_cell(facts, &n, r, i, row->fields[i]))
            return nbx_table_no_memory(fault);
    struct nbx_customer_fact *kept = nbx_arena_calloc(r->table->arena, n, sizeof *kept);
    if (!kept)
        return nbx_table_no_memory(fault);
    memcpy(kept, facts, n * sizeof *kept);
    r->table->n_known += !r->table->known[customer];
    r->table->known[customer] = true;
    r->table->facts[customer] = (struct nbx_customer_facts){kept, n};
    return NBX_OK;
}

static enum nbx_err read_rows(struct reading *r, struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    uint32_t customer;
    enum nbx_err err = take_header(r, fault);
    while (!err && !(err = nbx_table_next(&r->file, &row, &customer, fault)) && row)
        err = take_row(r, row, customer, fault);
    return err;
}

enum nbx_err nbx_customer_table_read(struct nbx_customer_table *out, const char *path,
                                     const struct nbx_str *customer_ids, size_t n_customers,
                                     struct nbx_fault *fault)
{
    struct reading r = {.table = out};
    *out = (struct nbx_customer_table){.n_customers = n_customers,
                                       .facts = calloc(n_customers + 1, sizeof *out->facts),
                                       .known = calloc(n_customers + 1, sizeof *out->known),
                                       .arena = nbx_arena_new(NBX_TABLE_ARENA_BYTES)};
    enum nbx_err err = nbx_table_open(&r.file, path, customer_ids, n_customers, fault);
    if (!err && (!out->facts || !out->known || !out->arena))
        err = nbx_table_no_memory(fault);
    if (!err)
        err = read_rows(&r, fault);
    nbx_table_close(&r.file);
    if (err)
        nbx_customer_table_fini(out);
    return err;
}

void nbx_customer_table_fini(struct nbx_customer_table *table)
{
    free(table->facts);
    free(table->known);
    nbx_arena_destroy(&table->arena);
    *table = (struct nbx_customer_table){0};
}
