/* SPDX-License-Identifier: MIT
 * What a query looks at: nodes, tiles, items, and what it makes of them.
 */
#include "engine/score/seeker_scan.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* An approximation need not allow for the worst: what a sketch leaves out points anywhere, so that
 * its share along the query is about normal with deviation |e| / sqrt(dim). So many are allowed. */
#define USUAL_DEVIATIONS 4.0

void nbx_scan_limits(struct nbx_seeker *s, struct nbx_scan *scan, double addend)
{
    const struct nbx_sketch_bound *bound = &scan->bound;
    double least = nbx_seeker_least(s, nbx_seeker_node_cap(s, scan->part, scan->node));
    double from = least - bound->error - addend - (fabs(least) + addend) * NBX_VALUE_SLACK;
    scan->limits.slack = 0;
    if (!(bound->scale > 0)) {
        scan->limits.threshold = from > bound->slack * NBX_SKETCH_STEPS ? INFINITY : -INFINITY;
        return;
    }
    double per = 1 / bound->scale, t = from * per;
    scan->limits.threshold = (float)(t - fabs(t) * NBX_VALUE_SLACK);
    scan->limits.slack = (float)(bound->slack * per * (1 + NBX_VALUE_SLACK));
}

/* What an approximation allows beyond the expected score: the error is across the sketch, so only
 * the part of the query that is too can meet it. error: what is usual for the whole query. */
static double usual_error(const struct nbx_seeker *s, const struct nbx_scan *scan, double expected,
                          double error)
{
    double along = expected / (s->codes.norm * scan->norm);
    return along > 0 ? error * sqrt(fmax(1 - along * along, 0)) : error;
}

void nbx_scan_suspect(struct nbx_seeker *s, const struct nbx_scan *scan, size_t tile, uint32_t bits,
                      const float *scores)
{
    const struct nbx_packed *pack = s->index->parts[scan->part].pack;
    const uint8_t *errors = nbx_sketches_at(&pack->sketches, tile).scales + NBX_TILE_ITEMS;
    for (; bits; bits &= bits - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(bits);
        struct nbx_suspect x = {scan->part, (uint32_t)tile * NBX_TILE_ITEMS + lane};
        if (!nbx_seeker_eligible(s, pack->labels, x.position))
            continue;
        float expected = scores[lane] * (float)scan->bound.scale;
        double error = scan->bound.slack * (errors[lane] + 1);
        if (scan->near)
            error = usual_error(s, scan, expected, error);
        struct nbx_suspicion about = {expected, (float)(expected + error + scan->bound.error)};
        if (s->shaped)
            nbx_seeker_shape(s, &x, &about);
        if (about.expected < scan->from || about.expected >= scan->taken_from)
            continue;
        nbx_seeker_suspect(s, &x, &about);
    }
}

void nbx_scan_postpone(struct nbx_seeker *s, struct nbx_scan *scan, uint32_t tiles,
                       float taken_from)
{
    scan->from = taken_from;
    s->postponed[s->n_postponed++] =
        (struct nbx_postponed){scan->part, scan->node, tiles, taken_from};
}

/* What a scan of the wanted tiles found. */
static void take_scan(struct nbx_seeker *s, struct nbx_scan *scan, uint32_t wanted,
                      const struct nbx_sketching *found)
{
    uint32_t passed = 0; /* tiles, a bit each: told apart without a branch for each */
    for (size_t t = 0; found->n && t < NBX_NODE_TILES; t++)
        passed |= (uint32_t)(found->passed[t] != 0) << t;
    for (passed &= wanted; passed; passed &= passed - 1) {
        size_t t = (size_t)__builtin_ctz(passed), tile = scan->first_tile + t;
        uint32_t bits = found->passed[t] & nbx_seeker_live_items(s, scan->part, tile);
        nbx_scan_suspect(s, scan, tile, bits, found->out + t * NBX_TILE_ITEMS);
    }
    s->scanned += (uint64_t)__builtin_popcount(wanted);
}

void nbx_scan_sketches(struct nbx_seeker *const *seekers, struct nbx_sketching *asked, size_t n,
                       const uint32_t *wanted, const struct nbx_sketches *tiles)
{
    for (size_t i = 0, m; i < n; i += m) {
        const struct nbx_kernel *kernel = seekers[i]->own.kernel;
        m = 1;
        while (i + m < n && wanted[i + m] == wanted[i] && seekers[i + m]->own.kernel == kernel)
            m++;
        kernel->sketch_together(asked + i, m, tiles, wanted[i]);
    }
}

/* Scans the wanted tiles of a node, a bit each. */
static void scan_tiles(struct nbx_seeker *s, struct nbx_scan *scan, uint32_t wanted)
{
    const struct nbx_packed *pack = s->index->parts[scan->part].pack;
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, scan->first_tile);
    float scores[NBX_NODE_ITEMS];
    uint16_t passed[NBX_NODE_TILES] = {0};
    struct nbx_sketching asked = {&s->codes.codes, scan->limits, scores, passed, 0};
    asked.n = s->own.kernel->sketch(scores, passed, &tiles, wanted, asked.query, &asked.limits);
    take_scan(s, scan, wanted, &asked);
}

void nbx_scan_begin(struct nbx_seeker *s, struct nbx_scan *scan, size_t part, size_t at)
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
    if (s->suspects.n >= s->suspects.wait)
        nbx_seeker_relieve(s);
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
    if (!nbx_seeker_live_items(s, part, tile))
        return;
    struct nbx_scan scan;
    nbx_scan_begin(s, &scan, part, node);
    nbx_scan_limits(s, &scan, addend);
    scan_tiles(s, &scan, UINT32_C(1) << (tile - scan.first_tile));
}

uint32_t nbx_seeker_open_tiles(const struct nbx_seeker *s, size_t part, const struct nbx_node *node)
{
    uint32_t open = (UINT32_C(1) << node->n_tiles) - 1;
    for (uint32_t t = 0; s->seen && t < node->n_tiles; t++) {
        size_t tile = node->first_tile + t;
        open &= ~((uint32_t)(s->seen[part][tile / 64] >> tile % 64 & 1) << t);
    }
    return open;
}

bool nbx_seeker_may_hold(struct nbx_seeker *s, size_t part, size_t at)
{
    const struct nbx_node *node = &s->index->parts[part].pack->nodes[at];
    return nbx_sketch_bound_by_norm(&s->codes, node->items.norm) >=
           nbx_seeker_least(s, nbx_seeker_node_cap(s, part, at));
}

/* The tiles of a node that a query must scan, a bit each. */
static uint32_t wanted_tiles(struct nbx_seeker *s, size_t part, size_t node)
{
    if (s->own.k == 0) /* no bound keeps infinite scores out */
        return 0;
    if (!nbx_seeker_may_hold(s, part, node))
        return 0;
    return nbx_seeker_open_tiles(s, part, &s->index->parts[part].pack->nodes[node]);
}

/* The queries that scan a node, and what they find. */
struct visit {
    size_t n;
    struct nbx_seeker *who[NBX_SKETCH_TOGETHER];
    struct nbx_scan scans[NBX_SKETCH_TOGETHER];
    uint32_t wanted[NBX_SKETCH_TOGETHER];
    struct nbx_sketching asked[NBX_SKETCH_TOGETHER];
    float scores[NBX_SKETCH_TOGETHER][NBX_NODE_ITEMS];
    uint16_t passed[NBX_SKETCH_TOGETHER][NBX_NODE_TILES];
};

static void join_visit(struct visit *v, struct nbx_seeker *s, size_t part, size_t node)
{
    uint32_t wanted = wanted_tiles(s, part, node);
    if (!wanted)
        return;
    size_t i = v->n++;
    struct nbx_scan *scan = &v->scans[i];
    v->who[i] = s;
    v->wanted[i] = wanted;
    nbx_scan_begin(s, scan, part, node);
    nbx_scan_limits(s, scan, 0);
    memset(v->passed[i], 0, sizeof v->passed[i]);
    v->asked[i] =
        (struct nbx_sketching){&s->codes.codes, scan->limits, v->scores[i], v->passed[i], 0};
}

void nbx_seekers_visit_node(struct nbx_seeker *const *seekers, size_t n, size_t part, size_t node)
{
    struct visit v;
    v.n = 0;
    for (size_t i = 0; i < n; i++)
        join_visit(&v, seekers[i], part, node);
    if (v.n == 0)
        return;
    const struct nbx_packed *pack = seekers[0]->index->parts[part].pack;
    struct nbx_sketches tiles = nbx_sketches_at(&pack->sketches, pack->nodes[node].first_tile);
    nbx_scan_sketches(v.who, v.asked, v.n, v.wanted, &tiles);
    for (size_t i = 0; i < v.n; i++) {
        float threshold = v.who[i]->candidates.threshold;
        if (v.asked[i].n > NBX_MANY_IN_DOUBT && threshold > -INFINITY)
            nbx_scan_postpone(v.who[i], &v.scans[i], v.wanted[i], threshold);
        take_scan(v.who[i], &v.scans[i], v.wanted[i], &v.asked[i]);
    }
}

void nbx_seeker_visit_postponed(struct nbx_seeker *s)
{
    nbx_seeker_settle(s);
    for (size_t i = 0; i < s->n_postponed; i++) {
        const struct nbx_postponed *p = &s->postponed[i];
        if (!nbx_seeker_may_hold(s, p->part, p->node))
            continue;
        struct nbx_scan scan;
        nbx_scan_begin(s, &scan, p->part, p->node);
        nbx_scan_limits(s, &scan, 0);
        scan.taken_from = p->taken_from;
        scan_tiles(s, &scan, p->tiles);
    }
    s->n_postponed = 0;
    nbx_seeker_settle(s);
}
