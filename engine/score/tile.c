/* SPDX-License-Identifier: MIT */
#include "engine/score/tile.h"

#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ITEM_CODE_MAX 127
#define UP            (1 + 1e-12) /* over the rounding of sums in double precision */

static float round_up(double x)
{
    float f = (float)x;
    return f < x ? nextafterf(f, INFINITY) : f;
}

static float largest(const float *x, size_t dim)
{
    float most = 0;
    for (size_t d = 0; d < dim; d++)
        most = fabsf(x[d]) > most ? fabsf(x[d]) : most;
    return most;
}

/* The finest step that holds the vector's largest entry. */
static unsigned choose_step(float most, double unit)
{
    double step = unit > 0 ? ceil(most / (unit * ITEM_CODE_MAX)) : 1;
    return step < 1 ? 1 : step > NBX_STEPS ? NBX_STEPS : (unsigned)step;
}

/* Quotients lie just beyond code_max at most, so that the conversion holds them. */
static int code_of(double x, double per_unit, int code_max)
{
    long code = lrint(x * per_unit);
    return code > code_max ? code_max : code < -code_max ? -code_max : (int)code;
}

/* Vector i of the tile: its codes and step. Returns |x - x^|. */
static double pack_vector(uint8_t *codes, uint8_t *steps, size_t i, const float *x,
                          const struct nbx_tile_rows *rows, double unit)
{
    unsigned step = choose_step(largest(x, rows->dim), unit);
    double own = unit * step, per_unit = own > 0 ? 1 / own : 0, sum = 0;
    steps[i] = (uint8_t)(step - 1);
    for (size_t d = 0; d < rows->dim; d++) {
        int code = code_of(x[d], per_unit, ITEM_CODE_MAX);
        double e = x[d] - own * code;
        sum += e * e;
        codes[d / NBX_TILE_GROUP * NBX_GROUP_BYTES + i * NBX_TILE_GROUP + d % NBX_TILE_GROUP] =
            (uint8_t)(code + NBX_CODE_ZERO);
    }
    return sqrt(sum) * UP;
}

static double norm_of(const float *x, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * x[d];
    return sqrt(sum) * UP;
}

float nbx_tile_unit(const struct nbx_tile_rows *rows)
{
    float most = 0;
    for (size_t i = 0; i < rows->n; i++)
        most = fmaxf(most, largest(rows->p + i * rows->stride, rows->dim));
    return round_up((double)most / (ITEM_CODE_MAX * NBX_STEPS));
}

void nbx_tile_pack(uint8_t *codes, uint8_t *steps, struct nbx_tile_info *info,
                   const struct nbx_tile_rows *rows)
{
    memset(codes, NBX_CODE_ZERO, nbx_tile_bytes(rows->dim));
    memset(steps, 0, NBX_TILE_ITEMS);
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->p + i * rows->stride;
        double error = pack_vector(codes, steps, i, x, rows, info->unit);
        info->norm = fmaxf(info->norm, round_up(norm_of(x, rows->dim)));
        info->error = fmaxf(info->error, round_up(error));
    }
}

void nbx_tile_quantise(struct nbx_tile_query *out, int8_t *codes, const float *vector, size_t dim,
                       int code_max)
{
    size_t groups = nbx_tile_groups(dim);
    double unit = (double)largest(vector, dim) / code_max, sum = 0;
    double per_unit = unit > 0 ? 1 / unit : 0;
    int32_t total = 0;
    memset(codes, 0, groups * NBX_TILE_GROUP);
    for (size_t d = 0; d < dim; d++) {
        codes[d] = (int8_t)code_of(vector[d], per_unit, code_max);
        total += codes[d];
        double e = vector[d] - unit * codes[d];
        sum += e * e;
    }
    /* Roundings in a row: a lane's multiply-adds, four sums of the tree; two in a scan's scores;
     * twice that for the products of rounded quantities. */
    double roundings = 2.0 * ((double)nbx_padded(dim) / NBX_LANES + 4 + 2);
    *out = (struct nbx_tile_query){
        .codes = {.codes = codes, .groups = groups, .zero = -NBX_CODE_ZERO * total},
        .norm = norm_of(vector, dim),
        .error = sqrt(sum) * UP,
        .unit = unit,
        .rounding = roundings * FLT_EPSILON / 2,
        .smallest = 2.0 * (double)nbx_padded(dim) * 0x1p-149};
}

struct nbx_tile_bound nbx_tile_bound(const struct nbx_tile_query *query,
                                     const struct nbx_tile_info *info)
{
    double reach = query->norm * info->norm;
    /* Where products or sums may pass the largest float the canonical score may be anything. */
    if (!(reach < FLT_MAX / 4))
        return (struct nbx_tile_bound){query->unit * info->unit, INFINITY};
    double approximation = query->error * info->norm + (query->norm + query->error) * info->error;
    return (struct nbx_tile_bound){query->unit * info->unit,
                                   approximation + reach * query->rounding + query->smallest};
}
