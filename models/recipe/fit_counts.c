/* SPDX-License-Identifier: MIT
 * The families that learn at one go.
 */
#include "models/recipe/internal.h"

#include <math.h>
#include <stdlib.h>

#define DAY_MS 86400000.0

struct nbx_neighbours_options nbx_part__neighbours_options(const struct nbx_ingredient *i,
                                                           const struct nbx_fit_run *run)
{
    struct nbx_neighbours_options o = {.customer_power = nbx_part__number(i, "customer_power"),
                                       .row_power = nbx_part__number(i, "row_power"),
                                       .column_power = nbx_part__number(i, "column_power"),
                                       .keep = nbx_part__whole(i, "keep"),
                                       .threads = run->threads};
    if (i->family == NBX_FAMILY_TRANSITIONS) {
        o.ordered = true;
        o.max_gap = nbx_part__whole(i, "max_gap");
        o.gap_decay = nbx_part__number(i, "gap_decay");
        o.backward = nbx_part__number(i, "backward");
    }
    return o;
}

enum nbx_err nbx_part__fit_neighbours(struct nbx_part *p, const struct nbx_ingredient *i,
                                      const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                      struct nbx_fault *fault)
{
    struct nbx_neighbours_options o = nbx_part__neighbours_options(i, run);
    enum nbx_err err = nbx_neighbours_fit(&p->rows, d, &o, fault);
    if (!err && nbx_part__be_neighbours(p, i))
        err = nbx_part__out_of_memory(fault);
    return err;
}

struct nbx_ease_options nbx_part__ease_options(const struct nbx_ingredient *i,
                                               const struct nbx_fit_run *run)
{
    return (struct nbx_ease_options){.customer_power = nbx_part__number(i, "customer_power"),
                                     .support = nbx_part__whole(i, "support"),
                                     .support_power = nbx_part__number(i, "support_power"),
                                     .lambda = nbx_part__number(i, "lambda"),
                                     .lambda_power = nbx_part__number(i, "lambda_power"),
                                     .keep = nbx_part__whole(i, "keep"),
                                     .threads = run->threads,
                                     .progress_fd = run->progress_fd};
}

enum nbx_err nbx_part__fit_ease(struct nbx_part *p, const struct nbx_ingredient *i,
                                const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                struct nbx_fault *fault)
{
    struct nbx_ease_options o = nbx_part__ease_options(i, run);
    enum nbx_err err = nbx_ease_fit(&p->rows, d, &o, fault);
    if (!err && nbx_part__be_neighbours(p, i))
        err = nbx_part__out_of_memory(fault);
    return err;
}

struct nbx_spectral_options nbx_part__spectral_options(const struct nbx_ingredient *i,
                                                       const struct nbx_fit_run *run)
{
    return (struct nbx_spectral_options){.dim = nbx_part__whole(i, "dim"),
                                         .customer_power = nbx_part__number(i, "customer_power"),
                                         .item_power = nbx_part__number(i, "item_power"),
                                         .in_power = nbx_part__number(i, "in_power"),
                                         .out_power = nbx_part__number(i, "out_power"),
                                         .rounds = (unsigned)nbx_part__whole(i, "rounds"),
                                         .seed = run->seed,
                                         .threads = run->threads,
                                         .progress_fd = run->progress_fd};
}

enum nbx_err nbx_part__fit_spectral(struct nbx_part *p, const struct nbx_ingredient *i,
                                    const struct nbx_dataset *d, const struct nbx_fit_run *run,
                                    struct nbx_fault *fault)
{
    struct nbx_spectral spectral;
    struct nbx_spectral_options o = nbx_part__spectral_options(i, run);
    enum nbx_err err = nbx_spectral_fit(&spectral, d, &o, fault);
    if (err)
        return err;
    p->item_factors = spectral.item_factors;
    p->history_factors = spectral.history_factors;
    nbx_part__be_space(p, spectral.dim, NBX_CUSTOMER_SUMMED);
    return nbx_part__set_positions(p, i, &p->space.positions, &p->space.n_positions)
               ? nbx_part__out_of_memory(fault)
               : NBX_OK;
}

/* What an event of that time counts. */
static double age_weight(int64_t time_ms, int64_t last_ms, double half_life_days)
{
    if (half_life_days <= 0)
        return 1;
    return exp2(-(double)(last_ms - time_ms) / DAY_MS / half_life_days);
}

/* counts (n_items): customers of each item, by the age of what they did. */
static enum nbx_err count_customers(double *counts, const struct nbx_dataset *d, double half_life,
                                    struct nbx_fault *fault)
{
    for (size_t e = 0; e < nbx_csr_entries(&d->by_customer); e++) {
        if (half_life > 0 && d->times_ms[e] == NBX_DATASET_NO_TIME)
            return nbx_fault_set(fault, NBX_EBAD, "half_life_days", "the events have no times");
        counts[d->sequence[e]] += age_weight(d->times_ms[e], d->last_ms, half_life);
    }
    return NBX_OK;
}

/* log(1 + customers): what most take to must not drown the rest. */
enum nbx_err nbx_part__fit_popularity(struct nbx_part *p, const struct nbx_ingredient *i,
                                      const struct nbx_dataset *d, struct nbx_fault *fault)
{
    double *counts = calloc(d->n_items + 1, sizeof *counts);
    p->item_factors = calloc(d->n_items + 1, sizeof *p->item_factors);
    if (!counts || !p->item_factors) {
        free(counts);
        return nbx_part__out_of_memory(fault);
    }
    enum nbx_err err = count_customers(counts, d, nbx_ingredient_get(i, "half_life_days"), fault);
    for (size_t k = 0; k < d->n_items; k++)
        p->item_factors[k] = (float)log1p(counts[k]);
    free(counts);
    nbx_part__be_space(p, 1, NBX_CUSTOMER_CONSTANT);
    return err;
}
