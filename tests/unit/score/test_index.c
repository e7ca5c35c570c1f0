/* SPDX-License-Identifier: MIT */
#include "engine/score/index.h"

#include "engine/base/random.h"
#include "engine/score/dot.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define SEED     1234
#define MAX_ROWS 1200
#define MAX_DIM  70
#define MAX_K    40

static float vectors[MAX_ROWS * MAX_DIM];
static uint32_t item_row[MAX_ROWS];
static float weight[MAX_ROWS];
static uint64_t eligible[MAX_ROWS / 64 + 2];
static _Alignas(64) float query[MAX_DIM + NBX_LANES];
static struct nbx_random rng;
static struct nbx_arena *arena;

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(1 << 20);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(index, .init = setup, .fini = teardown);

/* Rank of an item's id: any total order other than the rows' own. */
static int tie(const void *ctx, uint32_t a, uint32_t b)
{
    (void)ctx;
    uint32_t x = a * 2654435761u, y = b * 2654435761u;
    return (x > y) - (x < y);
}

static int best_first(const void *a, const void *b)
{
    const struct nbx_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return tie(NULL, x->row, y->row);
}

/* Few distinct values: many equal scores. */
static float coarse(void)
{
    return (float)nbx_random_below(&rng, 3) - 1;
}

static void make_case(size_t n, size_t dim, bool heavy_ties)
{
    memset(query, 0, sizeof query);
    for (size_t i = 0; i < n * dim; i++)
        vectors[i] = heavy_ties ? coarse() : (float)nbx_random_normal(&rng);
    for (size_t i = 0; i < dim; i++)
        query[i] = heavy_ties ? coarse() : (float)nbx_random_normal(&rng);
    for (size_t i = 0; i < n; i++) /* the catalogue has the rows the other way round, with gaps */
        item_row[i] = nbx_random_below(&rng, 10) ? (uint32_t)(n - 1 - i) : UINT32_MAX;
    for (size_t i = 0; i < n; i++)
        weight[i] = heavy_ties ? coarse() : (float)nbx_random_unit(&rng);
    for (size_t i = 0; i < sizeof eligible / sizeof *eligible; i++)
        eligible[i] = nbx_random_u64(&rng);
}

static size_t brute_force(struct nbx_hit *out, const struct nbx_index *index,
                          const struct nbx_query *q)
{
    size_t found = 0, padded = nbx_padded(nbx_index_dim(index));
    for (size_t r = 0; r < nbx_index_rows(index); r++) {
        uint32_t item = q->item_row[r];
        if (item == UINT32_MAX || (q->eligible && (item >= q->n_eligible ||
                                                   !(q->eligible[item / 64] >> (item % 64) & 1))))
            continue;
        float score = nbx_dot_reference(q->vector, nbx_index_vector(index, r), padded);
        out[found++] = (struct nbx_hit){q->weight ? score * q->weight[r] : score, item};
    }
    qsort(out, found, sizeof *out, best_first);
    return found < q->k ? found : q->k;
}

static bool same(struct nbx_hit a, struct nbx_hit b)
{
    uint32_t a_bits, b_bits;
    memcpy(&a_bits, &a.score, sizeof a_bits);
    memcpy(&b_bits, &b.score, sizeof b_bits);
    return a_bits == b_bits && a.row == b.row;
}

static void check(size_t n, size_t dim, const struct nbx_query *q, int number)
{
    static struct nbx_hit want[MAX_ROWS];
    struct nbx_hit got[MAX_ROWS + MAX_K];
    struct nbx_index *index = NULL;
    size_t n_got = 0;
    cr_assert_eq(nbx_index_new(&index, vectors, n, dim), NBX_OK);
    size_t n_want = brute_force(want, index, q);
    cr_assert_eq(nbx_index_search(index, q, arena, got, &n_got), NBX_OK);
    cr_assert_eq(n_got, n_want, "case %d: %zu hits, not %zu, seed %d", number, n_got, n_want, SEED);
    for (size_t i = 0; i < n_got; i++)
        cr_assert(same(got[i], want[i]), "case %d place %zu, seed %d", number, i, SEED);
    nbx_index_destroy(&index);
    cr_assert_null(index);
    nbx_arena_reset(arena);
}

Test(index, equals_brute_force)
{
    for (int i = 0; i < 300; i++) {
        size_t n = nbx_random_below(&rng, MAX_ROWS), dim = 1 + nbx_random_below(&rng, MAX_DIM);
        bool filtered = nbx_random_below(&rng, 2);
        make_case(n, dim, nbx_random_below(&rng, 2));
        struct nbx_query q = {.vector = query,
                              .item_row = item_row,
                              .eligible = filtered ? eligible : NULL,
                              .n_eligible = nbx_random_below(&rng, 2) ? n : n / 2,
                              .weight = nbx_random_below(&rng, 2) ? weight : NULL,
                              .k = nbx_random_below(&rng, MAX_K),
                              .tie = tie};
        check(n, dim, &q, i);
    }
}

Test(index, k_beyond_the_rows_gives_them_all)
{
    make_case(700, 16, true);
    struct nbx_query q = {.vector = query, .item_row = item_row, .k = 740, .tie = tie};
    check(700, 16, &q, 0);
}

Test(index, nothing_eligible_gives_nothing)
{
    make_case(300, 8, false);
    uint64_t none[6] = {0};
    struct nbx_hit hits[5];
    size_t n = 9;
    struct nbx_index *index = NULL;
    cr_assert_eq(nbx_index_new(&index, vectors, 300, 8), NBX_OK);
    struct nbx_query q = {
        .vector = query, .item_row = item_row, .eligible = none, .n_eligible = 300, .k = 5};
    cr_assert_eq(nbx_index_search(index, &q, arena, hits, &n), NBX_OK);
    cr_expect_eq(n, 0);
    nbx_index_destroy(&index);
}

Test(index, rows_are_copied_padded_and_aligned)
{
    make_case(5, 17, false);
    struct nbx_index *index = NULL;
    cr_assert_eq(nbx_index_new(&index, vectors, 5, 17), NBX_OK);
    float first = vectors[0];
    vectors[0] = 1e9f;
    cr_expect_eq(nbx_index_vector(index, 0)[0], first);
    for (size_t r = 0; r < 5; r++) {
        const float *row = nbx_index_vector(index, r);
        cr_expect_eq((uintptr_t)row % 64, 0);
        for (size_t i = 17; i < 32; i++)
            cr_expect(row[i] == 0 && !signbit(row[i]));
    }
    cr_expect_geq(nbx_index_bytes(index), 5 * 32 * sizeof(float));
    nbx_index_destroy(&index);
}

Test(index, an_empty_index_answers)
{
    struct nbx_index *index = NULL;
    struct nbx_hit hits[1];
    size_t n = 9;
    cr_assert_eq(nbx_index_new(&index, NULL, 0, 4), NBX_OK);
    struct nbx_query q = {.vector = query, .item_row = item_row, .k = 1};
    cr_expect_eq(nbx_index_search(index, &q, arena, hits, &n), NBX_OK);
    cr_expect_eq(n, 0);
    nbx_index_destroy(&index);
    nbx_index_destroy(&index);
    nbx_index_destroy(NULL);
}

Test(index, limits_are_answered)
{
    struct nbx_index *index = NULL;
    cr_expect_eq(nbx_index_new(&index, NULL, UINT32_MAX - 1, SIZE_MAX / 64), NBX_ELIMIT);
    cr_expect_null(index);
    make_case(3, 4, false);
    struct nbx_arena *tiny = nbx_arena_new(64);
    struct nbx_hit hits[1];
    size_t n;
    cr_assert_eq(nbx_index_new(&index, vectors, 3, 4), NBX_OK);
    struct nbx_query q = {.vector = query, .item_row = item_row, .k = 1};
    cr_expect_eq(nbx_index_search(index, &q, tiny, hits, &n), NBX_ELIMIT);
    nbx_arena_destroy(&tiny);
    nbx_index_destroy(&index);
}
