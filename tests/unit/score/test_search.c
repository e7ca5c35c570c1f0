/* SPDX-License-Identifier: MIT */
#include "engine/score/search.h"

#include "tests/unit/score/queries.h"

#define SEED          20177
#define WORLDS        2600
#define QUERIES       40
#define ARENA_BYTES   (64u << 20)
#define LARGE_ITEMS   30000
#define LARGE_DIM     32
#define LARGE_QUERIES 40
#define FAR_WORLDS    40
#define FAR_ITEMS     7000
#define FAR_QUERIES   40
#define TINY_QUERIES  12
#define TIGHT_WORLDS  60

static struct nbx_random rng;
static struct nbx_arena *arena;
static struct world world;
static struct world_query query;
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
TestSuite(search, .init = setup, .fini = teardown, .timeout = 300);

/* The query's answer is the brute force's, in labels and bits. */
static void check(const struct world *w, const struct nbx_query *q, uint64_t seed)
{
    struct brute_items items = world_items(w);
    size_t n_want = brute_force(want, &items, q, q->k), n_got = SIZE_MAX;
    cr_assert_eq(nbx_search(w->index, q, arena, got, &n_got, NULL), NBX_OK);
    long at = brute_difference(got, n_got, want, n_want);
    cr_assert(at < 0,
              "world %llu: place %ld of %zu, got %zu; kind %d n %zu dim %zu k %zu%s%s%s%s%s",
              (unsigned long long)seed, at, n_want, n_got, w->kind, w->n, w->dim, q->k,
              q->eligible ? " eligible" : "", q->transform ? " transform" : "",
              q->addends ? " addends" : "", q->weights ? " weights" : "", q->group ? " group" : "");
    nbx_arena_reset(arena);
}

static void check_worlds(uint64_t from, uint64_t to)
{
    for (uint64_t seed = from; seed < to; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        for (int i = 0; i < QUERIES; i++) {
            world_ask(&query, &world, &rng);
            check(&world, &query.q, seed);
        }
        world_free(&world);
    }
}

/* Halves, to run side by side. */
Test(search, equals_brute_force)
{
    check_worlds(SEED, SEED + WORLDS / 2);
}
Test(search, equals_brute_force_in_more_worlds)
{
    check_worlds(SEED + WORLDS / 2, SEED + WORLDS);
}

static void check_large(enum world_kind kind, size_t n, int queries)
{
    world_make(&world, &rng, kind, n, LARGE_DIM);
    for (int i = 0; i < queries; i++) {
        world_ask(&query, &world, &rng);
        check(&world, &query.q, SEED);
    }
    world_free(&world);
}

Test(search, equals_brute_force_among_many_items)
{
    static const enum world_kind kinds[] = {WORLD_NORMAL, WORLD_LONG_TAIL, WORLD_COPIES};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_large(kinds[i], LARGE_ITEMS, LARGE_QUERIES);
}

/* Beyond the nodes that set the threshold: those that follow are scanned, left out, postponed. */
Test(search, equals_brute_force_beyond_the_first_nodes)
{
    for (int i = 0; i < FAR_WORLDS; i++)
        check_large((enum world_kind)(i % WORLD_KINDS), FAR_ITEMS, FAR_QUERIES);
}

/* Errors of sketches are subnormal numbers here, of which a rounded one may lose all. */
Test(search, equals_brute_force_among_subnormal_items)
{
    for (size_t dim = 1; dim <= 8; dim++) {
        world_make(&world, &rng, WORLD_TINY, LARGE_ITEMS, dim);
        for (int i = 0; i < TINY_QUERIES; i++) {
            world_ask(&query, &world, &rng);
            for (size_t d = 0; d < dim; d++)
                query.vector[d] = 0.45F * (float)(2 * nbx_random_unit(&rng) - 1);
            check(&world, &query.q, SEED);
        }
        world_free(&world);
    }
}

/* One search in each arena from none at all to just enough. */
static void check_tight(const struct world *w, const struct nbx_query *q, uint64_t seed)
{
    struct brute_items items = world_items(w);
    size_t n_want = brute_force(want, &items, q, q->k), n_got;
    cr_assert_eq(nbx_search(w->index, q, arena, got, &n_got, NULL), NBX_OK);
    size_t enough = nbx_arena_used(arena), step = enough / 400 / 16 * 16 + 16;
    nbx_arena_reset(arena);
    for (size_t cap = enough % step; cap <= enough; cap += step) {
        struct nbx_arena *tight = nbx_arena_new(cap);
        enum nbx_err err = nbx_search(w->index, q, tight, got, &n_got, NULL);
        cr_assert_eq(err, cap < enough ? NBX_ELIMIT : NBX_OK, "world %llu: %zu of %zu bytes",
                     (unsigned long long)seed, cap, enough);
        cr_assert(err ? n_got == 0 : brute_difference(got, n_got, want, n_want) < 0);
        nbx_arena_destroy(&tight);
    }
}

Test(search, a_full_arena_is_answered)
{
    for (uint64_t seed = 1; seed <= TIGHT_WORLDS; seed++) {
        nbx_random_init(&rng, seed);
        world_random(&world, &rng);
        for (int i = 0; i < 3; i++) {
            world_ask(&query, &world, &rng);
            check_tight(&world, &query.q, seed);
        }
        world_free(&world);
    }
}

/* ---- corners ---- */

/* A world of given rows in a single part without weights; labels 0, 1, ... */
static void make_plain(struct world *w, size_t n, size_t dim)
{
    *w = (struct world){.n = n, .dim = dim, .padded = nbx_padded(dim), .end = (uint32_t)n};
    w->rows = calloc(n * w->padded + 1, sizeof *w->rows);
    w->labels = calloc(n + 1, sizeof *w->labels);
    w->columns[0] = calloc(n + 1, sizeof **w->columns);
    for (uint32_t i = 0; i < n; i++)
        w->labels[i] = i;
}

static void index_plain(struct world *w)
{
    struct nbx_packed_items items = {
        .vectors = w->rows, .labels = w->labels, .n = w->n, .dim = w->dim, .stride = w->padded};
    cr_assert_eq(nbx_index_new(&w->index, &items), NBX_OK);
    cr_assert_eq(nbx_weights_new(&w->weights[0], w->index, w->columns[0], w->n), NBX_OK);
}

static void fill_all(struct world *w, float value)
{
    for (size_t i = 0; i < w->n; i++)
        for (size_t d = 0; d < w->dim; d++)
            w->rows[i * w->padded + d] = value;
}

/* Where a score may be infinite no bound rules a block out; an answer of no items needs none. */
Test(search, no_items_of_enormous_ones)
{
    float from[] = {0, 1}, into[] = {0, 1};
    struct nbx_transform t = {.kind = NBX_TRANSFORM_TABLE, .from = from, .into = into, .n = 2};
    make_plain(&world, 200, 8);
    fill_all(&world, FLT_MAX);
    index_plain(&world);
    for (size_t d = 0; d < 8; d++)
        query.vector[d] = FLT_MAX;
    struct nbx_query q = {.vector = query.vector};
    check(&world, &q, 0);
    q.transform = &t;
    check(&world, &q, 0);
    struct nbx_search_stats stats = {0};
    size_t n;
    cr_assert_eq(nbx_search(world.index, &q, arena, got, &n, &stats), NBX_OK);
    cr_expect_eq(stats.tiles + stats.scored, 0);
    world_free(&world);
}

Test(search, a_zero_query_finds_items_beyond_measure)
{
    make_plain(&world, 200, 8);
    fill_all(&world, FLT_MAX);
    index_plain(&world);
    struct nbx_query q = {.vector = query.vector, .k = 3};
    check(&world, &q, 0);
    world_free(&world);
}

/* An infinite value times weight 0 is not a number, and lowest of all. */
Test(search, weight_zero_of_an_infinite_sum_beats_nothing)
{
    make_plain(&world, 2000, 1);
    for (size_t i = 0; i < world.n; i++) {
        bool lost = i < 128;
        world.rows[i * world.padded] = lost ? -6e37f : 1 + (float)i;
        world.columns[0][i] = lost ? 0 : 1;
    }
    for (uint32_t i = 0; i < 128; i++) {
        query.addend_labels[i] = i;
        query.addend_values[i] = -FLT_MAX;
    }
    index_plain(&world);
    query.vector[0] = 1;
    struct nbx_addends addends = {query.addend_labels, query.addend_values, 128};
    struct nbx_query q = {
        .vector = query.vector, .k = 40, .weights = world.weights[0], .addends = &addends};
    check(&world, &q, 0);
    world_free(&world);
}

/* Subnormal norms are coarse: the longest of them stand first all the same. */
Test(search, subnormal_norms_fall)
{
    make_plain(&world, 2000, 6);
    for (size_t i = 0; i < world.n; i++)
        for (size_t d = 0; d < (i < 128 ? 5 : i < world.n - 1 ? 3 : 6); d++)
            world.rows[i * world.padded + d] = 0x1p-149f;
    index_plain(&world);
    for (size_t d = 0; d < 6; d++)
        query.vector[d] = 1e20f;
    struct nbx_query q = {.vector = query.vector, .k = 1};
    check(&world, &q, 0);
    world_free(&world);
}

/* Values beyond the floats are all infinite, however far: the shortest vectors tie with the
 * longest.
 */
Test(search, infinite_values_tie)
{
    make_plain(&world, 1500, 1);
    for (size_t i = 0; i < world.n; i++) {
        world.rows[i * world.padded] = (1 + (float)i / 1500) * 4e37f;
        world.columns[0][i] = 10;
    }
    index_plain(&world);
    query.vector[0] = 1;
    struct nbx_query q = {.vector = query.vector, .weights = world.weights[0]};
    for (q.k = 1; q.k < 250; q.k += 31)
        check(&world, &q, 0);
    world_free(&world);
}

/* weight * transform(score + addend); what is no number stands last. */
Test(search, a_value_is_what_its_parts_say)
{
    float column[] = {0, 2}, from[] = {0, 4}, into[] = {0, 1};
    const float *pages[] = {column};
    struct nbx_weights weights = {.column = {pages, 2}};
    struct nbx_addends addends = {.n = 0};
    struct nbx_transform t = {.kind = NBX_TRANSFORM_TABLE, .from = from, .into = into, .n = 2};
    struct nbx_query q = {0};
    cr_expect_eq(nbx_query_value(&q, 1, 1.5f, 9), 1.5f);
    cr_expect_eq(nbx_query_value(&q, 1, NAN, 0), -INFINITY);
    q.addends = &addends;
    cr_expect_eq(nbx_query_value(&q, 1, 1.5f, 0.5f), 2);
    cr_expect_eq(nbx_query_value(&q, 1, INFINITY, 0), INFINITY);
    q.weights = &weights;
    cr_expect_eq(nbx_query_value(&q, 1, 1.5f, 0.5f), 4);
    cr_expect_eq(nbx_query_value(&q, 0, INFINITY, 0), -INFINITY);
    cr_expect_eq(nbx_query_value(&q, 2, 1.5f, 0.5f), 2, "labels beyond the column weigh 1");
    q.transform = &t;
    cr_expect_eq(nbx_query_value(&q, 1, 1.5f, 0.5f), 1);
    cr_expect_eq(nbx_query_value(&q, 1, INFINITY, 0), 2);
    cr_expect_eq(nbx_query_value(&q, 1, NAN, 0), -INFINITY);
}

static size_t times_asked;

static bool expects_even(const void *ctx, uint32_t label)
{
    (void)ctx;
    cr_assert_eq(label % 2, 0);
    times_asked++;
    return label % 4 == 0;
}

/* `admits` may cost something: it is asked of few, and of none whose bit says no. */
Test(search, admission_is_asked_after_the_bits)
{
    make_plain(&world, 4000, 4);
    for (size_t i = 0; i < world.n; i++)
        world_vector(&rng, WORLD_LONG_TAIL, world.rows + i * world.padded, 4);
    index_plain(&world);
    world_vector(&rng, WORLD_NORMAL, query.vector, 4);
    memset(query.eligible, 0x55, sizeof query.eligible);
    struct nbx_query q = {.vector = query.vector,
                          .k = 10,
                          .eligible = query.eligible,
                          .n_eligible = 64 * (4000 / 64),
                          .admits = expects_even};
    size_t n;
    cr_assert_eq(nbx_search(world.index, &q, arena, got, &n, NULL), NBX_OK);
    cr_expect_lt(times_asked, 1000);
    nbx_arena_reset(arena);
    check(&world, &q, 0);
    world_free(&world);
}

Test(search, an_empty_index_answers)
{
    make_plain(&world, 0, 4);
    index_plain(&world);
    struct nbx_query q = {.vector = query.vector, .k = 5, .weights = world.weights[0]};
    check(&world, &q, 0);
    world_free(&world);
}
