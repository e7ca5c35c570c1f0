/* SPDX-License-Identifier: MIT
 * The counts behind neighbours: one row of C at a time, and what rows and columns are scaled by.
 *
 * Why:     C is never there as a whole: its entries are about the sum of squared lengths of the
 *          histories, of which all but `keep` per row are thrown away. A row is added up by going
 *          over its item's customers, always in the same order, whoever does it.
 * Owns:    nbx_neighbours_counts: weights, places and scales; it borrows the data set and the
 *          options. nbx_neighbours_sums: one thread's space for a row.
 * Threads: counts are immutable once made; one nbx_neighbours_sums per thread.
 * Errors:  NBX_ELIMIT where memory is out; fini is still due then.
 */
#ifndef NBX_MODELS_NEIGHBOURS_COUNTS_H
#define NBX_MODELS_NEIGHBOURS_COUNTS_H

#include "models/neighbours/neighbours.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_neighbours_counts {
    const struct nbx_dataset *dataset;
    const struct nbx_neighbours_options *options;
    double *customer_weight;          /* (n_customers) n_c^-customer_power */
    double *row_scale, *column_scale; /* (n_items) s^-row_power, t^-column_power; 0 where none */
    uint32_t *places;                 /* ordered: (pairs) beside by_item: the item's place in the
                                         customer's sequence; else NULL */
    double gap_weight[NBX_NEIGHBOURS_MAX_GAP + 1]; /* [g] gap_decay^(g - 1), from g = 1 */
};

/* A sum per item, all of them 0 between rows, and which of them are not. */
struct nbx_neighbours_sums {
    double *sum;       /* (n_items) */
    uint32_t *touched; /* (n_items) the n of a sum above 0, in no order */
    size_t n;
};

enum nbx_err nbx_neighbours_counts_init(
    struct nbx_neighbours_counts *counts, const struct nbx_dataset *dataset,
    const struct nbx_neighbours_options *options) NBX_MUST_CHECK;
void nbx_neighbours_counts_fini(struct nbx_neighbours_counts *counts);
/* Bytes of counts. */
uint64_t nbx_neighbours_counts_bytes(const struct nbx_dataset *dataset,
                                     const struct nbx_neighbours_options *options);

/* Adds row `item` of C, its diagonal included, to sums that are all 0. */
void nbx_neighbours_counts_row(struct nbx_neighbours_sums *sums,
                               const struct nbx_neighbours_counts *counts, size_t item);
/* The most entries that row can have beside its diagonal, from the lengths of histories. */
uint64_t nbx_neighbours_row_bound(const struct nbx_dataset *dataset,
                                  const struct nbx_neighbours_options *options, size_t item);

#endif
