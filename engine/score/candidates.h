/* SPDX-License-Identifier: MIT
 * Candidates of a search: scored items that may be answers, and the threshold they set.
 *
 * Why:     a heap that is always in order decides with every item, and its branches cannot be
 *          foreseen. Here items come in unsorted, the value that k of them reach is found now and
 *          then by counting, and what stays below it is dropped.
 * Owns:    nothing: memory is the arena's.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_SCORE_CANDIDATES_H
#define NBX_SCORE_CANDIDATES_H

#include "engine/score/search.h"

struct nbx_candidate {
    float value; /* canonical */
    uint32_t label;
    uint32_t group; /* 0: none */
};

/* The best value of each group, by open addressing. */
struct nbx_group_best {
    uint32_t group; /* 0: free */
    float value;
};

struct nbx_candidates {
    const struct nbx_query *query;
    size_t k;
    struct nbx_candidate *list; /* (n) of (room) */
    size_t n, room;
    size_t tighten_at;             /* n at which the threshold is set anew */
    float threshold;               /* k items (of different groups) reach it; -Inf: fewer so far */
    float *values;                 /* (n) of (room) those of the list, side by side */
    float highest;                 /* of all values seen */
    uint32_t *places;              /* (room + 16) scratch */
    struct nbx_hit *hits;          /* (2, room) for sorting them in the end */
    struct nbx_group_best *groups; /* (n_groups, a power of 2); NULL: the query has none */
    size_t n_groups;
    float *scratch; /* (room) with groups: one value per group */
};

/* Memory for lists of up to k, to be used for one query after the other. */
enum nbx_err nbx_candidates_alloc(struct nbx_candidates *c, size_t k, bool grouped,
                                  struct nbx_arena *arena);
/* Empties it for a query with query->k at most the k it was made for. */
void nbx_candidates_begin(struct nbx_candidates *c, const struct nbx_query *query, size_t k);
/* A value that at least k of x (n) reach and few more do, from `low` up, which k reach for certain,
 * to `high`, the largest of x. */
float nbx_reached_by(const struct nbx_kernel *kernel, const float *x, size_t n, size_t k,
                     const float range[2]);
/* Sets the threshold anew and, where room is short, drops what cannot reach it. */
void nbx_candidates_tighten(struct nbx_candidates *c);
static inline void nbx_candidates_offer(struct nbx_candidates *c, struct nbx_candidate candidate)
{
    if (candidate.value < c->threshold)
        return;
    c->values[c->n] = candidate.value;
    c->highest = candidate.value > c->highest ? candidate.value : c->highest;
    c->list[c->n++] = candidate;
    if (c->n >= c->tighten_at)
        nbx_candidates_tighten(c);
}
/* Fills hits (k), best first, and returns how many. */
size_t nbx_candidates_finish(struct nbx_candidates *c, struct nbx_hit *hits);

#endif
