/* SPDX-License-Identifier: MIT */
#include "engine/score/seeker.h"

#include "engine/base/check.h"
#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Fewer eligible than one in this many: their positions are marked first, so that nodes with none
 * are passed over. With more, looking up a bit for each item that is good enough costs less. */
#define FEW_ELIGIBLE 64
/* Up to this many items of a tile are scored one by one rather than scanned. */
#define FEW_IN_TILE 2
/* The most promising tiles that are looked at first: these and half of k. */
#define FIRST_TILES 16
#define VALUE_SLACK 0x1p-22 /* over the rounding of values to floats */

enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena)
{
    *s = (struct nbx_seeker){.index = index};
    size_t half = nbx_box_half(index->dim);
    s->codes = nbx_arena_alloc(arena, half);
    s->boxes = nbx_arena_calloc(arena, index->n_parts, sizeof *s->boxes);
    s->box_codes = nbx_arena_calloc(arena, index->n_parts, 2 * half);
    s->turned = nbx_arena_floats(arena, index->padded);
    s->halves = nbx_arena_floats(arena, 2 * half);
    s->promises = nbx_arena_floats(arena, NBX_VISIT_NODES * NBX_NODE_TILES);
    s->open = nbx_arena_calloc(arena, NBX_VISIT_NODES, sizeof *s->open);
    return s->codes && s->boxes && s->box_codes && s->turned && s->halves && s->promises && s->open
               ? nbx_candidates_alloc(&s->candidates, k, grouped, arena)
               : NBX_ELIMIT;
}

static size_t count_eligible(const struct nbx_seeker *s)
{
    return s->own.kernel->count(s->own.eligible, s->own.n_eligible / 64);
}

static void mark_position(struct nbx_seeker *s, uint32_t label)
{
    for (size_t p = 0; p < s->index->n_parts; p++) {
        uint32_t position = nbx_packed_find(s->index->parts[p].pack, label);
        if (position != NBX_NO_POSITION)
            s->words[p][position / 64] |= UINT64_C(1) << position % 64;
    }
}

/* The few eligible items, by position. */
static enum nbx_err mark_eligible(struct nbx_seeker *s, struct nbx_arena *arena)
{
    s->words = nbx_arena_calloc(arena, s->index->n_parts, sizeof *s->words);
    for (size_t p = 0; s->words && p < s->index->n_parts; p++) {
        s->words[p] =
            nbx_arena_calloc(arena, nbx_packed_words(s->index->parts[p].pack), sizeof *s->words[p]);
        if (!s->words[p])
            return NBX_ELIMIT;
    }
    if (!s->words)
        return NBX_ELIMIT;
    for (size_t w = 0; w < s->own.n_eligible / 64; w++)
        for (uint64_t bits = s->own.eligible[w]; bits; bits &= bits - 1)
            mark_position(s, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits));
    return NBX_OK;
}

static enum nbx_err choose_words(struct nbx_seeker *s, const struct nbx_seeker *beside,
                                 struct nbx_arena *arena)
{
    s->words = NULL;
    if (!s->own.eligible)
        return NBX_OK;
    if (beside && beside->query->eligible == s->own.eligible &&
        beside->query->n_eligible == s->own.n_eligible) {
        s->words = beside->words;
        return NBX_OK;
    }
    if (count_eligible(s) > nbx_index_count(s->index) / FEW_ELIGIBLE)
        return NBX_OK;
    return mark_eligible(s, arena);
}

/* Bits for tiles visited out of turn, where any will be. */
static enum nbx_err choose_seen(struct nbx_seeker *s, struct nbx_arena *arena)
{
    bool needed = s->query->addends && s->query->addends->n;
    for (size_t p = 0; p < s->index->n_parts; p++)
        needed = needed || s->index->parts[p].pack->cells.n;
    s->seen = NULL;
    if (!needed)
        return NBX_OK;
    s->seen = nbx_arena_calloc(arena, s->index->n_parts, sizeof *s->seen);
    for (size_t p = 0; s->seen && p < s->index->n_parts; p++) {
        s->seen[p] =
            nbx_arena_calloc(arena, s->index->parts[p].pack->n_tiles / 64 + 1, sizeof *s->seen[p]);
        if (!s->seen[p])
            return NBX_ELIMIT;
    }
    return s->seen ? NBX_OK : NBX_ELIMIT;
}

/* The query for the boxes of one part. */
static void quantise_for_boxes(struct nbx_seeker *s, size_t part)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    size_t dim = s->index->dim, half = nbx_box_half(dim);
    const float *q = s->own.vector;
    if (pack->axes) {
        nbx_packed_turn(s->turned, pack, q);
        q = s->turned;
    }
    for (size_t d = 0; d < half; d++) {
        float x = d < dim ? q[d] : 0;
        s->halves[d] = x > 0 ? x : 0;
        s->halves[half + d] = x < 0 ? x : 0;
    }
    nbx_tile_quantise(&s->boxes[part], s->box_codes + part * 2 * half, s->halves, 2 * half,
                      s->own.kernel->code_max);
    s->boxes[part].rounding += pack->axes_error;
}

static void quantise(struct nbx_seeker *s)
{
    nbx_tile_quantise(&s->items, s->codes, s->own.vector, s->index->dim, s->own.kernel->code_max);
    for (size_t p = 0; p < s->index->n_parts; p++)
        quantise_for_boxes(s, p);
}

enum nbx_err nbx_seeker_begin(struct nbx_seeker *s, const struct nbx_query *query,
                              const struct nbx_seeker *beside, struct nbx_arena *arena)
{
    size_t count = nbx_index_count(s->index);
    NBX_DCHECK(!query->transform || nbx_transform_valid(query->transform));
    NBX_DCHECK(query->n_eligible % 64 == 0);
    s->query = query;
    s->own = *query;
    s->own.k = query->k < count ? query->k : count;
    if (!s->own.kernel)
        s->own.kernel = nbx_kernel();
    if (s->own.transform && s->own.transform->kind == NBX_TRANSFORM_NONE)
        s->own.transform = NULL;
    s->least_cap = -1;
    s->addends = NULL;
    s->scanned = 0;
    nbx_candidates_begin(&s->candidates, &s->own, s->own.k, s->index->padded);
    quantise(s);
    enum nbx_err err = choose_words(s, beside, arena);
    if (!err)
        err = choose_seen(s, arena);
    if (!err && query->addends && query->addends->n)
        err = nbx_seeker_spread_addends(s, arena);
    return err;
}

/* Solves  cap * transform(score) >= threshold  for the score, with slack for roundings. */
static double solve_least(const struct nbx_seeker *s, float cap)
{
    double value = s->candidates.threshold;
    if (s->own.weights) {
        if (value < FLT_MIN) /* weights may be 0, and small products lose their digits */
            return -INFINITY;
        if (!(cap > 0))
            return INFINITY;
        value = value / cap * (1 - VALUE_SLACK);
    }
    return s->own.transform ? nbx_transform_least(s->own.transform, value) : value;
}

double nbx_seeker_least(struct nbx_seeker *s, float cap)
{
    if (cap != s->least_cap || s->candidates.threshold != s->least_threshold) {
        s->least = solve_least(s, cap);
        s->least_cap = cap;
        s->least_threshold = s->candidates.threshold;
    }
    return s->least;
}

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

static bool wanted(const struct nbx_seeker *s, uint32_t label)
{
    const struct nbx_query *q = &s->own;
    if (q->eligible && !s->words &&
        !(label < q->n_eligible && (q->eligible[label / 64] >> (label % 64) & 1)))
        return false;
    return !q->admits || q->admits(q->admits_ctx, label);
}

/* The interval of an item's value from that of its score. */
static void set_interval(struct nbx_candidate *c, const struct nbx_query *q, double low,
                         double high)
{
    double slack = (fabs(low) + fabs(high) + fabs((double)c->addend)) * VALUE_SLACK + 0x1p-148;
    if (!(high - low < FLT_MAX)) { /* beyond the floats: nothing is known */
        c->low = -INFINITY;
        c->high = INFINITY;
        return;
    }
    c->low = (float)(low + c->addend - slack);
    c->high = (float)(high + c->addend + slack);
    if (q->transform) {
        c->low = nbx_transform_apply(q->transform, c->low);
        c->high = nbx_transform_apply(q->transform, c->high);
        c->low -= fabsf(c->low) * (float)VALUE_SLACK;
        c->high += fabsf(c->high) * (float)VALUE_SLACK;
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
    if (c->high < s->candidates.threshold || !wanted(s, c->label))
        return;
    if (s->own.group)
        c->group = s->own.group(s->own.tie_ctx, c->label);
    nbx_candidates_offer(&s->candidates, *c);
}

static void offer_scanned(struct nbx_seeker *s, size_t part, uint32_t position, double score,
                          double error)
{
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
    double slack = (fabs(least) + addend) * VALUE_SLACK;
    double from = least - bound->error - addend - slack;
    if (!(bound->scale > 0))
        return from > 0 ? INFINITY : -INFINITY;
    double t = from / bound->scale;
    return (float)(t - fabs(t) * VALUE_SLACK);
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
    if (s->seen[part][tile / 64] >> tile % 64 & 1)
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
    return (float)(least - fabs(least) * VALUE_SLACK);
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
        float shift = (float)(bound.error + query->norm * info->norm * VALUE_SLACK);
        open[i] &= s->own.kernel->lift(promises + i * NBX_NODE_TILES, (float)bound.scale, shift,
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
