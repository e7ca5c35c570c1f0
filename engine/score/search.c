/* SPDX-License-Identifier: MIT */
#include "engine/score/search.h"

#include "engine/score/seeker.h"

#define TOGETHER    16 /* queries that go through the nodes side by side */
#define AT_A_TIME   16 /* nodes of one run before the most promising run is chosen again */
#define FIRST_NODES 8  /* and more for longer lists: what sets the threshold */

/* A run of one part and how far the search has come in it. */
struct source {
    uint32_t part, run;
    uint32_t at, end; /* nodes */
    float promise;    /* what the next node may hold, for choosing; not a bound */
};

/* The queries of one pass. */
struct pass {
    const struct nbx_index *index;
    struct nbx_seeker *seekers; /* (n) */
    size_t n;
    struct nbx_seeker *waiting[TOGETHER]; /* (n_waiting) not yet done with a source */
    size_t n_waiting;
    struct nbx_guesses guesses[NBX_SKETCH_TOGETHER]; /* (n, at most) */
    struct source *sources; /* (n_sources) not yet done, of room for every run */
    size_t n_sources;
    bool begun; /* thresholds are set */
};

static const struct nbx_packed *pack_of(const struct pass *pass, const struct source *source)
{
    return pass->index->parts[source->part].pack;
}

/* The first query speaks for all: which run is next does not change the answer. */
static void set_promise(const struct pass *pass, struct source *source)
{
    const struct nbx_seeker *first = &pass->seekers[0];
    float norm = pack_of(pass, source)->nodes[source->at].norm_ahead;
    float value = (float)nbx_sketch_bound_by_norm(&first->codes, norm);
    if (first->own.transform)
        value = nbx_transform_apply(first->own.transform, value);
    source->promise = value * nbx_seeker_run_cap(first, source->part, source->run);
}

static size_t count_runs(const struct nbx_index *index)
{
    size_t n = 0;
    for (size_t p = 0; p < index->n_parts; p++)
        n += index->parts[p].pack->n_runs;
    return n;
}

static void list_sources(struct pass *pass)
{
    pass->n_sources = 0;
    for (size_t p = 0; p < pass->index->n_parts; p++) {
        const struct nbx_packed *s = pass->index->parts[p].pack;
        for (size_t r = 0; r < s->n_runs; r++) {
            struct source *source = &pass->sources[pass->n_sources++];
            *source = (struct source){.part = (uint32_t)p,
                                      .run = (uint32_t)r,
                                      .at = s->runs[r].first,
                                      .end = s->runs[r].end};
            set_promise(pass, source);
        }
    }
}

static size_t most_promising(const struct pass *pass)
{
    size_t best = 0;
    for (size_t i = 1; i < pass->n_sources; i++)
        if (pass->sources[i].promise > pass->sources[best].promise)
            best = i;
    return best;
}

/* Whether no item from the source's next node on can enter any more. */
static bool is_done(struct nbx_seeker *s, const struct pass *pass, const struct source *source)
{
    if (source->at == source->end || nbx_seeker_has_enough(s, source->part))
        return true;
    float norm = pack_of(pass, source)->nodes[source->at].norm_ahead;
    return nbx_sketch_bound_by_norm(&s->codes, norm) <
           nbx_seeker_least(s, nbx_seeker_run_cap(s, source->part, source->run));
}

/* The most promising of so many nodes set the thresholds: more for longer lists. */
static size_t first_nodes(const struct pass *pass)
{
    size_t n = FIRST_NODES + pass->seekers[0].own.k / 5;
    return n < NBX_GUESS_NODES ? n : NBX_GUESS_NODES;
}

/* Nodes for some queries (n), while they are in the cache. */
static void visit(const struct pass *pass, struct nbx_seeker *const *seekers, size_t n,
                  uint32_t part, const struct nbx_node_run *nodes)
{
    if (!pass->begun)
        nbx_seekers_visit_first(seekers, n, pass->guesses, part, nodes);
    for (size_t at = nodes->first; pass->begun && at < nodes->end; at++)
        nbx_seekers_visit_node(seekers, n, part, at);
}

/* The next nodes of a source for the queries that wait, as many at once as scan together. */
static void visit_some(struct pass *pass, struct source *source)
{
    size_t left = source->end - source->at, most = pass->begun ? AT_A_TIME : first_nodes(pass);
    uint32_t n_nodes = (uint32_t)(left < most ? left : most);
    struct nbx_node_run nodes = {source->at, source->at + n_nodes};
    for (size_t i = 0; i < pass->n_waiting; i += NBX_SKETCH_TOGETHER) {
        size_t rest = pass->n_waiting - i;
        visit(pass, pass->waiting + i, rest < NBX_SKETCH_TOGETHER ? rest : NBX_SKETCH_TOGETHER,
              source->part, &nodes);
    }
    source->at += n_nodes;
    pass->begun = true;
}

/* Lists the queries that have not done with a source. */
static void list_waiting(struct pass *pass, const struct source *source)
{
    pass->n_waiting = 0;
    for (size_t i = 0; i < pass->n; i++)
        if (!is_done(&pass->seekers[i], pass, source))
            pass->waiting[pass->n_waiting++] = &pass->seekers[i];
}

static void run(struct pass *pass)
{
    while (pass->n_sources > 0) {
        size_t best = most_promising(pass);
        struct source *source = &pass->sources[best];
        list_waiting(pass, source);
        if (pass->n_waiting == 0) {
            *source = pass->sources[--pass->n_sources];
            continue;
        }
        visit_some(pass, source);
        if (source->at < source->end)
            set_promise(pass, source);
    }
}

/* What a query visits before its turn comes in the pass. */
static enum nbx_err visit_early(struct nbx_seeker *s, struct nbx_arena *arena)
{
    if (s->few) {
        nbx_seeker_visit_few(s);
        return NBX_OK;
    }
    enum nbx_err err = s->addends ? nbx_seeker_visit_addends(s, arena) : NBX_OK;
    return !err && s->seen ? nbx_seeker_visit_cells(s, arena) : err;
}

/* Seekers [0, n) for queries[0, n): one pass. */
static enum nbx_err search_together(struct pass *pass, const struct nbx_query *queries, size_t n,
                                    struct nbx_arena *arena)
{
    enum nbx_err err;
    pass->n = n;
    for (size_t i = 0; i < n; i++) {
        struct nbx_seeker *s = &pass->seekers[i];
        if ((err = nbx_seeker_begin(s, &queries[i], i ? s - 1 : NULL, arena)) ||
            (err = visit_early(s, arena)))
            return err;
    }
    list_sources(pass);
    pass->begun = false;
    run(pass);
    return NBX_OK;
}

static enum nbx_err make_pass(struct pass *pass, const struct nbx_index *index,
                              const struct nbx_query *queries, size_t n_queries,
                              struct nbx_arena *arena)
{
    size_t n = n_queries < TOGETHER ? n_queries : TOGETHER, k = 0, count = nbx_index_count(index);
    bool grouped = false;
    for (size_t i = 0; i < n_queries; i++) {
        k = queries[i].k > k ? queries[i].k : k;
        grouped = grouped || queries[i].group;
    }
    *pass = (struct pass){.index = index};
    pass->seekers = nbx_arena_calloc(arena, n, sizeof *pass->seekers);
    pass->sources = nbx_arena_calloc(arena, count_runs(index), sizeof *pass->sources);
    if (!pass->seekers || !pass->sources)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n && i < NBX_SKETCH_TOGETHER; i++) {
        enum nbx_err err = nbx_guesses_alloc(&pass->guesses[i], arena);
        if (err)
            return err;
    }
    for (size_t i = 0; i < n; i++) {
        enum nbx_err err =
            nbx_seeker_alloc(&pass->seekers[i], index, k < count ? k : count, grouped, arena);
        if (err)
            return err;
    }
    return NBX_OK;
}

/* Whether an approximation was made. */
static bool is_partial(const struct nbx_seeker *s)
{
    bool partial = false;
    for (size_t p = 0; !s->few && p < s->index->n_parts; p++)
        partial = partial || nbx_seeker_approximates(s, p);
    return partial;
}

/* The results of the pass, whose first query is number `first`. */
static void take_results(struct pass *pass, const struct nbx_search_results *results, size_t first,
                         struct nbx_search_stats *stats)
{
    for (size_t i = 0; i < pass->n; i++) {
        struct nbx_seeker *s = &pass->seekers[i];
        struct nbx_hit *hits = results->hits + (first + i) * results->stride;
        nbx_seeker_visit_postponed(s);
        results->n_hits[first + i] = nbx_candidates_finish(&s->candidates, hits);
        if (results->partial)
            results->partial[first + i] = is_partial(s);
        if (stats) {
            stats->tiles += s->scanned;
            stats->scored += s->scored;
        }
    }
}

enum nbx_err nbx_search_many(const struct nbx_index *index, const struct nbx_query *queries,
                             size_t n_queries, struct nbx_arena *arena,
                             struct nbx_search_results *results, struct nbx_search_stats *stats)
{
    struct pass pass;
    enum nbx_err err = n_queries ? make_pass(&pass, index, queries, n_queries, arena) : NBX_OK;
    for (size_t i = 0; !err && i < n_queries; i += TOGETHER) {
        size_t n = n_queries - i < TOGETHER ? n_queries - i : TOGETHER;
        err = search_together(&pass, queries + i, n, arena);
        if (!err)
            take_results(&pass, results, i, stats);
    }
    return err;
}

enum nbx_err nbx_search(const struct nbx_index *index, const struct nbx_query *query,
                        struct nbx_arena *arena, struct nbx_hit *hits, size_t *n,
                        struct nbx_search_stats *stats)
{
    struct nbx_search_results results = {.hits = hits, .stride = query->k, .n_hits = n};
    *n = 0;
    return nbx_search_many(index, query, 1, arena, &results, stats);
}
