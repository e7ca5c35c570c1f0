/* SPDX-License-Identifier: MIT */
#include "models/compress/linear.h"

#include "engine/score/dot.h"
#include "engine/score/moments.h"
#include "engine/score/tally.h"
#include "models/compress/folded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK              256
#define TALLY_BYTES        64
#define ARENA_FLOATS(dims) (2 * (nbx_padded(dims) + 64)) /* a vector, and what it is turned to */

size_t nbx_linear_customer(const struct nbx_dataset *dataset, size_t i)
{
    size_t n = dataset->n_customers;
    if (n <= NBX_LINEAR_SAMPLE)
        return i < n ? i : n;
    return i < NBX_LINEAR_SAMPLE ? i * n / NBX_LINEAR_SAMPLE : n;
}

static float pair_weight(const struct nbx_csr *pairs, uint64_t e)
{
    return pairs->weight ? pairs->weight[e] : 1;
}

void nbx_linear_sum(float *x, const struct nbx_dataset *dataset, size_t customer,
                    const float *history, size_t dims)
{
    const struct nbx_csr *pairs = &dataset->by_customer;
    memset(x, 0, dims * sizeof *x);
    for (uint64_t e = pairs->start[customer]; e < pairs->start[customer + 1]; e++) {
        const float *add = history + (size_t)pairs->col[e] * dims;
        float w = pair_weight(pairs, e);
        for (size_t d = 0; d < dims; d++)
            x[d] += w * add[d];
    }
}

/* A mean of logarithms, of those that are numbers. */
struct logs {
    double sum;
    size_t n;
};

static void add_log(struct logs *logs, double variance)
{
    if (!(variance > 0) || !isfinite(variance))
        return;
    logs->sum += log(variance) / 2;
    logs->n++;
}

/* The deviation of one customer's scores; history (n_items, moments->dims). */
static enum nbx_err add_deviation(struct logs *logs, const struct nbx_dataset *dataset,
                                  size_t customer, const float *history,
                                  const struct nbx_moments *moments, struct nbx_arena *arena)
{
    struct nbx_spread spread;
    float *x = nbx_arena_floats(arena, moments->padded);
    if (!x)
        return NBX_ELIMIT;
    memset(x, 0, moments->padded * sizeof *x);
    nbx_linear_sum(x, dataset, customer, history, moments->dims);
    enum nbx_err err = nbx_moments_spread(&spread, moments, x, arena);
    if (!err)
        add_log(logs, spread.variance);
    return err;
}

enum nbx_err nbx_linear_deviation(double *out, const struct nbx_dataset *dataset,
                                  const float *history, const float *items, size_t dims)
{
    struct nbx_moments moments;
    struct logs logs = {0, 0};
    struct nbx_arena *arena = nbx_arena_new(ARENA_FLOATS(dims) * sizeof(float));
    enum nbx_err err =
        arena ? nbx_moments_make(&moments, items, dataset->n_items, dims) : NBX_ELIMIT;
    if (err) {
        nbx_arena_destroy(&arena);
        return err;
    }
    for (size_t i = 0, c; !err && (c = nbx_linear_customer(dataset, i)) < dataset->n_customers;
         i++) {
        nbx_arena_reset(arena);
        err = add_deviation(&logs, dataset, c, history, &moments, arena);
    }
    nbx_moments_fini(&moments);
    nbx_arena_destroy(&arena);
    *out = logs.n ? logs.sum / (double)logs.n : 0;
    return err;
}

static enum nbx_err sum_sparse(struct nbx_tally *t, const struct nbx_dataset *dataset,
                               size_t customer, const struct nbx_csr *rows, struct nbx_arena *arena)
{
    const struct nbx_csr *pairs = &dataset->by_customer;
    size_t room = 0;
    for (uint64_t e = pairs->start[customer]; e < pairs->start[customer + 1]; e++)
        room += nbx_csr_row_entries(rows, pairs->col[e]);
    enum nbx_err err = nbx_tally_init(t, room < dataset->n_items ? room : dataset->n_items,
                                      dataset->n_items, arena);
    for (uint64_t e = pairs->start[customer]; !err && e < pairs->start[customer + 1]; e++)
        for (uint64_t k = rows->start[pairs->col[e]]; k < rows->start[pairs->col[e] + 1]; k++)
            nbx_tally_add(t, rows->col[k], pair_weight(pairs, e) * rows->weight[k]);
    return err;
}

/* As nbx_linear_deviation, of neighbours. */
static enum nbx_err sparse_deviation(double *out, const struct nbx_dataset *dataset,
                                     const struct nbx_csr *rows)
{
    struct nbx_tally tally;
    struct logs logs = {0, 0};
    struct nbx_arena *arena = nbx_arena_new((dataset->n_items + 1) * TALLY_BYTES + (1 << 16));
    enum nbx_err err = arena ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0, c; !err && (c = nbx_linear_customer(dataset, i)) < dataset->n_customers;
         i++) {
        nbx_arena_reset(arena);
        err = sum_sparse(&tally, dataset, c, rows, arena);
        if (!err)
            add_log(&logs, nbx_tally_spread(&tally, dataset->n_items).variance);
    }
    nbx_arena_destroy(&arena);
    *out = logs.n ? logs.sum / (double)logs.n : 0;
    return err;
}

/* history (n_items, dims): a space's rows for a history, unscaled. */
static enum nbx_err find_history(float *history, const struct nbx_part *part,
                                 const struct nbx_dataset *dataset, unsigned threads)
{
    if (part->space.customer == NBX_CUSTOMER_FOLDED)
        return nbx_folded_history(history, &part->space, dataset, threads);
    memcpy(history, part->space.history_factors,
           dataset->n_items * part->space.dims * sizeof *history);
    return NBX_OK;
}

/* Puts a space into columns offset, offset + 1 ... of both matrices. */
static enum nbx_err place_space(struct nbx_linear *out, size_t offset, const struct nbx_part *part,
                                double weight, const struct nbx_dataset *dataset, unsigned threads)
{
    double deviation = 0;
    size_t dims = part->space.dims;
    float *history = malloc((out->n_items * dims + 1) * sizeof *history);
    enum nbx_err err = history ? NBX_OK : NBX_ELIMIT;
    if (!err)
        err = find_history(history, part, dataset, threads);
    if (!err)
        err = nbx_linear_deviation(&deviation, dataset, history, part->space.item_factors, dims);
    float scale = (float)(weight * exp(-deviation));
    for (size_t i = 0; !err && i < out->n_items; i++) {
        memcpy(out->items + i * out->dims + offset, part->space.item_factors + i * dims,
               dims * sizeof *out->items);
        for (size_t d = 0; d < dims; d++)
            out->history[i * out->dims + offset + d] = scale * history[i * dims + d];
    }
    free(history);
    return err;
}

static enum nbx_err place_sparse(struct nbx_linear *out, const struct nbx_part *part, double weight,
                                 const struct nbx_dataset *dataset)
{
    double deviation;
    enum nbx_err err = sparse_deviation(&deviation, dataset, &part->rows);
    out->rows[out->n_sparse] = &part->rows;
    out->scales[out->n_sparse++] = (float)(weight * exp(-deviation));
    return err;
}

enum nbx_err nbx_linear_init(struct nbx_linear *out, const struct nbx_part *parts,
                             const double *weights, size_t n, const struct nbx_dataset *dataset,
                             unsigned threads)
{
    size_t offset = 0;
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_linear){.n_items = dataset->n_items};
    for (size_t p = 0; p < n; p++)
        out->dims += parts[p].sparse ? 0 : parts[p].space.dims;
    out->history = malloc((out->n_items * out->dims + 1) * sizeof *out->history);
    out->items = malloc((out->n_items * out->dims + 1) * sizeof *out->items);
    if (!out->history || !out->items)
        err = NBX_ELIMIT;
    for (size_t p = 0; !err && p < n; p++) {
        if (parts[p].sparse) {
            err = place_sparse(out, &parts[p], weights[p], dataset);
            continue;
        }
        err = place_space(out, offset, &parts[p], weights[p], dataset, threads);
        offset += parts[p].space.dims;
    }
    if (err)
        nbx_linear_fini(out);
    return err;
}

void nbx_linear_fini(struct nbx_linear *linear)
{
    free(linear->history);
    free(linear->items);
    *linear = (struct nbx_linear){0};
}
