/* SPDX-License-Identifier: MIT */
#include "models/neighbours/counts.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdlib.h>

/* places [k] for the pair at by_item.col[k]. Customers ascend in a row of by_item, so going over
 * them in order meets an item's pairs in the order of its row. */
static enum nbx_err fill_places(struct nbx_neighbours_counts *counts)
{
    const struct nbx_dataset *d = counts->dataset;
    NBX_ASSERT(d->sequence);
    uint64_t *next = malloc((d->n_items + 1) * sizeof *next);
    counts->places = malloc((nbx_csr_entries(&d->by_item) + 1) * sizeof *counts->places);
    if (!next || !counts->places) {
        free(next);
        return NBX_ELIMIT;
    }
    for (size_t i = 0; i < d->n_items; i++)
        next[i] = d->by_item.start[i];
    for (size_t c = 0; c < d->n_customers; c++) {
        uint64_t begin = d->by_customer.start[c], end = d->by_customer.start[c + 1];
        for (uint64_t at = begin; at < end; at++)
            counts->places[next[d->sequence[at]]++] = (uint32_t)(at - begin);
    }
    free(next);
    return NBX_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* s_i and t_i of the ordered kind: an item's rows and columns of C summed without C, from how many
 * others stand after and before it. reach [k]: the sum of gap_weight up to k. */
static void ordered_sums(const struct nbx_neighbours_counts *counts, size_t item,
                         const double *reach, double *row, double *column)
{
    const struct nbx_csr *by_item = &counts->dataset->by_item;
    const struct nbx_neighbours_options *o = counts->options;
    *row = *column = 0;
    for (uint64_t at = by_item->start[item]; at < by_item->start[item + 1]; at++) {
        uint32_t c = by_item->col[at], place = counts->places[at];
        size_t left = nbx_csr_row_entries(&counts->dataset->by_customer, c) - 1 - place;
        double after = reach[least(left, o->max_gap)], before = reach[least(place, o->max_gap)];
        double weight = counts->customer_weight[c];
        *row += weight * (after + (double)o->backward * before);
        *column += weight * (before + (double)o->backward * after);
    }
}

/* x^-power, or 0 where there is nothing to scale. */
static double scale_of(double x, float power)
{
    return x > 0 ? pow(x, -(double)power) : 0;
}

static void fill_scales(struct nbx_neighbours_counts *counts)
{
    const struct nbx_neighbours_options *o = counts->options;
    double reach[NBX_NEIGHBOURS_MAX_GAP + 1] = {0};
    for (size_t g = 1; o->ordered && g <= o->max_gap; g++) {
        counts->gap_weight[g] = pow((double)o->gap_decay, (double)(g - 1));
        reach[g] = reach[g - 1] + counts->gap_weight[g];
    }
    for (size_t i = 0; i < counts->dataset->n_items; i++) {
        double row = (double)nbx_csr_row_entries(&counts->dataset->by_item, i), column = row;
        if (o->ordered)
            ordered_sums(counts, i, reach, &row, &column);
        counts->row_scale[i] = scale_of(row, o->row_power);
        counts->column_scale[i] = scale_of(column, o->column_power);
    }
}

enum nbx_err nbx_neighbours_counts_init(struct nbx_neighbours_counts *counts,
                                        const struct nbx_dataset *dataset,
                                        const struct nbx_neighbours_options *options)
{
    *counts = (struct nbx_neighbours_counts){.dataset = dataset, .options = options};
    counts->customer_weight = malloc((dataset->n_customers + 1) * sizeof *counts->customer_weight);
    counts->row_scale = malloc((dataset->n_items + 1) * sizeof *counts->row_scale);
    counts->column_scale = malloc((dataset->n_items + 1) * sizeof *counts->column_scale);
    if (!counts->customer_weight || !counts->row_scale || !counts->column_scale)
        return NBX_ELIMIT;
    for (size_t c = 0; c < dataset->n_customers; c++)
        counts->customer_weight[c] = scale_of((double)nbx_csr_row_entries(&dataset->by_customer, c),
                                              options->customer_power);
    if (options->ordered && fill_places(counts))
        return NBX_ELIMIT;
    fill_scales(counts);
    return NBX_OK;
}

void nbx_neighbours_counts_fini(struct nbx_neighbours_counts *counts)
{
    free(counts->customer_weight);
    free(counts->row_scale);
    free(counts->column_scale);
    free(counts->places);
    *counts = (struct nbx_neighbours_counts){0};
}

uint64_t nbx_neighbours_counts_bytes(const struct nbx_dataset *dataset,
                                     const struct nbx_neighbours_options *options)
{
    uint64_t doubles = (uint64_t)dataset->n_customers + 2 * (uint64_t)dataset->n_items + 3;
    uint64_t places = (uint64_t)nbx_csr_entries(&dataset->by_item) * sizeof(uint32_t) +
                      (uint64_t)dataset->n_items * sizeof(uint64_t);
    return doubles * sizeof(double) + (options->ordered ? places : 0);
}

/* The first addition to a sum notes its item. What underflowed to 0 must not: it would again. */
static inline void add(struct nbx_neighbours_sums *sums, uint32_t item, double weight)
{
    double before = sums->sum[item];
    sums->touched[sums->n] = item;
    sums->n += before == 0 && weight > 0;
    sums->sum[item] = before + weight;
}

static void add_history(struct nbx_neighbours_sums *sums,
                        const struct nbx_neighbours_counts *counts, uint32_t customer)
{
    const struct nbx_csr *by_customer = &counts->dataset->by_customer;
    double weight = counts->customer_weight[customer];
    for (uint64_t at = by_customer->start[customer]; at < by_customer->start[customer + 1]; at++)
        add(sums, by_customer->col[at], weight);
}

static void add_around(struct nbx_neighbours_sums *sums, const struct nbx_neighbours_counts *counts,
                       uint32_t customer, size_t place)
{
    const struct nbx_dataset *d = counts->dataset;
    const struct nbx_neighbours_options *o = counts->options;
    const uint32_t *here = d->sequence + d->by_customer.start[customer] + place;
    size_t after = least(nbx_csr_row_entries(&d->by_customer, customer) - 1 - place, o->max_gap);
    size_t before = o->backward > 0 ? least(place, o->max_gap) : 0;
    double forward = counts->customer_weight[customer], back = forward * (double)o->backward;
    for (size_t gap = 1; gap <= after; gap++)
        add(sums, here[gap], forward * counts->gap_weight[gap]);
    for (size_t gap = 1; gap <= before; gap++)
        add(sums, *(here - gap), back * counts->gap_weight[gap]);
}

void nbx_neighbours_counts_row(struct nbx_neighbours_sums *sums,
                               const struct nbx_neighbours_counts *counts, size_t item)
{
    const struct nbx_csr *by_item = &counts->dataset->by_item;
    for (uint64_t at = by_item->start[item]; at < by_item->start[item + 1]; at++) {
        if (counts->options->ordered)
            add_around(sums, counts, by_item->col[at], counts->places[at]);
        else
            add_history(sums, counts, by_item->col[at]);
    }
}

uint64_t nbx_neighbours_row_bound(const struct nbx_dataset *dataset,
                                  const struct nbx_neighbours_options *options, size_t item)
{
    const struct nbx_csr *by_item = &dataset->by_item;
    size_t reach = !options->ordered       ? SIZE_MAX
                   : options->backward > 0 ? 2 * options->max_gap
                                           : options->max_gap;
    uint64_t sum = 0;
    for (uint64_t at = by_item->start[item]; at < by_item->start[item + 1]; at++)
        sum += least(nbx_csr_row_entries(&dataset->by_customer, by_item->col[at]) - 1, reach);
    return sum < dataset->n_items - 1 ? sum : dataset->n_items - 1;
}
