/* SPDX-License-Identifier: MIT */
#include "models/ials/side.h"

#include "engine/base/parallel.h"
#include "engine/blas/blas.h"
#include "models/ials/improve.h"
#include "models/ials/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIN_PART_ROWS 1024
/* Rows solved as one unit of work and turned back by one matrix product. */
#define UNIT_ROWS 64
/* Floats in a cache line, so that threads do not write to each other's. */
#define LINE_FLOATS 16

static size_t part_rows(size_t n)
{
    size_t rows = (n + NBX_IALS_MAX_PARTS - 1) / NBX_IALS_MAX_PARTS;
    return rows < MIN_PART_ROWS ? MIN_PART_ROWS : rows;
}

size_t nbx_ials_parts(size_t n)
{
    return (n + part_rows(n) - 1) / part_rows(n);
}

size_t nbx_ials_part_begin(size_t n, size_t part)
{
    size_t begin = part * part_rows(n);
    return begin < n ? begin : n;
}

float nbx_ials_reg(const struct nbx_ials_options *options, size_t n, size_t n_other)
{
    return options->lambda * powf((float)n + options->alpha0 * (float)n_other, options->nu);
}

/* Counting sort by falling number of pairs; rows of equal length ascend. */
static enum nbx_err order_rows(struct nbx_ials_side *side)
{
    size_t longest = side->pairs->n_cols;
    size_t *at = calloc(longest + 2, sizeof *at);
    if (!at)
        return NBX_ELIMIT;
    for (size_t r = 0; r < side->n; r++)
        at[longest - nbx_csr_row_entries(side->pairs, r) + 1]++;
    for (size_t i = 0; i <= longest; i++)
        at[i + 1] += at[i];
    for (size_t r = 0; r < side->n; r++)
        side->order[at[longest - nbx_csr_row_entries(side->pairs, r)]++] = (uint32_t)r;
    free(at);
    return NBX_OK;
}

enum nbx_err nbx_ials_side_init(struct nbx_ials_side *side, const struct nbx_csr *pairs, size_t dim)
{
    *side = (struct nbx_ials_side){.pairs = pairs, .n = pairs->n_rows, .dim = dim};
    side->factors = calloc(side->n * dim + 1, sizeof *side->factors);
    side->order = calloc(side->n + 1, sizeof *side->order);
    return side->factors && side->order ? order_rows(side) : NBX_ELIMIT;
}

void nbx_ials_side_fini(struct nbx_ials_side *side)
{
    free(side->factors);
    free(side->order);
    *side = (struct nbx_ials_side){0};
}

/* A unit's solutions before and after turning back, their root, and what one row needs. */
static size_t scratch_floats(size_t dim)
{
    size_t row = nbx_ials_row_scratch_floats(dim), improve = nbx_ials_improve_scratch_floats(dim);
    size_t n = 2 * UNIT_ROWS * dim + dim + (row > improve ? row : improve);
    return (n + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

uint64_t nbx_ials_workspace_bytes(size_t larger_side, const struct nbx_ials_options *options)
{
    uint64_t dim = options->dim;
    uint64_t floats = (NBX_IALS_MAX_PARTS + 2) * dim * dim + larger_side * dim +
                      options->threads * (uint64_t)scratch_floats(options->dim);
    return floats * sizeof(float) + (dim * dim + dim + NBX_IALS_MAX_PARTS) * sizeof(double);
}

enum nbx_err nbx_ials_workspace_init(struct nbx_ials_workspace *w, size_t larger_side,
                                     const struct nbx_ials_options *options)
{
    size_t dim = options->dim, square = dim * dim;
    *w = (struct nbx_ials_workspace){.dim = dim, .threads = options->threads};
    w->scratch_floats = scratch_floats(dim);
    w->parts = malloc(NBX_IALS_MAX_PARTS * square * sizeof *w->parts);
    w->part_losses = calloc(NBX_IALS_MAX_PARTS, sizeof *w->part_losses);
    w->eigen = calloc(square, sizeof *w->eigen);
    w->eigenvalues = calloc(dim, sizeof *w->eigenvalues);
    w->basis = calloc(square, sizeof *w->basis);
    w->basis_t = calloc(square, sizeof *w->basis_t);
    w->rotated = calloc(larger_side * dim + 1, sizeof *w->rotated);
    w->scratch = aligned_alloc(LINE_FLOATS * sizeof(float),
                               w->threads * w->scratch_floats * sizeof *w->scratch);
    return w->parts && w->part_losses && w->eigen && w->eigenvalues && w->basis && w->basis_t &&
                   w->rotated && w->scratch
               ? NBX_OK
               : NBX_ELIMIT;
}

void nbx_ials_workspace_fini(struct nbx_ials_workspace *w)
{
    free(w->parts);
    free(w->part_losses);
    free(w->eigen);
    free(w->eigenvalues);
    free(w->basis);
    free(w->basis_t);
    free(w->rotated);
    free(w->scratch);
    *w = (struct nbx_ials_workspace){0};
}

/* Units of work that n rows make. */
static size_t units(size_t n)
{
    return (n + UNIT_ROWS - 1) / UNIT_ROWS;
}

struct gram_job {
    const struct nbx_ials_side *side;
    float *parts; /* (NBX_IALS_MAX_PARTS, dim, dim) */
};

static enum nbx_err gram_part(void *ctx, unsigned worker, size_t part)
{
    const struct gram_job *job = ctx;
    size_t dim = job->side->dim, begin = nbx_ials_part_begin(job->side->n, part);
    size_t end = nbx_ials_part_begin(job->side->n, part + 1);
    float *to = job->parts + part * dim * dim;
    (void)worker;
    memset(to, 0, dim * dim * sizeof *to);
    nbx_blas_gram(to, job->side->factors + begin * dim, end - begin, dim, 1.0f);
    return NBX_OK;
}

enum nbx_err nbx_ials_side_gram(const struct nbx_ials_side *side, struct nbx_ials_workspace *w,
                                double *gram)
{
    size_t square = side->dim * side->dim, parts = nbx_ials_parts(side->n);
    struct gram_job job = {side, w->parts};
    enum nbx_err err = nbx_parallel(w->threads, parts, gram_part, &job);
    memset(gram, 0, square * sizeof *gram);
    for (size_t p = 0; p < parts; p++)
        for (size_t i = 0; i < square; i++)
            gram[i] += (double)w->parts[p * square + i];
    return err;
}

struct solve_job {
    struct nbx_ials_side *side;
    const struct nbx_ials_side *fixed;
    const struct nbx_ials_options *options;
    struct nbx_ials_workspace *w;
};

static enum nbx_err rotate_part(void *ctx, unsigned worker, size_t part)
{
    const struct solve_job *job = ctx;
    size_t dim = job->w->dim, begin = nbx_ials_part_begin(job->fixed->n, part);
    size_t end = nbx_ials_part_begin(job->fixed->n, part + 1);
    (void)worker;
    nbx_blas_gemm_nt(job->w->rotated + begin * dim, job->fixed->factors + begin * dim,
                     job->w->basis, end - begin, dim, dim);
    return NBX_OK;
}

/* V and D. */
static enum nbx_err find_basis(struct solve_job *job)
{
    struct nbx_ials_workspace *w = job->w;
    size_t dim = w->dim;
    enum nbx_err err = nbx_ials_side_gram(job->fixed, w, w->eigen);
    if (!err)
        err = nbx_blas_eigen(w->eigen, w->eigenvalues, dim);
    if (err)
        return err;
    for (size_t i = 0; i < dim; i++) {
        for (size_t j = 0; j < dim; j++) {
            w->basis[i * dim + j] = (float)w->eigen[i * dim + j];
            w->basis_t[j * dim + i] = (float)w->eigen[i * dim + j];
        }
        if (w->eigenvalues[i] < 0) /* rounding: a Gram matrix has none */
            w->eigenvalues[i] = 0;
    }
    return NBX_OK;
}

/* V, D and the fixed side in V's basis. */
static enum nbx_err diagonalise(struct solve_job *job)
{
    struct nbx_ials_workspace *w = job->w;
    enum nbx_err err = find_basis(job);
    return err ? err : nbx_parallel(w->threads, nbx_ials_parts(job->fixed->n), rotate_part, job);
}

/* alpha0 D + reg at j */
static double common_part(const struct solve_job *job, size_t n_pairs, size_t j)
{
    return (double)job->options->alpha0 * job->w->eigenvalues[j] +
           (double)nbx_ials_reg(job->options, n_pairs, job->fixed->n);
}

static void set_root(float *root, const struct solve_job *job, size_t n_pairs)
{
    for (size_t j = 0; j < job->w->dim; j++)
        root[j] = (float)(1.0 / sqrt(common_part(job, n_pairs, j)));
}

static enum nbx_err solve_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct solve_job *job = ctx;
    const struct nbx_csr *pairs = job->side->pairs;
    size_t dim = job->w->dim, begin = unit * UNIT_ROWS, known_n = SIZE_MAX;
    size_t n = job->side->n - begin < UNIT_ROWS ? job->side->n - begin : UNIT_ROWS;
    float *solved = job->w->scratch + worker * job->w->scratch_floats;
    float *turned = solved + UNIT_ROWS * dim, *root = turned + UNIT_ROWS * dim;
    const uint32_t *order = job->side->order + begin;
    for (size_t i = 0; i < n; i++) {
        uint64_t start = pairs->start[order[i]];
        struct nbx_ials_row row = {.z = job->w->rotated,
                                   .cols = pairs->col + start,
                                   .weights = pairs->weight ? pairs->weight + start : NULL,
                                   .n = nbx_csr_row_entries(pairs, order[i]),
                                   .root = root};
        if (row.n != known_n)
            set_root(root, job, row.n);
        known_n = row.n;
        enum nbx_err err = nbx_ials_row_solve(solved + i * dim, &row, dim, root + dim);
        if (err)
            return err;
    }
    nbx_blas_gemm_nt(turned, solved, job->w->basis_t, n, dim, dim);
    for (size_t i = 0; i < n; i++)
        memcpy(job->side->factors + (size_t)order[i] * dim, turned + i * dim, dim * sizeof *turned);
    return NBX_OK;
}

enum nbx_err nbx_ials_side_solve(struct nbx_ials_side *side, const struct nbx_ials_side *fixed,
                                 const struct nbx_ials_options *options,
                                 struct nbx_ials_workspace *w)
{
    struct solve_job job = {side, fixed, options, w};
    enum nbx_err err = diagonalise(&job);
    return err ? err : nbx_parallel(w->threads, units(side->n), solve_unit, &job);
}

struct improve_job {
    struct solve_job solve;
    struct nbx_ials_side *fixed; /* solve.fixed, which turns with the other side */
    float relaxation;
};

/* Turns the fixed side itself. */
static enum nbx_err turn_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct improve_job *job = ctx;
    size_t dim = job->solve.w->dim, begin = unit * UNIT_ROWS;
    size_t n = job->fixed->n - begin < UNIT_ROWS ? job->fixed->n - begin : UNIT_ROWS;
    float *turned = job->solve.w->scratch + worker * job->solve.w->scratch_floats;
    float *rows = job->fixed->factors + begin * dim;
    nbx_blas_gemm_nt(turned, rows, job->solve.w->basis, n, dim, dim);
    memcpy(rows, turned, n * dim * sizeof *rows);
    return NBX_OK;
}

/* x (dim), turned already, and common (dim) of rows with n_pairs. */
static enum nbx_err improve_row(float *x, uint32_t r, const struct improve_job *job, float *common,
                                size_t *n_pairs)
{
    const struct nbx_csr *pairs = job->solve.side->pairs;
    size_t dim = job->solve.w->dim;
    uint64_t start = pairs->start[r];
    struct nbx_ials_row row = {.z = job->fixed->factors,
                               .cols = pairs->col + start,
                               .weights = pairs->weight ? pairs->weight + start : NULL,
                               .n = nbx_csr_row_entries(pairs, r)};
    struct nbx_ials_steps steps = {common, job->solve.options->steps, job->relaxation};
    if (row.n == 0) {
        memset(x, 0, dim * sizeof *x);
        return NBX_OK;
    }
    for (size_t j = 0; row.n != *n_pairs && j < dim; j++)
        common[j] = (float)common_part(&job->solve, row.n, j);
    *n_pairs = row.n;
    return nbx_ials_row_improve(x, &row, &steps, dim, common + dim);
}

static enum nbx_err improve_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct improve_job *job = ctx;
    const struct nbx_ials_side *side = job->solve.side;
    size_t dim = side->dim, begin = unit * UNIT_ROWS, n_pairs = SIZE_MAX;
    size_t n = side->n - begin < UNIT_ROWS ? side->n - begin : UNIT_ROWS;
    float *before = job->solve.w->scratch + worker * job->solve.w->scratch_floats;
    float *turned = before + UNIT_ROWS * dim, *common = turned + UNIT_ROWS * dim;
    const uint32_t *order = side->order + begin;
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; i < n; i++)
        memcpy(before + i * dim, side->factors + order[i] * dim, dim * sizeof *before);
    nbx_blas_gemm_nt(turned, before, job->solve.w->basis, n, dim, dim);
    for (size_t i = 0; !err && i < n; i++) {
        float *x = turned + i * dim;
        err = improve_row(x, order[i], job, common, &n_pairs);
        memcpy(side->factors + order[i] * dim, x, dim * sizeof *x);
    }
    return err;
}

enum nbx_err nbx_ials_side_improve(struct nbx_ials_side *side, struct nbx_ials_side *fixed,
                                   float relaxation, const struct nbx_ials_options *options,
                                   struct nbx_ials_workspace *w)
{
    struct improve_job job = {{side, fixed, options, w}, fixed, relaxation};
    enum nbx_err err = find_basis(&job.solve);
    if (!err)
        err = nbx_parallel(w->threads, units(fixed->n), turn_unit, &job);
    return err ? err : nbx_parallel(w->threads, units(side->n), improve_unit, &job);
}

/* The factors of a side in the basis that the workspace holds. */
static enum nbx_err take_turned(struct nbx_ials_side *side, const struct nbx_ials_options *options,
                                struct nbx_ials_workspace *w)
{
    struct solve_job job = {side, side, options, w};
    enum nbx_err err = nbx_parallel(w->threads, nbx_ials_parts(side->n), rotate_part, &job);
    if (!err)
        memcpy(side->factors, w->rotated, side->n * side->dim * sizeof *side->factors);
    return err;
}

enum nbx_err nbx_ials_sides_align(struct nbx_ials_side *items, struct nbx_ials_side *customers,
                                  const struct nbx_ials_options *options,
                                  struct nbx_ials_workspace *w)
{
    struct solve_job job = {items, items, options, w};
    enum nbx_err err = diagonalise(&job);
    if (!err)
        err = take_turned(items, options, w);
    return err ? err : take_turned(customers, options, w);
}
