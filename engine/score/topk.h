/* SPDX-License-Identifier: MIT
 * The best k of a stream of scored candidates: highest score first, ties by the order given.
 *
 * Why:     every list in nbx ends here, so ties are broken in one place: `tie` is a rank of the
 *          item's id in byte order, lower first (see engine/catalog: row ties are ranks of ids).
 * Owns:    nothing: the heap lives in the caller's array.
 * Threads: one at a time.
 * Errors:  none.
 */
#ifndef NBX_SCORE_TOPK_H
#define NBX_SCORE_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_hit {
    float score;
    uint32_t row;
};

/* Compares the ids of two rows in byte order; <0, 0, >0. */
typedef int (*nbx_tie_fn)(const void *ctx, uint32_t row_a, uint32_t row_b);

struct nbx_topk {
    struct nbx_hit *heap; /* (k), worst on top while collecting */
    size_t k, n;
    nbx_tie_fn tie; /* consulted only when two scores are equal */
    const void *tie_ctx;
};

/* heap has room for k hits; k may be 0. tie NULL: the lower row first. */
void nbx_topk_init(struct nbx_topk *t, struct nbx_hit *heap, size_t k, nbx_tie_fn tie,
                   const void *tie_ctx);
/* The score a candidate must at least equal to enter; -Inf while there is room, +Inf where k is 0.
 */
float nbx_topk_threshold(const struct nbx_topk *t);
void nbx_topk_offer(struct nbx_topk *t, float score, uint32_t row);
/* Sorts the heap, best first, and returns how many there are. The top-k is then finished. */
size_t nbx_topk_finish(struct nbx_topk *t);

/* Sorts hits (n), best first; scratch has room for n. For lists that are whole already. */
void nbx_hits_sort(struct nbx_hit *hits, struct nbx_hit *scratch, size_t n, nbx_tie_fn tie,
                   const void *tie_ctx);

#endif
