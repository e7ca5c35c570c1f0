/* SPDX-License-Identifier: MIT */
#include "models/compress/rest.h"

#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "engine/blas/blas.h"
#include "engine/score/topk.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_ROWS 128

/* What one thread works with. */
struct space {
    float *whole, *low;   /* (UNIT_ROWS, n_items) rows of the linear; of the joint space */
    struct nbx_hit *best; /* (keep) */
};

struct job {
    const struct nbx_linear *linear;
    const struct nbx_joint *joint;
    size_t keep;
    uint32_t *items;      /* (n_items, keep) */
    float *weights;       /* (n_items, keep) */
    uint32_t *n;          /* (n_items) */
    struct space *spaces; /* (threads) */
    struct nbx_progress progress;
    _Atomic size_t done;
};

static enum nbx_err job_init(struct job *job, unsigned threads)
{
    size_t n = job->linear->n_items;
    job->items = malloc((n * job->keep + 1) * sizeof *job->items);
    job->weights = malloc((n * job->keep + 1) * sizeof *job->weights);
    job->n = calloc(n + 1, sizeof *job->n);
    job->spaces = calloc(threads, sizeof *job->spaces);
    if (!job->items || !job->weights || !job->n || !job->spaces)
        return NBX_ELIMIT;
    for (unsigned t = 0; t < threads; t++) {
        struct space *s = &job->spaces[t];
        s->whole = malloc((UNIT_ROWS * n + 1) * sizeof *s->whole);
        s->low = malloc((UNIT_ROWS * n + 1) * sizeof *s->low);
        s->best = malloc((job->keep + 1) * sizeof *s->best);
        if (!s->whole || !s->low || !s->best)
            return NBX_ELIMIT;
    }
    return NBX_OK;
}

static void job_fini(struct job *job, unsigned threads)
{
    for (unsigned t = 0; job->spaces && t < threads; t++) {
        free(job->spaces[t].whole);
        free(job->spaces[t].low);
        free(job->spaces[t].best);
    }
    free(job->spaces);
    free(job->items);
    free(job->weights);
    free(job->n);
}

static int compare_rows(const void *a, const void *b)
{
    const struct nbx_hit *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* rest (n_items): item h's row of the linear less that of the joint space. */
static void subtract(float *rest, const struct job *job, const float *low, size_t h)
{
    const struct nbx_linear *l = job->linear;
    for (size_t i = 0; i < l->n_items; i++)
        rest[i] -= low[i];
    for (size_t s = 0; s < l->n_sparse; s++)
        for (uint64_t e = l->rows[s]->start[h]; e < l->rows[s]->start[h + 1]; e++)
            rest[l->rows[s]->col[e]] += l->scales[s] * l->rows[s]->weight[e];
}

static void keep_largest(struct job *job, struct space *s, const float *rest, size_t h)
{
    struct nbx_topk top;
    nbx_topk_init(&top, s->best, job->keep, NULL, NULL);
    for (size_t i = 0; i < job->linear->n_items; i++) {
        float size = fabsf(rest[i]);
        if (size > 0 && size >= nbx_topk_threshold(&top))
            nbx_topk_offer(&top, size, (uint32_t)i);
    }
    qsort(s->best, top.n, sizeof *s->best, compare_rows);
    for (size_t k = 0; k < top.n; k++) {
        job->items[h * job->keep + k] = s->best[k].row;
        job->weights[h * job->keep + k] = rest[s->best[k].row];
    }
    job->n[h] = (uint32_t)top.n;
}

static enum nbx_err find_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    struct space *s = &job->spaces[worker];
    const struct nbx_linear *l = job->linear;
    const struct nbx_joint *j = job->joint;
    size_t n = l->n_items, from = unit * UNIT_ROWS;
    size_t rows = n - from < UNIT_ROWS ? n - from : UNIT_ROWS;
    nbx_blas_gemm_nt(s->whole, l->history + from * l->dims, l->items, rows, n, l->dims);
    nbx_blas_gemm_nt(s->low, j->history + from * j->dims, j->items, rows, n, j->dims);
    for (size_t r = 0; r < rows; r++) {
        subtract(s->whole + r * n, job, s->low + r * n, from + r);
        keep_largest(job, s, s->whole + r * n, from + r);
    }
    size_t done = atomic_fetch_add(&job->done, rows) + rows;
    if (worker == 0)
        nbx_progress_update(&job->progress, done);
    return NBX_OK;
}

/* Closes the rows up, in place, and hands them over. */
static enum nbx_err hand_over(struct nbx_csr *out, struct job *job)
{
    size_t n = job->linear->n_items, at = 0;
    uint64_t *start = calloc(n + 1, sizeof *start);
    if (!start)
        return NBX_ELIMIT;
    for (size_t h = 0; h < n; h++) {
        memmove(job->items + at, job->items + h * job->keep, job->n[h] * sizeof *job->items);
        memmove(job->weights + at, job->weights + h * job->keep, job->n[h] * sizeof *job->weights);
        at += job->n[h];
        start[h + 1] = at;
    }
    *out = (struct nbx_csr){n, n, start, job->items, job->weights};
    job->items = NULL;
    job->weights = NULL;
    return NBX_OK;
}

enum nbx_err nbx_rest_find(struct nbx_csr *out, const struct nbx_linear *linear,
                           const struct nbx_joint *joint,
                           const struct nbx_compress_options *options)
{
    size_t n = linear->n_items, keep = options->how.keep < n ? options->how.keep : n;
    struct job job = {.linear = linear, .joint = joint, .keep = keep};
    *out = (struct nbx_csr){0};
    enum nbx_err err = job_init(&job, options->threads);
    nbx_progress_start(&job.progress, options->progress_fd, "compressing", "items", n);
    if (!err)
        err = nbx_parallel(options->threads, (n + UNIT_ROWS - 1) / UNIT_ROWS, find_unit, &job);
    nbx_progress_end(&job.progress);
    if (!err)
        err = hand_over(out, &job);
    job_fini(&job, options->threads);
    return err;
}
