/* SPDX-License-Identifier: MIT */
#include "engine/score/moments.h"

#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT  64
#define BLOCK_ROWS 1024

static float *zeros(size_t n)
{
    size_t bytes = (n * sizeof(float) + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    float *p = aligned_alloc(ALIGNMENT, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

static void find_mean(double *mean, const float *factors, size_t n, size_t dims)
{
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dims; d++)
            mean[d] += (double)factors[i * dims + d];
    for (size_t d = 0; d < dims; d++)
        mean[d] /= (double)n;
}

/* gram (dims, dims) lower += the rows' products about their mean, block by block: block
 * (BLOCK_ROWS, dims). Products about 0 would lose a small deviation beside a large mean. */
static void add_centred(float *gram, float *block, const float *factors, size_t n, size_t dims,
                        const double *mean)
{
    for (size_t from = 0; from < n; from += BLOCK_ROWS) {
        size_t rows = n - from < BLOCK_ROWS ? n - from : BLOCK_ROWS;
        for (size_t i = 0; i < rows; i++)
            for (size_t d = 0; d < dims; d++)
                block[i * dims + d] = (float)((double)factors[(from + i) * dims + d] - mean[d]);
        nbx_blas_gram(gram, block, rows, dims, 1);
    }
}

static enum nbx_err fill(struct nbx_moments *m, const double *mean, const float *gram, size_t n)
{
    for (size_t i = 0; i < m->dims; i++) {
        m->mean[i] = (float)mean[i];
        for (size_t j = 0; j <= i; j++) {
            float c = gram[i * m->dims + j] / (float)n;
            if (!isfinite(c))
                return NBX_EBAD;
            m->covariance[i * m->padded + j] = c;
            m->covariance[j * m->padded + i] = c;
        }
    }
    return NBX_OK;
}

enum nbx_err nbx_moments_make(struct nbx_moments *out, const float *factors, size_t n, size_t dims)
{
    *out = (struct nbx_moments){.dims = dims, .padded = nbx_padded(dims)};
    out->mean = zeros(out->padded);
    out->covariance = zeros(dims * out->padded);
    double *mean = calloc(dims, sizeof *mean);
    float *gram = calloc(dims * dims, sizeof *gram);
    float *block = malloc(BLOCK_ROWS * dims * sizeof *block);
    bool ok = out->mean && out->covariance && mean && gram && block;
    enum nbx_err err = ok ? NBX_OK : NBX_ELIMIT;
    if (!err) {
        find_mean(mean, factors, n, dims);
        add_centred(gram, block, factors, n, dims, mean);
        err = fill(out, mean, gram, n);
    }
    free(mean);
    free(gram);
    free(block);
    if (err)
        nbx_moments_fini(out);
    return err;
}

void nbx_moments_fini(struct nbx_moments *m)
{
    free(m->mean);
    free(m->covariance);
    *m = (struct nbx_moments){0};
}

size_t nbx_moments_bytes(const struct nbx_moments *m)
{
    return (m->dims + 1) * m->padded * sizeof(float);
}

enum nbx_err nbx_moments_spread(struct nbx_spread *out, const struct nbx_moments *m, const float *x,
                                struct nbx_arena *arena)
{
    float *towards = nbx_arena_floats(arena, m->padded); /* covariance x */
    if (!towards)
        return NBX_ELIMIT;
    memset(towards, 0, m->padded * sizeof *towards);
    nbx_dot_rows(towards, x, m->covariance, m->dims, m->padded);
    *out = (struct nbx_spread){.mean = (double)nbx_dot(x, m->mean, m->padded),
                               .variance = (double)nbx_dot(x, towards, m->padded)};
    return NBX_OK;
}
