/* SPDX-License-Identifier: MIT
 * Lengths of a space's vectors: what makes of an inner product a cosine.
 *
 * Why:     a model that follows one changed item must not go through all of them, so inverse
 *          lengths lie in pages that a model shares with the one before until an item of the page
 *          changes.
 */
#include "engine/base/charged.h"
#include "engine/base/parallel.h"
#include "engine/model/model_internal.h"
#include "engine/score/dot.h"

#include <math.h>
#include <string.h>

/* Inverse lengths by item number; 0 for zero vectors and where there is none. */
struct nbx_model_page {
    unsigned users;
    float inverse_norm[NBX_WEIGHT_PAGE];
};

#define TILES_A_CHUNK 1024

static const float no_item[NBX_WEIGHT_PAGE];

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

static size_t count_pages(const struct nbx_index *index)
{
    size_t n = 0;
    for (size_t p = 0; p < index->n_parts; p++)
        n = index->parts[p].pack->n_pages > n ? index->parts[p].pack->n_pages : n;
    return n;
}

static void release_page(struct nbx_model_page **page, struct nbx_budget *budget)
{
    if (*page && --(*page)->users == 0)
        nbx_charged_free(budget, *page, sizeof **page);
    *page = NULL;
}

/* A page that this model alone has, with what it had before. */
static enum nbx_err own_page(struct nbx_model_page **page, struct nbx_budget *budget)
{
    if (*page && (*page)->users == 1)
        return NBX_OK;
    struct nbx_model_page *own = nbx_charged_calloc(budget, sizeof *own);
    if (!own)
        return NBX_ELIMIT;
    if (*page)
        memcpy(own, *page, sizeof *own);
    release_page(page, budget);
    own->users = 1;
    *page = own;
    return NBX_OK;
}

static enum nbx_err pages_new(struct nbx_model_angles *a, size_t n,
                              const struct nbx_model_angles *from)
{
    if (from && from->n_pages > n)
        n = from->n_pages;
    a->pages = calloc(n + 1, sizeof(struct nbx_model_page *));
    if (!a->pages)
        return NBX_ELIMIT;
    a->n_pages = n;
    for (size_t i = 0; from && i < from->n_pages; i++) {
        a->pages[i] = from->pages[i];
        if (a->pages[i])
            a->pages[i]->users++;
    }
    return NBX_OK;
}

/* The lengths of one pack, all of whose items live, a chunk of tiles at a time. */
struct measuring {
    struct nbx_model_angles *angles;
    const struct nbx_packed *pack;
};

static enum nbx_err measure_tiles(void *ctx, unsigned worker, size_t chunk)
{
    const struct measuring *m = ctx;
    size_t at = chunk * TILES_A_CHUNK * NBX_TILE_ITEMS;
    size_t end = at + (size_t)TILES_A_CHUNK * NBX_TILE_ITEMS;
    size_t n = m->pack->n_tiles * NBX_TILE_ITEMS;
    (void)worker;
    for (; at < end && at < n; at++) {
        uint32_t label = m->pack->labels[at];
        if (label != NBX_NO_LABEL)
            m->angles->pages[label / NBX_WEIGHT_PAGE]->inverse_norm[label % NBX_WEIGHT_PAGE] =
                inverse_norm(nbx_packed_row(m->pack, (uint32_t)at), m->pack->padded);
    }
    return NBX_OK;
}

static enum nbx_err measure_all(struct nbx_model_angles *a, const struct nbx_index *index,
                                struct nbx_budget *budget)
{
    enum nbx_err err = NBX_OK;
    for (size_t p = 0; !err && p < index->n_parts; p++) {
        struct measuring m = {a, index->parts[p].pack};
        for (size_t i = 0; !err && i < m.pack->n_pages; i++)
            err = m.pack->pages[i] ? own_page(&a->pages[i], budget) : NBX_OK;
        if (!err)
            err = nbx_parallel(nbx_parallel_processors(),
                               (m.pack->n_tiles + TILES_A_CHUNK - 1) / TILES_A_CHUNK, measure_tiles,
                               &m);
    }
    return err;
}

static enum nbx_err measure_changed(struct nbx_model_angles *a, const struct nbx_index *index,
                                    struct nbx_budget *budget,
                                    const struct nbx_model_changed *changed)
{
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < changed->n; i++) {
        uint32_t label = changed->item_nos[i];
        if (label / NBX_WEIGHT_PAGE >= a->n_pages)
            continue; /* it got no vector here */
        struct nbx_model_page **page = &a->pages[label / NBX_WEIGHT_PAGE];
        float inverse = inverse_norm(nbx_index_vector(index, label), index->padded);
        err = *page || inverse > 0 ? own_page(page, budget) : NBX_OK;
        if (!err && *page)
            (*page)->inverse_norm[label % NBX_WEIGHT_PAGE] = inverse;
    }
    return err;
}

static enum nbx_err weigh(struct nbx_model_angles *a, const struct nbx_index *index,
                          const struct nbx_model_angles *from, struct nbx_caps *made)
{
    struct nbx_weight_column column = {.pages = calloc(a->n_pages + 1, sizeof *column.pages),
                                       .n = a->n_pages * NBX_WEIGHT_PAGE};
    for (size_t i = 0; column.pages && i < a->n_pages; i++)
        column.pages[i] = a->pages[i] ? a->pages[i]->inverse_norm : no_item;
    enum nbx_err err = column.pages ? nbx_weights_follow(&a->weights, index, &column,
                                                         from ? from->weights : NULL, made)
                                    : NBX_ELIMIT;
    free(column.pages);
    return err;
}

enum nbx_err nbx_model__measure(struct nbx_model *m, size_t s)
{
    struct nbx_model_angles *a = &m->angles[s];
    const struct nbx_index *index = m->index[s];
    if (nbx_model__space(m, s)->metric != NBX_METRIC_DOT)
        return NBX_OK;
    enum nbx_err err = pages_new(a, count_pages(index), NULL);
    if (!err)
        err = measure_all(a, index, m->base->budget);
    return err ? err : weigh(a, index, NULL, NULL);
}

enum nbx_err nbx_model__measure_again(struct nbx_model *m, size_t s,
                                      const struct nbx_model_angles *from,
                                      const struct nbx_model_changed *changed,
                                      struct nbx_caps *made)
{
    struct nbx_model_angles *a = &m->angles[s];
    const struct nbx_index *index = m->index[s];
    if (nbx_model__space(m, s)->metric != NBX_METRIC_DOT)
        return NBX_OK;
    enum nbx_err err = pages_new(a, count_pages(index), from);
    if (!err)
        err = measure_changed(a, index, m->base->budget, changed);
    return err ? err : weigh(a, index, from, made);
}

enum nbx_err nbx_model__share_angles(struct nbx_model_angles *out,
                                     const struct nbx_model_angles *from,
                                     const struct nbx_index *index)
{
    if (!from->weights)
        return NBX_OK;
    enum nbx_err err = pages_new(out, 0, from);
    return err ? err : weigh(out, index, from, NULL);
}

void nbx_model__release_angles(struct nbx_model_angles *a, struct nbx_budget *budget)
{
    nbx_weights_destroy(&a->weights);
    for (size_t i = 0; i < a->n_pages; i++)
        release_page(&a->pages[i], budget);
    free(a->pages);
    *a = (struct nbx_model_angles){0};
}
