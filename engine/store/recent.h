/* SPDX-License-Identifier: MIT
 * One thread's copies of the customers' records that it read or wrote lately.
 *
 * Why:     three point reads precede each answer, and each costs RocksDB some 3 to 8 us, most of it
 *          waiting for memory. A customer's records are written by one worker alone, so a copy in
 *          that worker cannot be out of date as long as all its writes pass here.
 * Owns:    the copies, at most max_bytes of them; one that finds no room takes an older one's.
 * Threads: one. Only families whose keys begin with the customer, and the customer's identity.
 * Errors:  as store.h. Where memory is out there is no copy, and the store is asked.
 */
#ifndef NBX_STORE_RECENT_H
#define NBX_STORE_RECENT_H

#include "engine/store/store.h"

struct nbx_recent;

/* NULL where memory is out. A NULL recent is one that holds nothing. */
struct nbx_recent *nbx_recent_new(size_t max_bytes);
void nbx_recent_destroy(struct nbx_recent **recent);

/* As nbx_store_get and nbx_store_write. */
enum nbx_err nbx_recent_get(struct nbx_recent *recent, const struct nbx_store *store,
                            enum nbx_family family, struct nbx_str key, struct nbx_arena *arena,
                            struct nbx_stored *out);
enum nbx_err nbx_recent_write(struct nbx_recent *recent, struct nbx_store *store,
                              struct nbx_batch *batch);
/* Bytes of all copies. */
size_t nbx_recent_bytes(const struct nbx_recent *recent);

#endif
