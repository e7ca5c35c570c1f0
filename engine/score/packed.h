/* SPDX-License-Identifier: MIT
 * A pack: items by falling norm, in tiles of 16 sketches.
 *
 * Why:     what a search does not read costs nothing. On trained vectors the best items are among
 *          the longest, so a search stops where the next norm cannot beat what it has; of what it
 *          does read it reads the sketches alone, and few vectors.
 *
 *          A node is 16 tiles, whose items share the units of their sketches. A run is nodes of one
 *          class of weight, so that where answers are weighted (by value, say) norm x largest
 *          weight falls in each. An item is known by its label (its catalogue number); its place
 *          here is a position, tile * 16 + lane.
 *          An excerpt (excerpt.h) is a pack of some of another's items, whose vectors it borrows.
 * Owns:    all below, the vectors copied. Indexes share it, counted by the writer alone.
 * Threads: making, taking and releasing: the writer. Reading: any number.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_PACKED_H
#define NBX_SCORE_PACKED_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/score/sketch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_NODE_TILES  16
#define NBX_NODE_ITEMS  (NBX_NODE_TILES * NBX_TILE_ITEMS)
#define NBX_NO_LABEL    UINT32_MAX
#define NBX_NO_POSITION UINT32_MAX
#define NBX_REACHES     8    /* an approximation can be had with */
#define NBX_LABEL_PAGE  4096 /* labels in a page of the map */

struct nbx_node {
    uint32_t first_tile, n_tiles; /* 1 to 16 */
    float norm_ahead;             /* the largest norm from here to the end of the run */
    struct nbx_sketch_info items; /* what bounds its items */
};

struct nbx_node_run {
    uint32_t first, end; /* nodes */
};

/* A partition by direction: cells of neighbours. Where all norms are alike they say nothing; a
 * cell's centre says where to look first and, with how far its items spread around it, where not to
 * look if an approximation will do. */
struct nbx_cells {
    size_t n;                      /* 0: not partitioned */
    uint32_t *first;               /* (n + 1) first tile of each */
    struct nbx_sketches centres;   /* (n_tiles) */
    struct nbx_sketch_info *infos; /* (n_tiles) */
    size_t n_tiles;                /* n / 16, rounded up */
    float *spreads;                /* (n) root mean square of |x - centre| / sqrt(dim) */
    float recalls[NBX_REACHES];    /* what approximate searches found: approximate.h */
};

struct nbx_packed {
    unsigned users;
    struct nbx_budget *budget; /* NULL: not charged */
    size_t charged;
    size_t dim, padded;
    const float *stretch; /* (dim) of its sketches, borrowed (sketch.h); NULL: none */
    size_t n;             /* items */
    size_t n_tiles, n_nodes, n_runs;
    struct nbx_sketches sketches; /* (n_tiles) */
    float *rows;                  /* (n_tiles * 16, padded) the vectors by position */
    uint32_t *labels;             /* (n_tiles * 16), NBX_NO_LABEL where empty */
    uint32_t *origins; /* (n_tiles * 16) an excerpt's: where its items' vectors lie; else NULL */
    struct nbx_node *nodes;    /* (n_nodes) */
    uint32_t *node_of_tile;    /* (n_tiles) */
    struct nbx_node_run *runs; /* (n_runs) */
    struct nbx_cells cells;
    uint32_t **pages; /* (n_pages) position by label; NULL: no label of that page */
    size_t n_pages;
};

/* Where the items come from: vectors (n, dim) row-major with `stride` floats a row, finite; labels
 * (n), distinct; weights (n) order the nodes by class of weight, NULL: by norm alone; cells (n),
 * each below 65,536, partition them instead, NULL: no partition. All are read, none is kept
 * but `stretch`. */
struct nbx_packed_items {
    const float *vectors;
    const uint32_t *labels;
    const float *weights;
    const uint32_t *cells;
    const float *stretch; /* (dim) for sketches (sketch.h), kept and borrowed; NULL: none */
    size_t n, dim, stride;
    unsigned threads;          /* to pack with; 0: the caller's alone. The pack is the same */
    struct nbx_budget *budget; /* what the pack holds is charged to it; NULL: to nobody */
};

/* The new pack has one user. */
enum nbx_err nbx_packed_new(struct nbx_packed **out, const struct nbx_packed_items *items);
/* One user less; the last one frees it. */
void nbx_packed_release(struct nbx_packed **pack);
/* Fills the nodes' norm_ahead from their norms. */
void nbx_packed_look_ahead(struct nbx_packed *s);
/* All it holds, and of that what is not the vectors themselves. */
size_t nbx_packed_bytes(const struct nbx_packed *s);
size_t nbx_packed_bytes_beside(const struct nbx_packed *s);

static inline size_t nbx_tiles_for(size_t items)
{
    return (items + NBX_TILE_ITEMS - 1) / NBX_TILE_ITEMS;
}
static inline size_t nbx_nodes_for(size_t tiles)
{
    return (tiles + NBX_NODE_TILES - 1) / NBX_NODE_TILES;
}
/* Words of one bit per position. */
static inline size_t nbx_packed_words(const struct nbx_packed *s)
{
    return (s->n_tiles * NBX_TILE_ITEMS + 63) / 64;
}
/* The bits of one tile out of such words. */
static inline uint32_t nbx_tile_bits(const uint64_t *words, size_t tile)
{
    return words[tile / 4] >> tile % 4 * NBX_TILE_ITEMS & 0xFFFF;
}
/* The position of a label, or NBX_NO_POSITION. */
static inline uint32_t nbx_packed_find(const struct nbx_packed *s, uint32_t label)
{
    const uint32_t *page =
        label / NBX_LABEL_PAGE < s->n_pages ? s->pages[label / NBX_LABEL_PAGE] : NULL;
    return page ? page[label % NBX_LABEL_PAGE] : NBX_NO_POSITION;
}
static inline const float *nbx_packed_row(const struct nbx_packed *s, uint32_t position)
{
    return s->rows + (s->origins ? s->origins[position] : position) * s->padded;
}
/* Asks memory for the vector of an item that is about to be scored. */
static inline void nbx_packed_fetch(const struct nbx_packed *s, uint32_t position)
{
    const float *row = nbx_packed_row(s, position);
    for (size_t d = 0; d < s->padded; d += 16)
        __builtin_prefetch(row + d);
}
/* Asks memory for what nbx_packed_find will read. */
static inline void nbx_packed_fetch_place(const struct nbx_packed *s, uint32_t label)
{
    if (label / NBX_LABEL_PAGE < s->n_pages && s->pages[label / NBX_LABEL_PAGE])
        __builtin_prefetch(&s->pages[label / NBX_LABEL_PAGE][label % NBX_LABEL_PAGE]);
}

#endif
