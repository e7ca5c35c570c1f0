/* SPDX-License-Identifier: MIT
 * A model in service: a bundle's spaces, indexed, with its items by number.
 *
 * Why:     a bundle speaks of item ids, an answer of item numbers; items put with vectors of their
 *          own take the place of the bundle's, and items that neither has a vector for get one
 *          from their attributes, where the bundle says what these mean; so do customers.
 * Owns:    indexes and fold-in state; what does not depend on the catalogue is shared between a
 *          model and its refreshed copies.
 * Threads: loading: any. From then on a model and its copies are one thread's, which alone shares,
 *          refreshes and releases them: the keeper's, once it serves. Reading: any number.
 * Errors:  NBX_ELIMIT where memory is out; nbx_bundle_open's for the file.
 */
#ifndef NBX_MODEL_MODEL_H
#define NBX_MODEL_MODEL_H

#include "engine/base/budget.h"
#include "engine/catalog/catalog.h"
#include "engine/score/blend.h"
#include "engine/score/fold_in.h"
#include "engine/score/search.h"
#include "models/attributes/names.h"
#include "models/bundle/bundle.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_model;

/* The name of the one space of a blend. */
#define NBX_MODEL_BLEND_SPACE "blend"

/* One factor space in service. Labels of its index are item numbers. */
struct nbx_model_space {
    struct nbx_str name;
    size_t dims;
    enum nbx_metric metric;
    enum nbx_customer_source customer;
    const struct nbx_index *index;      /* every item with a vector, wherever it comes from */
    const struct nbx_fold_in *fold;     /* NULL where customers are not folded in */
    const struct nbx_blend *blend;      /* the space is a blend's, all of its own side by side */
    const struct nbx_weights *by_angle; /* 1 / |vector|, 0 for zero vectors; NULL: all lengths 1 */
};

/* Opens the bundle and indexes it. ids learns every item id of the bundle. The memory is charged
 * to the budget. */
enum nbx_err nbx_model_load(struct nbx_model **out, const char *path, struct nbx_ids *ids,
                            struct nbx_budget *budget, struct nbx_fault *fault);
/* The same model with the items' own vectors, and those made from attributes, as `catalog` has
 * them; `old` has them as `before` does (NULL: it has none yet). Takes time in proportion to what
 * changed. old stays valid. */
enum nbx_err nbx_model_refresh(struct nbx_model **out, const struct nbx_model *old,
                               const struct nbx_catalog *before, const struct nbx_catalog *catalog);
/* False where that would be the very same: nothing changed that the model minds. */
bool nbx_model_minds(const struct nbx_model *m, const struct nbx_catalog *before,
                     const struct nbx_catalog *catalog);
/* The model stays until it was released once more. */
struct nbx_model *nbx_model_share(struct nbx_model *m);
void nbx_model_release(struct nbx_model **model);

/* An index that many changes have scattered, being packed anew. */
struct nbx_repack;
/* Looks whether some space wants it; *out is NULL where none does. */
enum nbx_err nbx_repack_begin(struct nbx_repack **out, const struct nbx_model *m);
/* The work itself: on any thread, while the writer goes on. */
void nbx_repack_run(struct nbx_repack *r);
/* The model `now` with the new packing; what changed meanwhile stays changed. Ends the repack.
 * NBX_ECONFLICT where another bundle has come into service since: the work is thrown away. */
enum nbx_err nbx_repack_end(struct nbx_model **out, const struct nbx_model *now,
                            struct nbx_repack **r);
void nbx_repack_discard(struct nbx_repack **r);

struct nbx_str nbx_model_name(const struct nbx_model *m);
struct nbx_str nbx_model_version(const struct nbx_model *m);
/* "NAME@VERSION": what tells it from every other. */
struct nbx_str nbx_model_tag(const struct nbx_model *m);
size_t nbx_model_n_spaces(const struct nbx_model *m);
const struct nbx_model_space *nbx_model_space_at(const struct nbx_model *m, size_t i);
/* The space of that name, the first one where name is empty; NULL where there is none. */
const struct nbx_model_space *nbx_model_space(const struct nbx_model *m, struct nbx_str name);
/* The item's padded vector (nbx_padded(dims)) in space i, or NULL. Borrowed. */
const float *nbx_model_item(const struct nbx_model *m, size_t space, uint32_t item_no);
/* The bundle's row of an item, NBX_BLEND_NO_ROW where it has none. */
uint32_t nbx_model_row(const struct nbx_model *m, uint32_t item_no);
/* True while some item has a vector that is not the bundle's row: what is computed from factors may
 * then change without a new version of the model. */
bool nbx_model_has_own(const struct nbx_model *m);
/* Whether the bundle says what customers' attributes mean. */
bool nbx_model_describes_customers(const struct nbx_model *m);
/* Of a model that does: *out (dims of the first space), in the arena, is the vector that attributes
 * make for a customer in the first space; NULL where none of them says anything. NBX_ELIMIT where
 * the arena is out. */
enum nbx_err nbx_model_describe_customer(const float **out, const struct nbx_model *m,
                                         const struct nbx_customer_facts *facts,
                                         struct nbx_arena *arena);
/* "ials (64)" ... for messages. */
void nbx_model_list_spaces(const struct nbx_model *m, struct nbx_buf *out);

#endif
