/* SPDX-License-Identifier: MIT */
#include "proto/cli/table.h"

#include "engine/base/buf.h"
#include "engine/base/check.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <wchar.h>

struct cell {
    size_t from, len;
    int width;
};

struct nbx_table {
    uint32_t n_columns;
    int max_width;
    struct nbx_buf text;
    struct nbx_buf cells; /* of struct cell */
};

struct nbx_table *nbx_table_new(uint32_t n_columns)
{
    NBX_ASSERT(n_columns > 0 && n_columns <= NBX_TABLE_MAX_COLUMNS);
    struct nbx_table *t = calloc(1, sizeof *t);
    if (t)
        *t = (struct nbx_table){.n_columns = n_columns, .max_width = NBX_TABLE_WIDTH};
    return t;
}

struct nbx_table *nbx_table_of_pairs(void)
{
    struct nbx_table *t = nbx_table_new(2);
    if (t)
        t->max_width = INT_MAX;
    return t;
}

void nbx_table_destroy(struct nbx_table **table)
{
    if (!*table)
        return;
    nbx_buf_fini(&(*table)->text);
    nbx_buf_fini(&(*table)->cells);
    free(*table);
    *table = NULL;
}

/* The bytes of the character at p and its columns on a terminal; one "?" for what is no UTF-8. */
static size_t character(const char *p, size_t n, int *width, const char **shown)
{
    wchar_t c;
    mbstate_t state = {0};
    size_t len = mbrtowc(&c, p, n, &state);
    *shown = p;
    if (len == 0 || len > n) {
        *width = 1;
        *shown = "?";
        return 1;
    }
    *width = wcwidth(c);
    if (*width < 0) {
        *width = 1;
        *shown = " ";
    }
    return len;
}

static int append(struct nbx_buf *out, struct nbx_str s, int max_width)
{
    int total = 0, width;
    const char *shown;
    for (size_t at = 0; at < s.len;) {
        size_t len = character(s.p + at, s.len - at, &width, &shown);
        if (total + width > max_width)
            break;
        nbx_buf_put(out, shown, shown == s.p + at ? len : 1);
        total += width;
        at += len;
    }
    return total;
}

static int width_of(struct nbx_str s)
{
    int total = 0, width;
    const char *shown;
    for (size_t at = 0; at < s.len; total += width)
        at += character(s.p + at, s.len - at, &width, &shown);
    return total;
}

void nbx_table_cell(struct nbx_table *table, struct nbx_str text)
{
    if (!table)
        return;
    struct cell cell = {.from = table->text.len};
    if (width_of(text) <= table->max_width) {
        cell.width = append(&table->text, text, table->max_width);
    } else {
        cell.width = append(&table->text, text, table->max_width - 1) + 1;
        nbx_buf_put(&table->text, "\xe2\x80\xa6", 3);
    }
    cell.len = table->text.len - cell.from;
    if (!table->text.failed)
        nbx_buf_put(&table->cells, &cell, sizeof cell);
}

void nbx_table_printf(struct nbx_table *table, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    nbx_table_cell(table, nbx_str_c(text));
}

static struct nbx_str cell_text(const struct nbx_table *t, const struct cell *cell)
{
    return (struct nbx_str){(const char *)t->text.p + cell->from, (uint32_t)cell->len};
}

static bool looks_numeric(struct nbx_str s)
{
    return s.len == 0 || strspn(s.p, "0123456789.,+-%") >= s.len;
}

static void measure(const struct nbx_table *t, const struct cell *cells, uint32_t n, int *widths,
                    bool *numeric)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = i % t->n_columns;
        if (cells[i].width > widths[column])
            widths[column] = cells[i].width;
        if (i >= t->n_columns && !looks_numeric(cell_text(t, &cells[i])))
            numeric[column] = false;
    }
}

void nbx_table_print(const struct nbx_table *table, FILE *out)
{
    if (!table)
        return;
    const struct cell *cells = (const void *)table->cells.p;
    uint32_t n = (uint32_t)(table->cells.len / sizeof *cells), n_columns = table->n_columns;
    NBX_ASSERT(n_columns > 0);
    int widths[NBX_TABLE_MAX_COLUMNS] = {0};
    bool numeric[NBX_TABLE_MAX_COLUMNS];
    memset(numeric, n > n_columns && table->max_width < INT_MAX, sizeof numeric);
    measure(table, cells, n, widths, numeric);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t column = i % n_columns;
        bool last = column + 1 == n_columns;
        int pad = widths[column] - cells[i].width;
        struct nbx_str text = cell_text(table, &cells[i]);
        int before = numeric[column] ? pad : 0, after = numeric[column] || last ? 0 : pad;
        fprintf(out, "%*s%.*s%*s%s", before, "", NBX_STR_ARG(text), after, "", last ? "\n" : "  ");
    }
}
