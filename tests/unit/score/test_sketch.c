/* SPDX-License-Identifier: MIT */
#include "engine/score/tile.h"

#include "tests/unit/score/worlds.h"

#include <stdio.h>

#define SEED  90210
#define TILES 6000
#define PAIRS 200000

static const char *const names[] = {"avx512", "avx2", "portable"};
static struct nbx_random rng;
static _Alignas(64) float rows[NBX_TILE_ITEMS * (WORLD_DIM + NBX_LANES)];
static _Alignas(64) float vector[WORLD_DIM + NBX_LANES];
static uint8_t tile[NBX_GROUP_BYTES * (WORLD_DIM / NBX_TILE_GROUP + 1) + NBX_TILE_ITEMS];
static int8_t codes[WORLD_DIM + NBX_TILE_GROUP];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(tile, .init = setup, .timeout = 300);

/* Each item of a kind of its own one time in three, so that one tile holds many magnitudes. */
static void fill(size_t n, size_t dim, enum world_kind kind)
{
    size_t padded = nbx_padded(dim);
    bool mixed = world_one_in(&rng, 3);
    memset(rows, 0, sizeof rows);
    memset(vector, 0, sizeof vector);
    for (size_t i = 0; i < n; i++)
        world_vector(&rng, mixed ? (enum world_kind)world_below(&rng, WORLD_KINDS) : kind,
                     rows + i * padded, dim);
    world_vector(&rng,
                 world_one_in(&rng, 2) ? kind : (enum world_kind)world_below(&rng, WORLD_KINDS),
                 vector, dim);
    if (n && world_one_in(&rng, 4)) /* along an item: where Cauchy-Schwarz is tight */
        memcpy(vector, rows + world_below(&rng, n) * padded, dim * sizeof *vector);
}

static double in_double(const float *x, const float *y, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * y[d];
    return sum;
}

/* What tile.h says of a canonical score: its own rounding beside the exact inner product. */
static double rounding_of(const float *x, const float *y, size_t dim)
{
    double roundings = (double)nbx_padded(dim) / NBX_LANES + 4;
    return roundings * FLT_EPSILON / 2 * 1.0001 * sqrt(in_double(x, x, dim)) *
               sqrt(in_double(y, y, dim)) +
           (double)nbx_padded(dim) * 0x1p-149;
}

static void check_item(const struct nbx_tile_query *q, const struct nbx_tile_info *info,
                       const float *row, double scanned, size_t dim, const char *what)
{
    struct nbx_tile_bound bound = nbx_tile_bound(q, info);
    double score = nbx_dot_reference(vector, row, nbx_padded(dim));
    double exact = in_double(vector, row, dim), most = nbx_tile_most(q, info->norm);
    if (!isfinite(score)) {
        cr_assert(isinf(bound.error), "%s: score %g", what, score);
        cr_assert(most >= FLT_MAX, "%s: score %g most %g", what, score, most);
        return;
    }
    double low = scanned * bound.scale - bound.error, high = scanned * bound.scale + bound.error;
    cr_assert(score >= low && score <= high, "%s: %a not in %a .. %a", what, score, low, high);
    cr_assert(score <= most, "%s: %a over %a", what, score, most);
    double rounding = rounding_of(vector, row, dim);
    cr_assert(exact >= low - rounding && exact <= high + rounding, "%s: %a not in %a .. %a", what,
              exact, low, high);
    cr_assert(fabs(exact - score) <= rounding, "%s: %a is %a", what, score, exact);
}

/* The first n rows as one tile: codes, then steps. */
static void pack(struct nbx_tile_info *info, size_t n, size_t dim)
{
    struct nbx_tile_rows r = {rows, n, nbx_padded(dim), dim};
    *info = (struct nbx_tile_info){.unit = nbx_tile_unit(&r)};
    nbx_tile_pack(tile, tile + nbx_tile_bytes(dim), info, &r);
}

static void check_tile(const struct nbx_kernel *kernel, size_t n, size_t dim, int number)
{
    char what[128];
    float scores[NBX_TILE_ITEMS * NBX_TILE_ITEMS];
    uint16_t passed[NBX_TILE_ITEMS];
    struct nbx_tile_info info;
    struct nbx_tile_query q;
    struct nbx_tiles tiles = {tile, tile + nbx_tile_bytes(dim), nbx_tile_bytes(dim)};
    pack(&info, n, dim);
    nbx_tile_quantise(&q, codes, vector, dim, kernel->code_max);
    kernel->scan(scores, passed, &tiles, 1, &q.codes, -INFINITY);
    cr_assert_eq(passed[0], 0xFFFF);
    for (size_t i = 0; i < n; i++) {
        snprintf(what, sizeof what, "seed %d tile %d (%zu items, %zu dimensions, %s) item %zu",
                 SEED, number, n, dim, kernel->name, i);
        cr_assert(info.norm >= nbx_tile_norm(rows + i * nbx_padded(dim), dim), "%s", what);
        check_item(&q, &info, rows + i * nbx_padded(dim), scores[i], dim, what);
    }
    for (size_t i = n; i < NBX_TILE_ITEMS; i++)
        cr_assert_eq(scores[i], 0, "seed %d tile %d: behind the last item", SEED, number);
}

Test(tile, bounds_hold_the_canonical_score)
{
    for (int i = 0; i < TILES; i++) {
        size_t n = world_one_in(&rng, 2) ? NBX_TILE_ITEMS : world_below(&rng, NBX_TILE_ITEMS + 1);
        size_t dim = world_dim(&rng);
        const struct nbx_kernel *kernel = nbx_kernel_find(names[i % 3]);
        fill(n, dim, (enum world_kind)world_below(&rng, WORLD_KINDS));
        check_tile(kernel ? kernel : &nbx_kernel_portable, n, dim, i);
    }
}

/* The bound is of use: on usual vectors it is far below the scores' own spread. */
Test(tile, bounds_are_narrow)
{
    struct nbx_tile_info info;
    struct nbx_tile_query q;
    size_t dim = 64;
    memset(vector, 0, sizeof vector);
    world_vector(&rng, WORLD_NORMAL, vector, dim);
    for (size_t i = 0; i < NBX_TILE_ITEMS; i++)
        world_vector(&rng, WORLD_NORMAL, rows + i * dim, dim);
    pack(&info, NBX_TILE_ITEMS, dim);
    nbx_tile_quantise(&q, codes, vector, dim, 127);
    cr_expect_lt(nbx_tile_bound(&q, &info).error, 0.02 * q.norm * info.norm);
}

/* An item far shorter than its tile's longest keeps its digits, by a step of its own. */
Test(tile, short_items_have_fine_steps)
{
    struct nbx_tile_info long_one, both;
    size_t dim = 16;
    memset(rows, 0, sizeof rows);
    world_vector(&rng, WORLD_NORMAL, rows, dim);
    for (size_t d = 0; d < dim; d++)
        rows[dim + d] = rows[d] / 100;
    pack(&long_one, 1, dim);
    pack(&both, 2, dim);
    cr_expect_eq(both.error, long_one.error);
    cr_expect_eq(tile[dim / 4 * NBX_GROUP_BYTES], NBX_STEPS - 1);
    cr_expect_leq(tile[dim / 4 * NBX_GROUP_BYTES + 1], 2);
}

/* Norms are rounded up, by no more than a step of the floats. */
Test(tile, norms_are_rounded_up)
{
    for (int i = 0; i < 20000; i++) {
        size_t dim = world_dim(&rng);
        enum world_kind kind = (enum world_kind)(i % WORLD_KINDS);
        world_vector(&rng, kind, vector, dim);
        double norm = sqrt(in_double(vector, vector, dim));
        float up = nbx_tile_norm(vector, dim);
        cr_assert(up >= norm, "seed %d case %d: %a < %a", SEED, i, up, norm);
        cr_assert(nextafterf(up, -INFINITY) <= norm * (1 + 1e-11), "seed %d case %d: %a > %a", SEED,
                  i, up, norm);
    }
}

/* Where two canonical scores differ by more than both their roundings, double precision agrees. */
Test(tile, double_precision_agrees_on_the_order)
{
    size_t told_apart = 0;
    for (int i = 0; i < PAIRS; i++) {
        size_t dim = 1 + world_below(&rng, 100), padded = nbx_padded(dim);
        enum world_kind kind = world_one_in(&rng, 4) ? WORLD_LONG_TAIL : WORLD_NORMAL;
        fill(2, dim, kind);
        world_vector(&rng, WORLD_NORMAL, rows, dim);
        if (world_one_in(&rng, 2)) { /* nearly the same */
            memcpy(rows + padded, rows, dim * sizeof *rows);
            rows[padded + world_below(&rng, dim)] += ldexpf(1, -(int)world_below(&rng, 24));
        }
        float a = nbx_dot_reference(vector, rows, padded);
        float b = nbx_dot_reference(vector, rows + padded, padded);
        double apart = (double)a - b;
        double bound = rounding_of(vector, rows, dim) + rounding_of(vector, rows + padded, dim);
        if (!(fabs(apart) > bound) || !isfinite(apart))
            continue;
        told_apart++;
        double exact = in_double(vector, rows, dim) - in_double(vector, rows + padded, dim);
        cr_assert(exact * apart > 0, "seed %d pair %d", SEED, i);
    }
    cr_expect_gt(told_apart, (size_t)PAIRS / 2);
}
