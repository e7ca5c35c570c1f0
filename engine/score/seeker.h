/* SPDX-License-Identifier: MIT
 * One query on its way through an index: its codes, its suspects, its candidates.
 *
 * Why:     of the items that a sketch leaves in doubt the threshold of a moment later leaves many
 *          out. So they wait as suspects; now and then those that are expected to be best are
 *          scored, which raises the threshold for all; what is still in doubt in the end is scored
 *          too.
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

/* With so many more suspects those that may raise the threshold are scored: the more, the better is
 * known which these are; the fewer, the sooner is it raised. */
#define NBX_SUSPECTS_WAIT 48

/* Where an item stands. */
struct nbx_suspect {
    uint32_t part, position;
};

/* Items that may be answers by what is known of them. */
struct nbx_suspects {
    float *expected;                   /* (n) of (room) the value as the sketch has it */
    float *most;                       /* (n) what the value cannot exceed */
    struct nbx_suspect *list, *chosen; /* (n); those being scored */
    uint32_t *places;                  /* (room + 16) scratch */
    size_t n, room;
    size_t wait; /* with so many the best are scored */
};

/* Tiles of a node, a bit each, of which only the items expected from `taken_from` up were taken. */
struct nbx_postponed {
    uint32_t part, node, tiles;
    float taken_from;
};

struct nbx_seeker {
    const struct nbx_query *query;
    const struct nbx_index *index;
    struct nbx_query own;          /* the query with its defaults filled in */
    struct nbx_sketch_query codes; /* the query for sketches */
    int8_t *room;                  /* (padded) its codes */
    float *shrunk;                 /* (padded) what they are codes of, where the index stretches */
    struct nbx_suspects suspects;
    struct nbx_candidates candidates;
    bool shaped;                     /* a value is not the score itself */
    struct nbx_postponed *postponed; /* (n_postponed), room for every node of the index */
    size_t n_postponed;
    uint64_t **few; /* (n_parts) eligible positions, a bit each; NULL: too many to find */
    struct nbx_addend_tiles *addends; /* (n_parts); NULL: none */
    uint64_t **seen; /* (n_parts) tiles visited out of turn, a bit each; NULL: none */
    /* The least score that can reach the threshold at the cap last asked for. */
    float least_cap, least_threshold;
    double least;
    uint64_t scanned, scored; /* tiles, items */
};

/* Memory for queries of up to k. */
enum nbx_err nbx_seeker_alloc(struct nbx_seeker *s, const struct nbx_index *index, size_t k,
                              bool grouped, struct nbx_arena *arena);
/* Begins a query; beside: a seeker of the same pass whose bits may be shared, or NULL. */
enum nbx_err nbx_seeker_begin(struct nbx_seeker *s, const struct nbx_query *query,
                              const struct nbx_seeker *beside, struct nbx_arena *arena);
/* The least score, addend included, with which an item of weight up to cap may still enter. */
double nbx_seeker_find_least(struct nbx_seeker *s, float cap);
static inline double nbx_seeker_least(struct nbx_seeker *s, float cap)
{
    bool known = cap == s->least_cap && s->candidates.threshold == s->least_threshold;
    return known ? s->least : nbx_seeker_find_least(s, cap);
}

/* ---- visits in turn: seeker_visit.c, seeker_guess.c ---- */

/* Queries (n, at most NBX_SKETCH_TOGETHER) of one index look at the items of a node that its norm
 * does not leave out. */
void nbx_seekers_visit_node(struct nbx_seeker *const *seekers, size_t n, size_t part, size_t node);
/* The same of up to NBX_GUESS_NODES nodes where there is no threshold yet: those items are scored
 * first of which most is expected, so that the threshold is soon near what it will be. */
#define NBX_GUESS_NODES 64
/* Scratch of one query for that, to be used for one after the other. */
struct nbx_guesses {
    float *scores;    /* (NBX_GUESS_NODES * 256) of the items */
    float *tops;      /* (NBX_GUESS_NODES * 16) the best of each lane of a node's tiles */
    uint32_t *places; /* (NBX_GUESS_NODES * 256 + 16) */
};
enum nbx_err nbx_guesses_alloc(struct nbx_guesses *g, struct nbx_arena *arena);
/* guesses: (n). */
void nbx_seekers_visit_first(struct nbx_seeker *const *seekers, size_t n,
                             const struct nbx_guesses *guesses, size_t part,
                             const struct nbx_node_run *nodes);
/* After all others: what was left to the end, and then nobody is a suspect any more. */
void nbx_seeker_visit_postponed(struct nbx_seeker *s);
/* Whether a node's norm is large enough for its items to be answers. */
bool nbx_seeker_may_hold(struct nbx_seeker *s, size_t part, size_t node);

/* ---- suspects: seeker_suspects.c ---- */

/* What its sketch says of an item: what to expect, and what it cannot exceed. */
struct nbx_suspicion {
    float expected, most;
};
/* From scores to values, where these are something else. */
void nbx_seeker_shape(const struct nbx_seeker *s, const struct nbx_suspect *suspect,
                      struct nbx_suspicion *about);
/* There is room: nbx_seeker_relieve. */
static inline void nbx_seeker_suspect(struct nbx_seeker *s, const struct nbx_suspect *suspect,
                                      const struct nbx_suspicion *about)
{
    struct nbx_suspects *list = &s->suspects;
    list->list[list->n] = *suspect;
    list->expected[list->n] = about->expected;
    list->most[list->n++] = about->most;
}
/* Scores those of which most is expected, as far as they would raise the threshold. */
void nbx_seeker_score_best(struct nbx_seeker *s);
/* A value that enough of x (n) reach to be worth scoring: as many as are wanted and some where
 * there is no threshold yet, else enough to raise it; -Inf where that is all of them. */
float nbx_seeker_cut(const struct nbx_seeker *s, const float *x, size_t n);
/* Of many who wait scores the best, and all where there is no room for NBX_NODE_ITEMS more. */
void nbx_seeker_relieve(struct nbx_seeker *s);
/* Scores the chosen suspects (n) and offers them. */
void nbx_seeker_score_chosen(struct nbx_seeker *s, size_t n);
/* Decides on every suspect. */
void nbx_seeker_settle(struct nbx_seeker *s);

/* ---- visits out of turn: seeker_few.c, seeker_addends.c, seeker_cells.c ---- */

/* Where the eligible items are, if they are few; s->few is NULL otherwise. */
enum nbx_err nbx_seeker_find_few(struct nbx_seeker *s, const struct nbx_seeker *beside,
                                 struct nbx_arena *arena);
/* Instead of all other visits: the eligible items, where they are few. */
void nbx_seeker_visit_few(struct nbx_seeker *s);
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
/* Whether an approximation will do: only a partitioned part knows what that misses. */
static inline bool nbx_seeker_approximates(const struct nbx_seeker *s, size_t part)
{
    return s->own.reach > 0 && s->index->parts[part].pack->cells.n > 0;
}
/* Few are looked up before; what an approximation has seen is all that it wants to see. */
static inline bool nbx_seeker_has_enough(const struct nbx_seeker *s, size_t part)
{
    return s->few || nbx_seeker_approximates(s, part);
}

#endif
