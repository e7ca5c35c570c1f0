/* SPDX-License-Identifier: MIT
 * The excerpts of a model for one filter: of each space the items that it lets pass.
 *
 * Owns:    its excerpts (engine/score/excerpt.h), which are charged to the model's budget.
 * Threads: beginning and destroying: the writer thread. Filling: any one. Reading: any number.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODEL_EXCERPT_H
#define NBX_MODEL_EXCERPT_H

#include "engine/model/model.h"
#include "engine/score/excerpt.h"

/* What is smaller is searched in no time anyway. */
#define NBX_EXCERPT_LEAST_ITEMS 16384

struct nbx_model_excerpt {
    uint64_t number;  /* of each that is made another, not 0; the maker's to set, as content */
    uint64_t content; /* what passes: nbx_passing */
    size_t n_spaces;
    struct nbx_excerpt *by_space[NBX_BUNDLE_MAX_SPACES]; /* (n_spaces) of the largest pack; NULL:
                                                            that is small */
    _Atomic bool used;                                   /* set by readers, cleared by the writer */
};

/* Of the items with a bit in labels (n_labels, a multiple of 64), copied; nothing is made yet. */
enum nbx_err nbx_model_excerpt_begin(struct nbx_model_excerpt **out, const struct nbx_model *m,
                                     const uint64_t *labels, size_t n_labels);
enum nbx_err nbx_model_excerpt_fill(struct nbx_model_excerpt *excerpt);
void nbx_model_excerpt_destroy(struct nbx_model_excerpt **excerpt);

/* Whether it is of the packs that the model has now. */
bool nbx_model_excerpt_serves(const struct nbx_model_excerpt *excerpt, const struct nbx_model *m);
/* Whether its excerpts cover these labels (n_labels, a multiple of 64). */
bool nbx_model_excerpt_covers(const struct nbx_model_excerpt *excerpt, const uint64_t *labels,
                              size_t n_labels);
/* What it holds; what one of n items would hold; and how much all excerpts together should: half of
 * what the indexes hold beside the vectors, so that the whole keeps within 1.3 bytes for each
 * dimension of an item from 32 dimensions up. */
size_t nbx_model_excerpt_bytes(const struct nbx_model_excerpt *excerpt);
size_t nbx_model_excerpt_bytes_for(const struct nbx_model *m, size_t n);
size_t nbx_model_excerpts_share(const struct nbx_model *m);

#endif
