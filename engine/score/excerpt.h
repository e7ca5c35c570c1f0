/* SPDX-License-Identifier: MIT
 * Excerpts: of one pack the items that a filter lets pass, packed by themselves.
 *
 * Why:     the same filter comes with every page view, and what it leaves out need not be scanned.
 *          Where it goes against a customer's taste that is most of what a search would read. An
 *          excerpt has sketches of its own, copied; the vectors stay where they are, so that it
 *          costs an eighth of them and is made in milliseconds.
 *
 *          A search through it is exact for whatever else the query leaves out, as long as all that
 *          is eligible is covered. Of items that died since, the pack's own part knows.
 * Owns:    what it copied, and a share in the pack. Charged to the budget.
 * Threads: beginning and destroying: the writer. Filling: any one. Reading: any number.
 * Errors:  NBX_ELIMIT where memory or the budget is out.
 */
#ifndef NBX_SCORE_EXCERPT_H
#define NBX_SCORE_EXCERPT_H

#include "engine/base/arena.h"
#include "engine/score/index.h"

struct nbx_excerpt {
    struct nbx_packed *of;  /* the pack that the items lie in */
    struct nbx_packed pack; /* origins are positions in it */
    uint64_t *covered;      /* (n_covered / 64) labels that it has all items of `of` for */
    size_t n_covered;       /* a multiple of 64 */
    struct nbx_budget *budget;
    size_t charged;
};

/* Of the items with a bit in labels (n_labels, a multiple of 64), which are copied; nothing is read
 * of the pack yet. budget may be NULL. */
enum nbx_err nbx_excerpt_begin(struct nbx_excerpt **out, struct nbx_packed *of,
                               const uint64_t *labels, size_t n_labels, struct nbx_budget *budget);
/* Makes it. Once, before anybody reads it. */
enum nbx_err nbx_excerpt_fill(struct nbx_excerpt *excerpt);
void nbx_excerpt_destroy(struct nbx_excerpt **excerpt);

/* What an excerpt of n items would hold, about. */
size_t nbx_excerpt_bytes(const struct nbx_packed *of, size_t n);
/* Whether it has all of these labels (n_labels, a multiple of 64) that the pack has. */
bool nbx_excerpt_covers(const struct nbx_excerpt *excerpt, const uint64_t *labels, size_t n_labels);

/* The index with the excerpt in the place of its pack; one that has not got the pack stays what it
 * is. Lives in the arena, and no longer than the index. For queries without weights and addends,
 * whose eligible labels it covers. */
enum nbx_err nbx_excerpt_view(const struct nbx_index **out, const struct nbx_index *index,
                              const struct nbx_excerpt *excerpt, struct nbx_arena *arena);

/* Of a tile of an excerpt in a view the items that live, a bit each. */
uint32_t nbx_excerpt_live_items(const struct nbx_index_part *part, size_t tile);

#endif
