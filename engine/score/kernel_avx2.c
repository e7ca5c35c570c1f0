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

/* 8 items' scores: their sums times their steps. Returns which are >= threshold. */
AVX2 static inline uint64_t finish8(float *out, __m256i acc, const uint8_t *steps, float threshold)
{
    __m256i step = _mm256_add_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)steps)),
                                    _mm256_set1_epi32(1));
    __m256 score = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_cvtepi32_ps(step));
    _mm256_storeu_ps(out, score);
    __m256 passed = _mm256_cmp_ps(score, _mm256_set1_ps(threshold), _CMP_GE_OQ);
    return (uint64_t)_mm256_movemask_ps(passed);
}

/* Half a tile, 32 items: four sums stay in registers. */
AVX2 static inline uint64_t scan_half(float *out, const uint8_t *items, const uint8_t *steps,
                                      const struct nbx_codes *query, float threshold)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i acc[4];
    for (int i = 0; i < 4; i++)
        acc[i] = _mm256_set1_epi32(query->zero);
    for (size_t g = 0; g < query->groups; g++) {
        int32_t four;
        __builtin_memcpy(&four, query->codes + g * NBX_TILE_GROUP, sizeof four);
        __m256i q = _mm256_set1_epi32(four);
        for (int i = 0; i < 4; i++) {
            __m256i x = _mm256_loadu_si256((const void *)(items + g * NBX_GROUP_BYTES + i * 32));
            acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(_mm256_maddubs_epi16(x, q), ones));
        }
    }
    uint64_t passed = 0;
    for (int i = 0; i < 4; i++)
        passed |= finish8(out + i * 8, acc[i], steps + i * 8, threshold) << (i * 8);
    return passed;
}

AVX2 static uint64_t scan(float *out, const uint8_t *tile, const struct nbx_codes *query,
                          float threshold)
{
    const uint8_t *steps = tile + query->groups * NBX_GROUP_BYTES;
    return scan_half(out, tile, steps, query, threshold) |
           scan_half(out + 32, tile + NBX_GROUP_BYTES / 2, steps + 32, query, threshold) << 32;
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

const struct nbx_kernel nbx_kernel_avx2 = {"avx2", dot, rows, 63, scan, at_least, count};
#endif
