/* SPDX-License-Identifier: MIT */
#include "models/evaluate/evaluate.h"

#include "engine/base/clock.h"
#include "engine/base/map.h"
#include "engine/base/parallel.h"
#include "models/evaluate/internal.h"

#include <stdlib.h>

const char *const nbx_segment_names[NBX_SEGMENTS] = {"new", "regular", "loyal", "head", "tail"};

struct popular {
    uint32_t row;
    size_t n_customers;
    struct nbx_str id;
};

static enum nbx_err check_options(const struct nbx_evaluate_options *o, struct nbx_fault *fault)
{
    if (o->n_k < 1 || o->n_k > NBX_EVALUATE_MAX_N_K)
        return nbx_fault_set(fault, NBX_EBAD, "k", "must be 1 to %d numbers, got %zu",
                             NBX_EVALUATE_MAX_N_K, o->n_k);
    for (size_t i = 0; i < o->n_k; i++) {
        if (o->k[i] < 1 || o->k[i] > NBX_EVALUATE_MAX_K)
            return nbx_fault_set(fault, NBX_EBAD, "k", "must be 1 to %d, got %zu",
                                 NBX_EVALUATE_MAX_K, o->k[i]);
        for (size_t j = 0; j < i; j++)
            if (o->k[i] == o->k[j])
                return nbx_fault_set(fault, NBX_EBAD, "k", "%zu is there twice", o->k[i]);
    }
    if (o->threads < 1 || o->threads > NBX_PARALLEL_MAX_THREADS)
        return nbx_fault_set(fault, NBX_EBAD, "threads", "must be 1 to %d, got %u",
                             NBX_PARALLEL_MAX_THREADS, o->threads);
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
        rows[i] = row == NBX_MAP_NONE ? NBX_EVALUATE__ROW_UNKNOWN : row;
    }
    return rows;
}

static size_t count_refused(const struct nbx_dataset *events)
{
    return events->refused ? events->refused_start[events->n_customers] : 0;
}

static enum nbx_err map_items(struct nbx_evaluate__job *job)
{
    const struct nbx_bundle_info *bundle = job->bundle;
    struct nbx_map *map = nbx_map_new();
    enum nbx_err err = map ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < bundle->n_items; i++)
        err = nbx_map_put(map, bundle->item_ids[i], (uint32_t)i);
    if (!err) {
        job->event_row = map_rows(map, job->events->item_ids, job->events->n_items);
        job->test_row = map_rows(map, job->test->item_ids, job->test->n_items);
        job->refused_row = map_rows(map, job->events->refused, count_refused(job->events));
        err = job->event_row && job->test_row && job->refused_row ? NBX_OK : NBX_ELIMIT;
    }
    nbx_map_destroy(&map);
    return err;
}

static enum nbx_err list_customers(struct nbx_evaluate__job *job)
{
    const struct nbx_dataset *test = job->test;
    job->customers = calloc(test->n_customers + 1, sizeof *job->customers);
    if (!job->customers)
        return NBX_ELIMIT;
    for (size_t c = 0; c < test->n_customers; c++)
        if (nbx_csr_row_entries(&test->by_customer, c) > 0)
            job->customers[job->n_customers++] = (uint32_t)c;
    job->n_units = (job->n_customers + NBX_EVALUATE__SEATS - 1) / NBX_EVALUATE__SEATS;
    job->sums = calloc(job->n_units + 1, sizeof *job->sums);
    return job->sums ? NBX_OK : NBX_ELIMIT;
}

static int compare_popular(const void *a, const void *b)
{
    const struct popular *x = a, *y = b;
    if (x->n_customers != y->n_customers)
        return x->n_customers > y->n_customers ? -1 : 1;
    return nbx_str_cmp(x->id, y->id);
}

/* popular, and as many of its first as have half of the pairs. */
static void order_popular(struct nbx_evaluate__job *job, struct popular *sorted)
{
    size_t n = job->bundle->n_items, pairs = 0, so_far = 0;
    for (size_t i = 0; i < n; i++) {
        sorted[i] = (struct popular){(uint32_t)i, job->taken[i], job->bundle->item_ids[i]};
        pairs += job->taken[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_popular);
    for (size_t i = 0; i < n; i++) {
        job->popular[i] = sorted[i].row;
        job->is_head[sorted[i].row] = so_far < pairs - so_far;
        so_far += sorted[i].n_customers;
    }
}

static enum nbx_err count_popular(struct nbx_evaluate__job *job)
{
    size_t n = job->bundle->n_items;
    struct popular *sorted = calloc(n + 1, sizeof *sorted);
    job->popular = calloc(n + 1, sizeof *job->popular);
    job->taken = calloc(n + 1, sizeof *job->taken);
    job->is_head = calloc(n + 1, sizeof *job->is_head);
    bool ok = sorted && job->popular && job->taken && job->is_head;
    if (ok) {
        for (size_t i = 0; i < job->events->n_items; i++)
            if (job->event_row[i] != NBX_EVALUATE__ROW_UNKNOWN)
                job->taken[job->event_row[i]] = nbx_csr_row_entries(&job->events->by_item, i);
        order_popular(job, sorted);
    }
    free(sorted);
    return ok ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err prepare(struct nbx_evaluate__job *job, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_scorer_new(&job->scorer, job->bundle, fault);
    if (err)
        return err;
    if (map_items(job) || list_customers(job) || count_popular(job) ||
        nbx_evaluate__make_workers(job))
        return out_of_memory(fault);
    return NBX_OK;
}

static void free_job(struct nbx_evaluate__job *job)
{
    nbx_evaluate__free_workers(job);
    nbx_scorer_destroy(&job->scorer);
    free(job->event_row);
    free(job->test_row);
    free(job->refused_row);
    free(job->customers);
    free(job->popular);
    free(job->taken);
    free(job->is_head);
    free(job->sums);
}

static enum nbx_err rank(struct nbx_evaluate__job *job, struct nbx_fault *fault)
{
    nbx_progress_start(&job->progress, job->options->progress_fd, "evaluating", "customers",
                       job->n_customers);
    enum nbx_err err = nbx_parallel(job->options->threads, job->n_units, nbx_evaluate__unit, job);
    nbx_progress_end(&job->progress);
    if (err == NBX_ELIMIT)
        return out_of_memory(fault);
    return err ? nbx_fault_set(fault, err, "spaces", "a customer cannot be folded in") : NBX_OK;
}

static void add_sums(struct nbx_evaluate__sums *total, const struct nbx_evaluate__sums *s,
                     size_t n_k)
{
    total->cold += s->cold;
    total->described += s->described;
    for (size_t group = 0; group < NBX_EVALUATE__GROUPS; group++) {
        total->customers[group] += s->customers[group];
        for (size_t i = 0; i < n_k; i++)
            nbx_metrics_add(&total->of[i][group], &s->of[i][group]);
    }
}

static struct nbx_metrics mean_of(const struct nbx_evaluate__sums *total, size_t i, size_t group)
{
    return nbx_metrics_mean(&total->of[i][group], total->customers[group]);
}

static size_t customers_with_pairs(const struct nbx_dataset *d)
{
    size_t n = 0;
    for (size_t c = 0; c < d->n_customers; c++)
        n += nbx_csr_row_entries(&d->by_customer, c) > 0;
    return n;
}

static enum nbx_err measure_exposure(struct nbx_evaluation *out,
                                     const struct nbx_evaluate__job *job)
{
    size_t n_items = job->bundle->n_items, customers = customers_with_pairs(job->events);
    uint32_t *shown = calloc(n_items + 1, sizeof *shown);
    enum nbx_err err = shown ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < out->n_k; i++) {
        nbx_evaluate__count_shown(job, i, shown);
        err = nbx_exposure_of(&out->at[i].exposure, shown, job->taken, n_items, customers);
    }
    free(shown);
    return err;
}

static void sum_up(struct nbx_evaluation *out, const struct nbx_evaluate__job *job)
{
    struct nbx_evaluate__sums total = {0};
    const struct nbx_csr *held = &job->test->by_customer;
    out->n_k = job->options->n_k;
    for (size_t unit = 0; unit < job->n_units; unit++)
        add_sums(&total, &job->sums[unit], out->n_k);
    out->customers = job->n_customers;
    out->cold = total.cold;
    out->described = total.described;
    for (size_t i = 0; i < out->n_k; i++) {
        struct nbx_evaluation_at *at = &out->at[i];
        at->k = job->options->k[i];
        at->metrics = mean_of(&total, i, NBX_EVALUATE__MODEL);
        at->popularity = mean_of(&total, i, NBX_EVALUATE__POPULARITY);
        for (size_t s = 0; s < NBX_SEGMENTS; s++)
            at->segments[s] = mean_of(&total, i, s);
    }
    for (size_t s = 0; s < NBX_SEGMENTS; s++)
        out->segment_customers[s] = total.customers[s];
    for (size_t i = 0; i < job->bundle->n_items; i++)
        out->head_items += job->is_head[i];
    out->test_pairs = nbx_csr_entries(held);
    for (size_t i = 0; i < out->test_pairs; i++)
        out->unknown_pairs += job->test_row[held->col[i]] == NBX_EVALUATE__ROW_UNKNOWN;
}

enum nbx_err nbx_evaluate(struct nbx_evaluation *out, const struct nbx_bundle_info *bundle,
                          const struct nbx_dataset *events, const struct nbx_dataset *test,
                          const struct nbx_evaluate_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_evaluation){0};
    enum nbx_err err = check_options(options, fault);
    if (!err)
        err = nbx_protocol_check(options->protocol, events, test, fault);
    if (!err && nbx_csr_entries(&test->by_customer) == 0)
        err = nbx_fault_set(fault, NBX_EBAD, "test", "has no customer with a held-out item");
    if (err)
        return err;
    int64_t start_ns = nbx_clock_mono_ns();
    struct nbx_evaluate__job job = {
        .bundle = bundle, .events = events, .test = test, .options = options};
    err = prepare(&job, fault);
    if (!err)
        err = rank(&job, fault);
    if (!err) {
        sum_up(out, &job);
        err = measure_exposure(out, &job) ? out_of_memory(fault) : NBX_OK;
    }
    out->seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
    free_job(&job);
    return err;
}

uint64_t nbx_evaluate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                  const struct nbx_evaluate_options *options)
{
    static const uint64_t per_item =
        64 + sizeof(struct popular) + 2 * sizeof(uint32_t) + sizeof(size_t) + 1;
    uint64_t ids = 0, units = n_customers / NBX_EVALUATE__SEATS + 1;
    for (size_t i = 0; i < bundle->n_items; i++)
        ids += bundle->item_ids[i].len;
    return nbx_scorer_bound_bytes(bundle) + 2 * ids + per_item * bundle->n_items +
           options->threads * nbx_evaluate__worker_bytes(bundle, options) +
           n_customers * sizeof(uint32_t) + units * sizeof(struct nbx_evaluate__sums);
}
