/* SPDX-License-Identifier: MIT
 * Scanning the sketches of a node: what a seeker's visits have in common.
 *
 * Owns:    nothing.
 * Threads: the seeker's.
 * Errors:  none.
 */
#ifndef NBX_SCORE_SEEKER_SCAN_H
#define NBX_SCORE_SEEKER_SCAN_H

#include "engine/score/excerpt.h"
#include "engine/score/seeker.h"

/* A node of whose items more pass is left to the end: its turn came too early. */
#define NBX_MANY_IN_DOUBT 48

/* What scanning some tiles of one node takes. */
struct nbx_scan {
    uint32_t part, node;
    size_t first_tile;
    struct nbx_sketch_bound bound;
    struct nbx_limits limits;
    float norm;       /* the largest of the node's */
    bool near;        /* an approximation will do */
    float from;       /* only items expected from here up become suspects */
    float taken_from; /* from here up they did already; no number: none did */
};

/* Begins a scan of a node's tiles; makes room for suspects. Filled in place: passed by value it is
 * written in parts and read as a whole, which the processor must wait for. */
void nbx_scan_begin(struct nbx_seeker *s, struct nbx_scan *scan, size_t part, size_t at);
/* Threshold and slack in the scan's own units, for items whose best possible addend is `addend`:
 * scores that with the slack stay below the threshold cannot be answers. */
void nbx_scan_limits(struct nbx_seeker *s, struct nbx_scan *scan, double addend);
/* Scans tiles of one node for queries (n, at most NBX_SKETCH_TOGETHER), each the ones it wants, a
 * bit each: together where they want the same. */
void nbx_scan_sketches(struct nbx_seeker *const *seekers, struct nbx_sketching *asked, size_t n,
                       const uint32_t *wanted, const struct nbx_sketches *tiles);
/* The items of a tile that passed the scan, a bit each, become suspects; scores (16). */
void nbx_scan_suspect(struct nbx_seeker *s, const struct nbx_scan *scan, size_t tile, uint32_t bits,
                      const float *scores);
/* Leaves tiles of a node whose items are mostly in doubt to the end, when more is known, but for
 * items expected from `taken_from` up. */
void nbx_scan_postpone(struct nbx_seeker *s, struct nbx_scan *scan, uint32_t tiles,
                       float taken_from);
/* A node's tiles, a bit each, but for those visited early. */
uint32_t nbx_seeker_open_tiles(const struct nbx_seeker *s, size_t part,
                               const struct nbx_node *node);

/* The positions of a tile that may be answers, a bit each. */
static inline uint32_t nbx_seeker_live_items(const struct nbx_seeker *s, size_t part, size_t tile)
{
    const struct nbx_index_part *p = &s->index->parts[part];
    return p->pack->origins ? nbx_excerpt_live_items(p, tile) : nbx_tile_bits(p->live, tile);
}

/* By the filter's bits. Asked before anything is made of a scan's score: where a filter leaves out
 * what the customer likes best, most of what scores well is not eligible. */
static inline bool nbx_seeker_eligible(const struct nbx_seeker *s, const uint32_t *labels,
                                       size_t position)
{
    const struct nbx_query *q = &s->own;
    if (!q->eligible)
        return true;
    uint32_t label = labels[position];
    return label < q->n_eligible && (q->eligible[label / 64] >> (label % 64) & 1);
}

#endif
