/* SPDX-License-Identifier: MIT
 * What one instruction set does for scoring, for dispatch and tests.
 *
 * Why:     dot.h promises the same bits on every processor, so tests hold each kernel against the
 *          reference and must be able to name them. A scan only proposes: its scores carry an error
 *          bound (tile.h), so a kernel may use a coarser query where its instructions need it.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_SCORE_KERNEL_H
#define NBX_SCORE_KERNEL_H

#include "engine/score/tile.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_kernel {
    const char *name;
    /* Contracts as in dot.h. */
    float (*dot)(const float *x, const float *y, size_t padded);
    void (*rows)(float *out, const float *x, const float *y, size_t n, size_t padded);
    /* Codes of a query lie in -code_max..code_max: 127, or 63 where pairs of products are summed
     * in 16 bits that saturate (vpmaddubsw: 2 x 255 x 63 = 32,130 is the most that fits). */
    int code_max;
    /* Of up to 16 tiles side by side, those wanted, a bit each. out (16, 16): codes of the query
     * times those of each of a tile's vectors, times the vector's step, as floats; exact up to two
     * roundings. passed (16): which of its vectors are >= threshold, a bit each. */
    void (*scan)(float *out, uint16_t *passed, const struct nbx_tiles *tiles, uint32_t wanted,
                 const struct nbx_codes *query, float threshold);
    /* x (16) becomes x * scale + shift; which are then >= least, a bit each. */
    uint32_t (*lift)(float *x, float scale, float shift, float least);
    /* How many of x (n) are >= least. */
    size_t (*at_least)(const float *x, size_t n, float least);
    /* Bits set in n words. */
    size_t (*count)(const uint64_t *words, size_t n);
};

extern const struct nbx_kernel nbx_kernel_portable;
#if defined(__x86_64__)
extern const struct nbx_kernel nbx_kernel_avx2;
extern const struct nbx_kernel nbx_kernel_avx512; /* needs VNNI */
#endif

/* The kernel of that name ("avx512", "avx2", "portable"), or NULL where it is unknown or this
 * processor lacks the instructions. */
const struct nbx_kernel *nbx_kernel_find(const char *name);
/* What is used: `wanted` (may be NULL or empty) where it can be had, otherwise, with a line in the
 * log, the fastest there is. */
const struct nbx_kernel *nbx_kernel_choose(const char *wanted);
/* Chosen at first use; NBX_KERNEL= in the environment forces one that the processor has. */
const struct nbx_kernel *nbx_kernel(void);

#endif
