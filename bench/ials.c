/* SPDX-License-Identifier: MIT
 * An epoch of iALS, solved exactly, beside a plain loop: one ssyrk and one sposv per row, the same
 * threads.
 *
 *     bench_ials EVENTS [--dim D] [--threads T] [--rounds R] [--json]
 *
 * Rounds are interleaved (ours, plain, ours, plain ...) and the median of each is printed. Both
 * start from the same factors every round and must agree on the result.
 */
#include "models/ials/ials.h"
#include "engine/base/clock.h"
#include "engine/base/parallel.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "models/dataset/dataset.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ROUNDS 101
#define UNIT_ROWS  64

struct plain_side {
    const struct nbx_csr *pairs;
    const float *fixed; /* (n_cols, dim) */
    float *out;         /* (n_rows, dim) */
    const struct nbx_ials_options *options;
    float *gram;     /* (dim, dim) lower */
    float *scratch;  /* (threads, scratch_floats) */
    size_t gathered; /* rows of the longest row, gathered */
};

static size_t scratch_floats(const struct plain_side *side)
{
    return side->options->dim * (side->options->dim + side->gathered);
}

/* alpha0 G + reg I + sum y yT by one ssyrk, then one sposv. */
static enum nbx_err plain_row(const struct plain_side *side, float *scratch, size_t row)
{
    const struct nbx_ials_options *o = side->options;
    const struct nbx_csr *pairs = side->pairs;
    size_t dim = o->dim, n = nbx_csr_row_entries(pairs, row);
    float *a = scratch, *y = a + dim * dim, *b = side->out + row * dim;
    float reg = o->lambda * powf((float)n + o->alpha0 * (float)pairs->n_cols, o->nu);
    memset(b, 0, dim * sizeof *b);
    for (size_t i = 0; i < dim * dim; i++)
        a[i] = o->alpha0 * side->gram[i];
    for (size_t i = 0; i < dim; i++)
        a[i * dim + i] += reg;
    for (size_t i = 0; i < n; i++) {
        const float *from = side->fixed + (size_t)pairs->col[pairs->start[row] + i] * dim;
        memcpy(y + i * dim, from, dim * sizeof *y);
        for (size_t j = 0; j < dim; j++)
            b[j] += from[j];
    }
    nbx_blas_gram(a, y, n, dim, 1.0f);
    return nbx_blas_solve(a, b, dim, 1);
}

static enum nbx_err plain_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct plain_side *side = ctx;
    float *scratch = side->scratch + worker * scratch_floats(side);
    enum nbx_err err = NBX_OK;
    for (size_t r = unit * UNIT_ROWS; !err && r < (unit + 1) * UNIT_ROWS && r < side->pairs->n_rows;
         r++)
        err = plain_row(side, scratch, r);
    return err;
}

static size_t longest_row(const struct nbx_csr *pairs)
{
    size_t longest = 0;
    for (size_t r = 0; r < pairs->n_rows; r++)
        if (nbx_csr_row_entries(pairs, r) > longest)
            longest = nbx_csr_row_entries(pairs, r);
    return longest;
}

static enum nbx_err plain_half(const struct nbx_csr *pairs, const float *fixed, float *out,
                               const struct nbx_ials_options *options)
{
    size_t dim = options->dim;
    struct plain_side side = {.pairs = pairs, .fixed = fixed, .out = out, .options = options};
    side.gathered = longest_row(pairs);
    side.gram = calloc(dim * dim, sizeof *side.gram);
    side.scratch = malloc(options->threads * scratch_floats(&side) * sizeof *side.scratch);
    enum nbx_err err = NBX_ELIMIT;
    if (side.gram && side.scratch) {
        nbx_blas_gram(side.gram, fixed, pairs->n_cols, dim, 1.0f);
        err = nbx_parallel(options->threads, (pairs->n_rows + UNIT_ROWS - 1) / UNIT_ROWS,
                           plain_unit, &side);
    }
    free(side.gram);
    free(side.scratch);
    return err;
}

struct run {
    const struct nbx_dataset *dataset;
    struct nbx_ials_options options;
    int rounds;
    float *start, *customers, *items; /* (n_items, dim), (n_customers, dim), (n_items, dim) */
    double ours_ms[MAX_ROUNDS], plain_ms[MAX_ROUNDS];
    double difference; /* largest between the two's items, over the largest of the plain ones */
};

static double ms_since(int64_t start_ns)
{
    return (double)(nbx_clock_mono_ns() - start_ns) / 1e6;
}

static enum nbx_err one_round(struct run *run, int round, struct nbx_fault *fault)
{
    const struct nbx_dataset *d = run->dataset;
    struct nbx_ials *ials;
    enum nbx_err err = nbx_ials_new(&ials, &d->by_customer, &d->by_item, &run->options, fault);
    if (err)
        return err;
    memcpy(run->start, nbx_ials_items(ials), d->n_items * run->options.dim * sizeof(float));
    int64_t start_ns = nbx_clock_mono_ns();
    err = nbx_ials_epoch(ials, fault);
    run->ours_ms[round] = ms_since(start_ns);
    start_ns = nbx_clock_mono_ns();
    if (!err)
        err = plain_half(&d->by_customer, run->start, run->customers, &run->options);
    if (!err)
        err = plain_half(&d->by_item, run->customers, run->items, &run->options);
    run->plain_ms[round] = ms_since(start_ns);
    double largest = 0, difference = 0;
    for (size_t i = 0; !err && i < d->n_items * run->options.dim; i++) {
        largest = fmax(largest, fabs((double)run->items[i]));
        difference = fmax(difference, fabs((double)(run->items[i] - nbx_ials_items(ials)[i])));
    }
    run->difference = difference / largest;
    nbx_ials_destroy(&ials);
    return err;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void report(struct run *run, bool json)
{
    const struct nbx_dataset *d = run->dataset;
    double ours = median(run->ours_ms, run->rounds), plain = median(run->plain_ms, run->rounds);
    printf(json ? "{\"customers\": %zu, \"items\": %zu, \"pairs\": %zu, \"dim\": %zu, "
                  "\"threads\": %u, \"rounds\": %d, \"epoch_ms\": %.1f, \"plain_ms\": %.1f, "
                  "\"ratio\": %.3f, \"difference\": %.2g}\n"
                : "%zu customers, %zu items, %zu pairs, %zu dimensions, %u threads, median of %d\n"
                  "  nbx epoch              %9.1f ms\n"
                  "  ssyrk + sposv per row  %9.1f ms\n"
                  "  ratio                  %9.3f\n"
                  "  largest difference     %9.2g of the largest factor\n",
           d->n_customers, d->n_items, nbx_csr_entries(&d->by_customer), run->options.dim,
           run->options.threads, run->rounds, ours, plain, ours / plain, run->difference);
}

static int bench(const char *events, struct run *run, bool json)
{
    struct nbx_fault fault = {0};
    struct nbx_dataset *dataset;
    struct nbx_dataset_options read = {.progress_fd = STDERR_FILENO};
    enum nbx_err err = nbx_dataset_read(&dataset, events, &read, &fault);
    if (!err) {
        size_t dim = run->options.dim;
        run->dataset = dataset;
        run->start = calloc(dataset->n_items * dim + 1, sizeof *run->start);
        run->customers = calloc(dataset->n_customers * dim + 1, sizeof *run->customers);
        run->items = calloc(dataset->n_items * dim + 1, sizeof *run->items);
        err = run->start && run->customers && run->items ? NBX_OK : NBX_ELIMIT;
        for (int i = 0; !err && i < run->rounds; i++)
            err = one_round(run, i, &fault);
    }
    if (err)
        fprintf(stderr, "bench_ials: %s: %s\n", fault.field, fault.message);
    else
        report(run, json);
    free(run->start);
    free(run->customers);
    free(run->items);
    nbx_dataset_destroy(&dataset);
    return err ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"dim", required_argument, NULL, 'd'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"rounds", required_argument, NULL, 'r'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    static struct run run = {.rounds = 5};
    bool json = false;
    int c;
    nbx_blas_init();
    nbx_ials_defaults(&run.options);
    run.options.steps = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'd': run.options.dim = strtoul(optarg, NULL, 10); break;
        case 't': run.options.threads = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'r': run.rounds = (int)strtol(optarg, NULL, 10); break;
        case 'j': json = true; break;
        default: return 2;
        }
    }
    if (optind != argc - 1 || run.rounds < 1 || run.rounds > MAX_ROUNDS) {
        fprintf(stderr,
                "usage: bench_ials EVENTS [--dim D] [--threads T] [--rounds 1..%d] "
                "[--json]\n",
                MAX_ROUNDS);
        return 2;
    }
    return bench(argv[optind], &run, json);
}
