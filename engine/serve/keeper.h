/* SPDX-License-Identifier: MIT
 * Between the keeper's files: keeper.c hands out worlds, keeper_items.c serves item.*,
 * keeper_repack.c has scattered indexes packed anew, keeper_ranking.c rankings made,
 * keeper_excerpts.c excerpts for filters that come often, keeper_backup.c backups, keeper_models.c,
 * keeper_uploads.c and keeper_swap.c models.
 *
 * Threads: keeper.
 */
#ifndef NBX_SERVE_KEEPER_H
#define NBX_SERVE_KEEPER_H

#include "engine/serve/server_internal.h"

/* A world of now with that model, and without excerpts. */
struct nbx_world nbx_keeper__world(const struct nbx_keeper *keeper, const struct nbx_model *model);
/* Hands the world of what the keeper holds now to every worker; returns when each obeys it. Then
 * whatever the old world named may be freed. NBX_ELIMIT: nothing was handed out. */
enum nbx_err nbx_keeper__publish(struct nbx_keeper *keeper);
/* The same of what is written already, so that it must be obeyed: tries until memory suffices. */
void nbx_keeper__must_publish(struct nbx_keeper *keeper);
/* Serves the item changes that wait, all in one snapshot; and
 * what else came; false where nothing waited. */
bool nbx_keeper__serve_items(struct nbx_keeper *keeper);
/* Adds the catalogue's sequence number to the batch. */
void nbx_keeper__put_seq(struct nbx_keeper *keeper);
/* Begins to pack an index anew where one wants it, and where that is done hands out the world with
 * it; true if the world changed. */
bool nbx_keeper__repack(struct nbx_keeper *keeper);
/* True while a new packing waits to be handed out. */
bool nbx_keeper__repacked(const struct nbx_keeper *keeper);
/* Once the keeper's thread has ended: waits for the packing under way and throws it away. */
void nbx_keeper__repack_stop(struct nbx_keeper *keeper);
/* The same for rankings, which are made where they are due. */
bool nbx_keeper__rank(struct nbx_keeper *keeper);
bool nbx_keeper__ranked(const struct nbx_keeper *keeper);
void nbx_keeper__rank_stop(struct nbx_keeper *keeper);
/* And for excerpts, which are made where workers wish it. */
bool nbx_keeper__excerpt(struct nbx_keeper *keeper);
bool nbx_keeper__excerpted(const struct nbx_keeper *keeper);
void nbx_keeper__excerpt_stop(struct nbx_keeper *keeper);
/* Once no worker runs. */
void nbx_keeper__excerpt_free(struct nbx_keeper *keeper);
/* For a model that is to serve: those that the active one has, of its own packs, to be filled on
 * any thread. Returns how many; out (NBX_EXCERPTS_MAX). */
size_t nbx_keeper__begin_excerpts(struct nbx_keeper *keeper, struct nbx_model_excerpt **out,
                                  const struct nbx_model *model);
/* They are among those of the keeper from now on: before a world with the model is handed out. */
void nbx_keeper__take_excerpts(struct nbx_keeper *keeper, struct nbx_model_excerpt **fresh,
                               size_t n);
/* Those of the model that a new world has; and once it is handed out the end of all others. */
void nbx_keeper__put_excerpts(const struct nbx_keeper *keeper, struct nbx_world *world);
void nbx_keeper__end_excerpts(struct nbx_keeper *keeper);
/* Begins a backup, the job of which is answered once it has ended. */
void nbx_keeper__begin_backup(struct nbx_keeper *keeper, struct nbx_job *job);
/* Answers for a backup that has ended; false where none has. */
bool nbx_keeper__end_backup(struct nbx_keeper *keeper);
bool nbx_keeper__backup_ended(const struct nbx_keeper *keeper);
/* Once the keeper's thread has ended: waits for the one under way. */
void nbx_keeper__backup_stop(struct nbx_keeper *keeper);
/* Begins to rid files of who was forgotten, and notes the end of it; true where one has ended. */
bool nbx_keeper__erase(struct nbx_keeper *keeper);
bool nbx_keeper__erase_ended(const struct nbx_keeper *keeper);
/* At the start: what an end came between. */
enum nbx_err nbx_keeper__erase_load(struct nbx_keeper *keeper);
/* Once the keeper's thread has ended: one under way gives up, for the next start to do it. */
void nbx_keeper__erase_stop(struct nbx_keeper *keeper);
/* Whether the job is a model.*, and serves it. */
bool nbx_keeper__is_of_models(const struct nbx_job *job);
void nbx_keeper__serve_models(struct nbx_keeper *keeper, struct nbx_job *job);
/* Answers for what of it was done aside and has ended; looks after uploads and the previous model.
 * False where none has. */
bool nbx_keeper__tend_models(struct nbx_keeper *keeper);
bool nbx_keeper__models_ended(const struct nbx_keeper *keeper);
/* Before any thread runs: removes files that no version has and loads what serves, the active
 * version or the newest bundle of the folder, with the catalogue's items; NULL where there is none.
 * NBX_ECORRUPT: a version lacks its file, or it is damaged. */
enum nbx_err nbx_keeper__load_model(struct nbx_keeper *keeper, struct nbx_model **out,
                                    struct nbx_fault *fault);
/* The newest bundle takes the place of the one in use; where a version is active, nothing. */
void nbx_keeper__reload_model(struct nbx_keeper *keeper);
/* A shadow and a canary: asks and judges them; false where nothing ended. */
bool nbx_keeper__tend_trials(struct nbx_keeper *keeper);
bool nbx_keeper__trials_ended(const struct nbx_keeper *keeper);
/* Nobody asks any model from here on what a world names; before the world goes. */
void nbx_keeper__pause_asking(struct nbx_keeper *keeper);
/* The canary with the items of the catalogue, from the next world on. Returns what it was until
 * then, to be released once that is handed out, or NULL. Where memory does not suffice it ends. */
struct nbx_model *nbx_keeper__follow_canary(struct nbx_keeper *keeper);
/* Once no worker runs: the shadow, the canary and what served before. */
void nbx_keeper__models_free(struct nbx_keeper *keeper);
/* Once the keeper's thread has ended: uploads under way are removed. */
void nbx_keeper__models_stop(struct nbx_keeper *keeper);
/* The first rankings, before any thread runs. */
enum nbx_err nbx_keeper__rank_first(struct nbx_keeper *keeper);

#endif
