/* SPDX-License-Identifier: MIT */
#include "engine/score/seeker.h"

#include "engine/base/check.h"
#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Room for suspects whose scores would not raise the threshold and who wait for the end, beside
 * some for each item wanted. */
#define MORE_SUSPECTS 1024

static bool alloc_suspects(struct nbx_suspects *s, size_t k, struct nbx_arena *arena)
{
    *s = (struct nbx_suspects){.room = MORE_SUSPECTS + 4 * k + NBX_NODE_ITEMS};
    s->expected = nbx_arena_floats(arena, s->room);
    s->most = nbx_arena_floats(arena, s->room);
    s->list = nbx_arena_alloc(arena, s->room * sizeof *s->list);
    s->chosen = nbx_arena_alloc(arena, s->room * sizeof *s->chosen);
    s->places = nbx_arena_alloc(arena, (s->room + NBX_TILE_ITEMS) * sizeof *s->places);
    return s->expected && s->most && s->list && s->chosen && s->places;
}

static size_t count_nodes(const struct nbx_index *index)
{
    size_t n = 0;
    for (size_t p = 0; p < index->n_parts; p++)
        n += index->parts[p].pack->n_nodes;
    return n;
}

enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena)
{
    *s = (struct nbx_seeker){.index = index};
    s->room = nbx_arena_alloc(arena, index->padded);
    s->shrunk = nbx_arena_floats(arena, index->padded);
    s->postponed = nbx_arena_alloc(arena, count_nodes(index) * sizeof *s->postponed);
    bool all = s->room && s->shrunk && s->postponed && alloc_suspects(&s->suspects, k, arena);
    return all ? nbx_candidates_alloc(&s->candidates, k, grouped, arena) : NBX_ELIMIT;
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

static void quantise(struct nbx_seeker *s)
{
    const struct nbx_index *index = s->index;
    if (!index->stretch) {
        nbx_sketch_quantise(&s->codes, s->room, s->own.vector, index->dim);
        return;
    }
    nbx_sketch_shrink(s->shrunk, s->own.vector, index->stretch, index->dim);
    nbx_sketch_quantise(&s->codes, s->room, s->shrunk, index->dim);
    nbx_sketch_allow_shrunk(&s->codes, index->dim);
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
    s->scanned = s->scored = 0;
    s->suspects.n = s->n_postponed = 0;
    s->suspects.wait = NBX_SUSPECTS_WAIT;
    s->shaped = s->own.transform || s->own.weights || (query->addends && query->addends->n);
    nbx_candidates_begin(&s->candidates, &s->own, s->own.k);
    quantise(s);
    enum nbx_err err = nbx_seeker_find_few(s, beside, arena);
    if (!err && !s->few)
        err = choose_seen(s, arena);
    if (!err && query->addends && query->addends->n)
        err = nbx_seeker_spread_addends(s, arena);
    return err;
}

/* Solves  cap * transform(score) >= threshold  for the score, with slack for roundings. A score may
 * be infinite where no product says so, hence no finite bound lies beyond the largest float. */
static double solve_least(const struct nbx_seeker *s, float cap)
{
    double value = fmin(s->candidates.threshold, FLT_MAX);
    if (s->own.weights) {
        if (value < FLT_MIN) /* weights may be 0, and small products lose their digits */
            return -INFINITY;
        if (!(cap > 0))
            return INFINITY;
        value = value / cap * (1 - NBX_VALUE_SLACK);
    }
    double least = s->own.transform ? nbx_transform_least(s->own.transform, value) : value;
    return least < INFINITY ? fmin(least, FLT_MAX) : least;
}

double nbx_seeker_find_least(struct nbx_seeker *s, float cap)
{
    s->least = solve_least(s, cap);
    s->least_cap = cap;
    s->least_threshold = s->candidates.threshold;
    return s->least;
}
