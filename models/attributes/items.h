/* SPDX-License-Identifier: MIT
 * What an items file says of the items that a model is learnt for.
 *
 * Owns:    copies of the texts.
 * Threads: one caller.
 * Errors:  those of the CSV reader, and by file:line:column NBX_EBAD: no column id, a price that
 *          is not 1 to 15 digits.
 *
 * Columns by name: id, and brand, categories (a|b), price (minor units), title where they are;
 * others are passed over. Of two lines for an item the last counts.
 */
#ifndef NBX_MODELS_ATTRIBUTES_ITEMS_H
#define NBX_MODELS_ATTRIBUTES_ITEMS_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "models/attributes/names.h"

struct nbx_item_table {
    struct nbx_item_facts *facts; /* (n_items) of the caller's items */
    bool *known;                  /* (n_items) the file has the item */
    size_t n_items, n_known;
    struct nbx_arena *arena;
};

/* item_ids (n_items) unique. */
enum nbx_err nbx_item_table_read(struct nbx_item_table *out, const char *path,
                                 const struct nbx_str *item_ids, size_t n_items,
                                 struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_item_table_fini(struct nbx_item_table *table);

#endif
