/* SPDX-License-Identifier: MIT */
#include "engine/score/search.h"

#include "tests/unit/score/queries.h"

#define SEED         31337
#define WORLDS       500
#define FAR_WORLDS   20
#define FAR_ITEMS    12000
#define FAR_LIST     30 /* few nodes set its threshold */
#define MOST_QUERIES 40
#define ARENA_BYTES  (256u << 20)
#define STRIDE       (BRUTE_LABELS + 64)

static const size_t batches[] = {1, 2, 3, 4, 5, 15, 16, 17, 40};
static struct nbx_random rng;
static struct nbx_arena *arena;
static struct world world;
static struct world_query *asked; /* (MOST_QUERIES) */
static struct nbx_query queries[MOST_QUERIES];
static struct nbx_hit *many, one[STRIDE], want[STRIDE]; /* many: (MOST_QUERIES, STRIDE) */
static size_t n_many[MOST_QUERIES];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(ARENA_BYTES);
    asked = aligned_alloc(64, MOST_QUERIES * sizeof *asked);
    many = malloc(MOST_QUERIES * STRIDE * sizeof *many);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
    free(asked);
    free(many);
}
TestSuite(search_many, .init = setup, .fini = teardown, .timeout = 300);

/* Queries all of their own kind; some have the filter of the one before. */
static void ask(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        world_ask(&asked[i], &world, &rng);
        if (i > 0 && world_one_in(&rng, 3)) {
            asked[i].q.eligible = asked[i - 1].q.eligible;
            asked[i].q.n_eligible = asked[i - 1].q.n_eligible;
        }
        queries[i] = asked[i].q;
    }
}

static size_t most_wanted(size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = queries[i].k > most ? queries[i].k : most;
    return most;
}

/* What one asks with all the rest: a list short enough to leave nodes to be scanned after the first
 * ones, by queries that begin and end with different nodes. */
static void ask_short_lists(size_t n)
{
    ask(n);
    for (size_t i = 0; i < n; i++)
        queries[i].k = world_below(&rng, FAR_LIST);
}

static void check_one(size_t i, size_t stride, uint64_t seed)
{
    struct brute_items items = world_items(&world);
    size_t n_one, n_want = brute_force(want, &items, &queries[i], queries[i].k);
    const struct nbx_hit *mine = many + i * stride;
    cr_assert_eq(nbx_search(world.index, &queries[i], arena, one, &n_one, NULL), NBX_OK);
    nbx_arena_reset(arena);
    cr_assert(brute_difference(mine, n_many[i], one, n_one) < 0, "world %llu query %zu",
              (unsigned long long)seed, i);
    cr_assert(brute_difference(mine, n_many[i], want, n_want) < 0, "world %llu query %zu",
              (unsigned long long)seed, i);
}

static void check_batch(size_t n, uint64_t seed)
{
    struct nbx_search_results results = {many, most_wanted(n) + world_below(&rng, 3), n_many};
    memset(n_many, 0xFF, sizeof n_many);
    cr_assert_eq(nbx_search_many(world.index, queries, n, arena, &results, NULL), NBX_OK);
    nbx_arena_reset(arena);
    for (size_t i = 0; i < n; i++)
        check_one(i, results.stride, seed);
}

Test(search_many, equals_one_at_a_time)
{
    for (uint64_t seed = SEED; seed < SEED + WORLDS; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        size_t n = batches[seed % (sizeof batches / sizeof *batches)];
        ask(n);
        check_batch(n, seed);
        world_free(&world);
    }
}

/* Nodes behind those that set the thresholds: some queries scan them together, some have done. */
Test(search_many, equals_one_at_a_time_beyond_the_first_nodes)
{
    for (uint64_t seed = SEED; seed < SEED + FAR_WORLDS; seed++) {
        nbx_random_init(&rng, seed);
        world_make(&world, &rng, (enum world_kind)(seed % WORLD_KINDS), FAR_ITEMS,
                   1 + world_below(&rng, 40));
        size_t n = batches[seed % (sizeof batches / sizeof *batches)];
        ask_short_lists(n);
        check_batch(n, seed);
        world_free(&world);
    }
}

/* The passes of a batch use the memory of the first. */
Test(search_many, memory_does_not_grow_with_the_queries)
{
    world_make(&world, &rng, WORLD_NORMAL, 500, 16);
    for (size_t i = 0; i < MOST_QUERIES; i++) {
        world_ask(&asked[i], &world, &rng);
        queries[i] = (struct nbx_query){.vector = asked[i].vector, .k = 10};
    }
    struct nbx_search_results results = {many, 10, n_many};
    cr_assert_eq(nbx_search_many(world.index, queries, 16, arena, &results, NULL), NBX_OK);
    size_t used = nbx_arena_used(arena);
    nbx_arena_reset(arena);
    cr_assert_eq(nbx_search_many(world.index, queries, 40, arena, &results, NULL), NBX_OK);
    cr_expect_eq(nbx_arena_used(arena), used);
    world_free(&world);
}

Test(search_many, stats_add_up)
{
    struct nbx_search_stats all = {0}, sum = {0};
    world_make(&world, &rng, WORLD_LONG_TAIL, 3000, 8);
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        world_ask(&asked[i], &world, &rng);
        queries[i] = (struct nbx_query){.vector = asked[i].vector, .k = 10};
        cr_assert_eq(nbx_search(world.index, &queries[i], arena, one, &n, &sum), NBX_OK);
    }
    struct nbx_search_results results = {many, 10, n_many};
    cr_assert_eq(nbx_search_many(world.index, queries, 2, arena, &results, &all), NBX_OK);
    cr_expect(all.scored >= 20 && sum.scored >= 20);
    cr_expect(all.tiles >= 2 && all.tiles <= 2 * (3000 / NBX_TILE_ITEMS + 64));
    world_free(&world);
}

Test(search_many, no_queries_are_no_work)
{
    world_make(&world, &rng, WORLD_NORMAL, 100, 8);
    struct nbx_search_results results = {many, 1, n_many};
    cr_expect_eq(nbx_search_many(world.index, queries, 0, arena, &results, NULL), NBX_OK);
    cr_expect_eq(nbx_arena_used(arena), 0);
    world_free(&world);
}

Test(search_many, a_full_arena_is_answered)
{
    world_make(&world, &rng, WORLD_NORMAL, 200, 8);
    ask(17);
    struct nbx_search_results results = {many, most_wanted(17), n_many};
    cr_assert_eq(nbx_search_many(world.index, queries, 17, arena, &results, NULL), NBX_OK);
    size_t enough = nbx_arena_used(arena);
    for (size_t cap = enough % 16; cap <= enough; cap += cap + 112 < enough ? 112 : 16) {
        struct nbx_arena *tight = nbx_arena_new(cap);
        cr_assert_eq(nbx_search_many(world.index, queries, 17, tight, &results, NULL),
                     cap < enough ? NBX_ELIMIT : NBX_OK, "%zu of %zu bytes", cap, enough);
        nbx_arena_destroy(&tight);
    }
    world_free(&world);
}
