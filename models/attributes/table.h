/* SPDX-License-Identifier: MIT
 * A CSV file that says something of things by their ids: what items.c and customers.c share.
 *
 * Why:     which rows count, how a cell of several values is cut and how faults read is one thing.
 * Owns:    the reader and the lookup of ids, until nbx_table_close.
 * Threads: one caller.
 * Errors:  those of the CSV reader; NBX_EBAD: no column id; NBX_ELIMIT.
 */
#ifndef NBX_MODELS_ATTRIBUTES_TABLE_H
#define NBX_MODELS_ATTRIBUTES_TABLE_H

#include "engine/base/arena.h"
#include "engine/base/csv.h"
#include "engine/base/err.h"
#include "engine/base/map.h"

#define NBX_TABLE_ARENA_BYTES ((size_t)1 << 40) /* the file bounds it */

struct nbx_table {
    struct nbx_csv *csv;
    struct nbx_map *places; /* of the ids */
    size_t id;              /* the column */
};

/* ids (n) unique, those that the caller wants to hear of. Close it after a fault, too. */
enum nbx_err nbx_table_open(struct nbx_table *out, const char *path, const struct nbx_str *ids,
                            size_t n, struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_table_close(struct nbx_table *table);
/* The next row, NULL at the end; *place: which of the ids it is of, NBX_MAP_NONE where of none. */
enum nbx_err nbx_table_next(struct nbx_table *table, const struct nbx_csv_row **row,
                            uint32_t *place, struct nbx_fault *fault) NBX_MUST_CHECK;

/* As nbx import cuts a cell: at each bar, blanks around cut off, empty ones left out. out (*n)
 * lives in the arena. false where memory is out. */
bool nbx_table_values(const struct nbx_str **out, size_t *n, struct nbx_str cell,
                      struct nbx_arena *arena);
enum nbx_err nbx_table_no_memory(struct nbx_fault *fault);

#endif
