/* SPDX-License-Identifier: MIT */
#include "models/spectral/spectral.h"

#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "models/spectral/subspace.h"

#include <math.h>
#include <stdlib.h>

#define MAX_ROUNDS 50

void nbx_spectral_defaults(struct nbx_spectral_options *out)
{
    *out = (struct nbx_spectral_options){.dim = 128,
                                         .customer_power = 0.5f,
                                         .item_power = 0.5f,
                                         .in_power = 0.5f,
                                         .out_power = 0.5f,
                                         .rounds = 6,
                                         .seed = 1,
                                         .threads = nbx_parallel_processors(),
                                         .progress_fd = -1};
}

static enum nbx_err check_powers(const struct nbx_spectral_options *o, struct nbx_fault *fault)
{
    const struct {
        const char *name;
        float power;
    } powers[] = {{"customer_power", o->customer_power},
                  {"item_power", o->item_power},
                  {"in_power", o->in_power},
                  {"out_power", o->out_power}};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
        if (!(powers[i].power >= 0 && powers[i].power <= 2))
            return nbx_fault_set(fault, NBX_EBAD, powers[i].name, "must be 0 to 2, got %g",
                                 (double)powers[i].power);
    return NBX_OK;
}

static enum nbx_err check_options(const struct nbx_spectral_options *o, struct nbx_fault *fault)
{
    if (o->dim < 1 || o->dim > NBX_SPECTRAL_MAX_DIM)
        return nbx_fault_set(fault, NBX_EBAD, "dim", "must be 1 to %d, got %zu",
                             NBX_SPECTRAL_MAX_DIM, o->dim);
    if (o->rounds < 1 || o->rounds > MAX_ROUNDS)
        return nbx_fault_set(fault, NBX_EBAD, "rounds", "must be 1 to %d, got %u", MAX_ROUNDS,
                             o->rounds);
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
    return check_powers(o, fault);
}

static size_t cut_dim(const struct nbx_dataset *dataset, const struct nbx_spectral_options *options)
{
    return options->dim < dataset->n_items ? options->dim : dataset->n_items;
}

uint64_t nbx_spectral_bound_bytes(const struct nbx_dataset *dataset,
                                  const struct nbx_spectral_options *options)
{
    uint64_t dim = cut_dim(dataset, options);
    return nbx_subspace_bytes(dataset, options, (size_t)dim) +
           2 * (dataset->n_items * dim + 1) * sizeof(float);
}

static enum nbx_err run_rounds(struct nbx_subspace *s, const struct nbx_spectral_options *options,
                               size_t dim)
{
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    nbx_progress_start(&progress, options->progress_fd, "training", "rounds", options->rounds);
    for (unsigned round = 0; !err && round < options->rounds; round++) {
        nbx_progress_update(&progress, round);
        err = nbx_subspace_step(s);
    }
    if (!err)
        err = nbx_subspace_finish(s, dim);
    nbx_progress_end(&progress);
    return err;
}

/* Both factors from V, which is the first out->dim columns of s->y. */
static enum nbx_err make_factors(struct nbx_spectral *out, const struct nbx_subspace *s,
                                 const struct nbx_spectral_options *options)
{
    size_t n_items = s->by_item->n_rows, dim = out->dim;
    out->item_factors = malloc((n_items * dim + 1) * sizeof *out->item_factors);
    out->history_factors = malloc((n_items * dim + 1) * sizeof *out->history_factors);
    if (!out->item_factors || !out->history_factors)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n_items; i++) {
        double n = (double)nbx_csr_row_entries(s->by_item, i);
        float in = n > 0 ? (float)pow(n, -(double)options->in_power) : 0;
        float out_scale = n > 0 ? (float)pow(n, (double)options->out_power) : 0;
        for (size_t k = 0; k < dim; k++) {
            out->item_factors[i * dim + k] = out_scale * s->y[i * s->width + k];
            out->history_factors[i * dim + k] = in * s->y[i * s->width + k];
        }
    }
    return NBX_OK;
}

enum nbx_err nbx_spectral_fit(struct nbx_spectral *out, const struct nbx_dataset *dataset,
                              const struct nbx_spectral_options *options, struct nbx_fault *fault)
{
    struct nbx_subspace s;
    *out = (struct nbx_spectral){0};
    enum nbx_err err = check_options(options, fault);
    if (err)
        return err;
    out->dim = cut_dim(dataset, options);
    err = nbx_subspace_init(&s, dataset, options, out->dim);
    if (!err)
        err = run_rounds(&s, options, out->dim);
    if (!err)
        err = make_factors(out, &s, options);
    nbx_subspace_fini(&s);
    if (err)
        nbx_spectral_fini(out);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, NULL, "the eigenvectors do not converge");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory for the factors") : NBX_OK;
}

void nbx_spectral_fini(struct nbx_spectral *spectral)
{
    free(spectral->item_factors);
    free(spectral->history_factors);
    *spectral = (struct nbx_spectral){0};
}
