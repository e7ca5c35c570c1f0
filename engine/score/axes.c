/* SPDX-License-Identifier: MIT */
#include "engine/score/axes.h"

#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_ITEMS 4096
#define MOST_DIM    512 /* the decomposition takes dim^3 time: a second at 512 */
#define SAMPLE      65536
#define CHUNK       1024

/* gram (dim, dim) lower: the second moments of at most SAMPLE items, evenly drawn. */
static enum nbx_err sum_moments(float *gram, const struct nbx_packed_items *items)
{
    size_t dim = items->dim, step = items->n / SAMPLE + 1, filled = 0;
    float *rows = malloc(CHUNK * dim * sizeof *rows);
    if (!rows)
        return NBX_ELIMIT;
    memset(gram, 0, dim * dim * sizeof *gram);
    for (size_t i = 0; i < items->n; i += step) {
        memcpy(rows + filled * dim, items->vectors + i * items->stride, dim * sizeof *rows);
        if (++filled == CHUNK || i + step >= items->n) {
            nbx_blas_gram(gram, rows, filled, dim, 1);
            filled = 0;
        }
    }
    free(rows);
    return NBX_OK;
}

/* |A^T A - I|, as the root of the sum of squares, which bounds how far inner products move; and
 * twice the rounding of turning each of the two vectors. */
static double measure_error(const float *axes, size_t dim, size_t padded)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++) {
        for (size_t j = 0; j <= i; j++) {
            double dot = i == j ? -1 : 0;
            for (size_t a = 0; a < dim; a++)
                dot += (double)axes[a * padded + i] * axes[a * padded + j];
            sum += dot * dot * (i == j ? 1 : 2);
        }
    }
    return sqrt(sum) + 4 * (double)dim * FLT_EPSILON;
}

static enum nbx_err decompose(float **axes, double *error, float *gram, size_t dim)
{
    size_t padded = nbx_padded(dim);
    double *work = malloc(dim * dim * sizeof *work), *values = malloc(dim * sizeof *values);
    float *out = calloc(dim * padded, sizeof *out);
    enum nbx_err err = work && values && out ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < dim * dim; i++)
        work[i] = gram[i];
    if (!err && (err = nbx_blas_eigen(work, values, dim)) == NBX_OK) {
        for (size_t i = 0; i < dim; i++)
            for (size_t j = 0; j < dim; j++)
                out[i * padded + j] = (float)work[i * dim + j];
        *error = measure_error(out, dim, padded);
        *axes = out;
        out = NULL;
    }
    free(work);
    free(values);
    free(out);
    return err;
}

enum nbx_err nbx_axes(float **axes, double *error, const struct nbx_packed_items *items)
{
    size_t dim = items->dim;
    *axes = NULL;
    *error = 0;
    if (items->n < LEAST_ITEMS || dim > MOST_DIM)
        return NBX_OK;
    float *gram = malloc(dim * dim * sizeof *gram);
    enum nbx_err err = gram ? sum_moments(gram, items) : NBX_ELIMIT;
    if (!err)
        err = decompose(axes, error, gram, dim);
    free(gram);
    return err == NBX_EBAD ? NBX_OK : err; /* moments beyond the floats: boxes do without */
}
