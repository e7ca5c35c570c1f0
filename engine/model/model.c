/* SPDX-License-Identifier: MIT */
#include "engine/model/model.h"

#include "engine/base/parallel.h"
#include "engine/blas/blas.h"
#include "engine/model/model_internal.h"
#include "engine/score/dot.h"
#include "models/bundle/blend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void nbx_model__release_base(struct nbx_model_base *b)
{
    if (!b || --b->users > 0)
        return;
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++)
        nbx_fold_in_destroy(&b->fold[s]);
    nbx_blend_destroy(&b->blend);
    free(b->stretch);
    nbx_describer_destroy(&b->describer);
    nbx_describer_destroy(&b->of_customers);
    free(b->item_no);
    free(b->row_of_item);
    nbx_bundle_close(&b->bundle);
    free(b->tag);
    nbx_budget_give(b->budget, b->charged);
    free(b);
}

/* What the base holds beside the mapped file; indexes charge themselves. */
static enum nbx_err charge(struct nbx_model_base *b, size_t bytes)
{
    enum nbx_err err = nbx_budget_take(b->budget, bytes);
    if (!err)
        b->charged += bytes;
    return err;
}

#define ITEMS_A_CHUNK  8192
#define STALL_PAUSE_NS 2000000
#define STALL_PAUSES   5000

/* Numbers of the ids that are known, 0 for others, a chunk at a time. */
struct numbering {
    const struct nbx_bundle_info *info;
    const struct nbx_ids *ids;
    uint32_t *item_no; /* (n_items) */
};

static enum nbx_err find_numbers(void *ctx, unsigned worker, size_t chunk)
{
    const struct numbering *n = ctx;
    size_t end = (chunk + 1) * ITEMS_A_CHUNK;
    (void)worker;
    for (size_t i = chunk * ITEMS_A_CHUNK; i < end && i < n->info->n_items; i++)
        n->item_no[i] = nbx_ids_find(n->ids, n->info->item_ids[i]);
    return NBX_OK;
}

/* A million new ids in a row may stall the store for a moment: worth waiting for. */
static enum nbx_err intern(struct nbx_ids *ids, struct nbx_str id, uint32_t *item_no)
{
    const struct timespec pause = {0, STALL_PAUSE_NS};
    enum nbx_err err = nbx_ids_intern(ids, id, item_no);
    for (int i = 0; err == NBX_EBUSY && i < STALL_PAUSES; i++) {
        nanosleep(&pause, NULL);
        err = nbx_ids_intern(ids, id, item_no);
    }
    return err;
}

/* New ids get theirs in the bundle's order; without ids an item's number is one more than its row.
 */
static enum nbx_err number_items(struct nbx_model_base *b, struct nbx_ids *ids)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    enum nbx_err err = NBX_OK;
    if (charge(b, info->n_items * sizeof *b->item_no))
        return NBX_ELIMIT;
    b->item_no = calloc(info->n_items ? info->n_items : 1, sizeof *b->item_no);
    if (!b->item_no)
        return NBX_ELIMIT;
    struct numbering n = {info, ids, b->item_no};
    if (ids)
        err = nbx_parallel(nbx_parallel_processors(),
                           (info->n_items + ITEMS_A_CHUNK - 1) / ITEMS_A_CHUNK, find_numbers, &n);
    for (size_t i = 0; !err && i < info->n_items; i++) {
        if (!ids)
            b->item_no[i] = (uint32_t)i + 1;
        else if (b->item_no[i] == 0)
            err = intern(ids, info->item_ids[i], &b->item_no[i]);
        if (b->item_no[i] >= b->n_numbers)
            b->n_numbers = b->item_no[i] + 1;
    }
    return err;
}

static enum nbx_err map_rows(struct nbx_model_base *b)
{
    size_t n_items = nbx_bundle_get(b->bundle)->n_items;
    size_t bytes = ((size_t)b->n_numbers + 1) * sizeof *b->row_of_item;
    if (charge(b, bytes))
        return NBX_ELIMIT;
    b->row_of_item = malloc(bytes);
    if (!b->row_of_item)
        return NBX_ELIMIT;
    memset(b->row_of_item, 0xFF, bytes);
    for (size_t i = 0; i < n_items; i++)
        b->row_of_item[b->item_no[i]] = (uint32_t)i;
    return NBX_OK;
}

void nbx_model__bundle_vector(float *out, const struct nbx_model_base *b, size_t s, size_t row)
{
    const struct nbx_space *space = &b->spaces[s];
    if (b->blend && nbx_blend_dims(b->blend) == 0)
        memset(out, 0, space->dims * sizeof *out);
    else if (b->blend)
        nbx_blend_item(b->blend, row, out);
    else if (space->metric == NBX_METRIC_COSINE)
        nbx_model__unit(out, space->item_factors + row * space->dims, space->dims);
    else
        memcpy(out, space->item_factors + row * space->dims, space->dims * sizeof *out);
}

static enum nbx_err index_space(struct nbx_model *m, size_t s)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    size_t n = nbx_bundle_get(m->base->bundle)->n_items;
    struct nbx_packed_items items = {.vectors = space->item_factors,
                                     .labels = m->base->item_no,
                                     .stretch = m->base->stretch,
                                     .n = n,
                                     .dim = space->dims,
                                     .threads = nbx_parallel_processors(),
                                     .budget = m->base->budget};
    float *made = NULL; /* where the bundle does not have them as they are served */
    if (m->base->blend || space->metric == NBX_METRIC_COSINE) {
        made = calloc(n * space->dims + 1, sizeof *made);
        if (!made)
            return NBX_ELIMIT;
        for (size_t i = 0; i < n; i++)
            nbx_model__bundle_vector(made + i * space->dims, m->base, s, i);
        items.vectors = made;
    }
    enum nbx_err err = nbx_index_new(&m->index[s], &items);
    free(made);
    return err ? err : nbx_model__measure(m, s);
}

static enum nbx_err make_fold(struct nbx_model_base *b, size_t s, const struct nbx_space *space,
                              size_t n_items)
{
    float *gram = calloc(space->dims * space->dims, sizeof *gram);
    if (!gram)
        return NBX_ELIMIT;
    nbx_blas_gram(gram, space->item_factors, n_items, space->dims, 1);
    struct nbx_fold_in_options options = {space->alpha0, space->lambda, space->nu};
    enum nbx_err err = nbx_fold_in_new(&b->fold[s], gram, space->dims, n_items, options);
    free(gram);
    return err;
}

static enum nbx_err make_stretch(struct nbx_model_base *b, size_t dims)
{
    if (charge(b, dims * sizeof *b->stretch))
        return NBX_ELIMIT;
    b->stretch = malloc(dims * sizeof *b->stretch);
    return b->stretch ? nbx_blend_stretch(b->blend, b->stretch) : NBX_ELIMIT;
}

/* A blend without spaces is served in one dimension of zeros, so that its items have a place. */
static enum nbx_err make_blend(struct nbx_model_base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    enum nbx_err err = nbx_bundle_blend(&b->blend, info, b->item_no);
    if (!err)
        err = charge(b, nbx_blend_bytes(b->blend));
    if (err)
        return err;
    size_t dims = nbx_blend_dims(b->blend);
    if (dims && (err = make_stretch(b, dims)))
        return err;
    b->spaces[0] = (struct nbx_space){.name = NBX_STR(NBX_MODEL_BLEND_SPACE),
                                      .dims = dims ? dims : 1,
                                      .metric = NBX_METRIC_DOT,
                                      .customer = NBX_CUSTOMER_FOLDED};
    b->n_spaces = 1;
    return NBX_OK;
}

static enum nbx_err make_spaces(struct nbx_model_base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    enum nbx_err err = NBX_OK;
    if (nbx_bundle_is_blend(info))
        return make_blend(b);
    memcpy(b->spaces, info->spaces, sizeof b->spaces);
    b->n_spaces = info->n_spaces;
    for (size_t s = 0; !err && s < b->n_spaces; s++)
        if (b->spaces[s].customer == NBX_CUSTOMER_FOLDED)
            err = make_fold(b, s, &b->spaces[s], info->n_items);
    return err;
}

/* What makes vectors from attributes, where the bundle can. Of a blend the one space that is served
 * is all of them. */
static enum nbx_err make_describer(struct nbx_model_base *b, struct nbx_describer **out,
                                   const struct nbx_features *features)
{
    if (features->n == 0)
        return NBX_OK;
    enum nbx_err err = nbx_describer_new(out, features, b->joint_dims);
    return err ? err : charge(b, nbx_describer_bytes(*out));
}

static enum nbx_err make_describers(struct nbx_model_base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    b->joint_dims = nbx_bundle_dims(info);
    for (size_t s = 1; s < b->n_spaces; s++)
        b->offset[s] = b->offset[s - 1] + b->spaces[s - 1].dims;
    enum nbx_err err = make_describer(b, &b->describer, &info->features);
    return err ? err : make_describer(b, &b->of_customers, &info->customer_features);
}

static enum nbx_err make_tag(struct nbx_model_base *b)
{
    const struct nbx_bundle_info *info = nbx_bundle_get(b->bundle);
    return asprintf(&b->tag, "%.*s@%.*s", NBX_STR_ARG(info->name), NBX_STR_ARG(info->version)) < 0
               ? (b->tag = NULL, NBX_ELIMIT)
               : NBX_OK;
}

static enum nbx_err index_spaces(struct nbx_model *m)
{
    enum nbx_err err = NBX_OK;
    for (size_t s = 0; !err && s < m->base->n_spaces; s++)
        err = index_space(m, s);
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
                                                .blend = m->base->blend,
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
    m->users = 1;
    base->users++;
    return NBX_OK;
}

enum nbx_err nbx_model__of_bundle(struct nbx_model **out, struct nbx_bundle *bundle,
                                  struct nbx_ids *ids, struct nbx_budget *budget)
{
    struct nbx_model *m = NULL;
    struct nbx_model_base *b = calloc(1, sizeof *b);
    *out = NULL;
    enum nbx_err err = b ? nbx_model__new(&m, b) : NBX_ELIMIT;
    if (err) {
        free(b);
        nbx_bundle_close(&bundle);
        return err;
    }
    b->budget = budget;
    b->bundle = bundle;
    if ((err = make_tag(b)) || (err = number_items(b, ids)) || (err = map_rows(b)) ||
        (err = make_spaces(b)) || (err = make_describers(b)) || (err = index_spaces(m))) {
        nbx_model_release(&m);
        return err;
    }
    nbx_model__fill_spaces(m);
    *out = m;
    return NBX_OK;
}

enum nbx_err nbx_model_load(struct nbx_model **out, const char *path, struct nbx_ids *ids,
                            struct nbx_budget *budget, struct nbx_fault *fault)
{
    struct nbx_bundle *bundle = NULL;
    *out = NULL;
    enum nbx_err err = nbx_bundle_open(&bundle, path, fault);
    if (err)
        return err;
    err = nbx_model__of_bundle(out, bundle, ids, budget);
    return err ? nbx_fault_set(fault, err, NULL, "%s cannot be indexed: %s", path,
                               nbx_err_status(err))
               : NBX_OK;
}

struct nbx_model *nbx_model_share(struct nbx_model *m)
{
    m->users++;
    return m;
}

void nbx_model_release(struct nbx_model **model)
{
    struct nbx_model *m = model ? *model : NULL;
    if (!m)
        return;
    *model = NULL;
    if (--m->users > 0)
        return;
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++) {
        nbx_index_destroy(&m->index[s]);
        nbx_model__release_angles(&m->angles[s], m->base->budget);
    }
    nbx_model__release_base(m->base);
    free(m);
}

struct nbx_str nbx_model_name(const struct nbx_model *m)
{
    return nbx_bundle_get(m->base->bundle)->name;
}

struct nbx_str nbx_model_version(const struct nbx_model *m)
{
    return nbx_bundle_get(m->base->bundle)->version;
}

struct nbx_str nbx_model_tag(const struct nbx_model *m)
{
    return nbx_str_c(m->base->tag);
}

size_t nbx_model_n_spaces(const struct nbx_model *m)
{
    return m->base->n_spaces;
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

uint32_t nbx_model_row(const struct nbx_model *m, uint32_t item_no)
{
    const struct nbx_model_base *b = m->base;
    return item_no < b->n_numbers ? b->row_of_item[item_no] : NBX_BLEND_NO_ROW;
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

bool nbx_model_describes_customers(const struct nbx_model *m)
{
    return m->base->of_customers != NULL;
}

enum nbx_err nbx_model_describe_customer(const float **out, const struct nbx_model *m,
                                         const struct nbx_customer_facts *facts,
                                         struct nbx_arena *arena)
{
    float *joint = nbx_arena_floats(arena, m->base->joint_dims);
    *out = NULL;
    if (!joint)
        return NBX_ELIMIT;
    bool good = nbx_describe_customer(joint, m->base->of_customers, facts);
    for (size_t i = 0; i < m->base->joint_dims; i++)
        good = good && isfinite(joint[i]); /* a sum may have passed the largest float */
    *out = good ? joint : NULL;
    return NBX_OK;
}
