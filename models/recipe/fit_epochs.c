/* SPDX-License-Identifier: MIT
 * The families that learn in epochs, and leave a checkpoint after each.
 */
#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "models/recipe/checkpoint.h"
#include "models/recipe/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

struct nbx_ials_options nbx_part__ials_options(const struct nbx_ingredient *i,
                                               const struct nbx_fit_run *run)
{
    return (struct nbx_ials_options){.dim = nbx_part__whole(i, "dim"),
                                     .alpha0 = nbx_part__number(i, "alpha0"),
                                     .lambda = nbx_part__number(i, "lambda"),
                                     .nu = nbx_part__number(i, "nu"),
                                     .seed = run->seed,
                                     .threads = run->threads,
                                     .steps = NBX_IALS_DEFAULT_STEPS,
                                     .relaxation = NBX_IALS_DEFAULT_RELAXATION};
}

static void print_epoch(uint64_t epoch, uint64_t epochs, double loss, double before, double seconds)
{
    printf("epoch %" PRIu64 "/%" PRIu64 ": loss %.6g", epoch, epochs, loss);
    if (before > 0)
        printf(" (%+.2f %%)", 100 * (loss - before) / before);
    printf(", %.3f s\n", seconds);
}

/* Where a part leaves its state between epochs. */
struct keeper {
    char *path; /* NULL: nowhere */
    char key[NBX_CHECKPOINT_KEY_BYTES];
    bool resume; /* from it, where it is */
    bool quiet;
};

static enum nbx_err keeper_init(struct keeper *k, const struct nbx_ingredient *i,
                                const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                struct nbx_fault *fault)
{
    *k = (struct keeper){0};
    if (!run->checkpoints)
        return NBX_OK;
    k->resume = run->resume;
    k->quiet = run->quiet;
    nbx_checkpoint_key(k->key, i, d, run->seed);
    if (asprintf(&k->path, "%s.%s.checkpoint", run->checkpoints, nbx_family_info(i->family)->name) <
        0)
        return nbx_part__out_of_memory(fault);
    return NBX_OK;
}

/* done: the part is learnt, and the file no longer of use. */
static void keeper_fini(struct keeper *k, bool done)
{
    if (k->path && done)
        unlink(k->path);
    free(k->path);
}

static enum nbx_err save_ials(const struct nbx_ials *ials, const struct keeper *k,
                              const struct nbx_dataset *d, size_t dim, uint64_t epoch,
                              struct nbx_fault *fault)
{
    FILE *to;
    if (!k->path)
        return NBX_OK;
    enum nbx_err err = nbx_checkpoint_begin(&to, k->path, k->key, fault);
    if (err)
        return err;
    bool written =
        fwrite(&epoch, sizeof epoch, 1, to) == 1 &&
        nbx_checkpoint_write_floats(to, nbx_ials_customers(ials), d->n_customers * dim) &&
        nbx_checkpoint_write_floats(to, nbx_ials_items(ials), d->n_items * dim);
    return nbx_checkpoint_keep(&to, k->path, written, fault);
}

/* *epoch: how many are done already; false where the file is damaged. */
static bool read_ials(struct nbx_ials *ials, FILE *from, const struct nbx_dataset *d, size_t dim,
                      uint64_t *epoch)
{
    float *customers = malloc((d->n_customers * dim + 1) * sizeof *customers);
    float *items = malloc((d->n_items * dim + 1) * sizeof *items);
    bool good = customers && items && fread(epoch, sizeof *epoch, 1, from) == 1 &&
                nbx_checkpoint_read_floats(from, customers, d->n_customers * dim) &&
                nbx_checkpoint_read_floats(from, items, d->n_items * dim);
    if (good)
        nbx_ials_restart(ials, customers, items, *epoch);
    free(customers);
    free(items);
    return good;
}

static enum nbx_err load_ials(struct nbx_ials *ials, const struct keeper *k,
                              const struct nbx_dataset *d, size_t dim, uint64_t *epoch,
                              struct nbx_fault *fault)
{
    FILE *from;
    *epoch = 0;
    if (!k->resume)
        return NBX_OK;
    enum nbx_err err = nbx_checkpoint_open(&from, k->path, k->key, fault);
    if (err || !from)
        return err;
    if (!read_ials(ials, from, d, dim, epoch))
        err = nbx_fault_set(fault, NBX_ECORRUPT, k->path, "is damaged: remove it");
    fclose(from);
    if (!err && !k->quiet)
        printf("going on after epoch %" PRIu64 "\n", *epoch);
    return err;
}

static enum nbx_err ials_epoch(struct nbx_ials *ials, double *loss, uint64_t epoch, uint64_t epochs,
                               const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    double before = *loss;
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_ials_epoch(ials, fault);
    double seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
    if (!err && (!run->quiet || epoch == epochs))
        err = nbx_ials_loss(ials, loss, fault);
    if (!err && !run->quiet)
        print_epoch(epoch, epochs, *loss, before, seconds);
    return err;
}

static enum nbx_err run_ials(struct nbx_ials *ials, double *loss, const struct nbx_ingredient *i,
                             const struct nbx_dataset *d, const struct nbx_fit_run *run,
                             struct nbx_fault *fault)
{
    struct nbx_progress progress;
    struct keeper keeper;
    uint64_t epochs = nbx_part__whole(i, "epochs"), done = 0;
    size_t dim = nbx_part__whole(i, "dim");
    enum nbx_err err = keeper_init(&keeper, i, d, run, fault);
    if (!err)
        err = load_ials(ials, &keeper, d, dim, &done, fault);
    nbx_progress_start(&progress, run->progress_fd, "training", "epochs", epochs);
    for (; !err && done < epochs; done++) {
        nbx_progress_update(&progress, done);
        err = ials_epoch(ials, loss, done + 1, epochs, run, fault);
        if (!err)
            err = save_ials(ials, &keeper, d, dim, done + 1, fault);
        nbx_progress_end(&progress);
    }
    keeper_fini(&keeper, !err);
    return err;
}

enum nbx_err nbx_part__fit_ials(struct nbx_part *p, const struct nbx_ingredient *i,
                                const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                struct nbx_fault *fault)
{
    struct nbx_ials *ials;
    struct nbx_ials_options o = nbx_part__ials_options(i, run);
    enum nbx_err err = nbx_ials_new(&ials, &d->by_customer, &d->by_item, &o, fault);
    if (err)
        return err;
    err = run_ials(ials, &p->loss, i, d, run, fault);
    if (!err)
        err = nbx_ials_align(ials, fault);
    p->item_factors = nbx_part__copy_floats(nbx_ials_items(ials), d->n_items * o.dim);
    if (!err && !p->item_factors)
        err = nbx_part__out_of_memory(fault);
    nbx_ials_destroy(&ials);
    nbx_part__be_space(p, o.dim, NBX_CUSTOMER_FOLDED);
    p->space.alpha0 = o.alpha0;
    p->space.lambda = o.lambda;
    p->space.nu = o.nu;
    return err;
}

struct nbx_sequence_options nbx_part__sequence_options(const struct nbx_ingredient *i,
                                                       const struct nbx_fit_run *run)
{
    struct nbx_sequence_options o;
    nbx_sequence_defaults(&o);
    o.dim = nbx_part__whole(i, "dim");
    o.recent = nbx_part__whole(i, "recent");
    o.groups = nbx_part__whole(i, "groups");
    /* A bundle has no room for more of them: each group has a list of its own. */
    if (o.groups * (o.recent + 1) > NBX_BUNDLE_MAX_POSITIONS)
        o.recent = NBX_BUNDLE_MAX_POSITIONS / o.groups - 1;
    o.epochs = (unsigned)nbx_part__whole(i, "epochs");
    o.batch = nbx_part__whole(i, "batch");
    o.rate = nbx_part__number(i, "rate");
    o.history_dropout = nbx_part__number(i, "history_dropout");
    o.dropout = nbx_part__number(i, "dropout");
    o.decay = nbx_part__number(i, "weight_decay");
    o.negatives = nbx_part__whole(i, "negatives");
    o.seed = run->seed;
    o.threads = run->threads;
    o.progress_fd = run->progress_fd;
    return o;
}

static enum nbx_err save_sequence(const struct nbx_sequence *sequence, const struct keeper *k,
                                  struct nbx_fault *fault)
{
    FILE *to;
    if (!k->path)
        return NBX_OK;
    enum nbx_err err = nbx_checkpoint_begin(&to, k->path, k->key, fault);
    if (err)
        return err;
    err = nbx_sequence_save(sequence, to, fault);
    enum nbx_err kept =
        nbx_checkpoint_keep(&to, k->path, !err, err ? &(struct nbx_fault){0} : fault);
    return err ? err : kept;
}

static enum nbx_err load_sequence(struct nbx_sequence *sequence, const struct keeper *k,
                                  struct nbx_fault *fault)
{
    FILE *from;
    if (!k->resume)
        return NBX_OK;
    enum nbx_err err = nbx_checkpoint_open(&from, k->path, k->key, fault);
    if (err || !from)
        return err;
    err = nbx_sequence_restore(sequence, from, fault);
    fclose(from);
    if (!err && !k->quiet)
        printf("going on after epoch %u\n", nbx_sequence_epochs(sequence));
    return err;
}

static enum nbx_err sequence_epoch(struct nbx_sequence *sequence, double *loss, unsigned epochs,
                                   const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    double before = *loss;
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_sequence_epoch(sequence, loss, fault);
    if (!err && !run->quiet)
        print_epoch(nbx_sequence_epochs(sequence), epochs, *loss, before,
                    (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return err;
}

static enum nbx_err run_sequence(struct nbx_sequence *sequence, double *loss,
                                 const struct nbx_ingredient *i, const struct nbx_dataset *d,
                                 const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    struct keeper keeper;
    unsigned epochs = (unsigned)nbx_part__whole(i, "epochs");
    enum nbx_err err = keeper_init(&keeper, i, d, run, fault);
    if (!err)
        err = load_sequence(sequence, &keeper, fault);
    while (!err && nbx_sequence_epochs(sequence) < epochs) {
        err = sequence_epoch(sequence, loss, epochs, run, fault);
        if (!err)
            err = save_sequence(sequence, &keeper, fault);
    }
    keeper_fini(&keeper, !err);
    return err;
}

enum nbx_err nbx_part__fit_sequence(struct nbx_part *p, const struct nbx_ingredient *i,
                                    const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                    struct nbx_fault *fault)
{
    struct nbx_sequence *sequence;
    struct nbx_sequence_options o = nbx_part__sequence_options(i, run);
    enum nbx_err err = nbx_sequence_new(&sequence, d, &o, fault);
    if (err)
        return err;
    err = run_sequence(sequence, &p->loss, i, d, run, fault);
    size_t n = d->n_items * (o.dim + 1), n_positions = o.groups * (o.recent + 1);
    p->item_factors = nbx_part__copy_floats(nbx_sequence_items(sequence), n);
    p->history_factors = nbx_part__copy_floats(nbx_sequence_history(sequence), n);
    p->positions = nbx_part__copy_floats(nbx_sequence_positions(sequence), n_positions);
    nbx_sequence_destroy(&sequence);
    if (!err && (!p->item_factors || !p->history_factors || !p->positions))
        err = nbx_part__out_of_memory(fault);
    nbx_part__be_space(p, o.dim + 1, NBX_CUSTOMER_SUMMED);
    p->space.positions = p->positions;
    p->space.n_positions = o.recent + 1;
    p->space.n_groups = o.groups;
    p->space.bias = true;
    return err;
}
