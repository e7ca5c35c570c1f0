/* SPDX-License-Identifier: MIT
 * Lengths of a space's vectors: what makes of an inner product a cosine.
 */
#include "engine/model/model_internal.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>

void nbx_model__unit(float *out, const float *x, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * x[d];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t d = 0; d < dim; d++)
        out[d] = (float)(x[d] * scale);
}

static float inverse_norm(const float *vector, size_t padded)
{
    float norm = vector ? sqrtf(nbx_dot(vector, vector, padded)) : 0;
    return norm > 0 ? 1 / norm : 0;
}

/* One more than the largest label. */
static size_t n_labels(const struct nbx_index *index)
{
    size_t n = 0;
    for (size_t p = 0; p < index->n_parts; p++) {
        size_t labels = index->parts[p].pack->n_pages * NBX_LABEL_PAGE;
        n = labels > n ? labels : n;
    }
    return n;
}

static void measure_all(float *out, const struct nbx_index *index)
{
    for (size_t p = 0; p < index->n_parts; p++) {
        const struct nbx_packed *pack = index->parts[p].pack;
        for (uint32_t at = 0; at < pack->n_tiles * NBX_TILE_ITEMS; at++)
            if (index->parts[p].live[at / 64] >> at % 64 & 1)
                out[pack->labels[at]] = inverse_norm(nbx_packed_row(pack, at), pack->padded);
    }
}

enum nbx_err nbx_model__measure(struct nbx_model *m, size_t s, const struct nbx_model_angles *from,
                                const uint32_t *changed, size_t n_changed)
{
    struct nbx_model_angles *a = &m->angles[s];
    const struct nbx_index *index = m->index[s];
    if (nbx_model__space(m, s)->metric != NBX_METRIC_DOT)
        return NBX_OK;
    a->n = n_labels(index);
    a->inverse_norm = calloc(a->n + 1, sizeof *a->inverse_norm);
    if (!a->inverse_norm)
        return NBX_ELIMIT;
    if (from)
        memcpy(a->inverse_norm, from->inverse_norm,
               (from->n < a->n ? from->n : a->n) * sizeof *a->inverse_norm);
    else
        measure_all(a->inverse_norm, index);
    for (size_t i = 0; from && i < n_changed; i++)
        if (changed[i] < a->n)
            a->inverse_norm[changed[i]] =
                inverse_norm(nbx_index_vector(index, changed[i]), index->padded);
    return nbx_weights_new(&a->weights, index, a->inverse_norm, a->n);
}
