/* SPDX-License-Identifier: MIT
 * Numbers of 8 bytes by item number, grown in chunks of 4,096 as they are touched.
 *
 * Why:     most items of most channels are never counted.
 * Owns:    its chunks.
 * Threads: cells are atomic; nbx_tallies_reach excludes everything else, by a lock of the caller.
 * Errors:  NBX_ELIMIT past the memory budget.
 */
#ifndef NBX_CATALOG_TALLIES_H
#define NBX_CATALOG_TALLIES_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/catalog/catalog.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct nbx_tallies {
    _Atomic uint64_t **chunks; /* (n_chunks), each (NBX_CHUNK_ITEMS) or NULL */
    size_t n_chunks;
};

/* The cell of an item, or NULL where nothing was counted near it. */
static inline _Atomic uint64_t *nbx_tallies_at(const struct nbx_tallies *t, uint32_t item_no)
{
    size_t at = item_no / NBX_CHUNK_ITEMS;
    return at < t->n_chunks && t->chunks[at] ? t->chunks[at] + item_no % NBX_CHUNK_ITEMS : NULL;
}

/* Makes the cell of an item, 0 at first. */
enum nbx_err nbx_tallies_reach(struct nbx_tallies *t, uint32_t item_no, struct nbx_budget *budget);
void nbx_tallies_fini(struct nbx_tallies *t, struct nbx_budget *budget);

/* Cells as integers and as doubles. */
static inline int64_t nbx_tally_int(const _Atomic uint64_t *cell)
{
    return cell ? (int64_t)atomic_load_explicit(cell, memory_order_relaxed) : 0;
}
static inline void nbx_tally_add_int(_Atomic uint64_t *cell, int64_t v)
{
    atomic_fetch_add_explicit(cell, (uint64_t)v, memory_order_relaxed);
}
static inline double nbx_tally_double(const _Atomic uint64_t *cell)
{
    uint64_t bits = cell ? atomic_load_explicit(cell, memory_order_relaxed) : 0;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
static inline void nbx_tally_set_double(_Atomic uint64_t *cell, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    atomic_store_explicit(cell, bits, memory_order_relaxed);
}
static inline void nbx_tally_add_double(_Atomic uint64_t *cell, double v)
{
    uint64_t before = atomic_load_explicit(cell, memory_order_relaxed), after;
    do {
        double sum;
        memcpy(&sum, &before, sizeof sum);
        sum += v;
        memcpy(&after, &sum, sizeof after);
    } while (!atomic_compare_exchange_weak_explicit(cell, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

#endif
