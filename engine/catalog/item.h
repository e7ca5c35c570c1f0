/* SPDX-License-Identifier: MIT
 * One item between its two forms: a map of fields, as item.put sends it, and cells of columns.
 *
 * Why:     what is put, patched, loaded and handed back goes through one place.
 * Owns:    nothing: cells and maps live in the arena, texts in the words.
 * Threads: the writer thread; nbx_item_fields any.
 * Errors:  nbx_item_check: NBX_EBAD, NBX_ECONFLICT with the field; the others NBX_ELIMIT.
 */
#ifndef NBX_CATALOG_ITEM_H
#define NBX_CATALOG_ITEM_H

#include "engine/catalog/snapshot.h"

/* Holds the fields against the rules that are no matter of types: known kind and channels, the one
 * currency, valid_to not before valid_from. */
enum nbx_err nbx_item_check(const struct nbx_catalog_home *home, const struct nbx_value *fields,
                            struct nbx_fault *fault);

/* Attributes the schema does not know yet: (*n) columns in the arena, named in the words. A type
 * that is another than the schema's is NBX_ECONFLICT. */
enum nbx_err nbx_item_new_columns(struct nbx_column **out, uint32_t *n, const struct nbx_catalog *c,
                                  const struct nbx_value *fields, struct nbx_fault *fault);

/* The cells of an item, by column: (schema->n) in the scratch arena. Unset defaults are filled in:
 * kind "product", available true. A vector among them is the caller's: nbx_item_discard. */
enum nbx_err nbx_item_cells(struct nbx_cell **out, struct nbx_catalog_home *home,
                            const struct nbx_schema *schema, const struct nbx_value *fields,
                            struct nbx_fault *fault);
void nbx_item_discard(struct nbx_cell *cells, struct nbx_budget *budget);

/* The fields of an item that is present, as item.put takes them, without id; its vector as bin.
 * false where the arena is out. */
bool nbx_item_fields(struct nbx_value *out, const struct nbx_catalog *c, uint32_t item_no,
                     struct nbx_arena *arena);
/* One column's value; nil where the item has none. */
struct nbx_value nbx_item_value(const struct nbx_catalog *c, const struct nbx_chunk *chunk,
                                uint32_t column, uint32_t row, struct nbx_arena *arena);

/* `changes` over `fields`: null removes, `stock` and `attributes` merge by key. Shares what it can
 * with both. false where the arena is out. */
bool nbx_item_merge(struct nbx_value *out, const struct nbx_value *fields,
                    const struct nbx_value *changes, struct nbx_arena *arena);

#endif
