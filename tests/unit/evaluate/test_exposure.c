/* SPDX-License-Identifier: MIT */
#include "models/evaluate/exposure.h"

#include <criterion/criterion.h>
#include <math.h>

#define EXPECT_NEAR(a, b) cr_expect_float_eq((a), (b), 1e-12)

static struct nbx_exposure of(const uint32_t *shown, const size_t *taken, size_t n,
                              size_t customers)
{
    struct nbx_exposure e;
    cr_assert_eq(nbx_exposure_of(&e, shown, taken, n, customers), NBX_OK);
    return e;
}

Test(exposure, by_hand)
{
    struct nbx_exposure e = of((uint32_t[]){3, 0, 1, 0}, (size_t[]){8, 2, 0, 1}, 4, 8);
    EXPECT_NEAR(e.coverage, 0.5);
    /* sorted 0 0 1 3: (-3 0 - 1 0 + 1 1 + 3 3) / (4 4) */
    EXPECT_NEAR(e.gini, 10.0 / 16);
    /* three times what all have, once what nobody has, which counts as one of 8 */
    EXPECT_NEAR(e.novelty, (3 * 0 + 3.0) / 4);
}

Test(exposure, extremes)
{
    struct nbx_exposure e = of((uint32_t[]){5, 5, 5}, (size_t[]){1, 1, 1}, 3, 4);
    EXPECT_NEAR(e.coverage, 1);
    EXPECT_NEAR(e.gini, 0);
    EXPECT_NEAR(e.novelty, 2);
    e = of((uint32_t[]){0, 0, 0, 9}, (size_t[]){1, 1, 1, 4}, 4, 4);
    EXPECT_NEAR(e.gini, 0.75);
    EXPECT_NEAR(e.novelty, 0);
    e = of((uint32_t[]){0, 0}, (size_t[]){1, 0}, 2, 0);
    EXPECT_NEAR(e.coverage + e.gini + e.novelty, 0);
}
