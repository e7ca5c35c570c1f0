/* SPDX-License-Identifier: MIT */
#include "models/neighbours/neighbours.h"

#include "engine/base/parallel.h"
#include "engine/score/topk.h"
#include "models/neighbours/counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one unit of work: few, since the items that sell best take thousands of times as long
 * as others. */
#define UNIT_ROWS 16

/* What one thread works with. */
struct space {
    struct nbx_neighbours_sums sums;
    struct nbx_hit *best; /* (keep, at most n_items) */
};

struct job {
    struct nbx_neighbours_counts counts;
    size_t keep;           /* at most n_items */
    uint64_t *begin;       /* (n_items + 1) where a row may begin, if all before it are full */
    struct nbx_csr result; /* until close_gaps start[i + 1] is the length of row i */
    struct space *spaces;  /* (threads) */
    unsigned threads;
};

static enum nbx_err check_power(float power, const char *name, struct nbx_fault *fault)
{
    if (power >= 0 && power <= 2)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, name, "must be 0 to 2, got %g", (double)power);
}

static enum nbx_err check_order(const struct nbx_neighbours_options *o, struct nbx_fault *fault)
{
    if (o->max_gap < 1 || o->max_gap > NBX_NEIGHBOURS_MAX_GAP)
        return nbx_fault_set(fault, NBX_EBAD, "max_gap", "must be 1 to %d, got %zu",
                             NBX_NEIGHBOURS_MAX_GAP, o->max_gap);
    if (!(o->gap_decay > 0 && o->gap_decay <= 1))
        return nbx_fault_set(fault, NBX_EBAD, "gap_decay", "must be above 0 and at most 1, got %g",
                             (double)o->gap_decay);
    if (!(o->backward >= 0 && o->backward <= 1))
        return nbx_fault_set(fault, NBX_EBAD, "backward", "must be 0 to 1, got %g",
                             (double)o->backward);
    return NBX_OK;
}

static enum nbx_err check_options(const struct nbx_neighbours_options *o, struct nbx_fault *fault)
{
    enum nbx_err err = check_power(o->customer_power, "customer_power", fault);
    if (!err)
        err = check_power(o->row_power, "row_power", fault);
    if (!err)
        err = check_power(o->column_power, "column_power", fault);
    if (err)
        return err;
    if (o->keep < 1 || o->keep > NBX_NEIGHBOURS_MAX_KEEP)
        return nbx_fault_set(fault, NBX_EBAD, "keep", "must be 1 to %d, got %zu",
                             NBX_NEIGHBOURS_MAX_KEEP, o->keep);
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
    return o->ordered ? check_order(o, fault) : NBX_OK;
}

static size_t kept(const struct nbx_dataset *dataset, const struct nbx_neighbours_options *options)
{
    return options->keep < dataset->n_items ? options->keep : dataset->n_items;
}

/* The most entries of row `item` of the result. */
static uint64_t room_of(const struct nbx_dataset *dataset,
                        const struct nbx_neighbours_options *options, size_t item)
{
    uint64_t bound = nbx_neighbours_row_bound(dataset, options, item),
             keep = kept(dataset, options);
    return bound < keep ? bound : keep;
}

uint64_t nbx_neighbours_bound_bytes(const struct nbx_dataset *dataset,
                                    const struct nbx_neighbours_options *options)
{
    uint64_t n = dataset->n_items, room = 1;
    uint64_t space = sizeof(struct space) + (n + 1) * (sizeof(double) + sizeof(uint32_t)) +
                     2 * (kept(dataset, options) + 1) * sizeof(struct nbx_hit);
    for (size_t i = 0; i < n; i++)
        room += room_of(dataset, options, i);
    return nbx_neighbours_counts_bytes(dataset, options) + options->threads * space +
           2 * (n + 1) * sizeof(uint64_t) + room * (sizeof(uint32_t) + sizeof(float));
}

static enum nbx_err allocate_spaces(struct job *job, size_t n_items)
{
    job->spaces = calloc(job->threads, sizeof *job->spaces);
    for (unsigned t = 0; job->spaces && t < job->threads; t++) {
        struct space *s = &job->spaces[t];
        s->sums.sum = calloc(n_items + 1, sizeof *s->sums.sum);
        s->sums.touched = malloc((n_items + 1) * sizeof *s->sums.touched);
        s->best = malloc((job->keep + 1) * sizeof *s->best);
        if (!s->sums.sum || !s->sums.touched || !s->best)
            return NBX_ELIMIT;
    }
    return job->spaces ? NBX_OK : NBX_ELIMIT;
}

/* Room for every row as if it were full; pages that no row writes to are never there. */
static enum nbx_err allocate_result(struct job *job)
{
    const struct nbx_dataset *d = job->counts.dataset;
    job->result = (struct nbx_csr){.n_rows = d->n_items, .n_cols = d->n_items};
    job->result.start = calloc(d->n_items + 1, sizeof *job->result.start);
    job->begin = calloc(d->n_items + 1, sizeof *job->begin);
    if (!job->result.start || !job->begin)
        return NBX_ELIMIT;
    for (size_t i = 0; i < d->n_items; i++)
        job->begin[i + 1] = job->begin[i] + room_of(d, job->counts.options, i);
    size_t room = (size_t)job->begin[d->n_items];
    job->result.col = malloc((room + 1) * sizeof *job->result.col);
    job->result.weight = malloc((room + 1) * sizeof *job->result.weight);
    return job->result.col && job->result.weight ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err job_init(struct job *job, const struct nbx_dataset *dataset,
                             const struct nbx_neighbours_options *options)
{
    *job = (struct job){.threads = options->threads, .keep = kept(dataset, options)};
    enum nbx_err err = nbx_neighbours_counts_init(&job->counts, dataset, options);
    if (!err)
        err = allocate_spaces(job, dataset->n_items);
    return err ? err : allocate_result(job);
}

static void job_fini(struct job *job)
{
    for (unsigned t = 0; job->spaces && t < job->threads; t++) {
        free(job->spaces[t].sums.sum);
        free(job->spaces[t].sums.touched);
        free(job->spaces[t].best);
    }
    free(job->spaces);
    free(job->begin);
    nbx_csr_fini(&job->result);
    nbx_neighbours_counts_fini(&job->counts);
}

static int compare_rows(const void *a, const void *b)
{
    const struct nbx_hit *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Scales the sums of row `item`, leaves them at 0 and the best of them in space->best, columns
 * ascending. */
static enum nbx_err select_best(const struct job *job, struct space *space, uint32_t item,
                                size_t *n)
{
    struct nbx_topk top;
    struct nbx_neighbours_sums *sums = &space->sums;
    double row_scale = job->counts.row_scale[item];
    bool overflow = false;
    nbx_topk_init(&top, space->best, job->keep, NULL, NULL);
    for (size_t k = 0; k < sums->n; k++) {
        uint32_t j = sums->touched[k];
        float weight = (float)(sums->sum[j] * row_scale * job->counts.column_scale[j]);
        sums->sum[j] = 0;
        if (j == item || !(weight > 0)) /* not even the smallest float is left of it */
            continue;
        overflow |= !isfinite(weight);
        if (weight >= nbx_topk_threshold(&top))
            nbx_topk_offer(&top, weight, j);
    }
    sums->n = 0;
    *n = top.n;
    qsort(space->best, top.n, sizeof *space->best, compare_rows);
    return overflow ? NBX_EBAD : NBX_OK;
}

static enum nbx_err fit_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    struct space *space = &job->spaces[worker];
    size_t end = (unit + 1) * UNIT_ROWS, n = 0;
    end = end < job->result.n_rows ? end : job->result.n_rows;
    for (size_t i = unit * UNIT_ROWS; i < end; i++) {
        nbx_neighbours_counts_row(&space->sums, &job->counts, i);
        enum nbx_err err = select_best(job, space, (uint32_t)i, &n);
        if (err)
            return err;
        for (size_t k = 0; k < n; k++) {
            job->result.col[job->begin[i] + k] = space->best[k].row;
            job->result.weight[job->begin[i] + k] = space->best[k].score;
        }
        job->result.start[i + 1] = n;
    }
    return NBX_OK;
}

/* Rows move down to where the one before them ends; what lies behind the last is given back. */
static void close_gaps(struct job *job)
{
    struct nbx_csr *n = &job->result;
    for (size_t i = 0; i < n->n_rows; i++) {
        uint64_t to = n->start[i], from = job->begin[i], length = n->start[i + 1];
        memmove(n->col + to, n->col + from, length * sizeof *n->col);
        memmove(n->weight + to, n->weight + from, length * sizeof *n->weight);
        n->start[i + 1] = to + length;
    }
    size_t room = nbx_csr_entries(n) + 1;
    uint32_t *col = realloc(n->col, room * sizeof *n->col);
    float *weight = realloc(n->weight, room * sizeof *n->weight);
    n->col = col ? col : n->col;
    n->weight = weight ? weight : n->weight;
}

enum nbx_err nbx_neighbours_fit(struct nbx_csr *out, const struct nbx_dataset *dataset,
                                const struct nbx_neighbours_options *options,
                                struct nbx_fault *fault)
{
    struct job job;
    *out = (struct nbx_csr){0};
    enum nbx_err err = check_options(options, fault);
    if (err)
        return err;
    size_t units = (dataset->n_items + UNIT_ROWS - 1) / UNIT_ROWS;
    err = job_init(&job, dataset, options);
    if (!err)
        err = nbx_parallel(job.threads, units, fit_unit, &job);
    if (!err) {
        close_gaps(&job);
        *out = job.result;
        job.result = (struct nbx_csr){0};
    }
    job_fini(&job);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, NULL, "the numbers overflowed: powers are too large");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory for the neighbours") : NBX_OK;
}
