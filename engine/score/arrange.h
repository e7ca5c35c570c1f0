/* SPDX-License-Identifier: MIT
 * The order of items in a pack: by class of weight or cell, then by falling norm.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_ARRANGE_H
#define NBX_SCORE_ARRANGE_H

#include "engine/score/packed.h"

/* Items of one class of weight or one cell: places [first, end), tiles and nodes of their own. */
struct nbx_slice {
    size_t first, end;
};

struct nbx_arrangement {
    uint32_t *order;          /* (n) the items in order, by their place in `items` */
    struct nbx_slice *slices; /* (n_slices) */
    size_t n_slices;
};

enum nbx_err nbx_arrange(struct nbx_arrangement *out, const struct nbx_packed_items *items);
void nbx_arrangement_fini(struct nbx_arrangement *a);

#endif
