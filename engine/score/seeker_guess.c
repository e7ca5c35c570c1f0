/* SPDX-License-Identifier: MIT
 * A query's first nodes, where there is no threshold yet: all their items are scored by sketch, and
 * the best of them canonically, so that the threshold is soon near what it will be.
 */
#include "engine/score/seeker_scan.h"

#include <math.h>

enum nbx_err nbx_guesses_alloc(struct nbx_guesses *g, struct nbx_arena *arena)
{
    size_t items = (size_t)NBX_GUESS_NODES * NBX_NODE_ITEMS;
    g->scores = nbx_arena_floats(arena, items);
    g->tops = nbx_arena_floats(arena, (size_t)NBX_GUESS_NODES * NBX_TILE_ITEMS);
    g->places = nbx_arena_alloc(arena, (items + NBX_TILE_ITEMS) * sizeof *g->places);
    return g->scores && g->tops && g->places ? NBX_OK : NBX_ELIMIT;
}

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

/* The scores of a node's items (256) by their sketches, for each query at its guesses' place `at`:
 * up to a scale. */
static void scan_node(struct nbx_seeker *const *seekers, size_t n,
                      const struct nbx_guesses *guesses, size_t part, size_t node, size_t at)
{
    const struct nbx_packed *pack = seekers[0]->index->parts[part].pack;
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, pack->nodes[node].first_tile);
    struct nbx_sketching asked[NBX_SKETCH_TOGETHER];
    uint32_t wanted[NBX_SKETCH_TOGETHER];
    uint16_t passed[NBX_NODE_TILES];
    for (size_t i = 0; i < n; i++) {
        struct nbx_seeker *s = seekers[i];
        wanted[i] = nbx_seeker_open_tiles(s, part, &pack->nodes[node]);
        asked[i] = (struct nbx_sketching){.query = &s->codes.codes,
                                          .out = guesses[i].scores + at * NBX_NODE_ITEMS,
                                          .passed = passed};
        s->scanned += pack->nodes[node].n_tiles;
    }
    nbx_scan_sketches(seekers, asked, n, wanted, &tiles);
}

/* Brings a node's scores (256) to scale, with no number where an item cannot be an answer; and
 * finds the best of each lane (16): bounds for counting that are a sixteenth as many. */
static void guess_node(struct nbx_seeker *s, size_t part, size_t at, float *scores, float *tops)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    const struct nbx_node *node = &pack->nodes[at];
    struct nbx_sketch_bound bound;
    nbx_sketch_bound(&bound, &s->codes, &node->items);
    uint32_t open = nbx_seeker_open_tiles(s, part, node);
    for (size_t t = 0; t < NBX_NODE_TILES; t++) {
        uint32_t items = open >> t & 1 ? open_items(s, part, node->first_tile + t) : 0;
        for (uint32_t closed = ~items & 0xFFFF; closed; closed &= closed - 1)
            scores[t * NBX_TILE_ITEMS + (size_t)__builtin_ctz(closed)] = NAN;
    }
    s->own.kernel->tops(tops, scores, (float)bound.scale);
}

/* Scores the best of the guessed scores of n nodes from `first` on, and takes these out: no number
 * remains in their place. Returns a value from which up all are scored, infinity where there is
 * none: not all are scored of some that seem alike, or values are not scores. */
static float score_guessed(struct nbx_seeker *s, const struct nbx_guesses *g, size_t part,
                           size_t first, size_t n)
{
    struct nbx_suspects *list = &s->suspects;
    const struct nbx_node *nodes = s->index->parts[part].pack->nodes + first;
    float cut = nbx_seeker_cut(s, g->tops, n * NBX_TILE_ITEMS);
    size_t found = s->own.kernel->reaching(g->places, g->scores, n * NBX_NODE_ITEMS, cut);
    bool all = found <= list->room;
    found = all ? found : list->room;
    for (size_t i = 0; i < found; i++) {
        uint32_t at = g->places[i], tile = nodes[at / NBX_NODE_ITEMS].first_tile;
        list->chosen[i] = (struct nbx_suspect){(uint32_t)part, tile * NBX_TILE_ITEMS +
                                                                   at % (uint32_t)NBX_NODE_ITEMS};
        g->scores[at] = NAN;
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
    nbx_scan_begin(s, &scan, part, at);
    scan.bound.scale = 1; /* it is in the scores already */
    nbx_scan_limits(s, &scan, 0);
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

/* What one query makes of its guessed scores of nodes. */
static void take_guesses(struct nbx_seeker *s, const struct nbx_guesses *g, size_t part,
                         const struct nbx_node_run *nodes)
{
    size_t n = nodes->end - nodes->first;
    for (size_t i = 0; i < n; i++)
        guess_node(s, part, nodes->first + i, g->scores + i * NBX_NODE_ITEMS,
                   g->tops + i * NBX_TILE_ITEMS);
    float cut = score_guessed(s, g, part, nodes->first, n);
    for (size_t i = 0; i < n; i++)
        suspect_guessed(s, part, nodes->first + i, g->scores + i * NBX_NODE_ITEMS, cut);
}

void nbx_seekers_visit_first(struct nbx_seeker *const *seekers, size_t n,
                             const struct nbx_guesses *guesses, size_t part,
                             const struct nbx_node_run *nodes)
{
    struct nbx_seeker *who[NBX_SKETCH_TOGETHER];
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (seekers[i]->own.k > 0) /* no bound keeps infinite scores out */
            who[m++] = seekers[i];
    for (size_t at = nodes->first; m && at < nodes->end; at++)
        scan_node(who, m, guesses, part, at, at - nodes->first);
    for (size_t i = 0; i < m; i++)
        take_guesses(who[i], &guesses[i], part, nodes);
}
