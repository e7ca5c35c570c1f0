/* SPDX-License-Identifier: MIT
 * What a query looks at: boxes, tiles, items, and what it makes of them.
 */
#include "engine/score/seeker.h"

#include "engine/score/dot.h"

#include <float.h>
#include <math.h>

/* Up to this many items of a tile are scored one by one rather than scanned. */
#define FEW_IN_TILE 2
/* The most promising tiles that are looked at first: these and half of k. */
#define FIRST_TILES 16

float nbx_query_value(const struct nbx_query *query, uint32_t label, float score, float addend)
{
    float value = query->addends ? score + addend : score;
    if (isnan(value))
        return -INFINITY;
    if (query->transform)
        value = nbx_transform_apply(query->transform, value);
    if (query->weights)
        value *= nbx_weight_of(query->weights, label);
    return isnan(value) ? -INFINITY : value; /* infinity times weight 0 */
}

/* By the filter's bits, where they are not turned into positions. Asked before anything is made of
 * a scan's score: where a filter leaves out what the customer likes best, most of what scores well
 * is not eligible. */
static bool is_eligible(const struct nbx_seeker *s, uint32_t label)
{
    const struct nbx_query *q = &s->own;
    return !q->eligible || s->words ||
           (label < q->n_eligible && (q->eligible[label / 64] >> (label % 64) & 1));
}

/* The interval of an item's value from that of its score. */
static void set_interval(struct nbx_candidate *c, const struct nbx_query *q, double low,
                         double high)
{
    double slack = (fabs(low) + fabs(high) + fabs((double)c->addend)) * NBX_VALUE_SLACK + 0x1p-148;
    c->low = (float)(low + c->addend - slack);
    c->high = (float)(high + c->addend + slack);
    /* Beyond the floats nothing is known: the value may even be no number. */
    if (!(c->low >= -FLT_MAX && c->high <= FLT_MAX)) {
        c->low = -INFINITY;
        c->high = INFINITY;
        return;
    }
    if (q->transform) {
        c->low = nbx_transform_apply(q->transform, c->low);
        c->high = nbx_transform_apply(q->transform, c->high);
        c->low -= fabsf(c->low) * (float)NBX_VALUE_SLACK;
        c->high += fabsf(c->high) * (float)NBX_VALUE_SLACK;
    }
    if (q->weights) {
        float weight = nbx_weight_of(q->weights, c->label);
        c->low *= weight;
        c->high *= weight;
    }
}

static struct nbx_candidate candidate_at(const struct nbx_seeker *s, size_t part, uint32_t position)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    struct nbx_candidate c = {.label = pack->labels[position],
                              .row = nbx_packed_row(pack, position)};
    if (s->addends) {
        const struct nbx_addend_tiles *a = &s->addends[part];
        uint32_t slot = a->slots[position / NBX_TILE_ITEMS];
        c.addend = slot ? a->values[(slot - 1) * NBX_TILE_ITEMS + position % NBX_TILE_ITEMS] : 0;
    }
    return c;
}

static void offer(struct nbx_seeker *s, struct nbx_candidate *c)
{
    const struct nbx_query *q = &s->own;
    if (c->high < s->candidates.threshold || (q->admits && !q->admits(q->admits_ctx, c->label)))
        return;
    if (s->own.group)
        c->group = s->own.group(s->own.tie_ctx, c->label);
    nbx_candidates_offer(&s->candidates, *c);
}

static void offer_scanned(struct nbx_seeker *s, size_t part, uint32_t position, double score,
                          double error)
{
    if (!is_eligible(s, s->index->parts[part].pack->labels[position]))
        return;
    struct nbx_candidate c = candidate_at(s, part, position);
    set_interval(&c, &s->own, score - error, score + error);
    offer(s, &c);
}

static void offer_scored(struct nbx_seeker *s, size_t part, uint32_t position)
{
    struct nbx_candidate c = candidate_at(s, part, position);
    float score = s->own.kernel->dot(s->own.vector, c.row, s->index->padded);
    c.low = c.high = nbx_query_value(&s->own, c.label, score, c.addend);
    c.exact = true;
    s->candidates.rescored++;
    offer(s, &c);
}

/* The scan's threshold: scores in its own units below which nothing can reach `least`. */
static float scan_threshold(const struct nbx_tile_bound *bound, double least, double addend)
{
    double slack = (fabs(least) + addend) * NBX_VALUE_SLACK;
    double from = least - bound->error - addend - slack;
    if (!(bound->scale > 0))
        return from > 0 ? INFINITY : -INFINITY;
    double t = from / bound->scale;
    return (float)(t - fabs(t) * NBX_VALUE_SLACK);
}

/* The positions of a tile that may be answers, a bit each. */
static uint32_t tile_bits(const struct nbx_seeker *s, size_t part, size_t tile)
{
    uint32_t bits = nbx_tile_bits(s->index->parts[part].live, tile);
    return s->words ? bits & nbx_tile_bits(s->words[part], tile) : bits;
}

static struct nbx_tiles tiles_at(const struct nbx_packed *pack, size_t tile)
{
    return (struct nbx_tiles){pack->codes + tile * pack->tile_bytes,
                              pack->steps + tile * NBX_TILE_ITEMS, pack->tile_bytes};
}

/* What scanning some tiles of one node takes. */
struct scan {
    size_t part, first_tile;
    struct nbx_tile_bound bound;
    float threshold;
};

/* Scans the wanted tiles of a node, a bit each, and offers what is good enough. */
static void scan_tiles(struct nbx_seeker *s, const struct scan *scan, uint32_t wanted)
{
    const struct nbx_packed *pack = s->index->parts[scan->part].pack;
    struct nbx_tiles tiles = tiles_at(pack, scan->first_tile);
    float scores[NBX_NODE_ITEMS];
    uint16_t passed[NBX_NODE_TILES];
    s->scanned += (uint64_t)__builtin_popcount(wanted);
    s->own.kernel->scan(scores, passed, &tiles, wanted, &s->items.codes, scan->threshold);
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted), tile = scan->first_tile + t;
        uint32_t bits = passed[t] ? passed[t] & tile_bits(s, scan->part, tile) : 0;
        for (; bits; bits &= bits - 1) {
            size_t at = t * NBX_TILE_ITEMS + (size_t)__builtin_ctz(bits);
            offer_scanned(s, scan->part, (uint32_t)(scan->first_tile * NBX_TILE_ITEMS + at),
                          scores[at] * scan->bound.scale, scan->bound.error);
        }
    }
}

/* Asks memory for the vector and the label of an item that is about to be scored. */
static void fetch_item(const struct nbx_packed *pack, size_t position)
{
    const float *row = pack->rows + position * pack->padded;
    __builtin_prefetch(&pack->labels[position]);
    for (size_t d = 0; d < pack->padded; d += NBX_LANES)
        __builtin_prefetch(row + d);
}

/* Scores one by one the items of tiles with few that may be answers; returns the other tiles. */
static uint32_t score_few(struct nbx_seeker *s, size_t part, size_t first_tile, uint32_t wanted)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    uint32_t positions[NBX_NODE_TILES * FEW_IN_TILE], many = 0;
    size_t n = 0;
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted), tile = first_tile + t;
        uint32_t bits = tile_bits(s, part, tile);
        if (__builtin_popcount(bits) > FEW_IN_TILE) {
            many |= UINT32_C(1) << t;
            continue;
        }
        for (; bits; bits &= bits - 1) {
            positions[n] = (uint32_t)(tile * NBX_TILE_ITEMS) + (uint32_t)__builtin_ctz(bits);
            fetch_item(pack, positions[n++]);
        }
    }
    for (size_t i = 0; i < n; i++)
        offer_scored(s, part, positions[i]);
    return many;
}

/* Visits the wanted tiles of one node, whose best possible addend is `addend`. */
static void visit_tiles(struct nbx_seeker *s, size_t part, size_t at, uint32_t wanted,
                        double addend)
{
    const struct nbx_node *node = &s->index->parts[part].pack->nodes[at];
    if (s->words)
        wanted = score_few(s, part, node->first_tile, wanted);
    if (!wanted)
        return;
    struct scan scan = {.part = part,
                        .first_tile = node->first_tile,
                        .bound = nbx_tile_bound(&s->items, &node->items)};
    double least = nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at));
    scan.threshold = scan_threshold(&scan.bound, least, addend);
    scan_tiles(s, &scan, wanted);
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
    if (tile_bits(s, part, tile))
        visit_tiles(s, part, node, UINT32_C(1) << (tile - pack->nodes[node].first_tile), addend);
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
    if (!s->words && !s->seen)
        return all;
    for (uint32_t t = 0; t < node->n_tiles;) {
        size_t tile = node->first_tile + t, at = tile % 4;
        uint64_t word = live[tile / 4] & (s->words ? s->words[part][tile / 4] : ~UINT64_C(0));
        open |= any_of_four(word >> at * NBX_TILE_ITEMS) << t;
        t += 4 - (uint32_t)at;
    }
    for (uint32_t t = 0; s->seen && t < node->n_tiles; t++) {
        size_t tile = node->first_tile + t;
        open &= ~((uint32_t)(s->seen[part][tile / 64] >> tile % 64 & 1) << t);
    }
    return open & all;
}

/* Below this no tile can hold anything for the node's weights. */
static float least_promise(struct nbx_seeker *s, size_t part, size_t node)
{
    double least = nbx_seeker_least(s, nbx_seeker_node_cap(s, part, node));
    return (float)(least - fabs(least) * NBX_VALUE_SLACK);
}

/* A node's tiles still to be looked at, none where its norm is too small. */
static uint32_t open_node(struct nbx_seeker *s, size_t part, size_t at)
{
    const struct nbx_node *node = &s->index->parts[part].pack->nodes[at];
    bool may = nbx_tile_most(&s->items, node->items.norm) >=
               nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at));
    return may ? open_tiles(s, part, node) : 0;
}

/* Scans the boxes of up to 16 nodes: the promises of their tiles (n, 16). Leaves open those tiles
 * that promise enough. */
static void promise_nodes(struct nbx_seeker *s, size_t part, size_t first, size_t n,
                          float *promises, uint32_t *open)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    const struct nbx_tile_query *query = &s->boxes[part];
    struct nbx_tiles boxes = {pack->box_codes + first * pack->box_bytes,
                              pack->box_steps + first * NBX_NODE_TILES, pack->box_bytes};
    uint16_t passed[NBX_NODE_TILES];
    uint32_t wanted = 0;
    for (size_t i = 0; i < n; i++) {
        open[i] = open_node(s, part, first + i);
        wanted |= (uint32_t)(open[i] != 0) << i;
    }
    s->own.kernel->scan(promises, passed, &boxes, wanted, &query->codes, -INFINITY);
    for (; wanted; wanted &= wanted - 1) {
        size_t i = (size_t)__builtin_ctz(wanted);
        const struct nbx_tile_info *info = &pack->nodes[first + i].boxes;
        struct nbx_tile_bound bound = nbx_tile_bound(query, info);
        float scale = (float)bound.scale;
        float shift = (float)(bound.error + query->norm * info->norm * NBX_VALUE_SLACK);
        if (!(scale >= FLT_MIN && shift <= FLT_MAX)) { /* beyond the floats: all promise all */
            scale = 0;
            shift = INFINITY;
        }
        open[i] &= s->own.kernel->lift(promises + i * NBX_NODE_TILES, scale, shift,
                                       least_promise(s, part, first + i));
    }
}

/* Of n nodes, the tiles that are open and promise at least `cut`. */
static void visit_promising(struct nbx_seeker *s, size_t part, size_t first, size_t n, float cut)
{
    for (size_t i = 0; i < n; i++) {
        if (!s->open[i])
            continue;
        float least = least_promise(s, part, first + i);
        uint32_t wanted = s->open[i] & s->own.kernel->lift(s->promises + i * NBX_NODE_TILES, 1, 0,
                                                           least > cut ? least : cut);
        if (!wanted)
            continue;
        s->open[i] &= ~wanted;
        visit_tiles(s, part, first + i, wanted, 0);
    }
}

/* A cut that leaves some of the promises of n tiles, enough for k items to be among them. */
static float first_cut(const struct nbx_seeker *s, size_t n)
{
    size_t wanted = FIRST_TILES + s->own.k / 2;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        high = s->promises[i] > high ? s->promises[i] : high;
        low = s->promises[i] < low ? s->promises[i] : low;
    }
    if (wanted >= n || !(low < high))
        return -INFINITY;
    return nbx_reached_by(s->own.kernel, s->promises, n, wanted, (const float[]){low, high});
}

void nbx_seeker_visit_nodes(struct nbx_seeker *s, size_t part, size_t first, size_t n,
                            bool best_first)
{
    if (s->own.k == 0) /* no bound keeps infinite scores out */
        return;
    if (best_first) /* those of nodes that are not scanned stay below any cut */
        for (size_t i = 0; i < n * NBX_NODE_TILES; i++)
            s->promises[i] = -FLT_MAX;
    for (size_t i = 0; i < n; i += NBX_NODE_TILES)
        promise_nodes(s, part, first + i, n - i < NBX_NODE_TILES ? n - i : NBX_NODE_TILES,
                      s->promises + i * NBX_NODE_TILES, s->open + i);
    if (best_first) {
        visit_promising(s, part, first, n, first_cut(s, n * NBX_NODE_TILES));
        nbx_candidates_tighten(&s->candidates);
    }
    visit_promising(s, part, first, n, -INFINITY);
}
