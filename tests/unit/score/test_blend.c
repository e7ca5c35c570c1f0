/* SPDX-License-Identifier: MIT
 * A blend joins exactly: two factor spaces side by side in one vector, and items that were bought
 * together with the customer's own as addends.
 */
#include "engine/score/blend.h"
#include "engine/score/dot.h"
#include "engine/score/search.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED      77
#define ITEMS     3000
#define FIRST     24 /* dimensions of the one space */
#define SECOND    12 /* and of the other */
#define DIM       (FIRST + SECOND)
#define CUSTOMERS 400
#define LIKED     12
#define RECENT    5 /* items whose neighbours are added */
#define K         40

static struct nbx_random rng;
static float vectors[ITEMS * DIM];
static uint32_t liked[CUSTOMERS][LIKED];
static float together[RECENT][ITEMS]; /* of one customer's recent items */
static _Alignas(64) float query[DIM + NBX_LANES];

/* Popular items have the low numbers, so that many are liked together. */
static void make_shop(void)
{
    nbx_random_init(&rng, SEED);
    for (size_t i = 0; i < ITEMS * DIM; i++)
        vectors[i] = (float)nbx_random_normal(&rng);
    for (size_t c = 0; c < CUSTOMERS; c++)
        for (size_t l = 0; l < LIKED; l++)
            liked[c][l] = (uint32_t)(ITEMS * pow(nbx_random_unit(&rng), 3));
}

static bool likes(size_t customer, uint32_t item)
{
    for (size_t l = 0; l < LIKED; l++)
        if (liked[customer][l] == item)
            return true;
    return false;
}

/* Co-occurrence of `item` with all others, divided by the root of its own count. */
static void count_together(float *row, uint32_t item)
{
    float n = 0;
    memset(row, 0, ITEMS * sizeof *row);
    for (size_t c = 0; c < CUSTOMERS; c++) {
        if (!likes(c, item))
            continue;
        n++;
        for (size_t l = 0; l < LIKED; l++)
            row[liked[c][l]]++;
    }
    for (size_t i = 0; i < ITEMS; i++)
        row[i] = n > 0 ? row[i] / sqrtf(n) : 0;
}

/* The sparse product over the customer's recent items: labels and values, in a fixed order. */
static size_t neighbours(size_t customer, uint32_t *labels, float *values)
{
    size_t n = 0;
    for (size_t r = 0; r < RECENT; r++)
        count_together(together[r], liked[customer][r]);
    for (uint32_t i = 0; i < ITEMS; i++) {
        float sum = 0;
        for (size_t r = 0; r < RECENT; r++)
            sum += together[r][i];
        if (sum == 0)
            continue;
        labels[n] = i;
        values[n++] = sum;
    }
    return n;
}

/* Each space's part of the query with a weight of its own. */
static void blend_query(float first, float second)
{
    memset(query, 0, sizeof query);
    for (size_t d = 0; d < DIM; d++)
        query[d] = (d < FIRST ? first : second) * (float)nbx_random_normal(&rng);
}

static int best_first(const void *a, const void *b)
{
    const struct nbx_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

static void brute_force(struct nbx_hit *all, const struct nbx_query *q, const float *addend)
{
    static _Alignas(64) float row[DIM + NBX_LANES];
    for (uint32_t i = 0; i < ITEMS; i++) {
        memcpy(row, vectors + (size_t)i * DIM, DIM * sizeof *row);
        float score = nbx_dot_reference(query, row, nbx_padded(DIM));
        all[i] = (struct nbx_hit){nbx_query_value(q, i, score, addend[i]), i};
    }
    qsort(all, ITEMS, sizeof *all, best_first);
}

Test(blend, spaces_and_neighbours_join_exactly)
{
    static struct nbx_hit all[ITEMS], hits[K];
    static uint32_t labels[ITEMS];
    static float values[ITEMS], addend[ITEMS];
    struct nbx_index *view;
    struct nbx_arena *arena = nbx_arena_new((size_t)16 << 20);
    make_shop();
    struct nbx_packed_items items = {.vectors = vectors, .n = ITEMS, .dim = DIM};
    cr_assert_eq(nbx_index_new(&view, &items), NBX_OK);
    for (size_t c = 0; c < 60; c++) {
        size_t n, supported = 0;
        struct nbx_addends addends = {labels, values, neighbours(c, labels, values)};
        blend_query(c % 3 ? 0.3F : 0, c % 2 ? 1 : 0.1F);
        struct nbx_query q = {.vector = query, .k = K, .addends = &addends};
        memset(addend, 0, sizeof addend);
        for (size_t i = 0; i < addends.n; i++)
            addend[labels[i]] = values[i];
        brute_force(all, &q, addend);
        cr_assert_eq(nbx_search(view, &q, arena, hits, &n, NULL), NBX_OK);
        cr_assert_eq(n, K);
        for (size_t i = 0; i < K; i++) {
            cr_assert(hits[i].row == all[i].row && hits[i].score == all[i].score,
                      "customer %zu place %zu seed %d", c, i, SEED);
            supported += addend[hits[i].row] > 0;
        }
        cr_assert(supported > 0, "the neighbours count");
        nbx_arena_reset(arena);
    }
    nbx_index_destroy(&view);
    nbx_arena_destroy(&arena);
}

/* Scores of both spaces count alike, so where items are 8 times as long queries are as much
 * shorter, and 8 is what the other space's items must be stretched by. */
Test(blend, stretch_evens_lengths)
{
    static float items[2][ITEMS * SECOND], histories[ITEMS * SECOND];
    const float one = 1;
    struct nbx_blend_part parts[2];
    struct nbx_blend *blend;
    nbx_random_init(&rng, SEED);
    for (size_t i = 0; i < (size_t)ITEMS * SECOND; i++) {
        items[0][i] = (float)nbx_random_normal(&rng);
        items[1][i] = 8 * (float)nbx_random_normal(&rng);
        histories[i] = (float)nbx_random_normal(&rng);
    }
    for (size_t p = 0; p < 2; p++)
        parts[p] = (struct nbx_blend_part){.kind = NBX_BLEND_SUMMED,
                                           .weight = 1,
                                           .dims = SECOND,
                                           .item_factors = items[p],
                                           .history_factors = histories,
                                           .positions = &one,
                                           .n_positions = 1,
                                           .n_groups = 1};
    struct nbx_blend_options options = {
        .parts = parts, .n_parts = 2, .n_items = ITEMS, .standardise = true};
    cr_assert_eq(nbx_blend_new(&blend, &options), NBX_OK);
    float stretch[2 * SECOND];
    cr_assert_eq(nbx_blend_stretch(blend, stretch), NBX_OK);
    for (size_t d = 0; d < (size_t)2 * SECOND; d++)
        cr_assert_eq(stretch[d], d < SECOND ? 8.0F : 1.0F, "dimension %zu: %g", d,
                     (double)stretch[d]);
    nbx_blend_destroy(&blend);
}
