/* SPDX-License-Identifier: MIT
 * The retrieval index of one factor space: which items there are, by label, and their vectors.
 *
 * Why:     an answer needs the best of everything at once, and a changed item at once too. So an
 *          index is a view over a few immutable packs: a change adds a small pack and
 *          clears the changed items' bits in the older ones, and the large ones are packed
 *          anew aside, while searches go on.
 * Owns:    its live bits, and a share in each pack. Old and new views share packs. What it holds
 *          is charged to the budget that it was made with.
 * Threads: making, changing and destroying views: the writer; nbx_index_repack may run beside it.
 *          Reading and searching: any number.
 * Errors:  NBX_ELIMIT where memory or the budget is out. Inputs are finite: doors refuse NaN.
 */
#ifndef NBX_SCORE_INDEX_H
#define NBX_SCORE_INDEX_H

#include "engine/base/err.h"
#include "engine/score/packed.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A pack as one view sees it. */
struct nbx_index_part {
    struct nbx_packed *pack;
    uint64_t
        *live; /* (nbx_packed_words) a bit per position: the item is still what is stored here */
    size_t n_live;
};

struct nbx_index {
    size_t dim, padded;
    const float *stretch;      /* (dim) of all its sketches, borrowed; NULL: none */
    struct nbx_budget *budget; /* NULL: not charged */
    size_t n_parts;
    struct nbx_index_part *parts; /* (n_parts) each label is live in at most one */
};

/* stretch must outlive the index and all views made from it. vectors (n, dim) row-major; labels (n)
 * distinct, NULL: 0, 1, ...; weights (n) order the nodes by class of weight first, NULL: by norm
 * alone. Copied. */
enum nbx_err nbx_index_new(struct nbx_index **out, const struct nbx_packed_items *items);
void nbx_index_destroy(struct nbx_index **index);

size_t nbx_index_count(const struct nbx_index *index);
size_t nbx_index_bytes(const struct nbx_index *index);
/* Beside the fp32 vectors: codes, steps, labels, bounds, maps. */
size_t nbx_index_bytes_beside(const struct nbx_index *index);
/* The padded vector of a label (index->padded floats, 64-byte aligned), borrowed; NULL: not there.
 */
const float *nbx_index_vector(const struct nbx_index *index, uint32_t label);

/* Items put, changed or taken out. labels are distinct. */
struct nbx_index_changes {
    struct nbx_packed_items put; /* n may be 0; stretched as the index is */
    const uint32_t *removed;     /* (n_removed) unknown ones do not matter */
    size_t n_removed;
};
/* The view after the changes; `old` stays valid. Takes time in proportion to the changes and, for
 * the bits, to the index / 64; small packs are put together on the way, each item a few times in
 * all. No change at all gives another view of the same packs. */
enum nbx_err nbx_index_change(struct nbx_index **out, const struct nbx_index *old,
                              const struct nbx_index_changes *changes);

/* True where packing anew is worth while: many parts, many dead items, or norms that say so little
 * that a partition would help. Never of a view just packed. */
bool nbx_index_wants_repacking(const struct nbx_index *index);
/* All live items of a view in one pack. Reads the view alone, so that any thread may do it while
 * the writer goes on; the view must not be destroyed meanwhile. On the way it takes the vectors a
 * second time, and charges them. weights: by label, one for each that lives, or NULL. */
enum nbx_err nbx_index_repack(struct nbx_packed **out, const struct nbx_index *view,
                              const float *weights);
/* `now` with the parts that it shares with `view` replaced by their fresh pack, which is taken
 * and nulled. What changed since `view` was packed stays changed. */
enum nbx_err nbx_index_adopt(struct nbx_index **out, const struct nbx_index *now,
                             const struct nbx_index *view, struct nbx_packed **fresh);

#endif
