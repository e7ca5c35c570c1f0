/* SPDX-License-Identifier: MIT
 * The implementations of the canonical score, one per instruction set, for dispatch and tests.
 *
 * Why:     dot.h promises the same bits on every processor; tests hold each kernel against the
 *          reference, so they must be able to name them.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_SCORE_KERNEL_H
#define NBX_SCORE_KERNEL_H

#include <stddef.h>

struct nbx_kernel {
    const char *name;
    /* Contracts as in dot.h. */
    float (*dot)(const float *x, const float *y, size_t padded);
    void (*rows)(float *out, const float *x, const float *y, size_t n, size_t padded);
};

/* The kernel of that name, or NULL where it is unknown or this processor lacks the instructions. */
const struct nbx_kernel *nbx_kernel_find(const char *name);
/* What nbx_dot uses: `wanted` (NBX_KERNEL's value, may be NULL or empty) where it can be had,
 * otherwise, with a line in the log, the fastest there is. */
const struct nbx_kernel *nbx_kernel_choose(const char *wanted);

#endif
