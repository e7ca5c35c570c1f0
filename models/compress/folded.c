/* SPDX-License-Identifier: MIT */
#include "models/compress/folded.h"

#include "engine/base/parallel.h"
#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_CUSTOMERS 64
/* Of a longer history the first items stand for all: what others explain is explained by then. */
#define MAX_HISTORY 1024

/* What one thread works with. */
struct space {
    float *rows;   /* (MAX_HISTORY, dims) S A^-1/2 */
    float *system; /* (MAX_HISTORY, MAX_HISTORY) */
    float *z;      /* (MAX_HISTORY) */
    float *roots;  /* (dims) diagonal of A^-1/2 */
};

struct job {
    const struct nbx_space *space;
    const struct nbx_dataset *dataset;
    float *turned;        /* (n_items, dims) item factors in the eigenvectors of YT Y */
    double *values;       /* (dims) its eigenvalues */
    float *gives;         /* (pairs) z_i / sqrt(w_i), 0 where it was left out */
    struct space *spaces; /* (threads) */
};

static double regularisation(const struct job *job, size_t customer)
{
    const struct nbx_space *s = job->space;
    double n = (double)nbx_csr_row_entries(&job->dataset->by_customer, customer);
    double all = (double)s->alpha0 * (double)job->dataset->n_items;
    return (double)s->lambda * pow(n + all, (double)s->nu);
}

static float root_weight(const struct nbx_csr *pairs, uint64_t e)
{
    return pairs->weight ? sqrtf(pairs->weight[e]) : 1;
}

static enum nbx_err solve_customer(struct job *job, struct space *s, size_t customer)
{
    const struct nbx_csr *pairs = &job->dataset->by_customer;
    size_t dims = job->space->dims, n = nbx_csr_row_entries(pairs, customer);
    uint64_t first = pairs->start[customer];
    double reg = regularisation(job, customer);
    n = n < MAX_HISTORY ? n : MAX_HISTORY;
    for (size_t d = 0; d < dims; d++)
        s->roots[d] = (float)(1 / sqrt((double)job->space->alpha0 * job->values[d] + reg));
    for (size_t i = 0; i < n; i++) {
        const float *y = job->turned + (size_t)pairs->col[first + i] * dims;
        s->z[i] = root_weight(pairs, first + i);
        for (size_t d = 0; d < dims; d++)
            s->rows[i * dims + d] = s->z[i] * y[d] * s->roots[d];
    }
    memset(s->system, 0, n * n * sizeof *s->system);
    nbx_blas_outer(s->system, s->rows, n, dims);
    for (size_t i = 0; i < n; i++)
        s->system[i * n + i] += 1;
    enum nbx_err err = n ? nbx_blas_solve(s->system, s->z, n, 1) : NBX_OK;
    for (size_t i = 0; i < n; i++)
        job->gives[first + i] = s->z[i] / root_weight(pairs, first + i);
    return err;
}

static enum nbx_err solve_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    size_t n = job->dataset->n_customers, end = (unit + 1) * UNIT_CUSTOMERS;
    enum nbx_err err = NBX_OK;
    for (size_t c = unit * UNIT_CUSTOMERS; !err && c < end && c < n; c++)
        err = solve_customer(job, &job->spaces[worker], c);
    return err;
}

/* Of each item: how many customers, the sum of what it gives and of that times their reg. */
struct sums {
    double n, gives, reg;
};

static void add_up(struct sums *sums, const struct job *job)
{
    const struct nbx_csr *pairs = &job->dataset->by_customer;
    for (size_t c = 0; c < job->dataset->n_customers; c++) {
        double reg = regularisation(job, c);
        for (uint64_t e = pairs->start[c]; e < pairs->start[c + 1]; e++) {
            struct sums *s = &sums[pairs->col[e]];
            if (job->gives[e] == 0)
                continue;
            s->n += 1;
            s->gives += (double)job->gives[e];
            s->reg += (double)job->gives[e] * reg;
        }
    }
}

/* history = (mean of what it gives) A^-1 y in the turned axes, then turned back by q. */
static void fill(float *history, const struct job *job, const struct sums *sums, const float *q)
{
    size_t dims = job->space->dims;
    for (size_t i = 0; i < job->dataset->n_items; i++) {
        const struct sums *s = &sums[i];
        float *y = job->turned + i * dims;
        double reg = s->gives != 0 ? s->reg / s->gives : 1;
        double gives = s->n > 0 ? s->gives / s->n : 0;
        for (size_t d = 0; d < dims; d++)
            y[d] *= (float)(gives / ((double)job->space->alpha0 * job->values[d] + reg));
    }
    memset(history, 0, job->dataset->n_items * dims * sizeof *history);
    nbx_blas_gemm_nn_add(history, job->turned, q, job->dataset->n_items, dims, dims);
}

/* q (dims, dims): row k is the eigenvector of job->values[k]; turned is filled. */
static enum nbx_err turn(struct job *job, float *q)
{
    size_t dims = job->space->dims, n = job->dataset->n_items;
    float *gram = calloc(dims * dims, sizeof *gram);
    double *axes = malloc(dims * dims * sizeof *axes);
    enum nbx_err err = gram && axes ? NBX_OK : NBX_ELIMIT;
    if (!err) {
        nbx_blas_gram(gram, job->space->item_factors, n, dims, 1);
        for (size_t k = 0; k < dims * dims; k++)
            axes[k] = (double)gram[k];
        err = nbx_blas_eigen(axes, job->values, dims);
    }
    for (size_t k = 0; !err && k < dims * dims; k++)
        q[k] = (float)axes[k];
    for (size_t d = 0; !err && d < dims; d++) /* rounding makes the least ones negative */
        job->values[d] = job->values[d] > 0 ? job->values[d] : 0;
    if (!err)
        nbx_blas_gemm_nt(job->turned, job->space->item_factors, q, n, dims, dims);
    free(gram);
    free(axes);
    return err;
}

static enum nbx_err job_init(struct job *job, unsigned threads)
{
    size_t dims = job->space->dims, pairs = nbx_csr_entries(&job->dataset->by_customer);
    job->turned = malloc((job->dataset->n_items * dims + 1) * sizeof *job->turned);
    job->values = calloc(dims, sizeof *job->values);
    job->gives = calloc(pairs + 1, sizeof *job->gives);
    job->spaces = calloc(threads, sizeof *job->spaces);
    if (!job->turned || !job->values || !job->gives || !job->spaces)
        return NBX_ELIMIT;
    for (unsigned t = 0; t < threads; t++) {
        struct space *s = &job->spaces[t];
        s->rows = malloc(MAX_HISTORY * dims * sizeof *s->rows);
        s->system = malloc((size_t)MAX_HISTORY * MAX_HISTORY * sizeof *s->system);
        s->z = malloc(MAX_HISTORY * sizeof *s->z);
        s->roots = malloc(dims * sizeof *s->roots);
        if (!s->rows || !s->system || !s->z || !s->roots)
            return NBX_ELIMIT;
    }
    return NBX_OK;
}

static void job_fini(struct job *job, unsigned threads)
{
    for (unsigned t = 0; job->spaces && t < threads; t++) {
        free(job->spaces[t].rows);
        free(job->spaces[t].system);
        free(job->spaces[t].z);
        free(job->spaces[t].roots);
    }
    free(job->spaces);
    free(job->turned);
    free(job->values);
    free(job->gives);
}

enum nbx_err nbx_folded_history(float *history, const struct nbx_space *space,
                                const struct nbx_dataset *dataset, unsigned threads)
{
    struct job job = {.space = space, .dataset = dataset};
    size_t units = (dataset->n_customers + UNIT_CUSTOMERS - 1) / UNIT_CUSTOMERS;
    float *q = malloc(space->dims * space->dims * sizeof *q);
    struct sums *sums = calloc(dataset->n_items + 1, sizeof *sums);
    enum nbx_err err = q && sums ? job_init(&job, threads) : NBX_ELIMIT;
    if (!err)
        err = turn(&job, q);
    if (!err)
        err = nbx_parallel(threads, units, solve_unit, &job);
    if (!err) {
        add_up(sums, &job);
        fill(history, &job, sums, q);
    }
    job_fini(&job, threads);
    free(sums);
    free(q);
    return err;
}
