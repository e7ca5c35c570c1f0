/* SPDX-License-Identifier: MIT */
#include "engine/score/cursor.h"

#include "tests/unit/score/queries.h"

#define SEED        4711
#define WORLDS      400
#define QUERIES     8
#define ARENA_BYTES (256u << 20)

static const size_t pages[] = {1, 3, 100};
static struct nbx_random rng;
static struct nbx_arena *arena;
static struct world world;
static struct world_query query;
static struct nbx_hit want[BRUTE_LABELS], got[BRUTE_LABELS + 1];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(ARENA_BYTES);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(search_cursor, .init = setup, .fini = teardown, .timeout = 300);

static size_t draw_all(const struct nbx_query *q)
{
    struct nbx_search_cursor cursor;
    size_t n = 0;
    enum nbx_err err;
    nbx_search_open(&cursor, world.index, q, arena);
    while (!(err = nbx_search_next(&cursor, &got[n])))
        n++;
    cr_assert_eq(err, NBX_ENOTFOUND);
    cr_assert_eq(nbx_search_next(&cursor, &got[n]), NBX_ENOTFOUND, "the end stays the end");
    nbx_arena_reset(arena);
    return n;
}

Test(search_cursor, continued_to_the_end_gives_everything_in_order)
{
    for (uint64_t seed = SEED; seed < SEED + WORLDS; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        for (int i = 0; i < QUERIES; i++) {
            world_ask(&query, &world, &rng);
            query.q.k = world_one_in(&rng, 10) ? 0 : pages[world_below(&rng, 3)];
            struct brute_items items = world_items(&world);
            size_t n_want = brute_force(want, &items, &query.q, SIZE_MAX);
            long at = brute_difference(got, draw_all(&query.q), want, n_want);
            cr_assert(at < 0, "world %llu query %d place %ld of %zu", (unsigned long long)seed, i,
                      at, n_want);
        }
        world_free(&world);
    }
}

static void take_away(struct world_query *q, uint32_t label)
{
    q->eligible[label / 64] &= ~(UINT64_C(1) << label % 64);
}
static bool is_eligible(const struct world_query *q, uint32_t label)
{
    return label < q->q.n_eligible && q->eligible[label / 64] >> (label % 64) & 1;
}

/* Draws to the end; before each item another loses its bit. Pages are of one item at first, so an
 * item may come that lost its bit since its page was turned, but none that had lost it before the
 * cursor was opened. Returns how many came; taken: by label. */
static size_t draw_while_taking(bool *taken)
{
    struct nbx_search_cursor cursor;
    size_t n = 0;
    nbx_search_open(&cursor, world.index, &query.q, arena);
    for (;;) {
        if (world.n && world_one_in(&rng, 2)) {
            uint32_t label = world.labels[world_below(&rng, world.n)];
            taken[label] = taken[label] || is_eligible(&query, label);
            take_away(&query, label);
        }
        if (nbx_search_next(&cursor, &got[n]))
            break;
        n++;
    }
    nbx_arena_reset(arena);
    return n;
}

/* Whatever kept its bit comes, in order, and nothing else but what lost it on the way. */
Test(search_cursor, items_may_lose_their_bits_meanwhile)
{
    static bool taken[BRUTE_LABELS];
    for (uint64_t seed = 1; seed <= 600; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        world_ask(&query, &world, &rng);
        world_ask_eligible(&query, &world, &rng);
        query.q.k = pages[world_below(&rng, 3)];
        query.q.group = NULL;
        memset(taken, 0, sizeof taken);
        size_t n = draw_while_taking(taken), kept = 0;
        struct brute_items items = world_items(&world);
        size_t n_want = brute_force(want, &items, &query.q, SIZE_MAX);
        for (size_t i = 0; i < n; i++) {
            cr_assert(is_eligible(&query, got[i].row) || taken[got[i].row], "world %llu place %zu",
                      (unsigned long long)seed, i);
            cr_assert(i == 0 || brute_order(&got[i - 1], &got[i], &query.q) < 0,
                      "world %llu place %zu", (unsigned long long)seed, i);
            if (is_eligible(&query, got[i].row))
                got[kept++] = got[i];
        }
        cr_assert(brute_difference(got, kept, want, n_want) < 0, "world %llu",
                  (unsigned long long)seed);
        world_free(&world);
    }
}

/* With pages of one item, the one that lost its bit does not come. */
Test(search_cursor, the_next_page_obeys_the_bits)
{
    world_make(&world, &rng, WORLD_NORMAL, 200, 8);
    world_ask(&query, &world, &rng);
    memset(query.eligible, 0xFF, sizeof query.eligible);
    query.q = (struct nbx_query){
        .vector = query.vector, .eligible = query.eligible, .n_eligible = BRUTE_LABELS, .k = 1};
    struct brute_items items = world_items(&world);
    struct nbx_search_cursor cursor;
    struct nbx_hit hit;
    brute_force(want, &items, &query.q, SIZE_MAX);
    nbx_search_open(&cursor, world.index, &query.q, arena);
    cr_assert_eq(nbx_search_next(&cursor, &hit), NBX_OK);
    cr_expect_eq(hit.row, want[0].row);
    take_away(&query, want[1].row);
    cr_assert_eq(nbx_search_next(&cursor, &hit), NBX_OK);
    cr_expect_eq(hit.row, want[2].row);
    world_free(&world);
}

/* The largest number a group can have is one like any other. */
Test(search_cursor, the_last_group_comes_once)
{
    world_make(&world, &rng, WORLD_NORMAL, 50, 4);
    world_ask(&query, &world, &rng);
    for (size_t i = 0; i < world.end; i++)
        world.by_label->group[i] = UINT32_MAX;
    query.q = (struct nbx_query){
        .vector = query.vector, .group = world_group_of, .tie_ctx = world.by_label, .k = 1};
    cr_expect_eq(draw_all(&query.q), 1);
    world_free(&world);
}

/* Every arena up to one that suffices: what comes is right, and the end is not mistaken. */
Test(search_cursor, a_full_arena_is_answered)
{
    world_make(&world, &rng, WORLD_NORMAL, 150, 6);
    world_ask(&query, &world, &rng);
    query.q = (struct nbx_query){.vector = query.vector, .k = 3};
    struct brute_items items = world_items(&world);
    size_t n_want = brute_force(want, &items, &query.q, SIZE_MAX), n = 0;
    for (size_t cap = 0; n < n_want; cap += 48) {
        struct nbx_arena *tight = nbx_arena_new(cap);
        struct nbx_search_cursor cursor;
        enum nbx_err err;
        nbx_search_open(&cursor, world.index, &query.q, tight);
        for (n = 0; !(err = nbx_search_next(&cursor, &got[n])); n++)
            ;
        cr_assert_eq(err, n < n_want ? NBX_ELIMIT : NBX_ENOTFOUND, "%zu bytes", cap);
        bool ended = nbx_search_next(&cursor, &got[n]) == NBX_ENOTFOUND;
        cr_assert_eq(ended, n == n_want, "%zu bytes, asked again", cap);
        cr_assert(brute_difference(got, n, want, n) < 0);
        nbx_arena_destroy(&tight);
    }
    world_free(&world);
}
