/* SPDX-License-Identifier: MIT */
#include "engine/score/excerpt.h"

#include "engine/base/pages.h"

#include <stdlib.h>
#include <string.h>

enum nbx_err nbx_excerpt_begin(struct nbx_excerpt **out, struct nbx_packed *of,
                               const uint64_t *labels, size_t n_labels, struct nbx_budget *budget)
{
    struct nbx_excerpt *e = calloc(1, sizeof *e);
    *out = e;
    if (!e)
        return NBX_ELIMIT;
    e->budget = budget;
    e->of = of;
    of->users++;
    e->n_covered = n_labels;
    e->covered = malloc(n_labels / 8 + 1);
    if (!e->covered) {
        nbx_excerpt_destroy(out);
        return NBX_ELIMIT;
    }
    memcpy(e->covered, labels, n_labels / 8);
    return NBX_OK;
}

void nbx_excerpt_destroy(struct nbx_excerpt **excerpt)
{
    struct nbx_excerpt *e = *excerpt;
    *excerpt = NULL;
    if (!e)
        return;
    struct nbx_packed *s = &e->pack;
    nbx_pages_free(s->sketches.codes, s->n_tiles * s->sketches.bytes);
    nbx_pages_free(s->sketches.scales, s->n_tiles * NBX_TILE_SCALES);
    free(s->labels);
    free(s->origins);
    free(s->nodes);
    free(s->node_of_tile);
    free(s->runs);
    free(e->covered);
    nbx_packed_release(&e->of);
    nbx_budget_give(e->budget, e->charged);
    free(e);
}

static bool has_label(const uint64_t *labels, size_t n, uint32_t label)
{
    return label < n && (labels[label / 64] >> label % 64 & 1);
}

/* The positions of a run [first, end). */
static void run_span(const struct nbx_packed *s, size_t run, size_t *first, size_t *end)
{
    const struct nbx_node *last = &s->nodes[s->runs[run].end - 1];
    *first = (size_t)s->nodes[s->runs[run].first].first_tile * NBX_TILE_ITEMS;
    *end = (size_t)(last->first_tile + last->n_tiles) * NBX_TILE_ITEMS;
}

/* Where a run's items lie, into origins unless that is NULL; returns how many there are. */
static size_t find_items(const struct nbx_excerpt *e, size_t run, uint32_t *origins)
{
    size_t at, end, n = 0;
    for (run_span(e->of, run, &at, &end); at < end; at++) {
        if (!has_label(e->covered, e->n_covered, e->of->labels[at]))
            continue;
        if (origins)
            origins[n] = (uint32_t)at;
        n++;
    }
    return n;
}

/* As many runs as the pack has of which an item passes; each has tiles and nodes of its own. */
static void count(struct nbx_packed *s, const struct nbx_excerpt *e)
{
    for (size_t r = 0; r < e->of->n_runs; r++) {
        size_t n = find_items(e, r, NULL), tiles = nbx_tiles_for(n);
        s->n += n;
        s->n_tiles += tiles;
        s->n_nodes += nbx_nodes_for(tiles);
        s->n_runs += n > 0;
    }
}

static size_t beside_sketches(const struct nbx_packed *s)
{
    return s->n_tiles * NBX_TILE_ITEMS * (sizeof *s->labels + sizeof *s->origins) +
           s->n_nodes * sizeof *s->nodes + s->n_tiles * sizeof *s->node_of_tile +
           s->n_runs * sizeof *s->runs;
}

static enum nbx_err allocate(struct nbx_excerpt *e)
{
    struct nbx_packed *s = &e->pack;
    size_t positions = s->n_tiles * NBX_TILE_ITEMS;
    size_t bytes =
        s->n_tiles * (s->sketches.bytes + NBX_TILE_SCALES) + beside_sketches(s) + e->n_covered / 8;
    enum nbx_err err = nbx_budget_take(e->budget, bytes);
    if (err)
        return err;
    e->charged = bytes;
    s->sketches.codes = nbx_pages_new(s->n_tiles * s->sketches.bytes);
    s->sketches.scales = nbx_pages_new(s->n_tiles * NBX_TILE_SCALES);
    s->labels = malloc((positions + 1) * sizeof *s->labels);
    s->origins = malloc((positions + 1) * sizeof *s->origins);
    s->nodes = calloc(s->n_nodes + 1, sizeof *s->nodes);
    s->node_of_tile = calloc(s->n_tiles + 1, sizeof *s->node_of_tile);
    s->runs = calloc(s->n_runs + 1, sizeof *s->runs);
    if (!s->sketches.codes || !s->sketches.scales || !s->labels || !s->origins || !s->nodes ||
        !s->node_of_tile || !s->runs)
        return NBX_ELIMIT;
    memset(s->labels, 0xFF, positions * sizeof *s->labels);
    memset(s->origins, 0xFF, positions * sizeof *s->origins);
    return NBX_OK;
}

/* Labels and sketches of a node whose origins are there: n items from a tile on. */
static void copy_node(struct nbx_excerpt *e, struct nbx_node *node, size_t n)
{
    struct nbx_packed *s = &e->pack;
    struct nbx_sketch_place places[NBX_NODE_ITEMS];
    struct nbx_sketches to = nbx_sketches_at(&s->sketches, node->first_tile);
    size_t first = (size_t)node->first_tile * NBX_TILE_ITEMS;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = s->origins[first + i];
        const struct nbx_node *home = &e->of->nodes[e->of->node_of_tile[at / NBX_TILE_ITEMS]];
        places[i] = (struct nbx_sketch_place){&e->of->sketches, &home->items, at};
        s->labels[first + i] = e->of->labels[at];
    }
    nbx_sketch_copy(&to, &node->items, s->dim, places, n);
}

/* The nodes of n items from a tile on; returns the node behind them. */
static size_t copy_run(struct nbx_excerpt *e, size_t node, size_t tile, size_t n)
{
    struct nbx_packed *s = &e->pack;
    for (size_t done = 0; done < n; done += NBX_NODE_ITEMS, node++) {
        size_t here = n - done < NBX_NODE_ITEMS ? n - done : NBX_NODE_ITEMS;
        s->nodes[node] = (struct nbx_node){.first_tile = (uint32_t)(tile + done / NBX_TILE_ITEMS),
                                           .n_tiles = (uint32_t)nbx_tiles_for(here)};
        for (size_t t = 0; t < s->nodes[node].n_tiles; t++)
            s->node_of_tile[s->nodes[node].first_tile + t] = (uint32_t)node;
        copy_node(e, &s->nodes[node], here);
    }
    return node;
}

enum nbx_err nbx_excerpt_fill(struct nbx_excerpt *e)
{
    struct nbx_packed *s = &e->pack;
    *s = (struct nbx_packed){.dim = e->of->dim, .padded = e->of->padded, .rows = e->of->rows};
    s->sketches.bytes = e->of->sketches.bytes;
    count(s, e);
    enum nbx_err err = allocate(e);
    size_t node = 0, tile = 0, run = 0;
    for (size_t r = 0; !err && r < e->of->n_runs; r++) {
        size_t n = find_items(e, r, s->origins + tile * NBX_TILE_ITEMS), first = node;
        if (n == 0)
            continue;
        node = copy_run(e, first, tile, n);
        s->runs[run++] = (struct nbx_node_run){(uint32_t)first, (uint32_t)node};
        tile += nbx_tiles_for(n);
    }
    if (!err)
        nbx_packed_look_ahead(s);
    return err;
}

size_t nbx_excerpt_bytes(const struct nbx_packed *of, size_t n)
{
    size_t item = (of->sketches.bytes + NBX_TILE_SCALES) / NBX_TILE_ITEMS + 2 * sizeof *of->labels;
    return n * item;
}

/* Whether the pack has none of the labels of a word. */
static bool has_none(const struct nbx_packed *pack, size_t word, uint64_t bits)
{
    for (; bits; bits &= bits - 1) {
        uint32_t label = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
        if (nbx_packed_find(pack, label) != NBX_NO_POSITION)
            return false;
    }
    return true;
}

bool nbx_excerpt_covers(const struct nbx_excerpt *e, const uint64_t *labels, size_t n_labels)
{
    for (size_t w = 0; w < n_labels / 64; w++) {
        uint64_t more = labels[w] & ~(w < e->n_covered / 64 ? e->covered[w] : 0);
        if (more && !has_none(e->of, w, more))
            return false;
    }
    return true;
}

enum nbx_err nbx_excerpt_view(const struct nbx_index **out, const struct nbx_index *index,
                              const struct nbx_excerpt *excerpt, struct nbx_arena *arena)
{
    struct nbx_index *view = nbx_arena_alloc(arena, sizeof *view);
    struct nbx_index_part *parts = nbx_arena_alloc(arena, (index->n_parts + 1) * sizeof *parts);
    *out = view;
    if (!view || !parts)
        return NBX_ELIMIT;
    *view = *index;
    view->parts = parts;
    for (size_t p = 0; p < index->n_parts; p++) {
        parts[p] = index->parts[p];
        if (parts[p].pack != excerpt->of)
            continue;
        parts[p].pack = (struct nbx_packed *)&excerpt->pack; /* a view is read alone */
        parts[p].n_live = excerpt->pack.n;
    }
    return NBX_OK;
}

uint32_t nbx_excerpt_live_items(const struct nbx_index_part *part, size_t tile)
{
    const uint32_t *origins = part->pack->origins + tile * NBX_TILE_ITEMS;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < NBX_TILE_ITEMS && origins[i] != NBX_NO_POSITION; i++)
        bits |= (uint32_t)(part->live[origins[i] / 64] >> origins[i] % 64 & 1) << i;
    return bits;
}
