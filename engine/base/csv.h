/* SPDX-License-Identifier: MIT
 * Reads CSV strictly, row by row: RFC 4180 in UTF-8, with a header row.
 *
 * Why:     whoever imports a file wants to know where it is wrong, and a file of any size must
 *          not need more memory than one row.
 * Owns:    an open reader owns the current row; it lives until the next call.
 * Threads: one at a time per reader.
 * Errors:  every fault's field is "file:line:column" (both from 1, column in characters), its
 *          message the reason. NBX_EBAD: a quote inside an unquoted field, text after a closing
 *          quote, an unclosed quote, a carriage return alone, a NUL, bytes that are not UTF-8,
 *          another number of fields than the header's, a column named twice, no header.
 *          NBX_ELIMIT: a field, row or number of columns past its bound, or memory is out.
 *          NBX_ENOTFOUND: no such file. NBX_ESTORAGE: it cannot be read.
 *          After NBX_EBAD or NBX_ELIMIT the next call goes on with the next line.
 *
 * Lines end in LF or CRLF; the last one need not. A byte order mark in front is passed over.
 * Nothing is trimmed: spaces belong to the field.
 */
#ifndef NBX_BASE_CSV_H
#define NBX_BASE_CSV_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_CSV_MAX_COLUMNS     4096
#define NBX_CSV_MAX_FIELD_BYTES (64 * 1024)
#define NBX_CSV_MAX_ROW_BYTES   (1024 * 1024)
#define NBX_CSV_NO_COLUMN       SIZE_MAX

struct nbx_csv;

/* All zeros means the defaults. */
struct nbx_csv_options {
    char delimiter;         /* default ',' */
    size_t max_field_bytes; /* default NBX_CSV_MAX_FIELD_BYTES, quotes not counted */
    size_t max_row_bytes;   /* default NBX_CSV_MAX_ROW_BYTES, delimiters not counted */
};

struct nbx_csv_place {
    uint64_t line;
    uint32_t column;
};

struct nbx_csv_row {
    const struct nbx_str *fields;     /* (n) unquoted, valid UTF-8 without NUL */
    const struct nbx_csv_place *from; /* (n) where each field begins in the file */
    size_t n;                         /* the header's number of columns */
    uint64_t number;                  /* 1: the first row below the header */
};

/* Opens the file ("-": standard input) and reads its header. */
enum nbx_err nbx_csv_open(struct nbx_csv **out, const char *path, struct nbx_csv_options options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_csv_close(struct nbx_csv **csv);

/* The header row; borrowed until close. */
const struct nbx_csv_row *nbx_csv_header(const struct nbx_csv *csv);
/* The column of that name, byte for byte, or NBX_CSV_NO_COLUMN. */
size_t nbx_csv_column(const struct nbx_csv *csv, const char *name);

/* *row: the next row, borrowed until the next call; NULL at the end of the file. */
enum nbx_err nbx_csv_next(struct nbx_csv *csv, const struct nbx_csv_row **row,
                          struct nbx_fault *fault) NBX_MUST_CHECK;

/* A fault at field `column` of the current row, of the header before the first, for what only the
 * caller can judge:
 *     return nbx_csv_fault(csv, fault, NBX_EBAD, column, "\"%s\" is not a number", text); */
enum nbx_err nbx_csv_fault(const struct nbx_csv *csv, struct nbx_fault *fault, enum nbx_err code,
                           size_t column, const char *fmt, ...) NBX_PRINTF(5, 6);

/* Appends a field as RFC 4180 writes it: quoted where it must be. */
void nbx_csv_put(struct nbx_buf *b, struct nbx_str field);

/* How far the reader is, and the file's size (0 where it has none, such as a pipe). */
uint64_t nbx_csv_bytes_read(const struct nbx_csv *csv);
uint64_t nbx_csv_bytes_total(const struct nbx_csv *csv);

#endif
