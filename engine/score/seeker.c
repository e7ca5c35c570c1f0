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

double nbx_seeker_least(struct nbx_seeker *s, float cap)
{
    if (cap != s->least_cap || s->candidates.threshold != s->least_threshold) {
        s->least = solve_least(s, cap);
        s->least_cap = cap;
        s->least_threshold = s->candidates.threshold;
    }
    return s->least;
}
