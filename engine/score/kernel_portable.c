/* SPDX-License-Identifier: MIT
 * Plain C: the definition of every kernel, and the reference the others are tested against.
 */
#include "engine/score/dot.h"
#include "engine/score/kernel.h"

static void rows(float *out, const float *x, const float *y, size_t n, size_t padded)
{
    for (size_t r = 0; r < n; r++)
        out[r] = nbx_dot_reference(x, y + r * padded, padded);
}

static uint16_t scan_one(float *out, const uint8_t *codes, const uint8_t *steps,
                         const struct nbx_codes *query, float threshold)
{
    int32_t acc[NBX_TILE_ITEMS];
    uint32_t passed = 0;
    for (size_t i = 0; i < NBX_TILE_ITEMS; i++)
        acc[i] = query->zero;
    for (size_t g = 0; g < query->groups; g++) {
        const int8_t *q = query->codes + g * NBX_TILE_GROUP;
        const uint8_t *items = codes + g * NBX_GROUP_BYTES;
        for (size_t i = 0; i < NBX_TILE_ITEMS; i++)
            for (size_t d = 0; d < NBX_TILE_GROUP; d++)
                acc[i] += q[d] * items[i * NBX_TILE_GROUP + d];
    }
    for (size_t i = 0; i < NBX_TILE_ITEMS; i++) {
        out[i] = (float)acc[i] * (float)(steps[i] + 1);
        passed |= (uint32_t)(out[i] >= threshold) << i;
    }
    return (uint16_t)passed;
}

static void scan(float *out, uint16_t *passed, const struct nbx_tiles *tiles, uint32_t wanted,
                 const struct nbx_codes *query, float threshold)
{
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        passed[t] = scan_one(out + t * NBX_TILE_ITEMS, tiles->codes + t * tiles->bytes,
                             tiles->steps + t * NBX_TILE_ITEMS, query, threshold);
    }
}

static uint32_t lift(float *x, float scale, float shift, float least)
{
    uint32_t reached = 0;
    for (uint32_t i = 0; i < NBX_TILE_ITEMS; i++) {
        x[i] = x[i] * scale + shift;
        reached |= (uint32_t)(x[i] >= least) << i;
    }
    return reached;
}

static size_t at_least(const float *x, size_t n, float least)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] >= least;
    return sum;
}

static size_t count(const uint64_t *words, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (size_t)__builtin_popcountll(words[i]);
    return sum;
}

const struct nbx_kernel nbx_kernel_portable = {
    .name = "portable",
    .dot = nbx_dot_reference,
    .rows = rows,
    .code_max = 127,
    .scan = scan,
    .lift = lift,
    .at_least = at_least,
    .count = count,
};
