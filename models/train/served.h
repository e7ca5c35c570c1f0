/* SPDX-License-Identifier: MIT
 * What a bundle gets of the parts that a recipe made: all as they are, or compressed.
 *
 * Owns:    the joint part, where there is one, until nbx_served_fini; the others are borrowed.
 * Threads: one caller; compressing spreads over the task's threads.
 * Errors:  those of models/compress; NBX_ELIMIT on --memory.
 */
#ifndef NBX_MODELS_TRAIN_SERVED_H
#define NBX_MODELS_TRAIN_SERVED_H

#include "models/compress/compress.h"
#include "models/train/task.h"

struct nbx_served {
    struct nbx_compressed as; /* its parts and weights */
    bool joint;               /* the first one is ours */
};

/* parts (recipe->n_parts): as they were fitted. Says what it does. */
enum nbx_err nbx_served_init(struct nbx_served *out, const struct nbx_task *task,
                             const struct nbx_recipe *recipe, const struct nbx_part *parts,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_served_fini(struct nbx_served *served);

#endif
