/* SPDX-License-Identifier: MIT */
#include "engine/score/seeker.h"

#include "engine/base/check.h"
#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Fewer eligible than one in this many: their positions are marked first, so that blocks with none
 * are passed over. With more, looking up a bit for each item that is good enough costs less. */
#define FEW_ELIGIBLE 64
/* Up to this many items of a block are scored one by one rather than scanned. */
#define FEW_IN_BLOCK 6
#define VALUE_SLACK  0x1p-22 /* over the rounding of values to floats */

enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena)
{
    *s = (struct nbx_seeker){.index = index};
    s->codes = nbx_arena_alloc(arena, nbx_tile_groups(index->dim) * NBX_TILE_GROUP);
    return s->codes ? nbx_candidates_alloc(&s->candidates, k, grouped, arena) : NBX_ELIMIT;
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
            s->words[p][position / NBX_TILE_ITEMS] |= UINT64_C(1) << position % NBX_TILE_ITEMS;
    }
}

/* The few eligible items, by position. */
static enum nbx_err mark_eligible(struct nbx_seeker *s, struct nbx_arena *arena)
{
    s->words = nbx_arena_calloc(arena, s->index->n_parts, sizeof *s->words);
    for (size_t p = 0; s->words && p < s->index->n_parts; p++) {
        s->words[p] =
            nbx_arena_calloc(arena, s->index->parts[p].pack->n_blocks, sizeof *s->words[p]);
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

/* Bits for blocks visited out of turn, where any will be. */
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
            nbx_arena_calloc(arena, s->index->parts[p].pack->n_blocks / 64 + 1, sizeof *s->seen[p]);
        if (!s->seen[p])
            return NBX_ELIMIT;
    }
    return s->seen ? NBX_OK : NBX_ELIMIT;
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
    s->visited = 0;
    nbx_candidates_begin(&s->candidates, &s->own, s->own.k, s->index->padded);
    nbx_tile_quantise(&s->tile_query, s->codes, query->vector, s->index->dim,
                      s->own.kernel->code_max);
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
        value = value / cap * (1 - VALUE_SLACK);
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

float nbx_query_value(const struct nbx_query *query, uint32_t label, float score, float addend)
{
    float value = query->addends ? score + addend : score;
    if (isnan(value))
        return -INFINITY;
    if (query->transform)
        value = nbx_transform_apply(query->transform, value);
    if (query->weights)
        value *= nbx_weight_of(query->weights, label);
    return isnan(value) ? -INFINITY : value; /* infinity times weight 0 */
}

static bool wanted(const struct nbx_seeker *s, uint32_t label)
{
    const struct nbx_query *q = &s->own;
    if (q->eligible && !s->words &&
        !(label < q->n_eligible && (q->eligible[label / 64] >> (label % 64) & 1)))
        return false;
    return !q->admits || q->admits(q->admits_ctx, label);
}

/* The interval of an item's value from that of its score. */
static void set_interval(struct nbx_candidate *c, const struct nbx_query *q, double low,
                         double high)
{
    double slack = (fabs(low) + fabs(high) + fabs((double)c->addend)) * VALUE_SLACK + 0x1p-148;
    c->low = (float)(low + c->addend - slack);
    c->high = (float)(high + c->addend + slack);
    /* Beyond the floats nothing is known: the value may even be no number. */
    if (!(c->low >= -FLT_MAX && c->high <= FLT_MAX)) {
        c->low = -INFINITY;
        c->high = INFINITY;
        return;
    }
    if (q->transform) {
        c->low = nbx_transform_apply(q->transform, c->low);
        c->high = nbx_transform_apply(q->transform, c->high);
        c->low -= fabsf(c->low) * (float)VALUE_SLACK;
        c->high += fabsf(c->high) * (float)VALUE_SLACK;
    }
    if (q->weights) {
        float weight = nbx_weight_of(q->weights, c->label);
        c->low *= weight;
        c->high *= weight;
    }
}

static struct nbx_candidate candidate_at(const struct nbx_seeker *s, size_t part, uint32_t position)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    struct nbx_candidate c = {.label = pack->labels[position],
                              .row = nbx_packed_row(pack, position)};
    if (s->addends) {
        const struct nbx_addend_blocks *a = &s->addends[part];
        uint32_t slot = a->slots[position / NBX_TILE_ITEMS];
        c.addend = slot ? a->values[(slot - 1) * NBX_TILE_ITEMS + position % NBX_TILE_ITEMS] : 0;
    }
    return c;
}

static void offer(struct nbx_seeker *s, struct nbx_candidate *c)
{
    if (c->high < s->candidates.threshold || !wanted(s, c->label))
        return;
    if (s->own.group)
        c->group = s->own.group(s->own.tie_ctx, c->label);
    nbx_candidates_offer(&s->candidates, *c);
}

static void offer_scanned(struct nbx_seeker *s, size_t part, uint32_t position, double score,
                          double error)
{
    struct nbx_candidate c = candidate_at(s, part, position);
    set_interval(&c, &s->own, score - error, score + error);
    offer(s, &c);
}

static void offer_scored(struct nbx_seeker *s, size_t part, uint32_t position)
{
    struct nbx_candidate c = candidate_at(s, part, position);
    float score = s->own.kernel->dot(s->own.vector, c.row, s->index->padded);
    c.low = c.high = nbx_query_value(&s->own, c.label, score, c.addend);
    c.exact = true;
    s->candidates.rescored++;
    offer(s, &c);
}

/* The scan's threshold: scores in its own units below which nothing can reach `least`. */
static float scan_threshold(const struct nbx_tile_bound *bound, double least, double addend)
{
    double slack = (fabs(least) + addend) * VALUE_SLACK;
    double from = least - bound->error - addend - slack;
    if (!(bound->scale > 0))
        return from > 0 ? INFINITY : -INFINITY;
    double t = from / bound->scale;
    return (float)(t - fabs(t) * VALUE_SLACK);
}

static void scan_block(struct nbx_seeker *s, size_t part, size_t block, uint64_t live)
{
    const struct nbx_packed *pack = s->index->parts[part].pack;
    struct nbx_tile_bound bound = nbx_tile_bound(&s->tile_query, &pack->infos[block]);
    double least = nbx_seeker_least(s, nbx_seeker_block_cap(s, part, block)), addend = 0;
    if (s->addends && s->addends[part].slots[block])
        addend = s->addends[part].most[s->addends[part].slots[block] - 1];
    float scores[NBX_TILE_ITEMS];
    uint64_t passed =
        s->own.kernel->scan(scores, nbx_packed_tile(pack, block), &s->tile_query.codes,
                            scan_threshold(&bound, least, addend));
    for (passed &= live; passed; passed &= passed - 1) {
        size_t lane = (size_t)__builtin_ctzll(passed);
        offer_scanned(s, part, (uint32_t)(block * NBX_TILE_ITEMS + lane),
                      scores[lane] * bound.scale, bound.error);
    }
}

void nbx_seeker_visit(struct nbx_seeker *s, size_t part, size_t block)
{
    uint64_t live = s->index->parts[part].live[block];
    if (s->own.k == 0) /* no bound keeps infinite scores out */
        return;
    if (s->words)
        live &= s->words[part][block];
    if (!live)
        return;
    s->visited++;
    if (!s->words || __builtin_popcountll(live) > FEW_IN_BLOCK) {
        scan_block(s, part, block, live);
        return;
    }
    for (; live; live &= live - 1)
        offer_scored(s, part, (uint32_t)(block * NBX_TILE_ITEMS) + (uint32_t)__builtin_ctzll(live));
}

void nbx_seeker_visit_early(struct nbx_seeker *s, size_t part, size_t block)
{
    if (nbx_seeker_has_seen(s, part, block))
        return;
    s->seen[part][block / 64] |= UINT64_C(1) << block % 64;
    nbx_seeker_visit(s, part, block);
}
