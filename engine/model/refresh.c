/* SPDX-License-Identifier: MIT
 * A model follows its catalogue: items that got, changed or lost vectors of their own.
 */
#include "engine/base/log.h"
#include "engine/model/model_internal.h"

#include <stdlib.h>

/* The items whose own vectors changed, and what that makes of one space. */
struct change_list {
    uint32_t *changed; /* (n_changed) item numbers */
    size_t n_changed;
    float *vectors;    /* (n_put, dims) of the space at hand */
    uint32_t *put;     /* (n_put) */
    uint32_t *removed; /* (n_removed) */
    size_t n_put, n_removed;
};

static enum nbx_err list_begin(struct change_list *l, const struct nbx_catalog *before,
                               const struct nbx_catalog *catalog)
{
    size_t n = nbx_catalog_vectors_changed(before, catalog, NULL, 0);
    *l = (struct change_list){.n_changed = n};
    l->changed = malloc((n + 1) * sizeof *l->changed);
    l->put = malloc((n + 1) * sizeof *l->put);
    l->removed = malloc((n + 1) * sizeof *l->removed);
    if (!l->changed || !l->put || !l->removed)
        return NBX_ELIMIT;
    nbx_catalog_vectors_changed(before, catalog, l->changed, n);
    return NBX_OK;
}

static void list_end(struct change_list *l)
{
    free(l->changed);
    free(l->vectors);
    free(l->put);
    free(l->removed);
}

static void warn_dims(uint32_t item_no, const struct nbx_vector *v, const struct nbx_space *space)
{
    nbx_log_warnx("item=%u reason=\"vector of %u dims, space %.*s has %zu\"", item_no, v->n,
                  NBX_STR_ARG(space->name), space->dims);
}

/* The item's own vector where it belongs to the space, else NULL. catalog NULL: none has any. */
static const float *own_vector(const struct nbx_catalog *catalog, uint32_t item_no,
                               const struct nbx_space *space, bool first)
{
    struct nbx_vector v = {0};
    if (catalog)
        v = nbx_catalog_vector(catalog, item_no);
    bool mine = v.n && (v.space.len ? nbx_str_eq(v.space, space->name) : first);
    return mine && v.n == space->dims ? v.p : NULL;
}

static void warn_if_misfit(const struct nbx_catalog *catalog, uint32_t item_no,
                           const struct nbx_space *space, bool first)
{
    struct nbx_vector v = nbx_catalog_vector(catalog, item_no);
    if (v.n && v.n != space->dims && (v.space.len ? nbx_str_eq(v.space, space->name) : first))
        warn_dims(item_no, &v, space);
}

/* The item's vector is now its own, or again the bundle's, or there is none. */
static void change_vector(struct change_list *l, const struct nbx_model *m, size_t s,
                          uint32_t item_no, const float *own)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    float *to = l->vectors + l->n_put * space->dims;
    uint32_t row = nbx_model_row(m, item_no);
    if (!own && row == NBX_MODEL_NO_ROW) {
        l->removed[l->n_removed++] = item_no;
        return;
    }
    if (!own)
        nbx_model__bundle_vector(to, m->base, s, row);
    else if (space->metric == NBX_METRIC_COSINE)
        nbx_model__unit(to, own, space->dims);
    else
        memcpy(to, own, space->dims * sizeof *to);
    l->put[l->n_put++] = item_no;
}

/* Sorts the changes of space s into put and removed, and counts its own vectors anew. */
static enum nbx_err sort_changes(struct change_list *l, struct nbx_model *m, size_t s,
                                 const struct nbx_catalog *before,
                                 const struct nbx_catalog *catalog)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    free(l->vectors);
    l->vectors = malloc((l->n_changed * space->dims + 1) * sizeof *l->vectors);
    l->n_put = l->n_removed = 0;
    if (!l->vectors)
        return NBX_ELIMIT;
    for (size_t i = 0; i < l->n_changed; i++) {
        uint32_t item_no = l->changed[i];
        const float *was = own_vector(before, item_no, space, s == 0);
        const float *is = own_vector(catalog, item_no, space, s == 0);
        warn_if_misfit(catalog, item_no, space, s == 0);
        if (!was && !is)
            continue;
        m->n_own[s] += (is != NULL);
        m->n_own[s] -= (was != NULL);
        change_vector(l, m, s, item_no, is);
    }
    return NBX_OK;
}

static enum nbx_err refresh_space(struct nbx_model *m, size_t s, const struct nbx_model *old,
                                  const struct change_list *l)
{
    struct nbx_index_changes changes = {.put = {.vectors = l->vectors,
                                                .labels = l->put,
                                                .n = l->n_put,
                                                .dim = nbx_model__space(m, s)->dims},
                                        .removed = l->removed,
                                        .n_removed = l->n_removed};
    enum nbx_err err = nbx_index_change(&m->index[s], old->index[s], &changes);
    const struct nbx_model_changed changed = {l->changed, l->n_changed};
    return err ? err : nbx_model__measure_again(m, s, &old->angles[s], &changed, NULL);
}

enum nbx_err nbx_model_refresh(struct nbx_model **out, const struct nbx_model *old,
                               const struct nbx_catalog *before, const struct nbx_catalog *catalog)
{
    struct change_list l;
    *out = NULL;
    enum nbx_err err = list_begin(&l, before, catalog);
    if (!err)
        err = nbx_model__new(out, old->base);
    for (size_t s = 0; !err && s < nbx_model_n_spaces(*out); s++) {
        (*out)->n_own[s] = old->n_own[s];
        err = sort_changes(&l, *out, s, before, catalog);
        if (!err)
            err = refresh_space(*out, s, old, &l);
    }
    list_end(&l);
    if (err)
        nbx_model_release(out);
    else
        nbx_model__fill_spaces(*out);
    return err;
}
