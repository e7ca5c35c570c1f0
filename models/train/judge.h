/* SPDX-License-Identifier: MIT
 * A recipe on trial: what a model by it, learnt without what customers did last, finds of that, and
 * what another model finds of the same.
 *
 * Why:     nobody should push what is worse than what is there. Neither model may know the answers:
 *          the trial's is learnt without them, and the other one is asked only for what happened
 *          after it was made.
 * Owns:    the two parts of the data set, which borrow its ids, until nbx_judge_fini.
 * Threads: one caller; spreads over the task's threads.
 * Errors:  those of split.h, task.h, bundle.h and evaluate.h.
 */
#ifndef NBX_MODELS_TRAIN_JUDGE_H
#define NBX_MODELS_TRAIN_JUDGE_H

#include "models/evaluate/metrics.h"
#include "models/train/task.h"

struct nbx_judged {
    struct nbx_metrics metrics; /* at k, of one held-out item a customer */
    double coverage;
};

struct nbx_judge {
    const char *against; /* a bundle's file, or NULL */
    const char *called;  /* what it is called; NULL: as its file */
    size_t k;
    int64_t made_ms; /* when that was made, of which it can know nothing later */
    /* after nbx_judge_hold_out */
    struct nbx_dataset *train, *held;
    size_t customers; /* of whom an item is held; 0: nothing can be said */
    bool compares;    /* with `against`: enough happened since it was made */
    /* after nbx_judge_try */
    struct nbx_judged fresh, other;
};

/* Looks at `against`. */
enum nbx_err nbx_judge_begin(struct nbx_judge *judge, struct nbx_fault *fault) NBX_MUST_CHECK;
/* Holds out the last item of each customer who has another: with `against` of those after it was
 * made, where these are enough to tell. Says what it does. */
enum nbx_err nbx_judge_hold_out(struct nbx_judge *judge, const struct nbx_dataset *all,
                                struct nbx_fault *fault) NBX_MUST_CHECK;
/* Makes a bundle at `path` by the recipe of what is not held out, and asks both. Prints what came
 * of it. */
enum nbx_err nbx_judge_try(struct nbx_judge *judge, const struct nbx_task *task,
                           const struct nbx_recipe *recipe, const char *path,
                           struct nbx_fault *fault) NBX_MUST_CHECK;
/* Whether the fresh one falls short of the other by more than that share; *fault says by how
 * much. */
bool nbx_judge_is_worse(const struct nbx_judge *judge, double max_loss, struct nbx_fault *fault);
void nbx_judge_fini(struct nbx_judge *judge);

#endif
