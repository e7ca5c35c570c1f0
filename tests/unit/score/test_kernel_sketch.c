/* SPDX-License-Identifier: MIT */
#include "engine/score/kernel.h"

#include "engine/base/random.h"
#include "engine/score/dot.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SEED    555
#define MAX_DIM 300
#define GROUPS  ((MAX_DIM + NBX_SKETCH_GROUP - 1) / NBX_SKETCH_GROUP)
#define ITEMS   NBX_TILE_ITEMS
#define TILES   16
#define LISTS   3000
#define MAX_N   150
#define N_NAMES (sizeof names / sizeof *names)

static const char *const names[] = {"avx512", "avx2", "portable"};
static struct nbx_random rng;
static uint8_t tile_codes[TILES * GROUPS * NBX_GROUP_BYTES];
static uint8_t tile_scales[TILES * NBX_TILE_SCALES];
static int8_t codes[GROUPS * NBX_SKETCH_GROUP + NBX_LANES];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(kernel_sketch, .init = setup, .timeout = 300);

enum extremes { ANY, ALL_MOST, ALL_LEAST, ENDS, EXTREMES };

static int either(enum extremes e, int least, int most)
{
    if (e == ALL_MOST || e == ALL_LEAST)
        return e == ALL_MOST ? most : least;
    if (e == ENDS)
        return nbx_random_below(&rng, 2) ? most : least;
    return (int)nbx_random_below(&rng, (uint64_t)(most - least) + 1) + least;
}

/* All tiles. Behind the last dimension lies anything: the query's zeros take it out. */
static struct nbx_sketches fill_tiles(size_t dim, enum extremes e)
{
    struct nbx_sketches s = {tile_codes, tile_scales, nbx_sketch_groups(dim) * NBX_GROUP_BYTES};
    for (size_t i = 0; i < TILES * s.bytes; i++)
        tile_codes[i] = (uint8_t)(either(e, 0, 15) << 4 | either(e, 0, 15));
    for (size_t i = 0; i < sizeof tile_scales; i++)
        tile_scales[i] = (uint8_t)either(e == ENDS ? ANY : e, 0, NBX_SKETCH_STEPS - 1);
    return s;
}

static struct nbx_codes fill_codes(size_t dim, enum extremes e)
{
    int32_t sum = 0;
    memset(codes, 0, sizeof codes);
    for (size_t d = 0; d < dim; d++) {
        codes[d] = (int8_t)either(e, -127, 127);
        sum += codes[d];
    }
    return (struct nbx_codes){codes, nbx_sketch_groups(dim), -15 * sum};
}

/* What a kernel is asked: some tiles of a dimension, with the query's `codes`. */
struct question {
    struct nbx_sketches tiles;
    struct nbx_codes query;
    size_t dim;
    uint32_t wanted;
    float slack, threshold;
};

/* Written down from kernel.h and the layout in sketch.h, in the order of the definition. */
static float score_of(const struct question *q, size_t tile, size_t item)
{
    int64_t sum = 0;
    for (size_t d = 0; d < q->dim; d++) {
        const uint8_t *group =
            tile_codes + tile * q->tiles.bytes + d / NBX_SKETCH_GROUP * NBX_GROUP_BYTES;
        uint8_t two = group[item * NBX_GROUP_LANE + d % 4];
        sum += (int64_t)codes[d] * (2 * (d % 8 < 4 ? two & 0xF : two >> 4) - 15);
    }
    return (float)sum * (float)(tile_scales[tile * NBX_TILE_SCALES + item] + 1);
}

/* A score with what its error factor adds. */
static float most_of(float score, float slack, size_t tile, size_t item)
{
    float error = slack * (float)(tile_scales[tile * NBX_TILE_SCALES + ITEMS + item] + 1);
    return score + error;
}

/* What a kernel answers. */
struct answer {
    float scores[TILES * ITEMS];
    uint16_t passed[TILES];
    unsigned n;
};

#define UNTOUCHED_SCORE  (-1234.5F)
#define UNTOUCHED_PASSED 0xA5C3

static void clear(struct answer *a)
{
    a->n = 0;
    for (size_t i = 0; i < TILES * ITEMS; i++)
        a->scores[i] = UNTOUCHED_SCORE;
    for (size_t t = 0; t < TILES; t++)
        a->passed[t] = UNTOUCHED_PASSED;
}

/* passed and n, from the scores. */
static void define_passed(struct answer *a, const struct question *q)
{
    a->n = 0;
    for (size_t t = 0; t < TILES; t++) {
        a->passed[t] = q->wanted >> t & 1 ? 0 : UNTOUCHED_PASSED;
        for (size_t i = 0; q->wanted >> t & 1 && i < ITEMS; i++) {
            bool passes = most_of(a->scores[t * ITEMS + i], q->slack, t, i) >= q->threshold;
            a->passed[t] |= (uint16_t)(passes << i);
            a->n += passes;
        }
    }
}

/* The definition; tiles that are not wanted stay as they are. */
static void define(struct answer *a, const struct question *q)
{
    clear(a);
    for (size_t t = 0; t < TILES; t++)
        for (size_t i = 0; q->wanted >> t & 1 && i < ITEMS; i++)
            a->scores[t * ITEMS + i] = score_of(q, t, i);
    define_passed(a, q);
}

static void ask_sketch(struct answer *a, const struct nbx_kernel *k, const struct question *q)
{
    clear(a);
    a->n = k->sketch(a->scores, a->passed, &q->tiles, q->wanted, &q->query,
                     &(struct nbx_limits){q->threshold, q->slack});
}

static void ask_pass(struct answer *a, const struct nbx_kernel *k, const struct question *q,
                     const float *scores)
{
    clear(a);
    memcpy(a->scores, scores, sizeof a->scores);
    a->n = k->pass(a->passed, scores, &q->tiles, q->wanted,
                   &(struct nbx_limits){q->threshold, q->slack});
}

/* Bits and all; what names the operation and the kernel. */
static void check_same(const struct answer *got, const struct answer *want,
                       const struct question *q, const char *operation, const char *kernel)
{
    for (size_t i = 0; i < TILES * ITEMS; i++)
        cr_assert(memcmp(&got->scores[i], &want->scores[i], sizeof(float)) == 0,
                  "%s %s dim %zu tile %zu item %zu: %a, not %a, seed %d", kernel, operation, q->dim,
                  i / ITEMS, i % ITEMS, got->scores[i], want->scores[i], SEED);
    for (size_t t = 0; t < TILES; t++)
        cr_assert(got->passed[t] == want->passed[t],
                  "%s %s dim %zu tile %zu slack %a threshold %a: %x, not %x, seed %d", kernel,
                  operation, q->dim, t, q->slack, q->threshold, got->passed[t], want->passed[t],
                  SEED);
    cr_assert(got->n == want->n, "%s %s dim %zu wanted %x: %u, not %u, seed %d", kernel, operation,
              q->dim, q->wanted, got->n, want->n, SEED);
}

/* None, little beside a score, as much, or beyond all floats. */
static float pick_slack(void)
{
    switch (nbx_random_below(&rng, 8)) {
    case 0: return FLT_MAX;
    case 1: return INFINITY;
    case 2: return 0x1p-149F;
    case 3:
    case 4: return (float)(1000 * nbx_random_unit(&rng));
    case 5: return (float)nbx_random_unit(&rng);
    default: return 0;
    }
}

/* -Inf, +Inf, just what an item reaches, or the float beside it. */
static float pick_threshold(const struct question *q)
{
    size_t tile = nbx_random_below(&rng, TILES), item = nbx_random_below(&rng, ITEMS);
    float most = most_of(score_of(q, tile, item), q->slack, tile, item);
    switch (nbx_random_below(&rng, 8)) {
    case 0: return -INFINITY;
    case 1: return INFINITY;
    case 2:
    case 3: return nextafterf(most, INFINITY);
    case 4: return nextafterf(most, -INFINITY);
    default: return most;
    }
}

/* One tile, most often: what all of them take is a test of its own. */
static uint32_t pick_wanted(void)
{
    if (nbx_random_below(&rng, 4))
        return UINT32_C(1) << nbx_random_below(&rng, TILES);
    return (uint32_t)nbx_random_below(&rng, UINT32_C(1) << TILES);
}

/* Every kernel, by `sketch` and by `pass` on the same scores. */
static void check_kernels(const struct question *q)
{
    static struct answer want, got;
    define(&want, q);
    for (size_t i = 0; i < N_NAMES; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        if (!k)
            continue;
        ask_sketch(&got, k, q);
        check_same(&got, &want, q, "sketch", k->name);
        ask_pass(&got, k, q, want.scores);
        check_same(&got, &want, q, "pass", k->name);
    }
}

/* Every kernel against the sum written down: a saturating pair of products would differ, and so
 * would a tile read in another order. */
Test(kernel_sketch, sums_are_exact_on_every_shape)
{
    for (size_t dim = 1; dim <= MAX_DIM; dim++)
        for (int items = 0; items < EXTREMES; items++) {
            struct question q = {.tiles = fill_tiles(dim, (enum extremes)items), .dim = dim};
            for (int query = 0; query < EXTREMES; query++) {
                q.query = fill_codes(dim, (enum extremes)query);
                q.wanted = pick_wanted();
                q.slack = pick_slack();
                q.threshold = pick_threshold(&q);
                check_kernels(&q);
            }
        }
}

/* As many queries as scan together, each with its own codes and limits. */
static void check_together(struct question *q, size_t n)
{
    static struct answer want[NBX_SKETCH_TOGETHER], got[NBX_SKETCH_TOGETHER];
    static int8_t own[NBX_SKETCH_TOGETHER][sizeof codes];
    struct question each[NBX_SKETCH_TOGETHER];
    for (size_t i = 0; i < n; i++) {
        q->query = fill_codes(q->dim, (enum extremes)nbx_random_below(&rng, EXTREMES));
        q->slack = pick_slack();
        q->threshold = pick_threshold(q);
        define(&want[i], q);
        memcpy(own[i], codes, sizeof codes);
        each[i] = *q;
        each[i].query.codes = own[i];
    }
    for (size_t k = 0; k < N_NAMES; k++) {
        const struct nbx_kernel *kernel = nbx_kernel_find(names[k]);
        struct nbx_sketching asked[NBX_SKETCH_TOGETHER];
        for (size_t i = 0; i < n; i++) {
            clear(&got[i]);
            asked[i] = (struct nbx_sketching){.query = &each[i].query,
                                              .limits = {each[i].threshold, each[i].slack},
                                              .out = got[i].scores,
                                              .passed = got[i].passed,
                                              .n = 99};
        }
        if (kernel)
            kernel->sketch_together(asked, n, &q->tiles, q->wanted);
        for (size_t i = 0; kernel && i < n; i++) {
            got[i].n = asked[i].n;
            check_same(&got[i], &want[i], &each[i], "sketch_together", kernel->name);
        }
    }
}

Test(kernel_sketch, queries_together_do_not_see_each_other)
{
    for (size_t dim = 1; dim <= MAX_DIM; dim++)
        for (size_t n = 1; n <= NBX_SKETCH_TOGETHER; n++) {
            enum extremes items = (enum extremes)nbx_random_below(&rng, EXTREMES);
            struct question q = {.tiles = fill_tiles(dim, items), .dim = dim};
            q.wanted = nbx_random_below(&rng, 2) ? 0xFFFF : pick_wanted();
            check_together(&q, n);
        }
}

/* The widest codes beside the largest of a query, in every place: nothing saturates, and each sign
 * comes out as it should. */
Test(kernel_sketch, the_widest_codes_do_not_saturate)
{
    static struct answer a;
    for (size_t i = 0; i < N_NAMES; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        for (int signs = 0; k && signs < 4; signs++) {
            enum extremes items = signs & 1 ? ALL_MOST : ALL_LEAST;
            enum extremes query = signs & 2 ? ALL_MOST : ALL_LEAST;
            struct question q = {
                fill_tiles(MAX_DIM, items), fill_codes(MAX_DIM, query), MAX_DIM, 0xFFFF, 0, 0};
            int steps = items == ALL_MOST ? NBX_SKETCH_STEPS : 1;
            float sign = items == query ? 1 : -1;
            ask_sketch(&a, k, &q);
            for (size_t j = 0; j < TILES * ITEMS; j++)
                cr_assert_eq(a.scores[j], sign * (float)(MAX_DIM * 127 * 15) * (float)steps, "%s",
                             k->name);
            cr_assert_eq(a.n, sign > 0 ? TILES * ITEMS : 0, "%s", k->name);
        }
    }
}

/* Each dimension alone, in each lane: it is read where sketch.h puts it. */
Test(kernel_sketch, dimensions_lie_where_they_should)
{
    static struct answer a;
    for (size_t d = 0; d < 40; d++)
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            size_t item = nbx_random_below(&rng, ITEMS);
            struct question q = {fill_tiles(40, ALL_LEAST), fill_codes(40, ANY), 40, 1, 0, 0};
            memset(codes, 0, sizeof codes);
            codes[d] = 100;
            q.query.zero = -1500;
            tile_codes[d / 8 * 64 + item * 4 + d % 4] = d % 8 < 4 ? 9 : 9 << 4;
            if (k)
                ask_sketch(&a, k, &q);
            for (size_t j = 0; k && j < ITEMS; j++)
                cr_assert_eq(a.scores[j], j == item ? 300 : -1500, "%s dimension %zu item %zu",
                             k->name, d, j);
        }
}

/* Many tiles at once give what each gives alone, and their counts add up. */
Test(kernel_sketch, tiles_do_not_see_each_other)
{
    static struct answer all, one;
    for (size_t dim = 1; dim < 40; dim++)
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            unsigned n = 0;
            struct question q = {fill_tiles(dim, ANY), fill_codes(dim, ANY), dim, 0xFFFF, 7, 10};
            if (!k)
                continue;
            ask_sketch(&all, k, &q);
            for (uint32_t t = 0; t < TILES; t++) {
                q.wanted = UINT32_C(1) << t;
                ask_sketch(&one, k, &q);
                cr_assert_eq(one.passed[t], all.passed[t], "%s dim %zu seed %d", k->name, dim,
                             SEED);
                cr_assert_eq(memcmp(one.scores + (size_t)t * ITEMS, all.scores + (size_t)t * ITEMS,
                                    ITEMS * sizeof *one.scores),
                             0, "%s dim %zu seed %d", k->name, dim, SEED);
                n += one.n;
            }
            cr_assert_eq(n, all.n, "%s dim %zu seed %d", k->name, dim, SEED);
        }
}

static float random_value(void)
{
    switch (nbx_random_below(&rng, 9)) {
    case 0: return -INFINITY;
    case 1: return INFINITY;
    case 2: return NAN;
    case 3: return 0;
    default: return (float)nbx_random_below(&rng, 7) - 3;
    }
}

/* On scores that no sketch has too: infinities beside infinite slack, and no numbers, which never
 * pass. */
Test(kernel_sketch, pass_compares_any_scores)
{
    static struct answer want, got;
    for (int list = 0; list < LISTS; list++) {
        struct question q = {.tiles = fill_tiles(8, ANY), .dim = 8};
        q.wanted = pick_wanted();
        q.slack = nbx_random_below(&rng, 2) ? 0 : pick_slack();
        q.threshold = random_value();
        clear(&want);
        for (size_t i = 0; i < TILES * ITEMS; i++)
            want.scores[i] = random_value();
        define_passed(&want, &q);
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (!k)
                continue;
            ask_pass(&got, k, &q, want.scores);
            check_same(&got, &want, &q, "pass", k->name);
            for (size_t j = 0; j < TILES * ITEMS; j++)
                cr_assert(!(q.wanted >> j / ITEMS & 1) || !isnan(want.scores[j]) ||
                              !(got.passed[j / ITEMS] >> j % ITEMS & 1),
                          "%s seed %d", k->name, SEED);
        }
    }
}

/* The kernel's list of n values: rising, complete, and nothing written beyond n + 16. */
static void check_reaching(const struct nbx_kernel *k, const float *x, size_t n, float least)
{
    uint32_t places[MAX_N + 32];
    size_t found = 0;
    memset(places, 0xEE, sizeof places);
    size_t got = k->reaching(places, x, n, least);
    for (size_t i = 0; i < n; i++)
        if (x[i] >= least) {
            cr_assert(found < got && places[found] == i, "%s n %zu place %zu: %u, not %zu, seed %d",
                      k->name, n, found, places[found], i, SEED);
            found++;
        }
    cr_assert_eq(got, found, "%s n %zu seed %d", k->name, n, SEED);
    for (size_t i = n + 16; i < MAX_N + 32; i++)
        cr_assert_eq(places[i], 0xEEEEEEEE, "%s n %zu wrote beyond, seed %d", k->name, n, SEED);
}

Test(kernel_sketch, reaching_lists_on_every_length)
{
    float x[MAX_N];
    for (int list = 0; list < LISTS; list++) {
        size_t n = (size_t)list % (MAX_N + 1);
        float least = list % 5 ? random_value() : -INFINITY; /* where nearly all reach it */
        for (size_t i = 0; i < n; i++)
            x[i] = list % 10 ? random_value() : 1;
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                check_reaching(k, x, n, least);
        }
    }
}

Test(kernel_sketch, at_least_counts_on_every_length)
{
    float x[MAX_N];
    for (int list = 0; list < LISTS; list++) {
        size_t n = (size_t)list % (MAX_N + 1), want = 0;
        float least = random_value();
        for (size_t i = 0; i < n; i++) {
            x[i] = random_value();
            want += x[i] >= least;
        }
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                cr_assert_eq(k->at_least(x, n, least), want, "%s n %zu seed %d", k->name, n, SEED);
        }
    }
}

Test(kernel_sketch, tops_are_the_largest_numbers_of_lanes)
{
    float from[NBX_TILE_ITEMS * NBX_TILE_ITEMS], scores[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    float tops[NBX_TILE_ITEMS];
    for (int list = 0; list < LISTS; list++) {
        float scale = nbx_random_below(&rng, 3) ? (float)nbx_random_unit(&rng) : 1;
        for (size_t i = 0; i < sizeof from / sizeof *from; i++)
            from[i] = nbx_random_below(&rng, 3) ? random_value() : NAN;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (!k)
                continue;
            memcpy(scores, from, sizeof scores);
            k->tops(tops, scores, scale);
            for (size_t j = 0; j < sizeof from / sizeof *from; j++)
                cr_assert(isnan(from[j]) ? isnan(scores[j]) : scores[j] == from[j] * scale, "%s",
                          k->name);
            for (size_t lane = 0; lane < NBX_TILE_ITEMS; lane++) {
                float want = -INFINITY;
                for (size_t t = 0; t < NBX_TILE_ITEMS; t++)
                    want = fmaxf(want, scores[t * NBX_TILE_ITEMS + lane]);
                cr_assert_eq(tops[lane], want, "%s lane %zu seed %d", k->name, lane, SEED);
            }
        }
    }
}

Test(kernel_sketch, count_counts_bits)
{
    uint64_t words[MAX_N];
    for (size_t n = 0; n < MAX_N; n++) {
        size_t want = 0;
        for (size_t i = 0; i < n; i++) {
            words[i] = nbx_random_u64(&rng);
            for (int b = 0; b < 64; b++)
                want += words[i] >> b & 1;
        }
        for (size_t i = 0; i < N_NAMES; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                cr_assert_eq(k->count(words, n), want, "%s n %zu seed %d", k->name, n, SEED);
        }
    }
}
