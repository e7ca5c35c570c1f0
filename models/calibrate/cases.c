/* SPDX-License-Identifier: MIT */
#include "models/calibrate/internal.h"

#include "engine/base/hash.h"
#include "engine/base/utf8.h"
#include "engine/score/topk.h"
#include "models/evaluate/evaluate.h"

#include <math.h>
#include <stdlib.h>

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory calibrating");
}

enum nbx_err nbx_calibrate_read(struct nbx_dataset **out, const char *outcome,
                                const struct nbx_calibrate_options *options,
                                struct nbx_fault *fault)
{
    struct nbx_types types = *options->types;
    for (size_t i = 0; i < types.n; i++)
        types.type[i].weight = !outcome || strcmp(types.type[i].name, outcome) == 0;
    struct nbx_dataset_options read = {
        .types = &types, .untyped = NBX_CALIBRATION_UNTYPED, .progress_fd = options->progress_fd};
    return nbx_dataset_read(out, options->path, &read, fault);
}

/* Half of all customers, the same in every file that has them. */
static bool is_fitted_on(struct nbx_str customer, uint64_t seed)
{
    uint8_t bytes[sizeof seed + NBX_ID_MAX_BYTES];
    for (size_t i = 0; i < sizeof seed; i++)
        bytes[i] = (uint8_t)(seed >> 8 * i);
    memcpy(bytes + sizeof seed, customer.p, customer.len);
    return nbx_hash64(bytes, sizeof seed + customer.len) & 1;
}

/* Where a customer's list goes: (n_customers) by row of test. */
struct lists {
    struct nbx_calibrate__cases *cases;
    size_t *place;  /* among cases->order */
    size_t *n_hits; /* (n_customers) by place */
    size_t k;
};

/* Lists of different customers go to different places, so that threads do not meet. */
static void keep_list(void *ctx, size_t customer, const struct nbx_hit *hits, size_t n)
{
    struct lists *l = ctx;
    size_t place = l->place[customer], kept = 0, at = place * l->k;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(hits[i].score))
            continue;
        l->cases->scores[at + kept] = hits[i].score;
        l->cases->items[at + kept++] = hits[i].row;
    }
    l->n_hits[place] = kept;
}

static void order_customers(struct lists *l, uint64_t seed)
{
    struct nbx_calibrate__cases *c = l->cases;
    size_t n = 0;
    for (int fitted = 1; fitted >= 0; fitted--) {
        for (size_t row = 0; row < c->n_customers; row++) {
            if (is_fitted_on(c->test->customer_ids[row], seed) != fitted)
                continue;
            l->place[row] = n;
            c->order[n++] = (uint32_t)row;
        }
    }
}

/* Lists that are shorter than k leave no gaps. */
static void close_gaps(struct lists *l, uint64_t seed)
{
    struct nbx_calibrate__cases *c = l->cases;
    size_t n = 0;
    for (size_t i = 0; i < c->n_customers; i++) {
        bool fitted = is_fitted_on(c->test->customer_ids[c->order[i]], seed);
        c->start[i] = n;
        memmove(c->scores + n, c->scores + i * l->k, l->n_hits[i] * sizeof *c->scores);
        memmove(c->items + n, c->items + i * l->k, l->n_hits[i] * sizeof *c->items);
        n += l->n_hits[i];
        c->cold += l->n_hits[i] == 0;
        c->fitted_customers += fitted && l->n_hits[i];
        c->held_customers += !fitted && l->n_hits[i];
        if (fitted)
            c->n_fitted = n;
    }
    c->start[c->n_customers] = n;
}

static enum nbx_err allocate(struct lists *l)
{
    struct nbx_calibrate__cases *c = l->cases;
    size_t n = c->test->n_customers, cases = n * l->k;
    c->n_customers = n;
    c->order = calloc(n + 1, sizeof *c->order);
    c->start = calloc(n + 1, sizeof *c->start);
    c->scores = calloc(cases + 1, sizeof *c->scores);
    c->items = calloc(cases + 1, sizeof *c->items);
    c->labels = calloc(cases + 1, sizeof *c->labels);
    c->marked = calloc(c->bundle->n_items + 1, sizeof *c->marked);
    l->place = calloc(n + 1, sizeof *l->place);
    l->n_hits = calloc(n + 1, sizeof *l->n_hits);
    return c->order && c->start && c->scores && c->items && c->labels && c->marked && l->place &&
                   l->n_hits
               ? NBX_OK
               : NBX_ELIMIT;
}

static struct nbx_evaluate_options list_options(const struct nbx_calibrate_options *o)
{
    return (struct nbx_evaluate_options){.protocol = "lightgcn",
                                         .k = {o->k},
                                         .n_k = 1,
                                         .repeat = o->repeat,
                                         .threads = o->threads,
                                         .progress_fd = o->progress_fd};
}

static enum nbx_err make_lists(struct lists *l, const struct nbx_dataset *events,
                               const struct nbx_calibrate_options *o, struct nbx_fault *fault)
{
    struct nbx_evaluation unused;
    struct nbx_evaluate_options evaluate = list_options(o);
    evaluate.list = keep_list;
    evaluate.list_ctx = l;
    order_customers(l, o->seed);
    enum nbx_err err =
        nbx_evaluate(&unused, l->cases->bundle, events, l->cases->test, &evaluate, fault);
    if (err)
        return err;
    close_gaps(l, o->seed);
    return l->cases->cold < l->cases->n_customers
               ? NBX_OK
               : nbx_fault_set(fault, NBX_EBAD, "test",
                               "none of its customers has a history to score from");
}

static enum nbx_err map_items(struct nbx_calibrate__cases *c)
{
    enum nbx_err err = NBX_OK;
    c->rows = nbx_map_new();
    for (size_t i = 0; c->rows && !err && i < c->bundle->n_items; i++)
        err = nbx_map_put(c->rows, c->bundle->item_ids[i], (uint32_t)i);
    return c->rows ? err : NBX_ELIMIT;
}

enum nbx_err nbx_calibrate__make_cases(struct nbx_calibrate__cases *cases,
                                       const struct nbx_dataset *events,
                                       const struct nbx_calibrate_options *options,
                                       struct nbx_fault *fault)
{
    struct lists lists = {.cases = cases, .k = options->k};
    enum nbx_err err = allocate(&lists) || map_items(cases)
                           ? out_of_memory(fault)
                           : make_lists(&lists, events, options, fault);
    free(lists.place);
    free(lists.n_hits);
    return err;
}

void nbx_calibrate__free_cases(struct nbx_calibrate__cases *cases)
{
    nbx_map_destroy(&cases->rows);
    free(cases->order);
    free(cases->start);
    free(cases->scores);
    free(cases->items);
    free(cases->labels);
    free(cases->marked);
}

/* Marks, or unmarks, the items of a customer (a row of outcome) that the bundle knows. */
static void mark(struct nbx_calibrate__cases *c, const struct nbx_dataset *outcome,
                 const uint32_t *rows, size_t customer, bool on)
{
    const struct nbx_csr *pairs = &outcome->by_customer;
    for (uint64_t i = pairs->start[customer]; i < pairs->start[customer + 1]; i++)
        if (rows[pairs->col[i]] != NBX_MAP_NONE)
            c->marked[rows[pairs->col[i]]] = on;
}

enum nbx_err nbx_calibrate__label(struct nbx_calibrate__cases *cases,
                                  const struct nbx_dataset *outcome)
{
    uint32_t *rows = calloc(outcome->n_items + 1, sizeof *rows);
    if (!rows)
        return NBX_ELIMIT;
    for (size_t i = 0; i < outcome->n_items; i++)
        rows[i] = nbx_map_get(cases->rows, outcome->item_ids[i]);
    memset(cases->labels, 0, cases->start[cases->n_customers]);
    for (size_t i = 0; i < cases->n_customers; i++) {
        size_t customer = nbx_dataset_find(outcome->customer_ids, outcome->n_customers,
                                           cases->test->customer_ids[cases->order[i]]);
        if (customer == NBX_DATASET_NO_ROW)
            continue;
        mark(cases, outcome, rows, customer, true);
        for (size_t at = cases->start[i]; at < cases->start[i + 1]; at++)
            cases->labels[at] = cases->marked[cases->items[at]];
        mark(cases, outcome, rows, customer, false);
    }
    free(rows);
    return NBX_OK;
}

uint64_t nbx_calibrate_bound_bytes(const struct nbx_bundle_info *bundle, size_t n_customers,
                                   const struct nbx_calibrate_options *options)
{
    /* A case itself; then it is sorted, once as a block of the isotonic curve, whose points stay,
     * and once as a prediction: the larger of the two, and its copy for sorting. */
    static const uint64_t per_case = sizeof(float) + sizeof(uint32_t) + 1 + 24 + 2 * 16;
    static const uint64_t per_customer = sizeof(uint32_t) + 3 * sizeof(size_t);
    struct nbx_evaluate_options evaluate = list_options(options);
    return nbx_evaluate_bound_bytes(bundle, n_customers, &evaluate) +
           nbx_dataset_bound_bytes(options->path) +
           n_customers * (options->k * per_case + per_customer) + bundle->n_items;
}
