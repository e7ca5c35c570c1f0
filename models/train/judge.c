/* SPDX-License-Identifier: MIT */
#include "models/train/judge.h"

#include "models/bundle/bundle.h"
#include "models/dataset/split.h"
#include "models/evaluate/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIN_COMPARED 50 /* customers; fewer tell nothing */
#define ANY_TIME     INT64_MIN

/* The last item of each customer who has another, where it came after since_ms. */
static enum nbx_err hold_out(struct nbx_judge *j, const struct nbx_dataset *all, int64_t since_ms)
{
    bool *is_held = calloc(nbx_csr_entries(&all->by_customer) + 1, sizeof *is_held);
    if (!is_held)
        return NBX_ELIMIT;
    j->customers = 0;
    for (size_t c = 0; c < all->n_customers; c++) {
        uint64_t last = all->by_customer.start[c + 1] - 1;
        if (nbx_csr_row_entries(&all->by_customer, c) < 2 || all->times_ms[last] <= since_ms)
            continue;
        is_held[last] = true;
        j->customers++;
    }
    struct nbx_split_options split = {.kind = NBX_SPLIT_GIVEN, .is_held = is_held};
    enum nbx_err err = nbx_dataset_split(&j->train, &j->held, all, &split);
    free(is_held);
    return err;
}

static void drop_parts(struct nbx_judge *j)
{
    nbx_dataset_destroy(&j->train);
    nbx_dataset_destroy(&j->held);
}

enum nbx_err nbx_judge_begin(struct nbx_judge *j, struct nbx_fault *fault)
{
    struct nbx_bundle *bundle = NULL;
    struct nbx_fault why;
    j->made_ms = ANY_TIME;
    j->called = j->called ? j->called : j->against;
    if (!j->against)
        return NBX_OK;
    enum nbx_err err = nbx_bundle_open(&bundle, j->against, &why);
    if (err)
        return nbx_fault_set(fault, err, j->against, "%s%s%s", why.field, why.field[0] ? ": " : "",
                             why.message);
    j->made_ms = nbx_bundle_get(bundle)->created_ms;
    nbx_bundle_close(&bundle);
    return NBX_OK;
}

enum nbx_err nbx_judge_hold_out(struct nbx_judge *j, const struct nbx_dataset *all,
                                struct nbx_fault *fault)
{
    enum nbx_err err = hold_out(j, all, j->made_ms);
    j->compares = j->against && j->customers >= MIN_COMPARED;
    if (!err && j->against && !j->compares) {
        printf("not compared with %s: %zu customers did something new since it was made, %d are "
               "wanted\n",
               j->called, j->customers, MIN_COMPARED);
        drop_parts(j);
        err = hold_out(j, all, ANY_TIME);
    }
    if (err)
        return nbx_fault_set(fault, err, NULL, "out of memory");
    printf("held out to judge by: the last item of %zu customers\n", j->customers);
    return NBX_OK;
}

static enum nbx_err measure(struct nbx_judged *out, const struct nbx_judge *j,
                            const struct nbx_task *task, const char *path, struct nbx_fault *fault)
{
    struct nbx_bundle *bundle = NULL;
    struct nbx_evaluation e;
    struct nbx_evaluate_options how = {.protocol = "leave-one-out",
                                       .k = {j->k},
                                       .n_k = 1,
                                       .threads = task->threads,
                                       .progress_fd = STDERR_FILENO};
    enum nbx_err err = nbx_bundle_open(&bundle, path, fault);
    if (!err)
        err = nbx_evaluate(&e, nbx_bundle_get(bundle), j->train, j->held, &how, fault);
    if (!err)
        *out = (struct nbx_judged){e.at[0].metrics, e.at[0].exposure.coverage};
    nbx_bundle_close(&bundle);
    return err;
}

static void print_judged(const char *whose, const struct nbx_judge *j, const struct nbx_judged *of)
{
    printf("%s: ndcg@%zu %.4f, recall@%zu %.4f, coverage@%zu %.4f\n", whose, j->k, of->metrics.ndcg,
           j->k, of->metrics.recall, j->k, of->coverage);
}

enum nbx_err nbx_judge_try(struct nbx_judge *j, const struct nbx_task *task,
                           const struct nbx_recipe *recipe, const char *path,
                           struct nbx_fault *fault)
{
    struct nbx_task trial = *task;
    struct nbx_fit_run run = nbx_task_run(task);
    if (j->customers == 0)
        return NBX_OK;
    run.quiet = true;
    run.checkpoints = NULL;
    run.resume = false;
    trial.learn = j->train;
    trial.out = path;
    enum nbx_err err = nbx_task_make(&trial, recipe, &run, NULL, fault);
    if (!err)
        err = measure(&j->fresh, j, task, path, fault);
    if (!err)
        print_judged("by what was held out", j, &j->fresh);
    if (!err && j->compares)
        err = measure(&j->other, j, task, j->against, fault);
    if (!err && j->compares)
        print_judged(j->called, j, &j->other);
    return err;
}

bool nbx_judge_is_worse(const struct nbx_judge *j, double max_loss, struct nbx_fault *fault)
{
    const struct {
        const char *name;
        double fresh, other;
    } figures[] = {{"ndcg", j->fresh.metrics.ndcg, j->other.metrics.ndcg},
                   {"recall", j->fresh.metrics.recall, j->other.metrics.recall}};
    for (size_t i = 0; j->compares && i < sizeof figures / sizeof *figures; i++) {
        double least = (1 - max_loss) * figures[i].other;
        if (figures[i].fresh >= least)
            continue;
        nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                      "the new model is worse: %s@%zu %.4f on %zu customers, that of %s is %.4f; "
                      "at least %.4f, %g %% less",
                      figures[i].name, j->k, figures[i].fresh, j->customers, j->called,
                      figures[i].other, least, 100 * max_loss);
        return true;
    }
    return false;
}

void nbx_judge_fini(struct nbx_judge *j)
{
    drop_parts(j);
}
