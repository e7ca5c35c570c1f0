/* SPDX-License-Identifier: MIT */
#include "models/evaluate/evaluate.h"

#include "engine/base/arena.h"
#include "engine/base/clock.h"
#include "engine/base/map.h"
#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "engine/blas/blas.h"
#include "engine/score/dot.h"
#include "engine/score/fold.h"
#include "engine/score/topk.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Customers a thread takes at a time. */
#define UNIT_CUSTOMERS 32
#define ALIGNMENT      64
/* One customer's vectors and lists; history and fold-in both grow with the items known. */
#define ARENA_BYTES(n_items, dim) (((size_t)64 << 20) + (n_items)*64 + (dim) * (dim)*64)
#define ROW_UNKNOWN               UINT32_MAX

struct worker {
    struct nbx_arena *arena;
    float *scores;   /* (n_items) */
    uint8_t *marked; /* (n_items) 1: the customer's own, 2: held out; wiped after each customer */
};

struct job {
    const struct nbx_bundle_info *bundle;
    const struct nbx_space *space;
    const struct nbx_dataset *events, *test;
    const struct nbx_evaluate_options *options;
    size_t padded;
    float *items;        /* (n_items, padded) */
    uint32_t *event_row; /* (events->n_items) the bundle's row */
    uint32_t *test_row;  /* (test->n_items) */
    struct nbx_fold *fold;
    struct worker *workers;      /* (threads) */
    struct nbx_metrics *metrics; /* (test->n_customers) */
    uint8_t *cold;               /* (test->n_customers) */
    struct nbx_progress progress;
    _Atomic size_t done;
};

bool nbx_evaluate_knows(const char *protocol)
{
    return strcmp(protocol, "lightgcn") == 0;
}

static enum nbx_err check(const struct nbx_bundle_info *bundle, const struct nbx_dataset *test,
                          const struct nbx_evaluate_options *o, struct nbx_fault *fault)
{
    if (!nbx_evaluate_knows(o->protocol))
        return nbx_fault_set(fault, NBX_EBAD, "protocol", "unknown \"%.64s\", known are %s",
                             o->protocol, NBX_EVALUATE_PROTOCOLS);
    if (o->k < 1 || o->k > NBX_EVALUATE_MAX_K)
        return nbx_fault_set(fault, NBX_EBAD, "k", "must be 1 to %d, got %zu", NBX_EVALUATE_MAX_K,
                             o->k);
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
    if (bundle->n_spaces != 1)
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "one space can be evaluated, this has %zu",
                             bundle->n_spaces);
    if (bundle->spaces[0].customer != NBX_CUSTOMER_FOLDED)
        return nbx_fault_set(fault, NBX_EBAD, "spaces[0].customer",
                             "customers are given: there is nothing to fold them in from");
    if (bundle->spaces[0].metric != NBX_METRIC_DOT)
        return nbx_fault_set(fault, NBX_EBAD, "spaces[0].metric", "only dot can be evaluated");
    if (test->n_customers == 0)
        return nbx_fault_set(fault, NBX_EBAD, "test", "has no customer with a held-out item");
    return NBX_OK;
}

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory evaluating");
}

/* rows (n): the bundle's row of each id. */
static uint32_t *map_rows(const struct nbx_map *map, const struct nbx_str *ids, size_t n)
{
    uint32_t *rows = calloc(n + 1, sizeof *rows);
    for (size_t i = 0; rows && i < n; i++) {
        uint32_t row = nbx_map_get(map, ids[i]);
        rows[i] = row == NBX_MAP_NONE ? ROW_UNKNOWN : row;
    }
    return rows;
}

static enum nbx_err map_items(struct job *job)
{
    const struct nbx_bundle_info *bundle = job->bundle;
    struct nbx_map *map = nbx_map_new();
    enum nbx_err err = map ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < bundle->n_items; i++)
        err = nbx_map_put(map, bundle->item_ids[i], (uint32_t)i);
    if (!err) {
        job->event_row = map_rows(map, job->events->item_ids, job->events->n_items);
        job->test_row = map_rows(map, job->test->item_ids, job->test->n_items);
        err = job->event_row && job->test_row ? NBX_OK : NBX_ELIMIT;
    }
    nbx_map_destroy(&map);
    return err;
}

static enum nbx_err pad_items(struct job *job)
{
    size_t dim = job->space->dims, n = job->bundle->n_items;
    job->padded = nbx_padded(dim);
    size_t bytes = (n + 1) * job->padded * sizeof(float);
    job->items = aligned_alloc(ALIGNMENT, bytes);
    if (!job->items)
        return NBX_ELIMIT;
    memset(job->items, 0, bytes);
    for (size_t i = 0; i < n; i++)
        memcpy(job->items + i * job->padded, job->space->item_factors + i * dim,
               dim * sizeof(float));
    return NBX_OK;
}

static enum nbx_err make_fold(struct job *job)
{
    size_t dim = job->space->dims;
    float *gram = calloc(dim * dim, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    nbx_blas_gram(gram, job->space->item_factors, job->bundle->n_items, dim, 1.0f);
    struct nbx_fold_options options = {job->space->alpha0, job->space->lambda, job->space->nu};
    enum nbx_err err = nbx_fold_new(&job->fold, gram, dim, job->bundle->n_items, options);
    free(gram);
    return err;
}

static enum nbx_err make_workers(struct job *job)
{
    size_t n_items = job->bundle->n_items;
    job->workers = calloc(job->options->threads, sizeof *job->workers);
    job->metrics = calloc(job->test->n_customers, sizeof *job->metrics);
    job->cold = calloc(job->test->n_customers, sizeof *job->cold);
    if (!job->workers || !job->metrics || !job->cold)
        return NBX_ELIMIT;
    for (unsigned i = 0; i < job->options->threads; i++) {
        struct worker *w = &job->workers[i];
        w->arena = nbx_arena_new(ARENA_BYTES(n_items, job->space->dims));
        w->scores = calloc(n_items + 1, sizeof *w->scores);
        w->marked = calloc(n_items + 1, sizeof *w->marked);
        if (!w->arena || !w->scores || !w->marked)
            return NBX_ELIMIT;
    }
    return NBX_OK;
}

static void free_job(struct job *job)
{
    for (unsigned i = 0; job->workers && i < job->options->threads; i++) {
        nbx_arena_destroy(&job->workers[i].arena);
        free(job->workers[i].scores);
        free(job->workers[i].marked);
    }
    nbx_fold_destroy(&job->fold);
    free(job->workers);
    free(job->metrics);
    free(job->cold);
    free(job->items);
    free(job->event_row);
    free(job->test_row);
}

/* The customer's items among the bundle's, marked 1 for the mask. */
static enum nbx_err gather_history(struct nbx_history *out, const struct job *job,
                                   struct worker *worker, size_t customer)
{
    const struct nbx_csr *pairs = &job->events->by_customer;
    size_t n = nbx_csr_row_entries(pairs, customer);
    const float **factors = nbx_arena_calloc(worker->arena, n, sizeof *factors);
    float *weights = nbx_arena_calloc(worker->arena, n, sizeof *weights);
    if (!factors || !weights)
        return NBX_ELIMIT;
    *out = (struct nbx_history){factors, weights, 0};
    for (uint64_t i = pairs->start[customer]; i < pairs->start[customer + 1]; i++) {
        uint32_t row = job->event_row[pairs->col[i]];
        if (row == ROW_UNKNOWN)
            continue;
        worker->marked[row] = 1;
        factors[out->n] = job->items + row * job->padded;
        weights[out->n++] = pairs->weight ? pairs->weight[i] : 1.0f;
    }
    return NBX_OK;
}

static int compare_ids(const void *ctx, uint32_t a, uint32_t b)
{
    const struct nbx_str *ids = ctx;
    return nbx_str_cmp(ids[a], ids[b]);
}

static size_t rank_items(const struct job *job, struct worker *worker, const float *x,
                         struct nbx_hit *hits)
{
    struct nbx_topk best;
    size_t n_items = job->bundle->n_items;
    nbx_topk_init(&best, hits, job->options->k, compare_ids, job->bundle->item_ids);
    nbx_dot_rows(worker->scores, x, job->items, n_items, job->padded);
    for (size_t i = 0; i < n_items; i++)
        if (worker->scores[i] >= nbx_topk_threshold(&best) && worker->marked[i] != 1)
            nbx_topk_offer(&best, worker->scores[i], (uint32_t)i);
    return nbx_topk_finish(&best);
}

/* right (k) from the list and the customer's held-out items; *n its length. */
static enum nbx_err list_places(bool *right, size_t *n, const struct job *job,
                                struct worker *worker, size_t test_customer)
{
    struct nbx_history history;
    size_t customer = nbx_dataset_find(job->events->customer_ids, job->events->n_customers,
                                       job->test->customer_ids[test_customer]);
    *n = 0;
    enum nbx_err err = NBX_OK;
    history.n = 0;
    if (customer != NBX_DATASET_NO_ROW)
        err = gather_history(&history, job, worker, customer);
    job->cold[test_customer] = history.n == 0;
    if (err || history.n == 0)
        return err;
    float *x = nbx_arena_floats(worker->arena, job->padded);
    struct nbx_hit *hits = nbx_arena_calloc(worker->arena, job->options->k, sizeof *hits);
    if (!x || !hits)
        return NBX_ELIMIT;
    err = nbx_fold_customer(job->fold, &history, worker->arena, x);
    if (err)
        return err;
    const struct nbx_csr *held = &job->test->by_customer;
    *n = rank_items(job, worker, x, hits);
    for (uint64_t i = held->start[test_customer]; i < held->start[test_customer + 1]; i++) {
        uint32_t row = job->test_row[held->col[i]];
        if (row != ROW_UNKNOWN)
            worker->marked[row] = 2;
    }
    for (size_t i = 0; i < *n; i++)
        right[i] = worker->marked[hits[i].row] == 2;
    return NBX_OK;
}

static void wipe(const struct nbx_csr *pairs, size_t row, const uint32_t *bundle_row,
                 uint8_t *marked)
{
    for (uint64_t i = pairs->start[row]; i < pairs->start[row + 1]; i++)
        if (bundle_row[pairs->col[i]] != ROW_UNKNOWN)
            marked[bundle_row[pairs->col[i]]] = 0;
}

static enum nbx_err evaluate_customer(const struct job *job, struct worker *worker,
                                      size_t test_customer)
{
    bool right[NBX_EVALUATE_MAX_K] = {false};
    size_t n;
    nbx_arena_reset(worker->arena);
    enum nbx_err err = list_places(right, &n, job, worker, test_customer);
    size_t n_test = nbx_csr_row_entries(&job->test->by_customer, test_customer);
    job->metrics[test_customer] = nbx_metrics_of(right, n, job->options->k, n_test);
    size_t customer = nbx_dataset_find(job->events->customer_ids, job->events->n_customers,
                                       job->test->customer_ids[test_customer]);
    if (customer != NBX_DATASET_NO_ROW)
        wipe(&job->events->by_customer, customer, job->event_row, worker->marked);
    wipe(&job->test->by_customer, test_customer, job->test_row, worker->marked);
    return err;
}

static enum nbx_err evaluate_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    size_t begin = unit * UNIT_CUSTOMERS, end = begin + UNIT_CUSTOMERS;
    if (end > job->test->n_customers)
        end = job->test->n_customers;
    for (size_t c = begin; c < end; c++) {
        enum nbx_err err = evaluate_customer(job, &job->workers[worker], c);
        if (err)
            return err;
    }
    size_t done = atomic_fetch_add(&job->done, end - begin) + (end - begin);
    if (worker == 0)
        nbx_progress_update(&job->progress, done);
    return NBX_OK;
}

static void sum_up(struct nbx_evaluation *out, const struct job *job)
{
    struct nbx_metrics sum = {0};
    const struct nbx_csr *held = &job->test->by_customer;
    out->customers = job->test->n_customers;
    out->test_pairs = nbx_csr_entries(held);
    for (size_t c = 0; c < out->customers; c++) {
        nbx_metrics_add(&sum, &job->metrics[c]);
        out->cold += job->cold[c];
    }
    for (size_t i = 0; i < out->test_pairs; i++)
        out->unknown_pairs += job->test_row[held->col[i]] == ROW_UNKNOWN;
    out->metrics = nbx_metrics_mean(&sum, out->customers);
}

static enum nbx_err prepare(struct job *job, struct nbx_fault *fault)
{
    if (map_items(job) || pad_items(job) || make_workers(job))
        return out_of_memory(fault);
    enum nbx_err err = make_fold(job);
    if (err == NBX_ELIMIT)
        return out_of_memory(fault);
    return err ? nbx_fault_set(fault, err, "spaces[0]", "customers cannot be folded in") : NBX_OK;
}

enum nbx_err nbx_evaluate(struct nbx_evaluation *out, const struct nbx_bundle_info *bundle,
                          const struct nbx_dataset *events, const struct nbx_dataset *test,
                          const struct nbx_evaluate_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_evaluation){0};
    enum nbx_err err = check(bundle, test, options, fault);
    if (err)
        return err;
    int64_t start_ns = nbx_clock_mono_ns();
    struct job job = {.bundle = bundle,
                      .space = &bundle->spaces[0],
                      .events = events,
                      .test = test,
                      .options = options};
    size_t units = (test->n_customers + UNIT_CUSTOMERS - 1) / UNIT_CUSTOMERS;
    err = prepare(&job, fault);
    if (!err) {
        nbx_progress_start(&job.progress, options->progress_fd, "evaluating", "customers",
                           test->n_customers);
        err = nbx_parallel(options->threads, units, evaluate_unit, &job);
        nbx_progress_end(&job.progress);
        if (err == NBX_ELIMIT)
            out_of_memory(fault);
        else if (err)
            nbx_fault_set(fault, err, "spaces[0]", "a customer cannot be folded in");
    }
    if (!err)
        sum_up(out, &job);
    out->seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
    free_job(&job);
    return err;
}

uint64_t nbx_evaluate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                  const struct nbx_evaluate_options *options)
{
    uint64_t n = bundle->n_items, dim = bundle->n_spaces ? bundle->spaces[0].dims : 0, ids = 0;
    for (size_t i = 0; i < bundle->n_items; i++)
        ids += bundle->item_ids[i].len;
    uint64_t each = ARENA_BYTES(n, dim) + n * (sizeof(float) + 1);
    return n * nbx_padded(dim) * sizeof(float) + 2 * ids + 64 * n + 8 * dim * dim * sizeof(double) +
           options->threads * each + n_customers * (sizeof(struct nbx_metrics) + 1);
}
