/* SPDX-License-Identifier: MIT */
#include "models/attributes/items.h"

#include "engine/base/csv.h"
#include "engine/base/map.h"

#include <stdlib.h>

#define ARENA_BYTES     ((size_t)1 << 40) /* the file bounds it */
#define MAX_PRICE_CHARS 15
#define SHOWN_BYTES     64

struct reading {
    struct nbx_item_table *table;
    struct nbx_csv *csv;
    struct nbx_map *rows; /* by id */
    size_t id, brand, categories, price, title;
};

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory reading the items");
}

static enum nbx_err number_items(struct reading *r, const struct nbx_str *item_ids)
{
    enum nbx_err err = r->rows ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < r->table->n_items; i++)
        err = nbx_map_put(r->rows, item_ids[i], (uint32_t)i);
    return err;
}

static struct nbx_str trimmed(struct nbx_str s)
{
    while (s.len && s.p[0] == ' ')
        s = (struct nbx_str){s.p + 1, s.len - 1};
    while (s.len && s.p[s.len - 1] == ' ')
        s.len--;
    return s;
}

/* A copy of a column's text; empty where there is none. false where memory is out. */
static bool take_text(struct nbx_str *out, const struct reading *r, const struct nbx_csv_row *row,
                      size_t column)
{
    *out = (struct nbx_str){0};
    if (column != NBX_CSV_NO_COLUMN)
        *out = nbx_arena_str(r->table->arena, row->fields[column]);
    return column == NBX_CSV_NO_COLUMN || out->p;
}

/* As nbx import splits them: at each bar, blanks around cut off, empty ones left out. */
static bool take_categories(struct nbx_item_facts *facts, const struct reading *r,
                            const struct nbx_csv_row *row)
{
    struct nbx_str text, *list;
    size_t room = 1;
    if (!take_text(&text, r, row, r->categories))
        return false;
    for (uint32_t i = 0; i < text.len; i++)
        room += text.p[i] == '|';
    list = nbx_arena_calloc(r->table->arena, room, sizeof *list);
    facts->categories = list;
    while (list && text.len) {
        const char *bar = memchr(text.p, '|', text.len);
        uint32_t len = bar ? (uint32_t)(bar - text.p) : text.len, used = bar ? len + 1 : len;
        struct nbx_str part = trimmed((struct nbx_str){text.p, len});
        if (part.len)
            list[facts->n_categories++] = part;
        text = (struct nbx_str){text.p + used, text.len - used};
    }
    return list != NULL;
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
                : nbx_csv_fault(r->csv, fault, NBX_EBAD, r->price,
                                "\"%.*s\" is not a price in minor units, 1 to %d digits",
                                text.len > SHOWN_BYTES ? SHOWN_BYTES : (int)text.len, text.p,
                                MAX_PRICE_CHARS);
}

static enum nbx_err take_row(struct reading *r, const struct nbx_csv_row *row,
                             struct nbx_fault *fault)
{
    struct nbx_item_facts facts = {0};
    enum nbx_err err = take_price(&facts, r, row, fault);
    uint32_t item = nbx_map_get(r->rows, row->fields[r->id]);
    if (err || item == NBX_MAP_NONE)
        return err;
    if (!take_text(&facts.brand, r, row, r->brand) || !take_text(&facts.title, r, row, r->title) ||
        !take_categories(&facts, r, row))
        return out_of_memory(fault);
    r->table->n_known += !r->table->known[item];
    r->table->known[item] = true;
    r->table->facts[item] = facts;
    return NBX_OK;
}

static enum nbx_err read_file(struct reading *r, const char *path, struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    enum nbx_err err = nbx_csv_open(&r->csv, path, (struct nbx_csv_options){0}, fault);
    if (err)
        return err;
    r->id = nbx_csv_column(r->csv, "id");
    r->brand = nbx_csv_column(r->csv, "brand");
    r->categories = nbx_csv_column(r->csv, "categories");
    r->price = nbx_csv_column(r->csv, "price");
    r->title = nbx_csv_column(r->csv, "title");
    if (r->id == NBX_CSV_NO_COLUMN)
        return nbx_fault_set(fault, NBX_EBAD, path, "no column \"id\"");
    while (!(err = nbx_csv_next(r->csv, &row, fault)) && row)
        if ((err = take_row(r, row, fault)))
            return err;
    return err;
}

enum nbx_err nbx_item_table_read(struct nbx_item_table *out, const char *path,
                                 const struct nbx_str *item_ids, size_t n_items,
                                 struct nbx_fault *fault)
{
    struct reading r = {.table = out, .rows = nbx_map_new()};
    *out = (struct nbx_item_table){.n_items = n_items,
                                   .facts = calloc(n_items + 1, sizeof *out->facts),
                                   .known = calloc(n_items + 1, sizeof *out->known),
                                   .arena = nbx_arena_new(ARENA_BYTES)};
    enum nbx_err err = NBX_OK;
    if (!out->facts || !out->known || !out->arena || number_items(&r, item_ids))
        err = out_of_memory(fault);
    if (!err)
        err = read_file(&r, path, fault);
    nbx_csv_close(&r.csv);
    nbx_map_destroy(&r.rows);
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
