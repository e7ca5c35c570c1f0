/* SPDX-License-Identifier: MIT */
#include "models/sequence/kernels.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) /* which resolves before it has started   \
                                                          */
#define EVERY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define EVERY_WIDTH
#endif

#define LANES 16

static inline float sum_lanes(float *lanes)
{
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t l = 0; l < width; l++)
            lanes[l] += lanes[l + width];
    return lanes[0];
}

EVERY_WIDTH float nbx_sequence__max(const float *x, size_t n, float least)
{
    float lanes[LANES];
    size_t i = 0;
    for (size_t l = 0; l < LANES; l++)
        lanes[l] = least;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
    for (; i < n; i++)
        lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    for (size_t l = 1; l < LANES; l++)
        lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    return lanes[0];
}

/* e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2; the polynomial is expf's of Cephes
 * (Moshier 1989). Adding 1.5 * 2^23 rounds, and leaves n in the lowest bits. ln 2 comes in two
 * parts of which the first has few bits, so that n times it is exact. */
static inline float exponential(float x)
{
    const float rounder = 12582912.0f;
    x = x > -87.0f ? x : -87.0f;
    float turned = x * 1.44269504f + rounder, n = turned - rounder;
    float r = x - n * 0.693359375f;
    r -= n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    uint32_t power;
    memcpy(&power, &turned, sizeof power);
    power = (power + 127) << 23; /* the rounder's own bits leave by the top */
    float scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

EVERY_WIDTH float nbx_sequence__exp(float *x, size_t n, float shift)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (size_t k = 0; k < n; k++)
        x[k] = exponential(x[k] - shift);
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += x[i + l];
    for (; i < n; i++)
        lanes[0] += x[i];
    return sum_lanes(lanes);
}

EVERY_WIDTH float nbx_sequence__dot(const float *x, const float *y, size_t n)
{
    float lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += x[i + l] * y[i + l];
    for (; i < n; i++)
        lanes[0] += x[i] * y[i];
    return sum_lanes(lanes);
}

EVERY_WIDTH void nbx_sequence__add(float *y, float beta, const float *x, float alpha, size_t n)
{
    float *restrict to = y;
    const float *restrict from = x;
    for (size_t i = 0; i < n; i++)
        to[i] = beta * to[i] + alpha * from[i];
}

/* LANES columns at a time, so that the sums stay in registers. */
EVERY_WIDTH void nbx_sequence__sum_products(float *out, struct nbx_sequence_rows a,
                                            struct nbx_sequence_rows b, size_t n, size_t dim)
{
    size_t j = 0;
    for (; j + LANES <= dim; j += LANES) {
        const float *x = a.first + j, *y = b.first + j;
        float lanes[LANES] = {0};
        for (size_t k = 0; k < n; k++, x += a.step, y += b.step)
            for (size_t l = 0; l < LANES; l++)
                lanes[l] += x[l] * y[l];
        memcpy(out + j, lanes, sizeof lanes);
    }
    for (; j < dim; j++) {
        const float *x = a.first + j, *y = b.first + j;
        out[j] = 0;
        for (size_t k = 0; k < n; k++, x += a.step, y += b.step)
            out[j] += *x * *y;
    }
}

EVERY_WIDTH void nbx_sequence__adam(float *value, struct nbx_sequence_moments moments,
                                    float *gradient, size_t n, const struct nbx_sequence_adam *adam)
{
    const struct nbx_sequence_adam a = *adam;
    float *restrict p = value, *restrict g = gradient;
    float *restrict m = moments.first, *restrict v = moments.second;
    for (size_t i = 0; i < n; i++) {
        m[i] = a.beta1 * m[i] + (1.0f - a.beta1) * g[i];
        v[i] = a.beta2 * v[i] + (1.0f - a.beta2) * (g[i] * g[i]);
        p[i] = a.keep * p[i] - a.rate * m[i] / (sqrtf(v[i]) * a.root + a.epsilon);
        g[i] = 0;
    }
}
