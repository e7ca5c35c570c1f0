/* SPDX-License-Identifier: MIT */
#include "engine/score/candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many more candidates come in before the threshold is set anew: often enough that it is never
 * far behind, seldom enough that setting it costs little. */
#define LEAST_SLACK 16
#define BISECTIONS  16
#define ROOM_TIMES  4 /* k and some */

static size_t slack(size_t k)
{
    return k / 4 > LEAST_SLACK ? k / 4 : LEAST_SLACK;
}

static size_t groups_for(size_t room)
{
    size_t n = 16;
    while (n < room * 2)
        n *= 2;
    return n;
}

enum nbx_err nbx_candidates_alloc(struct nbx_candidates *c, size_t k, bool grouped,
                                  struct nbx_arena *arena)
{
    *c = (struct nbx_candidates){.room = ROOM_TIMES * (k + LEAST_SLACK)};
    c->list = nbx_arena_alloc(arena, c->room * sizeof *c->list);
    c->values = nbx_arena_floats(arena, c->room);
    c->places = nbx_arena_alloc(arena, (c->room + NBX_TILE_ITEMS) * sizeof *c->places);
    c->hits = nbx_arena_alloc(arena, 2 * c->room * sizeof *c->hits);
    if (grouped) {
        c->scratch = nbx_arena_floats(arena, c->room);
        c->n_groups = groups_for(c->room);
        c->groups = nbx_arena_calloc(arena, c->n_groups, sizeof *c->groups);
    }
    bool all = c->list && c->values && c->places && c->hits;
    return all && (!grouped || (c->scratch && c->groups)) ? NBX_OK : NBX_ELIMIT;
}

void nbx_candidates_begin(struct nbx_candidates *c, const struct nbx_query *query, size_t k)
{
    c->query = query;
    c->k = k;
    c->n = 0;
    c->highest = -INFINITY;
    c->threshold = k ? -INFINITY : INFINITY;
    c->tighten_at = k + 4 * slack(k); /* of the first ones nearly all are */
}

/* Where between two values k of all are reached, as a share of the way, where so many reach the low
 * one and the high one: from the best on, counts grow about exponentially. */
static float share_of_way(size_t k, size_t reach_low, size_t reach_high)
{
    float all = log2f((float)reach_low / ((float)reach_high + 0.5F));
    return log2f((float)reach_low / (float)k) / all;
}

/* Bisection, which unlike a selection has no branch that cannot be foreseen: it need not find the
 * k-th largest to find a true threshold. Every other step goes where the counts say. */
float nbx_reached_by(const struct nbx_kernel *kernel, const float *x, size_t n, size_t k,
                     const float range[2])
{
    float low = range[0], high = range[1];
    size_t reach_low = kernel->at_least(x, n, low), reach_high = 1;
    for (int i = 0; i < BISECTIONS && reach_low > k + k / 32; i++) {
        float middle = low / 2 + high / 2;
        if (!(middle > low)) /* next to each other, or infinite */
            break;
        float likely = low + (high - low) * share_of_way(k, reach_low, reach_high);
        if (i % 2 == 0 && likely > low && likely < high)
            middle = likely;
        size_t count = kernel->at_least(x, n, middle);
        if (count < k) {
            high = middle;
            reach_high = count;
        } else {
            low = middle;
            reach_low = count;
        }
    }
    return low;
}

static float least_of(const float *x, size_t n)
{
    float low = x[0];
    for (size_t i = 1; i < n; i++)
        low = x[i] < low ? x[i] : low;
    return low;
}

static struct nbx_group_best *find_group(const struct nbx_candidates *c, uint32_t group)
{
    size_t at = group * UINT32_C(2654435769) & (c->n_groups - 1);
    while (c->groups[at].group && c->groups[at].group != group)
        at = (at + 1) & (c->n_groups - 1);
    return &c->groups[at];
}

/* The best value of each group; scratch gets one per group. Returns how many. */
static size_t gather_by_group(struct nbx_candidates *c)
{
    size_t n = 0;
    memset(c->groups, 0, c->n_groups * sizeof *c->groups);
    for (size_t i = 0; i < c->n; i++) {
        if (c->list[i].group == 0) {
            c->scratch[n++] = c->list[i].value;
            continue;
        }
        struct nbx_group_best *best = find_group(c, c->list[i].group);
        if (best->group == 0 || c->list[i].value > best->value)
            *best = (struct nbx_group_best){c->list[i].group, c->list[i].value};
    }
    for (size_t g = 0; g < c->n_groups; g++)
        if (c->groups[g].group)
            c->scratch[n++] = c->groups[g].value;
    return n;
}

static void raise_threshold(struct nbx_candidates *c)
{
    const float *values = c->values;
    size_t n = c->n;
    if (c->groups) {
        values = c->scratch;
        n = gather_by_group(c);
    }
    if (c->k && n >= c->k) {
        float low = c->threshold == -INFINITY ? least_of(values, n) : c->threshold;
        c->threshold =
            nbx_reached_by(c->query->kernel, values, n, c->k, (const float[]){low, c->highest});
    }
}

static bool beaten(const struct nbx_candidates *c, const struct nbx_candidate *x)
{
    return x->value < c->threshold || (x->group && x->value < find_group(c, x->group)->value);
}

/* Groups are as raise_threshold gathered them. */
static void drop_beaten(struct nbx_candidates *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) { /* written always, kept or not: no branch to foresee */
        c->list[kept] = c->list[i];
        c->values[kept] = c->values[i];
        kept += !beaten(c, &c->list[i]);
    }
    c->n = kept;
}

static int best_first(const void *a, const void *b, void *query)
{
    const struct nbx_candidate *x = a, *y = b;
    const struct nbx_query *q = query;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    int order = q->tie ? q->tie(q->tie_ctx, x->label, y->label) : 0;
    return order ? order : (x->label > y->label) - (x->label < y->label);
}

/* The list sorted, one item per group, at most k. */
static void sort_and_cut(struct nbx_candidates *c)
{
    size_t kept = 0;
    qsort_r(c->list, c->n, sizeof *c->list, best_first, (void *)c->query);
    if (c->groups)
        memset(c->groups, 0, c->n_groups * sizeof *c->groups);
    for (size_t i = 0; i < c->n && kept < c->k; i++) {
        if (c->list[i].group) {
            struct nbx_group_best *best = find_group(c, c->list[i].group);
            if (best->group)
                continue;
            best->group = c->list[i].group;
        }
        c->values[kept] = c->list[i].value;
        c->list[kept++] = c->list[i];
    }
    c->n = kept;
}

void nbx_candidates_tighten(struct nbx_candidates *c)
{
    raise_threshold(c);
    if (c->n + slack(c->k) > c->room)
        drop_beaten(c);
    if (c->n + slack(c->k) > c->room) { /* ties */
        sort_and_cut(c);
        if (c->n == c->k)
            c->threshold = c->list[c->n - 1].value;
    }
    c->tighten_at = (c->n > c->k ? c->n : c->k) + slack(c->k);
}

size_t nbx_candidates_finish(struct nbx_candidates *c, struct nbx_hit *hits)
{
    raise_threshold(c);
    if (c->groups) {
        drop_beaten(c);
        sort_and_cut(c);
    }
    size_t n = c->query->kernel->reaching(c->places, c->values, c->n, c->threshold);
    for (size_t i = 0; i < n; i++)
        c->hits[i] = (struct nbx_hit){c->values[c->places[i]], c->list[c->places[i]].label};
    nbx_hits_sort(c->hits, c->hits + c->room, n, c->query->tie, c->query->tie_ctx);
    n = n < c->k ? n : c->k;
    memcpy(hits, c->hits, n * sizeof *hits);
    return n;
}
