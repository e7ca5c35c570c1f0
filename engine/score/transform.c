/* SPDX-License-Identifier: MIT */
#include "engine/score/transform.h"

#include <float.h>
#include <math.h>

/* Relative slack over the roundings of nbx_transform_apply, whose result is one float. */
#define SLACK 0x1p-22

#define LN2_HIGH 0x1.62e42fee00000p-1 /* the leading bits: k * LN2_HIGH is exact for |k| < 2^11 */
#define LN2_LOW  0x1.a39ef35793c76p-33
#define EXP_MOST 700.0

/* exp(x) for |x| <= EXP_MOST by exp(x) = 2^k exp(r), |r| <= ln2 / 2, and the Taylor series of
 * exp(r) to r^13 / 13!, whose remainder is below 2^-57. */
static double own_exp(double x)
{
    double k = nearbyint(x / (LN2_HIGH + LN2_LOW));
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double sum = 1;
    for (int i = 13; i >= 1; i--)
        sum = 1 + r / i * sum;
    return ldexp(sum, (int)k);
}

static float sigmoid(double x)
{
    if (x > EXP_MOST)
        return 1;
    if (x < -EXP_MOST)
        return 0;
    return (float)(1 / (1 + own_exp(-x)));
}

/* The first point from which on `x` lies at or before the next one: from[i] <= x < from[i + 1]. */
static size_t find_point(const struct nbx_transform *t, float x)
{
    size_t low = 0, high = t->n - 1;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (t->from[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static float look_up(const struct nbx_transform *t, float score)
{
    if (!(score > t->from[0]))
        return t->into[0];
    if (score >= t->from[t->n - 1])
        return t->into[t->n - 1];
    size_t i = find_point(t, score);
    double share = ((double)score - t->from[i]) / ((double)t->from[i + 1] - t->from[i]);
    return (float)(t->into[i] + share * ((double)t->into[i + 1] - t->into[i]));
}

static bool table_valid(const struct nbx_transform *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!isfinite(t->from[i]) || !isfinite(t->into[i]))
            return false;
        if (i > 0 && !(t->from[i] > t->from[i - 1] && t->into[i] >= t->into[i - 1]))
            return false;
    }
    return t->n > 0;
}

bool nbx_transform_valid(const struct nbx_transform *t)
{
    switch (t->kind) {
    case NBX_TRANSFORM_NONE: return true;
    case NBX_TRANSFORM_SIGMOID: return isfinite(t->slope) && t->slope > 0 && isfinite(t->shift);
    case NBX_TRANSFORM_TABLE: return table_valid(t);
    }
    return false;
}

float nbx_transform_apply(const struct nbx_transform *t, float score)
{
    switch (t->kind) {
    case NBX_TRANSFORM_NONE: return score;
    case NBX_TRANSFORM_SIGMOID: return sigmoid((double)t->slope * score + t->shift);
    case NBX_TRANSFORM_TABLE: return look_up(t, score);
    }
    return score;
}

/* x lowered by the slack, whatever its sign. */
static double lowered(double x)
{
    return x - fabs(x) * SLACK;
}

static double least_sigmoid(const struct nbx_transform *t, double value)
{
    double v = lowered(value);
    if (v <= FLT_MIN) /* where floats get coarse, and below */
        return -INFINITY;
    if (v >= 1)
        return INFINITY;
    double x = log(v / (1 - v));
    double slack = (fabs(x) + fabs((double)t->shift)) * SLACK;
    return lowered((x - t->shift - slack) / t->slope);
}

static double least_table(const struct nbx_transform *t, double value)
{
    double v = lowered(value) - FLT_MIN; /* tables may reach down to where floats get coarse */
    size_t i = 0;
    if (v <= t->into[0])
        return -INFINITY;
    while (i < t->n && t->into[i] < v)
        i++;
    if (i == t->n)
        return INFINITY;
    double rise = (double)t->into[i] - t->into[i - 1];
    double width = (double)t->from[i] - t->from[i - 1];
    /* A slack relative to the piece and to where it lies. */
    double at = t->from[i - 1] + (v - t->into[i - 1]) / rise * width;
    double size = fmax(fabs((double)t->from[i]), fabs((double)t->from[i - 1]));
    return at - (size + width) * SLACK;
}

double nbx_transform_least(const struct nbx_transform *t, double value)
{
    if (isinf(value))
        return value;
    switch (t->kind) {
    case NBX_TRANSFORM_NONE: return value;
    case NBX_TRANSFORM_SIGMOID: return least_sigmoid(t, value);
    case NBX_TRANSFORM_TABLE: return least_table(t, value);
    }
    return -INFINITY;
}
