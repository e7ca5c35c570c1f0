/* SPDX-License-Identifier: MIT */
#include "engine/score/packed.h"

#include "engine/base/check.h"
#include "engine/base/pages.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights within one class differ by at most this factor: the finer, the tighter the bounds and
 * the more runs a search goes through side by side. */
#define CLASS_RATIO 1.25f
#define CLASSES     62 /* by weight, from the largest down; the last takes all that is smaller */
#define CLASS_ZERO  62 /* weight 0 or less */

/* One item on its way to a position. */
struct place {
    uint64_t key; /* slice (class of weight, or cell), then falling norm */
    uint32_t from;
};

/* Stable least-significant-digit radix sort by key, 16 bits at a time. */
static enum nbx_err sort_places(struct place *places, size_t n)
{
    struct place *from = places, *to = malloc((n + 1) * sizeof *to), *scratch = to;
    size_t *starts = malloc(65537 * sizeof *starts);
    for (int shift = 0; to && starts && shift < 48; shift += 16) {
        memset(starts, 0, 65537 * sizeof *starts);
        for (size_t i = 0; i < n; i++)
            starts[(from[i].key >> shift & 0xFFFF) + 1]++;
        for (size_t d = 0; d < 65536; d++)
            starts[d + 1] += starts[d];
        for (size_t i = 0; i < n; i++)
            to[starts[from[i].key >> shift & 0xFFFF]++] = from[i];
        struct place *swap = from;
        from = to;
        to = swap;
    }
    bool sorted = scratch && starts;
    if (sorted)
        memcpy(places, from, n * sizeof *places); /* three passes end in the scratch array */
    free(scratch);
    free(starts);
    return sorted ? NBX_OK : NBX_ELIMIT;
}

static unsigned class_of(float weight, float most)
{
    if (!(weight > 0))
        return CLASS_ZERO;
    float class = logf(most / weight) / logf(CLASS_RATIO);
    return class < CLASSES - 1 ? (unsigned)class : CLASSES - 1;
}

/* Bits of a float >= 0 order like it; upside down for falling order. */
static uint64_t falling(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return UINT32_MAX - bits;
}

static enum nbx_err order_items(struct place *places, const struct nbx_packed_items *items)
{
    float most = 0;
    for (size_t i = 0; items->weights && i < items->n; i++)
        most = fmaxf(most, items->weights[i]);
    for (size_t i = 0; i < items->n; i++) {
        uint64_t slice = items->cells     ? items->cells[i]
                         : items->weights ? class_of(items->weights[i], most)
                                          : 0;
        float norm = nbx_tile_norm(items->vectors + i * items->stride, items->dim);
        places[i] = (struct place){slice << 32 | falling(norm), (uint32_t)i};
    }
    return sort_places(places, items->n);
}

/* Items of one slice side by side; each slice begins a block. */
struct slice {
    size_t first_item, end_item;
    uint32_t first, end; /* blocks */
};

/* Cuts the ordered items into slices: *out (*n), the caller's to free. */
static enum nbx_err cut_slices(struct slice **out, size_t *n, const struct place *places,
                               size_t n_items)
{
    size_t room = 1;
    for (size_t i = 1; i < n_items; i++)
        room += places[i].key >> 32 != places[i - 1].key >> 32;
    struct slice *slices = calloc(room, sizeof *slices);
    *n = 0;
    *out = slices;
    for (size_t i = 0, end, block = 0; slices && i < n_items; i = end) {
        for (end = i; end < n_items && places[end].key >> 32 == places[i].key >> 32; end++)
            continue;
        size_t blocks = (end - i + NBX_TILE_ITEMS - 1) / NBX_TILE_ITEMS;
        slices[(*n)++] = (struct slice){i, end, (uint32_t)block, (uint32_t)(block + blocks)};
        block += blocks;
    }
    return slices ? NBX_OK : NBX_ELIMIT;
}

/* A run for each class of weight; one for all cells. */
static enum nbx_err make_runs(struct nbx_packed *s, const struct slice *slices, size_t n,
                              bool partitioned)
{
    s->n_blocks = n ? slices[n - 1].end : 0;
    s->n_runs = partitioned && n ? 1 : n;
    s->runs = calloc(s->n_runs + 1, sizeof *s->runs);
    if (!s->runs)
        return NBX_ELIMIT;
    for (size_t r = 0; r < s->n_runs; r++)
        s->runs[r] = (struct nbx_block_run){
            .first = slices[r].first, .end = slices[r].end, .falling = !partitioned};
    if (partitioned && n)
        s->runs[0].end = (uint32_t)s->n_blocks;
    return NBX_OK;
}

static enum nbx_err allocate(struct nbx_packed *s)
{
    size_t positions = s->n_blocks * NBX_TILE_ITEMS;
    s->tiles = nbx_pages_new(s->n_blocks * s->tile_bytes);
    s->rows = nbx_pages_new(positions * s->padded * sizeof *s->rows);
    s->labels = malloc((positions + 1) * sizeof *s->labels);
    s->infos = calloc(s->n_blocks + 1, sizeof *s->infos);
    s->pages = calloc(s->n_pages + 1, sizeof *s->pages);
    if (!s->tiles || !s->rows || !s->labels || !s->infos || !s->pages)
        return NBX_ELIMIT;
    memset(s->labels, 0xFF, (positions + 1) * sizeof *s->labels);
    return NBX_OK;
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

static enum nbx_err put_slice(struct nbx_packed *s, const struct nbx_packed_items *items,
                              const struct place *places, const struct slice *slice)
{
    size_t position = (size_t)slice->first * NBX_TILE_ITEMS;
    for (size_t at = slice->first_item; at < slice->end_item; at++, position++) {
        uint32_t from = places[at].from;
        memcpy(s->rows + position * s->padded, items->vectors + from * items->stride,
               s->dim * sizeof *s->rows);
        s->labels[position] = items->labels[from];
        if (note_position(s, items->labels[from], (uint32_t)position))
            return NBX_ELIMIT;
    }
    return NBX_OK;
}

static void pack_tiles(struct nbx_packed *s)
{
    for (size_t b = 0; b < s->n_blocks; b++) {
        const uint32_t *labels = s->labels + b * NBX_TILE_ITEMS;
        size_t n = 0;
        while (n < NBX_TILE_ITEMS && labels[n] != NBX_NO_LABEL)
            n++;
        nbx_tile_pack(s->tiles + b * s->tile_bytes, &s->infos[b],
                      s->rows + b * NBX_TILE_ITEMS * s->padded, n, s->dim);
    }
    for (size_t r = 0; r < s->n_runs; r++)
        for (size_t b = s->runs[r].first; b < s->runs[r].end; b++)
            s->runs[r].norm = fmaxf(s->runs[r].norm, s->infos[b].norm);
}

/* The mean of a cell's rows into centre (padded) and how far they spread around it. */
static float measure_cell(float *centre, const struct nbx_packed *s, const struct slice *slice)
{
    const float *rows = s->rows + (size_t)slice->first * NBX_TILE_ITEMS * s->padded;
    size_t n = slice->end_item - slice->first_item;
    double sum = 0;
    for (size_t d = 0; d < s->dim; d++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            mean += rows[i * s->padded + d];
            square += (double)rows[i * s->padded + d] * rows[i * s->padded + d];
        }
        mean /= (double)n;
        centre[d] = (float)mean;
        sum += fmax(square / (double)n - mean * mean, 0);
    }
    return (float)sqrt(sum / (double)s->dim);
}

static size_t cell_tiles(const struct nbx_packed *s)
{
    return (s->cells.n + NBX_TILE_ITEMS - 1) / NBX_TILE_ITEMS;
}

static enum nbx_err make_cells(struct nbx_packed *s, const struct slice *slices, size_t n)
{
    struct nbx_cells *cells = &s->cells;
    cells->n = n;
    size_t n_tiles = cell_tiles(s);
    float *centres = calloc(n_tiles * NBX_TILE_ITEMS * s->padded + 1, sizeof *centres);
    cells->first = calloc(n + 1, sizeof *cells->first);
    cells->tiles = nbx_pages_new(n_tiles * s->tile_bytes);
    cells->infos = calloc(n_tiles + 1, sizeof *cells->infos);
    cells->spreads = calloc(n + 1, sizeof *cells->spreads);
    bool made = centres && cells->first && cells->tiles && cells->infos && cells->spreads;
    for (size_t i = 0; made && i < n; i++) {
        cells->first[i] = slices[i].first;
        cells->spreads[i] = measure_cell(centres + i * s->padded, s, &slices[i]);
    }
    for (size_t t = 0; made && t < n_tiles; t++) {
        size_t left = n - t * NBX_TILE_ITEMS;
        nbx_tile_pack(cells->tiles + t * s->tile_bytes, &cells->infos[t],
                      centres + t * NBX_TILE_ITEMS * s->padded,
                      left < NBX_TILE_ITEMS ? left : NBX_TILE_ITEMS, s->dim);
    }
    if (made)
        cells->first[n] = (uint32_t)s->n_blocks;
    free(centres);
    return made ? NBX_OK : NBX_ELIMIT;
}

static size_t count_pages(const struct nbx_packed_items *items)
{
    uint32_t most = 0;
    for (size_t i = 0; i < items->n; i++)
        most = items->labels[i] > most ? items->labels[i] : most;
    return items->n ? most / NBX_LABEL_PAGE + 1 : 0;
}

/* Everything behind the order of the items. */
static enum nbx_err fill(struct nbx_packed *s, const struct nbx_packed_items *items,
                         const struct place *places)
{
    struct slice *slices;
    size_t n;
    enum nbx_err err = cut_slices(&slices, &n, places, items->n);
    if (!err && !(err = make_runs(s, slices, n, items->cells != NULL)))
        err = allocate(s);
    for (size_t i = 0; !err && i < n; i++)
        err = put_slice(s, items, places, &slices[i]);
    if (!err) {
        pack_tiles(s);
        err = items->cells ? make_cells(s, slices, n) : NBX_OK;
    }
    free(slices);
    return err;
}

enum nbx_err nbx_packed_new(struct nbx_packed **out, const struct nbx_packed_items *items)
{
    *out = NULL;
    NBX_ASSERT(items->dim > 0 && items->n < UINT32_MAX / 2);
    struct nbx_packed *s = calloc(1, sizeof *s);
    struct place *places = malloc((items->n + 1) * sizeof *places);
    if (s)
        *s = (struct nbx_packed){.users = 1,
                                 .dim = items->dim,
                                 .padded = nbx_padded(items->dim),
                                 .tile_bytes = nbx_tile_bytes(items->dim),
                                 .n = items->n,
                                 .n_pages = count_pages(items)};
    enum nbx_err err = s && places ? order_items(places, items) : NBX_ELIMIT;
    if (!err)
        err = fill(s, items, places);
    free(places);
    if (err)
        nbx_packed_release(&s);
    *out = s;
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
    nbx_pages_free(s->tiles, s->n_blocks * s->tile_bytes);
    nbx_pages_free(s->rows, s->n_blocks * NBX_TILE_ITEMS * s->padded * sizeof *s->rows);
    nbx_pages_free(s->cells.tiles, cell_tiles(s) * s->tile_bytes);
    free(s->cells.first);
    free(s->cells.infos);
    free(s->cells.spreads);
    free(s->labels);
    free(s->infos);
    free(s->runs);
    free(s->pages);
    free(s);
}

size_t nbx_packed_bytes_beside(const struct nbx_packed *s)
{
    size_t bytes = sizeof *s + (s->n_blocks + cell_tiles(s)) * (s->tile_bytes + sizeof *s->infos) +
                   s->cells.n * (sizeof *s->cells.first + sizeof *s->cells.spreads) +
                   s->n_blocks * NBX_TILE_ITEMS * sizeof *s->labels + s->n_pages * sizeof *s->pages;
    for (size_t i = 0; i < s->n_pages; i++)
        bytes += s->pages[i] ? NBX_LABEL_PAGE * sizeof *s->pages[i] : 0;
    return bytes;
}

size_t nbx_packed_bytes(const struct nbx_packed *s)
{
    return nbx_packed_bytes_beside(s) + s->n_blocks * NBX_TILE_ITEMS * s->padded * sizeof *s->rows;
}
