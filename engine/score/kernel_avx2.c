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

/* 8 vectors' scores: their sums times their steps. Returns which are >= threshold. */
AVX2 static inline uint32_t finish8(float *out, __m256i acc, const uint8_t *steps, float threshold)
{
    __m256i step = _mm256_add_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)steps)),
                                    _mm256_set1_epi32(1));
    __m256 score = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_cvtepi32_ps(step));
    _mm256_storeu_ps(out, score);
    __m256 passed = _mm256_cmp_ps(score, _mm256_set1_ps(threshold), _CMP_GE_OQ);
    return (uint32_t)_mm256_movemask_ps(passed);
}

AVX2 static inline uint16_t scan_one(float *out, const uint8_t *codes, const uint8_t *steps,
                                     const struct nbx_codes *query, float threshold)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i low = _mm256_set1_epi32(query->zero), high = low;
    for (size_t g = 0; g < query->groups; g++) {
        int32_t four;
        __builtin_memcpy(&four, query->codes + g * NBX_TILE_GROUP, sizeof four);
        __m256i q = _mm256_set1_epi32(four);
        const uint8_t *items = codes + g * NBX_GROUP_BYTES;
        __m256i a = _mm256_maddubs_epi16(_mm256_loadu_si256((const void *)items), q);
        __m256i b = _mm256_maddubs_epi16(_mm256_loadu_si256((const void *)(items + 32)), q);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(a, ones));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(b, ones));
    }
    return (uint16_t)(finish8(out, low, steps, threshold) |
                      finish8(out + 8, high, steps + 8, threshold) << 8);
}

AVX2 static void scan(float *out, uint16_t *passed, const struct nbx_tiles *tiles, uint32_t wanted,
                      const struct nbx_codes *query, float threshold)
{
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        passed[t] = scan_one(out + t * NBX_TILE_ITEMS, tiles->codes + t * tiles->bytes,
                             tiles->steps + t * NBX_TILE_ITEMS, query, threshold);
    }
}

AVX2 static uint32_t lift(float *x, float scale, float shift, float least)
{
    uint32_t reached = 0;
    for (int i = 0; i < NBX_TILE_ITEMS; i += 8) {
        __m256 lifted = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale)),
                                      _mm256_set1_ps(shift));
        _mm256_storeu_ps(x + i, lifted);
        __m256 passed = _mm256_cmp_ps(lifted, _mm256_set1_ps(least), _CMP_GE_OQ);
        reached |= (uint32_t)_mm256_movemask_ps(passed) << i;
    }
    return reached;
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
    .code_max = 63,
    .scan = scan,
    .lift = lift,
    .at_least = at_least,
    .count = count,
};
#endif
