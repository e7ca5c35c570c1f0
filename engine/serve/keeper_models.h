/* SPDX-License-Identifier: MIT
 * Between the keeper's files that serve model.*: keeper_models.c has the records and what is quick,
 * keeper_uploads.c takes files and keeper_read.c gives them, keeper_swap.c plans what becomes of a
 * version and hands over, keeper_load.c loads and warms up, keeper_trial.c has shadows and
 * canaries.
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
#include "engine/serve/resident.h"

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
/* What was done to a version, for the log. */
struct nbx_model_deed {
    const char *what;            /* "push", "activate", "rollback", "stage", "delete" */
    const struct nbx_version *v; /* as it is now; NULL: none, the folder's own bundles serve */
    bool pushed;                 /* its digest and who pushed it are said too */
    bool ended;                  /* a trial ended by it: its verdict is said too */
};
/* Writes the keeper's batch, with the command's entry in the log, and empties it. */
enum nbx_err nbx_models__write(struct nbx_keeper *k, const struct nbx_model_deed *deed,
                               struct nbx_fault *fault);

/* model.read. */
void nbx_models__read_file(struct nbx_keeper *k, struct nbx_job *job);

/* model.push. */
void nbx_models__push(struct nbx_keeper *k, struct nbx_job *job);
/* Looks through an upload, on another thread. */
void nbx_models__look_through(void *order);
/* Of an upload that was looked through, a version; answers its job, or begins to activate it. */
void nbx_models__end_push(struct nbx_keeper *k);
/* Removes uploads that nobody goes on with; now: all of them. */
void nbx_models__expire_uploads(struct nbx_keeper *k, bool now);

/* What becomes of a version, and what it is that does. */
struct nbx_move {
    enum nbx_move_kind kind;
    struct nbx_version *active; /* until now; NULL: none */
    struct nbx_version *target; /* NULL: the folder's own bundles, of a rollback */
    enum nbx_stage stage;       /* of a trial: shadow or canary */
    double share;
};

/* Activates a version for a job, whose request had that id. */
void nbx_models__activate(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                          const struct nbx_version *v);
/* model.rollback. */
void nbx_models__rollback(struct nbx_keeper *k, struct nbx_job *job);
/* model.stage, to shadow or canary: of how large a share, 0: as large as usual. */
void nbx_models__try(struct nbx_keeper *k, struct nbx_job *job,
                     const struct nbx_model_version_req *req);
/* What the order under way is for, as the versions are now. */
enum nbx_err nbx_models__plan_again(struct nbx_move *out, struct nbx_keeper *k,
                                    struct nbx_versions *all, struct nbx_fault *fault);
/* Whether there is nothing to do any more. */
bool nbx_models__is_done(const struct nbx_move *c);
/* Writes it, hands over to `fresh`, which has the catalogue's items (NULL: to the one in memory),
 * and answers; takes fresh. */
void nbx_models__carry_out(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                           const struct nbx_move *c, struct nbx_model *fresh);
/* Answers for what was done, or was so already. */
void nbx_models__answer_move(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                             const struct nbx_move *c);

/* Carries it out with a model in memory, or begins to load it. */
void nbx_models__begin(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                       const struct nbx_move *c);
/* Of an order whose model is loaded, or warmed up: goes on. */
void nbx_models__end_load(struct nbx_keeper *k);
/* Whether its model is being loaded or warmed up. */
bool nbx_models__is_loading(const struct nbx_keeper *k);
/* The version's model in memory, NULL: where none is; v NULL: the folder's newest bundle. */
struct nbx_resident *nbx_models__resident(struct nbx_keeper *k, const struct nbx_version *v);
/* Keeps the previous model's items as those of the catalogue. */
void nbx_models__follow(struct nbx_keeper *k);
/* Lets go of the previous model; the second one says so: memory is short. */
void nbx_models__drop_previous(struct nbx_keeper *k);
void nbx_models__give_up_previous(struct nbx_keeper *k);

/* Of a version that is put to the trial of `c`: the model in its place, fresh, or NULL: from where
 * it is in memory. */
void nbx_trials__place(struct nbx_keeper *k, const struct nbx_move *c, struct nbx_model *fresh);
/* The record goes on to another stage; of a trial that ends by it, what was found is kept. */
void nbx_trials__leave(const struct nbx_keeper *k, struct nbx_model_record *r,
                       enum nbx_stage stage);
/* The model from where it is in memory, which is empty then, and no trial goes on with it. */
struct nbx_model *nbx_trials__take(struct nbx_keeper *k, struct nbx_resident *r);
/* No version is tried in that stage any more, by the records; so none is in memory. */
void nbx_trials__end(struct nbx_keeper *k, enum nbx_stage stage);
/* The versions that are tried, by the records, at the start; what cannot be loaded is staged. */
enum nbx_err nbx_trials__load(struct nbx_keeper *k, struct nbx_versions *all,
                              struct nbx_fault *fault);
/* Appends the member `trial`, of a version that is in one. */
void nbx_trials__put(struct nbx_buf *b, const struct nbx_keeper *k, const struct nbx_version *v);
/* Questions that workers have handed on since, for an asker (n_questions); workers hand on as many
 * as are wanted now. */
void nbx_trials__take_questions(struct nbx_keeper *k, struct nbx_asker *asker);
void nbx_trials__want_questions(struct nbx_keeper *k);

/* Loads a version with the catalogue's items, NULL: the newest bundle of the folder itself; *out is
 * NULL where there is none. At the start whatever it is like, else it must be accepted. */
enum nbx_err nbx_models__load(struct nbx_model **out, struct nbx_keeper *k,
                              const struct nbx_version *v, bool starting, struct nbx_fault *fault);

/* Takes hold of what bundles are judged by, for another thread too, and lets go of it. */
void nbx_models__begin_judging(struct nbx_model_judge *out, const struct nbx_keeper *k);
void nbx_models__end_judging(struct nbx_model_judge *judge);
/* Whether the bundle may serve; says so in the log. Any thread. */
enum nbx_err nbx_models__accept(struct nbx_accepted *out, const char *path,
                                const struct nbx_model_judge *judge, struct nbx_fault *fault);
/* The same by what the keeper holds now, while it waits. */
enum nbx_err nbx_models__accept_now(const char *path, const struct nbx_keeper *k,
                                    struct nbx_fault *fault);
/* At the start there is no other to serve on with: a model that would not be accepted is told of.
 */
void nbx_models__doubt(const struct nbx_keeper *k, const struct nbx_model *m);

#endif
