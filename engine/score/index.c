/* SPDX-License-Identifier: MIT */
#include "engine/score/index.h"

#include "engine/base/charged.h"
#include "engine/base/check.h"
#include "engine/score/dot.h"
#include "engine/score/partition.h"

#include <stdlib.h>
#include <string.h>

/* A change puts the last packs together with its own items while they are of its size, or tiny, as
 * a log-structured merge tree does: each item moves a few times, and sizes fall by half from part
 * to part. Never more than SMALL_ITEMS at once: a few milliseconds. */
#define TINY_ITEMS  256
#define SMALL_ITEMS 8192
#define MANY_PARTS  16
#define FEW_DEAD    256 /* not worth a thread */

/* An empty view with the dimensions, stretch and budget of another. */
static enum nbx_err view_new(struct nbx_index **out, const struct nbx_index *like, size_t room)
{
    struct nbx_index *index = calloc(1, sizeof *index);
    *out = NULL;
    if (!index)
        return NBX_ELIMIT;
    index->dim = like->dim;
    index->stretch = like->stretch;
    index->budget = like->budget;
    index->padded = nbx_padded(like->dim);
    index->parts = calloc(room + 1, sizeof *index->parts);
    if (!index->parts) {
        free(index);
        return NBX_ELIMIT;
    }
    *out = index;
    return NBX_OK;
}

static size_t live_bytes(const struct nbx_packed *pack)
{
    return (nbx_packed_words(pack) + 1) * sizeof(uint64_t);
}

/* Takes the last part out of the view. */
static void drop_part(struct nbx_index *index)
{
    struct nbx_index_part *part = &index->parts[--index->n_parts];
    nbx_charged_free(index->budget, part->live, live_bytes(part->pack));
    nbx_packed_release(&part->pack);
}

void nbx_index_destroy(struct nbx_index **index)
{
    if (!index || !*index)
        return;
    while ((*index)->n_parts > 0)
        drop_part(*index);
    free((*index)->parts);
    free(*index);
    *index = NULL;
}

/* Adds a pack to the view, which takes over the caller's share; live NULL: all its items. */
static enum nbx_err add_part(struct nbx_index *index, struct nbx_packed *pack,
                             const struct nbx_index_part *like)
{
    struct nbx_index_part *part = &index->parts[index->n_parts];
    part->live = nbx_charged_calloc(index->budget, live_bytes(pack));
    if (!part->live)
        return NBX_ELIMIT;
    part->pack = pack;
    index->n_parts++;
    if (like) {
        memcpy(part->live, like->live, nbx_packed_words(pack) * sizeof *part->live);
        part->n_live = like->n_live;
        return NBX_OK;
    }
    part->n_live = pack->n;
    for (size_t at = 0; at < pack->n_tiles * NBX_TILE_ITEMS; at++)
        if (pack->labels[at] != NBX_NO_LABEL)
            part->live[at / 64] |= UINT64_C(1) << at % 64;
    return NBX_OK;
}

static enum nbx_err share_part(struct nbx_index *index, const struct nbx_index_part *part)
{
    enum nbx_err err = add_part(index, part->pack, part);
    if (!err)
        part->pack->users++;
    return err;
}

static bool is_live(const struct nbx_index_part *part, uint32_t position)
{
    return position != NBX_NO_POSITION && (part->live[position / 64] >> position % 64 & 1);
}

static void kill_label(struct nbx_index_part *part, uint32_t label)
{
    uint32_t position = nbx_packed_find(part->pack, label);
    if (!is_live(part, position))
        return;
    part->live[position / 64] &= ~(UINT64_C(1) << position % 64);
    part->n_live--;
}

static enum nbx_err add_items(struct nbx_index *index, const struct nbx_packed_items *items)
{
    struct nbx_packed *pack;
    enum nbx_err err = nbx_packed_new(&pack, items);
    if (err)
        return err;
    err = add_part(index, pack, NULL);
    if (err)
        nbx_packed_release(&pack);
    return err;
}

/* items with labels 0, 1, ... where they have none; *made is the caller's to free. */
static enum nbx_err give_labels(struct nbx_packed_items *items, uint32_t **made)
{
    *made = NULL;
    if (items->stride == 0)
        items->stride = items->dim;
    if (items->labels)
        return NBX_OK;
    *made = malloc((items->n + 1) * sizeof **made);
    if (!*made)
        return NBX_ELIMIT;
    for (size_t i = 0; i < items->n; i++)
        (*made)[i] = (uint32_t)i;
    items->labels = *made;
    return NBX_OK;
}

enum nbx_err nbx_index_new(struct nbx_index **out, const struct nbx_packed_items *items)
{
    const struct nbx_index like = {
        .dim = items->dim, .stretch = items->stretch, .budget = items->budget};
    struct nbx_packed_items labelled = *items;
    uint32_t *made;
    *out = NULL;
    enum nbx_err err = give_labels(&labelled, &made);
    if (!err)
        err = view_new(out, &like, 1);
    if (!err && (err = add_items(*out, &labelled)))
        nbx_index_destroy(out);
    free(made);
    return err;
}

size_t nbx_index_count(const struct nbx_index *index)
{
    size_t n = 0;
    for (size_t p = 0; p < index->n_parts; p++)
        n += index->parts[p].n_live;
    return n;
}

static size_t view_bytes(const struct nbx_index *index)
{
    size_t bytes = sizeof *index + index->n_parts * sizeof *index->parts;
    for (size_t p = 0; p < index->n_parts; p++)
        bytes += nbx_packed_words(index->parts[p].pack) * sizeof *index->parts[p].live;
    return bytes;
}

size_t nbx_index_bytes(const struct nbx_index *index)
{
    size_t bytes = view_bytes(index);
    for (size_t p = 0; p < index->n_parts; p++)
        bytes += nbx_packed_bytes(index->parts[p].pack);
    return bytes;
}

size_t nbx_index_bytes_beside(const struct nbx_index *index)
{
    size_t bytes = view_bytes(index);
    for (size_t p = 0; p < index->n_parts; p++)
        bytes += nbx_packed_bytes_beside(index->parts[p].pack);
    return bytes;
}

const float *nbx_index_vector(const struct nbx_index *index, uint32_t label)
{
    for (size_t p = 0; p < index->n_parts; p++) {
        uint32_t position = nbx_packed_find(index->parts[p].pack, label);
        if (is_live(&index->parts[p], position))
            return nbx_packed_row(index->parts[p].pack, position);
    }
    return NULL;
}

/* Live items gathered out of several parts, to be packed together. */
struct gathered {
    struct nbx_budget *budget;
    const float *stretch;
    size_t dim, room, n;
    float *vectors;   /* (room, dim) */
    uint32_t *labels; /* (room) */
    float *weights;   /* (room), NULL: none asked for */
};

static size_t gathered_bytes(const struct gathered *g)
{
    return (g->room * g->dim + 1) * sizeof *g->vectors;
}

static enum nbx_err gather_begin(struct gathered *g, const struct nbx_index *index, size_t room,
                                 bool weighted)
{
    *g = (struct gathered){
        .budget = index->budget, .stretch = index->stretch, .dim = index->dim, .room = room};
    g->vectors = nbx_charged_aligned(g->budget, gathered_bytes(g));
    g->labels = malloc((room + 1) * sizeof *g->labels);
    g->weights = weighted ? malloc((room + 1) * sizeof *g->weights) : NULL;
    return g->vectors && g->labels && (g->weights || !weighted) ? NBX_OK : NBX_ELIMIT;
}

static void gather_one(struct gathered *g, uint32_t label, const float *vector)
{
    memcpy(g->vectors + g->n * g->dim, vector, g->dim * sizeof *vector);
    g->labels[g->n++] = label;
}

static void gather_part(struct gathered *g, const struct nbx_index_part *part)
{
    const struct nbx_packed *s = part->pack;
    for (size_t w = 0; w < nbx_packed_words(s); w++) {
        for (uint64_t bits = part->live[w]; bits; bits &= bits - 1) {
            uint32_t position = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
            gather_one(g, s->labels[position], nbx_packed_row(s, position));
        }
    }
}

static struct nbx_packed_items gathered_items(const struct gathered *g)
{
    return (struct nbx_packed_items){.vectors = g->vectors,
                                     .labels = g->labels,
                                     .weights = g->weights,
                                     .stretch = g->stretch,
                                     .n = g->n,
                                     .dim = g->dim,
                                     .stride = g->dim,
                                     .budget = g->budget};
}

static void gather_end(struct gathered *g)
{
    nbx_charged_free(g->budget, g->vectors, gathered_bytes(g));
    free(g->labels);
    free(g->weights);
}

/* Shares the large parts of `old`, kills in them what changed. */
static enum nbx_err share_changed(struct nbx_index *index, const struct nbx_index *old,
                                  const struct nbx_index_changes *changes)
{
    for (size_t p = 0; p < old->n_parts; p++) {
        enum nbx_err err = share_part(index, &old->parts[p]);
        if (err)
            return err;
        struct nbx_index_part *part = &index->parts[index->n_parts - 1];
        for (size_t i = 0; i < changes->put.n; i++)
            kill_label(part, changes->put.labels[i]);
        for (size_t i = 0; i < changes->n_removed; i++)
            kill_label(part, changes->removed[i]);
    }
    return NBX_OK;
}

static bool joins(const struct nbx_index_part *part, size_t room)
{
    return room + part->n_live <= SMALL_ITEMS &&
           (part->n_live <= TINY_ITEMS || part->n_live <= 2 * room);
}

/* The put items and what lives in the parts that they join become one part. Parts come large ones
 * first, so the small ones are the last. */
static enum nbx_err add_put(struct nbx_index *index, const struct nbx_packed_items *put)
{
    struct gathered g;
    size_t first = index->n_parts, room = put->n;
    if (put->n == 0)
        return NBX_OK;
    while (first > 0 && joins(&index->parts[first - 1], room))
        room += index->parts[--first].n_live;
    enum nbx_err err = gather_begin(&g, index, room, false);
    if (!err) {
        for (size_t p = first; p < index->n_parts; p++)
            gather_part(&g, &index->parts[p]);
        for (size_t i = 0; i < put->n; i++)
            gather_one(&g, put->labels[i], put->vectors + i * put->stride);
        struct nbx_packed_items items = gathered_items(&g);
        while (index->n_parts > first)
            drop_part(index);
        err = add_items(index, &items);
    }
    gather_end(&g);
    return err;
}

enum nbx_err nbx_index_change(struct nbx_index **out, const struct nbx_index *old,
                              const struct nbx_index_changes *changes)
{
    struct nbx_index_changes c = *changes;
    NBX_ASSERT(c.put.n == 0 || (c.put.dim == old->dim && c.put.labels));
    if (c.put.stride == 0)
        c.put.stride = old->dim;
    enum nbx_err err = view_new(out, old, old->n_parts + 1);
    if (!err && ((err = share_changed(*out, old, &c)) || (err = add_put(*out, &c.put))))
        nbx_index_destroy(out);
    return err;
}

bool nbx_index_wants_repacking(const struct nbx_index *index)
{
    size_t stored = 0;
    for (size_t p = 0; p < index->n_parts; p++)
        stored += index->parts[p].pack->n;
    size_t dead = stored - nbx_index_count(index);
    for (size_t p = 0; p < index->n_parts; p++)
        if (nbx_partition_helps(index->parts[p].pack))
            return true;
    return index->n_parts > MANY_PARTS || (dead > stored / 4 && dead > FEW_DEAD);
}

/* True where some part is in cells or would gain by them. */
static bool wants_cells(const struct nbx_index *index)
{
    for (size_t p = 0; p < index->n_parts; p++)
        if (index->parts[p].pack->cells.n || nbx_partition_helps(index->parts[p].pack))
            return true;
    return false;
}

/* Packs the gathered items, in cells where that helps. */
static enum nbx_err pack_gathered(struct nbx_packed **out, const struct gathered *g, bool in_cells)
{
    struct nbx_packed_items items = gathered_items(g);
    uint32_t *cells = in_cells ? malloc((items.n + 1) * sizeof *cells) : NULL;
    enum nbx_err err = cells || !in_cells ? NBX_OK : NBX_ELIMIT;
    if (!err && in_cells)
        err = nbx_partition(cells, &items);
    items.cells = cells;
    if (!err)
        err = nbx_packed_new(out, &items);
    free(cells);
    return err;
}

enum nbx_err nbx_index_repack(struct nbx_packed **out, const struct nbx_index *view,
                              const float *weights)
{
    struct gathered g;
    *out = NULL;
    enum nbx_err err = gather_begin(&g, view, nbx_index_count(view), weights != NULL);
    if (!err) {
        for (size_t p = 0; p < view->n_parts; p++)
            gather_part(&g, &view->parts[p]);
        for (size_t i = 0; weights && i < g.n; i++)
            g.weights[i] = weights[g.labels[i]];
        err = pack_gathered(out, &g, !weights && wants_cells(view));
    }
    gather_end(&g);
    return err;
}

static const struct nbx_index_part *find_part(const struct nbx_index *index,
                                              const struct nbx_packed *pack)
{
    for (size_t p = 0; p < index->n_parts; p++)
        if (index->parts[p].pack == pack)
            return &index->parts[p];
    return NULL;
}

/* Kills in `fresh` what was live in this part of the packed view and no longer is in `now`, whose
 * part is NULL where its pack was packed away since. */
static void kill_died(struct nbx_index_part *fresh, const struct nbx_index_part *then,
                      const struct nbx_index_part *now)
{
    const struct nbx_packed *s = then->pack;
    for (size_t w = 0; w < nbx_packed_words(s); w++) {
        uint64_t died = then->live[w] & ~(now ? now->live[w] : 0);
        for (; died; died &= died - 1)
            kill_label(fresh, s->labels[w * 64 + (size_t)__builtin_ctzll(died)]);
    }
}

enum nbx_err nbx_index_adopt(struct nbx_index **out, const struct nbx_index *now,
                             const struct nbx_index *view, struct nbx_packed **fresh)
{
    struct nbx_packed *pack = *fresh;
    *fresh = NULL;
    enum nbx_err err = view_new(out, now, now->n_parts + 1);
    if (!err)
        err = add_part(*out, pack, NULL);
    if (err) {
        nbx_packed_release(&pack);
        nbx_index_destroy(out);
        return err;
    }
    for (size_t p = 0; p < view->n_parts; p++)
        kill_died(&(*out)->parts[0], &view->parts[p], find_part(now, view->parts[p].pack));
    for (size_t p = 0; !err && p < now->n_parts; p++)
        if (!find_part(view, now->parts[p].pack))
            err = share_part(*out, &now->parts[p]);
    if (err)
        nbx_index_destroy(out);
    return err;
}
