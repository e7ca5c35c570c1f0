/* SPDX-License-Identifier: MIT
 * What an interrupted fit leaves behind: a file that is whole or not there.
 *
 * Why:     a power cut at epoch nine of ten must not cost nine epochs.
 * Owns:    nothing; an open file is the caller's.
 * Threads: one.
 * Errors:  NBX_ESTORAGE where it cannot be read or written; NBX_ECONFLICT where it is of another
 *          fit: other data, settings or seed.
 *
 * A line with the key, then what the family writes.
 */
#ifndef NBX_MODELS_RECIPE_CHECKPOINT_H
#define NBX_MODELS_RECIPE_CHECKPOINT_H

#include "models/dataset/dataset.h"
#include "models/recipe/recipe.h"

#include <stdint.h>
#include <stdio.h>

#define NBX_CHECKPOINT_KEY_BYTES 48

/* What a fit's bits depend on. */
void nbx_checkpoint_key(char out[NBX_CHECKPOINT_KEY_BYTES], const struct nbx_ingredient *ingredient,
                        const struct nbx_dataset *dataset, uint64_t seed);

/* The file behind its key, or *out NULL where there is none. */
enum nbx_err nbx_checkpoint_open(FILE **out, const char *path, const char *key,
                                 struct nbx_fault *fault) NBX_MUST_CHECK;
/* A new file beside path, which takes its place when it is kept. */
enum nbx_err nbx_checkpoint_begin(FILE **out, const char *path, const char *key,
                                  struct nbx_fault *fault) NBX_MUST_CHECK;
/* Closes it. written: false throws it away. */
enum nbx_err nbx_checkpoint_keep(FILE **file, const char *path, bool written,
                                 struct nbx_fault *fault) NBX_MUST_CHECK;

/* n floats with their checksum; false where they cannot be read or written, or are damaged. */
bool nbx_checkpoint_write_floats(FILE *to, const float *x, size_t n);
bool nbx_checkpoint_read_floats(FILE *from, float *x, size_t n);

#endif
