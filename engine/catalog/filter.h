/* SPDX-License-Identifier: MIT
 * Filters: data, not a language. A value tree compiled against the columns, evaluated to a bitmap.
 *
 * Why:     the same filter comes with every page view, so bitmaps are cached by content, joined
 *          with what is offered, and only chunks that changed are evaluated again.
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

/* What the user of some bits remembers of them; the cache keeps it, zeros at first, as long as it
 * keeps the bits. */
struct nbx_filter_note {
    uint64_t n_uses;
    uint64_t held_against; /* number of the excerpt that the bits were last held against; 0: none */
    uint64_t version;      /* that the bits were then of */
    bool covered;          /* what came of it */
};

/* What passes an offer and a filter. Belongs to the cache and is valid until the next call. */
struct nbx_passing {
    const uint64_t *bits;         /* one bit per item number, whole chunks */
    uint64_t content;             /* the same for the same channel, store and filter */
    uint64_t version;             /* another where the bits are */
    struct nbx_filter_note *note; /* the caller's to change */
};

/* Bits over item numbers: offered (catalog.h) and, where filter is not NULL, passing the filter.
 * PROTOCOL.md, Filters, has the semantics; a missing value fails every comparison. */
enum nbx_err nbx_filter_pass(struct nbx_passing *out, struct nbx_filter_cache *cache,
                             const struct nbx_catalog *catalog, const struct nbx_offer *offer,
                             const struct nbx_value *filter, struct nbx_fault *fault);

struct nbx_filter_stats {
    uint64_t hits, misses, bytes;
};
void nbx_filter_cache_stats(const struct nbx_filter_cache *cache, struct nbx_filter_stats *out);

#endif
