/* SPDX-License-Identifier: MIT
 * A model in memory beside the active one: what served before, a canary, a shadow, one that is
 * about to serve.
 *
 * Why:     items change while it waits, and it must have those of the moment when it answers.
 * Owns:    the model and a share in the catalogue.
 * Threads: keeper.
 * Errors:  NBX_ELIMIT where memory does not suffice for the items' vectors.
 */
#ifndef NBX_SERVE_RESIDENT_H
#define NBX_SERVE_RESIDENT_H

#include "engine/model/registry.h"
#include "engine/serve/server_internal.h"

/* From now on a model with the items of `catalog`; takes the model. Holds none before. */
void nbx_resident_hold(struct nbx_resident *r, struct nbx_model *model,
                       struct nbx_catalog *catalog);
/* With the items of `catalog`. *old: what it was until then, to be released when nobody reads it
 * any more; NULL where it needed no change. After an error it is as before. */
enum nbx_err nbx_resident_follow(struct nbx_resident *r, struct nbx_catalog *catalog,
                                 struct nbx_model **old);
/* The model, which is the caller's; r holds none. */
struct nbx_model *nbx_resident_take(struct nbx_resident *r);
void nbx_resident_drop(struct nbx_resident *r);
/* Whether it holds that version. */
bool nbx_resident_is(const struct nbx_resident *r, const struct nbx_version *v);

#endif
