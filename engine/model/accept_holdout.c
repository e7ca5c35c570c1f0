/* SPDX-License-Identifier: MIT
 * The holdout: what customers did next, among the lists of the new model and of the active one.
 * Both are asked for the same customers, for items of their bundles that the catalogue has.
 */
#include "engine/model/accept_internal.h"

#include <math.h>
#include <stdlib.h>

#define CHANCE 2.0 /* standard errors that a difference may come of */

/* What a case gave: a hit, and by its place. */
enum metric { HIT, NDCG, N_METRICS };

/* One of the two models, and its labels of the items' numbers. */
struct side {
    struct nbx_accept__asked asked;
    uint64_t *eligible;
    uint32_t *labels; /* (n_numbers) */
    size_t n_numbers;
    struct nbx_accept__customer *customers; /* (n) a case each */
    uint32_t *histories;                    /* of all cases, one behind the other */
    double *gains;                          /* (N_METRICS, n) */
    size_t n;
};

static void free_side(struct side *s)
{
    free(s->eligible);
    free(s->labels);
    free(s->customers);
    free(s->histories);
    free(s->gains);
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
    for (size_t i = 0; i < s->n; i++)
        total += o->cases[i].n;
    s->customers = calloc(s->n + 1, sizeof *s->customers);
    s->histories = calloc(total + 1, sizeof *s->histories);
    s->gains = calloc(N_METRICS * (s->n + 1), sizeof *s->gains);
    if (!s->customers || !s->histories || !s->gains)
        return NBX_ELIMIT;
    for (size_t i = 0; i < s->n; i++) {
        const struct nbx_accept_case *c = &o->cases[i];
        s->customers[i] = (struct nbx_accept__customer){
            .labels = s->histories + at, .weights = c->weights, .n = c->n};
        for (size_t k = 0; k < c->n; k++)
            s->histories[at++] = label_of(s, c->items[k]);
    }
    return NBX_OK;
}

/* A customer without a list is a miss. */
static void judge(struct side *s, const struct nbx_accept_options *o,
                  const struct nbx_accept__lists *lists)
{
    for (size_t i = 0; i < s->n; i++) {
        uint32_t label = label_of(s, o->cases[i].held_out);
        const struct nbx_hit *hits = lists->hits + i * lists->k;
        size_t place = 0;
        while (place < lists->n_hits[i] && hits[place].row != label)
            place++;
        if (label == NBX_ACCEPT__NO_LABEL || place == lists->n_hits[i])
            continue;
        s->gains[HIT * s->n + i] = 1;
        s->gains[NDCG * s->n + i] = 1 / log2((double)place + 2);
    }
}

static double mean(const struct side *s, enum metric metric)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->gains[(size_t)metric * s->n + i];
    return sum / (double)s->n;
}

static enum nbx_err measure(struct side *s, const struct nbx_accept *a)
{
    struct nbx_accept__lists lists = {.k = NBX_ACCEPT_K};
    enum nbx_err err = number(s, a);
    if (!err)
        err = seat(s, a->options);
    if (!err)
        err = nbx_accept__ask(&lists, &s->asked, s->customers, s->n);
    if (!err)
        judge(s, a->options, &lists);
    nbx_accept__free_lists(&lists);
    return err;
}

/* Whether the fresh model is below `share` of the active one by more than the draw of the customers
 * explains: both were asked for the same ones, so it is their differences that vary. */
static bool is_below(const struct side *fresh, const struct side *active, enum metric metric,
                     double share)
{
    double sum = 0, squares = 0, n = (double)fresh->n;
    for (size_t i = (size_t)metric * fresh->n; i < ((size_t)metric + 1) * fresh->n; i++) {
        double short_by = share * active->gains[i] - fresh->gains[i];
        sum += short_by;
        squares += short_by * short_by;
    }
    double variance = fmax(squares - sum * sum / n, 0) / (n - 1);
    return sum > 0 && sum > CHANCE * sqrt(n * variance);
}

static enum nbx_err compare(struct nbx_accept *a, const struct side *fresh,
                            const struct side *active, enum metric metric)
{
    static const char *const names[N_METRICS] = {"holdout.hit@20", "holdout.ndcg@20"};
    double most = a->options->bounds.max_loss;
    if (fresh->n < NBX_ACCEPT_MIN_CASES || !is_below(fresh, active, metric, 1 - most))
        return NBX_OK;
    double of_active = mean(active, metric);
    return nbx_fault_set(a->fault, NBX_EBAD, names[metric],
                         "%.4f on %zu customers, the active model's is %.4f; at least %.4f, %g %% "
                         "less (model_max_loss), and that is not by chance",
                         mean(fresh, metric), fresh->n, of_active, (1 - most) * of_active,
                         100 * most);
}

static bool takes_history(const struct nbx_model *m)
{
    return nbx_accept__history_space(m) < nbx_model_n_spaces(m);
}

/* As many as there are, and fewer where a scan is long. */
static size_t count_cases(const struct nbx_accept *a)
{
    size_t fresh = nbx_accept__sample_size(a->model, NBX_ACCEPT_CASES);
    size_t active = nbx_accept__sample_size(a->options->active, NBX_ACCEPT_CASES);
    size_t most = fresh < active ? fresh : active;
    return a->options->n_cases < most ? a->options->n_cases : most;
}

static struct side side_of(const struct nbx_model *m, size_t n)
{
    return (struct side){.asked = {.model = m, .space = nbx_accept__history_space(m)}, .n = n};
}

static enum nbx_err hold_against(struct nbx_accept *a, struct side *fresh, struct side *active)
{
    struct nbx_accepted *out = a->out;
    enum nbx_err err = measure(active, a);
    if (!err)
        err = measure(fresh, a);
    if (err == NBX_EBAD)
        return nbx_fault_set(a->fault, err, "holdout",
                             "a customer has a vector or scores beyond 32-bit floats");
    if (err)
        return nbx_accept__no_memory(a);
    out->n_cases = fresh->n;
    out->fresh = (struct nbx_accepted_holdout){mean(fresh, HIT), mean(fresh, NDCG)};
    out->active = (struct nbx_accepted_holdout){mean(active, HIT), mean(active, NDCG)};
    err = compare(a, fresh, active, HIT);
    return err ? err : compare(a, fresh, active, NDCG);
}

enum nbx_err nbx_accept__holdout(struct nbx_accept *a)
{
    const struct nbx_model *m = a->options->active;
    if (!m || a->options->n_cases == 0 || !takes_history(m) || !takes_history(a->model))
        return NBX_OK;
    size_t n = count_cases(a);
    struct side fresh = side_of(a->model, n), active = side_of(m, n);
    enum nbx_err err = hold_against(a, &fresh, &active);
    free_side(&fresh);
    free_side(&active);
    return err;
}
