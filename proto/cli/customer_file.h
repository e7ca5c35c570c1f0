/* SPDX-License-Identifier: MIT
 * A file of customer ids: one a line, or a column of a CSV file.
 *
 * Why:     a list out of a database has a header, a list made by hand has none.
 * Owns:    the open file; an id lives until the next call.
 * Threads: main.
 * Errors:  as engine/base/csv.h. NBX_EBAD and NBX_ELIMIT refuse one row by file:line:column, and
 * the next call goes on behind it; any other ends the file.
 */
#ifndef NBX_CLI_CUSTOMER_FILE_H
#define NBX_CLI_CUSTOMER_FILE_H

#include "engine/base/csv.h"

#include <stdbool.h>

struct nbx_customer_file {
    struct nbx_csv *csv;
    size_t column;
    bool header_is_id; /* and has not been given yet */
};

/* The column `customer`, `customer_id` or `id`; a file of one column needs no header. */
enum nbx_err nbx_customer_file_open(struct nbx_customer_file *f, const char *path,
                                    struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_customer_file_close(struct nbx_customer_file *f);
/* *id is empty at the end. */
enum nbx_err nbx_customer_file_next(struct nbx_customer_file *f, struct nbx_str *id, uint64_t *line,
                                    struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
