/* SPDX-License-Identifier: MIT
 * The sparse part of a blend in a search: addends by tile, and the tiles that have any.
 */
#include "engine/score/seeker.h"

#include <math.h>

static enum nbx_err alloc_addends(struct nbx_addend_tiles *a, const struct nbx_packed *pack,
                                  size_t n, struct nbx_arena *arena)
{
    size_t room = n < pack->n_tiles ? n : pack->n_tiles;
    a->slots = nbx_arena_calloc(arena, pack->n_tiles, sizeof *a->slots);
    a->tiles = nbx_arena_calloc(arena, room, sizeof *a->tiles);
    a->values = nbx_arena_calloc(arena, room * NBX_TILE_ITEMS, sizeof *a->values);
    a->most = nbx_arena_calloc(arena, room, sizeof *a->most);
    return a->slots && a->tiles && a->values && a->most ? NBX_OK : NBX_ELIMIT;
}

static void scatter(struct nbx_addend_tiles *a, uint32_t position, float value)
{
    uint32_t tile = position / NBX_TILE_ITEMS;
    if (a->slots[tile] == 0) {
        a->tiles[a->n] = tile;
        a->slots[tile] = (uint32_t)++a->n;
    }
    size_t slot = a->slots[tile] - 1;
    a->values[slot * NBX_TILE_ITEMS + position % NBX_TILE_ITEMS] = value;
    a->most[slot] = fmaxf(a->most[slot], value);
}

enum nbx_err nbx_seeker_spread_addends(struct nbx_seeker *s, struct nbx_arena *arena)
{
    const struct nbx_addends *addends = s->query->addends;
    s->addends = nbx_arena_calloc(arena, s->index->n_parts, sizeof *s->addends);
    for (size_t p = 0; s->addends && p < s->index->n_parts; p++) {
        const struct nbx_packed *pack = s->index->parts[p].pack;
        enum nbx_err err = alloc_addends(&s->addends[p], pack, addends->n, arena);
        if (err)
            return err;
        for (size_t i = 0; i < addends->n; i++) {
            uint32_t position = nbx_packed_find(pack, addends->labels[i]);
            if (position != NBX_NO_POSITION)
                scatter(&s->addends[p], position, addends->values[i]);
        }
    }
    return s->addends ? NBX_OK : NBX_ELIMIT;
}

/* A tile with addends and the score that its best item may have. */
struct promise {
    double most;
    float cap;
    uint32_t part, tile;
};

static void sift_down(struct promise *heap, size_t n, size_t at)
{
    struct promise moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].most > heap[child].most)
            child++;
        if (heap[child].most <= moved.most)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* All tiles with addends as a heap. */
static struct promise *gather_promises(const struct nbx_seeker *s, size_t *n,
                                       struct nbx_arena *arena)
{
    size_t room = 0;
    for (size_t p = 0; p < s->index->n_parts; p++)
        room += s->addends[p].n;
    struct promise *heap = nbx_arena_calloc(arena, room, sizeof *heap);
    *n = 0;
    for (size_t p = 0; heap && p < s->index->n_parts; p++) {
        const struct nbx_addend_tiles *a = &s->addends[p];
        const struct nbx_packed *pack = s->index->parts[p].pack;
        for (size_t i = 0; i < a->n; i++) {
            uint32_t node = pack->node_of_tile[a->tiles[i]];
            double most =
                nbx_sketch_bound_by_norm(&s->codes, pack->nodes[node].items.norm) + a->most[i];
            heap[(*n)++] =
                (struct promise){most + fabs(most) * NBX_VALUE_SLACK,
                                 nbx_seeker_node_cap(s, p, node), (uint32_t)p, a->tiles[i]};
        }
    }
    for (size_t i = *n / 2; heap && i-- > 0;)
        sift_down(heap, *n, i);
    return heap;
}

/* The threshold must keep up, or all tiles are visited. */
static void visit_early(struct nbx_seeker *s, size_t part, size_t tile)
{
    nbx_seeker_visit_early(s, part, tile);
    if (s->suspects.n > s->own.k / 2 + NBX_TILE_ITEMS)
        nbx_seeker_settle(s);
}

enum nbx_err nbx_seeker_visit_addends(struct nbx_seeker *s, struct nbx_arena *arena)
{
    size_t n;
    struct promise *heap = gather_promises(s, &n, arena);
    if (!heap)
        return NBX_ELIMIT;
    while (n > 0) {
        struct promise top = heap[0];
        if (top.most >= nbx_seeker_least(s, top.cap))
            visit_early(s, top.part, top.tile);
        else if (!s->own.weights) /* one cap for all: the rest promises less */
            break;
        heap[0] = heap[--n];
        sift_down(heap, n, 0);
    }
    return NBX_OK;
}
