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

/* Addends of one part, by block: slot 0 is none, slot s has its 64 numbers at (s - 1) * 64. */
struct nbx_addend_blocks {
    uint32_t *slots;  /* (n_blocks) */
    uint32_t *blocks; /* (n) those with a slot */
    float *values;    /* (n, 64) */
    float *most;      /* (n) the largest of each, at least 0 */
    size_t n;
};

struct nbx_seeker {
    const struct nbx_query *query;
    const struct nbx_index *index;
    struct nbx_query own; /* the query with its defaults filled in */
    struct nbx_tile_query tile_query;
    int8_t *codes; /* (groups * 4) */
    struct nbx_candidates candidates;
    uint64_t **words; /* (n_parts) (n_blocks) eligible positions; NULL: bits are looked up */
    struct nbx_addend_blocks *addends; /* (n_parts); NULL: none */
    uint64_t **seen; /* (n_parts) (n_blocks / 64) blocks visited out of turn; NULL: none */
    /* The least score that can reach the threshold at the cap last asked for. */
    float least_cap, least_threshold;
    double least;
    uint64_t visited;
};

/* Memory for queries of up to k. */
enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena);
/* Begins a query; beside: a seeker of the same pass whose bits may be shared, or NULL. */
enum nbx_err nbx_seeker_begin(struct nbx_seeker *s, const struct nbx_query *query,
                              const struct nbx_seeker *beside, struct nbx_arena *arena);
/* The least score, addend included, with which an item of weight up to cap may still enter. */
double nbx_seeker_least(struct nbx_seeker *s, float cap);
/* Looks at one block, all of it. */
void nbx_seeker_visit(struct nbx_seeker *s, size_t part, size_t block);
/* Notes where a query's addends fall. Before any visit. */
enum nbx_err nbx_seeker_spread_addends(struct nbx_seeker *s, struct nbx_arena *arena);
/* Blocks that a pass would come to late but promise much, out of turn: those with addends, all of
 * them that may hold anything; in a partitioned part the nearest cells, for an approximation all
 * that it wants to see. */
enum nbx_err nbx_seeker_visit_addends(struct nbx_seeker *s, struct nbx_arena *arena);
enum nbx_err nbx_seeker_visit_cells(struct nbx_seeker *s, struct nbx_arena *arena);
/* Visits a block out of turn. */
void nbx_seeker_visit_early(struct nbx_seeker *s, size_t part, size_t block);

static inline float nbx_seeker_block_cap(const struct nbx_seeker *s, size_t part, size_t block)
{
    return s->own.weights ? s->own.weights->block_caps[part][block] : 1;
}
static inline float nbx_seeker_run_cap(const struct nbx_seeker *s, size_t part, size_t run)
{
    return s->own.weights ? s->own.weights->run_caps[part][run] : 1;
}
static inline bool nbx_seeker_has_seen(const struct nbx_seeker *s, size_t part, size_t block)
{
    return s->seen && (s->seen[part][block / 64] >> block % 64 & 1);
}
/* What an approximation has seen of a partitioned part is all that it wants to see. */
static inline bool nbx_seeker_has_enough(const struct nbx_seeker *s, size_t part)
{
    return s->own.reach > 0 && s->index->parts[part].pack->cells.n > 0;
}

#endif
