/* SPDX-License-Identifier: MIT */
#include "engine/score/blend_internal.h"

#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum nbx_err make_moments(struct nbx_blend *b, struct nbx_blend_member *p)
{
    enum nbx_err err = nbx_moments_make(&p->moments, p->is.item_factors, b->n_items, p->is.dims);
    b->bytes += nbx_moments_bytes(&p->moments);
    return err;
}

static enum nbx_err make_fold(struct nbx_blend *b, struct nbx_blend_member *p)
{
    size_t dims = p->is.dims;
    float *gram = calloc(dims * dims, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    nbx_blas_gram(gram, p->is.item_factors, b->n_items, dims, 1);
    enum nbx_err err = nbx_fold_in_new(&p->fold, gram, dims, b->n_items, p->is.fold);
    b->bytes += 2 * dims * dims * sizeof(float);
    free(gram);
    return err;
}

static enum nbx_err prepare_space(struct nbx_blend *b, struct nbx_blend_member *p)
{
    enum nbx_err err = p->is.kind == NBX_BLEND_FOLDED ? make_fold(b, p) : NBX_OK;
    return err || !b->standardise ? err : make_moments(b, p);
}

enum nbx_err nbx_blend_new(struct nbx_blend **out, const struct nbx_blend_options *options)
{
    enum nbx_err err = NBX_OK;
    struct nbx_blend *b = calloc(1, sizeof *b);
    *out = b;
    if (!b)
        return NBX_ELIMIT;
    b->bytes = sizeof *b;
    b->n_items = options->n_items;
    b->labels = options->labels;
    b->standardise = options->standardise;
    for (size_t i = 0; !err && i < options->n_parts; i++) {
        struct nbx_blend_member *p = &b->parts[b->n_parts++];
        p->is = options->parts[i];
        if (p->is.kind == NBX_BLEND_NEIGHBOURS)
            continue;
        p->offset = b->dims;
        p->padded = nbx_padded(p->is.dims);
        b->dims += p->is.dims;
        err = prepare_space(b, p);
    }
    if (err)
        nbx_blend_destroy(out);
    return err;
}

void nbx_blend_destroy(struct nbx_blend **blend)
{
    if (!blend || !*blend)
        return;
    for (size_t i = 0; i < (*blend)->n_parts; i++) {
        nbx_fold_in_destroy(&(*blend)->parts[i].fold);
        nbx_moments_fini(&(*blend)->parts[i].moments);
    }
    free(*blend);
    *blend = NULL;
}

size_t nbx_blend_dims(const struct nbx_blend *blend)
{
    return blend->dims;
}

size_t nbx_blend_bytes(const struct nbx_blend *blend)
{
    return blend->bytes;
}

void nbx_blend_item(const struct nbx_blend *blend, size_t row, float *out)
{
    for (size_t i = 0; i < blend->n_parts; i++) {
        const struct nbx_blend_member *p = &blend->parts[i];
        if (p->is.kind != NBX_BLEND_NEIGHBOURS)
            memcpy(out + p->offset, p->is.item_factors + row * p->is.dims,
                   p->is.dims * sizeof *out);
    }
}

#define STRETCH_SAMPLE 256
#define STRETCH_ARENA  (256UL << 20)

/* Sums of squares, of queries and of items, by part. */
struct lengths {
    double x[NBX_BLEND_MAX_PARTS], y[NBX_BLEND_MAX_PARTS];
};

static double square_of(const float *v, size_t n)
{
    double sum = 0;
    for (size_t d = 0; d < n; d++)
        sum += (double)v[d] * (double)v[d];
    return sum;
}

/* Adds those of an item and of a history of that item alone. */
static enum nbx_err add_lengths(struct lengths *sums, const struct nbx_blend *b, uint32_t row,
                                struct nbx_arena *arena)
{
    const float one = 1;
    float *x = nbx_arena_floats(arena, nbx_padded(b->dims));
    float *y = nbx_arena_floats(arena, nbx_padded(b->dims));
    if (!x || !y)
        return NBX_ELIMIT;
    nbx_blend_item(b, row, y);
    struct nbx_blend_history history = {&row, &one, (const float *const[]){y}, 1};
    enum nbx_err err = nbx_blend_vector(b, &history, arena, x);
    if (err == NBX_EBAD) /* of this item nobody can have a vector: others say enough */
        return NBX_OK;
    for (size_t i = 0; !err && i < b->n_parts; i++) {
        const struct nbx_blend_member *p = &b->parts[i];
        if (p->is.kind == NBX_BLEND_NEIGHBOURS)
            continue;
        sums->x[i] += square_of(x + p->offset, p->is.dims);
        sums->y[i] += square_of(y + p->offset, p->is.dims);
    }
    return err;
}

/* Items get the root of how many times as long queries are, so that the product of the lengths of
 * all spaces side by side is least. The least factor is 1. */
static void set_stretch(float *out, const struct nbx_blend *b, const struct lengths *sums)
{
    double factors[NBX_BLEND_MAX_PARTS] = {0}, least = INFINITY;
    for (size_t i = 0; i < b->n_parts; i++) {
        double ratio = sums->x[i] / sums->y[i];
        if (sums->x[i] > 0 && sums->y[i] > 0 && isfinite(ratio))
            factors[i] = exp2(rint(log2(ratio) / 4));
        if (factors[i] > 0)
            least = fmin(least, factors[i]);
    }
    for (size_t i = 0; i < b->n_parts; i++) {
        const struct nbx_blend_member *p = &b->parts[i];
        double by = factors[i] > 0 ? fmin(factors[i] / least, (double)NBX_SKETCH_MOST_STRETCH) : 1;
        for (size_t d = 0; p->is.kind != NBX_BLEND_NEIGHBOURS && d < p->is.dims; d++)
            out[p->offset + d] = (float)by;
    }
}

enum nbx_err nbx_blend_stretch(const struct nbx_blend *blend, float *out)
{
    struct lengths sums = {{0}, {0}};
    size_t n = blend->n_items < STRETCH_SAMPLE ? blend->n_items : STRETCH_SAMPLE;
    struct nbx_arena *arena = nbx_arena_new(STRETCH_ARENA);
    enum nbx_err err = arena ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < n; i++) {
        nbx_arena_reset(arena);
        err = add_lengths(&sums, blend, (uint32_t)(i * blend->n_items / n), arena);
    }
    if (!err)
        set_stretch(out, blend, &sums);
    nbx_arena_destroy(&arena);
    return err;
}
