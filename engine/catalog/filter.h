/* SPDX-License-Identifier: MIT
 * Filters: data, not a language. A value tree compiled against the columns, evaluated to a bitmap.
 *
 * Why:     the same filter comes with every page view, so bitmaps are cached by content and only
 *          chunks that changed are evaluated again.
 * Owns:    a cache owns its bitmaps; it belongs to one worker.
 * Threads: a cache and its filters: one thread.
 * Errors:  NBX_EBAD naming the place in the filter (filter.all[1].field) and the reason: unknown
 *          field (with the known ones), unknown operator, a literal of another type than the
 *          column, too deep or too many nodes.
 */
#ifndef NBX_CATALOG_FILTER_H
#define NBX_CATALOG_FILTER_H

#include "engine/catalog/catalog.h"

struct nbx_filter_cache;

/* Holds at most max_bytes of bitmaps; the least recently used goes first. */
struct nbx_filter_cache *nbx_filter_cache_new(size_t max_bytes);
void nbx_filter_cache_destroy(struct nbx_filter_cache **cache);

/* Bits over item numbers: offered (catalog.h) and, where filter is not NULL, passing the filter.
 * The bitmap belongs to the cache and is valid until the next call. PROTOCOL.md, Filters, has the
 * semantics; a missing value fails every comparison. */
enum nbx_err nbx_filter_bits(struct nbx_filter_cache *cache, const struct nbx_catalog *catalog,
                             const struct nbx_offer *offer, const struct nbx_value *filter,
                             const uint64_t **bits, struct nbx_fault *fault);

struct nbx_filter_stats {
    uint64_t hits, misses, bytes;
};
void nbx_filter_cache_stats(const struct nbx_filter_cache *cache, struct nbx_filter_stats *out);

#endif
