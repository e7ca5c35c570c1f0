/* SPDX-License-Identifier: MIT
 * Writing items into a snapshot under construction: what loading and applying share.
 *
 * Why:     everything that can fail comes first, so an entry is written whole or not at all.
 * Owns:    nothing.
 * Threads: the writer thread; nobody else sees the snapshot yet.
 * Errors:  NBX_ELIMIT past the memory budget; the snapshot is then as before.
 */
#ifndef NBX_CATALOG_APPLY_H
#define NBX_CATALOG_APPLY_H

#include "engine/catalog/snapshot.h"

/* A new snapshot that shares all of `old`, or an empty one with that home. */
enum nbx_err nbx_catalog__draft(struct nbx_catalog **out, struct nbx_catalog_home *home,
                                const struct nbx_catalog *old);
/* Writes the cells (schema->n of the draft) of an item; takes the share of their vector where it
 * succeeds. */
enum nbx_err nbx_catalog__write(struct nbx_catalog *draft, uint32_t item_no,
                                const struct nbx_cell *cells);
/* Takes an item that is present away. Values that there is no memory to copy for stay in their
 * columns, unseen, until something else is written there. */
enum nbx_err nbx_catalog__erase(struct nbx_catalog *draft, uint32_t item_no);
/* Undoes a widening after a write that failed: `schema` takes the place of the draft's. */
void nbx_catalog__narrow(struct nbx_catalog *draft, struct nbx_schema *schema, uint32_t item_no);
/* Adds columns. */
enum nbx_err nbx_catalog__widen(struct nbx_catalog *draft, const struct nbx_column *columns,
                                uint32_t n);

#endif
