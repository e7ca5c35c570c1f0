/* SPDX-License-Identifier: MIT
 * How each family becomes a part; for the files of models/recipe alone.
 *
 * Owns:    what a part gets is the part's.
 * Threads: one caller.
 * Errors:  as in part.h.
 */
#ifndef NBX_MODELS_RECIPE_INTERNAL_H
#define NBX_MODELS_RECIPE_INTERNAL_H

#include "models/ease/ease.h"
#include "models/ials/ials.h"
#include "models/neighbours/neighbours.h"
#include "models/recipe/part.h"
#include "models/sequence/sequence.h"
#include "models/spectral/spectral.h"

static inline size_t nbx_part__whole(const struct nbx_ingredient *i, const char *setting)
{
    return (size_t)nbx_ingredient_get(i, setting);
}

static inline float nbx_part__number(const struct nbx_ingredient *i, const char *setting)
{
    return (float)nbx_ingredient_get(i, setting);
}

enum nbx_err nbx_part__out_of_memory(struct nbx_fault *fault);
/* (n) copied, or NULL. */
float *nbx_part__copy_floats(const float *from, size_t n);
/* 1, decay, decay^2 ... of `recent` items, then 0; or 1 for all. */
enum nbx_err nbx_part__set_positions(struct nbx_part *p, const struct nbx_ingredient *ingredient,
                                     const float **positions, size_t *n_positions);
/* Makes the part one of neighbours from p->rows. */
enum nbx_err nbx_part__be_neighbours(struct nbx_part *p, const struct nbx_ingredient *ingredient);
/* Makes it a space of p->item_factors. */
void nbx_part__be_space(struct nbx_part *p, size_t dims, enum nbx_customer_source customer);

struct nbx_ials_options nbx_part__ials_options(const struct nbx_ingredient *i,
                                               const struct nbx_fit_run *run);
struct nbx_sequence_options nbx_part__sequence_options(const struct nbx_ingredient *i,
                                                       const struct nbx_fit_run *run);
struct nbx_neighbours_options nbx_part__neighbours_options(const struct nbx_ingredient *i,
                                                           const struct nbx_fit_run *run);
struct nbx_ease_options nbx_part__ease_options(const struct nbx_ingredient *i,
                                               const struct nbx_fit_run *run);
struct nbx_spectral_options nbx_part__spectral_options(const struct nbx_ingredient *i,
                                                       const struct nbx_fit_run *run);

/* As nbx_part_fit, of one family; p has its family, and is the caller's to fini after an error. */
enum nbx_err nbx_part__fit_ials(struct nbx_part *p, const struct nbx_ingredient *i,
                                const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                struct nbx_fault *fault);
enum nbx_err nbx_part__fit_sequence(struct nbx_part *p, const struct nbx_ingredient *i,
                                    const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                    struct nbx_fault *fault);
/* Unordered and ordered. */
enum nbx_err nbx_part__fit_neighbours(struct nbx_part *p, const struct nbx_ingredient *i,
                                      const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                      struct nbx_fault *fault);
enum nbx_err nbx_part__fit_ease(struct nbx_part *p, const struct nbx_ingredient *i,
                                const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                struct nbx_fault *fault);
enum nbx_err nbx_part__fit_spectral(struct nbx_part *p, const struct nbx_ingredient *i,
                                    const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                    struct nbx_fault *fault);
enum nbx_err nbx_part__fit_popularity(struct nbx_part *p, const struct nbx_ingredient *i,
                                      const struct nbx_dataset *d, struct nbx_fault *fault);

#endif
