/* SPDX-License-Identifier: MIT */
#include "engine/model/model.h"

#include "engine/base/log.h"
#include "engine/blas/blas.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdlib.h>

#define NO_ROW UINT32_MAX

/* What depends on the bundle alone. */
struct base {
    struct nbx_bundle *bundle;
    struct nbx_budget *budget;
    size_t charged;
    uint32_t *item_no;     /* (n_items) number of the bundle's item */
    uint32_t *row_of_item; /* (n_numbers) bundle row of an item number, or NO_ROW */
    uint32_t n_numbers;
    struct nbx_index *index[NBX_BUNDLE_MAX_SPACES];
    struct nbx_fold *fold[NBX_BUNDLE_MAX_SPACES];
    float *inverse_norm[NBX_BUNDLE_MAX_SPACES]; /* (n_items) */
    unsigned users;                             /* models that share it */
};

/* Items with vectors of their own in one space. */
struct own {
    struct nbx_index *index;
    uint32_t *item_no;   /* (n) rising */
    float *inverse_norm; /* (n) */
    uint32_t *item_row;  /* (n_items) of the bundle's index, own items masked */
    size_t n;
};

struct nbx_model {
    struct base *base;
    struct own own[NBX_BUNDLE_MAX_SPACES];
    struct nbx_model_space spaces[NBX_BUNDLE_MAX_SPACES];
};

static void base_release(struct base *b)
{
    if (!b || --b->users > 0)
        return;
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++) {
        nbx_index_destroy(&b->index[s]);
        nbx_fold_destroy(&b->fold[s]);
        free(b->inverse_norm[s]);
    }
    free(b->item_no);
    free(b->row_of_item);
    nbx_bundle_close(&b->bundle);
    nbx_budget_give(b->budget, b->charged);
    free(b);
}

static enum nbx_err number_items(struct base *b, struct nbx_ids *ids)
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

/* 1 / |row| for each row of an index. */
static float *inverse_norms(const struct nbx_index *index)
{
    size_t n = nbx_index_rows(index), padded = nbx_padded(nbx_index_dim(index));
    float *out = malloc((n ? n : 1) * sizeof *out);
    for (size_t r = 0; out && r < n; r++) {
        const float *v = nbx_index_vector(index, r);
        float norm = sqrtf(nbx_dot(v, v, padded));
        out[r] = norm > 0 ? 1 / norm : 0;
    }
    return out;
}

/* vectors (n, dim) scaled to length 1, a new array; zero vectors stay. */
static float *unit_rows(const float *vectors, size_t n, size_t dim)
{
    float *out = malloc((n * dim + 1) * sizeof *out);
    for (size_t r = 0; out && r < n; r++) {
        double sum = 0;
        for (size_t d = 0; d < dim; d++)
            sum += (double)vectors[r * dim + d] * vectors[r * dim + d];
        double scale = sum > 0 ? 1 / sqrt(sum) : 0;
        for (size_t d = 0; d < dim; d++)
            out[r * dim + d] = (float)(vectors[r * dim + d] * scale);
    }
    return out;
}

/* A cosine space is served as the inner product of unit vectors. */
static enum nbx_err index_rows(struct nbx_index **out, const struct nbx_space *space,
                               const float *vectors, size_t n)
{
    if (space->metric == NBX_METRIC_DOT)
        return nbx_index_new(out, vectors, n, space->dims);
    float *units = unit_rows(vectors, n, space->dims);
    enum nbx_err err = units ? nbx_index_new(out, units, n, space->dims) : NBX_ELIMIT;
    free(units);
    return err;
}

static enum nbx_err make_fold(struct base *b, size_t s, const struct nbx_space *space,
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

static enum nbx_err index_spaces(struct base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    enum nbx_err err;
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        if ((err = index_rows(&b->index[s], space, space->item_factors, info->n_items)))
            return err;
        b->inverse_norm[s] = inverse_norms(b->index[s]);
        if (!b->inverse_norm[s])
            return NBX_ELIMIT;
        if (space->customer == NBX_CUSTOMER_FOLDED && (err = make_fold(b, s, space, info->n_items)))
            return err;
    }
    return NBX_OK;
}

/* What the model will hold beside the mapped file. */
static enum nbx_err charge(struct base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    size_t bytes = info->n_items * 3 * sizeof(uint32_t);
    for (size_t s = 0; s < info->n_spaces; s++)
        bytes += info->n_items * (nbx_padded(info->spaces[s].dims) + 2) * sizeof(float);
    enum nbx_err err = nbx_budget_take(b->budget, bytes);
    if (!err)
        b->charged = bytes;
    return err;
}

static void fill_spaces(struct nbx_model *m)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(m->base->bundle);
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        const struct own *own = &m->own[s];
        m->spaces[s] = (struct nbx_model_space){
            .name = space->name,
            .dims = space->dims,
            .metric = space->metric,
            .customer = space->customer,
            .index = m->base->index[s],
            .item_row = own->item_row ? own->item_row : m->base->item_no,
            .own_index = own->index,
            .own_item_row = own->item_no,
            .fold = m->base->fold[s],
            .inverse_norm = m->base->inverse_norm[s],
            .own_inverse_norm = own->inverse_norm,
        };
    }
}

enum nbx_err nbx_model_load(struct nbx_model **out, const char *path, struct nbx_ids *ids,
                            struct nbx_budget *budget, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_ELIMIT;
    struct nbx_model *m = calloc(1, sizeof *m);
    struct base *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!m || !b) {
        free(b);
        goto out;
    }
    m->base = b;
    b->users = 1;
    b->budget = budget;
    if ((err = nbx_bundle_open(&b->bundle, path, fault)))
        goto out;
    if ((err = charge(b)) || (err = number_items(b, ids)) || (err = index_spaces(b))) {
        nbx_fault_set(fault, err, NULL, "%s cannot be indexed: %s", path, nbx_err_status(err));
        goto out;
    }
    fill_spaces(m);
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
        struct own *own = &(*model)->own[s];
        nbx_index_destroy(&own->index);
        free(own->item_no);
        free(own->inverse_norm);
        free(own->item_row);
    }
    base_release((*model)->base);
    free(*model);
    *model = NULL;
}

static void warn_dims(uint32_t item_no, const struct nbx_vector *v, const struct nbx_space *space)
{
    nbx_log_warnx("item=%u reason=\"vector of %u dims, space %.*s has %zu\"", item_no, v->n,
                  NBX_STR_ARG(space->name), space->dims);
}

/* Gathers the own vectors that belong to a space into rows (n, dims). */
static enum nbx_err gather(struct own *own, float **rows, const struct nbx_space *space, bool first,
                           const struct nbx_catalog *catalog)
{
    size_t room = nbx_catalog_with_vectors(catalog, NULL, 0);
    uint32_t *numbers = calloc(room ? room : 1, sizeof *numbers);
    float *vectors = malloc((room ? room : 1) * space->dims * sizeof *vectors);
    *rows = vectors;
    own->item_no = numbers;
    if (!numbers || !vectors)
        return NBX_ELIMIT;
    room = nbx_catalog_with_vectors(catalog, numbers, room);
    for (size_t i = 0; i < room; i++) {
        struct nbx_vector v = nbx_catalog_vector(catalog, numbers[i]);
        bool mine = v.space.len ? nbx_str_eq(v.space, space->name) : first;
        if (!mine)
            continue;
        if (v.n != space->dims) {
            warn_dims(numbers[i], &v, space);
            continue;
        }
        memcpy(vectors + own->n * space->dims, v.p, space->dims * sizeof *vectors);
        numbers[own->n++] = numbers[i];
    }
    return NBX_OK;
}

/* The bundle's rows without those whose items have vectors of their own. */
static uint32_t *masked_rows(const struct base *b, const struct own *own)
{
    size_t n = nbx_bundle_get(b->bundle)->n_items;
    uint32_t *rows = malloc((n ? n : 1) * sizeof *rows);
    if (!rows)
        return NULL;
    memcpy(rows, b->item_no, n * sizeof *rows);
    for (size_t i = 0; i < own->n; i++)
        if (own->item_no[i] < b->n_numbers && b->row_of_item[own->item_no[i]] != NO_ROW)
            rows[b->row_of_item[own->item_no[i]]] = NO_ROW;
    return rows;
}

static enum nbx_err refresh_space(struct own *own, const struct base *b, size_t s,
                                  const struct nbx_catalog *catalog)
{
    const struct nbx_space *space = &nbx_bundle_get(b->bundle)->spaces[s];
    float *rows = NULL;
    enum nbx_err err = gather(own, &rows, space, s == 0, catalog);
    if (!err && own->n > 0) {
        err = index_rows(&own->index, space, rows, own->n);
        if (!err) {
            own->item_row = masked_rows(b, own);
            own->inverse_norm = inverse_norms(own->index);
            err = own->item_row && own->inverse_norm ? NBX_OK : NBX_ELIMIT;
        }
    }
    free(rows);
    return err;
}

enum nbx_err nbx_model_refresh(struct nbx_model **out, const struct nbx_model *old,
                               const struct nbx_catalog *catalog)
{
    struct nbx_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return NBX_ELIMIT;
    m->base = old->base;
    m->base->users++;
    size_t n_spaces = nbx_bundle_get(m->base->bundle)->n_spaces;
    for (size_t s = 0; s < n_spaces; s++) {
        enum nbx_err err = refresh_space(&m->own[s], m->base, s, catalog);
        if (err) {
            nbx_model_release(&m);
            return err;
        }
    }
    fill_spaces(m);
    *out = m;
    return NBX_OK;
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

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

const float *nbx_model_item(const struct nbx_model *m, size_t space, uint32_t item_no)
{
    const struct own *own = &m->own[space];
    if (own->n) {
        const uint32_t *at =
            bsearch(&item_no, own->item_no, own->n, sizeof *own->item_no, compare_u32);
        if (at)
            return nbx_index_vector(own->index, (size_t)(at - own->item_no));
    }
    const struct base *b = m->base;
    if (item_no >= b->n_numbers || b->row_of_item[item_no] == NO_ROW)
        return NULL;
    return nbx_index_vector(b->index[space], b->row_of_item[item_no]);
}

bool nbx_model_has_own(const struct nbx_model *m)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        if (m->own[s].n)
            return true;
    return false;
}

void nbx_model_list_spaces(const struct nbx_model *m, struct nbx_buf *out)
{
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        nbx_buf_printf(out, "%s%.*s (%zu)", s ? ", " : "", NBX_STR_ARG(m->spaces[s].name),
                       m->spaces[s].dims);
}
