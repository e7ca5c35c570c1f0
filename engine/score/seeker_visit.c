/* SPDX-License-Identifier: MIT
 * What a query looks at: nodes, tiles, items, and what it makes of them.
 */
#include "engine/score/seeker.h"

#include <float.h>
#include <math.h>

/* An approximation need not allow for the worst: what a sketch leaves out points anywhere, so that
 * its share along the query is about normal with deviation |e| / sqrt(dim). So many are allowed. */
#define USUAL_DEVIATIONS 3.2
/* A node of whose items more pass is left to the end: its turn came too early. */
#define MANY_IN_DOUBT 48

/* By the filter's bits. Asked before anything is made of
 * a scan's score: where a filter leaves out what the customer likes best, most of what scores well
 * is not eligible. */
static bool is_eligible(const struct nbx_seeker *s, const uint32_t *labels, size_t position)
{
    const struct nbx_query *q = &s->own;
    if (!q->eligible)
        return true;
    uint32_t label = labels[position];
    return label < q->n_eligible && (q->eligible[label / 64] >> (label % 64) & 1);
}

/* The positions of a tile that may be answers, a bit each. */
static uint32_t tile_bits(const struct nbx_seeker *s, size_t part, size_t tile)
{
    return nbx_tile_bits(s->index->parts[part].live, tile);
}

/* What scanning some tiles of one node takes. */
struct scan {
    uint32_t part, node;
    size_t first_tile;
    struct nbx_sketch_bound bound;
    float threshold, slack;
    float norm;       /* the largest of the node's */
    bool near;        /* an approximation will do */
    float from;       /* only items expected from here up become suspects */
    float taken_from; /* from here up they did already; no number: none did */
};

/* The scan's threshold and slack, in its own units: scores that with it stay below cannot
 * reach `least`. */
static void scan_limits(struct scan *scan, double least, double addend)
{
    const struct nbx_sketch_bound *bound = &scan->bound;
    double from = least - bound->error - addend - (fabs(least) + addend) * NBX_VALUE_SLACK;
    scan->slack = 0;
    if (!(bound->scale > 0)) {
        scan->threshold = from > bound->slack * NBX_SKETCH_STEPS ? INFINITY : -INFINITY;
        return;
    }
    double per = 1 / bound->scale, t = from * per;
    scan->threshold = (float)(t - fabs(t) * NBX_VALUE_SLACK);
    scan->slack = (float)(bound->slack * per * (1 + NBX_VALUE_SLACK));
}

/* What an approximation allows beyond the expected score: the error is across the sketch, so only
 * the part of the query that is too can meet it. error: what is usual for the whole query. */
static double usual_error(const struct nbx_seeker *s, const struct scan *scan, double expected,
                          double error)
{
    double along = expected / (s->codes.norm * scan->norm);
    return along > 0 ? error * sqrt(fmax(1 - along * along, 0)) : error;
}

/* The items of a tile that passed the scan, a bit each. */
static void suspect_items(struct nbx_seeker *s, const struct scan *scan, size_t tile, uint32_t bits,
                          const float *scores)
{
    const struct nbx_packed *pack = s->index->parts[scan->part].pack;
    const uint8_t *errors = nbx_sketches_at(&pack->sketches, tile).scales + NBX_TILE_ITEMS;
    for (; bits; bits &= bits - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(bits);
        struct nbx_suspect x = {scan->part, (uint32_t)tile * NBX_TILE_ITEMS + lane};
        if (!is_eligible(s, pack->labels, x.position))
            continue;
        float expected = scores[lane] * (float)scan->bound.scale;
        double error = scan->bound.slack * (errors[lane] + 1);
        if (scan->near)
            error = usual_error(s, scan, expected, error);
        struct nbx_suspicion about = {expected, (float)(expected + error + scan->bound.error)};
        nbx_seeker_shape(s, &x, &about);
        if (about.expected < scan->from || about.expected >= scan->taken_from)
            continue;
        nbx_seeker_suspect(s, &x, &about);
    }
}

/* Leaves a node whose items are mostly in doubt to the end, when more is known, but for those that
 * would raise the threshold. */
static void postpone(struct nbx_seeker *s, struct scan *scan, uint32_t tiles, float taken_from)
{
    scan->from = taken_from;
    s->postponed[s->n_postponed++] =
        (struct nbx_postponed){scan->part, scan->node, tiles, taken_from};
}

/* Scans the wanted tiles of a node, a bit each. */
static void scan_tiles(struct nbx_seeker *s, struct scan *scan, uint32_t wanted, bool may_wait)
{
    const struct nbx_packed *pack = s->index->parts[scan->part].pack;
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, scan->first_tile);
    float scores[NBX_NODE_ITEMS];
    uint16_t passed[NBX_NODE_TILES];
    unsigned n = s->own.kernel->sketch(scores, passed, &tiles, wanted, &s->codes.codes, scan->slack,
                                       scan->threshold);
    if (may_wait && n > MANY_IN_DOUBT && s->candidates.threshold > -INFINITY)
        postpone(s, scan, wanted, s->candidates.threshold);
    for (; wanted; wanted &= wanted - 1, s->scanned++) {
        size_t t = (size_t)__builtin_ctz(wanted), tile = scan->first_tile + t;
        uint32_t bits = passed[t] ? passed[t] & tile_bits(s, scan->part, tile) : 0;
        if (bits)
            suspect_items(s, scan, tile, bits, scores + t * NBX_TILE_ITEMS);
    }
}

/* A scan of a node's tiles, whose best possible addend is `addend`. Filled in place: passed by
 * value it is written in parts and read as a whole, which the processor must wait for. */
static void begin_scan(struct nbx_seeker *s, struct scan *scan, size_t part, size_t at,
                       double addend)
{
    const struct nbx_node *node = &s->index->parts[part].pack->nodes[at];
    scan->part = (uint32_t)part;
    scan->node = (uint32_t)at;
    scan->first_tile = node->first_tile;
    scan->norm = node->items.norm;
    scan->from = -INFINITY;
    scan->taken_from = NAN;
    nbx_sketch_bound(&scan->bound, &s->codes, &node->items);
    scan->near = nbx_seeker_approximates(s, part);
    if (scan->near)
        scan->bound.slack *= fmin(USUAL_DEVIATIONS / sqrt((double)s->index->dim), 1);
    nbx_seeker_relieve(s);
    scan_limits(scan, nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at)), addend);
}

void nbx_seeker_visit_early(struct nbx_seeker *s, size_t part, size_t tile)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    if (s->own.k == 0 || (s->seen[part][tile / 64] >> tile % 64 & 1))
        return;
    s->seen[part][tile / 64] |= UINT64_C(1) << tile % 64;
    size_t node = pack->node_of_tile[tile];
    double addend = 0;
    if (s->addends && s->addends[part].slots[tile])
        addend = s->addends[part].most[s->addends[part].slots[tile] - 1];
    if (!tile_bits(s, part, tile))
        return;
    struct scan scan;
    begin_scan(s, &scan, part, node, addend);
    scan_tiles(s, &scan, UINT32_C(1) << (tile - scan.first_tile), false);
}

/* Which of four tiles in a row, each 16 bits of `word`, have any bit. */
static uint32_t any_of_four(uint64_t word)
{
    uint32_t any = 0;
    for (uint32_t t = 0; word && t < 4; t++, word >>= NBX_TILE_ITEMS)
        any |= (uint32_t)((word & 0xFFFF) != 0) << t;
    return any;
}

/* Which of a node's tiles have positions that may be answers and were not visited early. */
static uint32_t open_tiles(const struct nbx_seeker *s, size_t part, const struct nbx_node *node)
{
    const uint64_t *live = s->index->parts[part].live;
    uint32_t all = (UINT32_C(1) << node->n_tiles) - 1, open = 0;
    if (!s->seen)
        return all;
    for (uint32_t t = 0; t < node->n_tiles;) {
        size_t tile = node->first_tile + t, at = tile % 4;
        open |= any_of_four(live[tile / 4] >> at * NBX_TILE_ITEMS) << t;
        t += 4 - (uint32_t)at;
    }
    for (uint32_t t = 0; s->seen && t < node->n_tiles; t++) {
        size_t tile = node->first_tile + t;
        open &= ~((uint32_t)(s->seen[part][tile / 64] >> tile % 64 & 1) << t);
    }
    return open & all;
}

bool nbx_seeker_may_hold(struct nbx_seeker *s, size_t part, size_t at)
{
    const struct nbx_node *node = &s->index->parts[part].pack->nodes[at];
    return nbx_sketch_bound_by_norm(&s->codes, node->items.norm) >=
           nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at));
}

void nbx_seeker_visit_node(struct nbx_seeker *s, size_t part, size_t node)
{
    if (s->own.k == 0 ||
        !nbx_seeker_may_hold(s, part, node)) /* no bound keeps infinite scores out */
        return;
    uint32_t open = open_tiles(s, part, &s->index->parts[part].pack->nodes[node]);
    if (!open)
        return;
    struct scan scan;
    begin_scan(s, &scan, part, node, 0);
    scan_tiles(s, &scan, open, true);
}

void nbx_seeker_visit_postponed(struct nbx_seeker *s)
{
    nbx_seeker_settle(s);
    for (size_t i = 0; i < s->n_postponed; i++) {
        const struct nbx_postponed *p = &s->postponed[i];
        if (!nbx_seeker_may_hold(s, p->part, p->node))
            continue;
        struct scan scan;
        begin_scan(s, &scan, p->part, p->node, 0);
        scan.taken_from = p->taken_from;
        scan_tiles(s, &scan, p->tiles, false);
    }
    s->n_postponed = 0;
    nbx_seeker_settle(s);
}

/* A tile's items that may be answers, a bit each. */
static uint32_t open_items(const struct nbx_seeker *s, size_t part, size_t tile)
{
    const uint32_t *labels = s->index->parts[part].pack->labels;
    uint32_t bits = tile_bits(s, part, tile), open = bits;
    if (!s->own.eligible)
        return bits;
    for (; bits; bits &= bits - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(bits);
        if (!is_eligible(s, labels, tile * NBX_TILE_ITEMS + lane))
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
    uint32_t open = open_tiles(s, part, node);
    uint16_t passed[NBX_NODE_TILES];
    s->scanned += node->n_tiles;
    s->own.kernel->sketch(scores, passed, &tiles, open, &s->codes.codes, 0, 0);
    for (size_t i = 0; i < NBX_NODE_ITEMS; i++)
        scores[i] *= scale;
    for (size_t t = 0; t < NBX_NODE_TILES; t++) {
        uint32_t items = open >> t & 1 ? open_items(s, part, node->first_tile + t) : 0;
        for (uint32_t closed = ~items & 0xFFFF; closed; closed &= closed - 1)
            scores[t * NBX_TILE_ITEMS + (size_t)__builtin_ctz(closed)] = NAN;
    }
    s->own.kernel->tops(tops, scores);
}

/* Those of a node's guessed items that may still reach the threshold become suspects. From `cut` up
 * all are scored already. */
static void suspect_guessed(struct nbx_seeker *s, size_t part, size_t at, const float *scores,
                            float cut)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    const struct nbx_node *node = &pack->nodes[at];
    struct scan scan;
    begin_scan(s, &scan, part, at, 0);
    scan.bound.scale = 1; /* it is in the scores already */
    scan_limits(&scan, nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at)), 0);
    uint16_t passed[NBX_NODE_TILES];
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, node->first_tile);
    uint32_t open = open_tiles(s, part, node);
    unsigned n = s->own.kernel->pass(passed, scores, &tiles, open, scan.slack, scan.threshold);
    if (n > MANY_IN_DOUBT && cut < INFINITY) {
        postpone(s, &scan, open, cut);
        return;
    }
    for (; n && open; open &= open - 1) {
        size_t t = (size_t)__builtin_ctz(open);
        if (passed[t])
            suspect_items(s, &scan, node->first_tile + t, passed[t], scores + t * NBX_TILE_ITEMS);
    }
}

void nbx_seeker_visit_first(struct nbx_seeker *s, size_t part, size_t first, size_t n)
{
    if (s->own.k == 0) /* no bound keeps infinite scores out */
        return;
    for (size_t i = 0; i < n; i++)
        guess_node(s, part, first + i, s->guessed + i * NBX_NODE_ITEMS,
                   s->tops + i * NBX_TILE_ITEMS);
    float cut = nbx_seeker_score_guessed(s, part, first, n);
    for (size_t i = 0; i < n; i++)
        suspect_guessed(s, part, first + i, s->guessed + i * NBX_NODE_ITEMS, cut);
}
