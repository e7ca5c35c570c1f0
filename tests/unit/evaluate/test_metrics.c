/* SPDX-License-Identifier: MIT */
#include "models/evaluate/metrics.h"

#include <criterion/criterion.h>
#include <math.h>

#define EXPECT_NEAR(a, b) cr_expect_float_eq((a), (b), 1e-12)

Test(metrics, by_hand)
{
    /* places 2 and 4 of 4 are right, 3 held out, k 4 */
    struct nbx_metrics m = nbx_metrics_of((bool[]){false, true, false, true}, 4, 4, 3);
    EXPECT_NEAR(m.recall, 2.0 / 3);
    EXPECT_NEAR(m.precision, 0.5);
    EXPECT_NEAR(m.hit, 1);
    EXPECT_NEAR(m.mrr, 0.5);
    EXPECT_NEAR(m.map, (1.0 / 2 + 2.0 / 4) / 3);
    EXPECT_NEAR(m.ndcg, (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / log2(4)));
}

Test(metrics, the_ideal_list_is_no_longer_than_k)
{
    struct nbx_metrics m = nbx_metrics_of((bool[]){true, true}, 2, 2, 9);
    EXPECT_NEAR(m.ndcg, 1);
    EXPECT_NEAR(m.map, 1);
    EXPECT_NEAR(m.recall, 2.0 / 9);
}

Test(metrics, an_empty_list_and_a_short_one)
{
    struct nbx_metrics none = nbx_metrics_of(NULL, 0, 20, 2);
    EXPECT_NEAR(none.recall + none.ndcg + none.precision + none.hit + none.mrr + none.map, 0);
    struct nbx_metrics short_list = nbx_metrics_of((bool[]){true}, 1, 20, 1);
    EXPECT_NEAR(short_list.precision, 0.05);
    EXPECT_NEAR(short_list.ndcg, 1);
}

Test(metrics, means)
{
    struct nbx_metrics sum = {0}, a = {.recall = 1, .hit = 1}, b = {.recall = 0.5, .map = 0.25};
    nbx_metrics_add(&sum, &a);
    nbx_metrics_add(&sum, &b);
    struct nbx_metrics mean = nbx_metrics_mean(&sum, 2);
    EXPECT_NEAR(mean.recall, 0.75);
    EXPECT_NEAR(mean.hit, 0.5);
    EXPECT_NEAR(mean.map, 0.125);
    EXPECT_NEAR(nbx_metrics_mean(&sum, 0).recall, 0);
}
