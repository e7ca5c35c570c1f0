/* SPDX-License-Identifier: MIT */
#include "models/dataset/internal.h"

#include <stdlib.h>

/* Two transpositions leave both matrices with ascending columns. */
static enum nbx_err build_matrices(struct nbx_dataset *d, const struct nbx_dataset__pair *pairs,
                                   size_t n, bool weighted)
{
    struct nbx_csr unsorted = {0};
    struct nbx_triple *triples = calloc(n + 1, sizeof *triples);
    if (!triples)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++)
        triples[i] = (struct nbx_triple){pairs[i].row, pairs[i].col, pairs[i].weight};
    enum nbx_err err =
        nbx_csr_from_triples(&unsorted, triples, n, d->n_customers, d->n_items, weighted);
    free(triples);
    if (!err)
        err = nbx_csr_transpose(&d->by_item, &unsorted);
    nbx_csr_fini(&unsorted);
    return err ? err : nbx_csr_transpose(&d->by_customer, &d->by_item);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct nbx_dataset__pair *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* sorted (n): the pairs by (customer, time, order). at: (n_customers) scratch. */
static void sort_pairs(struct nbx_dataset__pair *sorted, uint64_t *at, const struct nbx_dataset *d,
                       const struct nbx_dataset__pair *pairs, size_t n)
{
    const uint64_t *start = d->by_customer.start;
    memcpy(at, start, d->n_customers * sizeof *at);
    for (size_t i = 0; i < n; i++)
        sorted[at[pairs[i].row]++] = pairs[i];
    for (size_t c = 0; c < d->n_customers; c++)
        qsort(sorted + start[c], start[c + 1] - start[c], sizeof *sorted, compare_pairs);
}

static enum nbx_err build_sequence(struct nbx_dataset__owner *owner,
                                   const struct nbx_dataset__pair *pairs, size_t n)
{
    struct nbx_dataset *d = &owner->public;
    struct nbx_dataset__pair *sorted = calloc(n + 1, sizeof *sorted);
    uint64_t *at = calloc(d->n_customers + 1, sizeof *at);
    owner->sequence = calloc(n + 1, sizeof *owner->sequence);
    owner->times_ms = calloc(n + 1, sizeof *owner->times_ms);
    bool ok = sorted && at && owner->sequence && owner->times_ms;
    if (ok) {
        sort_pairs(sorted, at, d, pairs, n);
        for (size_t i = 0; i < n; i++) {
            owner->sequence[i] = sorted[i].col;
            owner->times_ms[i] = sorted[i].time_ms;
        }
        d->sequence = owner->sequence;
        d->times_ms = owner->times_ms;
    }
    free(sorted);
    free(at);
    return ok ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_dataset__build(struct nbx_dataset__owner *owner,
                                const struct nbx_dataset__pair *pairs, size_t n, bool weighted)
{
    enum nbx_err err = build_matrices(&owner->public, pairs, n, weighted);
    return err ? err : build_sequence(owner, pairs, n);
}
