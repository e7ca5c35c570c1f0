/* SPDX-License-Identifier: MIT */
#include "engine/score/sketch.h"

#include "engine/base/check.h"
#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CODE_MAX    127
#define LEAST_SCALE 0x1p-100
#define ROUNDS      5 /* of Lloyd's iteration: the step hardly moves after */
#define UP          (1 + 1e-12)
/* Of a scan's own arithmetic: some ten roundings of quantities below 4 |q| |x|. */
#define SCAN_ROUNDING (64 * (double)FLT_EPSILON / 2)
/* The best step for normally distributed entries, in standard deviations (Max, 1960). */
#define NORMAL_STEP 0.168
#define LEVELS      16

/* x >= 0. The next float by its bits: a node's bounds are computed too often for nextafterf. */
static inline float round_up(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits += f < x;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* In eight sums, which the processor adds to side by side. */
static double norm_of(const float *x, size_t dim)
{
    double sums[8] = {0}, sum = 0;
    size_t d = 0;
    for (; d + 8 <= dim; d += 8)
        for (size_t i = 0; i < 8; i++)
            sums[i] += (double)x[d + i] * x[d + i];
    for (; d < dim; d++)
        sums[0] += (double)x[d] * x[d];
    for (size_t i = 0; i < 8; i++)
        sum += sums[i];
    return sqrt(sum) * UP;
}

float nbx_sketch_norm(const float *x, size_t dim)
{
    return round_up(norm_of(x, dim));
}

void nbx_sketch_stretch(float *out, const float *x, const float *stretch, size_t dim)
{
    for (size_t d = 0; d < dim; d++)
        out[d] = x[d] * stretch[d];
}

void nbx_sketch_shrink(float *out, const float *x, const float *stretch, size_t dim)
{
    for (size_t d = 0; d < dim; d++)
        out[d] = x[d] / stretch[d];
}

/* The level nearest to an entry of x / (2 step); written so that it can be done many at a time. */
static inline int level_of(float halves)
{
    float at = halves + (float)LEVELS / 2;
    at = at > 0 ? at : 0;
    at = at < LEVELS - 0.5F ? at : LEVELS - 0.5F;
    return (int)at;
}

/* The step that brings the levels that `step` chooses nearest to x: sum x v / sum v v. */
static double better_step(const float *x, size_t dim, double step)
{
    float per = (float)(0.5 / step), along[NBX_LANES] = {0}, square[NBX_LANES] = {0};
    size_t d = 0;
    for (; d + NBX_LANES <= dim; d += NBX_LANES) {
        for (size_t l = 0; l < NBX_LANES; l++) {
            float v = (float)(2 * level_of(x[d + l] * per) - (LEVELS - 1));
            along[l] += x[d + l] * v;
            square[l] += v * v;
        }
    }
    for (; d < dim; d++) {
        float v = (float)(2 * level_of(x[d] * per) - (LEVELS - 1));
        along[0] += x[d] * v;
        square[0] += v * v;
    }
    double sum = 0, squares = 0;
    for (size_t l = 0; l < NBX_LANES; l++) {
        sum += along[l];
        squares += square[l];
    }
    return sum / squares;
}

/* The nearest step found, 0 where none is of use: any step is true, only less near. */
static double fit_step(const float *x, size_t dim)
{
    double step = NORMAL_STEP * norm_of(x, dim) / sqrt((double)dim);
    for (int i = 0; i < ROUNDS && step > FLT_MIN && step < FLT_MAX / 64; i++)
        step = better_step(x, dim, step);
    return step > FLT_MIN && step < FLT_MAX / 64 ? step : 0;
}

/* Codes (dim) of x at that step; returns |x - x^|, rounded up. */
static double draw(uint8_t *codes, const float *x, size_t dim, double step)
{
    float per = step > 0 ? (float)(0.5 / step) : 0;
    double sum = 0;
    for (size_t d = 0; d < dim; d++) {
        int level = level_of(x[d] * per);
        codes[d] = (uint8_t)level;
        double e = x[d] - step * (2 * level - (LEVELS - 1));
        sum += e * e;
    }
    return sqrt(sum) * UP;
}

static void put(uint8_t *tile, size_t lane, const uint8_t *codes, size_t dim)
{
    for (size_t d = 0; d < dim; d++) {
        uint8_t *four = tile + d / NBX_SKETCH_GROUP * NBX_GROUP_BYTES + lane * NBX_GROUP_LANE;
        size_t in_group = d % NBX_SKETCH_GROUP;
        four[in_group % NBX_GROUP_LANE] |= (uint8_t)(codes[d] << in_group / NBX_GROUP_LANE * 4);
    }
}

/* One of 256 steps less 1; 0 units have no steps. */
static uint8_t scale_of(double x, double unit)
{
    double n = unit > 0 ? rint(x / unit) : 1;
    return (uint8_t)((n < 1 ? 1 : n > NBX_SKETCH_STEPS ? NBX_SKETCH_STEPS : n) - 1);
}

/* The least error factor, less 1, that holds x. */
static uint8_t error_of(double x, double unit)
{
    double n = unit > 0 && unit < INFINITY ? ceil(x / unit) : 1;
    return (uint8_t)((n < 1 ? 1 : n > NBX_SKETCH_STEPS ? NBX_SKETCH_STEPS : n) - 1);
}

/* The steps (n) less 1 and their unit, the finest that holds them all. */
static void choose_steps(uint8_t *steps, struct nbx_sketch_info *info,
                         const struct nbx_sketch_rows *rows)
{
    double fitted[NBX_SKETCH_MOST], most = 0;
    for (size_t i = 0; i < rows->n; i++) {
        fitted[i] = fit_step(rows->p + i * rows->stride, rows->dim);
        most = fmax(most, fitted[i]);
    }
    info->unit = round_up(most / NBX_SKETCH_STEPS);
    for (size_t i = 0; i < rows->n; i++)
        steps[i] = scale_of(fitted[i], info->unit);
}

/* Steps (n) less 1, and errors (n) with their unit, the finest that holds them all. */
static void put_scales(const struct nbx_sketches *to, struct nbx_sketch_info *info,
                       const uint8_t *steps, const double *errors, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, errors[i]);
    info->error = round_up(worst / NBX_SKETCH_STEPS * UP);
    for (size_t i = 0; i < n; i++) {
        uint8_t *scales = to->scales + i / NBX_TILE_ITEMS * NBX_TILE_SCALES;
        scales[i % NBX_TILE_ITEMS] = steps[i];
        scales[NBX_TILE_ITEMS + i % NBX_TILE_ITEMS] = error_of(errors[i], info->error);
    }
}

void nbx_sketch_draw(const struct nbx_sketches *to, struct nbx_sketch_info *info,
                     const struct nbx_sketch_rows *rows, uint8_t *scratch)
{
    uint8_t steps[NBX_SKETCH_MOST];
    double errors[NBX_SKETCH_MOST];
    NBX_ASSERT(rows->n <= NBX_SKETCH_MOST);
    *info = (struct nbx_sketch_info){0};
    choose_steps(steps, info, rows);
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->p + i * rows->stride;
        errors[i] = draw(scratch, x, rows->dim, (double)info->unit * (steps[i] + 1));
        put(to->codes + i / NBX_TILE_ITEMS * to->bytes, i % NBX_TILE_ITEMS, scratch, rows->dim);
        info->norm = fmaxf(info->norm, nbx_sketch_norm(x, rows->dim));
    }
    put_scales(to, info, steps, errors, rows->n);
}

/* A place's step and the bound on what its sketch leaves out. */
static double step_at(const struct nbx_sketch_place *p)
{
    const uint8_t *scales = p->tiles->scales + p->at / NBX_TILE_ITEMS * NBX_TILE_SCALES;
    return (double)p->info->unit * (scales[p->at % NBX_TILE_ITEMS] + 1);
}
static double error_at(const struct nbx_sketch_place *p)
{
    const uint8_t *scales = p->tiles->scales + p->at / NBX_TILE_ITEMS * NBX_TILE_SCALES;
    return (double)p->info->error * (scales[NBX_TILE_ITEMS + p->at % NBX_TILE_ITEMS] + 1);
}

/* The bound where the step becomes another: x^ = step * v moves by |v| times the difference, and
 * |v| is at most 15 sqrt(dim), and |x| + |x - x^| over the step. */
static double error_moved(const struct nbx_sketch_place *p, double step, size_t dim)
{
    double old = step_at(p), error = error_at(p), levels = (LEVELS - 1) * sqrt((double)dim);
    if (old > 0)
        levels = fmin(levels, (p->info->norm + error) / old);
    return (error + fabs(step - old) * levels) * UP;
}

/* The codes of one vector, 4 bytes of each group. */
static void copy_codes(uint8_t *tile, size_t lane, const struct nbx_sketch_place *p)
{
    const uint8_t *from = p->tiles->codes + p->at / NBX_TILE_ITEMS * p->tiles->bytes +
                          p->at % NBX_TILE_ITEMS * NBX_GROUP_LANE;
    uint8_t *to = tile + lane * NBX_GROUP_LANE;
    for (size_t at = 0; at < p->tiles->bytes; at += NBX_GROUP_BYTES)
        memcpy(to + at, from + at, NBX_GROUP_LANE);
}

void nbx_sketch_copy(const struct nbx_sketches *to, struct nbx_sketch_info *info, size_t dim,
                     const struct nbx_sketch_place *from, size_t n)
{
    uint8_t steps[NBX_SKETCH_MOST];
    double errors[NBX_SKETCH_MOST], most = 0;
    NBX_ASSERT(n <= NBX_SKETCH_MOST);
    *info = (struct nbx_sketch_info){0};
    for (size_t i = 0; i < n; i++)
        most = fmax(most, step_at(&from[i]));
    info->unit = round_up(most / NBX_SKETCH_STEPS);
    for (size_t i = 0; i < n; i++) {
        steps[i] = scale_of(step_at(&from[i]), info->unit);
        errors[i] = error_moved(&from[i], (double)info->unit * (steps[i] + 1), dim);
        copy_codes(to->codes + i / NBX_TILE_ITEMS * to->bytes, i % NBX_TILE_ITEMS, &from[i]);
        info->norm = fmaxf(info->norm, from[i].info->norm);
    }
    put_scales(to, info, steps, errors, n);
}

static float largest(const float *x, size_t dim)
{
    float most[8] = {0}, all = 0;
    size_t d = 0;
    for (; d + 8 <= dim; d += 8)
        for (size_t i = 0; i < 8; i++)
            most[i] = fabsf(x[d + i]) > most[i] ? fabsf(x[d + i]) : most[i];
    for (; d < dim; d++)
        most[0] = fabsf(x[d]) > most[0] ? fabsf(x[d]) : most[0];
    for (size_t i = 0; i < 8; i++)
        all = most[i] > all ? most[i] : all;
    return all;
}

/* The nearest code; quotients lie just beyond the largest at most. Written so that it can be done
 * many at a time. */
static inline int code_of(float x, float per_unit)
{
    float at = x * per_unit;
    at = at < CODE_MAX ? at : CODE_MAX;
    at = at > -CODE_MAX ? at : -CODE_MAX;
    return (int)(at + (at < 0 ? -0.5F : 0.5F));
}

/* |x - unit * codes|, rounded up. */
static double error_of_codes(const float *x, const int8_t *codes, size_t dim, double unit)
{
    double sums[8] = {0}, sum = 0;
    size_t d = 0;
    for (; d + 8 <= dim; d += 8)
        for (size_t i = 0; i < 8; i++) {
            double e = x[d + i] - unit * codes[d + i];
            sums[i] += e * e;
        }
    for (; d < dim; d++) {
        double e = x[d] - unit * codes[d];
        sums[0] += e * e;
    }
    for (size_t i = 0; i < 8; i++)
        sum += sums[i];
    return sqrt(sum) * UP;
}

void nbx_sketch_quantise(struct nbx_sketch_query *out, int8_t *codes, const float *vector,
                         size_t dim)
{
    double unit = (double)largest(vector, dim) / CODE_MAX;
    float per_unit = unit > FLT_MIN ? (float)(1 / unit) : 0;
    int32_t total = 0;
    memset(codes, 0, nbx_padded(dim));
    for (size_t d = 0; d < dim; d++) {
        codes[d] = (int8_t)code_of(vector[d], per_unit);
        total += codes[d];
    }
    /* Roundings in a row: a lane's multiply-adds, four sums of the tree; twice that for the
     * products of rounded quantities. */
    double roundings = 2.0 * ((double)nbx_padded(dim) / NBX_LANES + 4);
    *out = (struct nbx_sketch_query){
        .codes = {.codes = codes, .groups = nbx_sketch_groups(dim), .zero = -15 * total},
        .norm = norm_of(vector, dim),
        .error = error_of_codes(vector, codes, dim, unit),
        .unit = unit,
        .rounding = roundings * FLT_EPSILON / 2,
        .smallest = 2.0 * (double)nbx_padded(dim) * 0x1p-149};
}

void nbx_sketch_allow_shrunk(struct nbx_sketch_query *query, size_t dim)
{
    double lost = sqrt((double)dim) * 0x1p-149;
    query->norm += lost;
    query->error += lost;
}

void nbx_sketch_bound(struct nbx_sketch_bound *out, const struct nbx_sketch_query *query,
                      const struct nbx_sketch_info *info)
{
    double reach = query->norm * info->norm, scale = query->unit * info->unit;
    out->scale = scale;
    out->slack = round_up((query->norm + query->error) * info->error);
    out->error =
        query->error * info->norm + reach * (query->rounding + SCAN_ROUNDING) + query->smallest;
    /* Where products or sums may pass the largest float the canonical score may be anything, and
     * where a scan's scores lose their digits it says nothing. */
    if (!(reach < FLT_MAX / 4) || (scale > 0 && scale < LEAST_SCALE)) {
        out->scale = out->slack = 0;
        out->error = INFINITY;
    }
}
