/* SPDX-License-Identifier: MIT
 * What a model is made of; for the files of engine/model alone.
 *
 * Owns:    a model its indexes and a share in its base.
 * Threads: as model.h.
 */
#ifndef NBX_MODEL_MODEL_INTERNAL_H
#define NBX_MODEL_MODEL_INTERNAL_H

#include "engine/model/model.h"
#include "models/attributes/vector.h"

#define NBX_MODEL_NO_ROW NBX_BLEND_NO_ROW

/* What depends on the bundle alone. */
struct nbx_model_base {
    struct nbx_bundle *bundle;
    char *tag; /* see nbx_model_tag */
    struct nbx_budget *budget;
    size_t charged;
    uint32_t *item_no;     /* (n_items) number of the bundle's item */
    uint32_t *row_of_item; /* (n_numbers) bundle row of an item number, or NBX_MODEL_NO_ROW */
    uint32_t n_numbers;
    /* What is served: the bundle's spaces, or of a blend one that holds all of them side by side.
     */
    struct nbx_space spaces[NBX_BUNDLE_MAX_SPACES]; /* (n_spaces) */
    size_t n_spaces;
    struct nbx_fold_in *fold[NBX_BUNDLE_MAX_SPACES]; /* of folded spaces */
    struct nbx_blend *blend;                         /* NULL: not a blend */
    float *stretch;                                  /* (dims) of a blend's index, NULL: none */
    struct nbx_describer *describer;    /* NULL: the bundle says nothing of attributes */
    struct nbx_describer *of_customers; /* the same of customers' */
    size_t joint_dims;                  /* of its vectors: all spaces of the bundle side by side */
    size_t offset[NBX_BUNDLE_MAX_SPACES]; /* where in them a space begins */
    unsigned users;                       /* models that share it */
};

/* Inverse lengths of the vectors of a space, as weights of its index; all NULL where every length
 * is 1. */
struct nbx_model_angles {
    struct nbx_model_page **pages; /* (n_pages) by item number, shared with other models */
    size_t n_pages;
    struct nbx_weights *weights;
};

/* Items that differ from an earlier model's. */
struct nbx_model_changed {
    const uint32_t *item_nos; /* (n) */
    size_t n;
};

struct nbx_model {
    struct nbx_model_base *base;
    unsigned users; /* who release it */
    struct nbx_index *index[NBX_BUNDLE_MAX_SPACES];
    struct nbx_model_angles angles[NBX_BUNDLE_MAX_SPACES];
    size_t n_own[NBX_BUNDLE_MAX_SPACES]; /* items with vectors that are not the bundle's rows */
    struct nbx_model_space spaces[NBX_BUNDLE_MAX_SPACES];
};

/* Of an open bundle, which is its own from now on, after an error too. ids as in nbx_model_load;
 * NULL: an item's number is one more than its row, for who looks at the model and does not serve
 * it. */
enum nbx_err nbx_model__of_bundle(struct nbx_model **out, struct nbx_bundle *bundle,
                                  struct nbx_ids *ids, struct nbx_budget *budget);
/* A model of that base with no indexes yet. */
enum nbx_err nbx_model__new(struct nbx_model **out, struct nbx_model_base *base);
/* One user less; the last one frees it. */
void nbx_model__release_base(struct nbx_model_base *base);
/* Fills what readers see from what the model owns. */
void nbx_model__fill_spaces(struct nbx_model *m);
/* out (dims of space s): a bundle's row as it is served. */
void nbx_model__bundle_vector(float *out, const struct nbx_model_base *b, size_t s, size_t row);
/* x (dim) scaled to length 1 into out (dim); zero vectors stay. */
void nbx_model__unit(float *out, const float *x, size_t dim);
/* The angles of the index of space s, whose parts have all their items. */
enum nbx_err nbx_model__measure(struct nbx_model *m, size_t s);
/* The same from those of an earlier view of it. made: caps of a pack that is new, or NULL. */
enum nbx_err nbx_model__measure_again(struct nbx_model *m, size_t s,
                                      const struct nbx_model_angles *from,
                                      const struct nbx_model_changed *changed,
                                      struct nbx_caps *made);
/* Another share in the same angles; index: the very one they were made for. */
enum nbx_err nbx_model__share_angles(struct nbx_model_angles *out,
                                     const struct nbx_model_angles *from,
                                     const struct nbx_index *index);
void nbx_model__release_angles(struct nbx_model_angles *angles, struct nbx_budget *budget);

static inline const struct nbx_space *nbx_model__space(const struct nbx_model *m, size_t s)
{
    return &m->base->spaces[s];
}

#endif
