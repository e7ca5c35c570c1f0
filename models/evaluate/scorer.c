/* SPDX-License-Identifier: MIT */
#include "models/evaluate/scorer.h"

#include "engine/score/dot.h"
#include "models/bundle/blend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
/* A query's tallies: of each neighbours part its own and the sum so far, 24 bytes an item. */
#define TALLY_BYTES 48
/* Systems of the size of the dimensions, in double. */
#define FOLD_BYTES 64

struct nbx_scorer {
    const struct nbx_bundle_info *bundle;
    struct nbx_blend *blend;
    size_t padded;
    float *items; /* (n_items, padded) */
};

static enum nbx_err check_space(const struct nbx_space *space, size_t i, struct nbx_fault *fault)
{
    char field[48];
    if (space->customer == NBX_CUSTOMER_GIVEN) {
        snprintf(field, sizeof field, "spaces[%zu].customer", i);
        return nbx_fault_set(fault, NBX_EBAD, field,
                             "customers are given: there is nothing to fold them in from");
    }
    snprintf(field, sizeof field, "spaces[%zu].metric", i);
    if (space->metric != NBX_METRIC_DOT)
        return nbx_fault_set(fault, NBX_EBAD, field, "only dot can be evaluated");
    return NBX_OK;
}

static enum nbx_err check(const struct nbx_bundle_info *bundle, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    if (!nbx_bundle_is_blend(bundle) && bundle->n_spaces != 1)
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "one space can be evaluated, this has %zu",
                             bundle->n_spaces);
    if (bundle->n_spaces + bundle->n_neighbours == 0)
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "a blend of nothing has no scores");
    for (size_t i = 0; !err && i < bundle->n_spaces; i++)
        err = check_space(&bundle->spaces[i], i, fault);
    return err;
}

static enum nbx_err make_items(struct nbx_scorer *s)
{
    size_t n = s->bundle->n_items;
    s->padded = nbx_padded(nbx_blend_dims(s->blend));
    size_t bytes = (n * s->padded + NBX_LANES) * sizeof(float);
    s->items = aligned_alloc(ALIGNMENT, bytes);
    if (!s->items)
        return NBX_ELIMIT;
    memset(s->items, 0, bytes);
    for (size_t i = 0; i < n; i++)
        nbx_blend_item(s->blend, i, s->items + i * s->padded);
    return NBX_OK;
}

enum nbx_err nbx_scorer_new(struct nbx_scorer **out, const struct nbx_bundle_info *bundle,
                            struct nbx_fault *fault)
{
    *out = NULL;
    enum nbx_err err = check(bundle, fault);
    if (err)
        return err;
    struct nbx_scorer *s = *out = calloc(1, sizeof *s);
    if (!s)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory evaluating");
    s->bundle = bundle;
    err = nbx_bundle_blend(&s->blend, bundle, NULL);
    if (!err)
        err = make_items(s);
    if (err == NBX_ELIMIT)
        nbx_fault_set(fault, err, NULL, "out of memory evaluating");
    else if (err)
        nbx_fault_set(fault, err, "spaces", "customers cannot be folded in");
    if (err)
        nbx_scorer_destroy(out);
    return err;
}

void nbx_scorer_destroy(struct nbx_scorer **scorer)
{
    if (!scorer || !*scorer)
        return;
    nbx_blend_destroy(&(*scorer)->blend);
    free((*scorer)->items);
    free(*scorer);
    *scorer = NULL;
}

size_t nbx_scorer_padded(const struct nbx_scorer *scorer)
{
    return scorer->padded;
}

bool nbx_scorer_adds(const struct nbx_scorer *scorer)
{
    return scorer->bundle->n_neighbours > 0;
}

enum nbx_err nbx_scorer_query(const struct nbx_scorer *scorer,
                              const struct nbx_scorer_history *history, struct nbx_arena *arena,
                              float *x, float *addends)
{
    const float **vectors = nbx_arena_calloc(arena, history->n, sizeof *vectors);
    if (!vectors)
        return NBX_ELIMIT;
    for (size_t i = 0; i < history->n; i++)
        vectors[i] = scorer->items + history->rows[i] * scorer->padded;
    struct nbx_blend_history full = {history->rows, history->weights, vectors, history->n};
    if (!nbx_scorer_adds(scorer))
        return nbx_blend_vector(scorer->blend, &full, arena, x);
    struct nbx_addends sparse;
    enum nbx_err err = nbx_blend_query(scorer->blend, &full, arena, x, &sparse);
    for (size_t i = 0; !err && i < sparse.n; i++)
        addends[sparse.labels[i]] = sparse.values[i];
    return err;
}

void nbx_scorer_score(const struct nbx_scorer *scorer, const float *x, const float *addends,
                      size_t begin, size_t n, float *scores)
{
    if (scorer->padded)
        nbx_dot_rows(scores, x, scorer->items + begin * scorer->padded, n, scorer->padded);
    else
        memset(scores, 0, n * sizeof *scores);
    for (size_t i = 0; addends && i < n; i++)
        scores[i] += addends[begin + i];
    for (size_t i = 0; i < n; i++)
        scores[i] = isnan(scores[i]) ? -INFINITY : scores[i];
}

uint64_t nbx_scorer_bound_bytes(const struct nbx_bundle_info *bundle)
{
    uint64_t dims = 0, squares = 0;
    for (size_t i = 0; i < bundle->n_spaces; i++) {
        dims += bundle->spaces[i].dims;
        squares += bundle->spaces[i].dims * nbx_padded(bundle->spaces[i].dims);
    }
    return (bundle->n_items + 1) * nbx_padded(dims) * sizeof(float) + squares * FOLD_BYTES +
           nbx_scorer_arena_bytes(bundle);
}

uint64_t nbx_scorer_arena_bytes(const struct nbx_bundle_info *bundle)
{
    uint64_t squares = 0, n = bundle->n_items;
    for (size_t i = 0; i < bundle->n_spaces; i++)
        squares += bundle->spaces[i].dims * nbx_padded(bundle->spaces[i].dims);
    return ((uint64_t)64 << 20) + squares * FOLD_BYTES + n * bundle->n_neighbours * TALLY_BYTES;
}
