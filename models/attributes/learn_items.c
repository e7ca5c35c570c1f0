/* SPDX-License-Identifier: MIT */
#include "models/attributes/internal.h"

#include <math.h>
#include <stdlib.h>

struct learning {
    const struct nbx_learn_items_options *options;
    struct nbx_learnt *out;
    float *weights; /* (n_items) */
};

static bool counts(const struct learning *l, size_t item)
{
    return l->options->table->known[item] && l->options->counts[item] > 0;
}

static enum nbx_err weigh(struct learning *l)
{
    size_t n = l->options->table->n_items, n_counted = 0;
    double sum = 0;
    l->weights = calloc(n + 1, sizeof *l->weights);
    if (!l->weights)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        if (!counts(l, i))
            continue;
        sum += sqrt((double)l->options->counts[i]);
        n_counted++;
    }
    double mean = sum / (double)n_counted;
    for (size_t i = 0; i < n; i++)
        if (counts(l, i))
            l->weights[i] = (float)(sqrt((double)l->options->counts[i]) / mean);
    return NBX_OK;
}

static int compare_prices(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The prices between tenths of the items, each once. */
static enum nbx_err learn_bounds(struct learning *l)
{
    const struct nbx_item_table *t = l->options->table;
    int64_t *prices = malloc((t->n_items + 1) * sizeof *prices);
    struct nbx_features *f = &l->out->features;
    size_t n = 0;
    if (!prices)
        return NBX_ELIMIT;
    for (size_t i = 0; i < t->n_items; i++)
        if (counts(l, i) && t->facts[i].has_price)
            prices[n++] = t->facts[i].price;
    qsort(prices, n, sizeof *prices, compare_prices);
    for (size_t i = 1; n && i < NBX_LEARNT_TENTHS; i++) {
        int64_t bound = prices[n * i / NBX_LEARNT_TENTHS];
        if (bound > (f->n_price_bounds ? l->out->bounds[f->n_price_bounds - 1] : prices[0]))
            l->out->bounds[f->n_price_bounds++] = bound;
    }
    f->price_bounds = l->out->bounds;
    free(prices);
    return NBX_OK;
}

static void name(void *ctx, size_t row, nbx_feature_fn *tell, void *tell_ctx)
{
    const struct learning *l = ctx;
    struct nbx_price_bounds prices = {l->out->bounds, l->out->features.n_price_bounds};
    nbx_features_name(&l->options->table->facts[row], prices, tell, tell_ctx);
}

static enum nbx_err put_vectors(void *ctx, const uint32_t *rows, size_t n, float *out)
{
    const struct nbx_bundle_info *info = ((const struct learning *)ctx)->options->info;
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s < info->n_spaces; s++) {
            const struct nbx_space *space = &info->spaces[s];
            memcpy(out, space->item_factors + rows[i] * space->dims, space->dims * sizeof *out);
            out += space->dims;
        }
    return NBX_OK;
}

enum nbx_err nbx_learn_items(struct nbx_learnt *out, const struct nbx_learn_items_options *options,
                             struct nbx_fault *fault)
{
    struct learning l = {.options = options, .out = out};
    *out = (struct nbx_learnt){0};
    enum nbx_err err = weigh(&l);
    if (!err)
        err = learn_bounds(&l);
    if (err)
        nbx_learn__no_memory(fault);
    else
        err = nbx_learn__rows(out,
                              &(struct nbx_learn__rows){.what = "items",
                                                        .n = options->table->n_items,
                                                        .dims = nbx_bundle_dims(options->info),
                                                        .weights = l.weights,
                                                        .lambda = options->lambda,
                                                        .ctx = &l,
                                                        .name = name,
                                                        .vectors = put_vectors},
                              fault);
    free(l.weights);
    return err;
}
