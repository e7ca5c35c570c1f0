/* SPDX-License-Identifier: MIT */
#include "engine/score/packed.h"

#include "engine/base/check.h"
#include "engine/base/pages.h"
#include "engine/base/parallel.h"
#include "engine/score/arrange.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A pack under construction. */
struct build {
    struct nbx_packed *pack;
    const struct nbx_packed_items *items;
    struct nbx_arrangement arrangement;
    size_t *slice_tiles; /* (n_slices + 1) first tile of each slice */
};

/* How many tiles and nodes there will be: each slice has its own. */
static enum nbx_err count(struct build *b)
{
    const struct nbx_arrangement *a = &b->arrangement;
    struct nbx_packed *s = b->pack;
    b->slice_tiles = calloc(a->n_slices + 1, sizeof *b->slice_tiles);
    if (!b->slice_tiles)
        return NBX_ELIMIT;
    for (size_t i = 0; i < a->n_slices; i++) {
        size_t tiles = nbx_tiles_for(a->slices[i].end - a->slices[i].first);
        b->slice_tiles[i] = s->n_tiles;
        s->n_tiles += tiles;
        s->n_nodes += nbx_nodes_for(tiles);
    }
    b->slice_tiles[a->n_slices] = s->n_tiles;
    s->n_runs = b->items->cells && a->n_slices ? 1 : a->n_slices;
    return NBX_OK;
}

static enum nbx_err allocate(struct nbx_packed *s)
{
    size_t positions = s->n_tiles * NBX_TILE_ITEMS;
    s->sketches.codes = nbx_pages_new(s->n_tiles * s->sketches.bytes);
    s->sketches.scales = nbx_pages_new(s->n_tiles * NBX_TILE_SCALES);
    s->rows = nbx_pages_new(positions * s->padded * sizeof *s->rows);
    s->labels = malloc((positions + 1) * sizeof *s->labels);
    s->nodes = calloc(s->n_nodes + 1, sizeof *s->nodes);
    s->node_of_tile = calloc(s->n_tiles + 1, sizeof *s->node_of_tile);
    s->runs = calloc(s->n_runs + 1, sizeof *s->runs);
    s->pages = calloc(s->n_pages + 1, sizeof *s->pages);
    if (!s->sketches.codes || !s->sketches.scales || !s->rows || !s->labels || !s->nodes ||
        !s->node_of_tile || !s->runs || !s->pages)
        return NBX_ELIMIT;
    memset(s->labels, 0xFF, (positions + 1) * sizeof *s->labels);
    return NBX_OK;
}

/* Nodes and runs, their places alone. */
static void lay_out(struct build *b)
{
    struct nbx_packed *s = b->pack;
    size_t node = 0;
    for (size_t i = 0; i < b->arrangement.n_slices; i++) {
        size_t tile = b->slice_tiles[i], end = b->slice_tiles[i + 1];
        struct nbx_node_run *run = &s->runs[s->n_runs == 1 ? 0 : i];
        run->first = run->end ? run->first : (uint32_t)node;
        for (; tile < end; tile += NBX_NODE_TILES) {
            size_t n = end - tile < NBX_NODE_TILES ? end - tile : NBX_NODE_TILES;
            for (size_t t = 0; t < n; t++)
                s->node_of_tile[tile + t] = (uint32_t)node;
            s->nodes[node++] =
                (struct nbx_node){.first_tile = (uint32_t)tile, .n_tiles = (uint32_t)n};
        }
        run->end = (uint32_t)node;
    }
}

static enum nbx_err note_position(struct nbx_packed *s, uint32_t label, uint32_t position)
{
    uint32_t **page = &s->pages[label / NBX_LABEL_PAGE];
    if (!*page) {
        *page = malloc(NBX_LABEL_PAGE * sizeof **page);
        if (!*page)
            return NBX_ELIMIT;
        memset(*page, 0xFF, NBX_LABEL_PAGE * sizeof **page);
    }
    (*page)[label % NBX_LABEL_PAGE] = position;
    return NBX_OK;
}

static enum nbx_err put_items(struct build *b)
{
    struct nbx_packed *s = b->pack;
    for (size_t i = 0; i < b->arrangement.n_slices; i++) {
        const struct nbx_slice *slice = &b->arrangement.slices[i];
        size_t position = b->slice_tiles[i] * NBX_TILE_ITEMS;
        for (size_t at = slice->first; at < slice->end; at++, position++) {
            uint32_t label = b->items->labels[b->arrangement.order[at]];
            s->labels[position] = label;
            if (note_position(s, label, (uint32_t)position))
                return NBX_ELIMIT;
        }
    }
    return NBX_OK;
}

/* The vectors of a node's items, side by side; its last tile may be partly empty. */
static struct nbx_sketch_rows rows_of(const struct nbx_packed *s, const struct nbx_node *node)
{
    size_t first = (size_t)node->first_tile * NBX_TILE_ITEMS, n = 0;
    while (n < (size_t)node->n_tiles * NBX_TILE_ITEMS && s->labels[first + n] != NBX_NO_LABEL)
        n++;
    return (struct nbx_sketch_rows){s->rows + first * s->padded, n, s->padded, s->dim};
}

/* The rows as sketches are drawn of them; what *made points to is the caller's to free. */
static enum nbx_err stretch_rows(struct nbx_sketch_rows *rows, float **made,
                                 const struct nbx_packed *s)
{
    *made = NULL;
    if (!s->stretch)
        return NBX_OK;
    *made = malloc((rows->n * s->dim + 1) * sizeof **made);
    if (!*made)
        return NBX_ELIMIT;
    for (size_t i = 0; i < rows->n; i++)
        nbx_sketch_stretch(*made + i * s->dim, rows->p + i * rows->stride, s->stretch, s->dim);
    *rows = (struct nbx_sketch_rows){*made, rows->n, s->dim, s->dim};
    return NBX_OK;
}

/* A nbx_parallel_fn. */
static enum nbx_err pack_node(void *ctx, unsigned worker, size_t chunk)
{
    const struct build *b = ctx;
    struct nbx_packed *s = b->pack;
    struct nbx_node *node = &s->nodes[chunk];
    struct nbx_sketch_rows rows = rows_of(s, node);
    struct nbx_sketches to = nbx_sketches_at(&s->sketches, node->first_tile);
    uint8_t *scratch = malloc(s->dim);
    float *made;
    (void)worker;
    enum nbx_err err = stretch_rows(&rows, &made, s);
    if (!scratch)
        err = NBX_ELIMIT;
    if (!err)
        nbx_sketch_draw(&to, &node->items, &rows, scratch);
    free(scratch);
    free(made);
    return err;
}

static void copy_rows(const struct build *b)
{
    struct nbx_packed *s = b->pack;
    for (size_t i = 0; i < b->arrangement.n_slices; i++) {
        const struct nbx_slice *slice = &b->arrangement.slices[i];
        float *row = s->rows + b->slice_tiles[i] * NBX_TILE_ITEMS * s->padded;
        for (size_t at = slice->first; at < slice->end; at++, row += s->padded)
            memcpy(row, b->items->vectors + b->arrangement.order[at] * b->items->stride,
                   s->dim * sizeof *row);
    }
}

void nbx_packed_look_ahead(struct nbx_packed *s)
{
    for (size_t r = 0; r < s->n_runs; r++) {
        float norm = 0;
        for (size_t i = s->runs[r].end; i-- > s->runs[r].first;) {
            norm = fmaxf(norm, s->nodes[i].items.norm);
            s->nodes[i].norm_ahead = norm;
        }
    }
}

/* The mean of a cell's rows, stretched, into centre (padded) and how far they spread around it. */
static float measure_cell(float *centre, const struct nbx_packed *s, size_t tile, size_t n)
{
    const float *rows = s->rows + tile * NBX_TILE_ITEMS * s->padded;
    double sum = 0;
    for (size_t d = 0; d < s->dim; d++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            mean += rows[i * s->padded + d];
            square += (double)rows[i * s->padded + d] * rows[i * s->padded + d];
        }
        double by = s->stretch ? (double)s->stretch[d] : 1;
        mean /= (double)n;
        centre[d] = (float)(mean * by);
        sum += fmax(square / (double)n - mean * mean, 0) * by * by;
    }
    return (float)sqrt(sum / (double)s->dim);
}

static enum nbx_err allocate_cells(struct nbx_cells *cells, size_t n, size_t bytes)
{
    cells->n = n;
    cells->n_tiles = nbx_tiles_for(n);
    cells->first = calloc(n + 1, sizeof *cells->first);
    cells->centres.bytes = bytes;
    cells->centres.codes = nbx_pages_new(cells->n_tiles * bytes);
    cells->centres.scales = nbx_pages_new(cells->n_tiles * NBX_TILE_SCALES);
    cells->infos = calloc(cells->n_tiles + 1, sizeof *cells->infos);
    cells->spreads = calloc(n + 1, sizeof *cells->spreads);
    return cells->first && cells->centres.codes && cells->centres.scales && cells->infos &&
                   cells->spreads
               ? NBX_OK
               : NBX_ELIMIT;
}

/* One tile of centres (n, padded) from the first of it on. */
static void draw_centres(struct nbx_packed *s, size_t tile, const float *centres, uint8_t *scratch)
{
    struct nbx_cells *cells = &s->cells;
    size_t left = cells->n - tile * NBX_TILE_ITEMS;
    struct nbx_sketch_rows rows = {centres, left < NBX_TILE_ITEMS ? left : NBX_TILE_ITEMS,
                                   s->padded, s->dim};
    struct nbx_sketches to = nbx_sketches_at(&cells->centres, tile);
    nbx_sketch_draw(&to, &cells->infos[tile], &rows, scratch);
}

static enum nbx_err make_cells(const struct build *b)
{
    struct nbx_packed *s = b->pack;
    struct nbx_cells *cells = &s->cells;
    size_t n = b->arrangement.n_slices;
    enum nbx_err err = allocate_cells(cells, n, s->sketches.bytes);
    float *centres = calloc(n * s->padded + 1, sizeof *centres);
    uint8_t *scratch = malloc(s->dim);
    if (!centres || !scratch)
        err = NBX_ELIMIT;
    for (size_t i = 0; !err && i < n; i++) {
        const struct nbx_slice *slice = &b->arrangement.slices[i];
        cells->first[i] = (uint32_t)b->slice_tiles[i];
        cells->spreads[i] =
            measure_cell(centres + i * s->padded, s, b->slice_tiles[i], slice->end - slice->first);
    }
    for (size_t t = 0; !err && t < cells->n_tiles; t++)
        draw_centres(s, t, centres + t * NBX_TILE_ITEMS * s->padded, scratch);
    if (!err)
        cells->first[n] = (uint32_t)s->n_tiles;
    free(centres);
    free(scratch);
    return err;
}

/* Takes the charge for most of what will be allocated; what that is to the byte is known later. */
static enum nbx_err charge_first(struct nbx_packed *s)
{
    size_t vector = s->padded * sizeof *s->rows + s->sketches.bytes / NBX_TILE_ITEMS;
    enum nbx_err err = nbx_budget_take(s->budget, s->n * vector);
    s->charged = err ? 0 : s->n * vector;
    return err;
}

static enum nbx_err charge_exactly(struct nbx_packed *s)
{
    size_t bytes = nbx_packed_bytes(s);
    enum nbx_err err = NBX_OK;
    if (bytes > s->charged)
        err = nbx_budget_take(s->budget, bytes - s->charged);
    else
        nbx_budget_give(s->budget, s->charged - bytes);
    s->charged = err ? s->charged : bytes;
    return err;
}

static enum nbx_err fill(struct build *b)
{
    struct nbx_packed *s = b->pack;
    enum nbx_err err;
    if ((err = nbx_arrange(&b->arrangement, b->items)) || (err = count(b)) || (err = allocate(s)))
        return err;
    lay_out(b);
    if ((err = put_items(b)))
        return err;
    copy_rows(b);
    unsigned threads = s->n_nodes > 16 && b->items->threads ? b->items->threads : 1;
    if ((err = nbx_parallel(threads, s->n_nodes, pack_node, b)))
        return err;
    nbx_packed_look_ahead(s);
    return b->items->cells ? make_cells(b) : NBX_OK;
}

static size_t count_pages(const struct nbx_packed_items *items)
{
    uint32_t most = 0;
    for (size_t i = 0; i < items->n; i++)
        most = items->labels[i] > most ? items->labels[i] : most;
    return items->n ? most / NBX_LABEL_PAGE + 1 : 0;
}

enum nbx_err nbx_packed_new(struct nbx_packed **out, const struct nbx_packed_items *items)
{
    struct build b = {.pack = calloc(1, sizeof *b.pack), .items = items};
    *out = NULL;
    NBX_ASSERT(items->dim > 0 && items->n < UINT32_MAX / 2);
    if (!b.pack)
        return NBX_ELIMIT;
    *b.pack = (struct nbx_packed){.users = 1,
                                  .budget = items->budget,
                                  .dim = items->dim,
                                  .stretch = items->stretch,
                                  .padded = nbx_padded(items->dim),
                                  .sketches.bytes = nbx_sketch_groups(items->dim) * NBX_GROUP_BYTES,
                                  .n = items->n,
                                  .n_pages = count_pages(items)};
    enum nbx_err err = charge_first(b.pack);
    if (!err && !(err = fill(&b)))
        err = charge_exactly(b.pack);
    nbx_arrangement_fini(&b.arrangement);
    free(b.slice_tiles);
    if (err)
        nbx_packed_release(&b.pack);
    *out = b.pack;
    return err;
}

void nbx_packed_release(struct nbx_packed **pack)
{
    struct nbx_packed *s = *pack;
    *pack = NULL;
    if (!s || --s->users > 0)
        return;
    for (size_t i = 0; s->pages && i < s->n_pages; i++)
        free(s->pages[i]);
    nbx_pages_free(s->sketches.codes, s->n_tiles * s->sketches.bytes);
    nbx_pages_free(s->sketches.scales, s->n_tiles * NBX_TILE_SCALES);
    nbx_pages_free(s->rows, s->n_tiles * NBX_TILE_ITEMS * s->padded * sizeof *s->rows);
    nbx_pages_free(s->cells.centres.codes, s->cells.n_tiles * s->cells.centres.bytes);
    nbx_pages_free(s->cells.centres.scales, s->cells.n_tiles * NBX_TILE_SCALES);
    free(s->cells.first);
    free(s->cells.infos);
    free(s->cells.spreads);
    free(s->labels);
    free(s->nodes);
    free(s->node_of_tile);
    free(s->runs);
    free(s->pages);
    nbx_budget_give(s->budget, s->charged);
    free(s);
}

static size_t cell_bytes(const struct nbx_packed *s)
{
    const struct nbx_cells *c = &s->cells;
    return c->n_tiles * (c->centres.bytes + NBX_TILE_SCALES + sizeof *c->infos) +
           c->n * (sizeof *c->first + sizeof *c->spreads);
}

size_t nbx_packed_bytes_beside(const struct nbx_packed *s)
{
    size_t bytes = sizeof *s + cell_bytes(s) +
                   s->n_tiles * (s->sketches.bytes + NBX_TILE_SCALES + sizeof *s->node_of_tile) +
                   s->n_tiles * NBX_TILE_ITEMS * sizeof *s->labels + s->n_nodes * sizeof *s->nodes +
                   s->n_runs * sizeof *s->runs + s->n_pages * sizeof *s->pages;
    for (size_t i = 0; i < s->n_pages; i++)
        bytes += s->pages[i] ? NBX_LABEL_PAGE * sizeof *s->pages[i] : 0;
    return bytes;
}

size_t nbx_packed_bytes(const struct nbx_packed *s)
{
    return nbx_packed_bytes_beside(s) + s->n_tiles * NBX_TILE_ITEMS * s->padded * sizeof *s->rows;
}
