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

/* Customers a thread takes at a time: each block of items is read from memory once for all. */
#define SEATS       16
#define BLOCK_ITEMS 1024
#define ALIGNMENT   64
/* One customer's history and fold-in; both grow with the items known. */
#define ARENA_BYTES(n_items, dim) (((size_t)64 << 20) + (n_items)*64 + (dim) * (dim)*64)
#define ROW_UNKNOWN               UINT32_MAX

/* Marks of an item for a customer. */
enum mark { MARK_NONE, MARK_OWN, MARK_HELD_OUT };

/* A customer being ranked. */
struct seat {
    size_t test_customer, customer; /* rows of test and of events (NBX_DATASET_NO_ROW) */
    size_t n_history;
    float *x;             /* (padded) */
    struct nbx_hit *hits; /* (k) */
    uint8_t *marked;      /* (n_items) enum mark; wiped when the customer leaves */
    struct nbx_topk best;
};

struct worker {
    struct nbx_arena *arena;
    float *x;             /* (SEATS, padded) */
    struct nbx_hit *hits; /* (SEATS, k) */
    uint8_t *marked;      /* (SEATS, n_items) */
    struct seat seats[SEATS];
    float scores[BLOCK_ITEMS];
};

struct popular {
    uint32_t row;
    size_t n_customers;
    struct nbx_str id;
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
    struct worker *workers;         /* (threads) */
    struct nbx_metrics *metrics;    /* (test->n_customers) */
    struct nbx_metrics *popularity; /* (test->n_customers) */
    struct popular *popular;        /* (n_items) most customers first, then by id */
    uint8_t *cold;                  /* (test->n_customers) */
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

static int compare_popular(const void *a, const void *b)
{
    const struct popular *x = a, *y = b;
    if (x->n_customers != y->n_customers)
        return x->n_customers > y->n_customers ? -1 : 1;
    return nbx_str_cmp(x->id, y->id);
}

static enum nbx_err count_popular(struct job *job)
{
    size_t n = job->bundle->n_items;
    job->popular = calloc(n + 1, sizeof *job->popular);
    if (!job->popular)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++)
        job->popular[i] = (struct popular){(uint32_t)i, 0, job->bundle->item_ids[i]};
    for (size_t i = 0; i < job->events->n_items; i++)
        if (job->event_row[i] != ROW_UNKNOWN)
            job->popular[job->event_row[i]].n_customers =
                nbx_csr_row_entries(&job->events->by_item, i);
    qsort(job->popular, n, sizeof *job->popular, compare_popular);
    return NBX_OK;
}

static enum nbx_err init_worker(struct worker *w, const struct job *job)
{
    size_t n_items = job->bundle->n_items, k = job->options->k;
    w->arena = nbx_arena_new(ARENA_BYTES(n_items, job->space->dims));
    w->x = aligned_alloc(ALIGNMENT, SEATS * job->padded * sizeof *w->x);
    w->hits = calloc(SEATS * k, sizeof *w->hits);
    w->marked = calloc(SEATS, n_items + 1);
    if (!w->arena || !w->x || !w->hits || !w->marked)
        return NBX_ELIMIT;
    for (size_t i = 0; i < SEATS; i++)
        w->seats[i] = (struct seat){.x = w->x + i * job->padded,
                                    .hits = w->hits + i * k,
                                    .marked = w->marked + i * n_items};
    return NBX_OK;
}

static enum nbx_err make_workers(struct job *job)
{
    job->workers = calloc(job->options->threads, sizeof *job->workers);
    job->metrics = calloc(job->test->n_customers, sizeof *job->metrics);
    job->popularity = calloc(job->test->n_customers, sizeof *job->popularity);
    job->cold = calloc(job->test->n_customers, sizeof *job->cold);
    if (!job->workers || !job->metrics || !job->popularity || !job->cold)
        return NBX_ELIMIT;
    enum nbx_err err = NBX_OK;
    for (unsigned i = 0; !err && i < job->options->threads; i++)
        err = init_worker(&job->workers[i], job);
    return err;
}

static void free_job(struct job *job)
{
    for (unsigned i = 0; job->workers && i < job->options->threads; i++) {
        nbx_arena_destroy(&job->workers[i].arena);
        free(job->workers[i].x);
        free(job->workers[i].hits);
        free(job->workers[i].marked);
    }
    nbx_fold_destroy(&job->fold);
    free(job->workers);
    free(job->metrics);
    free(job->popularity);
    free(job->popular);
    free(job->cold);
    free(job->items);
    free(job->event_row);
    free(job->test_row);
}

/* The customer's items among the bundle's, marked as its own. */
static enum nbx_err gather_history(struct nbx_history *out, const struct job *job,
                                   struct nbx_arena *arena, const struct seat *seat)
{
    const struct nbx_csr *pairs = &job->events->by_customer;
    size_t n = nbx_csr_row_entries(pairs, seat->customer);
    const float **factors = nbx_arena_calloc(arena, n, sizeof *factors);
    float *weights = nbx_arena_calloc(arena, n, sizeof *weights);
    if (!factors || !weights)
        return NBX_ELIMIT;
    *out = (struct nbx_history){factors, weights, 0};
    for (uint64_t i = pairs->start[seat->customer]; i < pairs->start[seat->customer + 1]; i++) {
        uint32_t row = job->event_row[pairs->col[i]];
        if (row == ROW_UNKNOWN)
            continue;
        seat->marked[row] = MARK_OWN;
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

static enum nbx_err take_seat(const struct job *job, struct nbx_arena *arena, struct seat *seat,
                              size_t test_customer)
{
    struct nbx_history history = {0};
    enum nbx_err err = NBX_OK;
    nbx_arena_reset(arena);
    seat->test_customer = test_customer;
    seat->customer = nbx_dataset_find(job->events->customer_ids, job->events->n_customers,
                                      job->test->customer_ids[test_customer]);
    if (seat->customer != NBX_DATASET_NO_ROW)
        err = gather_history(&history, job, arena, seat);
    seat->n_history = history.n;
    job->cold[test_customer] = history.n == 0;
    nbx_topk_init(&seat->best, seat->hits, job->options->k, compare_ids, job->bundle->item_ids);
    if (err || history.n == 0)
        return err;
    return nbx_fold_customer(job->fold, &history, arena, seat->x);
}

static void rank_block(const struct job *job, struct worker *worker, struct seat *seat,
                       size_t begin, size_t n)
{
    nbx_dot_rows(worker->scores, seat->x, job->items + begin * job->padded, n, job->padded);
    float threshold = nbx_topk_threshold(&seat->best);
    for (size_t i = 0; i < n; i++) {
        if (worker->scores[i] < threshold || seat->marked[begin + i] == MARK_OWN)
            continue;
        nbx_topk_offer(&seat->best, worker->scores[i], (uint32_t)(begin + i));
        threshold = nbx_topk_threshold(&seat->best);
    }
}

static void mark_row(const struct nbx_csr *pairs, size_t row, const uint32_t *bundle_row,
                     uint8_t *marked, enum mark mark)
{
    for (uint64_t i = pairs->start[row]; i < pairs->start[row + 1]; i++)
        if (bundle_row[pairs->col[i]] != ROW_UNKNOWN)
            marked[bundle_row[pairs->col[i]]] = (uint8_t)mark;
}

/* The most popular items that are not the customer's own. rows: (k); returns how many. */
static size_t list_popular(uint32_t *rows, const struct job *job, const struct seat *seat)
{
    size_t n = 0;
    for (size_t i = 0; i < job->bundle->n_items && n < job->options->k; i++)
        if (seat->marked[job->popular[i].row] != MARK_OWN)
            rows[n++] = job->popular[i].row;
    return n;
}

static struct nbx_metrics measure(const uint32_t *rows, size_t n, const struct job *job,
                                  const struct seat *seat)
{
    bool right[NBX_EVALUATE_MAX_K];
    for (size_t i = 0; i < n; i++)
        right[i] = seat->marked[rows[i]] == MARK_HELD_OUT;
    return nbx_metrics_of(right, n, job->options->k,
                          nbx_csr_row_entries(&job->test->by_customer, seat->test_customer));
}

static void leave_seat(const struct job *job, struct seat *seat)
{
    uint32_t ranked[NBX_EVALUATE_MAX_K], popular[NBX_EVALUATE_MAX_K];
    const struct nbx_csr *held = &job->test->by_customer;
    size_t n = nbx_topk_finish(&seat->best), c = seat->test_customer;
    size_t n_popular = list_popular(popular, job, seat);
    for (size_t i = 0; i < n; i++)
        ranked[i] = seat->hits[i].row;
    mark_row(held, c, job->test_row, seat->marked, MARK_HELD_OUT);
    job->metrics[c] = measure(ranked, n, job, seat);
    job->popularity[c] = measure(popular, n_popular, job, seat);
    mark_row(held, c, job->test_row, seat->marked, MARK_NONE);
    if (seat->customer != NBX_DATASET_NO_ROW)
        mark_row(&job->events->by_customer, seat->customer, job->event_row, seat->marked,
                 MARK_NONE);
}

static enum nbx_err evaluate_unit(void *ctx, unsigned worker_number, size_t unit)
{
    struct job *job = ctx;
    struct worker *worker = &job->workers[worker_number];
    size_t begin = unit * SEATS, left = job->test->n_customers - begin;
    size_t n = left < SEATS ? left : SEATS, n_items = job->bundle->n_items;
    for (size_t i = 0; i < n; i++) {
        enum nbx_err err = take_seat(job, worker->arena, &worker->seats[i], begin + i);
        if (err)
            return err;
    }
    for (size_t from = 0; from < n_items; from += BLOCK_ITEMS) {
        size_t block = n_items - from < BLOCK_ITEMS ? n_items - from : BLOCK_ITEMS;
        for (size_t i = 0; i < n; i++)
            if (worker->seats[i].n_history)
                rank_block(job, worker, &worker->seats[i], from, block);
    }
    for (size_t i = 0; i < n; i++)
        leave_seat(job, &worker->seats[i]);
    size_t done = atomic_fetch_add(&job->done, n) + n;
    if (worker_number == 0)
        nbx_progress_update(&job->progress, done);
    return NBX_OK;
}

static void sum_up(struct nbx_evaluation *out, const struct job *job)
{
    struct nbx_metrics sum = {0}, popularity = {0};
    const struct nbx_csr *held = &job->test->by_customer;
    out->customers = job->test->n_customers;
    out->test_pairs = nbx_csr_entries(held);
    for (size_t c = 0; c < out->customers; c++) {
        nbx_metrics_add(&sum, &job->metrics[c]);
        nbx_metrics_add(&popularity, &job->popularity[c]);
        out->cold += job->cold[c];
    }
    for (size_t i = 0; i < out->test_pairs; i++)
        out->unknown_pairs += job->test_row[held->col[i]] == ROW_UNKNOWN;
    out->metrics = nbx_metrics_mean(&sum, out->customers);
    out->popularity = nbx_metrics_mean(&popularity, out->customers);
}

static enum nbx_err prepare(struct job *job, struct nbx_fault *fault)
{
    if (map_items(job) || pad_items(job) || count_popular(job) || make_workers(job))
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
    size_t units = (test->n_customers + SEATS - 1) / SEATS;
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
    uint64_t each = ARENA_BYTES(n, dim) + sizeof(struct worker) + SEATS * (n + 1) +
                    SEATS * (nbx_padded(dim) * sizeof(float) + options->k * sizeof(struct nbx_hit));
    return n * nbx_padded(dim) * sizeof(float) + 2 * ids + (64 + sizeof(struct popular)) * n +
           8 * dim * dim * sizeof(double) + options->threads * each +
           n_customers * (2 * sizeof(struct nbx_metrics) + 1);
}
