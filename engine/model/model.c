/* SPDX-License-Identifier: MIT */
#include "engine/model/model.h"

#include "engine/blas/blas.h"
#include "engine/model/model_internal.h"
#include "engine/score/dot.h"

#include <stdlib.h>

void nbx_model__release_base(struct nbx_model_base *b)
{
    if (!b || --b->users > 0)
        return;
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++)
        nbx_fold_destroy(&b->fold[s]);
    free(b->item_no);
    free(b->row_of_item);
    nbx_bundle_close(&b->bundle);
    nbx_budget_give(b->budget, b->charged);
    free(b);
}

static enum nbx_err number_items(struct nbx_model_base *b, struct nbx_ids *ids)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    b->item_no = calloc(info->n_items ? info->n_items : 1, sizeof *b->item_no);
    if (!b->item_no)
        return NBX_ELIMIT;
    for (size_t i = 0; i < info->n_items; i++) {
        enum nbx_err err = nbx_ids_intern(ids, info->item_ids[i], &b->item_no[i]);
        if (err)
            return err;
        if (b->item_no[i] >= b->n_numbers)
            b->n_numbers = b->item_no[i] + 1;
    }
    b->row_of_item = malloc(((size_t)b->n_numbers + 1) * sizeof *b->row_of_item);
    if (!b->row_of_item)
        return NBX_ELIMIT;
    memset(b->row_of_item, 0xFF, ((size_t)b->n_numbers + 1) * sizeof *b->row_of_item);
    for (size_t i = 0; i < info->n_items; i++)
        b->row_of_item[b->item_no[i]] = (uint32_t)i;
    return NBX_OK;
}

/* A cosine space is served as the inner product of unit vectors. */
static enum nbx_err index_space(struct nbx_model *m, size_t s)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    size_t n = nbx_bundle_get(m->base->bundle)->n_items;
    struct nbx_packed_items items = {
        .vectors = space->item_factors, .labels = m->base->item_no, .n = n, .dim = space->dims};
    float *units = NULL;
    if (space->metric == NBX_METRIC_COSINE) {
        units = malloc((n * space->dims + 1) * sizeof *units);
        if (!units)
            return NBX_ELIMIT;
        for (size_t i = 0; i < n; i++)
            nbx_model__unit(units + i * space->dims, space->item_factors + i * space->dims,
                            space->dims);
        items.vectors = units;
    }
    enum nbx_err err = nbx_index_new(&m->index[s], &items);
    free(units);
    return err ? err : nbx_model__measure(m, s, NULL, NULL, 0);
}

static enum nbx_err make_fold(struct nbx_model_base *b, size_t s, const struct nbx_space *space,
                              size_t n_items)
{
    float *gram = calloc(space->dims * space->dims, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    nbx_blas_gram(gram, space->item_factors, n_items, space->dims, 1);
    struct nbx_fold_options options = {space->alpha0, space->lambda, space->nu};
    enum nbx_err err = nbx_fold_new(&b->fold[s], gram, space->dims, n_items, options);
    free(gram);
    return err;
}

static enum nbx_err index_spaces(struct nbx_model *m)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(m->base->bundle);
    enum nbx_err err;
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        if ((err = index_space(m, s)))
            return err;
        if (space->customer == NBX_CUSTOMER_FOLDED &&
            (err = make_fold(m->base, s, space, info->n_items)))
            return err;
    }
    return NBX_OK;
}

/* What the model will hold beside the mapped file. */
static enum nbx_err charge(struct nbx_model_base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    size_t bytes = info->n_items * 3 * sizeof(uint32_t);
    for (size_t s = 0; s < info->n_spaces; s++)
        bytes += info->n_items * ((nbx_padded(info->spaces[s].dims) + 4) * sizeof(float) +
                                  nbx_tile_bytes(info->spaces[s].dims) * 9 / 8 / NBX_TILE_ITEMS);
    enum nbx_err err = nbx_budget_take(b->budget, bytes);
    if (!err)
        b->charged = bytes;
    return err;
}

void nbx_model__fill_spaces(struct nbx_model *m)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++) {
        const struct nbx_space *space = nbx_model__space(m, s);
        m->spaces[s] = (struct nbx_model_space){.name = space->name,
                                                .dims = space->dims,
                                                .metric = space->metric,
                                                .customer = space->customer,
                                                .index = m->index[s],
                                                .fold = m->base->fold[s],
                                                .by_angle = m->angles[s].weights};
    }
}

enum nbx_err nbx_model__new(struct nbx_model **out, struct nbx_model_base *base)
{
    struct nbx_model *m = calloc(1, sizeof *m);
    *out = m;
    if (!m)
        return NBX_ELIMIT;
    m->base = base;
    base->users++;
    return NBX_OK;
}

enum nbx_err nbx_model_load(struct nbx_model **out, const char *path, struct nbx_ids *ids,
                            struct nbx_budget *budget, struct nbx_fault *fault)
{
    struct nbx_model *m = NULL;
    struct nbx_model_base *b = calloc(1, sizeof *b);
    *out = NULL;
    enum nbx_err err = b ? nbx_model__new(&m, b) : NBX_ELIMIT;
    if (err) {
        free(b);
        return err;
    }
    b->budget = budget;
    if ((err = nbx_bundle_open(&b->bundle, path, fault)))
        goto out;
    if ((err = charge(b)) || (err = number_items(b, ids)) || (err = index_spaces(m))) {
        nbx_fault_set(fault, err, NULL, "%s cannot be indexed: %s", path, nbx_err_status(err));
        goto out;
    }
    nbx_model__fill_spaces(m);
    *out = m;
    m = NULL;
out:
    nbx_model_release(&m);
    return err;
}

void nbx_model_release(struct nbx_model **model)
{
    if (!model || !*model)
        return;
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++) {
        nbx_index_destroy(&(*model)->index[s]);
        nbx_weights_destroy(&(*model)->angles[s].weights);
        free((*model)->angles[s].inverse_norm);
    }
    nbx_model__release_base((*model)->base);
    free(*model);
    *model = NULL;
}

struct nbx_str nbx_model_name(const struct nbx_model *m)
{
    return nbx_bundle_get(m->base->bundle)->name;
}

struct nbx_str nbx_model_version(const struct nbx_model *m)
{
    return nbx_bundle_get(m->base->bundle)->version;
}

size_t nbx_model_n_spaces(const struct nbx_model *m)
{
    return nbx_bundle_get(m->base->bundle)->n_spaces;
}

const struct nbx_model_space *nbx_model_space_at(const struct nbx_model *m, size_t i)
{
    return &m->spaces[i];
}

const struct nbx_model_space *nbx_model_space(const struct nbx_model *m, struct nbx_str name)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        if (name.len == 0 || nbx_str_eq(m->spaces[s].name, name))
            return &m->spaces[s];
    return NULL;
}

const float *nbx_model_item(const struct nbx_model *m, size_t space, uint32_t item_no)
{
    return nbx_index_vector(m->index[space], item_no);
}

bool nbx_model_has_own(const struct nbx_model *m)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        if (m->n_own[s])
            return true;
    return false;
}

void nbx_model_list_spaces(const struct nbx_model *m, struct nbx_buf *out)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        nbx_buf_printf(out, "%s%.*s (%zu)", s ? ", " : "", NBX_STR_ARG(m->spaces[s].name),
                       m->spaces[s].dims);
}
