/* SPDX-License-Identifier: MIT */
#include "models/ials/ials.h"

#include "engine/base/check.h"
#include "engine/base/parallel.h"
#include "engine/base/random.h"
#include "models/ials/side.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INIT_DEVIATION 0.1
/* Epochs before relaxation is whole. */
#define RELAXED_FROM 2

struct nbx_ials {
    struct nbx_ials_options options;
    struct nbx_ials_side customers, items;
    struct nbx_ials_workspace workspace;
    unsigned epochs;                   /* done, as far as relaxation asks */
    double *customer_gram, *item_gram; /* (dim, dim) each, for the loss */
};

void nbx_ials_defaults(struct nbx_ials_options *out)
{
    *out = (struct nbx_ials_options){.dim = 64,
                                     .alpha0 = 0.01f,
                                     .lambda = 0.003f,
                                     .nu = 1.0f,
                                     .seed = 1,
                                     .threads = nbx_parallel_processors(),
                                     .steps = NBX_IALS_DEFAULT_STEPS,
                                     .relaxation = NBX_IALS_DEFAULT_RELAXATION};
}

uint64_t nbx_ials_bound_bytes(size_t n_customers, size_t n_items,
                              const struct nbx_ials_options *options)
{
    uint64_t dim = options->dim, rows = (uint64_t)n_customers + n_items + 2;
    size_t larger = n_customers > n_items ? n_customers : n_items;
    return sizeof(struct nbx_ials) + rows * (dim * sizeof(float) + sizeof(uint32_t)) +
           2 * dim * dim * sizeof(double) + nbx_ials_workspace_bytes(larger, options);
}

static enum nbx_err check_options(const struct nbx_ials_options *o, struct nbx_fault *fault)
{
    if (o->dim < 1 || o->dim > NBX_IALS_MAX_DIM)
        return nbx_fault_set(fault, NBX_EBAD, "dim", "must be 1 to %d, got %zu", NBX_IALS_MAX_DIM,
                             o->dim);
    if (!(o->alpha0 >= 0 && o->alpha0 <= 1e6f))
        return nbx_fault_set(fault, NBX_EBAD, "alpha0", "must be 0 to 1e6, got %g",
                             (double)o->alpha0);
    if (!(o->lambda > 0 && o->lambda <= 1e6f))
        return nbx_fault_set(fault, NBX_EBAD, "lambda", "must be above 0 and at most 1e6, got %g",
                             (double)o->lambda);
    if (!(o->nu >= 0 && o->nu <= 4))
        return nbx_fault_set(fault, NBX_EBAD, "nu", "must be 0 to 4, got %g", (double)o->nu);
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
    if (o->steps && !(o->relaxation >= 1 && o->relaxation < 2))
        return nbx_fault_set(fault, NBX_EBAD, "relaxation", "must be 1 to below 2, got %g",
                             (double)o->relaxation);
    return NBX_OK;
}

static void start_items(struct nbx_ials *ials)
{
    struct nbx_random random;
    size_t dim = ials->options.dim;
    double deviation = INIT_DEVIATION / sqrt((double)dim);
    nbx_random_init(&random, ials->options.seed);
    for (size_t i = 0; i < ials->items.n * dim; i++)
        ials->items.factors[i] = (float)(nbx_random_normal(&random) * deviation);
}

static enum nbx_err allocate(struct nbx_ials *ials, const struct nbx_csr *by_customer,
                             const struct nbx_csr *by_item)
{
    size_t dim = ials->options.dim;
    size_t larger = by_item->n_rows > by_customer->n_rows ? by_item->n_rows : by_customer->n_rows;
    ials->customer_gram = calloc(dim * dim, sizeof *ials->customer_gram);
    ials->item_gram = calloc(dim * dim, sizeof *ials->item_gram);
    enum nbx_err err = ials->customer_gram && ials->item_gram ? NBX_OK : NBX_ELIMIT;
    if (!err)
        err = nbx_ials_side_init(&ials->customers, by_customer, dim);
    if (!err)
        err = nbx_ials_side_init(&ials->items, by_item, dim);
    return err ? err : nbx_ials_workspace_init(&ials->workspace, larger, &ials->options);
}

enum nbx_err nbx_ials_new(struct nbx_ials **out, const struct nbx_csr *by_customer,
                          const struct nbx_csr *by_item, const struct nbx_ials_options *options,
                          struct nbx_fault *fault)
{
    NBX_ASSERT(by_customer->n_rows == by_item->n_cols && by_customer->n_cols == by_item->n_rows);
    *out = NULL;
    enum nbx_err err = check_options(options, fault);
    if (err)
        return err;
    struct nbx_ials *ials = calloc(1, sizeof *ials);
    if (ials) {
        ials->options = *options;
        err = allocate(ials, by_customer, by_item);
    }
    if (!ials || err) {
        nbx_ials_destroy(&ials);
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory for the factors");
    }
    start_items(ials);
    *out = ials;
    return NBX_OK;
}

void nbx_ials_destroy(struct nbx_ials **ials)
{
    if (!ials || !*ials)
        return;
    nbx_ials_side_fini(&(*ials)->customers);
    nbx_ials_side_fini(&(*ials)->items);
    nbx_ials_workspace_fini(&(*ials)->workspace);
    free((*ials)->customer_gram);
    free((*ials)->item_gram);
    free(*ials);
    *ials = NULL;
}

static enum nbx_err explain(enum nbx_err err, struct nbx_fault *fault)
{
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, NULL, "the numbers overflowed: no system to solve");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory") : NBX_OK;
}

/* The first epochs go far off by themselves: none of it in the first, half in the second. */
static float relaxation_now(const struct nbx_ials *ials)
{
    unsigned halves = ials->epochs < RELAXED_FROM ? ials->epochs : RELAXED_FROM;
    return 1 + (ials->options.relaxation - 1) * (float)halves / RELAXED_FROM;
}

static enum nbx_err half(struct nbx_ials *ials, struct nbx_ials_side *side,
                         struct nbx_ials_side *fixed)
{
    const struct nbx_ials_options *o = &ials->options;
    return o->steps ? nbx_ials_side_improve(side, fixed, relaxation_now(ials), o, &ials->workspace)
                    : nbx_ials_side_solve(side, fixed, o, &ials->workspace);
}

enum nbx_err nbx_ials_epoch(struct nbx_ials *ials, struct nbx_fault *fault)
{
    enum nbx_err err = half(ials, &ials->customers, &ials->items);
    if (!err)
        err = half(ials, &ials->items, &ials->customers);
    ials->epochs += ials->epochs < RELAXED_FROM;
    return explain(err, fault);
}

static float dot(const float *restrict x, const float *restrict y, size_t dim)
{
    float sums[8] = {0}, sum = 0;
    size_t j = 0;
    for (; j + 8 <= dim; j += 8)
        for (size_t l = 0; l < 8; l++)
            sums[l] += x[j + l] * y[j + l];
    for (; j < dim; j++)
        sum += x[j] * y[j];
    for (size_t l = 0; l < 8; l++)
        sum += sums[l];
    return sum;
}

/* What one side's rows add to the loss: their regularisation and, for the customers, the pairs. */
static double rows_loss(const struct nbx_ials *ials, const struct nbx_ials_side *side, size_t begin,
                        size_t end)
{
    const struct nbx_csr *pairs = side->pairs;
    size_t dim = ials->options.dim;
    double sum = 0;
    for (size_t r = begin; r < end; r++) {
        const float *x = side->factors + r * dim;
        size_t n = nbx_csr_row_entries(pairs, r);
        sum += (double)nbx_ials_reg(&ials->options, n, pairs->n_cols) * (double)dot(x, x, dim);
        for (uint64_t i = pairs->start[r]; side == &ials->customers && i < pairs->start[r + 1];
             i++) {
            double miss = (double)dot(x, ials->items.factors + pairs->col[i] * dim, dim) - 1.0;
            sum += (pairs->weight ? (double)pairs->weight[i] : 1.0) * miss * miss;
        }
    }
    return sum;
}

struct loss_job {
    struct nbx_ials *ials;
    const struct nbx_ials_side *side;
};

static enum nbx_err loss_part(void *ctx, unsigned worker, size_t part)
{
    const struct loss_job *job = ctx;
    (void)worker;
    job->ials->workspace.part_losses[part] =
        rows_loss(job->ials, job->side, nbx_ials_part_begin(job->side->n, part),
                  nbx_ials_part_begin(job->side->n, part + 1));
    return NBX_OK;
}

static enum nbx_err side_loss(struct nbx_ials *ials, const struct nbx_ials_side *side, double *loss)
{
    struct loss_job job = {ials, side};
    size_t parts = nbx_ials_parts(side->n);
    enum nbx_err err = nbx_parallel(ials->options.threads, parts, loss_part, &job);
    for (size_t p = 0; p < parts; p++)
        *loss += ials->workspace.part_losses[p];
    return err;
}

/* sum_all (x.y)^2 = trace(XT X YT Y), from lower triangles. */
static double all_pairs(const struct nbx_ials *ials)
{
    size_t dim = ials->options.dim;
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        for (size_t j = 0; j <= i; j++)
            sum += (i == j ? 1.0 : 2.0) * ials->customer_gram[i * dim + j] *
                   ials->item_gram[i * dim + j];
    return sum;
}

enum nbx_err nbx_ials_loss(struct nbx_ials *ials, double *loss, struct nbx_fault *fault)
{
    struct nbx_ials_workspace *w = &ials->workspace;
    *loss = 0;
    enum nbx_err err = side_loss(ials, &ials->customers, loss);
    if (!err)
        err = side_loss(ials, &ials->items, loss);
    if (!err)
        err = nbx_ials_side_gram(&ials->customers, w, ials->customer_gram);
    if (!err)
        err = nbx_ials_side_gram(&ials->items, w, ials->item_gram);
    *loss += (double)ials->options.alpha0 * all_pairs(ials);
    return explain(err, fault);
}

void nbx_ials_restart(struct nbx_ials *ials, const float *customers, const float *items,
                      uint64_t epochs)
{
    size_t row = ials->options.dim * sizeof(float);
    memcpy(ials->customers.factors, customers, ials->customers.n * row);
    memcpy(ials->items.factors, items, ials->items.n * row);
    ials->epochs = epochs < RELAXED_FROM ? (unsigned)epochs : RELAXED_FROM;
}

enum nbx_err nbx_ials_align(struct nbx_ials *ials, struct nbx_fault *fault)
{
    return explain(
        nbx_ials_sides_align(&ials->items, &ials->customers, &ials->options, &ials->workspace),
        fault);
}

const float *nbx_ials_customers(const struct nbx_ials *ials)
{
    return ials->customers.factors;
}

const float *nbx_ials_items(const struct nbx_ials *ials)
{
    return ials->items.factors;
}
