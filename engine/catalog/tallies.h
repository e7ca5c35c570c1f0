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

/* A cell as an integer; one that is not there holds 0. */
static inline int64_t nbx_tally_int(const _Atomic uint64_t *cell)
{
    return cell ? (int64_t)atomic_load_explicit(cell, memory_order_relaxed) : 0;
}
/* Sums wrap: what is added and taken back is gone in any order. */
static inline void nbx_tally_add_int(_Atomic uint64_t *cell, int64_t v)
{
    atomic_fetch_add_explicit(cell, (uint64_t)v, memory_order_relaxed);
}

#endif
