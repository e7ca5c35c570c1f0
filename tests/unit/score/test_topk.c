/* SPDX-License-Identifier: MIT */
#include "engine/score/topk.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define SEED  99
#define MAX_N 400

/* Ids in byte order, by row: a shuffled rank. */
static uint32_t rank[MAX_N];

static int by_rank(const void *ctx, uint32_t a, uint32_t b)
{
    const uint32_t *r = ctx;
    return (r[a] > r[b]) - (r[a] < r[b]);
}

static int reference_order_by(const void *a, const void *b, void *ranks)
{
    const struct nbx_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return by_rank(ranks, x->row, y->row);
}

static int reference_order(const void *a, const void *b)
{
    return reference_order_by(a, b, rank);
}

static void shuffle_ranks(struct nbx_random *r, size_t n)
{
    for (uint32_t i = 0; i < n; i++)
        rank[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = nbx_random_below(r, i);
        uint32_t keep = rank[i - 1];
        rank[i - 1] = rank[j];
        rank[j] = keep;
    }
}

static void check_case(struct nbx_random *r, int number)
{
    struct nbx_hit all[MAX_N], heap[MAX_N + 8];
    size_t n = nbx_random_below(r, MAX_N + 1), k = nbx_random_below(r, n + 8);
    uint64_t levels = nbx_random_below(r, 3) ? 1 + nbx_random_below(r, 5) : 1000000;
    shuffle_ranks(r, n);
    struct nbx_topk t;
    nbx_topk_init(&t, heap, k, by_rank, rank);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = (struct nbx_hit){(float)nbx_random_below(r, levels) - 2, i};
        nbx_topk_offer(&t, all[i].score, i);
    }
    qsort(all, n, sizeof *all, reference_order);
    size_t want = k < n ? k : n;
    cr_assert_eq(nbx_topk_finish(&t), want, "case %d seed %d", number, SEED);
    for (size_t i = 0; i < want; i++)
        cr_assert(heap[i].row == all[i].row && heap[i].score == all[i].score,
                  "case %d place %zu of %zu from %zu, %d levels, seed %d", number, i, want, n,
                  (int)levels, SEED);
}

Test(topk, equals_a_full_sort)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    for (int i = 0; i < 3000; i++)
        check_case(&r, i);
}

/* All alike, few levels, spread, all but one in a crowd, infinite. */
static float score_for_sorting(struct nbx_random *r, int kind)
{
    switch (kind) {
    case 0: return 1;
    case 1: return (float)nbx_random_below(r, 5) - 2;
    case 2: return (float)nbx_random_unit(r) - 0.5F;
    case 3: return nbx_random_below(r, 50) ? (float)nbx_random_unit(r) : 1e30F;
    case 4: return nbx_random_below(r, 50) ? -0.0F : (float)nbx_random_below(r, 2) * 1e-40F;
    case 5: return nbx_random_below(r, 50) ? (float)nbx_random_unit(r) * 3e38F : -3e38F;
    default: return nbx_random_below(r, 9) ? (float)nbx_random_unit(r) : INFINITY;
    }
}

Test(topk, hits_are_sorted_whatever_their_scores)
{
    static struct nbx_hit want[2 * MAX_N], got[2 * MAX_N], scratch[2 * MAX_N];
    static uint32_t own_rank[2 * MAX_N];
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    for (int i = 0; i < 3000; i++) {
        size_t n = nbx_random_below(&r, i % 3 ? MAX_N : 2 * MAX_N);
        for (uint32_t j = 0; j < n; j++) {
            own_rank[j] = (uint32_t)n - j;
            want[j] = got[j] = (struct nbx_hit){score_for_sorting(&r, i % 7), j};
        }
        qsort_r(want, n, sizeof *want, reference_order_by, own_rank);
        nbx_hits_sort(got, scratch, n, by_rank, own_rank);
        for (size_t j = 0; j < n; j++)
            cr_assert_eq(got[j].row, want[j].row, "case %d place %zu of %zu seed %d", i, j, n,
                         SEED);
    }
}

Test(topk, the_order_of_offers_does_not_matter)
{
    struct nbx_hit up[3], down[3];
    struct nbx_topk a, b;
    for (uint32_t i = 0; i < MAX_N; i++)
        rank[i] = MAX_N - i;
    nbx_topk_init(&a, up, 3, by_rank, rank);
    nbx_topk_init(&b, down, 3, by_rank, rank);
    for (uint32_t i = 0; i < MAX_N; i++) {
        nbx_topk_offer(&a, 1, i);
        nbx_topk_offer(&b, 1, MAX_N - 1 - i);
    }
    cr_assert_eq(nbx_topk_finish(&a), 3);
    cr_assert_eq(nbx_topk_finish(&b), 3);
    cr_expect_arr_eq(up, down, sizeof up);
    cr_expect_eq(up[0].row, MAX_N - 1);
}

Test(topk, zeros_of_both_signs_tie)
{
    struct nbx_hit heap[2];
    struct nbx_topk t;
    nbx_topk_init(&t, heap, 2, NULL, NULL);
    nbx_topk_offer(&t, 0.0f, 7);
    nbx_topk_offer(&t, -0.0f, 3);
    cr_assert_eq(nbx_topk_finish(&t), 2);
    cr_expect_eq(heap[0].row, 3);
    cr_expect_eq(heap[1].row, 7);
}

Test(topk, the_threshold_lets_ties_in)
{
    struct nbx_hit heap[2];
    struct nbx_topk t;
    nbx_topk_init(&t, heap, 2, NULL, NULL);
    cr_expect_eq(nbx_topk_threshold(&t), -INFINITY);
    nbx_topk_offer(&t, 5, 9);
    cr_expect_eq(nbx_topk_threshold(&t), -INFINITY);
    nbx_topk_offer(&t, 4, 8);
    cr_expect_eq(nbx_topk_threshold(&t), 4);
    nbx_topk_offer(&t, 4, 1);
    cr_assert_eq(nbx_topk_finish(&t), 2);
    cr_expect_eq(heap[1].row, 1);
}

Test(topk, k_of_zero_takes_nothing)
{
    struct nbx_topk t;
    nbx_topk_init(&t, NULL, 0, NULL, NULL);
    cr_expect_eq(nbx_topk_threshold(&t), INFINITY);
    nbx_topk_offer(&t, INFINITY, 1);
    cr_expect_eq(nbx_topk_finish(&t), 0);
}
