/* SPDX-License-Identifier: MIT
 * What iALS has reached after each epoch, and in what time: the nbx side of bench/implicit.
 *
 *     bench_implicit EVENTS [--dim D] [--threads T] [--alpha0 A] [--lambda L] [--nu N] [--seed S]
 *                    [--steps C] [--relaxation R] [--share P] [--epochs E] [--until LOSS] [--out
 * FILE]
 *
 * Prints a JSON object for the data and one after each epoch: wall and processor seconds since the
 * start, the loss. The clocks begin before the matrix is transposed and stand still while the loss
 * is computed. Ends after E epochs, or earlier where the loss is at most LOSS. --share keeps the
 * pairs of a seeded share of all. FILE takes the factors, raw float32: the customers' rows, then
 * the items', both in byte order of their ids.
 */
#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "models/dataset/dataset.h"
#include "models/ials/ials.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct run {
    struct nbx_ials_options options;
    double share, until;
    long epochs;
    const char *events, *out;
};

/* Adds up what happens between clock_go and clock_stop. */
struct clock {
    double wall_s, cpu_s, wall_at, cpu_at;
};

static double seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void clock_go(struct clock *c)
{
    c->wall_at = seconds(CLOCK_MONOTONIC);
    c->cpu_at = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void clock_stop(struct clock *c)
{
    c->wall_s += seconds(CLOCK_MONOTONIC) - c->wall_at;
    c->cpu_s += seconds(CLOCK_PROCESS_CPUTIME_ID) - c->cpu_at;
}

/* The pairs that a seeded draw keeps; rows and columns stay, so that some may be empty. */
static enum nbx_err thin(struct nbx_csr *out, const struct nbx_csr *all, double share,
                         uint64_t seed)
{
    struct nbx_random random;
    struct nbx_triple *kept = malloc((nbx_csr_entries(all) + 1) * sizeof *kept);
    size_t n = 0;
    if (!kept)
        return NBX_ELIMIT;
    nbx_random_init(&random, seed);
    for (size_t r = 0; r < all->n_rows; r++)
        for (uint64_t i = all->start[r]; i < all->start[r + 1]; i++)
            if (share >= 1 || nbx_random_unit(&random) < share)
                kept[n++] = (struct nbx_triple){(uint32_t)r, all->col[i], 1.0f};
    enum nbx_err err = nbx_csr_from_triples(out, kept, n, all->n_rows, all->n_cols, false);
    free(kept);
    return err;
}

static enum nbx_err epochs(struct nbx_ials *ials, const struct run *run, struct clock *clock,
                           struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    double loss = 0;
    for (long epoch = 1; !err && epoch <= run->epochs; epoch++) {
        clock_go(clock);
        err = nbx_ials_epoch(ials, fault);
        clock_stop(clock);
        if (!err)
            err = nbx_ials_loss(ials, &loss, fault);
        if (!err)
            printf("{\"epoch\": %ld, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
                   "\"loss\": %.9g}\n",
                   epoch, clock->wall_s, clock->cpu_s, loss);
        fflush(stdout);
        if (loss <= run->until)
            break;
    }
    return err;
}

static enum nbx_err write_factors(const struct nbx_ials *ials, const struct nbx_csr *pairs,
                                  const struct run *run, struct nbx_fault *fault)
{
    size_t dim = run->options.dim, n_customers = pairs->n_rows * dim, n_items = pairs->n_cols * dim;
    FILE *f = fopen(run->out, "wb");
    bool ok = f && fwrite(nbx_ials_customers(ials), sizeof(float), n_customers, f) == n_customers &&
              fwrite(nbx_ials_items(ials), sizeof(float), n_items, f) == n_items;
    if (f && fclose(f))
        ok = false;
    return ok ? NBX_OK
              : nbx_fault_set(fault, NBX_ESTORAGE, "out", "%s: cannot be written", run->out);
}

static enum nbx_err train(const struct nbx_csr *pairs, const struct run *run,
                          struct nbx_fault *fault)
{
    struct clock clock = {0};
    struct nbx_csr by_item = {0};
    struct nbx_ials *ials = NULL;
    printf("{\"customers\": %zu, \"items\": %zu, \"pairs\": %zu, \"dim\": %zu, \"threads\": %u}\n",
           pairs->n_rows, pairs->n_cols, nbx_csr_entries(pairs), run->options.dim,
           run->options.threads);
    clock_go(&clock);
    enum nbx_err err = nbx_csr_transpose(&by_item, pairs);
    if (!err)
        err = nbx_ials_new(&ials, pairs, &by_item, &run->options, fault);
    clock_stop(&clock);
    if (!err)
        err = epochs(ials, run, &clock, fault);
    if (!err && run->out)
        err = write_factors(ials, pairs, run, fault);
    nbx_ials_destroy(&ials);
    nbx_csr_fini(&by_item);
    return err;
}

static int bench(const struct run *run)
{
    struct nbx_fault fault = {0};
    struct nbx_dataset *dataset;
    struct nbx_csr pairs = {0};
    struct nbx_dataset_options read = {.progress_fd = STDERR_FILENO};
    enum nbx_err err = nbx_dataset_read(&dataset, run->events, &read, &fault);
    if (!err)
        err = thin(&pairs, &dataset->by_customer, run->share, run->options.seed);
    if (!err)
        err = train(&pairs, run, &fault);
    if (err)
        fprintf(stderr, "bench_implicit: %s: %s\n", fault.field, fault.message);
    nbx_csr_fini(&pairs);
    nbx_dataset_destroy(&dataset);
    return err ? 1 : 0;
}

static const struct option OPTIONS[] = {{"dim", required_argument, NULL, 'd'},
                                        {"threads", required_argument, NULL, 't'},
                                        {"alpha0", required_argument, NULL, 'a'},
                                        {"lambda", required_argument, NULL, 'l'},
                                        {"nu", required_argument, NULL, 'n'},
                                        {"seed", required_argument, NULL, 's'},
                                        {"share", required_argument, NULL, 'p'},
                                        {"epochs", required_argument, NULL, 'e'},
                                        {"until", required_argument, NULL, 'u'},
                                        {"steps", required_argument, NULL, 'c'},
                                        {"relaxation", required_argument, NULL, 'r'},
                                        {"out", required_argument, NULL, 'o'},
                                        {0}};

static bool parse(struct run *run, int argc, char **argv)
{
    struct nbx_ials_options *o = &run->options;
    int c;
    while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (c) {
        case 'd': o->dim = strtoul(optarg, NULL, 10); break;
        case 't': o->threads = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'a': o->alpha0 = strtof(optarg, NULL); break;
        case 'l': o->lambda = strtof(optarg, NULL); break;
        case 'n': o->nu = strtof(optarg, NULL); break;
        case 's': o->seed = strtoull(optarg, NULL, 10); break;
        case 'c': o->steps = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'r': o->relaxation = strtof(optarg, NULL); break;
        case 'p': run->share = strtod(optarg, NULL); break;
        case 'e': run->epochs = strtol(optarg, NULL, 10); break;
        case 'u': run->until = strtod(optarg, NULL); break;
        case 'o': run->out = optarg; break;
        default: return false;
        }
    }
    run->events = argv[optind];
    return optind == argc - 1 && run->epochs > 0 && run->share > 0;
}

int main(int argc, char **argv)
{
    struct run run = {.share = 1, .until = -1, .epochs = NBX_IALS_DEFAULT_EPOCHS};
    nbx_blas_init();
    nbx_ials_defaults(&run.options);
    if (!parse(&run, argc, argv)) {
        fprintf(stderr, "usage: bench_implicit EVENTS [--dim D] [--threads T] [--alpha0 A] "
                        "[--lambda L] [--nu N] [--seed S] [--steps C] [--relaxation R] [--share P] "
                        "[--epochs E] [--until LOSS] "
                        "[--out FILE]\n");
        return 2;
    }
    return bench(&run);
}
