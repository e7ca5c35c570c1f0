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

/* acc += 4 dimensions of 16 items x those of the query. By hand, because gcc 12 copies every sum at
 * each step and loads the query apart: a third more instructions. */
AVX512 static inline __m512i multiply(__m512i acc, const uint8_t *items, const int8_t *query)
{
    __m512i x = _mm512_loadu_si512(items);
    __asm__("vpdpbusd %2%{1to16%}, %1, %0"
            : "+v"(acc)
            : "v"(x), "m"(*(const int8_t(*)[NBX_TILE_GROUP])query));
    return acc;
}

/* Four sums, because one multiplication takes as long as four can be begun in. */
AVX512 static inline uint16_t scan_one(float *out, const uint8_t *codes, const uint8_t *steps,
                                       const struct nbx_codes *query, float threshold)
{
    __m512i a = _mm512_set1_epi32(query->zero), b = _mm512_setzero_si512(), c = b, d = b;
    const int8_t *q = query->codes;
    size_t g = 0;
    for (; g + 4 <= query->groups; g += 4, codes += 4 * NBX_GROUP_BYTES, q += 4 * NBX_TILE_GROUP) {
        a = multiply(a, codes, q);
        b = multiply(b, codes + NBX_GROUP_BYTES, q + NBX_TILE_GROUP);
        c = multiply(c, codes + 2 * NBX_GROUP_BYTES, q + 2 * NBX_TILE_GROUP);
        d = multiply(d, codes + 3 * NBX_GROUP_BYTES, q + 3 * NBX_TILE_GROUP);
    }
    for (; g < query->groups; g++, codes += NBX_GROUP_BYTES, q += NBX_TILE_GROUP)
        a = multiply(a, codes, q);
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
    __m512i step = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)steps)),
                                    _mm512_set1_epi32(1));
    __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_cvtepi32_ps(step));
    _mm512_storeu_ps(out, score);
    return _mm512_cmp_ps_mask(score, _mm512_set1_ps(threshold), _CMP_GE_OQ);
}

AVX512 static void scan(float *out, uint16_t *passed, const struct nbx_tiles *tiles,
                        uint32_t wanted, const struct nbx_codes *query, float threshold)
{
    for (; wanted; wanted &= wanted - 1) {
        size_t t = (size_t)__builtin_ctz(wanted);
        passed[t] = scan_one(out + t * NBX_TILE_ITEMS, tiles->codes + t * tiles->bytes,
                             tiles->steps + t * NBX_TILE_ITEMS, query, threshold);
    }
}

AVX512 static uint32_t lift(float *x, float scale, float shift, float least)
{
    __m512 lifted = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(scale)),
                                  _mm512_set1_ps(shift));
    _mm512_storeu_ps(x, lifted);
    return _mm512_cmp_ps_mask(lifted, _mm512_set1_ps(least), _CMP_GE_OQ);
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

const struct nbx_kernel nbx_kernel_avx512 = {
    .name = "avx512",
    .dot = dot,
    .rows = rows,
    .code_max = 127,
    .scan = scan,
    .lift = lift,
    .at_least = at_least,
    .count = count,
};
#endif
