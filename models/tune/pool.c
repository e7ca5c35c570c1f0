/* SPDX-License-Identifier: MIT */
#include "models/tune/pool.h"

#include "engine/base/hash.h"
#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "engine/score/topk.h"
#include "models/evaluate/scorer.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)1 << 30)
/* Customers of one unit of work. */
#define UNIT 8

/* One customer: candidates in ascending order of rows, so that the first of two equals wins. */
struct pooled {
    uint32_t n, n_right, n_held;
    uint32_t *right; /* (n_right) places of held-out items among the candidates */
    float *scores;   /* (n, n_parts) */
};

struct nbx_pool {
    size_t n_parts, n;
    struct pooled *customers; /* (n) */
    unsigned threads;
};

struct worker {
    struct nbx_arena *arena;
    float *scores;        /* (n_parts, n_items) */
    float *addends;       /* (n_items) */
    uint8_t *chosen;      /* (n_items) */
    struct nbx_hit *best; /* (depth) */
};

struct job {
    struct nbx_pool *pool;
    const struct nbx_pool_options *options;
    struct nbx_bundle_info alone[NBX_RECIPE_MAX]; /* (n_parts) each part as a bundle of its own */
    struct nbx_scorer *scorers[NBX_RECIPE_MAX];   /* (n_parts) */
    uint32_t *rows;                               /* (pool->n) customers */
    struct worker *workers;                       /* (threads) */
    struct nbx_progress progress;
    _Atomic size_t done;
};

struct drawn {
    uint64_t lot;
    uint32_t row;
};

static int compare_lots(const void *a, const void *b)
{
    const struct drawn *x = a, *y = b;
    if (x->lot != y->lot)
        return x->lot < y->lot ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Customers with a history and a held-out item, a sample of them where there are more. */
static enum nbx_err draw_customers(struct job *job)
{
    size_t n = 0, most = job->options->customers;
    struct drawn *drawn = calloc(job->options->held->n_customers + 1, sizeof *drawn);
    if (!drawn)
        return NBX_ELIMIT;
    for (size_t c = 0; c < job->options->held->n_customers; c++) {
        uint64_t key[2] = {job->options->seed, c};
        if (nbx_csr_row_entries(&job->options->held->by_customer, c) &&
            nbx_csr_row_entries(&job->options->train->by_customer, c))
            drawn[n++] = (struct drawn){nbx_hash64(key, sizeof key), (uint32_t)c};
    }
    if (most && n > most) {
        qsort(drawn, n, sizeof *drawn, compare_lots);
        n = most;
    }
    job->rows = calloc(n + 1, sizeof *job->rows);
    for (size_t i = 0; job->rows && i < n; i++)
        job->rows[i] = drawn[i].row;
    free(drawn);
    if (!job->rows)
        return NBX_ELIMIT;
    qsort(job->rows, n, sizeof *job->rows, compare_rows);
    job->pool->n = n;
    job->pool->customers = calloc(n + 1, sizeof *job->pool->customers);
    return job->pool->customers ? NBX_OK : NBX_ELIMIT;
}

/* A part standardised, as it will be beside others. */
static enum nbx_err make_scorer(struct job *job, size_t p, const struct nbx_part *part)
{
    struct nbx_fault fault; /* the pool has words of its own */
    double weight = 1;
    job->alone[p].n_items = job->options->train->n_items;
    nbx_parts_describe(&job->alone[p], part, &weight, 1);
    job->alone[p].family = NBX_STR("blend");
    return nbx_scorer_new(&job->scorers[p], &job->alone[p], &fault);
}

static enum nbx_err make_workers(struct job *job)
{
    size_t n_items = job->options->train->n_items;
    job->workers = calloc(job->options->threads, sizeof *job->workers);
    for (unsigned t = 0; job->workers && t < job->options->threads; t++) {
        struct worker *w = &job->workers[t];
        w->arena = nbx_arena_new(ARENA_BYTES);
        w->scores = malloc((job->pool->n_parts * n_items + 1) * sizeof *w->scores);
        w->addends = malloc((n_items + 1) * sizeof *w->addends);
        w->chosen = calloc(n_items + 1, 1);
        w->best = malloc((job->options->depth + 1) * sizeof *w->best);
        if (!w->arena || !w->scores || !w->addends || !w->chosen || !w->best)
            return NBX_ELIMIT;
    }
    return job->workers ? NBX_OK : NBX_ELIMIT;
}

static void free_job(struct job *job)
{
    for (unsigned t = 0; job->workers && t < job->options->threads; t++) {
        nbx_arena_destroy(&job->workers[t].arena);
        free(job->workers[t].scores);
        free(job->workers[t].addends);
        free(job->workers[t].chosen);
        free(job->workers[t].best);
    }
    for (size_t p = 0; p < NBX_RECIPE_MAX; p++)
        nbx_scorer_destroy(&job->scorers[p]);
    free(job->workers);
    free(job->rows);
}

/* A customer's items, most recent first. */
static enum nbx_err history_of(struct nbx_scorer_history *out, const struct job *job,
                               uint32_t customer, struct nbx_arena *arena)
{
    const struct nbx_csr *pairs = &job->options->train->by_customer;
    size_t n = nbx_csr_row_entries(pairs, customer);
    const uint32_t *sequence = job->options->train->sequence + pairs->start[customer];
    uint32_t *rows = nbx_arena_calloc(arena, n, sizeof *rows);
    float *weights = nbx_arena_calloc(arena, n, sizeof *weights);
    if (!rows || !weights)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        rows[i] = sequence[n - 1 - i];
        weights[i] = 1;
    }
    *out = (struct nbx_scorer_history){rows, weights, n};
    return NBX_OK;
}

/* scores (n_items) of everything for one customer by one part. */
static enum nbx_err score_all(float *scores, const struct job *job, struct worker *w,
                              const struct nbx_scorer *s, uint32_t customer)
{
    size_t n_items = job->options->train->n_items;
    struct nbx_scorer_history history;
    float *x = nbx_arena_floats(w->arena, nbx_scorer_padded(s));
    if (!x || history_of(&history, job, customer, w->arena))
        return NBX_ELIMIT;
    memset(w->addends, 0, n_items * sizeof *w->addends);
    enum nbx_err err = nbx_scorer_query(s, &history, w->arena, x, w->addends);
    if (!err)
        nbx_scorer_score(s, x, nbx_scorer_adds(s) ? w->addends : NULL, 0, n_items, scores);
    return err;
}

enum { OWN = 1, CANDIDATE = 2, HELD = 4 };

/* Marks the best of one part. */
static void choose_best(struct worker *w, const struct job *job, const float *scores)
{
    struct nbx_topk top;
    nbx_topk_init(&top, w->best, job->options->depth, NULL, NULL);
    for (size_t i = 0; i < job->options->train->n_items; i++)
        if (scores[i] >= nbx_topk_threshold(&top) && !(w->chosen[i] & OWN))
            nbx_topk_offer(&top, scores[i], (uint32_t)i);
    for (size_t i = 0; i < top.n; i++)
        w->chosen[w->best[i].row] |= CANDIDATE;
}

static void mark(struct worker *w, const struct nbx_csr *pairs, uint32_t customer, uint8_t as)
{
    for (uint64_t e = pairs->start[customer]; e < pairs->start[customer + 1]; e++)
        w->chosen[pairs->col[e]] |= as;
}

/* Moves the chosen ones into the pool and wipes the marks. */
static enum nbx_err keep_chosen(struct pooled *out, struct worker *w, const struct job *job)
{
    size_t n_items = job->options->train->n_items, n_parts = job->pool->n_parts, n = 0, n_right = 0;
    for (size_t i = 0; i < n_items; i++) {
        n += (w->chosen[i] & (CANDIDATE | HELD)) && !(w->chosen[i] & OWN);
        n_right += (w->chosen[i] & HELD) && !(w->chosen[i] & OWN);
        out->n_held += (w->chosen[i] & HELD) != 0;
    }
    out->scores = malloc((n * n_parts + 1) * sizeof *out->scores);
    out->right = malloc((n_right + 1) * sizeof *out->right);
    if (!out->scores || !out->right)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n_items; i++) {
        if (w->chosen[i] & (CANDIDATE | HELD) && !(w->chosen[i] & OWN)) {
            if (w->chosen[i] & HELD)
                out->right[out->n_right++] = out->n;
            for (size_t p = 0; p < n_parts; p++)
                out->scores[out->n * n_parts + p] = w->scores[p * n_items + i];
            out->n++;
        }
        w->chosen[i] = 0;
    }
    return NBX_OK;
}

static enum nbx_err pool_customer(struct job *job, struct worker *w, size_t at)
{
    uint32_t customer = job->rows[at];
    size_t n_items = job->options->train->n_items;
    nbx_arena_reset(w->arena);
    mark(w, &job->options->train->by_customer, customer, OWN);
    mark(w, &job->options->held->by_customer, customer, HELD);
    for (size_t p = 0; p < job->pool->n_parts; p++) {
        float *scores = w->scores + p * n_items;
        enum nbx_err err = score_all(scores, job, w, job->scorers[p], customer);
        if (err)
            return err;
        choose_best(w, job, scores);
    }
    return keep_chosen(&job->pool->customers[at], w, job);
}

static enum nbx_err pool_unit(void *ctx, unsigned worker, size_t unit)
{
    struct job *job = ctx;
    size_t end = (unit + 1) * UNIT < job->pool->n ? (unit + 1) * UNIT : job->pool->n;
    enum nbx_err err = NBX_OK;
    for (size_t i = unit * UNIT; !err && i < end; i++)
        err = pool_customer(job, &job->workers[worker], i);
    size_t done = atomic_fetch_add(&job->done, UNIT) + UNIT;
    if (worker == 0)
        nbx_progress_update(&job->progress, done);
    return err;
}

static enum nbx_err fill(struct job *job, const struct nbx_part *parts)
{
    enum nbx_err err = draw_customers(job);
    for (size_t p = 0; !err && p < job->pool->n_parts; p++)
        err = make_scorer(job, p, &parts[p]);
    if (!err)
        err = make_workers(job);
    if (err)
        return err;
    nbx_progress_start(&job->progress, job->options->progress_fd, "scoring", "customers",
                       job->pool->n);
    err = nbx_parallel(job->options->threads, (job->pool->n + UNIT - 1) / UNIT, pool_unit, job);
    nbx_progress_end(&job->progress);
    return err;
}

enum nbx_err nbx_pool_new(struct nbx_pool **out, const struct nbx_part *parts, size_t n,
                          const struct nbx_pool_options *options, struct nbx_fault *fault)
{
    struct nbx_pool *pool = calloc(1, sizeof *pool);
    *out = pool;
    if (!pool)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    pool->n_parts = n;
    pool->threads = options->threads;
    struct job job = {.pool = pool, .options = options};
    enum nbx_err err = fill(&job, parts);
    free_job(&job);
    if (!err && pool->n == 0)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "no customer has an item that is held out");
    else if (err)
        nbx_fault_set(fault, err, NULL, "%s",
                      err == NBX_ELIMIT ? "out of memory" : "a customer cannot be folded in");
    if (err)
        nbx_pool_destroy(out);
    return err;
}

void nbx_pool_destroy(struct nbx_pool **pool)
{
    if (!pool || !*pool)
        return;
    for (size_t i = 0; (*pool)->customers && i < (*pool)->n; i++) {
        free((*pool)->customers[i].scores);
        free((*pool)->customers[i].right);
    }
    free((*pool)->customers);
    free(*pool);
    *pool = NULL;
}

size_t nbx_pool_customers(const struct nbx_pool *pool)
{
    return pool->n;
}

static float blended(const struct nbx_pool *pool, const struct pooled *c, const double *weights,
                     size_t i)
{
    double sum = 0;
    for (size_t p = 0; p < pool->n_parts; p++)
        sum += weights[p] * (double)c->scores[i * pool->n_parts + p];
    return (float)sum;
}

/* How many candidates stand before candidate `at`. */
static size_t rank_of(const float *scores, size_t n, size_t at)
{
    size_t before = 0;
    for (size_t i = 0; i < n; i++)
        before += scores[i] > scores[at] || (scores[i] == scores[at] && i < at);
    return before;
}

static double customer_ndcg(const struct nbx_pool *pool, const struct pooled *c,
                            const double *weights, size_t k, float *scores)
{
    double dcg = 0, ideal = 0;
    for (size_t i = 0; i < c->n; i++)
        scores[i] = blended(pool, c, weights, i);
    for (size_t r = 0; r < c->n_right; r++) {
        size_t rank = rank_of(scores, c->n, c->right[r]);
        if (rank < k)
            dcg += 1 / log2((double)rank + 2);
    }
    for (size_t i = 0; i < k && i < c->n_held; i++)
        ideal += 1 / log2((double)i + 2);
    return dcg / ideal;
}

struct summing {
    const struct nbx_pool *pool;
    const double *weights;
    size_t k;
    double *values; /* (n) by customer, summed in order */
};

#define SUM_UNIT 64

static enum nbx_err sum_unit(void *ctx, unsigned worker, size_t unit)
{
    const struct summing *s = ctx;
    size_t most = 0;
    size_t end = (unit + 1) * SUM_UNIT < s->pool->n ? (unit + 1) * SUM_UNIT : s->pool->n;
    (void)worker;
    for (size_t i = unit * SUM_UNIT; i < end; i++)
        most = s->pool->customers[i].n > most ? s->pool->customers[i].n : most;
    float *scores = malloc((most + 1) * sizeof *scores);
    if (!scores)
        return NBX_ELIMIT;
    for (size_t i = unit * SUM_UNIT; i < end; i++)
        s->values[i] = customer_ndcg(s->pool, &s->pool->customers[i], s->weights, s->k, scores);
    free(scores);
    return NBX_OK;
}

double nbx_pool_ndcg(const struct nbx_pool *pool, const double *weights, size_t k)
{
    struct summing s = {pool, weights, k, calloc(pool->n + 1, sizeof *s.values)};
    double sum = 0;
    if (!s.values || nbx_parallel(pool->threads, (pool->n + SUM_UNIT - 1) / SUM_UNIT, sum_unit, &s))
        sum = NAN;
    for (size_t i = 0; i < pool->n && s.values; i++)
        sum += s.values[i];
    free(s.values);
    return sum / (double)pool->n;
}

/* All alike: what the held-out items cannot tell apart stays as it is, and a blend of many is surer
 * of what was not held out. But where one part is better alone than all together, that one. */
static double start(const struct nbx_pool *pool, double *weights, size_t k)
{
    double alone[NBX_RECIPE_MAX] = {0}, most;
    size_t best = pool->n_parts;
    for (size_t p = 0; p < pool->n_parts; p++)
        weights[p] = 1;
    most = nbx_pool_ndcg(pool, weights, k);
    for (size_t p = 0; p < pool->n_parts; p++) {
        alone[p] = 1;
        double value = nbx_pool_ndcg(pool, alone, k);
        alone[p] = 0;
        best = value > most ? p : best;
        most = value > most ? value : most;
    }
    for (size_t p = 0; p < pool->n_parts && best < pool->n_parts; p++)
        weights[p] = p == best;
    return most;
}

/* Less is luck, relative. */
#define STEP_GAIN 5e-4

/* Tries other weights for one part; keeps the best. */
static double climb(const struct nbx_pool *pool, double *weights, size_t p, size_t k, double value)
{
    static const double first[] = {0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.5};
    static const double factors[] = {0, 0.5, 0.7, 0.85, 1.2, 1.4, 2};
    double was = weights[p], best = was;
    size_t n = was > 0 ? sizeof factors / sizeof *factors : sizeof first / sizeof *first;
    for (size_t i = 0; i < n; i++) {
        weights[p] = was > 0 ? was * factors[i] : first[i];
        double now = nbx_pool_ndcg(pool, weights, k);
        if (now > value * (1 + STEP_GAIN)) {
            value = now;
            best = weights[p];
        }
    }
    weights[p] = best;
    return value;
}

static size_t count_used(const double *weights, size_t n)
{
    size_t used = 0;
    for (size_t p = 0; p < n; p++)
        used += weights[p] > 0;
    return used;
}

/* Leaves out what hardly counts: a part less is time and memory less for every request. */
static double drop_idle(const struct nbx_pool *pool, double *weights, size_t k, double worth,
                        double value)
{
    for (size_t p = 0; p < pool->n_parts; p++) {
        double was = weights[p];
        if (was == 0 || count_used(weights, pool->n_parts) == 1)
            continue;
        weights[p] = 0;
        double without = nbx_pool_ndcg(pool, weights, k);
        if (without >= value * (1 - worth) && without > 0)
            value = without;
        else
            weights[p] = was;
    }
    return value;
}

#define MOST_ROUNDS 8
#define LEAST_GAIN  1e-4

double nbx_pool_fit(const struct nbx_pool *pool, double *weights, size_t k, double worth)
{
    double value = start(pool, weights, k), before = 0;
    for (size_t round = 0; round < MOST_ROUNDS && value > before * (1 + LEAST_GAIN); round++) {
        before = value;
        for (size_t p = 0; p < pool->n_parts; p++)
            value = climb(pool, weights, p, k, value);
    }
    return drop_idle(pool, weights, k, worth, value);
}
