/* SPDX-License-Identifier: MIT */
#include "models/attributes/table.h"

enum nbx_err nbx_table_no_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory reading attributes");
}

enum nbx_err nbx_table_open(struct nbx_table *out, const char *path, const struct nbx_str *ids,
                            size_t n, struct nbx_fault *fault)
{
    *out = (struct nbx_table){.places = nbx_map_new()};
    enum nbx_err err = out->places ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < n; i++)
        err = nbx_map_put(out->places, ids[i], (uint32_t)i);
    if (err)
        return nbx_table_no_memory(fault);
    err = nbx_csv_open(&out->csv, path, (struct nbx_csv_options){0}, fault);
    if (err)
        return err;
    out->id = nbx_csv_column(out->csv, "id");
    return out->id != NBX_CSV_NO_COLUMN ? NBX_OK
                                        : nbx_fault_set(fault, NBX_EBAD, path, "no column \"id\"");
}

void nbx_table_close(struct nbx_table *table)
{
    nbx_csv_close(&table->csv);
    nbx_map_destroy(&table->places);
}

enum nbx_err nbx_table_next(struct nbx_table *table, const struct nbx_csv_row **row,
                            uint32_t *place, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_csv_next(table->csv, row, fault);
    *place = err || !*row ? NBX_MAP_NONE : nbx_map_get(table->places, (*row)->fields[table->id]);
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

bool nbx_table_values(const struct nbx_str **out, size_t *n, struct nbx_str cell,
                      struct nbx_arena *arena)
{
    struct nbx_str text = nbx_arena_str(arena, cell);
    size_t room = 1;
    *n = 0;
    if (!text.p)
        return false;
    for (uint32_t i = 0; i < text.len; i++)
        room += text.p[i] == '|';
    struct nbx_str *list = nbx_arena_calloc(arena, room, sizeof *list);
    *out = list;
    while (list && text.len) {
        const char *bar = memchr(text.p, '|', text.len);
        uint32_t len = bar ? (uint32_t)(bar - text.p) : text.len, used = bar ? len + 1 : len;
        struct nbx_str part = trimmed((struct nbx_str){text.p, len});
        if (part.len)
            list[(*n)++] = part;
        text = (struct nbx_str){text.p + used, text.len - used};
    }
    return list != NULL;
}
