/* SPDX-License-Identifier: MIT
 * Queries with few eligible items: these are looked up one by one, the longest first, and nothing
 * else is looked at.
 */
#include "engine/score/seeker.h"

/* Fewer eligible than one in this many: looking them up costs less than scanning. */
#define FEW 64
/* Labels whose places are fetched together. */
#define TOGETHER 64
/* Items scored before the threshold is set anew. */
#define AT_A_TIME 64

static void mark(struct nbx_seeker *s, const uint32_t *labels, size_t n)
{
    for (size_t p = 0; p < s->index->n_parts; p++) {
        const struct nbx_packed *pack = s->index->parts[p].pack;
        for (size_t i = 0; i < n; i++)
            nbx_packed_fetch_place(pack, labels[i]);
        for (size_t i = 0; i < n; i++) {
            uint32_t position = nbx_packed_find(pack, labels[i]);
            if (position != NBX_NO_POSITION)
                s->few[p][position / 64] |= UINT64_C(1) << position % 64;
        }
    }
}

static void mark_all(struct nbx_seeker *s)
{
    uint32_t labels[TOGETHER];
    size_t n = 0;
    for (size_t w = 0; w < s->own.n_eligible / 64; w++)
        for (uint64_t bits = s->own.eligible[w]; bits; bits &= bits - 1) {
            labels[n++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
            if (n == TOGETHER) {
                mark(s, labels, n);
                n = 0;
            }
        }
    mark(s, labels, n);
}

static enum nbx_err find_places(struct nbx_seeker *s, struct nbx_arena *arena)
{
    s->few = nbx_arena_calloc(arena, s->index->n_parts + 1, sizeof *s->few);
    for (size_t p = 0; s->few && p < s->index->n_parts; p++) {
        size_t words = nbx_packed_words(s->index->parts[p].pack);
        s->few[p] = nbx_arena_calloc(arena, words, sizeof *s->few[p]);
        if (!s->few[p])
            return NBX_ELIMIT;
    }
    if (!s->few)
        return NBX_ELIMIT;
    mark_all(s);
    return NBX_OK;
}

/* An excerpt does not know where its labels lie: it is looked through. */
static bool may_look_up(const struct nbx_seeker *s)
{
    for (size_t p = 0; p < s->index->n_parts; p++)
        if (s->index->parts[p].pack->origins)
            return false;
    return s->own.eligible;
}

enum nbx_err nbx_seeker_find_few(struct nbx_seeker *s, const struct nbx_seeker *beside,
                                 struct nbx_arena *arena)
{
    const struct nbx_query *q = &s->own;
    s->few = NULL;
    if (!may_look_up(s))
        return NBX_OK;
    if (beside && beside->query->eligible == q->eligible &&
        beside->query->n_eligible == q->n_eligible) {
        s->few = beside->few;
        return NBX_OK;
    }
    if (q->kernel->count(q->eligible, q->n_eligible / 64) > nbx_index_count(s->index) / FEW)
        return NBX_OK;
    return find_places(s, arena);
}

/* How far a walk through one part has come. */
struct walk {
    uint32_t part, node;
    bool open; /* the node's norm is large enough, or does not say, where there are addends */
    size_t n;  /* chosen, not yet scored */
};

static void score(struct nbx_seeker *s, struct walk *walk)
{
    nbx_seeker_score_chosen(s, walk->n);
    nbx_candidates_tighten(&s->candidates);
    walk->n = 0;
}

/* Takes up the eligible positions of one word, as far as their norms allow. */
static void walk_word(struct nbx_seeker *s, struct walk *walk, size_t word)
{
    const struct nbx_index_part *part = &s->index->parts[walk->part];
    uint64_t bits = s->few[walk->part][word] & part->live[word];
    for (; bits; bits &= bits - 1) {
        uint32_t position = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
        uint32_t node = part->pack->node_of_tile[position / NBX_TILE_ITEMS];
        if (node != walk->node) {
            walk->node = node;
            walk->open = s->addends || nbx_seeker_may_hold(s, walk->part, node);
        }
        if (!walk->open)
            continue;
        s->suspects.chosen[walk->n++] = (struct nbx_suspect){walk->part, position};
        if (walk->n == AT_A_TIME)
            score(s, walk);
    }
}

void nbx_seeker_visit_few(struct nbx_seeker *s)
{
    for (uint32_t p = 0; s->own.k && p < s->index->n_parts; p++) {
        struct walk walk = {.part = p, .node = UINT32_MAX};
        for (size_t w = 0; w < nbx_packed_words(s->index->parts[p].pack); w++)
            if (s->few[p][w])
                walk_word(s, &walk, w);
        score(s, &walk);
    }
}
