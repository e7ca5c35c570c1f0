/* SPDX-License-Identifier: MIT
 * Golden queries: the lists that the bundle's maker says come of it, asked of the model as it would
 * be served.
 */
#include "engine/model/accept_internal.h"
#include "models/bundle/golden.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 30) /* a bound: of the metadata's tree */

static enum nbx_err disagree(struct nbx_accept *a, size_t query, const char *what)
{
    char field[48];
    snprintf(field, sizeof field, "__metadata__." NBX_BUNDLE_GOLDEN "[%zu].expect", query);
    return nbx_fault_set(a->fault, NBX_EBAD, field, "%s", what);
}

/* hits (n): the list. It must be the expected one, item by item. */
static enum nbx_err compare_order(struct nbx_accept *a, size_t query, const struct nbx_golden *g,
                                  const struct nbx_hit *hits, size_t n)
{
    char want[NBX_ACCEPT__ITEM_BYTES], got[NBX_ACCEPT__ITEM_BYTES] = "nothing";
    char what[3 * NBX_ACCEPT__ITEM_BYTES];
    size_t i = 0;
    while (i < g->n_expect && i < n && nbx_model_row(a->model, hits[i].row) == g->expect[i])
        i++;
    if (i == g->n_expect)
        return NBX_OK;
    if (i < n)
        nbx_accept__item(got, a->info, nbx_model_row(a->model, hits[i].row));
    snprintf(what, sizeof what, "place %zu is %s, not %s", i + 1, got,
             nbx_accept__item(want, a->info, g->expect[i]));
    return disagree(a, query, what);
}

static enum nbx_err compare_share(struct nbx_accept *a, size_t query, const struct nbx_golden *g,
                                  const struct nbx_hit *hits, size_t n)
{
    char item[NBX_ACCEPT__ITEM_BYTES], what[2 * NBX_ACCEPT__ITEM_BYTES];
    size_t missing = 0, first = 0;
    for (size_t e = 0; e < g->n_expect; e++) {
        size_t i = 0;
        while (i < n && nbx_model_row(a->model, hits[i].row) != g->expect[e])
            i++;
        if (i == n && missing++ == 0)
            first = g->expect[e];
    }
    if ((double)missing <= g->tolerance * (double)g->n_expect)
        return NBX_OK;
    snprintf(what, sizeof what, "%zu of %zu items are missing, such as %s; at most %g %%", missing,
             g->n_expect, nbx_accept__item(item, a->info, first), 100 * g->tolerance);
    return disagree(a, query, what);
}

/* The list of one query, of as many as are expected. */
static enum nbx_err answer(struct nbx_accept *a, size_t query, const struct nbx_golden *g)
{
    uint32_t labels[NBX_GOLDEN_MAX_HISTORY];
    struct nbx_accept__lists lists = {.k = g->n_expect};
    struct nbx_accept__asked asked = {.model = a->model, .space = g->space};
    struct nbx_accept__customer customer = {labels, g->weights, g->n, g->vector};
    for (size_t i = 0; i < g->n; i++)
        labels[i] = a->model->base->item_no[g->rows[i]];
    if (!g->vector)
        asked.space = nbx_accept__history_space(a->model);
    if (asked.space == nbx_model_n_spaces(a->model))
        return disagree(a, query, "needs a vector: no space makes one of a history");
    enum nbx_err err = nbx_accept__ask(&lists, &asked, &customer, 1);
    if (err == NBX_EBAD)
        disagree(a, query, "cannot be asked: its vector or scores are beyond 32-bit floats");
    else if (err)
        nbx_accept__no_memory(a);
    else if (g->tolerance > 0)
        err = compare_share(a, query, g, lists.hits, lists.n_hits[0]);
    else
        err = compare_order(a, query, g, lists.hits, lists.n_hits[0]);
    nbx_accept__free_lists(&lists);
    return err;
}

enum nbx_err nbx_accept__golden(struct nbx_accept *a)
{
    const struct nbx_golden *golden;
    size_t n;
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    if (!arena)
        return nbx_accept__no_memory(a);
    enum nbx_err err = nbx_bundle_golden(&golden, &n, a->info, arena, a->fault);
    for (size_t i = 0; !err && i < n; i++) {
        err = answer(a, i, &golden[i]);
        a->out->n_golden += !err;
    }
    nbx_arena_destroy(&arena);
    return err;
}
