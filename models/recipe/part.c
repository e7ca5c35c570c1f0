/* SPDX-License-Identifier: MIT */
#include "models/recipe/part.h"

#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "models/ease/ease.h"
#include "models/ials/ials.h"
#include "models/neighbours/neighbours.h"
#include "models/sequence/sequence.h"
#include "models/spectral/spectral.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000.0
/* `recent` of ingredients that says: the whole history. */
#define RECENT_ALL 255

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory fitting a part");
}

static size_t whole(const struct nbx_ingredient *i, const char *setting)
{
    return (size_t)nbx_ingredient_get(i, setting);
}

static float number(const struct nbx_ingredient *i, const char *setting)
{
    return (float)nbx_ingredient_get(i, setting);
}

/* positions: 1, decay, decay^2 ... of `recent` items, then 0; or 1 for all. */
static enum nbx_err set_positions(struct nbx_part *p, const struct nbx_ingredient *ingredient,
                                  const float **positions, size_t *n_positions)
{
    bool paced = nbx_ingredient_has(ingredient, NBX_STR("recent"));
    size_t recent = paced ? whole(ingredient, "recent") : RECENT_ALL;
    double decay = paced ? nbx_ingredient_get(ingredient, "decay") : 1;
    bool all = recent == RECENT_ALL && decay == 1;
    size_t n = all ? 1 : recent + 1;
    p->positions = calloc(n, sizeof *p->positions);
    if (!p->positions)
        return NBX_ELIMIT;
    for (size_t i = 0; i < (all ? 1 : recent); i++)
        p->positions[i] = (float)pow(decay, (double)i);
    *positions = p->positions;
    *n_positions = n;
    return NBX_OK;
}

/* Makes the part one of neighbours from p->rows. */
static enum nbx_err be_neighbours(struct nbx_part *p, const struct nbx_ingredient *ingredient)
{
    p->sparse = true;
    p->neighbours = (struct nbx_neighbours){.name = nbx_str_c(nbx_family_info(p->family)->name),
                                            .start = p->rows.start,
                                            .items = p->rows.col,
                                            .weights = p->rows.weight};
    return set_positions(p, ingredient, &p->neighbours.positions, &p->neighbours.n_positions);
}

/* Makes it a space of p->item_factors. */
static void be_space(struct nbx_part *p, size_t dims, enum nbx_customer_source customer)
{
    p->space = (struct nbx_space){.name = nbx_str_c(nbx_family_info(p->family)->name),
                                  .dims = dims,
                                  .metric = NBX_METRIC_DOT,
                                  .customer = customer,
                                  .item_factors = p->item_factors,
                                  .history_factors = p->history_factors,
                                  .n_groups = 1};
}

static struct nbx_ials_options ials_options(const struct nbx_ingredient *i,
                                            const struct nbx_fit_run *run)
{
    return (struct nbx_ials_options){.dim = whole(i, "dim"),
                                     .alpha0 = number(i, "alpha0"),
                                     .lambda = number(i, "lambda"),
                                     .nu = number(i, "nu"),
                                     .seed = run->seed,
                                     .threads = run->threads,
                                     .steps = NBX_IALS_DEFAULT_STEPS,
                                     .relaxation = NBX_IALS_DEFAULT_RELAXATION};
}

static void print_epoch(uint64_t epoch, uint64_t epochs, double loss, double before, double seconds)
{
    printf("epoch %" PRIu64 "/%" PRIu64 ": loss %.6g", epoch, epochs, loss);
    if (epoch > 1)
        printf(" (%+.2f %%)", 100 * (loss - before) / before);
    printf(", %.3f s\n", seconds);
}

static enum nbx_err run_ials(struct nbx_ials *ials, double *loss, uint64_t epochs,
                             const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    nbx_progress_start(&progress, run->progress_fd, "training", "epochs", epochs);
    for (uint64_t epoch = 1; !err && epoch <= epochs; epoch++) {
        double before = *loss;
        nbx_progress_update(&progress, epoch - 1);
        int64_t start_ns = nbx_clock_mono_ns();
        err = nbx_ials_epoch(ials, fault);
        double seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
        if (!err && (!run->quiet || epoch == epochs))
            err = nbx_ials_loss(ials, loss, fault);
        nbx_progress_end(&progress);
        if (!err && !run->quiet)
            print_epoch(epoch, epochs, *loss, before, seconds);
    }
    return err;
}

static enum nbx_err fit_ials(struct nbx_part *p, const struct nbx_ingredient *i,
                             const struct nbx_dataset *d, const struct nbx_fit_run *run,
                             struct nbx_fault *fault)
{
    struct nbx_ials *ials;
    struct nbx_ials_options o = ials_options(i, run);
    enum nbx_err err = nbx_ials_new(&ials, &d->by_customer, &d->by_item, &o, fault);
    if (err)
        return err;
    err = run_ials(ials, &p->loss, whole(i, "epochs"), run, fault);
    if (!err)
        err = nbx_ials_align(ials, fault);
    size_t n = d->n_items * o.dim;
    p->item_factors = malloc((n + 1) * sizeof *p->item_factors);
    if (!err && !p->item_factors)
        err = out_of_memory(fault);
    if (!err)
        memcpy(p->item_factors, nbx_ials_items(ials), n * sizeof *p->item_factors);
    nbx_ials_destroy(&ials);
    be_space(p, o.dim, NBX_CUSTOMER_FOLDED);
    p->space.alpha0 = o.alpha0;
    p->space.lambda = o.lambda;
    p->space.nu = o.nu;
    return err;
}

static struct nbx_neighbours_options neighbours_options(const struct nbx_ingredient *i,
                                                        const struct nbx_fit_run *run)
{
    struct nbx_neighbours_options o = {.customer_power = number(i, "customer_power"),
                                       .row_power = number(i, "row_power"),
                                       .column_power = number(i, "column_power"),
                                       .keep = whole(i, "keep"),
                                       .threads = run->threads};
    if (i->family == NBX_FAMILY_TRANSITIONS) {
        o.ordered = true;
        o.max_gap = whole(i, "max_gap");
        o.gap_decay = number(i, "gap_decay");
        o.backward = number(i, "backward");
    }
    return o;
}

static enum nbx_err fit_neighbours(struct nbx_part *p, const struct nbx_ingredient *i,
                                   const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                   struct nbx_fault *fault)
{
    struct nbx_neighbours_options o = neighbours_options(i, run);
    enum nbx_err err = nbx_neighbours_fit(&p->rows, d, &o, fault);
    if (!err && be_neighbours(p, i))
        err = out_of_memory(fault);
    return err;
}

static struct nbx_ease_options ease_options(const struct nbx_ingredient *i,
                                            const struct nbx_fit_run *run)
{
    return (struct nbx_ease_options){.customer_power = number(i, "customer_power"),
                                     .support = whole(i, "support"),
                                     .support_power = number(i, "support_power"),
                                     .lambda = number(i, "lambda"),
                                     .lambda_power = number(i, "lambda_power"),
                                     .keep = whole(i, "keep"),
                                     .threads = run->threads,
                                     .progress_fd = run->progress_fd};
}

static enum nbx_err fit_ease(struct nbx_part *p, const struct nbx_ingredient *i,
                             const struct nbx_dataset *d, const struct nbx_fit_run *run,
                             struct nbx_fault *fault)
{
    struct nbx_ease_options o = ease_options(i, run);
    enum nbx_err err = nbx_ease_fit(&p->rows, d, &o, fault);
    if (!err && be_neighbours(p, i))
        err = out_of_memory(fault);
    return err;
}

static struct nbx_spectral_options spectral_options(const struct nbx_ingredient *i,
                                                    const struct nbx_fit_run *run)
{
    return (struct nbx_spectral_options){.dim = whole(i, "dim"),
                                         .customer_power = number(i, "customer_power"),
                                         .item_power = number(i, "item_power"),
                                         .in_power = number(i, "in_power"),
                                         .out_power = number(i, "out_power"),
                                         .rounds = (unsigned)whole(i, "rounds"),
                                         .seed = run->seed,
                                         .threads = run->threads,
                                         .progress_fd = run->progress_fd};
}

static enum nbx_err fit_spectral(struct nbx_part *p, const struct nbx_ingredient *i,
                                 const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                 struct nbx_fault *fault)
{
    struct nbx_spectral spectral;
    struct nbx_spectral_options o = spectral_options(i, run);
    enum nbx_err err = nbx_spectral_fit(&spectral, d, &o, fault);
    if (err)
        return err;
    p->item_factors = spectral.item_factors;
    p->history_factors = spectral.history_factors;
    be_space(p, spectral.dim, NBX_CUSTOMER_SUMMED);
    return set_positions(p, i, &p->space.positions, &p->space.n_positions) ? out_of_memory(fault)
                                                                           : NBX_OK;
}

static struct nbx_sequence_options sequence_options(const struct nbx_ingredient *i,
                                                    const struct nbx_fit_run *run)
{
    struct nbx_sequence_options o;
    nbx_sequence_defaults(&o);
    o.dim = whole(i, "dim");
    o.recent = whole(i, "recent");
    o.groups = whole(i, "groups");
    o.epochs = (unsigned)whole(i, "epochs");
    o.batch = whole(i, "batch");
    o.rate = number(i, "rate");
    o.history_dropout = number(i, "history_dropout");
    o.dropout = number(i, "dropout");
    o.decay = number(i, "weight_decay");
    o.negatives = whole(i, "negatives");
    o.seed = run->seed;
    o.threads = run->threads;
    o.progress_fd = run->progress_fd;
    return o;
}

static enum nbx_err run_sequence(struct nbx_sequence *sequence, double *loss, unsigned epochs,
                                 const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    while (!err && nbx_sequence_epochs(sequence) < epochs) {
        double before = *loss;
        int64_t start_ns = nbx_clock_mono_ns();
        err = nbx_sequence_epoch(sequence, loss, fault);
        if (!err && !run->quiet)
            print_epoch(nbx_sequence_epochs(sequence), epochs, *loss, before,
                        (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    }
    return err;
}

static float *copy_floats(const float *from, size_t n)
{
    float *to = malloc((n + 1) * sizeof *to);
    if (to)
        memcpy(to, from, n * sizeof *to);
    return to;
}

static enum nbx_err fit_sequence(struct nbx_part *p, const struct nbx_ingredient *i,
                                 const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                 struct nbx_fault *fault)
{
    struct nbx_sequence *sequence;
    struct nbx_sequence_options o = sequence_options(i, run);
    enum nbx_err err = nbx_sequence_new(&sequence, d, &o, fault);
    if (err)
        return err;
    err = run_sequence(sequence, &p->loss, o.epochs, run, fault);
    size_t n = d->n_items * (o.dim + 1), n_positions = o.groups * (o.recent + 1);
    p->item_factors = copy_floats(nbx_sequence_items(sequence), n);
    p->history_factors = copy_floats(nbx_sequence_history(sequence), n);
    p->positions = copy_floats(nbx_sequence_positions(sequence), n_positions);
    nbx_sequence_destroy(&sequence);
    if (!err && (!p->item_factors || !p->history_factors || !p->positions))
        err = out_of_memory(fault);
    be_space(p, o.dim + 1, NBX_CUSTOMER_SUMMED);
    p->space.positions = p->positions;
    p->space.n_positions = o.recent + 1;
    p->space.n_groups = o.groups;
    p->space.bias = true;
    return err;
}

/* What an event of that time counts. */
static double age_weight(int64_t time_ms, int64_t last_ms, double half_life_days)
{
    if (half_life_days <= 0)
        return 1;
    return exp2(-(double)(last_ms - time_ms) / DAY_MS / half_life_days);
}

/* log(1 + weighted customers): what most take to must not drown the rest. */
static enum nbx_err fit_popularity(struct nbx_part *p, const struct nbx_ingredient *i,
                                   const struct nbx_dataset *d, struct nbx_fault *fault)
{
    double half_life = nbx_ingredient_get(i, "half_life_days");
    double *counts = calloc(d->n_items + 1, sizeof *counts);
    p->item_factors = calloc(d->n_items + 1, sizeof *p->item_factors);
    enum nbx_err err = counts && p->item_factors ? NBX_OK : out_of_memory(fault);
    for (size_t e = 0; !err && e < nbx_csr_entries(&d->by_customer); e++) {
        if (half_life > 0 && d->times_ms[e] == NBX_DATASET_NO_TIME)
            err = nbx_fault_set(fault, NBX_EBAD, "half_life_days", "the events have no times");
        else
            counts[d->sequence[e]] += age_weight(d->times_ms[e], d->last_ms, half_life);
    }
    for (size_t k = 0; !err && k < d->n_items; k++)
        p->item_factors[k] = (float)log1p(counts[k]);
    free(counts);
    be_space(p, 1, NBX_CUSTOMER_CONSTANT);
    return err;
}

enum nbx_err nbx_part_fit(struct nbx_part *out, const struct nbx_ingredient *i,
                          const struct nbx_dataset *d, const struct nbx_fit_run *run,
                          struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_part){.family = i->family};
    switch (i->family) {
    case NBX_FAMILY_IALS: err = fit_ials(out, i, d, run, fault); break;
    case NBX_FAMILY_NEIGHBOURS:
    case NBX_FAMILY_TRANSITIONS: err = fit_neighbours(out, i, d, run, fault); break;
    case NBX_FAMILY_EASE: err = fit_ease(out, i, d, run, fault); break;
    case NBX_FAMILY_SPECTRAL: err = fit_spectral(out, i, d, run, fault); break;
    case NBX_FAMILY_SEQUENCE: err = fit_sequence(out, i, d, run, fault); break;
    default: err = fit_popularity(out, i, d, fault); break;
    }
    if (err)
        nbx_part_fini(out);
    return err;
}

void nbx_part_fini(struct nbx_part *p)
{
    free(p->item_factors);
    free(p->history_factors);
    free(p->positions);
    nbx_csr_fini(&p->rows);
    *p = (struct nbx_part){0};
}

uint64_t nbx_part_bound_bytes(const struct nbx_ingredient *i, const struct nbx_dataset *d,
                              const struct nbx_fit_run *run)
{
    struct nbx_neighbours_options neighbours;
    struct nbx_ials_options ials;
    struct nbx_ease_options ease;
    struct nbx_spectral_options spectral;
    struct nbx_sequence_options sequence;
    switch (i->family) {
    case NBX_FAMILY_IALS:
        ials = ials_options(i, run);
        return nbx_ials_bound_bytes(d->n_customers, d->n_items, &ials) +
               d->n_items * ials.dim * sizeof(float);
    case NBX_FAMILY_NEIGHBOURS:
    case NBX_FAMILY_TRANSITIONS:
        neighbours = neighbours_options(i, run);
        return nbx_neighbours_bound_bytes(d, &neighbours);
    case NBX_FAMILY_EASE: ease = ease_options(i, run); return nbx_ease_bound_bytes(d, &ease);
    case NBX_FAMILY_SPECTRAL:
        spectral = spectral_options(i, run);
        return nbx_spectral_bound_bytes(d, &spectral);
    case NBX_FAMILY_SEQUENCE:
        sequence = sequence_options(i, run);
        return nbx_sequence_bound_bytes(d, &sequence) +
               2 * d->n_items * (sequence.dim + 1) * sizeof(float);
    default: return d->n_items * (sizeof(double) + sizeof(float));
    }
}

/* Operations a thread does in a second: of a matrix product, and of what jumps in memory. */
#define DENSE_A_SECOND  3e10
#define SPARSE_A_SECOND 3e8

static double history_squares(const struct nbx_dataset *d)
{
    double sum = 0;
    for (size_t c = 0; c < d->n_customers; c++) {
        double n = (double)nbx_csr_row_entries(&d->by_customer, c);
        sum += n * n;
    }
    return sum;
}

double nbx_part_seconds(const struct nbx_ingredient *i, const struct nbx_dataset *d,
                        unsigned threads)
{
    double pairs = (double)nbx_csr_entries(&d->by_customer), items = (double)d->n_items;
    double rows = items + (double)d->n_customers, dense = 0, sparse = pairs, dim, k;
    switch (i->family) {
    case NBX_FAMILY_IALS:
        dim = nbx_ingredient_get(i, "dim");
        dense = nbx_ingredient_get(i, "epochs") *
                (8 * (NBX_IALS_DEFAULT_STEPS + 1) * pairs * dim + rows * dim * dim * 5);
        break;
    case NBX_FAMILY_SPECTRAL:
        dim = nbx_ingredient_get(i, "dim");
        sparse = 2 * nbx_ingredient_get(i, "rounds") * pairs * dim / 8;
        dense = nbx_ingredient_get(i, "rounds") * 4 * items * dim * dim;
        break;
    case NBX_FAMILY_EASE:
        k = nbx_ingredient_get(i, "support");
        k = k < items ? k : items;
        dense = items * k * k * k / 3;
        sparse = 2 * history_squares(d) + items * k * 2000;
        break;
    case NBX_FAMILY_SEQUENCE:
        k = nbx_ingredient_get(i, "negatives");
        dense = 6 * nbx_ingredient_get(i, "epochs") * pairs * nbx_ingredient_get(i, "dim") *
                (k > 0 ? k : items);
        break;
    case NBX_FAMILY_NEIGHBOURS: sparse = history_squares(d); break;
    default: sparse = 40 * pairs; break;
    }
    return (dense / DENSE_A_SECOND + sparse / SPARSE_A_SECOND) / threads;
}

#define SOFTMAX_MOST_ITEMS 20000
#define SOFTMAX_NEGATIVES  4096

void nbx_ingredient_suit(struct nbx_ingredient *i, const struct nbx_dataset *d)
{
    struct nbx_fault fault;
    if (i->family == NBX_FAMILY_SEQUENCE && d->n_items > SOFTMAX_MOST_ITEMS)
        (void)nbx_ingredient_set(i, NBX_STR("negatives"), SOFTMAX_NEGATIVES, &fault);
}

void nbx_parts_describe(struct nbx_bundle_info *info, const struct nbx_part *parts,
                        const double *weights, size_t n)
{
    info->n_spaces = info->n_neighbours = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].sparse) {
            info->neighbours[info->n_neighbours] = parts[i].neighbours;
            info->neighbours[info->n_neighbours++].weight = (float)weights[i];
        } else {
            info->spaces[info->n_spaces] = parts[i].space;
            info->spaces[info->n_spaces++].weight = (float)weights[i];
        }
    }
    bool plain = n == 1 && info->n_spaces == 1 && info->spaces[0].customer == NBX_CUSTOMER_FOLDED;
    info->family = plain ? NBX_STR("factors") : NBX_STR("blend");
}
