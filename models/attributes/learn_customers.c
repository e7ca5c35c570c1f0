/* SPDX-License-Identifier: MIT
 * What customers take is regressed on their attributes, and brought into the items' space: with A
 * (customers, features), R (customers, items) and Y (items, dims) the vectors V (features, dims)
 * are (AT A + lambda I)^-1 AT (R Y) (YT Y)^-1. R Y is taken customer by customer, the last factor
 * is applied to the few features alone.
 */
#include "models/attributes/internal.h"

#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK_ITEMS 1024
/* Added to the diagonal of YT Y, of columns that have length 1: parts of a blend may know the same
 * of the items, and a row of attributes must not be spent on their difference. */
#define LEAST_OWN 1e-3F

struct learning {
    const struct nbx_learn_customers_options *options;
    size_t dims;
    float *weights; /* (n_customers) 1 or 0 */
    float *gram;    /* (dims, dims) lower, of the items' vectors side by side */
    float *scale;   /* (dims) 1 / a column's length, 0 of a column of zeros */
    float *block;   /* (BLOCK_ITEMS, dims) */
};

static enum nbx_err begin(struct learning *l)
{
    const struct nbx_learn_customers_options *o = l->options;
    l->weights = calloc(o->events->n_customers + 1, sizeof *l->weights);
    l->gram = calloc(l->dims * l->dims, sizeof *l->gram);
    l->scale = calloc(l->dims, sizeof *l->scale);
    l->block = calloc(BLOCK_ITEMS * l->dims, sizeof *l->block);
    if (!l->weights || !l->gram || !l->scale || !l->block)
        return NBX_ELIMIT;
    for (size_t i = 0; i < o->events->n_customers; i++)
        l->weights[i] =
            o->table->known[i] && nbx_csr_row_entries(&o->events->by_customer, i) > 0 ? 1 : 0;
    return NBX_OK;
}

static void end(struct learning *l)
{
    free(l->weights);
    free(l->gram);
    free(l->scale);
    free(l->block);
}

static void name(void *ctx, size_t row, nbx_feature_fn *tell, void *tell_ctx)
{
    const struct learning *l = ctx;
    nbx_customer_features_name(&l->options->table->facts[row], tell, tell_ctx);
}

/* out (dims) += weight times the item's vectors of all spaces. */
static void add_item(float *out, const struct nbx_bundle_info *info, size_t item, float weight)
{
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        const float *y = space->item_factors + item * space->dims;
        for (size_t d = 0; d < space->dims; d++)
            *out++ += weight * y[d];
    }
}

/* Of each customer the sum of the items they took to. */
static enum nbx_err put_sums(void *ctx, const uint32_t *rows, size_t n, float *out)
{
    const struct learning *l = ctx;
    const struct nbx_csr *pairs = &l->options->events->by_customer;
    memset(out, 0, n * l->dims * sizeof *out);
    for (size_t i = 0; i < n; i++)
        for (uint64_t e = pairs->start[rows[i]]; e < pairs->start[rows[i] + 1]; e++)
            add_item(out + i * l->dims, l->options->info, pairs->col[e],
                     pairs->weight ? pairs->weight[e] : 1);
    return NBX_OK;
}

static void find_gram(struct learning *l)
{
    const struct nbx_bundle_info *info = l->options->info;
    for (size_t from = 0; from < info->n_items; from += BLOCK_ITEMS) {
        size_t left = info->n_items - from, n = left < BLOCK_ITEMS ? left : BLOCK_ITEMS;
        memset(l->block, 0, n * l->dims * sizeof *l->block);
        for (size_t i = 0; i < n; i++)
            add_item(l->block + i * l->dims, info, from + i, 1);
        nbx_blas_gram(l->gram, l->block, n, l->dims, 1);
    }
}

/* Columns to length 1: parts are of different sizes. */
static void scale_gram(struct learning *l)
{
    size_t dims = l->dims;
    for (size_t i = 0; i < dims; i++)
        if (l->gram[i * dims + i] > 0)
            l->scale[i] = 1 / sqrtf(l->gram[i * dims + i]);
    for (size_t i = 0; i < dims; i++)
        for (size_t j = 0; j <= i; j++)
            l->gram[i * dims + j] *= l->scale[i] * l->scale[j];
    for (size_t i = 0; i < dims; i++)
        l->gram[i * dims + i] = 1 + LEAST_OWN;
}

static void scale_vectors(const struct learning *l, struct nbx_learnt *learnt)
{
    for (size_t i = 0; i < learnt->features.n; i++)
        for (size_t d = 0; d < l->dims; d++)
            learnt->vectors[i * l->dims + d] *= l->scale[d];
}

/* From sums of items to what scores them: times (YT Y)^-1. */
static enum nbx_err into_space(struct learning *l, struct nbx_learnt *learnt,
                               struct nbx_fault *fault)
{
    find_gram(l);
    scale_gram(l);
    scale_vectors(l, learnt);
    enum nbx_err err = nbx_blas_solve(l->gram, learnt->vectors, l->dims, learnt->features.n);
    scale_vectors(l, learnt);
    return err ? nbx_fault_set(fault, err, NULL, "the items' equations have no solution") : NBX_OK;
}

enum nbx_err nbx_learn_customers(struct nbx_learnt *out,
                                 const struct nbx_learn_customers_options *options,
                                 struct nbx_fault *fault)
{
    struct learning l = {.options = options, .dims = nbx_bundle_dims(options->info)};
    *out = (struct nbx_learnt){0};
    enum nbx_err err = begin(&l) ? nbx_learn__no_memory(fault) : NBX_OK;
    if (!err)
        err = nbx_learn__rows(out,
                              &(struct nbx_learn__rows){.what = "customers",
                                                        .n = options->events->n_customers,
                                                        .dims = l.dims,
                                                        .weights = l.weights,
                                                        .lambda = options->lambda,
                                                        .ctx = &l,
                                                        .name = name,
                                                        .vectors = put_sums},
                              fault);
    if (!err && (err = into_space(&l, out, fault)))
        nbx_learnt_fini(out);
    end(&l);
    return err;
}
