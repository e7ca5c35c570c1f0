/* SPDX-License-Identifier: MIT
 * AVX-512 with VNNI: 16 lanes; vpdpbusd multiplies 4 dimensions of 16 items.
 */
#include "engine/score/dot.h"
#include "engine/score/kernel.h"
#include "engine/score/kernel_x86.h"

#if defined(__x86_64__)
/* Rows are scored one after the other, without prefetching: the processor overlaps neighbours by
 * itself, and one sequential stream is what memory serves fastest. Measured on Zen 4 over 1M x 64:
 * 27 GB/s, as much as just reading; four rows at a time gave 20, with prefetches 15. */
AVX512 static float dot(const float *x, const float *y, size_t padded)
{
    __m512 acc = _mm512_setzero_ps();
    for (size_t j = 0; j < padded; j += NBX_LANES)
        acc = _mm512_fmadd_ps(_mm512_loadu_ps(x + j), _mm512_loadu_ps(y + j), acc);
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(acc), 1));
    return nbx_reduce8(_mm256_add_ps(_mm512_castps512_ps256(acc), high));
}

AVX512 static void rows(float *out, const float *x, const float *y, size_t n, size_t padded)
{
    for (size_t r = 0; r < n; r++)
        out[r] = dot(x, y + r * padded, padded);
}

/* 16 items' scores: their sums times their steps. Returns which are >= threshold. */
AVX512 static inline uint64_t finish16(float *out, __m512i acc, const uint8_t *steps,
                                       float threshold)
{
    __m512i step = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)steps)),
                                    _mm512_set1_epi32(1));
    __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_cvtepi32_ps(step));
    _mm512_storeu_ps(out, score);
    return _mm512_cmp_ps_mask(score, _mm512_set1_ps(threshold), _CMP_GE_OQ);
}

AVX512 static uint64_t scan(float *out, const uint8_t *tile, const struct nbx_codes *query,
                            float threshold)
{
    __m512i a = _mm512_set1_epi32(query->zero), b = a, c = a, d = a;
    const uint8_t *items = tile;
    for (size_t g = 0; g < query->groups; g++, items += NBX_GROUP_BYTES) {
        int32_t four;
        __builtin_memcpy(&four, query->codes + g * NBX_TILE_GROUP, sizeof four);
        __m512i q = _mm512_set1_epi32(four);
        a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(items), q);
        b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(items + 64), q);
        c = _mm512_dpbusd_epi32(c, _mm512_loadu_si512(items + 128), q);
        d = _mm512_dpbusd_epi32(d, _mm512_loadu_si512(items + 192), q);
    }
    return finish16(out, a, items, threshold) | finish16(out + 16, b, items + 16, threshold) << 16 |
           finish16(out + 32, c, items + 32, threshold) << 32 |
           finish16(out + 48, d, items + 48, threshold) << 48;
}

AVX512 static size_t at_least(const float *x, size_t n, float least)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 there = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : (__mmask16)0xFFFF;
        __m512 some = _mm512_maskz_loadu_ps(there, x + i);
        __mmask16 passed = _mm512_mask_cmp_ps_mask(there, some, _mm512_set1_ps(least), _CMP_GE_OQ);
        sum += (size_t)__builtin_popcount(passed);
    }
    return sum;
}

AVX512 static size_t count(const uint64_t *words, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (size_t)__builtin_popcountll(words[i]);
    return sum;
}

const struct nbx_kernel nbx_kernel_avx512 = {"avx512", dot, rows, 127, scan, at_least, count};
#endif
