/* SPDX-License-Identifier: MIT */
#include "models/attributes/internal.h"

#include "engine/blas/blas.h"

#include <stdlib.h>

#define LEAST_ROWS 2    /* a feature of one item says no more than the item */
#define BLOCK_ROWS 1024 /* whose vectors are asked for at once */
#define NO_FEATURE UINT32_MAX

struct feature {
    uint32_t place;  /* in texts */
    uint32_t n_rows; /* that have it */
    struct nbx_str name;
};

struct learning {
    const struct nbx_learn__rows *rows;
    struct nbx_learnt *out;
    /* Features of the rows that count, row by row: places in texts. */
    uint64_t *start;                 /* (n + 1) */
    uint32_t *all;                   /* (start[n]) */
    struct feature *list;            /* (texts) then (n_features) */
    uint32_t *of_place;              /* (texts) feature, or NO_FEATURE */
    float *gram, *right;             /* (n_features, n_features) lower; (dims, n_features) */
    uint32_t *block;                 /* (BLOCK_ROWS) rows */
    float *targets;                  /* (BLOCK_ROWS, dims) their vectors */
    uint32_t found[NBX_FEATURE_MAX]; /* (n_found) of the row at hand */
    size_t n_found;
    enum nbx_err err;
};

enum nbx_err nbx_learn__no_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory learning from attributes");
}

/* One feature of the row at hand; once. */
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
    const struct nbx_learn__rows *r = l->rows;
    size_t room = 0, n = 0;
    l->start = calloc(r->n + 1, sizeof *l->start);
    l->out->texts = nbx_map_new();
    if (!l->start || !l->out->texts)
        return NBX_ELIMIT;
    for (size_t i = 0; !l->err && i < r->n; i++) {
        l->n_found = 0;
        if (r->weights[i] > 0)
            r->name(r->ctx, i, note, l);
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
    if (x->n_rows != y->n_rows)
        return x->n_rows > y->n_rows ? -1 : 1;
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
    for (uint64_t e = 0; e < l->start[l->rows->n]; e++)
        l->list[l->all[e]].n_rows++;
    qsort(l->list, n, sizeof *l->list, compare_frequency);
    while (keep < n && keep < NBX_LEARNT_MAX_FEATURES && l->list[keep].n_rows >= LEAST_ROWS)
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

/* The chosen features of a row into found. */
static void find(struct learning *l, size_t row)
{
    l->n_found = 0;
    for (uint64_t e = l->start[row]; e < l->start[row + 1]; e++)
        if (l->of_place[l->all[e]] != NO_FEATURE)
            l->found[l->n_found++] = l->of_place[l->all[e]];
}

static void add_row(struct learning *l, size_t row, const float *target)
{
    size_t n = l->out->features.n;
    float weight = l->rows->weights[row];
    find(l, row);
    for (size_t i = 0; i < l->n_found; i++) {
        for (size_t j = 0; j < l->n_found; j++)
            if (l->found[j] <= l->found[i])
                l->gram[l->found[i] * n + l->found[j]] += weight;
        for (size_t d = 0; d < l->rows->dims; d++)
            l->right[d * n + l->found[i]] += weight * target[d];
    }
}

static enum nbx_err add_block(struct learning *l, size_t n)
{
    const struct nbx_learn__rows *r = l->rows;
    enum nbx_err err = r->vectors(r->ctx, l->block, n, l->targets);
    for (size_t i = 0; !err && i < n; i++)
        add_row(l, l->block[i], l->targets + i * r->dims);
    return err;
}

static enum nbx_err add_rows(struct learning *l)
{
    enum nbx_err err = NBX_OK;
    size_t n = 0;
    for (size_t i = 0; !err && i < l->rows->n; i++) {
        if (l->rows->weights[i] > 0)
            l->block[n++] = (uint32_t)i;
        if (n < BLOCK_ROWS)
            continue;
        err = add_block(l, n);
        n = 0;
    }
    return err || n == 0 ? err : add_block(l, n);
}

static enum nbx_err allocate(struct learning *l)
{
    size_t n = l->out->features.n, dims = l->rows->dims;
    l->gram = calloc(n * n, sizeof *l->gram);
    l->right = calloc(dims * n, sizeof *l->right);
    l->block = calloc(BLOCK_ROWS, sizeof *l->block);
    l->targets = calloc(BLOCK_ROWS * dims, sizeof *l->targets);
    l->out->vectors = calloc(n * dims, sizeof *l->out->vectors);
    return l->gram && l->right && l->block && l->targets && l->out->vectors ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err solve(struct learning *l, struct nbx_fault *fault)
{
    size_t n = l->out->features.n, dims = l->rows->dims;
    enum nbx_err err = allocate(l);
    if (!err)
        err = add_rows(l);
    if (err == NBX_ELIMIT)
        return nbx_learn__no_memory(fault);
    if (err)
        return nbx_fault_set(fault, err, NULL, "one of the %s has no vector", l->rows->what);
    for (size_t i = 0; i < n; i++)
        l->gram[i * n + i] += l->rows->lambda;
    err = nbx_blas_solve(l->gram, l->right, n, dims);
    if (err)
        return nbx_fault_set(fault, err, NULL, "the attributes' equations have no solution");
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dims; d++)
            l->out->vectors[i * dims + d] = l->right[d * n + i];
    l->out->features.vectors = l->out->vectors;
    return NBX_OK;
}

enum nbx_err nbx_learn__rows(struct nbx_learnt *out, const struct nbx_learn__rows *rows,
                             struct nbx_fault *fault)
{
    struct learning l = {.rows = rows, .out = out};
    enum nbx_err err = NBX_OK;
    if (name_all(&l) || choose(&l))
        err = nbx_learn__no_memory(fault);
    else if (out->features.n == 0)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "no two %s of the model are in the file",
                            rows->what);
    else
        err = solve(&l, fault);
    free(l.start);
    free(l.all);
    free(l.list);
    free(l.of_place);
    free(l.gram);
    free(l.right);
    free(l.block);
    free(l.targets);
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
