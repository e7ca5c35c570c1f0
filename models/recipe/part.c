/* SPDX-License-Identifier: MIT */
#include "models/recipe/part.h"

#include "models/recipe/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* `recent` of ingredients that says: the whole history. */
#define RECENT_ALL 255

enum nbx_err nbx_part__out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory fitting a part");
}

float *nbx_part__copy_floats(const float *from, size_t n)
{
    float *to = malloc((n + 1) * sizeof *to);
    if (to)
        memcpy(to, from, n * sizeof *to);
    return to;
}

/* positions: 1, decay, decay^2 ... of `recent` items, then 0; or 1 for all. */
enum nbx_err nbx_part__set_positions(struct nbx_part *p, const struct nbx_ingredient *ingredient,
                                     const float **positions, size_t *n_positions)
{
    bool paced = nbx_ingredient_has(ingredient, NBX_STR("recent"));
    size_t recent = paced ? nbx_part__whole(ingredient, "recent") : RECENT_ALL;
    double decay = paced ? nbx_ingredient_get(ingredient, "decay") : 1;
    bool all = recent == RECENT_ALL && decay == 1;
    size_t n = all ? 1 : recent + 1;
    p->positions = calloc(n, sizeof *p->positions);
    if (!p->positions)
        return NBX_ELIMIT;
    for (size_t i = 0; i < (all ? 1 : recent); i++)
        p->positions[i] = (float)pow(decay, (double)i);
    *positions = p->positions;
    *n_positions = n;
    return NBX_OK;
}

/* Makes the part one of neighbours from p->rows. */
enum nbx_err nbx_part__be_neighbours(struct nbx_part *p, const struct nbx_ingredient *ingredient)
{
    p->sparse = true;
    p->neighbours = (struct nbx_neighbours){.name = nbx_str_c(nbx_family_info(p->family)->name),
                                            .start = p->rows.start,
                                            .items = p->rows.col,
                                            .weights = p->rows.weight};
    return nbx_part__set_positions(p, ingredient, &p->neighbours.positions,
                                   &p->neighbours.n_positions);
}

/* Makes it a space of p->item_factors. */
void nbx_part__be_space(struct nbx_part *p, size_t dims, enum nbx_customer_source customer)
{
    p->space = (struct nbx_space){.name = nbx_str_c(nbx_family_info(p->family)->name),
                                  .dims = dims,
                                  .metric = NBX_METRIC_DOT,
                                  .customer = customer,
                                  .item_factors = p->item_factors,
                                  .history_factors = p->history_factors,
                                  .n_groups = 1};
}

enum nbx_err nbx_part_fit(struct nbx_part *out, const struct nbx_ingredient *i,
                          const struct nbx_dataset *d, const struct nbx_fit_run *run,
                          struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_part){.family = i->family};
    switch (i->family) {
    case NBX_FAMILY_IALS: err = nbx_part__fit_ials(out, i, d, run, fault); break;
    case NBX_FAMILY_NEIGHBOURS:
    case NBX_FAMILY_TRANSITIONS: err = nbx_part__fit_neighbours(out, i, d, run, fault); break;
    case NBX_FAMILY_EASE: err = nbx_part__fit_ease(out, i, d, run, fault); break;
    case NBX_FAMILY_SPECTRAL: err = nbx_part__fit_spectral(out, i, d, run, fault); break;
    case NBX_FAMILY_SEQUENCE: err = nbx_part__fit_sequence(out, i, d, run, fault); break;
    default: err = nbx_part__fit_popularity(out, i, d, fault); break;
    }
    if (err)
        nbx_part_fini(out);
    return err;
}

void nbx_part_fini(struct nbx_part *p)
{
    free(p->item_factors);
    free(p->history_factors);
    free(p->positions);
    nbx_csr_fini(&p->rows);
    *p = (struct nbx_part){0};
}

uint64_t nbx_part_bound_bytes(const struct nbx_ingredient *i, const struct nbx_dataset *d,
                              const struct nbx_fit_run *run)
{
    struct nbx_neighbours_options neighbours;
    struct nbx_ials_options ials;
    struct nbx_ease_options ease;
    struct nbx_spectral_options spectral;
    struct nbx_sequence_options sequence;
    switch (i->family) {
    case NBX_FAMILY_IALS:
        ials = nbx_part__ials_options(i, run);
        return nbx_ials_bound_bytes(d->n_customers, d->n_items, &ials) +
               d->n_items * ials.dim * sizeof(float);
    case NBX_FAMILY_NEIGHBOURS:
    case NBX_FAMILY_TRANSITIONS:
        neighbours = nbx_part__neighbours_options(i, run);
        return nbx_neighbours_bound_bytes(d, &neighbours);
    case NBX_FAMILY_EASE:
        ease = nbx_part__ease_options(i, run);
        return nbx_ease_bound_bytes(d, &ease);
    case NBX_FAMILY_SPECTRAL:
        spectral = nbx_part__spectral_options(i, run);
        return nbx_spectral_bound_bytes(d, &spectral);
    case NBX_FAMILY_SEQUENCE:
        sequence = nbx_part__sequence_options(i, run);
        return nbx_sequence_bound_bytes(d, &sequence) +
               2 * d->n_items * (sequence.dim + 1) * sizeof(float);
    default: return d->n_items * (sizeof(double) + sizeof(float));
    }
}

/* Operations a thread does in a second: of a matrix product, and of what jumps in memory. */
#define DENSE_A_SECOND  8e10
#define SPARSE_A_SECOND 3e8

static double history_squares(const struct nbx_dataset *d)
{
    double sum = 0;
    for (size_t c = 0; c < d->n_customers; c++) {
        double n = (double)nbx_csr_row_entries(&d->by_customer, c);
        sum += n * n;
    }
    return sum;
}

double nbx_part_seconds(const struct nbx_ingredient *i, const struct nbx_dataset *d,
                        unsigned threads)
{
    double pairs = (double)nbx_csr_entries(&d->by_customer), items = (double)d->n_items;
    double rows = items + (double)d->n_customers, dense = 0, sparse = pairs, dim, k;
    switch (i->family) {
    case NBX_FAMILY_IALS:
        dim = nbx_ingredient_get(i, "dim");
        dense = nbx_ingredient_get(i, "epochs") * (4 * pairs * dim * dim + rows * dim * dim * 4);
        break;
    case NBX_FAMILY_SPECTRAL:
        dim = nbx_ingredient_get(i, "dim");
        sparse = 2 * nbx_ingredient_get(i, "rounds") * pairs * dim / 8;
        dense = nbx_ingredient_get(i, "rounds") * 4 * items * dim * dim;
        break;
    case NBX_FAMILY_EASE:
        k = nbx_ingredient_get(i, "support");
        k = k < items ? k : items;
        dense = items * k * k * k / 3;
        sparse = 2 * history_squares(d) + items * k * 2000;
        break;
    case NBX_FAMILY_SEQUENCE:
        k = nbx_ingredient_get(i, "negatives");
        dense = 6 * nbx_ingredient_get(i, "epochs") * pairs * nbx_ingredient_get(i, "dim") *
                (k > 0 ? k : items);
        break;
    case NBX_FAMILY_NEIGHBOURS: sparse = history_squares(d); break;
    default: sparse = 40 * pairs; break;
    }
    return (dense / DENSE_A_SECOND + sparse / SPARSE_A_SECOND) / threads;
}

void nbx_parts_describe(struct nbx_bundle_info *info, const struct nbx_part *parts,
                        const double *weights, size_t n)
{
    info->n_spaces = info->n_neighbours = 0;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i].sparse) {
            info->spaces[info->n_spaces] = parts[i].space;
            info->spaces[info->n_spaces++].weight = (float)weights[i];
        }
        if (parts[i].sparse || parts[i].paired) {
            info->neighbours[info->n_neighbours] = parts[i].neighbours;
            info->neighbours[info->n_neighbours].scaled_by = parts[i].paired ? info->n_spaces : 0;
            info->neighbours[info->n_neighbours++].weight = (float)weights[i];
        }
    }
    bool plain = n == 1 && info->n_spaces == 1 && info->spaces[0].customer == NBX_CUSTOMER_FOLDED;
    info->family = plain ? NBX_STR("factors") : NBX_STR("blend");
}
