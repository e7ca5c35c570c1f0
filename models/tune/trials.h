/* SPDX-License-Identifier: MIT
 * The log of trials: what was tried and what it gave, a line of JSON each.
 *
 * Why:     a search that was cut goes on where it stopped, and its table can be read.
 * Owns:    its file and, in memory, what it holds.
 * Threads: one.
 * Errors:  NBX_ESTORAGE where the file cannot be read or written, NBX_EBAD with the line where it
 *          is no log or another search's (data, split or seed differ); NBX_ELIMIT.
 *
 * First line: {"search": KEY}, KEY being what results depend on beside the ingredient. A last line
 * that was cut is forgotten.
 */
#ifndef NBX_MODELS_TUNE_TRIALS_H
#define NBX_MODELS_TUNE_TRIALS_H

#include "models/recipe/recipe.h"

#include <stdbool.h>

struct nbx_trials;

/* path NULL: nothing is kept beyond the process. */
enum nbx_err nbx_trials_open(struct nbx_trials **out, const char *path, const char *key,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_trials_close(struct nbx_trials **trials);

/* Whether the ingredient was tried, and what it gave and took. */
bool nbx_trials_find(const struct nbx_trials *trials, const struct nbx_ingredient *ingredient,
                     double *ndcg, double *seconds);
enum nbx_err nbx_trials_add(struct nbx_trials *trials, const struct nbx_ingredient *ingredient,
                            double ndcg, double seconds, struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
