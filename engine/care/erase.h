/* SPDX-License-Identifier: MIT
 * Files are rid of what forgotten customers had.
 *
 * Why:     a deletion hides it from readers of the database; whoever reads the disk finds it still.
 * Owns:    nothing.
 * Threads: one at a time, beside everybody who uses the store.
 * Errors:  the store's. What was not done is done by the next call.
 */
#ifndef NBX_CARE_ERASE_H
#define NBX_CARE_ERASE_H

#include "engine/customer/customers.h"
#include "engine/store/key.h"
#include "engine/store/store.h"

/* How many forgotten customers' files are not rid of them yet. */
enum nbx_err nbx_erase_count(size_t *out, const struct nbx_store *store);
/* Erases them all, and notes it, but for those of linked identities that links still know: what
 * links say of them goes with the last of them. *n: how many they were. */
enum nbx_err nbx_erase_forgotten(size_t *n, const struct nbx_customers *customers, int64_t now_ms);

/* What of the files belongs to a customer's number, as ranges of keys; a table of NBX_ERASE_RANGES.
 * Of what lies under the id there is no number: the whole family. */
#define NBX_ERASE_RANGES (NBX_N_FAMILIES + 3)
struct nbx_erase_ranges {
    struct nbx_store_range p[NBX_ERASE_RANGES]; /* (n) */
    size_t n;
    struct nbx_key from, to, group_from, group_to, log_from, log_to;
};
void nbx_erase_ranges_of(struct nbx_erase_ranges *out, uint64_t number);
/* Whether a record lies in the range, readable or not. *err: where it cannot be told. */
bool nbx_erase_has_record(const struct nbx_store *store, const struct nbx_store_range *range,
                          enum nbx_err *err);

#endif
