/* SPDX-License-Identifier: MIT
 * A pack: items packed into blocks of 64, in the order in which a search wants to see them.
 *
 * Why:     on trained vectors the best items are among the longest, so blocks go by falling norm
 *          and a search stops where the next norm cannot beat what it has. Where answers are
 *          weighted (by value, say), blocks go by class of weight first: each class is a run whose
 *          bound, norm x largest weight, falls on its own.
 *          An item is known by its label (its catalogue number); its place here is a position,
 *          block * 64 + lane.
 * Owns:    tiles, a copy of the vectors, labels, and its charge: however many indexes share a pack,
 *          it is charged once. They are counted by the writer alone.
 * Threads: taking and releasing: the writer. Making: any. Reading: any number.
 * Errors:  NBX_ELIMIT where memory or the budget is out.
 */
#ifndef NBX_SCORE_PACKED_H
#define NBX_SCORE_PACKED_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/score/tile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_NO_LABEL    UINT32_MAX
#define NBX_NO_POSITION UINT32_MAX
#define NBX_LABEL_PAGE  4096 /* labels in a page of the map */

/* Blocks of one class of weight, norms falling. */
struct nbx_block_run {
    uint32_t first, end; /* blocks */
};

struct nbx_packed {
    unsigned users;
    struct nbx_budget *budget; /* NULL: not charged */
    size_t charged;
    size_t dim, padded, tile_bytes;
    size_t n;        /* items */
    size_t n_blocks; /* each run's last block may be partly empty */
    size_t n_runs;
    uint8_t *tiles;              /* (n_blocks, tile_bytes) */
    float *rows;                 /* (n_blocks * 64, padded) the vectors by position */
    uint32_t *labels;            /* (n_blocks * 64), NBX_NO_LABEL where empty */
    struct nbx_tile_info *infos; /* (n_blocks) */
    struct nbx_block_run *runs;  /* (n_runs) */
    uint32_t **pages;            /* (n_pages) position by label; NULL: no label of that page */
    size_t n_pages;
};

/* Where the items come from: vectors (n, dim) row-major with `stride` floats a row, finite; labels
 * (n), distinct; weights (n) order the blocks, NULL: by norm alone. All are read, none is kept. */
struct nbx_packed_items {
    const float *vectors;
    const uint32_t *labels;
    const float *weights;
    size_t n, dim, stride;
    unsigned threads;          /* to pack with; 0: the caller's alone. The pack is the same */
    struct nbx_budget *budget; /* what the pack holds is charged to it; NULL: to nobody */
};

/* The new pack has one user. */
enum nbx_err nbx_packed_new(struct nbx_packed **out, const struct nbx_packed_items *items);
/* One user less; the last one frees it. */
void nbx_packed_release(struct nbx_packed **pack);
/* All it holds, and of that what is not the vectors themselves. */
size_t nbx_packed_bytes(const struct nbx_packed *s);
size_t nbx_packed_bytes_beside(const struct nbx_packed *s);

/* The position of a label, or NBX_NO_POSITION. */
static inline uint32_t nbx_packed_find(const struct nbx_packed *s, uint32_t label)
{
    const uint32_t *page =
        label / NBX_LABEL_PAGE < s->n_pages ? s->pages[label / NBX_LABEL_PAGE] : NULL;
    return page ? page[label % NBX_LABEL_PAGE] : NBX_NO_POSITION;
}
static inline const uint8_t *nbx_packed_tile(const struct nbx_packed *s, size_t block)
{
    return s->tiles + block * s->tile_bytes;
}
static inline const float *nbx_packed_row(const struct nbx_packed *s, uint32_t position)
{
    return s->rows + position * s->padded;
}

#endif
