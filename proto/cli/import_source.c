/* SPDX-License-Identifier: MIT */
#include "proto/cli/import_source.h"

#include "engine/base/buf.h"
#include "engine/base/csv.h"
#include "engine/base/map.h"
#include "engine/json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MAX_LINE_BYTES  (8UL << 20)
#define ARENA_PER_LINE  (512UL << 20)
#define MAX_COLUMNS     4096
#define FIELD_SEPARATOR 0x1f

struct nbx_source {
    const char *path;
    struct nbx_cell *cells; /* (row.n) of (MAX_COLUMNS) */
    struct nbx_row row;
    struct nbx_buf bytes; /* of the row */
    uint64_t n_rows;

    struct nbx_csv *csv;

    FILE *lines; /* NULL for CSV */
    char *line;
    size_t line_cap;
    uint64_t line_number, bytes_read, bytes_total;
    struct nbx_map *names; /* key -> column */
    struct nbx_arena *arena;
    struct nbx_buf numbers; /* texts of numbers, whose cells are set when all are written */
};

/* opening */

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);
    return n >= k && strcmp(path + n - k, suffix) == 0;
}

/* Looks at the first line without taking it from a pipe: there only the name decides. */
static void detect(const char *path, struct nbx_source_options *o)
{
    struct stat st;
    char first[4096] = "";
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    if (f && !fgets(first, sizeof first, f))
        first[0] = '\0';
    if (f)
        fclose(f);
    bool json = has_suffix(path, ".jsonl") || has_suffix(path, ".ndjson") || first[0] == '{';
    if (o->format == NBX_SOURCE_DETECT)
        o->format = json ? NBX_SOURCE_JSONL : NBX_SOURCE_CSV;
    if (!o->delimiter)
        o->delimiter = strchr(first, '\t') || has_suffix(path, ".tsv") ? '\t'
                       : strchr(first, ';') && !strchr(first, ',')     ? ';'
                                                                       : ',';
}

static enum nbx_err open_lines(struct nbx_source *s, struct nbx_fault *fault)
{
    struct stat st;
    s->lines = strcmp(s->path, "-") == 0 ? stdin : fopen(s->path, "re");
    if (!s->lines)
        return nbx_fault_set(fault, NBX_ENOTFOUND, s->path, "cannot be opened");
    if (fstat(fileno(s->lines), &st) == 0 && S_ISREG(st.st_mode))
        s->bytes_total = (uint64_t)st.st_size;
    s->names = nbx_map_new();
    s->arena = nbx_arena_new(ARENA_PER_LINE);
    return s->names && s->arena ? NBX_OK
                                : nbx_fault_set(fault, NBX_ELIMIT, s->path, "out of memory");
}

enum nbx_err nbx_source_open(struct nbx_source **out, const char *path,
                             struct nbx_source_options options, struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_source *s = calloc(1, sizeof *s);
    if (!s)
        return nbx_fault_set(fault, NBX_ELIMIT, path, "out of memory");
    s->path = path;
    s->cells = calloc(MAX_COLUMNS, sizeof *s->cells);
    detect(path, &options);
    enum nbx_err err;
    if (!s->cells)
        err = nbx_fault_set(fault, NBX_ELIMIT, path, "out of memory");
    else if (options.format == NBX_SOURCE_JSONL)
        err = open_lines(s, fault);
    else
        err = nbx_csv_open(&s->csv, path, (struct nbx_csv_options){.delimiter = options.delimiter},
                           fault);
    if (err)
        nbx_source_close(&s);
    *out = s;
    return err;
}

void nbx_source_close(struct nbx_source **source)
{
    struct nbx_source *s = *source;
    if (!s)
        return;
    nbx_csv_close(&s->csv);
    if (s->lines && s->lines != stdin)
        fclose(s->lines);
    nbx_map_destroy(&s->names);
    nbx_arena_destroy(&s->arena);
    nbx_buf_fini(&s->bytes);
    nbx_buf_fini(&s->numbers);
    free(s->line);
    free(s->cells);
    free(s);
    *source = NULL;
}

/* CSV */

static enum nbx_err next_csv(struct nbx_source *s, const struct nbx_row **row,
                             struct nbx_fault *fault)
{
    const struct nbx_csv_row *r;
    enum nbx_err err = nbx_csv_next(s->csv, &r, fault);
    s->n_rows += err || r;
    if (err || !r)
        return err;
    nbx_buf_clear(&s->bytes);
    s->row = (struct nbx_row){s->cells, 0, s->n_rows, r->from[0].line, {0}};
    for (uint32_t i = 0; i < r->n; i++) {
        nbx_buf_put(&s->bytes, r->fields[i].p, r->fields[i].len);
        nbx_buf_put_u8(&s->bytes, FIELD_SEPARATOR);
        if (r->fields[i].len)
            s->cells[s->row.n++] =
                (struct nbx_cell){i, r->from[i].column, r->fields[i], NULL, r->from[i].line};
    }
    s->row.bytes = (struct nbx_str){(const char *)s->bytes.p, (uint32_t)s->bytes.len};
    *row = &s->row;
    return s->bytes.failed ? nbx_fault_set(fault, NBX_ELIMIT, s->path, "out of memory") : NBX_OK;
}

/* JSON lines */

static enum nbx_err fault_of_line(struct nbx_source *s, struct nbx_fault *fault, enum nbx_err code,
                                  const char *message)
{
    char where[NBX_FAULT_FIELD_BYTES];
    snprintf(where, sizeof where, "%.112s:%" PRIu64, s->path, s->line_number);
    return nbx_fault_set(fault, code, where, "%s", message);
}

/* The next line that is not blank, without its end; len 0 at the end of the file. */
static enum nbx_err read_line(struct nbx_source *s, struct nbx_str *out, struct nbx_fault *fault)
{
    *out = (struct nbx_str){0};
    for (;;) {
        ssize_t n = getline(&s->line, &s->line_cap, s->lines);
        if (n < 0)
            return ferror(s->lines) ? fault_of_line(s, fault, NBX_ESTORAGE, "cannot be read")
                                    : NBX_OK;
        s->line_number++;
        s->bytes_read += (uint64_t)n;
        while (n > 0 && strchr(" \t\r\n", s->line[n - 1]))
            n--;
        if ((size_t)n > MAX_LINE_BYTES)
            return fault_of_line(s, fault, NBX_EBAD, "the line is longer than 8 MiB");
        *out = (struct nbx_str){s->line, (uint32_t)n};
        if (n > 0)
            return NBX_OK;
    }
}

static enum nbx_err column_of(struct nbx_source *s, struct nbx_str key, uint32_t *column)
{
    *column = nbx_map_get(s->names, key);
    if (*column != NBX_MAP_NONE)
        return NBX_OK;
    *column = nbx_map_count(s->names);
    return *column < MAX_COLUMNS ? nbx_map_put(s->names, key, *column) : NBX_ELIMIT;
}

/* A number's or a bool's text, by its offset in `numbers` until all are written. */
static void put_scalar(struct nbx_source *s, struct nbx_cell *cell, const struct nbx_value *v)
{
    size_t from = s->numbers.len;
    (void)!nbx_json_encode(&s->numbers, v);
    cell->text = (struct nbx_str){NULL, (uint32_t)(s->numbers.len - from)};
    cell->line = from; /* until settle() */
}

static void settle(struct nbx_source *s)
{
    for (uint32_t i = 0; i < s->row.n; i++) {
        struct nbx_cell *cell = &s->cells[i];
        if (!cell->text.p && !cell->value) {
            cell->text.p = (const char *)s->numbers.p + cell->line;
            /* 17.0 is how a whole double is written; the point says nothing. */
            if (cell->text.len > 2 && memcmp(cell->text.p + cell->text.len - 2, ".0", 2) == 0)
                cell->text.len -= 2;
        }
        cell->line = s->line_number;
    }
}

static enum nbx_err put_members(struct nbx_source *s, const struct nbx_value *map,
                                struct nbx_fault *fault)
{
    nbx_buf_clear(&s->numbers);
    for (uint32_t i = 0; i < map->n; i++) {
        const struct nbx_value *v = &map->members[i].value;
        struct nbx_cell cell = {0};
        if (v->type == NBX_NIL || (v->type == NBX_STRING && v->s.len == 0))
            continue;
        if (column_of(s, map->members[i].key, &cell.column) || s->row.n == MAX_COLUMNS)
            return fault_of_line(s, fault, NBX_ELIMIT, "too many names of columns");
        if (v->type == NBX_STRING)
            cell.text = v->s;
        else if (v->type == NBX_LIST || v->type == NBX_MAP)
            cell.value = v;
        else
            put_scalar(s, &cell, v);
        s->cells[s->row.n++] = cell;
    }
    settle(s);
    return s->numbers.failed ? fault_of_line(s, fault, NBX_ELIMIT, "out of memory") : NBX_OK;
}

static enum nbx_err next_line(struct nbx_source *s, const struct nbx_row **row,
                              struct nbx_fault *fault)
{
    struct nbx_str line;
    enum nbx_err err = read_line(s, &line, fault);
    s->n_rows += err || line.len;
    if (err || !line.len)
        return err;
    nbx_arena_reset(s->arena);
    struct nbx_value v;
    struct nbx_fault inner;
    err = nbx_json_decode(&v, line.p, line.len, s->arena, &inner);
    if (err) {
        const char *of_line = strstr(inner.message, "column ");
        return fault_of_line(s, fault, err, of_line ? of_line : inner.message);
    }
    if (v.type != NBX_MAP)
        return fault_of_line(s, fault, NBX_EBAD, "must be a JSON object");
    s->row = (struct nbx_row){s->cells, 0, s->n_rows, s->line_number, line};
    *row = &s->row;
    return put_members(s, &v, fault);
}

/* both */

enum nbx_err nbx_source_next(struct nbx_source *s, const struct nbx_row **row,
                             struct nbx_fault *fault)
{
    *row = NULL;
    return s->lines ? next_line(s, row, fault) : next_csv(s, row, fault);
}

uint64_t nbx_source_rows(const struct nbx_source *s)
{
    return s->n_rows;
}

uint32_t nbx_source_n_columns(const struct nbx_source *s)
{
    return s->lines ? nbx_map_count(s->names) : (uint32_t)nbx_csv_header(s->csv)->n;
}

struct nbx_str nbx_source_column(const struct nbx_source *s, uint32_t column)
{
    return s->lines ? nbx_map_key(s->names, column) : nbx_csv_header(s->csv)->fields[column];
}

uint64_t nbx_source_bytes_total(const struct nbx_source *s)
{
    return s->lines ? s->bytes_total : nbx_csv_bytes_total(s->csv);
}

uint64_t nbx_source_bytes_read(const struct nbx_source *s)
{
    return s->lines ? s->bytes_read : nbx_csv_bytes_read(s->csv);
}
