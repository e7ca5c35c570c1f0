/* SPDX-License-Identifier: MIT */
#include "models/attributes/items.h"

#include "models/attributes/table.h"

#include <stdlib.h>

#define MAX_PRICE_CHARS 15
#define SHOWN_BYTES     64

struct reading {
    struct nbx_item_table *table;
    struct nbx_table file;
    size_t brand, categories, price, title; /* columns */
};

/* A copy of a column's text; empty where there is none. false where memory is out. */
static bool take_text(struct nbx_str *out, const struct reading *r, const struct nbx_csv_row *row,
                      size_t column)
{
    *out = (struct nbx_str){0};
    if (column != NBX_CSV_NO_COLUMN)
        *out = nbx_arena_str(r->table->arena, row->fields[column]);
    return column == NBX_CSV_NO_COLUMN || out->p;
}

static bool take_categories(struct nbx_item_facts *facts, const struct reading *r,
                            const struct nbx_csv_row *row)
{
    return r->categories == NBX_CSV_NO_COLUMN ||
           nbx_table_values(&facts->categories, &facts->n_categories, row->fields[r->categories],
                            r->table->arena);
}

static enum nbx_err take_price(struct nbx_item_facts *facts, const struct reading *r,
                               const struct nbx_csv_row *row, struct nbx_fault *fault)
{
    if (r->price == NBX_CSV_NO_COLUMN || row->fields[r->price].len == 0)
        return NBX_OK;
    struct nbx_str text = row->fields[r->price];
    bool good = text.len <= MAX_PRICE_CHARS;
    for (uint32_t i = 0; good && i < text.len; i++) {
        good = text.p[i] >= '0' && text.p[i] <= '9';
        facts->price = facts->price * 10 + (text.p[i] - '0');
    }
    facts->has_price = good;
    return good ? NBX_OK
                : nbx_csv_fault(r->file.csv, fault, NBX_EBAD, r->price,
                                "\"%.*s\" is not a price in minor units, 1 to %d digits",
                                text.len > SHOWN_BYTES ? SHOWN_BYTES : (int)text.len, text.p,
                                MAX_PRICE_CHARS);
}

static enum nbx_err take_row(struct reading *r, const struct nbx_csv_row *row, uint32_t item,
                             struct nbx_fault *fault)
{
    struct nbx_item_facts facts = {0};
    enum nbx_err err = take_price(&facts, r, row, fault);
    if (err || item == NBX_MAP_NONE)
        return err;
    if (!take_text(&facts.brand, r, row, r->brand) || !take_text(&facts.title, r, row, r->title) ||
        !take_categories(&facts, r, row))
        return nbx_table_no_memory(fault);
    r->table->n_known += !r->table->known[item];
    r->table->known[item] = true;
    r->table->facts[item] = facts;
    return NBX_OK;
}

static enum nbx_err read_rows(struct reading *r, struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    uint32_t item;
    enum nbx_err err;
    r->brand = nbx_csv_column(r->file.csv, "brand");
    r->categories = nbx_csv_column(r->file.csv, "categories");
    r->price = nbx_csv_column(r->file.csv, "price");
    r->title = nbx_csv_column(r->file.csv, "title");
    while (!(err = nbx_table_next(&r->file, &row, &item, fault)) && row)
        if ((err = take_row(r, row, item, fault)))
            return err;
    return err;
}

enum nbx_err nbx_item_table_read(struct nbx_item_table *out, const char *path,
                                 const struct nbx_str *item_ids, size_t n_items,
                                 struct nbx_fault *fault)
{
    struct reading r = {.table = out};
    *out = (struct nbx_item_table){.n_items = n_items,
                                   .facts = calloc(n_items + 1, sizeof *out->facts),
                                   .known = calloc(n_items + 1, sizeof *out->known),
                                   .arena = nbx_arena_new(NBX_TABLE_ARENA_BYTES)};
    enum nbx_err err = nbx_table_open(&r.file, path, item_ids, n_items, fault);
    if (!err && (!out->facts || !out->known || !out->arena))
        err = nbx_table_no_memory(fault);
    if (!err)
        err = read_rows(&r, fault);
    nbx_table_close(&r.file);
    if (err)
        nbx_item_table_fini(out);
    return err;
}

void nbx_item_table_fini(struct nbx_item_table *table)
{
    free(table->facts);
    free(table->known);
    nbx_arena_destroy(&table->arena);
    *table = (struct nbx_item_table){0};
}
