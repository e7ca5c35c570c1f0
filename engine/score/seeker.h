/* SPDX-License-Identifier: MIT
 * One query on its way through an index: its codes, its threshold, its candidates.
 *
 * Owns:    nothing: memory is the arena's.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_SCORE_SEEKER_H
#define NBX_SCORE_SEEKER_H

#include "engine/score/candidates.h"

#define NBX_VALUE_SLACK 0x1p-22 /* over the rounding of scores and values to floats */

/* Addends of one part, by tile: slot 0 is none, slot s has its 16 numbers at (s - 1) * 16. */
struct nbx_addend_tiles {
    uint32_t *slots; /* (n_tiles) */
    uint32_t *tiles; /* (n) those with a slot */
    float *values;   /* (n, 16) */
    float *most;     /* (n) the largest of each, at least 0 */
    size_t n;
};

struct nbx_seeker {
    const struct nbx_query *query;
    const struct nbx_index *index;
    struct nbx_query own;         /* the query with its defaults filled in */
    struct nbx_tile_query items;  /* the query for tiles of items */
    struct nbx_tile_query *boxes; /* (n_parts) and for those of boxes: each has axes of its own */
    int8_t *codes;                /* (nbx_box_half) */
    int8_t *box_codes;            /* (n_parts, 2 * nbx_box_half) */
    float *turned;                /* (padded) the query along a part's axes */
    float *halves;                /* (2 * nbx_box_half) max(q, 0), min(q, 0) of that */
    struct nbx_candidates candidates;
    uint64_t **words; /* (n_parts) eligible positions, a bit each; NULL: bits are looked up */
    struct nbx_addend_tiles *addends; /* (n_parts); NULL: none */
    uint64_t **seen; /* (n_parts) tiles visited out of turn, a bit each; NULL: none */
    /* The least score that can reach the threshold at the cap last asked for. */
    float least_cap, least_threshold;
    double least;
    uint64_t scanned; /* tiles of items */
    float *promises;  /* (NBX_VISIT_NODES, 16) what a tile's items may score */
    uint32_t *open;   /* (NBX_VISIT_NODES) tiles still to be visited, a bit each */
};

/* Memory for queries of up to k. */
enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena);
/* Begins a query; beside: a seeker of the same pass whose bits may be shared, or NULL. */
enum nbx_err nbx_seeker_begin(struct nbx_seeker *s, const struct nbx_query *query,
                              const struct nbx_seeker *beside, struct nbx_arena *arena);
/* The least score, addend included, with which an item of weight up to cap may still enter. */
double nbx_seeker_least(struct nbx_seeker *s, float cap);
/* Looks at up to NBX_VISIT_NODES nodes side by side: their boxes, then the tiles that may hold
 * something; best_first: the most promising tiles before the others, so that the threshold is soon
 * near what it will be. */
#define NBX_VISIT_NODES 64
void nbx_seeker_visit_nodes(struct nbx_seeker *s, size_t part, size_t first, size_t n,
                            bool best_first);
/* Visits a tile out of turn; a node leaves it out later. */
void nbx_seeker_visit_early(struct nbx_seeker *s, size_t part, size_t tile);
/* Notes where a query's addends fall. Before any visit. */
enum nbx_err nbx_seeker_spread_addends(struct nbx_seeker *s, struct nbx_arena *arena);
/* Tiles that a pass would come to late but promise much, out of turn: those with addends, all of
 * them that may hold anything; in a partitioned part the nearest cells, for an approximation all
 * that it wants to see. */
enum nbx_err nbx_seeker_visit_addends(struct nbx_seeker *s, struct nbx_arena *arena);
enum nbx_err nbx_seeker_visit_cells(struct nbx_seeker *s, struct nbx_arena *arena);

static inline float nbx_seeker_node_cap(const struct nbx_seeker *s, size_t part, size_t node)
{
    return s->own.weights ? s->own.weights->node_caps[part][node] : 1;
}
static inline float nbx_seeker_run_cap(const struct nbx_seeker *s, size_t part, size_t run)
{
    return s->own.weights ? s->own.weights->run_caps[part][run] : 1;
}
/* What an approximation has seen of a partitioned part is all that it wants to see. */
static inline bool nbx_seeker_has_enough(const struct nbx_seeker *s, size_t part)
{
    return s->own.reach > 0 && s->index->parts[part].pack->cells.n > 0;
}

#endif
