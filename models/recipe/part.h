/* SPDX-License-Identifier: MIT
 * A part of a model as a family learnt it, and parts together as a bundle.
 *
 * Owns:    a part its arrays, until nbx_part_fini.
 * Threads: one caller; fitting spreads over run.threads. The same seed, data, settings and threads
 *          give the same bits on one machine.
 * Errors:  those of the family; NBX_EBAD for a family that needs an order, or times, which the data
 *          has not; NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_RECIPE_PART_H
#define NBX_MODELS_RECIPE_PART_H

#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"
#include "models/recipe/recipe.h"

#include <stdbool.h>
#include <stdint.h>

struct nbx_fit_run {
    uint64_t seed;
    unsigned threads;
    int progress_fd;
    bool quiet;              /* no line per epoch on stdout */
    const char *checkpoints; /* NULL, or how the files begin that are left behind after each epoch,
                                ".<family>.checkpoint" being added; gone when a part is done */
    bool resume;             /* go on from them, where they are */
};

struct nbx_part {
    enum nbx_family family;
    bool sparse; /* neighbours, else a space */
    bool paired; /* a space, and neighbours that are scaled by it: one part in two pieces */
    struct nbx_space space;
    struct nbx_neighbours neighbours;
    double loss; /* of the last epoch; 0 where the family has none */
    /* what the two borrow from */
    float *item_factors, *history_factors, *positions;
    struct nbx_csr rows;
};

enum nbx_err nbx_part_fit(struct nbx_part *out, const struct nbx_ingredient *ingredient,
                          const struct nbx_dataset *dataset, const struct nbx_fit_run *run,
                          struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_part_fini(struct nbx_part *part);
/* Bytes that nbx_part_fit takes at most, its result included. */
uint64_t nbx_part_bound_bytes(const struct nbx_ingredient *ingredient,
                              const struct nbx_dataset *dataset, const struct nbx_fit_run *run);

/* Seconds that it may take, roughly: operations over what two such processors do. */
double nbx_part_seconds(const struct nbx_ingredient *ingredient, const struct nbx_dataset *dataset,
                        unsigned threads);
/* What a bundle of these parts (n) is: spaces, neighbours and, where it takes more than one folded
 * space, family `blend`; the rest of info is the caller's. weights (n): what each part counts. The
 * parts must outlive info. */
void nbx_parts_describe(struct nbx_bundle_info *info, const struct nbx_part *parts,
                        const double *weights, size_t n);

#endif
