/* SPDX-License-Identifier: MIT
 * Between the keeper's files that serve model.*: keeper_models.c has the records and what is quick,
 * keeper_uploads.c takes files, keeper_swap.c loads models and hands over.
 *
 * Why:     versions have one writer, and no answer waits for a file.
 * Owns:    nothing.
 * Threads: keeper, but for the work of an order.
 * Errors:  *fault says what is wrong with a request.
 */
#ifndef NBX_SERVE_KEEPER_MODELS_H
#define NBX_SERVE_KEEPER_MODELS_H

#include "engine/model/registry.h"
#include "engine/serve/keeper.h"

#define NBX_MODELS_PATH_BYTES 4096

/* Answers; the job is gone. */
void nbx_models__refuse(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_fault *fault,
                        const struct nbx_value *id);
/* What job->reply holds, once it is durable. */
void nbx_models__answer(struct nbx_keeper *k, struct nbx_job *job);
/* What model.get says of the version, once it is durable. */
void nbx_models__answer_version(struct nbx_keeper *k, struct nbx_job *job,
                                const struct nbx_value *id, const struct nbx_version *v);

/* All versions, in the keeper's arena. */
enum nbx_err nbx_models__read(struct nbx_keeper *k, struct nbx_versions *all,
                              struct nbx_fault *fault);
/* One that is kept. NBX_ENOTFOUND. */
enum nbx_err nbx_models__find(struct nbx_version **out, const struct nbx_versions *all,
                              struct nbx_str name, struct nbx_str version, struct nbx_fault *fault);
/* Writes the keeper's batch and empties it. */
enum nbx_err nbx_models__write(struct nbx_keeper *k, struct nbx_fault *fault);

/* model.push. */
void nbx_models__push(struct nbx_keeper *k, struct nbx_job *job);
/* Looks through an upload, on another thread. */
void nbx_models__look_through(void *order);
/* Of an upload that was looked through, a version; answers its job, or begins to activate it. */
void nbx_models__end_push(struct nbx_keeper *k);
/* Removes uploads that nobody goes on with; now: all of them. */
void nbx_models__expire_uploads(struct nbx_keeper *k, bool now);

/* Activates a version for a job, whose request had that id. */
void nbx_models__activate(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                          const struct nbx_version *v);
/* model.rollback. */
void nbx_models__rollback(struct nbx_keeper *k, struct nbx_job *job);
/* Hands over to what an order has loaded, and answers its job. */
void nbx_models__end_load(struct nbx_keeper *k);
/* Keeps the previous model's items as those of the catalogue. */
void nbx_models__follow(struct nbx_keeper *k);
/* Whether that is the version, NULL: the newest bundle of the folder itself. */
bool nbx_models__is_resident(const struct nbx_keeper *k, const struct nbx_version *v);
/* Lets go of the previous model. */
void nbx_models__drop_previous(struct nbx_keeper *k);
/* Loads a version with the catalogue's items, NULL: the newest bundle of the folder itself; *out is
 * NULL where there is none. At the start whatever it is like, else it must be accepted. */
enum nbx_err nbx_models__load(struct nbx_model **out, struct nbx_keeper *k,
                              const struct nbx_version *v, bool starting, struct nbx_fault *fault);

/* Whether the bundle may serve, by the items of the catalogue; says so in the log. Any thread. */
enum nbx_err nbx_models__accept(struct nbx_accepted *out, const char *path, struct nbx_server *s,
                                const struct nbx_catalog *catalog,
                                const struct nbx_accept_bounds *bounds, struct nbx_fault *fault);
/* At the start there is no other to serve on with: a model that would not be accepted is told of.
 */
void nbx_models__doubt(const struct nbx_keeper *k, const struct nbx_model *m);

#endif
