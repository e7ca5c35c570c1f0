/* SPDX-License-Identifier: MIT
 * What the two x86 kernels share. Functions carry their instruction sets as attributes, so that the
 * rest of the program runs anywhere.
 */
#ifndef NBX_SCORE_KERNEL_X86_H
#define NBX_SCORE_KERNEL_X86_H

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2   __attribute__((target("avx2,fma,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,popcnt")))

/* The tree of the canonical score from the 8 pairs (l, l + 8) on. */
AVX2 static inline float nbx_reduce8(__m256 pairs)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#endif

#endif
