/* SPDX-License-Identifier: MIT
 * The way out of a running daemon and back: its events into a file, the bundle that was made of
 * them into a staged version.
 *
 * Owns:    the connection, and a temporary folder with what lies in it, until nbx_retrain_fini.
 * Threads: one.
 * Errors:  those of the client (proto/client); NBX_EBAD names --from where it is no endpoint or has
 *          no events.
 */
#ifndef NBX_MODELS_TRAIN_RETRAIN_H
#define NBX_MODELS_TRAIN_RETRAIN_H

#include "models/train/judge.h"
#include "models/tune/search.h"
#include "proto/client/client.h"

#define NBX_RETRAIN_PATH_BYTES 512
#define NBX_RETRAIN_WORD_BYTES 65 /* a name, a version, with its NUL */

struct nbx_retrain {
    const char *endpoint; /* NULL: no daemon is asked */
    uint64_t days;        /* events of the last so many; 0: all */
    float max_loss;       /* share by which the new model may fall short of judge.against */
    struct nbx_judge judge;
    /* after nbx_retrain_begin */
    struct nbx_client *client;
    struct nbx_arena *arena;
    char folder[NBX_RETRAIN_PATH_BYTES];
    char events[NBX_RETRAIN_PATH_BYTES], trial[NBX_RETRAIN_PATH_BYTES],
        bundle[NBX_RETRAIN_PATH_BYTES], active[NBX_RETRAIN_PATH_BYTES];
    /* Of the version that answers; empty: none does. called: both. */
    char name[NBX_RETRAIN_WORD_BYTES], version[NBX_RETRAIN_WORD_BYTES];
    char called[2 * NBX_RETRAIN_WORD_BYTES];
    uint64_t n_events;
};

/* Makes the folder, connects, and tells the task where its files will be. */
enum nbx_err nbx_retrain_begin(struct nbx_retrain *r, struct nbx_task *task,
                               struct nbx_fault *fault) NBX_MUST_CHECK;
/* Which version answers, whose bundle is taken to be judged against, unless another was named. */
enum nbx_err nbx_retrain_fetch(struct nbx_retrain *r, struct nbx_fault *fault) NBX_MUST_CHECK;
enum nbx_err nbx_retrain_pull(struct nbx_retrain *r, struct nbx_fault *fault) NBX_MUST_CHECK;
/* Once they were read: what customers did lies nowhere, however this process ends. */
void nbx_retrain_drop_events(const struct nbx_retrain *r);
/* The bundle at task->out, with what was found of it as metrics and notes. */
enum nbx_err nbx_retrain_push(struct nbx_retrain *r, const struct nbx_task *task,
                              const struct nbx_recipe *recipe,
                              struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_retrain_fini(struct nbx_retrain *r);

#endif
