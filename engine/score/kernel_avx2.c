/* SPDX-License-Identifier: MIT
 * AVX2 and FMA: 8 lanes, two registers for the canonical score's 16.
 */
#include "engine/score/dot.h"
#include "engine/score/kernel.h"
#include "engine/score/kernel_x86.h"

#if defined(__x86_64__)

AVX2 static float dot(const float *x, const float *y, size_t padded)
{
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    for (size_t j = 0; j < padded; j += NBX_LANES) {
        low = _mm256_fmadd_ps(_mm256_loadu_ps(x + j), _mm256_loadu_ps(y + j), low);
        high = _mm256_fmadd_ps(_mm256_loadu_ps(x + j + 8), _mm256_loadu_ps(y + j + 8), high);
    }
    return nbx_reduce8(_mm256_add_ps(low, high));
}

AVX2 static void rows(float *out, const float *x, const float *y, size_t n, size_t padded)
{
    for (size_t r = 0; r < n; r++)
        out[r] = dot(x, y + r * padded, padded);
}

AVX2 static inline __m256i four_codes(const int8_t *codes)
{
    int32_t four;
    __builtin_memcpy(&four, codes, sizeof four);
    return _mm256_set1_epi32(four);
}

/* Half a tile of one group: 8 vectors' 8 dimensions. Products of 16 bits add up to at most
 * 4 x 15 x 127. */
AVX2 static inline __m256i sketch_half(const uint8_t *items, __m256i first, __m256i second)
{
    const __m256i mask = _mm256_set1_epi8(0x0F);
    __m256i x = _mm256_loadu_si256((const void *)items);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), mask);
    __m256i sum = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(x, mask), first),
                                   _mm256_maddubs_epi16(high, second));
    return _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
}

/* 8 bytes, each plus 1, as floats. */
AVX2 static inline __m256 factors(const uint8_t *p)
{
    __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
    return _mm256_cvtepi32_ps(_mm256_add_epi32(x, _mm256_set1_epi32(1)));
}

/* 8 vectors' scores from their sums. */
AVX2 static inline void finish8(float *out, __m256i sums, const uint8_t *steps,
                                const struct nbx_codes *query)
{
    sums = _mm256_add_epi32(_mm256_slli_epi32(sums, 1), _mm256_set1_epi32(query->zero));
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(sums), factors(steps)));
}

AVX2 static uint32_t pass_tile(const float *scores, const uint8_t *scales,
                               const struct nbx_limits *limits)
{
    uint32_t passed = 0;
    for (int i = 0; i < NBX_TILE_ITEMS; i += 8) {
        __m256 error =
            _mm256_mul_ps(_mm256_set1_ps(limits->slack), factors(scales + NBX_TILE_ITEMS + i));
        __m256 most = _mm256_add_ps(_mm256_loadu_ps(scores + i), error);
        __m256 enough = _mm256_cmp_ps(most, _mm256_set1_ps(limits->threshold), _CMP_GE_OQ);
        passed |= (uint32_t)_mm256_movemask_ps(enough) << i;
    }
    return passed;
}

AVX2 static void sketch_one(float *out, const uint8_t *tile, const uint8_t *scales,
                            const struct nbx_codes *query)
{
    __m256i low = _mm256_setzero_si256(), high = low;
    const int8_t *q = query->codes;
    for (size_t g = 0; g < query->groups; g++, q += NBX_SKETCH_GROUP, tile += NBX_GROUP_BYTES) {
        __m256i first = four_codes(q), second = four_codes(q + NBX_GROUP_LANE);
        low = _mm256_add_epi32(low, sketch_half(tile, first, second));
        high = _mm256_add_epi32(high, sketch_half(tile + NBX_GROUP_BYTES / 2, first, second));
    }
    finish8(out, low, scales, query);
    finish8(out + 8, high, scales + 8, query);
}

AVX2 static unsigned pass(uint16_t *passed, const float *scores, const struct nbx_sketches *tiles,
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

AVX2 static unsigned sketch(float *out, uint16_t *passed, const struct nbx_sketches *tiles,
                            uint32_t wanted, const struct nbx_codes *query,
                            const struct nbx_limits *limits)
{
    unsigned n = 0;
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        const uint8_t *scales = tiles->scales + t * NBX_TILE_SCALES;
        float *scores = out + t * NBX_TILE_ITEMS;
        sketch_one(scores, tiles->codes + t * tiles->bytes, scales, query);
        passed[t] = (uint16_t)pass_tile(scores, scales, limits);
        n += (unsigned)__builtin_popcount(passed[t]);
    }
    return n;
}

/* One after the other: 16 registers do not hold what is unpacked and the sums of several. */
AVX2 static void sketch_together(struct nbx_sketching *asked, size_t n,
                                 const struct nbx_sketches *tiles, uint32_t wanted)
{
    for (size_t i = 0; i < n; i++) {
        struct nbx_sketching *a = &asked[i];
        a->n = sketch(a->out, a->passed, tiles, wanted, a->query, &a->limits);
    }
}

/* Where one is not a number the maximum is its second operand. */
AVX2 static void tops(float *tops, float *scores, float scale)
{
    for (size_t i = 0; i < NBX_TILE_ITEMS; i += 8) {
        __m256 top = _mm256_set1_ps(-INFINITY);
        for (size_t t = 0; t < NBX_TILE_ITEMS; t++) {
            float *eight = scores + t * NBX_TILE_ITEMS + i;
            __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(eight), _mm256_set1_ps(scale));
            _mm256_storeu_ps(eight, scaled);
            top = _mm256_max_ps(scaled, top);
        }
        _mm256_storeu_ps(tops + i, top);
    }
}

AVX2 static size_t at_least(const float *x, size_t n, float least)
{
    size_t sum = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 passed = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(least), _CMP_GE_OQ);
        sum += (size_t)__builtin_popcount((unsigned)_mm256_movemask_ps(passed));
    }
    for (; i < n; i++)
        sum += x[i] >= least;
    return sum;
}

AVX2 static size_t reaching(uint32_t *places, const float *x, size_t n, float least)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) { /* written always, found or not: no branch to foresee */
        places[found] = (uint32_t)i;
        found += x[i] >= least;
    }
    return found;
}

AVX2 static size_t count(const uint64_t *words, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (size_t)__builtin_popcountll(words[i]);
    return sum;
}

const struct nbx_kernel nbx_kernel_avx2 = {
    .name = "avx2",
    .dot = dot,
    .rows = rows,
    .sketch = sketch,
    .sketch_together = sketch_together,
    .pass = pass,
    .tops = tops,
    .at_least = at_least,
    .reaching = reaching,
    .count = count,
};
#endif
