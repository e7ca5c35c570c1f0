/* SPDX-License-Identifier: MIT */
#include "engine/score/dot.h"

#include "engine/base/random.h"
#include "engine/score/kernel.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define SEED     71
#define MAX_DIM  300
#define MAX_ROWS 11

static const char *const names[] = {"avx512", "avx2", "portable"};
static _Alignas(64) float x[MAX_DIM + NBX_LANES], y[MAX_ROWS * (MAX_DIM + NBX_LANES)];
static struct nbx_random rng;

static void setup(void)
{
    nbx_random_init(&rng, SEED);
}
TestSuite(dot, .init = setup);

static bool same_bits(float a, float b)
{
    uint32_t a_bits, b_bits;
    memcpy(&a_bits, &a, sizeof a);
    memcpy(&b_bits, &b, sizeof b);
    return a_bits == b_bits;
}

static float normal(void)
{
    return (float)nbx_random_normal(&rng);
}
/* Products underflow to subnormals and to zero. */
static float tiny(void)
{
    return ldexpf(normal(), (int)nbx_random_below(&rng, 90) - 149);
}
/* Finite products, sums that may pass the largest float. */
static float huge(void)
{
    return ldexpf(normal(), 50 + (int)nbx_random_below(&rng, 11));
}
static float often_zero(void)
{
    static const float zeros[] = {0.0f, -0.0f};
    uint64_t r = nbx_random_below(&rng, 4);
    return r < 2 ? zeros[r] : normal();
}
static float anything(void)
{
    return ldexpf(normal(), (int)nbx_random_below(&rng, 120) - 60);
}

static void fill(float *rows, size_t n, size_t dim, float (*value)(void))
{
    size_t padded = nbx_padded(dim);
    memset(rows, 0, n * padded * sizeof *rows);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < dim; i++)
            rows[r * padded + i] = value();
}

static void check_dim(const struct nbx_kernel *k, size_t dim)
{
    float out[MAX_ROWS];
    size_t padded = nbx_padded(dim), n = dim % (MAX_ROWS + 1);
    k->rows(out, x, y, n, padded);
    for (size_t r = 0; r < MAX_ROWS; r++) {
        float want = nbx_dot_reference(x, y + r * padded, padded);
        cr_assert(same_bits(k->dot(x, y + r * padded, padded), want), "%s dim %zu row %zu seed %d",
                  k->name, dim, r, SEED);
        cr_assert(r >= n || same_bits(out[r], want), "%s rows, dim %zu row %zu seed %d", k->name,
                  dim, r, SEED);
    }
}

static void check_all(float (*value)(void))
{
    for (size_t dim = 1; dim <= MAX_DIM; dim++) {
        fill(x, 1, dim, value);
        fill(y, MAX_ROWS, dim, value);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const struct nbx_kernel *k = nbx_kernel_find(names[i]);
            if (k)
                check_dim(k, dim);
        }
    }
}

Test(dot, kernels_agree_on_usual_values)
{
    check_all(normal);
}
Test(dot, kernels_agree_on_subnormals)
{
    check_all(tiny);
}
Test(dot, kernels_agree_on_huge_values)
{
    check_all(huge);
}
Test(dot, kernels_agree_on_zeros)
{
    check_all(often_zero);
}
Test(dot, kernels_agree_on_mixed_magnitudes)
{
    check_all(anything);
}

/* The definition's own arithmetic on a case small enough to follow by hand. */
Test(dot, adds_lanes_as_the_tree_says)
{
    float ones[16], lanes[16] = {0x1p25f, 1, 0, 0, 0, 0, 0, 0, -0x1p25f, 1};
    for (int i = 0; i < 16; i++)
        ones[i] = 1;
    /* 2^25 and -2^25 are 8 lanes apart and cancel first, so no unit is lost */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        cr_expect(!k || k->dot(lanes, ones, 16) == 2.0f, "%s", names[i]);
    }
    float swapped[16] = {0x1p25f, -0x1p25f, 1, 1, 0, 0, 0, 0, 0, 0};
    /* 2^25 + 1 rounds to 2^25 (pair 0, 2), then the last pair cancels */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct nbx_kernel *k = nbx_kernel_find(names[i]);
        cr_expect(!k || k->dot(swapped, ones, 16) == 0.0f, "%s", names[i]);
    }
}

/* Each lane does ceil(d / 16) roundings, the tree 4 more: |error| <= gamma * sum |x_i y_i|. */
Test(dot, is_within_its_error_bound_of_double)
{
    for (size_t dim = 1; dim <= MAX_DIM; dim++) {
        fill(x, 1, dim, normal);
        fill(y, 1, dim, normal);
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < dim; i++) {
            sum += (double)x[i] * y[i];
            magnitude += fabs((double)x[i] * y[i]);
        }
        double roundings = (double)nbx_padded(dim) / NBX_LANES + 4, unit = FLT_EPSILON / 2;
        double bound = roundings * unit / (1 - roundings * unit) * magnitude;
        cr_assert(fabs(nbx_dot(x, y, nbx_padded(dim)) - sum) <= bound, "dim %zu seed %d", dim,
                  SEED);
    }
}

Test(dot, an_empty_vector_scores_zero)
{
    float out[1] = {1};
    cr_expect_eq(nbx_dot(x, y, 0), 0);
    nbx_dot_rows(out, x, y, 0, 64);
    cr_expect_eq(out[0], 1);
}

Test(dot, a_wish_is_obeyed_where_it_can_be)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (nbx_kernel_find(names[i]))
            cr_expect_str_eq(nbx_kernel_choose(names[i])->name, names[i]);
    const char *fastest = nbx_kernel_choose(NULL)->name;
    cr_expect_str_eq(nbx_kernel_choose("")->name, fastest);
    cr_expect_str_eq(nbx_kernel_choose("abacus")->name, fastest);
    cr_expect_null(nbx_kernel_find("abacus"));
    cr_expect_not_null(nbx_kernel_find("portable"));
}

Test(dot, the_environment_forces_a_kernel)
{
    setenv("NBX_KERNEL", "portable", 1);
    cr_expect_str_eq(nbx_dot_kernel(), "portable");
}
