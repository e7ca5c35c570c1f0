/* SPDX-License-Identifier: MIT
 * A query's first nodes, where there is no threshold yet: all their items are scored by sketch, and
 * the best of them canonically, so that the threshold is soon near what it will be.
 */
#include "engine/score/seeker_scan.h"

#include <math.h>

/* A tile's items that may be answers, a bit each. */
static uint32_t open_items(const struct nbx_seeker *s, size_t part, size_t tile)
{
    const uint32_t *labels = s->index->parts[part].pack->labels;
    uint32_t bits = nbx_seeker_live_items(s, part, tile), open = bits;
    if (!s->own.eligible)
        return bits;
    for (; bits; bits &= bits - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(bits);
        if (!nbx_seeker_eligible(s, labels, tile * NBX_TILE_ITEMS + lane))
            open &= ~(UINT32_C(1) << lane);
    }
    return open;
}

/* The scores of a node's items (256) by their sketches, no number where one cannot be an answer;
 * and the best of each lane (16): bounds for counting that are a sixteenth as many. */
static void guess_node(struct nbx_seeker *s, size_t part, size_t at, float *scores, float *tops)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    const struct nbx_node *node = &pack->nodes[at];
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, node->first_tile);
    struct nbx_sketch_bound bound;
    nbx_sketch_bound(&bound, &s->codes, &node->items);
    float scale = (float)bound.scale;
    uint32_t open = nbx_seeker_open_tiles(s, part, node);
    uint16_t passed[NBX_NODE_TILES];
    s->scanned += node->n_tiles;
    s->own.kernel->sketch(scores, passed, &tiles, open, &s->codes.codes, &(struct nbx_limits){0});
    for (size_t i = 0; i < NBX_NODE_ITEMS; i++)
        scores[i] *= scale;
    for (size_t t = 0; t < NBX_NODE_TILES; t++) {
        uint32_t items = open >> t & 1 ? open_items(s, part, node->first_tile + t) : 0;
        for (uint32_t closed = ~items & 0xFFFF; closed; closed &= closed - 1)
            scores[t * NBX_TILE_ITEMS + (size_t)__builtin_ctz(closed)] = NAN;
    }
    s->own.kernel->tops(tops, scores);
}

/* Scores the best of the guessed scores of n nodes from `first` on, and takes these out: no number
 * remains in their place. Returns a value from which up all are scored, infinity where there is
 * none: not all are scored of some that seem alike, or values are not scores. */
static float score_guessed(struct nbx_seeker *s, size_t part, size_t first, size_t n)
{
    struct nbx_suspects *list = &s->suspects;
    const struct nbx_node *nodes = s->index->parts[part].pack->nodes + first;
    float cut = nbx_seeker_cut(s, s->tops, n * NBX_TILE_ITEMS);
    size_t found = s->own.kernel->reaching(list->places, s->guessed, n * NBX_NODE_ITEMS, cut);
    bool all = found <= list->room;
    found = all ? found : list->room;
    for (size_t i = 0; i < found; i++) {
        uint32_t at = list->places[i], tile = nodes[at / NBX_NODE_ITEMS].first_tile;
        list->chosen[i] = (struct nbx_suspect){(uint32_t)part, tile * NBX_TILE_ITEMS +
                                                                   at % (uint32_t)NBX_NODE_ITEMS};
        s->guessed[at] = NAN;
    }
    nbx_seeker_score_chosen(s, found);
    nbx_candidates_tighten(&s->candidates);
    return all && !s->shaped ? cut : INFINITY; /* what is postponed is told by its value */
}

/* Those of a node's guessed items that may still reach the threshold become suspects. From `cut` up
 * all are scored already. */
static void suspect_guessed(struct nbx_seeker *s, size_t part, size_t at, const float *scores,
                            float cut)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    const struct nbx_node *node = &pack->nodes[at];
    struct nbx_scan scan;
    nbx_scan_begin(s, &scan, part, at, 0);
    scan.bound.scale = 1; /* it is in the scores already */
    nbx_scan_limits(&scan, nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at)), 0);
    uint16_t passed[NBX_NODE_TILES];
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, node->first_tile);
    uint32_t open = nbx_seeker_open_tiles(s, part, node);
    unsigned n = s->own.kernel->pass(passed, scores, &tiles, open, &scan.limits);
    if (n > NBX_MANY_IN_DOUBT && cut < INFINITY) {
        nbx_scan_postpone(s, &scan, open, cut);
        return;
    }
    for (; n && open; open &= open - 1) {
        size_t t = (size_t)__builtin_ctz(open);
        if (passed[t])
            nbx_scan_suspect(s, &scan, node->first_tile + t, passed[t],
                             scores + t * NBX_TILE_ITEMS);
    }
}

void nbx_seeker_visit_first(struct nbx_seeker *s, size_t part, size_t first, size_t n)
{
    if (s->own.k == 0) /* no bound keeps infinite scores out */
        return;
    for (size_t i = 0; i < n; i++)
        guess_node(s, part, first + i, s->guessed + i * NBX_NODE_ITEMS,
                   s->tops + i * NBX_TILE_ITEMS);
    float cut = score_guessed(s, part, first, n);
    for (size_t i = 0; i < n; i++)
        suspect_guessed(s, part, first + i, s->guessed + i * NBX_NODE_ITEMS, cut);
}
