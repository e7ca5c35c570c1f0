/* SPDX-License-Identifier: MIT
 * What an import leaves beside its file: how far it is, and what was refused.
 *
 * Why:     an import of hours must go on where it was stopped, and say what it left out.
 * Owns:    FILE.nbx-import (gone when the import has ended) and FILE.refused.jsonl (made with the
 *          first refused row). Of standard input there is neither.
 * Threads: main.
 * Errors:  where the folder cannot be written a warning is printed once and the import goes on.
 */
#ifndef NBX_CLI_IMPORT_STATE_H
#define NBX_CLI_IMPORT_STATE_H

#include "engine/base/err.h"
#include "engine/base/value.h"

#include <stdint.h>
#include <stdio.h>

struct nbx_import_counts {
    uint64_t rows; /* all of these are of acknowledged rows */
    uint64_t applied, duplicates, refused;
    uint64_t withheld; /* not kept: their customers withdrew consent to be profiled */
};

struct nbx_import_state {
    const char *path, *op;
    char *progress_path, *refused_path; /* NULL for standard input */
    uint64_t file_bytes;
    FILE *refused;
    uint32_t n_shown; /* refused rows on stderr */
    bool resumed, warned;
    int64_t saved_ns;
};

/* Finds what an earlier import left; *counts is zero where there is nothing or `restart`. NBX_EBAD
 * where it belongs to another file or operation. */
enum nbx_err nbx_import_state_open(struct nbx_import_state *state, const char *path, const char *op,
                                   bool restart, struct nbx_import_counts *counts,
                                   struct nbx_fault *fault) NBX_MUST_CHECK;
/* Writes the progress, at most five times a second unless `now`. */
void nbx_import_state_save(struct nbx_import_state *state, const struct nbx_import_counts *counts,
                           bool now);
/* A row that was refused: one line on stderr (the first 20), one in the file. entry may be NULL. */
void nbx_import_state_refuse(struct nbx_import_state *state, uint64_t line,
                             const struct nbx_fault *fault, const struct nbx_value *entry);
/* done: the progress is forgotten. */
void nbx_import_state_close(struct nbx_import_state *state, bool done);

#endif
