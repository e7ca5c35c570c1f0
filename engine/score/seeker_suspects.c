/* SPDX-License-Identifier: MIT
 * Suspects of a search: who waits, who is scored first, who is left out.
 */
#include "engine/score/seeker.h"

#include "engine/score/dot.h"

#include <float.h>
#include <math.h>

/* Memory is asked for so many lines of vectors ahead. */
#define LINES_AHEAD 32

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

static const struct nbx_packed *pack_of(const struct nbx_seeker *s, const struct nbx_suspect *x)
{
    return s->index->parts[x->part].pack;
}

static float addend_of(const struct nbx_seeker *s, const struct nbx_suspect *x)
{
    if (!s->addends)
        return 0;
    const struct nbx_addend_tiles *a = &s->addends[x->part];
    uint32_t slot = a->slots[x->position / NBX_TILE_ITEMS];
    return slot ? a->values[(slot - 1) * NBX_TILE_ITEMS + x->position % NBX_TILE_ITEMS] : 0;
}

/* A value is not falling in the score, up to roundings: the slack is for those. */
static void shape_most(const struct nbx_seeker *s, uint32_t label, float addend, float *most)
{
    if (addend != 0) {
        double sum = (double)*most + addend;
        *most = (float)(sum + (fabs(sum) + fabs((double)addend)) * NBX_VALUE_SLACK);
    }
    if (!(*most <= FLT_MAX)) { /* beyond the floats nothing is known */
        *most = INFINITY;
        return;
    }
    if (s->own.transform) {
        *most = nbx_transform_apply(s->own.transform, *most);
        *most += fabsf(*most) * (float)NBX_VALUE_SLACK;
    }
    if (s->own.weights) {
        *most *= nbx_weight_of(s->own.weights, label);
        *most += fabsf(*most) * (float)NBX_VALUE_SLACK;
    }
}

void nbx_seeker_shape(const struct nbx_seeker *s, const struct nbx_suspect *suspect,
                      struct nbx_suspicion *about)
{
    uint32_t label = pack_of(s, suspect)->labels[suspect->position];
    float addend = addend_of(s, suspect);
    about->expected = nbx_query_value(&s->own, label, about->expected, addend);
    shape_most(s, label, addend, &about->most);
}

/* The label lies elsewhere in memory, so it is read only where it matters. */
static void score_one(struct nbx_seeker *s, const struct nbx_suspect *x)
{
    const struct nbx_packed *pack = pack_of(s, x);
    const struct nbx_query *q = &s->own;
    float score = q->kernel->dot(q->vector, nbx_packed_row(pack, x->position), pack->padded);
    s->scored++;
    if (!s->shaped && score < s->candidates.threshold)
        return;
    struct nbx_candidate c = {.label = pack->labels[x->position]};
    c.value = nbx_query_value(q, c.label, score, addend_of(s, x));
    if (c.value < s->candidates.threshold || (q->admits && !q->admits(q->admits_ctx, c.label)))
        return;
    c.group = q->group ? q->group(q->tie_ctx, c.label) : 0;
    nbx_candidates_offer(&s->candidates, c);
}

void nbx_seeker_score_chosen(struct nbx_seeker *s, size_t n)
{
    const struct nbx_suspect *chosen = s->suspects.chosen;
    size_t ahead = 1 + LINES_AHEAD * NBX_LANES / s->index->padded;
    for (size_t i = 0; i < n && i < ahead; i++)
        nbx_packed_fetch(pack_of(s, &chosen[i]), chosen[i].position);
    for (size_t i = 0; i < n; i++) {
        if (i + ahead < n)
            nbx_packed_fetch(pack_of(s, &chosen[i + ahead]), chosen[i + ahead].position);
        score_one(s, &chosen[i]);
    }
}

/* How many to score of those that seem best: as many as are wanted and some where there is no
 * threshold yet, else enough to raise it. */
static size_t enough(const struct nbx_seeker *s)
{
    size_t k = s->own.k;
    return s->candidates.threshold > -INFINITY ? k / 3 + 8 : k + k / 2 + 8;
}

float nbx_seeker_cut(const struct nbx_seeker *s, const float *x, size_t n)
{
    size_t wanted = enough(s);
    float high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        high = x[i] > high ? x[i] : high;
    float low = high - 2 * fabsf(high);
    if (wanted >= n || !(low < high) || s->own.kernel->at_least(x, n, low) < wanted)
        return -INFINITY;
    return nbx_reached_by(s->own.kernel, x, n, wanted, (const float[]){low, high});
}

/* Keeps the suspects that may still reach the threshold. */
static void drop_beaten(struct nbx_seeker *s)
{
    struct nbx_suspects *list = &s->suspects;
    size_t n = s->own.kernel->reaching(list->places, list->most, list->n, s->candidates.threshold);
    for (size_t i = 0; i < n && n < list->n; i++) {
        uint32_t from = list->places[i];
        list->expected[i] = list->expected[from];
        list->most[i] = list->most[from];
        list->list[i] = list->list[from];
    }
    list->n = n;
}

/* Scores the suspects expected to reach `cut`, then drops whom the threshold leaves out. */
static void score_from(struct nbx_seeker *s, float cut)
{
    struct nbx_suspects *list = &s->suspects;
    size_t n = s->own.kernel->reaching(list->places, list->expected, list->n, cut);
    for (size_t i = 0; i < n; i++) {
        list->chosen[i] = list->list[list->places[i]];
        list->most[list->places[i]] = NAN; /* below any threshold */
    }
    nbx_seeker_score_chosen(s, n);
    nbx_candidates_tighten(&s->candidates);
    drop_beaten(s);
}

void nbx_seeker_score_best(struct nbx_seeker *s)
{
    struct nbx_suspects *list = &s->suspects;
    float cut = s->candidates.threshold;
    if (s->own.kernel->at_least(list->expected, list->n, cut) > enough(s))
        cut = fmaxf(cut, nbx_seeker_cut(s, list->expected, list->n));
    score_from(s, cut);
}

void nbx_seeker_settle(struct nbx_seeker *s)
{
    nbx_seeker_score_best(s);
    while (s->suspects.n > 0)
        score_from(s, nbx_seeker_cut(s, s->suspects.expected, s->suspects.n));
}

void nbx_seeker_relieve(struct nbx_seeker *s)
{
    struct nbx_suspects *list = &s->suspects;
    nbx_seeker_score_best(s);
    if (list->n + NBX_NODE_ITEMS > list->room)
        nbx_seeker_settle(s);
    size_t wait = list->n + NBX_SUSPECTS_WAIT;
    list->wait = wait + NBX_NODE_ITEMS < list->room ? wait : list->room - NBX_NODE_ITEMS;
}
