/* SPDX-License-Identifier: MIT */
#include "models/attributes/learn.h"

#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_ITEMS 2 /* a feature of one item says no more than the item */
#define NO_FEATURE  UINT32_MAX

struct feature {
    uint32_t place;   /* in texts */
    uint32_t n_items; /* that have it */
    struct nbx_str name;
};

struct learning {
    const struct nbx_learn_options *options;
    struct nbx_learnt *out;
    size_t dims;
    /* Features of the items that count, item by item: places in texts, then features. */
    uint64_t *start;                 /* (n_items + 1) */
    uint32_t *all;                   /* (start[n_items]) */
    struct feature *list;            /* (texts) then (n_features) */
    uint32_t *of_place;              /* (texts) feature, or NO_FEATURE */
    float *gram, *right;             /* (n_features, n_features) lower; (dims, n_features) */
    float *target;                   /* (dims) */
    uint32_t found[NBX_FEATURE_MAX]; /* (n_found) of the item at hand */
    size_t n_found;
    enum nbx_err err;
};

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory learning from attributes");
}

static bool counts(const struct learning *l, size_t item)
{
    return l->options->table->known[item] && l->options->counts[item] > 0;
}

static int compare_prices(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The prices between tenths of the items, each once. */
static enum nbx_err learn_bounds(struct learning *l)
{
    const struct nbx_item_table *t = l->options->table;
    int64_t *prices = malloc((t->n_items + 1) * sizeof *prices);
    struct nbx_features *f = &l->out->features;
    size_t n = 0;
    if (!prices)
        return NBX_ELIMIT;
    for (size_t i = 0; i < t->n_items; i++)
        if (counts(l, i) && t->facts[i].has_price)
            prices[n++] = t->facts[i].price;
    qsort(prices, n, sizeof *prices, compare_prices);
    for (size_t i = 1; n && i < NBX_LEARNT_TENTHS; i++) {
        int64_t bound = prices[n * i / NBX_LEARNT_TENTHS];
        if (bound > (f->n_price_bounds ? l->out->bounds[f->n_price_bounds - 1] : prices[0]))
            l->out->bounds[f->n_price_bounds++] = bound;
    }
    f->price_bounds = l->out->bounds;
    free(prices);
    return NBX_OK;
}

/* One feature of the item at hand; once. */
static void note(void *ctx, struct nbx_str name)
{
    struct learning *l = ctx;
    uint32_t place = nbx_map_get(l->out->texts, name);
    if (place == NBX_MAP_NONE) {
        place = nbx_map_count(l->out->texts);
        l->err = l->err ? l->err : nbx_map_put(l->out->texts, name, place);
    }
    for (size_t i = 0; i < l->n_found; i++)
        if (l->found[i] == place)
            return;
    l->found[l->n_found++] = place;
}

static enum nbx_err name_all(struct learning *l)
{
    const struct nbx_item_table *t = l->options->table;
    size_t room = 0, n = 0;
    struct nbx_price_bounds prices = {l->out->bounds, l->out->features.n_price_bounds};
    l->start = calloc(t->n_items + 1, sizeof *l->start);
    l->out->texts = nbx_map_new();
    if (!l->start || !l->out->texts)
        return NBX_ELIMIT;
    for (size_t i = 0; !l->err && i < t->n_items; i++) {
        l->n_found = 0;
        if (counts(l, i))
            nbx_features_name(&t->facts[i], prices, note, l);
        if (n + l->n_found > room) {
            room = 2 * room + NBX_FEATURE_MAX;
            uint32_t *more = realloc(l->all, room * sizeof *more);
            if (!more)
                return NBX_ELIMIT;
            l->all = more;
        }
        if (l->n_found)
            memcpy(l->all + n, l->found, l->n_found * sizeof *l->all);
        n += l->n_found;
        l->start[i + 1] = n;
    }
    return l->err;
}

/* The most frequent first, then by name. */
static int compare_frequency(const void *a, const void *b)
{
    const struct feature *x = a, *y = b;
    if (x->n_items != y->n_items)
        return x->n_items > y->n_items ? -1 : 1;
    return nbx_str_cmp(x->name, y->name);
}

static int compare_name(const void *a, const void *b)
{
    return nbx_str_cmp(((const struct feature *)a)->name, ((const struct feature *)b)->name);
}

static enum nbx_err choose(struct learning *l)
{
    size_t n = nbx_map_count(l->out->texts), keep = 0;
    l->list = calloc(n + 1, sizeof *l->list);
    l->of_place = malloc((n + 1) * sizeof *l->of_place);
    l->out->names = calloc(NBX_LEARNT_MAX_FEATURES, sizeof *l->out->names);
    if (!l->list || !l->of_place || !l->out->names)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++)
        l->list[i] =
            (struct feature){.place = (uint32_t)i, .name = nbx_map_key(l->out->texts, (uint32_t)i)};
    for (uint64_t e = 0; e < l->start[l->options->table->n_items]; e++)
        l->list[l->all[e]].n_items++;
    qsort(l->list, n, sizeof *l->list, compare_frequency);
    while (keep < n && keep < NBX_LEARNT_MAX_FEATURES && l->list[keep].n_items >= LEAST_ITEMS)
        keep++;
    qsort(l->list, keep, sizeof *l->list, compare_name);
    for (size_t i = 0; i < n; i++)
        l->of_place[i] = NO_FEATURE;
    for (size_t i = 0; i < keep; i++) {
        l->of_place[l->list[i].place] = (uint32_t)i;
        l->out->names[i] = l->list[i].name;
    }
    l->out->features.names = l->out->names;
    l->out->features.n = keep;
    return NBX_OK;
}

/* The chosen features of an item into found. */
static void find(struct learning *l, size_t item)
{
    l->n_found = 0;
    for (uint64_t e = l->start[item]; e < l->start[item + 1]; e++)
        if (l->of_place[l->all[e]] != NO_FEATURE)
            l->found[l->n_found++] = l->of_place[l->all[e]];
}

static void put_target(struct learning *l, size_t item)
{
    float *to = l->target;
    for (size_t s = 0; s < l->options->info->n_spaces; s++) {
        const struct nbx_space *space = &l->options->info->spaces[s];
        memcpy(to, space->item_factors + item * space->dims, space->dims * sizeof *to);
        to += space->dims;
    }
}

static void add_item(struct learning *l, size_t item, float weight)
{
    size_t n = l->out->features.n;
    find(l, item);
    put_target(l, item);
    for (size_t i = 0; i < l->n_found; i++) {
        for (size_t j = 0; j < l->n_found; j++)
            if (l->found[j] <= l->found[i])
                l->gram[l->found[i] * n + l->found[j]] += weight;
        for (size_t d = 0; d < l->dims; d++)
            l->right[d * n + l->found[i]] += weight * l->target[d];
    }
}

static double mean_root(const struct learning *l)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < l->options->table->n_items; i++) {
        if (!counts(l, i))
            continue;
        sum += sqrt((double)l->options->counts[i]);
        n++;
    }
    return sum / n;
}

static enum nbx_err solve(struct learning *l, struct nbx_fault *fault)
{
    size_t n = l->out->features.n;
    double mean = mean_root(l);
    l->gram = calloc(n * n, sizeof *l->gram);
    l->right = calloc(l->dims * n, sizeof *l->right);
    l->target = calloc(l->dims, sizeof *l->target);
    l->out->vectors = calloc(n * l->dims, sizeof *l->out->vectors);
    if (!l->gram || !l->right || !l->target || !l->out->vectors)
        return out_of_memory(fault);
    for (size_t i = 0; i < l->options->table->n_items; i++)
        if (counts(l, i))
            add_item(l, i, (float)(sqrt((double)l->options->counts[i]) / mean));
    for (size_t i = 0; i < n; i++)
        l->gram[i * n + i] += l->options->lambda;
    enum nbx_err err = nbx_blas_solve(l->gram, l->right, n, l->dims);
    if (err)
        return nbx_fault_set(fault, err, NULL, "the attributes' equations have no solution");
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < l->dims; d++)
            l->out->vectors[i * l->dims + d] = l->right[d * n + i];
    l->out->features.vectors = l->out->vectors;
    return NBX_OK;
}

enum nbx_err nbx_learn(struct nbx_learnt *out, const struct nbx_learn_options *options,
                       struct nbx_fault *fault)
{
    struct learning l = {.options = options, .out = out, .dims = nbx_bundle_dims(options->info)};
    *out = (struct nbx_learnt){0};
    enum nbx_err err = NBX_OK;
    if (learn_bounds(&l) || name_all(&l) || choose(&l))
        err = out_of_memory(fault);
    else if (out->features.n == 0)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "no two items of the model are in the file");
    else
        err = solve(&l, fault);
    free(l.start);
    free(l.all);
    free(l.list);
    free(l.of_place);
    free(l.gram);
    free(l.right);
    free(l.target);
    if (err)
        nbx_learnt_fini(out);
    return err;
}

void nbx_learnt_fini(struct nbx_learnt *learnt)
{
    nbx_map_destroy(&learnt->texts);
    free(learnt->names);
    free(learnt->vectors);
    *learnt = (struct nbx_learnt){0};
}
