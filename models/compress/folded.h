/* SPDX-License-Identifier: MIT
 * What an item of the history gives to a folded customer vector, on the average.
 *
 * Why:     see linear.h. With A = alpha0 YT Y + reg I and S the rows of the history, each times the
 *          root of its weight w, Woodbury gives x = A^-1 ST z, (I + S A^-1 ST) z = sqrt(w); so a
 *          unit of item i's weight gives z_i / sqrt(w_i) A^-1 y_i.
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over threads. The same bits on any number of them.
 * Errors:  NBX_ELIMIT where memory is out, NBX_EBAD where a system cannot be solved.
 */
#ifndef NBX_MODELS_COMPRESS_FOLDED_H
#define NBX_MODELS_COMPRESS_FOLDED_H

#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"

/* history (n_items, dims): the mean, over the customers who have the item, of what it gives; 0 for
 * items that nobody has. */
enum nbx_err nbx_folded_history(float *history, const struct nbx_space *space,
                                const struct nbx_dataset *dataset, unsigned threads) NBX_MUST_CHECK;

#endif
