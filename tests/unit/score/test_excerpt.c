/* SPDX-License-Identifier: MIT */
#include "engine/score/excerpt.h"

#include "tests/unit/score/queries.h"

#define SEED        4711
#define WORLDS      1200
#define QUERIES     12
#define ARENA_BYTES (64u << 20)
#define LARGE_ITEMS 20000

static struct nbx_random rng;
static struct nbx_arena *arena;
static struct world world;
static struct world_query query;
static struct nbx_excerpt *excerpt;
static uint64_t covered[BRUTE_LABELS / 64];
static struct nbx_hit want[BRUTE_LABELS], got[BRUTE_LABELS + 64];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(ARENA_BYTES);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(excerpt, .init = setup, .fini = teardown, .timeout = 300);

/* Labels of one density or another. */
static void choose_covered(size_t words)
{
    static const double densities[] = {0, 0.01, 0.2, 0.5, 1};
    double density = densities[world_below(&rng, sizeof densities / sizeof *densities)];
    memset(covered, 0, sizeof covered);
    for (size_t i = 0; i < words * 64; i++)
        if (nbx_random_unit(&rng) < density)
            covered[i / 64] |= UINT64_C(1) << i % 64;
}

/* Of any part of the world's index; there may be words that no label is in, or labels without. */
static void make_excerpt(void)
{
    size_t words = (world.end + 63) / 64;
    size_t part = world_below(&rng, world.index->n_parts);
    if (world_one_in(&rng, 4))
        words = world_below(&rng, words + 1);
    choose_covered(words);
    cr_assert_eq(
        nbx_excerpt_begin(&excerpt, world.index->parts[part].pack, covered, words * 64, NULL),
        NBX_OK);
    cr_assert_eq(nbx_excerpt_fill(excerpt), NBX_OK);
}

/* A query that the excerpt is for: eligible is what it covers, less some. */
static void ask(void)
{
    world_ask(&query, &world, &rng);
    query.q.weights = NULL;
    query.q.addends = NULL;
    memcpy(query.eligible, covered, sizeof covered);
    for (size_t w = 0; world_one_in(&rng, 2) && w < excerpt->n_covered / 64; w++) {
        uint64_t left_out = nbx_random_u64(&rng);
        query.eligible[w] &= ~(left_out & nbx_random_u64(&rng));
    }
    query.q.eligible = query.eligible;
    query.q.n_eligible = excerpt->n_covered;
    cr_assert(nbx_excerpt_covers(excerpt, query.eligible, query.q.n_eligible));
}

/* What is searched by the excerpt is what sorting all that lives gives. */
static void check(uint64_t seed)
{
    const struct nbx_index *view;
    struct brute_items items = world_items(&world);
    size_t n_want = brute_force(want, &items, &query.q, query.q.k), n_got = SIZE_MAX;
    cr_assert_eq(nbx_excerpt_view(&view, world.index, excerpt, arena), NBX_OK);
    cr_assert_eq(nbx_search(view, &query.q, arena, got, &n_got, NULL), NBX_OK);
    long at = brute_difference(got, n_got, want, n_want);
    cr_assert(at < 0, "world %llu: place %ld of %zu, got %zu; kind %d n %zu dim %zu k %zu",
              (unsigned long long)seed, at, n_want, n_got, world.kind, world.n, world.dim,
              query.q.k);
    nbx_arena_reset(arena);
}

Test(excerpt, equals_brute_force)
{
    for (uint64_t seed = SEED; seed < SEED + WORLDS; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        make_excerpt();
        for (int i = 0; i < QUERIES; i++) {
            ask();
            check(seed);
        }
        nbx_excerpt_destroy(&excerpt);
        world_free(&world);
    }
}

/* Items out of the world's index, and out of its brute force. */
static void kill_some(void)
{
    for (size_t i = world.n; i-- > 0;) {
        if (!world_one_in(&rng, 3))
            continue;
        for (size_t p = 0; p < world.index->n_parts; p++)
            world_kill(&world.index->parts[p], world.labels[i]);
        size_t last = --world.n;
        world.labels[i] = world.labels[last];
        memcpy(world.rows + i * world.padded, world.rows + last * world.padded,
               world.padded * sizeof *world.rows);
    }
}

/* What died since the excerpt was made is in no answer. */
Test(excerpt, knows_what_died)
{
    for (uint64_t seed = SEED; seed < SEED + WORLDS / 4; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        make_excerpt();
        kill_some();
        for (int i = 0; i < QUERIES; i++) {
            ask();
            check(seed);
        }
        nbx_excerpt_destroy(&excerpt);
        world_free(&world);
    }
}

/* A label that the excerpt was not made of is covered only if the pack has not got it. */
static void check_covers(uint32_t label)
{
    uint64_t bit = UINT64_C(1) << label % 64, before = covered[label / 64];
    bool has = nbx_packed_find(excerpt->of, label) != NBX_NO_POSITION;
    bool made_of = label < excerpt->n_covered && (excerpt->covered[label / 64] & bit);
    covered[label / 64] |= bit;
    cr_expect_eq(nbx_excerpt_covers(excerpt, covered, BRUTE_LABELS), made_of || !has, "label %u",
                 (unsigned)label);
    cr_expect(nbx_excerpt_covers(excerpt, covered, label / 64 * 64), "label %u", (unsigned)label);
    covered[label / 64] = before;
}

Test(excerpt, covers_what_it_was_made_of_and_what_is_not_there)
{
    for (uint64_t seed = SEED; seed < SEED + 40; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        make_excerpt();
        memset(covered, 0, sizeof covered);
        memcpy(covered, excerpt->covered, excerpt->n_covered / 8);
        for (int i = 0; i < 100; i++)
            check_covers((uint32_t)world_below(&rng, world.end + 64) % BRUTE_LABELS);
        nbx_excerpt_destroy(&excerpt);
        world_free(&world);
    }
}

/* Another index, which has not got the pack, is seen as it is. */
Test(excerpt, leaves_other_indexes_alone)
{
    struct world other;
    const struct nbx_index *view;
    world_make(&world, &rng, WORLD_NORMAL, 300, 16);
    world_make(&other, &rng, WORLD_NORMAL, 200, 16);
    make_excerpt();
    cr_assert_eq(nbx_excerpt_view(&view, other.index, excerpt, arena), NBX_OK);
    cr_assert_eq(view->n_parts, other.index->n_parts);
    for (size_t p = 0; p < view->n_parts; p++)
        cr_expect_eq(view->parts[p].pack, other.index->parts[p].pack);
    nbx_excerpt_destroy(&excerpt);
    world_free(&other);
    world_free(&world);
}

/* It reads less, holds an eighth of the vectors and some, is charged for it and gives it back. */
Test(excerpt, is_small_and_charged)
{
    struct nbx_budget budget = {.limit = SIZE_MAX / 2};
    struct nbx_search_stats whole = {0}, part = {0};
    const struct nbx_index *view;
    size_t n;
    world_make(&world, &rng, WORLD_LONG_TAIL, LARGE_ITEMS, 32);
    memset(covered, 0, sizeof covered);
    for (size_t w = 0; w < BRUTE_LABELS / 64; w++)
        covered[w] = UINT64_C(0x1111111111111111);
    const struct nbx_index_part *largest = &world.index->parts[0];
    for (size_t p = 0; p < world.index->n_parts; p++)
        largest = world.index->parts[p].n_live > largest->n_live ? &world.index->parts[p] : largest;
    cr_assert_eq(nbx_excerpt_begin(&excerpt, largest->pack, covered, BRUTE_LABELS, &budget),
                 NBX_OK);
    cr_assert_eq(nbx_excerpt_fill(excerpt), NBX_OK);
    size_t about = nbx_excerpt_bytes(largest->pack, excerpt->pack.n) + BRUTE_LABELS / 8;
    cr_expect(budget.used >= about && budget.used < about + about / 4, "%zu charged, not %zu",
              budget.used, about);
    ask();
    query.q.eligible = covered;
    query.q.k = 10;
    cr_assert_eq(nbx_search(world.index, &query.q, arena, got, &n, &whole), NBX_OK);
    cr_assert_eq(nbx_excerpt_view(&view, world.index, excerpt, arena), NBX_OK);
    cr_assert_eq(nbx_search(view, &query.q, arena, got, &n, &part), NBX_OK);
    cr_expect(part.tiles < whole.tiles, "%llu of %llu tiles", (unsigned long long)part.tiles,
              (unsigned long long)whole.tiles);
    nbx_excerpt_destroy(&excerpt);
    cr_expect_eq(budget.used, 0);
    world_free(&world);
}

/* Memory that is not there is said, and nothing stays charged. */
Test(excerpt, says_where_the_budget_is_out)
{
    struct nbx_budget budget = {.limit = 1000};
    world_make(&world, &rng, WORLD_NORMAL, 500, 16);
    memset(covered, 0xFF, sizeof covered);
    cr_assert_eq(
        nbx_excerpt_begin(&excerpt, world.index->parts[0].pack, covered, BRUTE_LABELS, &budget),
        NBX_OK);
    cr_expect_eq(nbx_excerpt_fill(excerpt), NBX_ELIMIT);
    nbx_excerpt_destroy(&excerpt);
    cr_expect_eq(budget.used, 0);
    world_free(&world);
}
