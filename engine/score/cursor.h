/* SPDX-License-Identifier: MIT
 * A search that can be continued: the next best item, and the next, as far as is wanted.
 *
 * Why:     what stands in a list is decided item by item (one per brand, a cap reached, a pin), so
 *          how many candidates that takes is known only at the end. Pages double, so that drawing n
 *          items costs a constant times one search for n.
 * Owns:    nothing: memory is the arena's.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where the arena is out; NBX_ENOTFOUND where no item is left.
 */
#ifndef NBX_SCORE_CURSOR_H
#define NBX_SCORE_CURSOR_H

#include "engine/score/search.h"

/* Numbers above 0, by open addressing. */
struct nbx_number_set {
    uint32_t *slots; /* (room, a power of 2), 0: free */
    size_t n, room;
};

struct nbx_search_cursor {
    const struct nbx_index *index;
    struct nbx_query query; /* k is the page's; admits leaves out what was returned */
    struct nbx_query asked; /* as the caller gave it */
    struct nbx_arena *arena;
    struct nbx_hit *page; /* (n) */
    size_t n, at;
    bool last_page;
    struct nbx_number_set returned, groups; /* labels + 1; groups */
};

/* query->k is what is likely wanted; more can be drawn. The query and what it points at stay valid
 * and may only lose eligible items meanwhile. */
void nbx_search_open(struct nbx_search_cursor *cursor, const struct nbx_index *index,
                     const struct nbx_query *query, struct nbx_arena *arena);
/* The best item not yet returned (of a group not yet returned). */
enum nbx_err nbx_search_next(struct nbx_search_cursor *cursor, struct nbx_hit *hit);

#endif
