/* SPDX-License-Identifier: MIT
 * Partitioned parts in a search: which cells to look at first, or at all.
 */
#include "engine/score/seeker.h"

#include <math.h>

/* How many cells an exact search looks at before all the rest, and by which spread: enough to know
 * early what is good. */
#define FIRST_CELLS 16
#define FIRST_REACH 2.0F

struct cell {
    float expected; /* the best score expected in it */
    uint32_t no;
};

static void sift_down(struct cell *heap, size_t n, size_t at)
{
    struct cell moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].expected > heap[child].expected)
            child++;
        if (heap[child].expected <= moved.expected)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* All cells as a heap, the most promising on top. */
static struct cell *gather(const struct nbx_seeker *s, const struct nbx_packed *pack, float reach,
                           struct nbx_arena *arena)
{
    const struct nbx_cells *cells = &pack->cells;
    struct cell *heap = nbx_arena_alloc(arena, cells->n * sizeof *heap);
    float scores[NBX_TILE_ITEMS];
    uint16_t passed[NBX_NODE_TILES];
    for (size_t i = 0; heap && i < cells->n; i++) {
        size_t tile = i / NBX_TILE_ITEMS, lane = i % NBX_TILE_ITEMS;
        if (lane == 0) {
            struct nbx_sketches centres = nbx_sketches_at(&cells->centres, tile);
            s->own.kernel->sketch(scores, passed, &centres, 1, &s->codes.codes,
                                  &(struct nbx_limits){0});
        }
        double scale = s->codes.unit * cells->infos[tile].unit;
        double around = reach * s->codes.norm * cells->spreads[i];
        heap[i] = (struct cell){(float)(scores[lane] * scale + around), (uint32_t)i};
    }
    for (size_t i = cells->n / 2; heap && i-- > 0;)
        sift_down(heap, cells->n, i);
    return heap;
}

static void visit_cell(struct nbx_seeker *s, size_t part, uint32_t cell)
{
    const struct nbx_cells *cells = &s->index->parts[part].pack->cells;
    for (uint32_t tile = cells->first[cell]; tile < cells->first[cell + 1]; tile++)
        nbx_seeker_visit_early(s, part, tile);
}

static enum nbx_err visit_part(struct nbx_seeker *s, size_t part, struct nbx_arena *arena)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    bool all = s->own.reach > 0;
    struct cell *heap = gather(s, pack, all ? s->own.reach : FIRST_REACH, arena);
    float cap = nbx_seeker_run_cap(s, part, 0);
    if (!heap)
        return NBX_ELIMIT;
    for (size_t n = pack->cells.n, done = 0; n > 0 && (all || done < FIRST_CELLS); done++) {
        if (heap[0].expected < nbx_seeker_least(s, cap))
            break;
        visit_cell(s, part, heap[0].no);
        nbx_seeker_score_best(s);
        heap[0] = heap[--n];
        sift_down(heap, n, 0);
    }
    return NBX_OK;
}

enum nbx_err nbx_seeker_visit_cells(struct nbx_seeker *s, struct nbx_arena *arena)
{
    enum nbx_err err = NBX_OK;
    for (size_t p = 0; !err && p < s->index->n_parts; p++)
        if (s->index->parts[p].pack->cells.n)
            err = visit_part(s, p, arena);
    return err;
}
