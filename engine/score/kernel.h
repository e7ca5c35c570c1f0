/* SPDX-License-Identifier: MIT
 * What one instruction set does for scoring, for dispatch and tests.
 *
 * Why:     dot.h promises the same bits on every processor, so tests hold each kernel against the
 *          reference and must be able to name them.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_SCORE_KERNEL_H
#define NBX_SCORE_KERNEL_H

#include "engine/score/sketch.h"

#include <stddef.h>
#include <stdint.h>

/* What a sketch's score must reach, with so much more for each step of its error. */
struct nbx_limits {
    float threshold, slack;
};

/* What one of the queries that scan tiles together asks, and where it has its answer. */
struct nbx_sketching {
    const struct nbx_codes *query;
    struct nbx_limits limits;
    float *out;       /* (16, 16) */
    uint16_t *passed; /* (16) */
    unsigned n;       /* how many passed */
};
#define NBX_SKETCH_TOGETHER 4 /* queries at most that scan together */

struct nbx_kernel {
    const char *name;
    /* Contracts as in dot.h. */
    float (*dot)(const float *x, const float *y, size_t padded);
    void (*rows)(float *out, const float *x, const float *y, size_t n, size_t padded);
    /* Of up to 16 tiles side by side, those wanted, a bit each. out (16, 16): the sum over the
     * dimensions of the query's code times (2 c - 15), times the vector's step, as floats; exact up
     * to two roundings. Then as `pass`. */
    unsigned (*sketch)(float *out, uint16_t *passed, const struct nbx_sketches *tiles,
                       uint32_t wanted, const struct nbx_codes *query,
                       const struct nbx_limits *limits);
    /* The same for queries (n, 1 to NBX_SKETCH_TOGETHER) of as many groups each: tiles are read and
     * unpacked once for all of them. The same bits as `sketch`. */
    void (*sketch_together)(struct nbx_sketching *asked, size_t n, const struct nbx_sketches *tiles,
                            uint32_t wanted);
    /* passed (16): for which of a wanted tile's scores (16, 16) score + slack * error factor >=
     * threshold, a bit each. Returns how many they are. */
    unsigned (*pass)(uint16_t *passed, const float *scores, const struct nbx_sketches *tiles,
                     uint32_t wanted, const struct nbx_limits *limits);
    /* Multiplies scores (16, 16) by a scale; tops (16): then the largest of each lane, -Inf where
     * none is a number. */
    void (*tops)(float *tops, float *scores, float scale);
    /* How many of x (n) are >= least. */
    size_t (*at_least)(const float *x, size_t n, float least);
    /* The places i, rising, where x[i] >= least; places has room for n + 16. Returns how many. */
    size_t (*reaching)(uint32_t *places, const float *x, size_t n, float least);
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
