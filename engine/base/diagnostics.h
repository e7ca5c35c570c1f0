/* SPDX-License-Identifier: MIT
 * Everything wrong with a file that people write, each with its place: file:line:column: reason.
 *
 * Why:     whoever edits a file by hand wants all its errors at once, not one per attempt.
 * Owns:    copies of the file's name and of the messages.
 * Threads: one at a time.
 * Errors:  out of memory sets `failed`; the entry is then missing but nbx_diagnostics_clean is
 *          false all the same.
 */
#ifndef NBX_BASE_DIAGNOSTICS_H
#define NBX_BASE_DIAGNOSTICS_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct nbx_diagnostic {
    uint32_t line, column; /* both from 1; columns count characters */
    char *message;
};

struct nbx_diagnostics {
    char *file;
    struct nbx_diagnostic *items; /* (n) in the order of the file, equal places as reported */
    size_t n, cap;
    bool failed;
};

/* All zeros is an empty list of no file: struct nbx_diagnostics d = {0}; */
void nbx_diagnostics_fini(struct nbx_diagnostics *d);
/* Names the file the next entries are about; earlier entries go. d may be NULL. */
void nbx_diagnostics_start(struct nbx_diagnostics *d, const char *file);
/* d may be NULL: then only the caller's return code tells. */
void nbx_diagnostics_add(struct nbx_diagnostics *d, uint32_t line, uint32_t column, const char *fmt,
                         ...) NBX_PRINTF(4, 5);
/* True while nothing was added. */
bool nbx_diagnostics_clean(const struct nbx_diagnostics *d);
/* One line each: file:line:column: message. */
void nbx_diagnostics_print(const struct nbx_diagnostics *d, FILE *out);

#endif
