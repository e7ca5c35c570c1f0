/* SPDX-License-Identifier: MIT
 * The inner loops: plain C that the compiler turns into vectors, compiled once for each width.
 *
 * Why:     -O3 makes vectors of them, but only as wide as the build allows; so each is cloned for
 *          wider ones, of which one is chosen when the program starts. Sums run in 16 lanes
 *          whatever the width, so the result does not depend on it.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none.
 */
#ifndef NBX_MODELS_SEQUENCE_KERNELS_H
#define NBX_MODELS_SEQUENCE_KERNELS_H

#include <stddef.h>

/* The largest of x (n) and least; NaNs are passed over. */
float nbx_sequence__max(const float *x, size_t n, float least);
/* x (n) becomes e^(x - shift), which must not be above e^88; below e^-87 it is that. Error: two
 * units in the last place. Returns the sum. */
float nbx_sequence__exp(float *x, size_t n, float shift);
float nbx_sequence__dot(const float *x, const float *y, size_t n);
/* y (n) = beta y + alpha x */
void nbx_sequence__add(float *y, float beta, const float *x, float alpha, size_t n);

/* Rows of a matrix, one after the other, forwards or backwards. */
struct nbx_sequence_rows {
    const float *first;
    ptrdiff_t step; /* floats from a row to the next */
};
/* out (dim) = the sum over n rows of a * b, number by number. */
void nbx_sequence__sum_products(float *out, struct nbx_sequence_rows a, struct nbx_sequence_rows b,
                                size_t n, size_t dim);

/* Adam's step for n numbers: moments after `gradient`, then value; gradient is left at 0. */
struct nbx_sequence_adam {
    float beta1, beta2;
    float rate; /* divided by the first moment's correction */
    float root; /* 1 / root of the second moment's correction */
    float keep; /* of the value: 1 - rate * decay */
    float epsilon;
};
struct nbx_sequence_moments {
    float *first, *second;
};
void nbx_sequence__adam(float *value, struct nbx_sequence_moments moments, float *gradient,
                        size_t n, const struct nbx_sequence_adam *adam);

#endif
