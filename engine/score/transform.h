/* SPDX-License-Identifier: MIT
 * Monotone transforms of a canonical score: calibration, from scores to probabilities.
 *
 * Why:     a list is ranked by probability x value, so a search bounds transformed scores. The
 *          sigmoid is computed with nbx's own exponential, in double precision and a fixed order of
 *          operations, so that it has the same bits on every machine.
 * Owns:    nothing: the table is the caller's.
 * Threads: any.
 * Errors:  none: nbx_transform_valid says whether one may be used.
 */
#ifndef NBX_SCORE_TRANSFORM_H
#define NBX_SCORE_TRANSFORM_H

#include <stdbool.h>
#include <stddef.h>

enum nbx_transform_kind {
    NBX_TRANSFORM_NONE,
    NBX_TRANSFORM_SIGMOID, /* 1 / (1 + exp(-(slope * score + shift))) */
    NBX_TRANSFORM_TABLE    /* linear between points, constant beyond them (isotonic regression) */
};

struct nbx_transform {
    enum nbx_transform_kind kind;
    float slope, shift;       /* slope > 0 */
    const float *from, *into; /* (n) rising; (n) not falling */
    size_t n;                 /* >= 1 */
};

/* Finite, slope above 0, tables in order. */
bool nbx_transform_valid(const struct nbx_transform *t);
/* The transformed score. Not falling in `score` up to one rounding; infinities give the limits. */
float nbx_transform_apply(const struct nbx_transform *t, float score);
/* A score below which, for certain, nothing is transformed to `value` or more; -Inf where every
 * score may be, Inf where none is. */
double nbx_transform_least(const struct nbx_transform *t, double value);

#endif
