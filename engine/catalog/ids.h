/* SPDX-License-Identifier: MIT
 * Item ids and their numbers: 1, 2, 3, ... in the order they were first heard of, never reused.
 *
 * Why:     records, bitmaps and vectors name items by a small dense number. An event may name an
 *          item before it is put, so numbers are given at first mention, by anyone.
 * Owns:    the words and their numbers, in memory and in the store's item_ids family.
 * Threads: any. Look-ups take a read lock, which no one holds while the store is written; who adds
 *          ids waits for who else does.
 * Errors:  nbx_ids_intern: NBX_ELIMIT past the memory budget or 2^32 - 2 items, NBX_ESTORAGE.
 */
#ifndef NBX_CATALOG_IDS_H
#define NBX_CATALOG_IDS_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/store/store.h"

#include <stdint.h>

struct nbx_ids;

/* Reads all ids of the store. */
enum nbx_err nbx_ids_load(struct nbx_ids **out, struct nbx_store *store, struct nbx_budget *budget);
void nbx_ids_destroy(struct nbx_ids **ids);
/* The number, or 0 where the id was never heard of. */
uint32_t nbx_ids_find(const struct nbx_ids *ids, struct nbx_str id);
/* The number; a new one is written to the store (unsynced, before anything that names it). */
enum nbx_err nbx_ids_intern(struct nbx_ids *ids, struct nbx_str id, uint32_t *out);
/* The id of a number that exists; the bytes stay where they are until destroy. */
struct nbx_str nbx_ids_name(const struct nbx_ids *ids, uint32_t item_no);
/* Before nbx_ids_name of several: their names are fetched from memory all at once. */
void nbx_ids_expect(const struct nbx_ids *ids, const uint32_t *item_nos, size_t n);
/* One more than the greatest number. */
uint32_t nbx_ids_end(const struct nbx_ids *ids);

#endif
