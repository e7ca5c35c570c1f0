/* SPDX-License-Identifier: MIT */
#include "models/spectral/subspace.h"

#include "engine/base/parallel.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns multiplied by B at a time: two cache lines of a row, and sums that fit into registers. */
#define PANEL 32
/* Floats in a cache line, and how many entries ahead lines are asked for: rows lie anywhere, and a
 * product does little but wait for them. A fifth faster. */
#define LINE_FLOATS 16
#define AHEAD       8
/* Vectors beside those wanted: what the last of these share with the next ones fades by the ratio
 * of their singular values to the power of four per step. */
#define OVERSAMPLING 16
/* Rows of one unit of work. */
#define UNIT_ROWS 256
/* The small matrix is made in squares of so many columns. */
#define BLOCK 64
/* Singular values of BT B Y, as shares of the largest: below the first a vector is as good as
 * rounding, below the second nothing else. */
#define ROUNDING 1e-6
#define SMALLEST 1e-7

static size_t width_for(size_t dim)
{
    return (dim + OVERSAMPLING + PANEL - 1) / PANEL * PANEL;
}

static size_t units_of(size_t n_rows)
{
    return (n_rows + UNIT_ROWS - 1) / UNIT_ROWS;
}

static size_t unit_rows(size_t n_rows, size_t unit)
{
    size_t left = n_rows - unit * UNIT_ROWS;
    return left < UNIT_ROWS ? left : UNIT_ROWS;
}

/* Two strips of Y in doubles and a square. */
static size_t block_doubles(void)
{
    return 2 * UNIT_ROWS * BLOCK + BLOCK * BLOCK;
}

uint64_t nbx_subspace_bytes(const struct nbx_dataset *dataset,
                            const struct nbx_spectral_options *options, size_t dim)
{
    uint64_t width = width_for(dim), square = width * width;
    uint64_t n_customers = dataset->n_customers + 1, n_items = dataset->n_items + 1;
    uint64_t floats = n_items * (width + 1) + n_customers * (PANEL + 1) + square +
                      (uint64_t)options->threads * UNIT_ROWS * width;
    /* the last two: what LAPACK works with */
    uint64_t doubles = 2 * square + width + options->threads * (uint64_t)block_doubles() +
                       2 * square + 10 * width + 8;
    return floats * sizeof(float) + doubles * sizeof(double);
}

static void fill_scale(float *scale, const struct nbx_csr *pairs, float power)
{
    for (size_t r = 0; r < pairs->n_rows; r++) {
        size_t n = nbx_csr_row_entries(pairs, r);
        scale[r] = n ? (float)pow((double)n, -(double)power) : 0;
    }
}

struct start_job {
    struct nbx_subspace *s;
    uint64_t seed;
};

/* Every unit has a generator of its own; seeds close to each other share none. */
static enum nbx_err start_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct start_job *job = ctx;
    size_t width = job->s->width, n = unit_rows(job->s->by_item->n_rows, unit) * width;
    float *y = job->s->y + unit * UNIT_ROWS * width;
    struct nbx_random random;
    (void)worker;
    nbx_random_init(&random, job->seed);
    nbx_random_init(&random, nbx_random_u64(&random) + unit);
    for (size_t k = 0; k < n; k++)
        y[k] = (float)nbx_random_normal(&random);
    return NBX_OK;
}

static enum nbx_err allocate(struct nbx_subspace *s)
{
    size_t square = s->width * s->width;
    size_t n_customers = s->by_customer->n_rows + 1, n_items = s->by_item->n_rows + 1;
    s->y = malloc(n_items * s->width * sizeof *s->y);
    s->panel = malloc(n_customers * PANEL * sizeof *s->panel);
    s->customer_scale = malloc(n_customers * sizeof *s->customer_scale);
    s->item_scale = malloc(n_items * sizeof *s->item_scale);
    s->gram = malloc(square * sizeof *s->gram);
    s->square = malloc(square * sizeof *s->square);
    s->values = calloc(s->width, sizeof *s->values);
    s->turn = malloc(square * sizeof *s->turn);
    s->blocks = malloc(s->threads * block_doubles() * sizeof *s->blocks);
    s->turned = malloc(s->threads * UNIT_ROWS * s->width * sizeof *s->turned);
    return s->y && s->panel && s->customer_scale && s->item_scale && s->gram && s->square &&
                   s->values && s->turn && s->blocks && s->turned
               ? NBX_OK
               : NBX_ELIMIT;
}

enum nbx_err nbx_subspace_init(struct nbx_subspace *s, const struct nbx_dataset *dataset,
                               const struct nbx_spectral_options *options, size_t dim)
{
    struct start_job job = {s, options->seed};
    *s = (struct nbx_subspace){.by_customer = &dataset->by_customer,
                               .by_item = &dataset->by_item,
                               .width = width_for(dim),
                               .threads = options->threads};
    if (allocate(s))
        return NBX_ELIMIT;
    fill_scale(s->customer_scale, s->by_customer, options->customer_power);
    fill_scale(s->item_scale, s->by_item, options->item_power);
    return nbx_parallel(s->threads, units_of(dataset->n_items), start_unit, &job);
}

void nbx_subspace_fini(struct nbx_subspace *s)
{
    free(s->y);
    free(s->panel);
    free(s->customer_scale);
    free(s->item_scale);
    free(s->gram);
    free(s->square);
    free(s->values);
    free(s->turn);
    free(s->blocks);
    free(s->turned);
    *s = (struct nbx_subspace){0};
}

/* --- BT B Y ------------------------------------------------------------------------------- */

/* A panel of one side's rows: row r begins at rows + r * stride. */
struct panel {
    float *rows;
    size_t stride;
    const float *scale; /* one per row */
};

struct product_job {
    const struct nbx_csr *pairs;
    struct panel to, from; /* to = diag(to.scale) pairs diag(from.scale) from */
};

static inline void ask_for(const struct product_job *job, uint64_t at)
{
    const float *from = job->from.rows + job->pairs->col[at] * job->from.stride;
    for (size_t k = 0; k < PANEL; k += LINE_FLOATS)
        __builtin_prefetch(from + k);
}

static void multiply_row(const struct product_job *job, size_t row)
{
    const struct nbx_csr *pairs = job->pairs;
    float *restrict to = job->to.rows + row * job->to.stride, sums[PANEL] = {0};
    uint64_t entries = pairs->start[pairs->n_rows];
    for (uint64_t at = pairs->start[row]; at < pairs->start[row + 1]; at++) {
        const float *restrict from = job->from.rows + pairs->col[at] * job->from.stride;
        float scale = job->from.scale[pairs->col[at]];
        if (at + AHEAD < entries)
            ask_for(job, at + AHEAD);
        for (size_t k = 0; k < PANEL; k++)
            sums[k] += scale * from[k];
    }
    for (size_t k = 0; k < PANEL; k++)
        to[k] = job->to.scale[row] * sums[k];
}

static enum nbx_err multiply_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct product_job *job = ctx;
    size_t begin = unit * UNIT_ROWS, end = begin + unit_rows(job->pairs->n_rows, unit);
    (void)worker;
    for (size_t row = begin; row < end; row++)
        multiply_row(job, row);
    return NBX_OK;
}

/* Columns .. column + PANEL of Y = BT B Y. */
static enum nbx_err multiply_panel(struct nbx_subspace *s, size_t column)
{
    struct panel items = {s->y + column, s->width, s->item_scale};
    struct panel customers = {s->panel, PANEL, s->customer_scale};
    struct product_job there = {s->by_customer, customers, items};
    struct product_job back = {s->by_item, items, customers};
    enum nbx_err err =
        nbx_parallel(s->threads, units_of(s->by_customer->n_rows), multiply_unit, &there);
    return err ? err : nbx_parallel(s->threads, units_of(s->by_item->n_rows), multiply_unit, &back);
}

/* --- YT Y --------------------------------------------------------------------------------- */

struct gram_job {
    struct nbx_subspace *s;
    size_t n; /* of the first n columns: gram (n, n) */
};

/* strip (rows, columns), in doubles, from a corner of Y. */
static void copy_strip(double *restrict strip, const float *restrict y, size_t width, size_t rows,
                       size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
            strip[r * columns + k] = (double)y[r * width + k];
}

static size_t block_columns(size_t n, size_t block)
{
    size_t left = n - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

/* Square (i, j), j <= i, of the squares that lie in the lower triangle row by row. */
static enum nbx_err gram_square(void *ctx, unsigned worker, size_t square)
{
    const struct gram_job *job = ctx;
    const struct nbx_subspace *s = job->s;
    size_t i = 0, j = square, n_items = s->by_item->n_rows;
    while (j > i)
        j -= ++i;
    size_t high = block_columns(job->n, i), wide = block_columns(job->n, j);
    double *a = s->blocks + worker * block_doubles(), *b = a + UNIT_ROWS * BLOCK;
    double *sums = b + UNIT_ROWS * BLOCK;
    memset(sums, 0, high * wide * sizeof *sums);
    for (size_t unit = 0; unit < units_of(n_items); unit++) {
        const float *y = s->y + unit * UNIT_ROWS * s->width;
        size_t rows = unit_rows(n_items, unit);
        copy_strip(a, y + i * BLOCK, s->width, rows, high);
        copy_strip(b, y + j * BLOCK, s->width, rows, wide);
        nbx_blas_gemm_tn_double(sums, a, b, high, wide, rows);
    }
    for (size_t r = 0; r < high; r++)
        memcpy(s->gram + (i * BLOCK + r) * job->n + j * BLOCK, sums + r * wide,
               wide * sizeof *sums);
    return NBX_OK;
}

/* gram (n, n): a row per eigenvector of YT Y, Y's first n columns; values (n) ascend. */
static enum nbx_err decompose(struct nbx_subspace *s, size_t n, double *values)
{
    struct gram_job job = {s, n};
    size_t blocks = (n + BLOCK - 1) / BLOCK;
    enum nbx_err err = nbx_parallel(s->threads, blocks * (blocks + 1) / 2, gram_square, &job);
    return err ? err : nbx_blas_eigen(s->gram, values, n);
}

/* --- Y turned ----------------------------------------------------------------------------- */

static enum nbx_err turn_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct nbx_subspace *s = ctx;
    size_t rows = unit_rows(s->by_item->n_rows, unit), width = s->width;
    float *y = s->y + unit * UNIT_ROWS * width, *turned = s->turned + worker * UNIT_ROWS * width;
    nbx_blas_gemm_nt(turned, y, s->turn, rows, width, width);
    memcpy(y, turned, rows * width * sizeof *y);
    return NBX_OK;
}

static enum nbx_err turn(struct nbx_subspace *s)
{
    return nbx_parallel(s->threads, units_of(s->by_item->n_rows), turn_unit, s);
}

/* What makes a vector of that squared length as long as 1. A direction that rounding has swallowed
 * is not given up: what is left of it may grow back in the next step. */
static double inverse_length(double value, double largest)
{
    double least = SMALLEST * SMALLEST * largest;
    return largest > 0 ? 1 / sqrt(value > least ? value : least) : 0;
}

enum nbx_err nbx_subspace_step(struct nbx_subspace *s)
{
    enum nbx_err err = NBX_OK;
    size_t width = s->width;
    for (size_t column = 0; !err && column < width; column += PANEL)
        err = multiply_panel(s, column);
    if (!err)
        err = decompose(s, width, s->values);
    if (err)
        return err;
    for (size_t j = 0; j < width; j++) {
        size_t from = width - 1 - j; /* largest first */
        double scale = inverse_length(s->values[from], s->values[width - 1]);
        for (size_t k = 0; k < width; k++)
            s->turn[j * width + k] = (float)(s->gram[from * width + k] * scale);
    }
    return turn(s);
}

/* turn = (YT Y)^-1/2 for the first n columns, 0 elsewhere: the orthonormal vectors closest to what
 * is there, so that their order stays. */
static void set_nearest(struct nbx_subspace *s, const double *values, size_t n)
{
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < n; k++)
            s->gram[r * n + k] *= sqrt(inverse_length(values[r], values[n - 1]));
    memset(s->square, 0, n * n * sizeof *s->square);
    nbx_blas_gemm_tn_double(s->square, s->gram, s->gram, n, n, n);
    memset(s->turn, 0, s->width * s->width * sizeof *s->turn);
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < n; k++)
            s->turn[r * s->width + k] = (float)s->square[r * n + k];
}

enum nbx_err nbx_subspace_finish(struct nbx_subspace *s, size_t dim)
{
    double largest = s->values[s->width - 1];
    size_t n = 0;
    while (n < dim && s->values[s->width - 1 - n] > ROUNDING * ROUNDING * largest)
        n++;
    enum nbx_err err = decompose(s, n, s->values);
    if (err)
        return err;
    set_nearest(s, s->values, n);
    return turn(s);
}
