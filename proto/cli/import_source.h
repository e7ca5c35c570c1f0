/* SPDX-License-Identifier: MIT
 * A file as rows of cells: CSV, TSV or JSON lines.
 *
 * Why:     what follows (names of columns, values, batches) is the same for all of them.
 * Owns:    an open source owns the current row until the next call.
 * Threads: main.
 * Errors:  as engine/base/csv.h; the fault's field is file:line:column, of JSON lines file:line.
 *          After NBX_EBAD the next call goes on with the next row.
 */
#ifndef NBX_CLI_IMPORT_SOURCE_H
#define NBX_CLI_IMPORT_SOURCE_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/value.h"

#include <stdint.h>

struct nbx_source;

enum nbx_source_format { NBX_SOURCE_DETECT, NBX_SOURCE_CSV, NBX_SOURCE_JSONL };

struct nbx_source_options {
    enum nbx_source_format format;
    char delimiter; /* of CSV; 0: a tab where the first line has one, else ';' or ',' */
};

struct nbx_cell {
    uint32_t column;
    uint32_t from;       /* where in the line it begins, in characters from 1; 0 in JSON lines */
    struct nbx_str text; /* numbers and booleans of JSON lines as they are written */
    const struct nbx_value *value; /* list or map of JSON lines, else NULL */
    uint64_t line;
};

struct nbx_row {
    const struct nbx_cell *cells; /* (n): without those that are empty or null */
    uint32_t n;
    uint64_t number;      /* from 1, wrong rows counted too */
    uint64_t line;        /* where it begins */
    struct nbx_str bytes; /* what makes it this row: for its hash */
};

enum nbx_err nbx_source_open(struct nbx_source **out, const char *path,
                             struct nbx_source_options options,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_source_close(struct nbx_source **source);

/* *row: the next row, NULL at the end. *number counts wrong rows too. */
enum nbx_err nbx_source_next(struct nbx_source *source, const struct nbx_row **row,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
/* Rows read until now, wrong ones too. */
uint64_t nbx_source_rows(const struct nbx_source *source);
/* Columns known until now: all of a CSV file's from the start, of JSON lines as they come. */
uint32_t nbx_source_n_columns(const struct nbx_source *source);
struct nbx_str nbx_source_column(const struct nbx_source *source, uint32_t column);

/* 0 where the size is not known (a pipe). */
uint64_t nbx_source_bytes_total(const struct nbx_source *source);
uint64_t nbx_source_bytes_read(const struct nbx_source *source);

#endif
