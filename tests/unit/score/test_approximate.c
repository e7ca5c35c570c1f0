/* SPDX-License-Identifier: MIT */
#include "engine/score/approximate.h"

#include "engine/base/random.h"
#include "engine/score/partition.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED    4242
#define ITEMS   60000
#define DIM     16
#define CENTRES 300
#define QUERIES 100
#define K       10

static struct nbx_random rng;
static float *vectors; /* (ITEMS, DIM) */
static struct nbx_index *view;
static struct nbx_arena *arena;

static void normal(float *x)
{
    for (size_t d = 0; d < DIM; d++)
        x[d] = (float)nbx_random_normal(&rng);
}

static void scale_to_one(float *x)
{
    double sum = 0;
    for (size_t d = 0; d < DIM; d++)
        sum += (double)x[d] * x[d];
    for (size_t d = 0; d < DIM; d++)
        x[d] = (float)(x[d] / sqrt(sum));
}

/* Items of length 1 around some centres. */
static void make_items(void)
{
    static float centres[CENTRES][DIM];
    for (size_t c = 0; c < CENTRES; c++)
        normal(centres[c]);
    for (size_t i = 0; i < ITEMS; i++) {
        float *x = vectors + i * DIM;
        normal(x);
        for (size_t d = 0; d < DIM; d++)
            x[d] = 0.4F * x[d] + centres[i % CENTRES][d];
        scale_to_one(x);
    }
}

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    vectors = malloc((size_t)ITEMS * DIM * sizeof *vectors);
    arena = nbx_arena_new((size_t)64 << 20);
    make_items();
    struct nbx_packed_items items = {.vectors = vectors, .n = ITEMS, .dim = DIM};
    cr_assert_eq(nbx_index_new(&view, &items), NBX_OK);
}

static void teardown(void)
{
    nbx_index_destroy(&view);
    nbx_arena_destroy(&arena);
    free(vectors);
}
TestSuite(approximate, .init = setup, .fini = teardown, .timeout = 300);

/* What the keeper does aside. */
static void repack(void)
{
    struct nbx_packed *fresh;
    struct nbx_index *old = view;
    cr_assert(nbx_index_wants_repacking(view), "norms are all alike");
    cr_assert_eq(nbx_index_repack(&fresh, view, NULL), NBX_OK);
    cr_assert_eq(nbx_approximation_measure(fresh), NBX_OK);
    cr_assert_eq(nbx_index_adopt(&view, old, old, &fresh), NBX_OK);
    nbx_index_destroy(&old);
    cr_assert_not(nbx_index_wants_repacking(view));
}

/* The mean share of the exact answers that searches of this reach find, and the tiles they scan. */
static double recall_of(float reach, uint64_t *tiles)
{
    _Alignas(64) static float vector[DIM];
    struct nbx_hit exact[K], near[K];
    size_t n, m, common = 0;
    struct nbx_search_stats stats = {0};
    for (int q = 0; q < QUERIES; q++) {
        memcpy(vector, vectors + nbx_random_below(&rng, ITEMS) * DIM, sizeof vector);
        for (size_t d = 0; d < DIM; d++)
            vector[d] += 0.2F * (float)nbx_random_normal(&rng);
        struct nbx_query query = {.vector = vector, .k = K};
        cr_assert_eq(nbx_search(view, &query, arena, exact, &n, NULL), NBX_OK);
        query.reach = reach;
        cr_assert_eq(nbx_search(view, &query, arena, near, &m, &stats), NBX_OK);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++)
                common += exact[i].row == near[j].row;
        nbx_arena_reset(arena);
    }
    *tiles = stats.tiles / QUERIES;
    return (double)common / (QUERIES * K);
}

Test(approximate, finds_about_what_was_measured_in_a_part_of_the_index)
{
    float measured;
    uint64_t tiles;
    repack();
    for (int percent = 80; percent < 100; percent += 19) {
        float wanted = (float)percent / 100;
        float reach = nbx_approximation_reach(view, wanted, &measured);
        cr_assert(reach > 0 && measured >= wanted && measured < 1, "wanted %g seed %d",
                  (double)wanted, SEED);
        double found = recall_of(reach, &tiles);
        cr_expect(found > (double)measured - 0.08, "reach %g: %g, measured %g, seed %d",
                  (double)reach, found, (double)measured, SEED);
        cr_expect_lt(tiles, ITEMS / NBX_TILE_ITEMS / 4);
    }
}

Test(approximate, a_longer_reach_finds_no_less)
{
    repack();
    const struct nbx_cells *cells = &view->parts[0].pack->cells;
    cr_assert_gt(cells->n, ITEMS / 1000);
    for (size_t r = 1; r < NBX_REACHES; r++)
        cr_expect_geq(cells->recalls[r], cells->recalls[r - 1]);
    cr_expect_gt(cells->recalls[NBX_REACHES - 1], 0.99);
}

/* Asked for all, or before anything is partitioned, the search is exact and says so. */
Test(approximate, exact_unless_a_partition_can_tell)
{
    float measured = 0;
    uint64_t tiles;
    cr_expect_eq(nbx_approximation_reach(view, 0.9F, &measured), 0);
    cr_expect_eq(measured, 1);
    cr_expect_eq(recall_of(3, &tiles), 1, "a reach says nothing to a pack without cells");
    repack();
    cr_expect_eq(nbx_approximation_reach(view, 1, &measured), 0);
    cr_expect_eq(measured, 1);
    cr_expect_eq(recall_of(0, &tiles), 1);
}

Test(approximate, the_same_items_give_the_same_cells)
{
    uint32_t *cells = malloc(ITEMS * sizeof *cells), *again = malloc(ITEMS * sizeof *again);
    struct nbx_packed_items items = {.vectors = vectors, .n = ITEMS, .dim = DIM, .stride = DIM};
    cr_assert_eq(nbx_partition(cells, &items), NBX_OK);
    cr_assert_eq(nbx_partition(again, &items), NBX_OK);
    cr_expect_arr_eq(cells, again, ITEMS * sizeof *cells);
    free(cells);
    free(again);
}

/* Long tails say where to look by themselves. */
Test(approximate, no_partition_where_norms_help)
{
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t d = 0; d < DIM; d++)
            vectors[i * DIM + d] *= 1 + (float)(i % 100) / 20;
    struct nbx_packed_items items = {.vectors = vectors, .n = ITEMS, .dim = DIM};
    struct nbx_index *tailed;
    cr_assert_eq(nbx_index_new(&tailed, &items), NBX_OK);
    cr_expect_not(nbx_index_wants_repacking(tailed));
    nbx_index_destroy(&tailed);
}
