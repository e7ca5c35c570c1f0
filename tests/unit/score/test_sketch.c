/* SPDX-License-Identifier: MIT */
#include "engine/score/sketch.h"

#include "engine/score/kernel.h"
#include "tests/unit/score/worlds.h"

#include <stdio.h>

#define SEED   90210
#define CASES  10000
#define PAIRS  200000
#define PIECES 3 /* that copies come from */
#define TILES  (NBX_SKETCH_MOST / NBX_TILE_ITEMS)
#define GROUPS (WORLD_DIM / NBX_SKETCH_GROUP)

static const char *const names[] = {"avx512", "avx2", "portable"};
static struct nbx_random rng;
static _Alignas(64) float rows[NBX_SKETCH_MOST * (WORLD_DIM + NBX_LANES)];
static _Alignas(64) float vector[WORLD_DIM + NBX_LANES];
static uint8_t tile_codes[TILES * GROUPS * NBX_GROUP_BYTES];
static uint8_t tile_scales[TILES * NBX_TILE_SCALES];
static uint8_t piece_codes[PIECES * TILES * GROUPS * NBX_GROUP_BYTES];
static uint8_t piece_scales[PIECES * TILES * NBX_TILE_SCALES];
static uint8_t scratch[WORLD_DIM];
static int8_t codes[WORLD_DIM + NBX_LANES];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(sketch, .init = setup, .timeout = 300);

static struct nbx_sketch_bound bound_of(const struct nbx_sketch_query *query,
                                        const struct nbx_sketch_info *info)
{
    struct nbx_sketch_bound bound;
    nbx_sketch_bound(&bound, query, info);
    return bound;
}

static enum world_kind any_kind(void)
{
    return (enum world_kind)world_below(&rng, WORLD_KINDS);
}

/* Each item of a kind of its own one time in three, so that one unit serves many magnitudes. */
static void fill(size_t n, size_t dim, enum world_kind kind)
{
    size_t padded = nbx_padded(dim);
    bool mixed = world_one_in(&rng, 3);
    memset(rows, 0, n * padded * sizeof *rows);
    memset(vector, 0, sizeof vector);
    for (size_t i = 0; i < n; i++)
        if (!mixed && i && kind == WORLD_EQUAL)
            memcpy(rows + i * padded, rows, padded * sizeof *rows);
        else
            world_vector(&rng, mixed ? any_kind() : kind, rows + i * padded, dim);
    world_vector(&rng, world_one_in(&rng, 2) ? kind : any_kind(), vector, dim);
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

static double length(const float *x, size_t dim)
{
    return sqrt(in_double(x, x, dim));
}

/* What sketch.h says of a canonical score: its own rounding beside the exact inner product. */
static double rounding_of(const float *x, const float *y, size_t dim)
{
    double roundings = (double)nbx_padded(dim) / NBX_LANES + 4;
    return roundings * FLT_EPSILON / 2 * 1.0001 * length(x, dim) * length(y, dim) +
           (double)nbx_padded(dim) * 0x1p-149;
}

/* The first n rows as they lie in tiles. */
struct drawn {
    struct nbx_sketches tiles;
    struct nbx_sketch_info info;
    size_t n, dim;
};

static struct drawn draw(size_t n, size_t dim)
{
    struct drawn x = {.tiles = {tile_codes, tile_scales, nbx_sketch_groups(dim) * NBX_GROUP_BYTES},
                      .n = n,
                      .dim = dim};
    struct nbx_sketch_rows r = {rows, n, nbx_padded(dim), dim};
    memset(tile_codes, 0, TILES * x.tiles.bytes);
    memset(tile_scales, 0, sizeof tile_scales);
    nbx_sketch_draw(&x.tiles, &x.info, &r, scratch);
    return x;
}

/* The rows [first, first + n) as a piece of its own. */
static struct drawn draw_piece(size_t piece, size_t first, size_t n, size_t dim)
{
    struct drawn x = {
        .tiles = {piece_codes, piece_scales, nbx_sketch_groups(dim) * NBX_GROUP_BYTES},
        .n = n,
        .dim = dim};
    struct nbx_sketch_rows r = {rows + first * nbx_padded(dim), n, nbx_padded(dim), dim};
    x.tiles = nbx_sketches_at(&x.tiles, piece * TILES);
    nbx_sketch_draw(&x.tiles, &x.info, &r, scratch);
    return x;
}

/* The first n rows drawn in pieces, whose units differ, then copied together. */
static struct drawn copy(size_t n, size_t dim)
{
    struct drawn pieces[PIECES], x = draw(0, dim);
    struct nbx_sketch_place places[NBX_SKETCH_MOST];
    size_t at = 0;
    memset(piece_codes, 0, sizeof piece_codes);
    for (size_t p = 0; p < PIECES; p++) {
        size_t here = p + 1 < PIECES ? world_below(&rng, n - at + 1) : n - at;
        pieces[p] = draw_piece(p, at, here, dim);
        for (size_t i = 0; i < here; i++)
            places[at + i] = (struct nbx_sketch_place){&pieces[p].tiles, &pieces[p].info, i};
        at += here;
    }
    nbx_sketch_copy(&x.tiles, &x.info, dim, places, n);
    x.n = n;
    return x;
}

/* What the tiles have of an item, read as sketch.h lays it out. */
static int code_at(const struct nbx_sketches *s, size_t item, size_t d)
{
    const uint8_t *four = s->codes + item / NBX_TILE_ITEMS * s->bytes +
                          d / NBX_SKETCH_GROUP * NBX_GROUP_BYTES +
                          item % NBX_TILE_ITEMS * NBX_GROUP_LANE;
    return d % 8 < 4 ? four[d % 4] & 0xF : four[d % 4] >> 4;
}

static int step_at(const struct nbx_sketches *s, size_t item)
{
    return s->scales[item / NBX_TILE_ITEMS * NBX_TILE_SCALES + item % NBX_TILE_ITEMS] + 1;
}

static int error_at(const struct nbx_sketches *s, size_t item)
{
    return step_at(&(struct nbx_sketches){.scales = s->scales + NBX_TILE_ITEMS}, item);
}

/* |x - x^| of an item by its codes. */
static long double left_out(const struct drawn *x, size_t item)
{
    const float *row = rows + item * nbx_padded(x->dim);
    long double sum = 0, step = (long double)x->info.unit * step_at(&x->tiles, item);
    for (size_t d = 0; d < x->dim; d++) {
        long double e = row[d] - step * (2 * code_at(&x->tiles, item, d) - 15);
        sum += e * e;
    }
    return sqrtl(sum);
}

static void check_drawn(const struct drawn *x, const char *what)
{
    for (size_t i = 0; i < x->n; i++) {
        const float *row = rows + i * nbx_padded(x->dim);
        long double out = left_out(x, i);
        long double most = (long double)x->info.error * error_at(&x->tiles, i);
        cr_assert(x->info.norm >= nbx_sketch_norm(row, x->dim), "%s item %zu", what, i);
        cr_assert(out <= most, "%s item %zu: %La left out, not %La", what, i, out, most);
    }
}

/* q^ is what the codes say. Doubles lose 2^-53 of each product with the unit, which is far less
 * than what a bound adds for its own rounding. */
static void check_query(const struct nbx_sketch_query *q, size_t dim, const char *what)
{
    long double sum = 0;
    double norm = length(vector, dim);
    const int8_t *c = q->codes.codes;
    int32_t total = 0;
    for (size_t d = 0; d < nbx_padded(dim); d++) {
        long double e = vector[d] - (long double)q->unit * c[d];
        cr_assert(c[d] >= -127 && (d < dim || c[d] == 0), "%s: dimension %zu: %d", what, d, c[d]);
        sum += e * e;
        total += c[d];
    }
    cr_assert_eq(q->codes.zero, -15 * total, "%s", what);
    cr_assert_eq(q->codes.groups, nbx_sketch_groups(dim), "%s", what);
    cr_assert(q->norm >= norm, "%s: norm %a is %a", what, norm, q->norm);
    cr_assert(sqrtl(sum) <= q->error + 0x1p-52 * norm, "%s: %La left out, not %a", what, sqrtl(sum),
              q->error);
}

/* Where products may pass the largest float, or a scan's scores would lose their digits, nothing is
 * said; elsewhere something is. Returns whether. */
static bool check_bound(const struct nbx_sketch_bound *b, const struct nbx_sketch_query *q,
                        const struct nbx_sketch_info *info, const char *what)
{
    double reach = q->norm * info->norm, scale = q->unit * info->unit;
    if (!(reach < FLT_MAX / 4) || (scale > 0 && scale < 0x1p-100)) {
        cr_assert(b->scale == 0 && b->slack == 0 && b->error == INFINITY, "%s: %a %a %a", what,
                  b->scale, b->slack, b->error);
        return false;
    }
    cr_assert(b->scale == scale && b->slack >= 0 && b->error > 0, "%s: %a %a %a", what, b->scale,
              b->slack, b->error);
    cr_assert(isfinite(b->slack) && isfinite(b->error), "%s: %a %a", what, b->slack, b->error);
    return true;
}

/* The canonical score of an item lies below its bounds, by its sketch in doubles and in floats and
 * by its norm, and beside the exact inner product. */
static void check_score(const struct nbx_sketch_bound *b, const struct nbx_sketch_query *q,
                        const struct drawn *x, size_t item, float sketched, const char *what)
{
    const float *row = rows + item * nbx_padded(x->dim);
    double score = nbx_dot_reference(vector, row, nbx_padded(x->dim));
    double by_norm = nbx_sketch_bound_by_norm(q, nbx_sketch_norm(row, x->dim));
    if (!isfinite(score)) {
        cr_assert(isinf(b->error), "%s item %zu: score %g", what, item, score);
        cr_assert(by_norm >= FLT_MAX, "%s item %zu: score %g most %g", what, item, score, by_norm);
        return;
    }
    int e = error_at(&x->tiles, item);
    double most = sketched * b->scale + e * b->slack + b->error;
    float in_floats = sketched * (float)b->scale + (float)e * (float)b->slack + (float)b->error;
    cr_assert(most >= score, "%s item %zu: %a over %a", what, item, score, most);
    cr_assert(in_floats >= score, "%s item %zu: %a over %a", what, item, score, in_floats);
    cr_assert(by_norm >= score, "%s item %zu: %a over %a", what, item, score, by_norm);
    double exact = in_double(vector, row, x->dim);
    cr_assert(fabs(exact - score) <= rounding_of(vector, row, x->dim), "%s item %zu: %a is %a",
              what, item, score, exact);
}

/* All that is promised of sketches and the vector, with every kernel. Returns whether there is a
 * bound at all. */
static bool check_sketches(const struct drawn *x, const struct nbx_sketch_query *q,
                           const char *what)
{
    static float scores[NBX_SKETCH_MOST];
    uint16_t passed[TILES];
    check_drawn(x, what);
    struct nbx_sketch_bound bound = bound_of(q, &x->info);
    bool says = check_bound(&bound, q, &x->info, what);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const struct nbx_kernel *kernel = nbx_kernel_find(names[k]);
        uint32_t wanted = (UINT32_C(1) << (x->n + NBX_TILE_ITEMS - 1) / NBX_TILE_ITEMS) - 1;
        if (kernel)
            kernel->sketch(scores, passed, &x->tiles, wanted, &q->codes, &(struct nbx_limits){0});
        for (size_t i = 0; kernel && i < x->n; i++)
            check_score(&bound, q, x, i, scores[i], what);
    }
    return says;
}

/* The same of the first n rows, drawn and copied. */
static bool check_case(size_t n, size_t dim, int number)
{
    char what[128];
    struct nbx_sketch_query q;
    nbx_sketch_quantise(&q, codes, vector, dim);
    snprintf(what, sizeof what, "seed %d case %d (%zu items, %zu dimensions)", SEED, number, n,
             dim);
    check_query(&q, dim, what);
    struct drawn x = draw(n, dim);
    bool says = check_sketches(&x, &q, what);
    snprintf(what, sizeof what, "seed %d case %d, copied (%zu items, %zu dimensions)", SEED, number,
             n, dim);
    x = copy(n, dim);
    check_sketches(&x, &q, what);
    return says;
}

/* Few vectors, many, or as many as there may be. */
static size_t any_count(void)
{
    size_t dice = world_below(&rng, 10);
    if (dice == 0)
        return NBX_SKETCH_MOST;
    return world_below(&rng, dice < 3 ? NBX_SKETCH_MOST + 1 : 2 * NBX_TILE_ITEMS + 1);
}

Test(sketch, bounds_hold_the_canonical_score)
{
    int said = 0;
    for (int i = 0; i < CASES; i++) {
        size_t n = any_count(), dim = world_dim(&rng);
        fill(n, dim, any_kind());
        said += check_case(n, dim, i);
    }
    /* Neither side goes untested. */
    cr_expect(said > CASES / 2 && said < CASES - CASES / 20, "%d of %d", said, CASES);
}

/* Normal entries times 2^exponent. */
static void of_magnitude(float *x, size_t dim, int exponent)
{
    for (size_t d = 0; d < dim; d++) {
        x[d] = ldexpf(world_normal(&rng), exponent);
        if (!isfinite(x[d]))
            x[d] = copysignf(FLT_MAX, x[d]);
    }
}

/* From the least subnormal to the largest float on both sides, short items beside long ones. */
Test(sketch, bounds_hold_at_every_magnitude)
{
    int number = 0;
    for (int items = -150; items <= 128; items += 6)
        for (int query = -150; query <= 128; query += 6, number++) {
            size_t n = 4, dim = 1 + world_below(&rng, 40), padded = nbx_padded(dim);
            memset(rows, 0, n * padded * sizeof *rows);
            memset(vector, 0, sizeof vector);
            for (size_t i = 0; i < n; i++)
                of_magnitude(rows + i * padded, dim, items - (i ? (int)world_below(&rng, 40) : 0));
            of_magnitude(vector, dim, query);
            if (world_one_in(&rng, 4)) /* as far apart as entries can be */
                vector[0] = world_one_in(&rng, 2) ? FLT_MAX : 0x1p-149F;
            check_case(n, dim, number);
        }
}

/* Zeros alone need no unit, and are bounded beside anything; nor does a query of zeros. */
Test(sketch, zeros_are_bounded)
{
    size_t n = NBX_TILE_ITEMS, dim = 20, padded = nbx_padded(dim);
    fill(n, dim, WORLD_ZERO);
    memset(rows, 0, n * padded * sizeof *rows);
    world_vector(&rng, WORLD_NORMAL, vector, dim);
    struct drawn x = draw(n, dim);
    cr_expect(x.info.norm == 0 && x.info.unit == 0 && x.info.error == 0);
    cr_expect(check_case(n, dim, 0));
    world_vector(&rng, WORLD_NORMAL, rows + padded, dim);
    cr_expect(check_case(n, dim, 1));
    memset(vector, 0, sizeof vector);
    cr_expect(check_case(n, dim, 2));
    struct nbx_sketch_query q;
    nbx_sketch_quantise(&q, codes, vector, dim);
    cr_expect(q.norm == 0 && q.error == 0 && q.unit == 0);
}

/* Beyond what nbx_sketch_bound takes it says nothing, and up to there it does. */
Test(sketch, bounds_end_where_floats_do)
{
    struct nbx_sketch_query q = {.norm = 1, .unit = 1};
    struct nbx_sketch_info longest = {.norm = FLT_MAX / 4, .unit = 1};
    struct nbx_sketch_info least = {.norm = 1, .unit = 0x1p-100F};
    struct nbx_sketch_bound bound = bound_of(&q, &longest);
    cr_expect(bound.scale == 0 && bound.slack == 0 && bound.error == INFINITY);
    longest.norm = nextafterf(longest.norm, 0);
    cr_expect(isfinite(bound_of(&q, &longest).error));
    cr_expect(isfinite(bound_of(&q, &least).error));
    least.unit = nextafterf(least.unit, 0);
    bound = bound_of(&q, &least);
    cr_expect(bound.scale == 0 && bound.slack == 0 && bound.error == INFINITY);
    least.norm = INFINITY; /* even beside a query of zeros */
    cr_expect_eq(bound_of(&(struct nbx_sketch_query){0}, &least).error, INFINITY);
    cr_expect_eq(nbx_sketch_bound_by_norm(&(struct nbx_sketch_query){0}, INFINITY), INFINITY);
}

/* A copy is hardly less near than what it is of. */
Test(sketch, copies_are_near)
{
    size_t n = NBX_SKETCH_MOST, dim = 64;
    double drawn = 0, copied = 0;
    for (size_t i = 0; i < n; i++)
        world_vector(&rng, WORLD_NORMAL, rows + i * dim, dim);
    struct drawn x = draw(n, dim);
    for (size_t i = 0; i < n; i++)
        drawn += (double)x.info.error * error_at(&x.tiles, i);
    x = copy(n, dim);
    for (size_t i = 0; i < n; i++)
        copied += (double)x.info.error * error_at(&x.tiles, i);
    cr_expect(copied < 1.05 * drawn, "%g beside %g", copied, drawn);
}

/* The bounds are of use: normally distributed entries lose what 4 bits must lose (Max, 1960), and
 * little is added to that. */
Test(sketch, bounds_are_narrow)
{
    struct nbx_sketch_query q;
    size_t n = NBX_SKETCH_MOST, dim = 64;
    double errors = 0, bounds = 0;
    memset(vector, 0, sizeof vector);
    world_vector(&rng, WORLD_NORMAL, vector, dim);
    for (size_t i = 0; i < n; i++)
        world_vector(&rng, WORLD_NORMAL, rows + i * dim, dim);
    struct drawn x = draw(n, dim);
    nbx_sketch_quantise(&q, codes, vector, dim);
    struct nbx_sketch_bound b = bound_of(&q, &x.info);
    for (size_t i = 0; i < n; i++) {
        double norm = length(rows + i * dim, dim), e = error_at(&x.tiles, i);
        double error = x.info.error * e / norm, bound = (b.error + b.slack * e) / (q.norm * norm);
        cr_expect(error < 0.2 && bound < 0.22, "item %zu: %g %g", i, error, bound);
        errors += error / (double)n;
        bounds += bound / (double)n;
    }
    cr_expect(errors < 0.11 && bounds < 0.13, "%g %g", errors, bounds);
}

/* A step is fitted to its vector: entries that lie on evenly spaced levels lose next to nothing,
 * where the step for normally distributed ones would leave out a tenth. */
Test(sketch, steps_are_fitted)
{
    size_t dim = 24;
    memset(rows, 0, sizeof rows);
    for (size_t d = 0; d < dim; d++)
        rows[d] = world_one_in(&rng, 2) ? 3.7F : -3.7F;
    struct drawn x = draw(1, dim);
    cr_expect_lt(left_out(&x, 0), 1e-5L * length(rows, dim));
    cr_expect_lt(x.info.error * (float)error_at(&x.tiles, 0), 1e-5F * x.info.norm);
}

/* An item far shorter than the longest keeps its digits, by a step of its own. */
Test(sketch, short_items_have_fine_steps)
{
    size_t dim = 16;
    memset(rows, 0, sizeof rows);
    world_vector(&rng, WORLD_NORMAL, rows, dim);
    for (size_t d = 0; d < dim; d++)
        rows[dim + d] = rows[d] / 100;
    struct drawn alone = draw(1, dim), both = draw(2, dim);
    cr_expect_eq(both.info.error, alone.info.error);
    cr_expect_eq(both.info.unit, alone.info.unit);
    cr_expect_eq(step_at(&both.tiles, 0), NBX_SKETCH_STEPS);
    cr_expect_eq(error_at(&both.tiles, 0), NBX_SKETCH_STEPS);
    cr_expect_leq(step_at(&both.tiles, 1), 3);
    cr_expect_leq(error_at(&both.tiles, 1), 6);
    cr_expect_lt(left_out(&both, 1), 0.2L * length(rows + dim, dim));
}

/* Zeros behind the last vector and the last dimension. */
static void check_behind(const struct drawn *x, const char *what)
{
    for (size_t i = 0; i < NBX_SKETCH_MOST; i++) {
        bool there = i < x->n;
        cr_assert(there || (step_at(&x->tiles, i) == 1 && error_at(&x->tiles, i) == 1),
                  "%s item %zu", what, i);
        for (size_t d = there ? x->dim : 0; d < nbx_sketch_groups(x->dim) * NBX_SKETCH_GROUP; d++)
            cr_assert_eq(code_at(&x->tiles, i, d), 0, "%s item %zu", what, i);
    }
}

/* The same vectors from the second tile on are drawn alike, and the first tile is left alone. */
static void check_later(const struct drawn *x, const char *what)
{
    static uint8_t first[sizeof tile_codes], scales[sizeof tile_scales];
    size_t bytes = x->tiles.bytes;
    struct nbx_sketch_rows r = {rows, x->n, nbx_padded(x->dim), x->dim};
    struct nbx_sketches second = nbx_sketches_at(&x->tiles, 1);
    struct nbx_sketch_info info;
    memcpy(first, tile_codes, sizeof first);
    memcpy(scales, tile_scales, sizeof scales);
    memset(tile_codes, 0, TILES * bytes);
    memset(tile_scales, 0, sizeof tile_scales);
    nbx_sketch_draw(&second, &info, &r, scratch);
    cr_assert_eq(memcmp(tile_codes + bytes, first, (TILES - 1) * bytes), 0, "%s", what);
    cr_assert_eq(memcmp(tile_scales + NBX_TILE_SCALES, scales, sizeof scales - NBX_TILE_SCALES), 0,
                 "%s", what);
    cr_assert_eq(memcmp(&info, &x->info, sizeof info), 0, "%s", what);
    for (size_t i = 0; i < bytes; i++)
        cr_assert_eq(tile_codes[i], 0, "%s", what);
}

Test(sketch, nothing_is_drawn_beside)
{
    for (int i = 0; i < 500; i++) {
        char what[128];
        size_t n = world_below(&rng, NBX_SKETCH_MOST - NBX_TILE_ITEMS + 1), dim = world_dim(&rng);
        fill(n, dim, any_kind());
        struct drawn x = draw(n, dim);
        snprintf(what, sizeof what, "seed %d case %d (%zu items, %zu dimensions)", SEED, i, n, dim);
        check_behind(&x, what);
        check_later(&x, what);
    }
}

/* Norms are rounded up, by no more than a step of the floats. */
Test(sketch, norms_are_rounded_up)
{
    for (int i = 0; i < 20000; i++) {
        size_t dim = world_dim(&rng);
        enum world_kind kind = (enum world_kind)(i % WORLD_KINDS);
        world_vector(&rng, kind, vector, dim);
        double norm = sqrt(in_double(vector, vector, dim));
        float up = nbx_sketch_norm(vector, dim);
        cr_assert(up >= norm, "seed %d case %d: %a < %a", SEED, i, up, norm);
        cr_assert(nextafterf(up, -INFINITY) <= norm * (1 + 1e-11), "seed %d case %d: %a > %a", SEED,
                  i, up, norm);
    }
}

/* Where two canonical scores differ by more than both their roundings, double precision agrees. */
Test(sketch, double_precision_agrees_on_the_order)
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
