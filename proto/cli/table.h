/* SPDX-License-Identifier: MIT
 * An aligned table on stdout.
 *
 * Why:     titles are of any script and any length, and may hold what a terminal obeys; columns
 *          must stand straight all the same.
 * Owns:    copies of its cells.
 * Threads: main.
 * Errors:  running out of memory prints what fitted.
 */
#ifndef NBX_CLI_TABLE_H
#define NBX_CLI_TABLE_H

#include "engine/base/str.h"

#include <stdio.h>

#define NBX_TABLE_MAX_COLUMNS 32
#define NBX_TABLE_WIDTH       48 /* of a cell; a wider one is cut and ends in an ellipsis */

struct nbx_table;

/* Columns are named by the first n cells. NULL where memory is out: the calls below then do
 * nothing. n_columns is at most NBX_TABLE_MAX_COLUMNS. */
struct nbx_table *nbx_table_new(uint32_t n_columns);
/* Names and values without a row of heads: all stand left, nothing is cut. */
struct nbx_table *nbx_table_of_pairs(void);
void nbx_table_destroy(struct nbx_table **table);
/* The next cell, row by row. Control characters become spaces, bytes that are not UTF-8 "?". */
void nbx_table_cell(struct nbx_table *table, struct nbx_str text);
void nbx_table_printf(struct nbx_table *table, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints it; columns of numbers stand right. */
void nbx_table_print(const struct nbx_table *table, FILE *out);

#endif
