/* SPDX-License-Identifier: MIT
 * The holdout: what customers did next, among the lists of the new model and of the active one.
 * Both are asked for the same customers, for items of their bundles that the catalogue has.
 */
#include "engine/model/accept_internal.h"

#include <math.h>
#include <stdlib.h>

/* One of the two models, and its labels of the items' numbers. */
struct side {
    struct nbx_accept__asked asked;
    uint64_t *eligible;
    uint32_t *labels; /* (n_numbers) */
    size_t n_numbers;
    struct nbx_accept__customer *customers; /* (n_cases) */
    uint32_t *histories;                    /* of all cases, one behind the other */
};

static void free_side(struct side *s)
{
    free(s->eligible);
    free(s->labels);
    free(s->customers);
    free(s->histories);
}

static uint32_t label_of(const struct side *s, uint32_t item_no)
{
    return item_no < s->n_numbers ? s->labels[item_no] : NBX_ACCEPT__NO_LABEL;
}

/* Labels of all rows of the bundle, and bits of those that may stand in a list. */
static enum nbx_err number(struct side *s, const struct nbx_accept *a)
{
    const struct nbx_model_base *base = s->asked.model->base;
    const struct nbx_bundle_info *info = nbx_bundle_get(base->bundle);
    const struct nbx_catalog *catalog = a->options->catalog;
    bool any = !catalog || nbx_catalog_count(catalog) == 0;
    s->n_numbers = nbx_ids_end(a->options->ids);
    s->asked.n_eligible = ((size_t)base->n_numbers + 63) / 64 * 64;
    s->labels = calloc(s->n_numbers, sizeof *s->labels);
    s->eligible = calloc(s->asked.n_eligible / 64 + 1, sizeof *s->eligible);
    if (!s->labels || !s->eligible)
        return NBX_ELIMIT;
    s->asked.eligible = s->eligible;
    for (size_t i = 0; i < info->n_items; i++) {
        uint32_t item_no = nbx_ids_find(a->options->ids, info->item_ids[i]);
        uint32_t label = base->item_no[i];
        if (item_no && item_no < s->n_numbers)
            s->labels[item_no] = label;
        if (any || (item_no && nbx_catalog_has(catalog, item_no)))
            s->eligible[label / 64] |= UINT64_C(1) << label % 64;
    }
    return NBX_OK;
}

static enum nbx_err seat(struct side *s, const struct nbx_accept_options *o)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < o->n_cases; i++)
        total += o->cases[i].n;
    s->customers = calloc(o->n_cases, sizeof *s->customers);
    s->histories = calloc(total + 1, sizeof *s->histories);
    if (!s->customers || !s->histories)
        return NBX_ELIMIT;
    for (size_t i = 0; i < o->n_cases; i++) {
        const struct nbx_accept_case *c = &o->cases[i];
        s->customers[i] = (struct nbx_accept__customer){
            .labels = s->histories + at, .weights = c->weights, .n = c->n};
        for (size_t k = 0; k < c->n; k++)
            s->histories[at++] = label_of(s, c->items[k]);
    }
    return NBX_OK;
}

/* The means over all cases; a customer without a list is a miss. */
static void judge(struct nbx_accepted_holdout *out, const struct side *s,
                  const struct nbx_accept_options *o, const struct nbx_accept__lists *lists)
{
    for (size_t i = 0; i < o->n_cases; i++) {
        uint32_t label = label_of(s, o->cases[i].held_out);
        const struct nbx_hit *hits = lists->hits + i * lists->k;
        size_t place = 0;
        while (place < lists->n_hits[i] && hits[place].row != label)
            place++;
        if (label == NBX_ACCEPT__NO_LABEL || place == lists->n_hits[i])
            continue;
        out->hit += 1 / (double)o->n_cases;
        out->ndcg += 1 / log2((double)place + 2) / (double)o->n_cases;
    }
}

static enum nbx_err measure(struct nbx_accepted_holdout *out, const struct nbx_accept *a,
                            const struct nbx_model *m)
{
    const struct nbx_accept_options *o = a->options;
    struct side s = {.asked = {.model = m, .space = nbx_accept__history_space(m)}};
    struct nbx_accept__lists lists = {.k = NBX_ACCEPT_K};
    enum nbx_err err = number(&s, a);
    if (!err)
        err = seat(&s, o);
    if (!err)
        err = nbx_accept__ask(&lists, &s.asked, s.customers, o->n_cases);
    if (!err)
        judge(out, &s, o, &lists);
    nbx_accept__free_lists(&lists);
    free_side(&s);
    return err;
}

static enum nbx_err compare(struct nbx_accept *a, const char *metric, double fresh, double active)
{
    double most = a->options->bounds.max_loss, least = (1 - most) * active;
    if (a->out->n_cases < NBX_ACCEPT_MIN_CASES || fresh >= least)
        return NBX_OK;
    return nbx_fault_set(a->fault, NBX_EBAD, metric,
                         "%.4f on %zu customers, the active model's is %.4f; at least %.4f, %g %% "
                         "less",
                         fresh, a->out->n_cases, active, least, 100 * most);
}

static bool takes_history(const struct nbx_model *m)
{
    return nbx_accept__history_space(m) < nbx_model_n_spaces(m);
}

enum nbx_err nbx_accept__holdout(struct nbx_accept *a)
{
    const struct nbx_model *active = a->options->active;
    struct nbx_accepted *out = a->out;
    if (!active || a->options->n_cases == 0 || !takes_history(active) || !takes_history(a->model))
        return NBX_OK;
    enum nbx_err err = measure(&out->active, a, active);
    if (!err)
        err = measure(&out->fresh, a, a->model);
    if (err == NBX_EBAD)
        return nbx_fault_set(a->fault, err, "holdout",
                             "a customer has a vector or scores beyond 32-bit floats");
    if (err)
        return nbx_accept__no_memory(a);
    out->n_cases = a->options->n_cases;
    err = compare(a, "holdout.hit@20", out->fresh.hit, out->active.hit);
    return err ? err : compare(a, "holdout.ndcg@20", out->fresh.ndcg, out->active.ndcg);
}
