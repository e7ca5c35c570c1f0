/* SPDX-License-Identifier: MIT */
#include "engine/score/kernel.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define SEED    555
#define MAX_DIM 300
#define GROUPS  ((MAX_DIM + NBX_TILE_GROUP - 1) / NBX_TILE_GROUP)
#define LISTS   3000
#define MAX_N   150

static const char *const names[] = {"avx512", "avx2", "portable"};
static struct nbx_random rng;
static uint8_t tile[GROUPS * NBX_GROUP_BYTES + NBX_TILE_ITEMS];
static int8_t codes[GROUPS * NBX_TILE_GROUP];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(kernel_scan, .init = setup, .timeout = 300);

enum extremes { ANY, ALL_MOST, ALL_LEAST, ENDS, EXTREMES };

static int either(enum extremes e, int most)
{
    if (e == ALL_MOST || e == ALL_LEAST)
        return e == ALL_MOST ? most : -most;
    if (e == ENDS)
        return nbx_random_below(&rng, 2) ? most : -most;
    return (int)nbx_random_below(&rng, 2 * (uint64_t)most + 1) - most;
}

/* A tile of `n` items with codes in -127..127, the rest zeros as nbx_tile_pack leaves them. */
static void fill_tile(size_t dim, size_t n, enum extremes e)
{
    size_t groups = nbx_tile_groups(dim);
    memset(tile, NBX_CODE_ZERO, groups * NBX_GROUP_BYTES);
    memset(tile + groups * NBX_GROUP_BYTES, 0, NBX_TILE_ITEMS);
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < dim; d++)
            tile[d / NBX_TILE_GROUP * NBX_GROUP_BYTES + i * NBX_TILE_GROUP + d % NBX_TILE_GROUP] =
                (uint8_t)(NBX_CODE_ZERO + either(e, 127));
        tile[groups * NBX_GROUP_BYTES + i] =
            e == ANY ? (uint8_t)nbx_random_below(&rng, NBX_STEPS) : NBX_STEPS - 1;
    }
}

static struct nbx_codes fill_codes(size_t dim, enum extremes e, int code_max)
{
    int32_t sum = 0;
    memset(codes, 0, sizeof codes);
    for (size_t d = 0; d < dim; d++) {
        codes[d] = (int8_t)either(e, code_max);
        sum += codes[d];
    }
    return (struct nbx_codes){codes, nbx_tile_groups(dim), -NBX_CODE_ZERO * sum};
}

/* Written down from kernel.h, in the order of the definition. */
static float score_of(size_t dim, size_t item)
{
    int64_t sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (int64_t)codes[d] * (tile[d / NBX_TILE_GROUP * NBX_GROUP_BYTES +
                                         item * NBX_TILE_GROUP + d % NBX_TILE_GROUP] -
                                    NBX_CODE_ZERO);
    return (float)sum * (float)(tile[nbx_tile_groups(dim) * NBX_GROUP_BYTES + item] + 1);
}

/* -Inf, +Inf, a score that is there, or the float beyond it. */
static float pick_threshold(size_t dim)
{
    float score = score_of(dim, nbx_random_below(&rng, NBX_TILE_ITEMS));
    switch (nbx_random_below(&rng, 6)) {
    case 0: return -INFINITY;
    case 1: return INFINITY;
    case 2: return nextafterf(score, INFINITY);
    case 3: return nextafterf(score, -INFINITY);
    default: return score;
    }
}

/* The tile alone, or one of 16 places in a row of tiles that are left out. */
static uint16_t scan_tile(const struct nbx_kernel *k, float *scores, const struct nbx_codes *q,
                          float threshold)
{
    static float out[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    static uint8_t row[NBX_TILE_ITEMS * sizeof tile], row_steps[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    size_t bytes = q->groups * NBX_GROUP_BYTES, place = nbx_random_below(&rng, NBX_TILE_ITEMS);
    uint16_t passed[NBX_TILE_ITEMS] = {0};
    memcpy(row + place * bytes, tile, bytes);
    memcpy(row_steps + place * NBX_TILE_ITEMS, tile + bytes, NBX_TILE_ITEMS);
    for (size_t i = 0; i < NBX_TILE_ITEMS * NBX_TILE_ITEMS; i++)
        out[i] = -1234;
    struct nbx_tiles tiles = {row, row_steps, bytes};
    k->scan(out, passed, &tiles, UINT32_C(1) << place, q, threshold);
    for (size_t i = 0; i < NBX_TILE_ITEMS * NBX_TILE_ITEMS; i++)
        cr_assert(i / NBX_TILE_ITEMS == place || out[i] == -1234, "%s wrote beside", k->name);
    memcpy(scores, out + place * NBX_TILE_ITEMS, NBX_TILE_ITEMS * sizeof *scores);
    return passed[place];
}

static void check_scan(const struct nbx_kernel *k, size_t dim, size_t n, enum extremes items,
                       enum extremes query)
{
    float out[NBX_TILE_ITEMS];
    struct nbx_codes q = fill_codes(dim, query, k->code_max);
    float threshold = pick_threshold(dim);
    uint16_t passed = scan_tile(k, out, &q, threshold);
    for (size_t i = 0; i < NBX_TILE_ITEMS; i++) {
        float want = score_of(dim, i);
        cr_assert(out[i] == want, "%s dim %zu n %zu item %zu of %d, query %d: %a, not %a, seed %d",
                  k->name, dim, n, i, items, query, out[i], want, SEED);
        cr_assert((passed >> i & 1) == (want >= threshold), "%s dim %zu item %zu seed %d", k->name,
                  dim, i, SEED);
    }
}

/* Every kernel in its own range of codes, and the portable one in each range, against the sum
 * written down: a saturating pair of products would differ. */
Test(kernel_scan, sums_are_exact_on_every_shape)
{
    static const size_t counts[] = {0, 1, 7, 8, 9, 15, 16};
    for (size_t dim = 1; dim <= MAX_DIM; dim++) {
        for (int items = 0; items < EXTREMES; items++) {
            size_t n = dim % 2 ? NBX_TILE_ITEMS : counts[nbx_random_below(&rng, 7)];
            fill_tile(dim, n, (enum extremes)items);
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                const struct nbx_kernel *k = nbx_kernel_find(names[i]);
                for (int query = 0; k && query < EXTREMES; query++)
                    check_scan(k, dim, n, (enum extremes)items, (enum extremes)query);
            }
        }
    }
}

/* 255 in every place is the most that may be beside the largest code of a query. */
Test(kernel_scan, the_widest_codes_do_not_saturate)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        for (int sign = -1; k && sign <= 1; sign += 2) {
            float out[NBX_TILE_ITEMS];
            struct nbx_codes q = {codes, GROUPS, 0};
            memset(tile, 255, GROUPS * NBX_GROUP_BYTES);
            memset(tile + GROUPS * NBX_GROUP_BYTES, 0, NBX_TILE_ITEMS);
            memset(codes, sign * k->code_max, sizeof codes);
            scan_tile(k, out, &q, 0);
            for (size_t j = 0; j < NBX_TILE_ITEMS; j++)
                cr_expect_eq(out[j], (float)(sign * k->code_max * 255 * (int)sizeof codes), "%s",
                             k->name);
        }
    }
}

static float random_value(void)
{
    switch (nbx_random_below(&rng, 8)) {
    case 0: return -INFINITY;
    case 1: return INFINITY;
    case 2: return 0;
    default: return (float)nbx_random_below(&rng, 7) - 3;
    }
}

/* Many tiles at once give what each gives alone. */
Test(kernel_scan, tiles_do_not_see_each_other)
{
    static uint8_t row[NBX_TILE_ITEMS * 64 * 4], row_steps[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    static float all[NBX_TILE_ITEMS * NBX_TILE_ITEMS], one[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    uint16_t passed[NBX_TILE_ITEMS], alone[NBX_TILE_ITEMS];
    struct nbx_tiles tiles = {row, row_steps, 256};
    for (size_t i = 0; i < sizeof row; i++)
        row[i] = (uint8_t)(1 + nbx_random_below(&rng, 255));
    for (size_t i = 0; i < sizeof row_steps; i++)
        row_steps[i] = (uint8_t)nbx_random_below(&rng, NBX_STEPS);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        if (!k)
            continue;
        struct nbx_codes q = fill_codes(16, ANY, k->code_max);
        k->scan(all, passed, &tiles, 0xFFFF, &q, 10);
        for (uint32_t t = 0; t < NBX_TILE_ITEMS; t++) {
            k->scan(one, alone, &tiles, UINT32_C(1) << t, &q, 10);
            cr_assert_eq(alone[t], passed[t]);
            cr_assert_arr_eq(one + t * NBX_TILE_ITEMS, all + t * NBX_TILE_ITEMS,
                             NBX_TILE_ITEMS * sizeof *one);
        }
    }
}

Test(kernel_scan, lift_scales_shifts_and_compares)
{
    for (int list = 0; list < LISTS; list++) {
        float x[NBX_TILE_ITEMS], scale = random_value(), shift = random_value();
        float least = random_value();
        for (size_t i = 0; i < NBX_TILE_ITEMS; i++)
            x[i] = (float)nbx_random_below(&rng, 9) - 4;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            float y[NBX_TILE_ITEMS];
            memcpy(y, x, sizeof y);
            uint32_t reached = k ? k->lift(y, scale, shift, least) : 0;
            for (size_t j = 0; k && j < NBX_TILE_ITEMS; j++) {
                float want = x[j] * scale + shift;
                cr_assert(y[j] == want || (isnan(y[j]) && isnan(want)), "%s", k->name);
                cr_assert_eq(reached >> j & 1, want >= least, "%s seed %d", k->name, SEED);
            }
        }
    }
}

Test(kernel_scan, at_least_counts_on_every_length)
{
    float x[MAX_N];
    for (int list = 0; list < LISTS; list++) {
        size_t n = (size_t)list % MAX_N, want = 0;
        float least = random_value();
        for (size_t i = 0; i < n; i++) {
            x[i] = random_value();
            want += x[i] >= least;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                cr_assert_eq(k->at_least(x, n, least), want, "%s n %zu seed %d", k->name, n, SEED);
        }
    }
}

Test(kernel_scan, count_counts_bits)
{
    uint64_t words[MAX_N];
    for (size_t n = 0; n < MAX_N; n++) {
        size_t want = 0;
        for (size_t i = 0; i < n; i++) {
            words[i] = nbx_random_u64(&rng);
            for (int b = 0; b < 64; b++)
                want += words[i] >> b & 1;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                cr_assert_eq(k->count(words, n), want, "%s n %zu seed %d", k->name, n, SEED);
        }
    }
}
