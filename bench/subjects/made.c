/* SPDX-License-Identifier: MIT */
#include "bench/subjects/made.h"

#include "bench/subjects/subject.h"
#include "engine/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPREAD     0.7 /* length of an item's own part beside its direction's, which is 1 */
#define NORM_SIGMA 0.6 /* of the log of an item's length */
#define HISTORY    8   /* items in a query */

static float *floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64 + 64);
    if (!p)
        nbx_subject_fail("make vectors", "out of memory");
    return p;
}

/* out (dim) += a random direction of this length, as long as dim is large. */
static void add_noise(float *out, size_t dim, double length, struct nbx_random *random)
{
    double scale = length / sqrt((double)dim);
    for (size_t d = 0; d < dim; d++)
        out[d] += (float)(scale * nbx_random_normal(random));
}

float *nbx_made_items(size_t n, size_t dim, uint64_t seed)
{
    struct nbx_random random;
    nbx_random_init(&random, seed);
    size_t clusters = (size_t)sqrt((double)n) + 1;
    float *centres = floats(clusters * dim), *items = floats(n * dim);
    memset(centres, 0, clusters * dim * sizeof *centres);
    for (size_t c = 0; c < clusters; c++)
        add_noise(centres + c * dim, dim, 1, &random);
    for (size_t i = 0; i < n; i++) {
        float *item = items + i * dim;
        memcpy(item, centres + nbx_random_below(&random, clusters) * dim, dim * sizeof *item);
        add_noise(item, dim, SPREAD, &random);
        float length = (float)exp(NORM_SIGMA * nbx_random_normal(&random));
        for (size_t d = 0; d < dim; d++)
            item[d] *= length;
    }
    free(centres);
    return items;
}

float *nbx_made_queries(const float *items, size_t n_items, size_t dim, size_t n, size_t stride,
                        uint64_t seed)
{
    struct nbx_random random;
    nbx_random_init(&random, seed + 1);
    float *queries = floats(n * stride);
    memset(queries, 0, n * stride * sizeof *queries);
    for (size_t q = 0; q < n; q++) {
        for (int h = 0; h < HISTORY; h++) {
            const float *item = items + nbx_random_below(&random, n_items) * dim;
            for (size_t d = 0; d < dim; d++)
                queries[q * stride + d] += item[d] / HISTORY;
        }
        add_noise(queries + q * stride, dim, 0.1, &random);
    }
    return queries;
}
