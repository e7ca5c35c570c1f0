/* SPDX-License-Identifier: MIT
 * A model in service: a bundle's spaces, indexed, with its items by number.
 *
 * Why:     a bundle speaks of item ids, an answer of item numbers; items put with vectors of their
 *          own stand beside the bundle's.
 * Owns:    indexes and fold-in state; what does not depend on the catalogue is shared between a
 *          model and its refreshed copies, counted by the writer alone.
 * Threads: making, refreshing and releasing: the writer thread. Reading: any number.
 * Errors:  NBX_ELIMIT where memory is out; nbx_bundle_open's for the file.
 */
#ifndef NBX_MODEL_MODEL_H
#define NBX_MODEL_MODEL_H

#include "engine/base/budget.h"
#include "engine/catalog/catalog.h"
#include "engine/score/fold.h"
#include "engine/score/index.h"
#include "models/bundle/bundle.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_model;

/* One factor space in service. */
struct nbx_model_space {
    struct nbx_str name;
    size_t dims;
    enum nbx_metric metric;
    enum nbx_customer_source customer;
    const struct nbx_index *index;     /* the bundle's items */
    const uint32_t *item_row;          /* (index rows) item number, UINT32_MAX: overridden */
    const struct nbx_index *own_index; /* items with vectors of their own; NULL: none */
    const uint32_t *own_item_row;      /* (own_index rows) */
    const struct nbx_fold *fold;       /* NULL where customers are given */
    const float *inverse_norm;         /* (index rows) 1 / |vector|, 0 for zero vectors */
    const float *own_inverse_norm;     /* (own_index rows) */
};

/* Opens the bundle and indexes it. ids learns every item id of the bundle. The memory is charged
 * to the budget. */
enum nbx_err nbx_model_load(struct nbx_model **out, const char *path, struct nbx_ids *ids,
                            struct nbx_budget *budget, struct nbx_fault *fault);
/* The same model with the catalogue's own vectors as they are now. old stays valid. */
enum nbx_err nbx_model_refresh(struct nbx_model **out, const struct nbx_model *old,
                               const struct nbx_catalog *catalog);
void nbx_model_release(struct nbx_model **model);

struct nbx_str nbx_model_name(const struct nbx_model *m);
struct nbx_str nbx_model_version(const struct nbx_model *m);
size_t nbx_model_n_spaces(const struct nbx_model *m);
const struct nbx_model_space *nbx_model_space_at(const struct nbx_model *m, size_t i);
/* The space of that name, the first one where name is empty; NULL where there is none. */
const struct nbx_model_space *nbx_model_space(const struct nbx_model *m, struct nbx_str name);
/* The item's padded vector (nbx_padded(dims)) in space i, or NULL. Borrowed. */
const float *nbx_model_item(const struct nbx_model *m, size_t space, uint32_t item_no);
/* True while some item has a vector of its own: what is computed from factors may then change
 * without a new version of the model. */
bool nbx_model_has_own(const struct nbx_model *m);
/* "ials (64)" ... for messages. */
void nbx_model_list_spaces(const struct nbx_model *m, struct nbx_buf *out);

#endif
