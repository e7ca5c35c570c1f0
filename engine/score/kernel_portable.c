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

static float sketch_score(const uint8_t *tile, size_t lane, uint8_t step,
                          const struct nbx_codes *query)
{
    int32_t sum = query->zero;
    for (size_t g = 0; g < query->groups; g++) {
        const uint8_t *bytes = tile + g * NBX_GROUP_BYTES + lane * NBX_GROUP_LANE;
        const int8_t *q = query->codes + g * NBX_SKETCH_GROUP;
        for (size_t j = 0; j < NBX_GROUP_LANE; j++)
            sum += 2 * (q[j] * (bytes[j] & 0xF) + q[NBX_GROUP_LANE + j] * (bytes[j] >> 4));
    }
    return (float)sum * (float)(step + 1);
}

static uint32_t pass_tile(const float *scores, const uint8_t *scales,
                          const struct nbx_limits *limits)
{
    uint32_t passed = 0;
    for (uint32_t i = 0; i < NBX_TILE_ITEMS; i++) {
        float most = scores[i] + limits->slack * (float)(scales[NBX_TILE_ITEMS + i] + 1);
        passed |= (uint32_t)(most >= limits->threshold) << i;
    }
    return passed;
}

static unsigned pass(uint16_t *passed, const float *scores, const struct nbx_sketches *tiles,
                     uint32_t wanted, const struct nbx_limits *limits)
{
    unsigned n = 0;
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        passed[t] = (uint16_t)pass_tile(scores + t * NBX_TILE_ITEMS,
                                        tiles->scales + t * NBX_TILE_SCALES, limits);
        n += (unsigned)__builtin_popcount(passed[t]);
    }
    return n;
}

static unsigned sketch(float *out, uint16_t *passed, const struct nbx_sketches *tiles,
                       uint32_t wanted, const struct nbx_codes *query,
                       const struct nbx_limits *limits)
{
    unsigned n = 0;
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        const uint8_t *scales = tiles->scales + t * NBX_TILE_SCALES;
        float *scores = out + t * NBX_TILE_ITEMS;
        for (uint32_t i = 0; i < NBX_TILE_ITEMS; i++)
            scores[i] = sketch_score(tiles->codes + t * tiles->bytes, i, scales[i], query);
        passed[t] = (uint16_t)pass_tile(scores, scales, limits);
        n += (unsigned)__builtin_popcount(passed[t]);
    }
    return n;
}

static void sketch_together(struct nbx_sketching *asked, size_t n, const struct nbx_sketches *tiles,
                            uint32_t wanted)
{
    for (size_t i = 0; i < n; i++) {
        struct nbx_sketching *a = &asked[i];
        a->n = sketch(a->out, a->passed, tiles, wanted, a->query, &a->limits);
    }
}

static void tops(float *tops, float *scores, float scale)
{
    for (size_t i = 0; i < NBX_TILE_ITEMS; i++)
        tops[i] = -INFINITY;
    for (size_t t = 0; t < NBX_TILE_ITEMS; t++, scores += NBX_TILE_ITEMS)
        for (size_t i = 0; i < NBX_TILE_ITEMS; i++) {
            scores[i] *= scale;
            tops[i] = scores[i] > tops[i] ? scores[i] : tops[i];
        }
}

static size_t at_least(const float *x, size_t n, float least)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] >= least;
    return sum;
}

static size_t reaching(uint32_t *places, const float *x, size_t n, float least)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) { /* written always, found or not: no branch to foresee */
        places[found] = (uint32_t)i;
        found += x[i] >= least;
    }
    return found;
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
    .sketch = sketch,
    .sketch_together = sketch_together,
    .pass = pass,
    .tops = tops,
    .at_least = at_least,
    .reaching = reaching,
    .count = count,
};
