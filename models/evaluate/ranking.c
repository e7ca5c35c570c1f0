/* SPDX-License-Identifier: MIT */
#include "models/evaluate/internal.h"

#include "engine/base/arena.h"
#include "engine/base/parallel.h"
#include "engine/score/topk.h"

#include <stdlib.h>
#include <string.h>

#define SEATS        NBX_EVALUATE__SEATS
#define BLOCK_ITEMS  1024
#define ALIGNMENT    64
#define HISTORY_ITEM 64 /* bytes of the arena for an item of a history */
/* From how many items in the events on a customer is regular, and loyal. */
#define REGULAR_FROM 5
#define LOYAL_FROM   20

/* Marks of an item for a customer. */
enum mark { MARK_NONE, MARK_OWN, MARK_HELD_OUT };

/* A customer being ranked. */
struct seat {
    size_t test_customer, customer; /* rows of test and of events (NBX_DATASET_NO_ROW) */
    size_t n_history;               /* items of the bundle */
    bool described;                 /* there are none, but x is made without */
    float *x;                       /* (padded) */
    float *addends;                 /* (n_items), NULL where the bundle has none */
    struct nbx_hit *hits;           /* (max_k) */
    uint8_t *marked;                /* (n_items) enum mark; wiped when the customer leaves */
    struct nbx_topk best;
};

struct nbx_evaluate__worker {
    struct nbx_arena *arena;
    float *x;             /* (SEATS, padded) */
    float *addends;       /* (SEATS, n_items) */
    struct nbx_hit *hits; /* (SEATS, max_k) */
    uint8_t *marked;      /* (SEATS, n_items) */
    uint32_t *shown;      /* (n_k, n_items) */
    struct seat seats[SEATS];
    float scores[BLOCK_ITEMS];
};

/* Which places of a list are right, and how many could be: of all held-out items, of head and of
 * tail. */
struct verdict {
    bool all[NBX_EVALUATE_MAX_K], head[NBX_EVALUATE_MAX_K], tail[NBX_EVALUATE_MAX_K];
    size_t n; /* places */
    size_t n_all, n_head, n_tail;
};

static size_t max_k(const struct nbx_evaluate_options *o)
{
    size_t most = 0;
    for (size_t i = 0; i < o->n_k; i++)
        most = o->k[i] > most ? o->k[i] : most;
    return most;
}

static size_t arena_bytes(const struct nbx_bundle_info *bundle)
{
    return nbx_scorer_arena_bytes(bundle) + bundle->n_items * HISTORY_ITEM;
}

static enum nbx_err init_worker(struct nbx_evaluate__worker *w, const struct nbx_evaluate__job *job)
{
    size_t n_items = job->bundle->n_items, padded = nbx_scorer_padded(job->scorer);
    bool adds = nbx_scorer_adds(job->scorer);
    w->arena = nbx_arena_new(arena_bytes(job->bundle));
    w->x = aligned_alloc(ALIGNMENT, SEATS * (padded + ALIGNMENT) * sizeof *w->x);
    w->addends = adds ? calloc(SEATS * n_items + 1, sizeof *w->addends) : NULL;
    w->hits = calloc(SEATS * job->max_k, sizeof *w->hits);
    w->marked = calloc(SEATS, n_items + 1);
    w->shown = calloc(job->options->n_k * n_items + 1, sizeof *w->shown);
    if (!w->arena || !w->x || (adds && !w->addends) || !w->hits || !w->marked || !w->shown)
        return NBX_ELIMIT;
    memset(w->x, 0, SEATS * padded * sizeof *w->x);
    for (size_t i = 0; i < SEATS; i++)
        w->seats[i] = (struct seat){.x = w->x + i * padded,
                                    .addends = adds ? w->addends + i * n_items : NULL,
                                    .hits = w->hits + i * job->max_k,
                                    .marked = w->marked + i * n_items};
    return NBX_OK;
}

enum nbx_err nbx_evaluate__make_workers(struct nbx_evaluate__job *job)
{
    enum nbx_err err = NBX_OK;
    job->max_k = max_k(job->options);
    job->workers = calloc(job->options->threads, sizeof *job->workers);
    if (!job->workers)
        return NBX_ELIMIT;
    for (unsigned i = 0; !err && i < job->options->threads; i++)
        err = init_worker(&job->workers[i], job);
    return err;
}

void nbx_evaluate__free_workers(struct nbx_evaluate__job *job)
{
    for (unsigned i = 0; job->workers && i < job->options->threads; i++) {
        struct nbx_evaluate__worker *w = &job->workers[i];
        nbx_arena_destroy(&w->arena);
        free(w->x);
        free(w->addends);
        free(w->hits);
        free(w->marked);
        free(w->shown);
    }
    free(job->workers);
}

uint64_t nbx_evaluate__worker_bytes(const struct nbx_bundle_info *bundle,
                                    const struct nbx_evaluate_options *options)
{
    uint64_t n = bundle->n_items, dims = ALIGNMENT;
    uint64_t addends = bundle->n_neighbours ? SEATS * sizeof(float) : 0;
    for (size_t i = 0; i < bundle->n_spaces; i++)
        dims += bundle->spaces[i].dims;
    return sizeof(struct nbx_evaluate__worker) + arena_bytes(bundle) +
           n * (SEATS + addends + options->n_k * sizeof(uint32_t)) +
           SEATS * (2 * dims * sizeof(float) + max_k(options) * sizeof(struct nbx_hit));
}

/* What the customer took back is left out of lists, repeated or not, as nbxd does. */
static void mark_refused(const struct nbx_evaluate__job *job, const struct seat *seat,
                         enum mark mark)
{
    const uint64_t *start = job->events->refused_start;
    for (uint64_t i = start ? start[seat->customer] : 0; start && i < start[seat->customer + 1];
         i++)
        if (job->refused_row[i] != NBX_EVALUATE__ROW_UNKNOWN)
            seat->marked[job->refused_row[i]] = (uint8_t)mark;
}

/* The customer's items among the bundle's, most recent first, marked as its own. */
static enum nbx_err gather_history(struct nbx_scorer_history *out,
                                   const struct nbx_evaluate__job *job, struct nbx_arena *arena,
                                   const struct seat *seat)
{
    const struct nbx_csr *pairs = &job->events->by_customer;
    size_t n = nbx_csr_row_entries(pairs, seat->customer);
    uint32_t *rows = nbx_arena_calloc(arena, n, sizeof *rows);
    float *weights = nbx_arena_calloc(arena, n, sizeof *weights);
    if (!rows || !weights)
        return NBX_ELIMIT;
    *out = (struct nbx_scorer_history){rows, weights, 0};
    mark_refused(job, seat, MARK_OWN);
    for (uint64_t i = pairs->start[seat->customer + 1]; i-- > pairs->start[seat->customer];) {
        uint32_t item = job->events->sequence[i], row = job->event_row[item];
        if (row == NBX_EVALUATE__ROW_UNKNOWN)
            continue;
        if (!job->options->repeat)
            seat->marked[row] = MARK_OWN;
        rows[out->n] = row;
        weights[out->n++] = nbx_csr_weight(pairs, seat->customer, item);
    }
    return NBX_OK;
}

static int compare_ids(const void *ctx, uint32_t a, uint32_t b)
{
    const struct nbx_str *ids = ctx;
    return nbx_str_cmp(ids[a], ids[b]);
}

/* What is known of a customer without history. */
static bool describe(const struct nbx_evaluate__job *job, struct seat *seat)
{
    const struct nbx_evaluate_options *o = job->options;
    memset(seat->x, 0, nbx_scorer_padded(job->scorer) * sizeof *seat->x);
    return o->cold && nbx_scorer_padded(job->scorer) &&
           o->cold(o->cold_ctx, seat->test_customer, seat->x);
}

static enum nbx_err take_seat(const struct nbx_evaluate__job *job, struct nbx_arena *arena,
                              struct seat *seat, size_t test_customer)
{
    struct nbx_scorer_history history = {0};
    enum nbx_err err = NBX_OK;
    nbx_arena_reset(arena);
    seat->test_customer = test_customer;
    seat->customer = nbx_dataset_find(job->events->customer_ids, job->events->n_customers,
                                      job->test->customer_ids[test_customer]);
    if (seat->customer != NBX_DATASET_NO_ROW)
        err = gather_history(&history, job, arena, seat);
    seat->n_history = history.n;
    nbx_topk_init(&seat->best, seat->hits, job->max_k, compare_ids, job->bundle->item_ids);
    if (seat->addends)
        memset(seat->addends, 0, job->bundle->n_items * sizeof *seat->addends);
    seat->described = !err && history.n == 0 && describe(job, seat);
    if (err || history.n == 0)
        return err;
    return nbx_scorer_query(job->scorer, &history, arena, seat->x, seat->addends);
}

static void rank_block(const struct nbx_evaluate__job *job, struct nbx_evaluate__worker *worker,
                       struct seat *seat, size_t begin, size_t n)
{
    nbx_scorer_score(job->scorer, seat->x, seat->addends, begin, n, worker->scores);
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
        if (bundle_row[pairs->col[i]] != NBX_EVALUATE__ROW_UNKNOWN)
            marked[bundle_row[pairs->col[i]]] = (uint8_t)mark;
}

/* The most popular items that are not the customer's own. rows: (max_k); returns how many. */
static size_t list_popular(uint32_t *rows, const struct nbx_evaluate__job *job,
                           const struct seat *seat)
{
    size_t n = 0;
    for (size_t i = 0; i < job->bundle->n_items && n < job->max_k; i++)
        if (seat->marked[job->popular[i]] != MARK_OWN)
            rows[n++] = job->popular[i];
    return n;
}

/* How many items the customer has held out, and of the head among them. */
static void count_held(struct verdict *v, const struct nbx_evaluate__job *job, size_t customer)
{
    const struct nbx_csr *held = &job->test->by_customer;
    v->n_all = nbx_csr_row_entries(held, customer);
    v->n_head = 0;
    for (uint64_t i = held->start[customer]; i < held->start[customer + 1]; i++) {
        uint32_t row = job->test_row[held->col[i]];
        v->n_head += row != NBX_EVALUATE__ROW_UNKNOWN && job->is_head[row];
    }
    v->n_tail = v->n_all - v->n_head;
}

static void judge(struct verdict *v, const uint32_t *rows, size_t n,
                  const struct nbx_evaluate__job *job, const struct seat *seat)
{
    v->n = n;
    for (size_t i = 0; i < n; i++) {
        v->all[i] = seat->marked[rows[i]] == MARK_HELD_OUT;
        v->head[i] = v->all[i] && job->is_head[rows[i]];
        v->tail[i] = v->all[i] && !job->is_head[rows[i]];
    }
}

/* The metrics at every k of a list, added to a group. n_test 0: the customer is not of the group.
 */
static void add_group(struct nbx_evaluate__sums *sums, const struct nbx_evaluate__job *job,
                      size_t group, const bool *right, size_t n, size_t n_test)
{
    sums->customers[group] += n_test > 0;
    for (size_t i = 0; n_test && i < job->options->n_k; i++) {
        size_t k = job->options->k[i];
        struct nbx_metrics m = nbx_metrics_of(right, n < k ? n : k, k, n_test);
        nbx_metrics_add(&sums->of[i][group], &m);
    }
}

static enum nbx_segment segment_of(const struct nbx_evaluate__job *job, const struct seat *seat)
{
    size_t n = seat->customer == NBX_DATASET_NO_ROW
                   ? 0
                   : nbx_csr_row_entries(&job->events->by_customer, seat->customer);
    return n < REGULAR_FROM ? NBX_SEGMENT_NEW
           : n < LOYAL_FROM ? NBX_SEGMENT_REGULAR
                            : NBX_SEGMENT_LOYAL;
}

static void count_shown(struct nbx_evaluate__worker *worker, const struct nbx_evaluate__job *job,
                        const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < job->options->n_k; i++)
        for (size_t place = 0; place < n && place < job->options->k[i]; place++)
            worker->shown[i * job->bundle->n_items + rows[place]]++;
}

/* Both lists of the customer, measured while its held-out items are marked. */
static void measure(struct nbx_evaluate__sums *sums, const struct nbx_evaluate__job *job,
                    struct nbx_evaluate__worker *worker, struct seat *seat)
{
    uint32_t rows[NBX_EVALUATE_MAX_K], popular[NBX_EVALUATE_MAX_K];
    struct verdict v;
    size_t n_popular = list_popular(popular, job, seat), n = nbx_topk_finish(&seat->best);
    for (size_t i = 0; i < n; i++)
        rows[i] = seat->hits[i].row;
    if (job->options->list)
        job->options->list(job->options->list_ctx, seat->test_customer, seat->hits, n);
    count_shown(worker, job, rows, n);
    count_held(&v, job, seat->test_customer);
    mark_row(&job->test->by_customer, seat->test_customer, job->test_row, seat->marked,
             MARK_HELD_OUT);
    judge(&v, rows, n, job, seat);
    add_group(sums, job, NBX_EVALUATE__MODEL, v.all, n, v.n_all);
    add_group(sums, job, segment_of(job, seat), v.all, n, v.n_all);
    add_group(sums, job, NBX_SEGMENT_HEAD, v.head, n, v.n_head);
    add_group(sums, job, NBX_SEGMENT_TAIL, v.tail, n, v.n_tail);
    judge(&v, popular, n_popular, job, seat);
    add_group(sums, job, NBX_EVALUATE__POPULARITY, v.all, n_popular, v.n_all);
    sums->cold += seat->n_history == 0;
    sums->described += seat->described;
}

static void leave_seat(const struct nbx_evaluate__job *job, struct seat *seat)
{
    mark_row(&job->test->by_customer, seat->test_customer, job->test_row, seat->marked, MARK_NONE);
    if (seat->customer == NBX_DATASET_NO_ROW)
        return;
    mark_row(&job->events->by_customer, seat->customer, job->event_row, seat->marked, MARK_NONE);
    mark_refused(job, seat, MARK_NONE);
}

enum nbx_err nbx_evaluate__unit(void *ctx, unsigned worker_number, size_t unit)
{
    struct nbx_evaluate__job *job = ctx;
    struct nbx_evaluate__worker *worker = &job->workers[worker_number];
    size_t begin = unit * SEATS, left = job->n_customers - begin;
    size_t n = left < SEATS ? left : SEATS, n_items = job->bundle->n_items;
    for (size_t i = 0; i < n; i++) {
        enum nbx_err err =
            take_seat(job, worker->arena, &worker->seats[i], job->customers[begin + i]);
        if (err)
            return err;
    }
    for (size_t from = 0; from < n_items; from += BLOCK_ITEMS) {
        size_t block = n_items - from < BLOCK_ITEMS ? n_items - from : BLOCK_ITEMS;
        for (size_t i = 0; i < n; i++)
            if (worker->seats[i].n_history || worker->seats[i].described)
                rank_block(job, worker, &worker->seats[i], from, block);
    }
    for (size_t i = 0; i < n; i++) {
        measure(&job->sums[unit], job, worker, &worker->seats[i]);
        leave_seat(job, &worker->seats[i]);
    }
    size_t done = atomic_fetch_add(&job->done, n) + n;
    if (worker_number == 0)
        nbx_progress_update(&job->progress, done);
    return NBX_OK;
}

void nbx_evaluate__count_shown(const struct nbx_evaluate__job *job, size_t i, uint32_t *shown)
{
    size_t n_items = job->bundle->n_items;
    memset(shown, 0, n_items * sizeof *shown);
    for (unsigned w = 0; w < job->options->threads; w++)
        for (size_t row = 0; row < n_items; row++)
            shown[row] += job->workers[w].shown[i * n_items + row];
}
