/* SPDX-License-Identifier: MIT */
#include "engine/score/packed.h"

#include "engine/base/check.h"
#include "engine/base/pages.h"
#include "engine/base/parallel.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights within one class differ by at most this factor: the finer, the tighter the bounds and
 * the more runs a search goes through side by side. */
#define CLASS_RATIO 1.25f
#define CLASSES     62 /* by weight, from the largest down; the last takes all that is smaller */
#define CLASS_ZERO  62 /* weight 0 or less */
#define MAX_RUNS    63

/* Large enough that a thread's start does not show, small enough to share out evenly. */
#define ITEMS_A_CHUNK  16384
#define BLOCKS_A_CHUNK 256

/* One item on its way to a position. */
struct place {
    uint64_t key; /* class, then falling norm */
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

static float norm_of(const float *x, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * x[d];
    return (float)sqrt(sum);
}

/* Bits of a float >= 0 order like it; upside down for falling order. */
static uint64_t falling(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return UINT32_MAX - bits;
}

/* A loop over all items, a chunk at a time. */
struct ordering {
    struct place *places; /* (n) */
    const struct nbx_packed_items *items;
    float most; /* weight */
};

static enum nbx_err place_chunk(void *ctx, unsigned worker, size_t chunk)
{
    const struct ordering *o = ctx;
    const struct nbx_packed_items *items = o->items;
    size_t end = (chunk + 1) * ITEMS_A_CHUNK;
    (void)worker;
    for (size_t i = chunk * ITEMS_A_CHUNK; i < end && i < items->n; i++) {
        uint64_t class = items->weights ? class_of(items->weights[i], o->most) : 0;
        float norm = norm_of(items->vectors + i * items->stride, items->dim);
        o->places[i] = (struct place){class << 32 | falling(norm), (uint32_t)i};
    }
    return NBX_OK;
}

static unsigned threads_of(const struct nbx_packed_items *items)
{
    return items->threads ? items->threads : 1;
}

static size_t chunks_of(size_t n, size_t a_chunk)
{
    return (n + a_chunk - 1) / a_chunk;
}

static enum nbx_err order_items(struct place *places, const struct nbx_packed_items *items)
{
    struct ordering o = {.places = places, .items = items};
    for (size_t i = 0; items->weights && i < items->n; i++)
        o.most = fmaxf(o.most, items->weights[i]);
    enum nbx_err err =
        nbx_parallel(threads_of(items), chunks_of(items->n, ITEMS_A_CHUNK), place_chunk, &o);
    return err ? err : sort_places(places, items->n);
}

/* Cuts the ordered items into runs by class; each begins a block. */
static enum nbx_err cut_runs(struct nbx_packed *s, const struct place *places)
{
    s->runs = calloc(MAX_RUNS, sizeof *s->runs);
    if (!s->runs)
        return NBX_ELIMIT;
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        while (end < s->n && places[end].key >> 32 == places[i].key >> 32)
            end++;
        size_t blocks = (end - i + NBX_TILE_ITEMS - 1) / NBX_TILE_ITEMS;
        s->runs[s->n_runs++] =
            (struct nbx_block_run){(uint32_t)s->n_blocks, (uint32_t)(s->n_blocks + blocks)};
        s->n_blocks += blocks;
        i = end;
    }
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

/* sources (n_blocks * 64): the item at each position. */
static enum nbx_err put_labels(struct nbx_packed *s, const struct nbx_packed_items *items,
                               const struct place *places, uint32_t *sources)
{
    size_t at = 0;
    for (size_t r = 0; r < s->n_runs; r++) {
        size_t position = (size_t)s->runs[r].first * NBX_TILE_ITEMS;
        uint64_t class = places[at].key >> 32;
        for (; at < s->n && places[at].key >> 32 == class; at++, position++) {
            sources[position] = places[at].from;
            s->labels[position] = items->labels[places[at].from];
            if (note_position(s, s->labels[position], (uint32_t)position))
                return NBX_ELIMIT;
        }
    }
    return NBX_OK;
}

/* A loop over all blocks, a chunk at a time. */
struct filling {
    struct nbx_packed *pack;
    const struct nbx_packed_items *items;
    const uint32_t *sources;
};

static void fill_block(const struct filling *f, size_t block)
{
    struct nbx_packed *s = f->pack;
    size_t first = block * NBX_TILE_ITEMS, n = 0;
    for (; n < NBX_TILE_ITEMS && s->labels[first + n] != NBX_NO_LABEL; n++)
        memcpy(s->rows + (first + n) * s->padded,
               f->items->vectors + f->sources[first + n] * f->items->stride,
               s->dim * sizeof *s->rows);
    nbx_tile_pack(s->tiles + block * s->tile_bytes, &s->infos[block], s->rows + first * s->padded,
                  n, s->dim);
}

static enum nbx_err fill_chunk(void *ctx, unsigned worker, size_t chunk)
{
    const struct filling *f = ctx;
    size_t end = (chunk + 1) * BLOCKS_A_CHUNK;
    (void)worker;
    for (size_t b = chunk * BLOCKS_A_CHUNK; b < end && b < f->pack->n_blocks; b++)
        fill_block(f, b);
    return NBX_OK;
}

static enum nbx_err put_items(struct nbx_packed *s, const struct nbx_packed_items *items,
                              const struct place *places)
{
    uint32_t *sources = malloc((s->n_blocks * NBX_TILE_ITEMS + 1) * sizeof *sources);
    enum nbx_err err = sources ? put_labels(s, items, places, sources) : NBX_ELIMIT;
    struct filling f = {s, items, sources};
    if (!err)
        err =
            nbx_parallel(threads_of(items), chunks_of(s->n_blocks, BLOCKS_A_CHUNK), fill_chunk, &f);
    free(sources);
    return err;
}

static size_t count_pages(const struct nbx_packed_items *items)
{
    uint32_t most = 0;
    for (size_t i = 0; i < items->n; i++)
        most = items->labels[i] > most ? items->labels[i] : most;
    return items->n ? most / NBX_LABEL_PAGE + 1 : 0;
}

/* Takes the charge for what is about to be allocated; what that is to the byte is known later. */
static enum nbx_err charge_first(struct nbx_packed *s)
{
    size_t block = s->tile_bytes + sizeof *s->infos +
                   NBX_TILE_ITEMS * (s->padded * sizeof *s->rows + sizeof *s->labels);
    size_t bytes = chunks_of(s->n, NBX_TILE_ITEMS) * block;
    enum nbx_err err = nbx_budget_take(s->budget, bytes);
    s->charged = err ? 0 : bytes;
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

enum nbx_err nbx_packed_new(struct nbx_packed **out, const struct nbx_packed_items *items)
{
    *out = NULL;
    NBX_ASSERT(items->dim > 0 && items->n < UINT32_MAX - MAX_RUNS * NBX_TILE_ITEMS);
    struct nbx_packed *s = calloc(1, sizeof *s);
    struct place *places = s ? malloc((items->n + 1) * sizeof *places) : NULL;
    enum nbx_err err = places ? NBX_OK : NBX_ELIMIT;
    if (s) {
        *s = (struct nbx_packed){.users = 1,
                                 .budget = items->budget,
                                 .dim = items->dim,
                                 .padded = nbx_padded(items->dim),
                                 .tile_bytes = nbx_tile_bytes(items->dim),
                                 .n = items->n,
                                 .n_pages = count_pages(items)};
        if (!err && !(err = charge_first(s)) && !(err = order_items(places, items)) &&
            !(err = cut_runs(s, places)) && !(err = allocate(s)) &&
            !(err = put_items(s, items, places)))
            err = charge_exactly(s);
    }
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
    free(s->labels);
    free(s->infos);
    free(s->runs);
    free(s->pages);
    nbx_budget_give(s->budget, s->charged);
    free(s);
}

size_t nbx_packed_bytes_beside(const struct nbx_packed *s)
{
    size_t bytes = sizeof *s + s->n_blocks * (s->tile_bytes + sizeof *s->infos) +
                   s->n_blocks * NBX_TILE_ITEMS * sizeof *s->labels + s->n_pages * sizeof *s->pages;
    for (size_t i = 0; i < s->n_pages; i++)
        bytes += s->pages[i] ? NBX_LABEL_PAGE * sizeof *s->pages[i] : 0;
    return bytes;
}

size_t nbx_packed_bytes(const struct nbx_packed *s)
{
    return nbx_packed_bytes_beside(s) + s->n_blocks * NBX_TILE_ITEMS * s->padded * sizeof *s->rows;
}
