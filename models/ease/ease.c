/* SPDX-License-Identifier: MIT */
#include "models/ease/ease.h"

#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "engine/blas/blas.h"
#include "engine/score/topk.h"
#include "models/neighbours/neighbours.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_COLUMNS 16
#define NOT_IN       UINT32_MAX

/* What one thread works with. */
struct space {
    uint32_t *place;      /* (n_items) an item's place in the support at hand, NOT_IN */
    struct nbx_hit *best; /* (support) */
    float *system;        /* (support, support) */
    float *solution;      /* (support) */
};

struct job {
    const struct nbx_dataset *dataset;
    const struct nbx_ease_options *options;
    size_t support;       /* at most n_items */
    struct nbx_csr gram;  /* G, the diagonal left out */
    float *diagonal;      /* (n_items) of G */
    float *ridge;         /* (n_items) l */
    float *support_scale; /* (n_items) n_i^-support_power */
    uint32_t *chosen;     /* (n_items, support) rows of B's columns, ascending */
    float *weights;       /* (n_items, support) */
    uint32_t *n_chosen;   /* (n_items) */
    struct space *spaces; /* (threads) */
    struct nbx_progress progress;
    _Atomic size_t done;
};

static enum nbx_err check(const struct nbx_ease_options *o, struct nbx_fault *fault)
{
    const struct {
        const char *name;
        float value;
    } powers[] = {{"customer_power", o->customer_power},
                  {"support_power", o->support_power},
                  {"lambda_power", o->lambda_power}};
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
        if (!(powers[i].value >= 0 && powers[i].value <= 2))
            return nbx_fault_set(fault, NBX_EBAD, powers[i].name, "must be 0 to 2, got %g",
                                 (double)powers[i].value);
    if (!(o->lambda > 0 && isfinite(o->lambda)))
        return nbx_fault_set(fault, NBX_EBAD, "lambda", "must be above 0, got %g",
                             (double)o->lambda);
    if (o->support < 1 || o->support > NBX_EASE_MAX_SUPPORT)
        return nbx_fault_set(fault, NBX_EBAD, "support", "must be 1 to %d, got %zu",
                             NBX_EASE_MAX_SUPPORT, o->support);
    if (o->keep < 1)
        return nbx_fault_set(fault, NBX_EBAD, "keep", "must be 1 or more, got 0");
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
    return NBX_OK;
}

/* G's rows are the unscaled counts of the neighbours family. */
static struct nbx_neighbours_options gram_options(const struct nbx_dataset *d,
                                                  const struct nbx_ease_options *o)
{
    size_t all = d->n_items < NBX_NEIGHBOURS_MAX_KEEP ? d->n_items : NBX_NEIGHBOURS_MAX_KEEP;
    return (struct nbx_neighbours_options){
        .customer_power = o->customer_power, .keep = all ? all : 1, .threads = o->threads};
}

uint64_t nbx_ease_bound_bytes(const struct nbx_dataset *dataset,
                              const struct nbx_ease_options *options)
{
    struct nbx_neighbours_options gram = gram_options(dataset, options);
    uint64_t n = dataset->n_items, k = options->support < n ? options->support : n;
    uint64_t space =
        n * sizeof(uint32_t) + k * (sizeof(struct nbx_hit) + sizeof(float) + k * sizeof(float));
    return nbx_neighbours_bound_bytes(dataset, &gram) + options->threads * space +
           n * (4 * sizeof(float) + k * (sizeof(uint32_t) + sizeof(float))) +
           2 * n * k * (sizeof(struct nbx_triple) + sizeof(uint32_t) + sizeof(float));
}

static double customer_weight(const struct job *job, size_t customer)
{
    size_t n = nbx_csr_row_entries(&job->dataset->by_customer, customer);
    return pow((double)n, -(double)job->options->customer_power);
}

static void fill_scales(struct job *job)
{
    const struct nbx_dataset *d = job->dataset;
    double mean_pairs = (double)nbx_csr_entries(&d->by_item) / (double)d->n_items, mean_weight = 0;
    size_t active = 0;
    for (size_t c = 0; c < d->n_customers; c++) {
        if (nbx_csr_row_entries(&d->by_customer, c) == 0)
            continue;
        active++;
        mean_weight += customer_weight(job, c);
    }
    mean_weight /= (double)(active ? active : 1);
    for (size_t i = 0; i < d->n_items; i++) {
        double n = (double)nbx_csr_row_entries(&d->by_item, i), diagonal = 0;
        for (uint64_t e = d->by_item.start[i]; e < d->by_item.start[i + 1]; e++)
            diagonal += customer_weight(job, d->by_item.col[e]);
        n = n > 0 ? n : 1;
        job->diagonal[i] = (float)diagonal;
        job->support_scale[i] = (float)pow(n, -(double)job->options->support_power);
        job->ridge[i] = (float)((double)job->options->lambda * mean_weight *
                                pow(n / mean_pairs, (double)job->options->lambda_power));
    }
}

static enum nbx_err space_init(struct space *s, size_t n_items, size_t support)
{
    s->place = malloc((n_items + 1) * sizeof *s->place);
    s->best = malloc((support + 1) * sizeof *s->best);
    s->system = malloc((support * support + 1) * sizeof *s->system);
    s->solution = malloc((support + 1) * sizeof *s->solution);
    if (!s->place || !s->best || !s->system || !s->solution)
        return NBX_ELIMIT;
    memset(s->place, 0xff, n_items * sizeof *s->place);
    return NBX_OK;
}

static enum nbx_err job_init(struct job *job)
{
    size_t n = job->dataset->n_items, k = job->support;
    job->diagonal = malloc((n + 1) * sizeof *job->diagonal);
    job->ridge = malloc((n + 1) * sizeof *job->ridge);
    job->support_scale = malloc((n + 1) * sizeof *job->support_scale);
    job->chosen = malloc((n * k + 1) * sizeof *job->chosen);
    job->weights = malloc((n * k + 1) * sizeof *job->weights);
    job->n_chosen = calloc(n + 1, sizeof *job->n_chosen);
    job->spaces = calloc(job->options->threads, sizeof *job->spaces);
    if (!job->diagonal || !job->ridge || !job->support_scale || !job->chosen || !job->weights ||
        !job->n_chosen || !job->spaces)
        return NBX_ELIMIT;
    enum nbx_err err = NBX_OK;
    for (unsigned t = 0; !err && t < job->options->threads; t++)
        err = space_init(&job->spaces[t], n, k);
    return err;
}

static void job_fini(struct job *job)
{
    for (unsigned t = 0; job->spaces && t < job->options->threads; t++) {
        free(job->spaces[t].place);
        free(job->spaces[t].best);
        free(job->spaces[t].system);
        free(job->spaces[t].solution);
    }
    free(job->spaces);
    free(job->diagonal);
    free(job->ridge);
    free(job->support_scale);
    free(job->chosen);
    free(job->weights);
    free(job->n_chosen);
    nbx_csr_fini(&job->gram);
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The support of column j into chosen (support), ascending; returns how many. G is symmetric: its
 * row j is its column. */
static size_t choose(const struct job *job, struct space *space, size_t j, uint32_t *chosen)
{
    struct nbx_topk top;
    nbx_topk_init(&top, space->best, job->support, NULL, NULL);
    for (uint64_t e = job->gram.start[j]; e < job->gram.start[j + 1]; e++) {
        uint32_t i = job->gram.col[e];
        nbx_topk_offer(&top, job->gram.weight[e] * job->support_scale[i], i);
    }
    for (size_t k = 0; k < top.n; k++)
        chosen[k] = space->best[k].row;
    qsort(chosen, top.n, sizeof *chosen, compare_numbers);
    return top.n;
}

/* out[k] = G[row][chosen[k]] where place says which k. */
static void gather_row(float *out, const struct job *job, const uint32_t *place, size_t row)
{
    for (uint64_t e = job->gram.start[row]; e < job->gram.start[row + 1]; e++) {
        uint32_t at = place[job->gram.col[e]];
        if (at != NOT_IN)
            out[at] = job->gram.weight[e];
    }
}

static enum nbx_err solve_column(const struct job *job, struct space *space, size_t j)
{
    uint32_t *chosen = job->chosen + j * job->support;
    size_t n = choose(job, space, j, chosen);
    for (size_t k = 0; k < n; k++)
        space->place[chosen[k]] = (uint32_t)k;
    memset(space->system, 0, n * n * sizeof *space->system);
    memset(space->solution, 0, n * sizeof *space->solution);
    for (size_t k = 0; k < n; k++) {
        gather_row(space->system + k * n, job, space->place, chosen[k]);
        space->system[k * n + k] = job->diagonal[chosen[k]] + job->ridge[chosen[k]];
    }
    gather_row(space->solution, job, space->place, j);
    for (size_t k = 0; k < n; k++)
        space->place[chosen[k]] = NOT_IN;
    enum nbx_err err = n ? nbx_blas_solve(space->system, space->solution, n, 1) : NBX_OK;
    memcpy(job->weights + j * job->support, space->solution, n * sizeof *space->solution);
    job->n_chosen[j] = (uint32_t)n;
    return err;
}

static enum nbx_err solve_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    size_t n = job->dataset->n_items, end = (unit + 1) * UNIT_COLUMNS;
    enum nbx_err err = NBX_OK;
    for (size_t j = unit * UNIT_COLUMNS; !err && j < end && j < n; j++)
        err = solve_column(job, &job->spaces[worker], j);
    size_t done = atomic_fetch_add(&job->done, UNIT_COLUMNS) + UNIT_COLUMNS;
    if (worker == 0)
        nbx_progress_update(&job->progress, done < n ? done : n);
    return err;
}

/* B by rows, with all its positive weights. */
static enum nbx_err turn(struct nbx_csr *out, const struct job *job)
{
    struct nbx_csr by_column = {.n_rows = job->dataset->n_items, .n_cols = job->dataset->n_items};
    size_t n = job->dataset->n_items, at = 0;
    by_column.start = calloc(n + 1, sizeof *by_column.start);
    by_column.col = job->chosen; /* closed up in place */
    by_column.weight = job->weights;
    if (!by_column.start)
        return NBX_ELIMIT;
    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < job->n_chosen[j]; k++) {
            float w = job->weights[j * job->support + k];
            if (!(w > 0))
                continue;
            by_column.weight[at] = w;
            by_column.col[at++] = job->chosen[j * job->support + k];
        }
        by_column.start[j + 1] = at;
    }
    enum nbx_err err = nbx_csr_transpose(out, &by_column);
    free(by_column.start);
    return err;
}

static int compare_rows(const void *a, const void *b)
{
    const struct nbx_hit *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Each row down to its `keep` largest, in place. */
static enum nbx_err prune(struct nbx_csr *b, size_t keep)
{
    uint64_t to = 0, from = 0;
    keep = keep < b->n_cols ? keep : b->n_cols;
    struct nbx_hit *best = malloc((keep + 1) * sizeof *best);
    if (!best)
        return NBX_ELIMIT;
    for (size_t i = 0; i < b->n_rows; i++) {
        struct nbx_topk top;
        nbx_topk_init(&top, best, keep, NULL, NULL);
        for (; from < b->start[i + 1]; from++)
            nbx_topk_offer(&top, b->weight[from], b->col[from]);
        qsort(best, top.n, sizeof *best, compare_rows);
        for (size_t k = 0; k < top.n; k++, to++) {
            b->col[to] = best[k].row;
            b->weight[to] = best[k].score;
        }
        b->start[i + 1] = to;
    }
    free(best);
    return NBX_OK;
}

static enum nbx_err fit(struct nbx_csr *out, struct job *job, struct nbx_fault *fault)
{
    size_t n = job->dataset->n_items;
    struct nbx_neighbours_options gram = gram_options(job->dataset, job->options);
    enum nbx_err err = nbx_neighbours_fit(&job->gram, job->dataset, &gram, fault);
    if (err)
        return err;
    err = job_init(job);
    if (!err) {
        fill_scales(job);
        nbx_progress_start(&job->progress, job->options->progress_fd, "ease", "items", n);
        err = nbx_parallel(job->options->threads, (n + UNIT_COLUMNS - 1) / UNIT_COLUMNS, solve_unit,
                           job);
        nbx_progress_end(&job->progress);
    }
    if (!err)
        err = turn(out, job);
    if (!err)
        err = prune(out, job->options->keep);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, "lambda", "too small: a system cannot be solved");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory for ease") : NBX_OK;
}

enum nbx_err nbx_ease_fit(struct nbx_csr *out, const struct nbx_dataset *dataset,
                          const struct nbx_ease_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_csr){0};
    enum nbx_err err = check(options, fault);
    if (err)
        return err;
    struct job job = {.dataset = dataset, .options = options, .support = options->support};
    if (job.support > dataset->n_items)
        job.support = dataset->n_items ? dataset->n_items : 1;
    err = fit(out, &job, fault);
    if (err)
        nbx_csr_fini(out);
    job_fini(&job);
    return err;
}
