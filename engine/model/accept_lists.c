/* SPDX-License-Identifier: MIT
 * Lists as they would be served, of customers made up or remembered: and whether those of a sample
 * differ from each other.
 */
#include "engine/base/parallel.h"
#include "engine/base/random.h"
#include "engine/model/accept_internal.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>

#define BATCH           16                /* customers of one search */
#define ARENA_BYTES     ((size_t)1 << 30) /* a bound, not what is taken */
#define SEED            6
#define LONG_HISTORY    3         /* items of every other history of the sample */
#define SCANNED_FLOATS  (1 << 23) /* items x dimensions for which a sample is whole */
#define WHOLE_TO_FEWEST (NBX_ACCEPT_LISTS / NBX_ACCEPT_FEWEST_LISTS)
#define LEAST_LISTED    50 /* a bound of distinct items below this says nothing, */
#define PART_OF_ITEMS   4  /* nor one above this part of all items */

size_t nbx_accept__history_space(const struct nbx_model *m)
{
    size_t s = 0;
    while (s < nbx_model_n_spaces(m) && !nbx_model_space_at(m, s)->fold &&
           !nbx_model_space_at(m, s)->blend)
        s++;
    return s;
}

/* Customers (n) being asked for by a few threads. */
struct asking {
    const struct nbx_accept__asked *asked;
    const struct nbx_accept__customer *customers; /* (n) */
    size_t n;
    struct nbx_accept__lists *lists;
    struct nbx_arena **arenas; /* by thread */
};

static int by_id(const void *ctx, uint32_t a, uint32_t b)
{
    const struct nbx_model *m = ctx;
    const struct nbx_str *ids = nbx_bundle_get(m->base->bundle)->item_ids;
    uint32_t x = nbx_model_row(m, a), y = nbx_model_row(m, b);
    if (x == NBX_MODEL_NO_ROW || y == NBX_MODEL_NO_ROW) /* neither stands in a list with bits */
        return (a > b) - (a < b);
    return nbx_str_cmp(ids[x], ids[y]);
}

static bool is_not_of_history(const void *ctx, uint32_t label)
{
    const struct nbx_accept__customer *c = ctx;
    for (size_t i = 0; i < c->n; i++)
        if (c->labels[i] == label)
            return false;
    return true;
}

/* A customer's history as a model takes it. */
struct known {
    uint32_t *rows;        /* (n) */
    float *weights;        /* (n) */
    const float **vectors; /* (n) */
    size_t n;
};

static enum nbx_err find_known(struct known *out, const struct nbx_accept__asked *asked,
                               const struct nbx_accept__customer *c, struct nbx_arena *arena)
{
    *out = (struct known){.rows = nbx_arena_calloc(arena, c->n, sizeof *out->rows),
                          .weights = nbx_arena_calloc(arena, c->n, sizeof *out->weights),
                          .vectors = nbx_arena_calloc(arena, c->n, sizeof *out->vectors)};
    if (!out->rows || !out->weights || !out->vectors)
        return NBX_ELIMIT;
    for (size_t i = 0; i < c->n; i++) {
        const float *y = c->labels[i] == NBX_ACCEPT__NO_LABEL
                             ? NULL
                             : nbx_model_item(asked->model, asked->space, c->labels[i]);
        if (!y)
            continue;
        out->rows[out->n] = nbx_model_row(asked->model, c->labels[i]);
        out->weights[out->n] = c->weights[i];
        out->vectors[out->n++] = y;
    }
    return NBX_OK;
}

/* x at the place of the items, where nothing can be folded in. */
static void add_up(float *x, const struct known *known, size_t dims)
{
    for (size_t i = 0; i < known->n; i++)
        for (size_t j = 0; j < dims; j++)
            x[j] += known->weights[i] * known->vectors[i][j];
}

static void make_unit(float *x, size_t padded)
{
    float norm = sqrtf(nbx_dot(x, x, padded));
    for (size_t i = 0; norm > 0 && i < padded; i++)
        x[i] /= norm;
}

/* x (padded, zeros before) and addends of a history. */
static enum nbx_err mix(float *x, struct nbx_addends *addends, const struct nbx_model_space *space,
                        const struct known *known, struct nbx_arena *arena)
{
    if (space->blend) {
        struct nbx_blend_history history = {known->rows, known->weights, known->vectors, known->n};
        return nbx_blend_query(space->blend, &history, arena, x, addends);
    }
    if (space->fold) {
        struct nbx_history history = {known->vectors, known->weights, known->n};
        return nbx_fold_in_customer(space->fold, &history, arena, x);
    }
    add_up(x, known, space->dims);
    if (space->metric == NBX_METRIC_COSINE)
        make_unit(x, nbx_padded(space->dims));
    return NBX_OK;
}

/* q->vector stays NULL where the model knows nothing of the customer. */
static enum nbx_err make_query(struct nbx_query *q, const struct nbx_accept__asked *asked,
                               const struct nbx_accept__customer *c, struct nbx_arena *arena)
{
    const struct nbx_model_space *space = nbx_model_space_at(asked->model, asked->space);
    size_t padded = nbx_padded(space->dims);
    struct known known;
    float *x = nbx_arena_floats(arena, padded);
    struct nbx_addends *addends = nbx_arena_calloc(arena, 1, sizeof *addends);
    if (!x || !addends || find_known(&known, asked, c, arena))
        return NBX_ELIMIT;
    memset(x, 0, padded * sizeof *x);
    if (!c->vector && known.n == 0)
        return NBX_OK;
    enum nbx_err err = c->vector ? NBX_OK : mix(x, addends, space, &known, arena);
    if (c->vector)
        memcpy(x, c->vector, space->dims * sizeof *x);
    if (c->vector && space->metric == NBX_METRIC_COSINE)
        make_unit(x, padded);
    *q = (struct nbx_query){.vector = x,
                            .eligible = asked->eligible,
                            .n_eligible = asked->n_eligible,
                            .admits = is_not_of_history,
                            .admits_ctx = c,
                            .addends = addends->n ? addends : NULL,
                            .tie = by_id,
                            .tie_ctx = asked->model};
    return err;
}

/* One search for the customers from `begin` on (n) who have a vector. */
static enum nbx_err ask_batch(void *ctx, unsigned worker, size_t chunk)
{
    const struct asking *all = ctx;
    struct nbx_arena *arena = all->arenas[worker];
    const struct nbx_index *index = nbx_model_space_at(all->asked->model, all->asked->space)->index;
    size_t begin = chunk * BATCH, k = all->lists->k, n = 0, n_hits[BATCH] = {0}, who[BATCH];
    struct nbx_query queries[BATCH];
    enum nbx_err err = NBX_OK;
    nbx_arena_reset(arena);
    for (size_t i = begin; !err && i < begin + BATCH && i < all->n; i++) {
        queries[n] = (struct nbx_query){0};
        err = make_query(&queries[n], all->asked, &all->customers[i], arena);
        queries[n].k = k;
        if (queries[n].vector)
            who[n++] = i;
    }
    struct nbx_hit *hits = nbx_arena_calloc(arena, BATCH * k, sizeof *hits);
    struct nbx_search_results found = {.hits = hits, .stride = k, .n_hits = n_hits};
    if (!err && !hits)
        err = NBX_ELIMIT;
    if (!err && n)
        err = nbx_search_many(index, queries, n, arena, &found, NULL);
    for (size_t i = 0; !err && i < n; i++) {
        memcpy(all->lists->hits + who[i] * k, hits + i * k, n_hits[i] * sizeof *hits);
        all->lists->n_hits[who[i]] = n_hits[i];
    }
    return err;
}

enum nbx_err nbx_accept__ask(struct nbx_accept__lists *out, const struct nbx_accept__asked *asked,
                             const struct nbx_accept__customer *customers, size_t n)
{
    unsigned threads = nbx_parallel_processors();
    struct nbx_arena *arenas[NBX_PARALLEL_MAX_THREADS] = {NULL};
    struct asking all = {asked, customers, n, out, arenas};
    out->hits = calloc(n * out->k + 1, sizeof *out->hits);
    out->n_hits = calloc(n + 1, sizeof *out->n_hits);
    enum nbx_err err = out->hits && out->n_hits ? NBX_OK : NBX_ELIMIT;
    for (unsigned t = 0; !err && t < threads; t++)
        if (!(arenas[t] = nbx_arena_new(ARENA_BYTES)))
            err = NBX_ELIMIT;
    if (!err)
        err = nbx_parallel(threads, (n + BATCH - 1) / BATCH, ask_batch, &all);
    for (unsigned t = 0; t < threads; t++)
        nbx_arena_destroy(&arenas[t]);
    return err;
}

void nbx_accept__free_lists(struct nbx_accept__lists *lists)
{
    free(lists->hits);
    free(lists->n_hits);
    *lists = (struct nbx_accept__lists){0};
}

/* Customers made up of the bundle's own items. */
struct sample {
    struct nbx_accept__customer customers[NBX_ACCEPT_LISTS];
    uint32_t labels[NBX_ACCEPT_LISTS][LONG_HISTORY];
    float weights[LONG_HISTORY];
    size_t n;
};

/* A scan of all items takes as long as they have numbers. */
size_t nbx_accept__sample_size(const struct nbx_model *m, size_t most)
{
    size_t dims = 1, fewest = most / WHOLE_TO_FEWEST;
    for (size_t s = 0; s < m->base->n_spaces; s++)
        dims = m->base->spaces[s].dims > dims ? m->base->spaces[s].dims : dims;
    double n_items = (double)nbx_bundle_get(m->base->bundle)->n_items;
    double share = (double)SCANNED_FLOATS / (n_items * (double)dims);
    size_t n = share >= 1 ? most : (size_t)(share * (double)most);
    return n < fewest ? fewest : n;
}

static void draw(struct sample *s, const struct nbx_accept *a)
{
    struct nbx_random random;
    size_t n_items = a->info->n_items;
    size_t most = n_items < LONG_HISTORY ? n_items : LONG_HISTORY;
    nbx_random_init(&random, SEED);
    s->n = nbx_accept__sample_size(a->model, NBX_ACCEPT_LISTS);
    for (size_t i = 0; i < LONG_HISTORY; i++)
        s->weights[i] = 1;
    for (size_t i = 0; i < s->n; i++) {
        struct nbx_accept__customer *c = &s->customers[i];
        *c = (struct nbx_accept__customer){.labels = s->labels[i], .weights = s->weights};
        while (c->n < (i % 2 ? most : 1)) {
            uint32_t label = a->model->base->item_no[nbx_random_below(&random, n_items)];
            if (is_not_of_history(c, label))
                s->labels[i][c->n++] = label;
        }
    }
}

/* Distinct items of all lists, and how many lists there are. */
static enum nbx_err count(struct nbx_accept *a, const struct nbx_accept__lists *lists, size_t n)
{
    bool *listed = calloc(a->model->base->n_numbers + 1, sizeof *listed);
    if (!listed)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        a->out->n_lists += lists->n_hits[i] > 0;
        for (size_t h = 0; h < lists->n_hits[i]; h++) {
            bool *seen = &listed[lists->hits[i * lists->k + h].row];
            a->out->listed += !*seen;
            *seen = true;
        }
    }
    free(listed);
    return NBX_OK;
}

static enum nbx_err check_listed(struct nbx_accept *a)
{
    size_t n = a->info->n_items, places = a->out->n_lists * NBX_ACCEPT_K;
    size_t most = n / PART_OF_ITEMS;
    double share = a->options->bounds.min_listed;
    double least = ceil(share * (double)(places < n ? places : n));
    least = least < LEAST_LISTED ? LEAST_LISTED : least;
    least = least > (double)most ? (double)most : least;
    if (share == 0 || (double)a->out->listed >= least)
        return NBX_OK;
    return nbx_fault_set(a->fault, NBX_EBAD, "spaces",
                         "%zu lists of %d show %zu of %zu items; at least %.0f, or everybody gets "
                         "much the same",
                         a->out->n_lists, NBX_ACCEPT_K, a->out->listed, n, least);
}

enum nbx_err nbx_accept__listed(struct nbx_accept *a)
{
    struct nbx_accept__lists lists = {.k = NBX_ACCEPT_K};
    struct nbx_accept__asked asked = {.model = a->model};
    struct sample *sample = calloc(1, sizeof *sample);
    if (!sample)
        return nbx_accept__no_memory(a);
    asked.space = nbx_accept__history_space(a->model);
    if (asked.space == nbx_model_n_spaces(a->model))
        asked.space = 0;
    draw(sample, a);
    enum nbx_err err = nbx_accept__ask(&lists, &asked, sample->customers, sample->n);
    if (!err)
        err = count(a, &lists, sample->n);
    if (err == NBX_EBAD)
        nbx_fault_set(a->fault, err, "spaces",
                      "a customer made of its items has a vector or scores "
                      "beyond 32-bit floats");
    else if (err)
        nbx_accept__no_memory(a);
    nbx_accept__free_lists(&lists);
    free(sample);
    return err ? err : check_listed(a);
}
