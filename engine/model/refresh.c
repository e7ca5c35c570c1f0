/* SPDX-License-Identifier: MIT
 * A model follows its catalogue: items that got, changed or lost vectors of their own, or the
 * attributes that one is made from.
 */
#include "engine/base/log.h"
#include "engine/model/model_internal.h"

#include <stdlib.h>

#define FACTS_BYTES ((size_t)16 << 20) /* one item's */

/* Items the model minds, and what their change makes of one space. */
struct change_list {
    uint32_t *changed; /* (n_changed) item numbers */
    size_t n_changed;
    /* Of the item at hand; NULL where the bundle says nothing of attributes. */
    struct nbx_arena *arena;
    float *joint;      /* (joint_dims) */
    float *vectors;    /* (n_put, dims) of the space at hand */
    uint32_t *put;     /* (n_put) */
    uint32_t *removed; /* (n_removed) */
    size_t n_put, n_removed;
};

static struct nbx_str text_of(const struct nbx_catalog *c, uint32_t item_no, const char *field,
                              struct nbx_arena *arena)
{
    struct nbx_value v = nbx_catalog_field(c, item_no, nbx_str_c(field), arena);
    return v.type == NBX_STRING ? v.s : (struct nbx_str){0};
}

/* false where memory is out. */
static bool read_facts(struct nbx_item_facts *out, const struct nbx_catalog *c, uint32_t item_no,
                       struct nbx_arena *arena)
{
    struct nbx_value categories = nbx_catalog_field(c, item_no, NBX_STR("categories"), arena);
    struct nbx_value price = nbx_catalog_field(c, item_no, NBX_STR("price"), arena);
    uint32_t n = categories.type == NBX_LIST ? categories.n : 0;
    struct nbx_str *list = nbx_arena_calloc(arena, n, sizeof *list);
    for (uint32_t i = 0; list && i < n; i++)
        list[i] = categories.list[i].s;
    *out = (struct nbx_item_facts){.brand = text_of(c, item_no, "brand", arena),
                                   .title = text_of(c, item_no, "title", arena),
                                   .categories = list,
                                   .n_categories = n,
                                   .price = price.type == NBX_INT ? price.i : 0,
                                   .has_price = price.type == NBX_INT};
    return list != NULL;
}

/* joint: what attributes make of the item; *known false where that is nothing. */
static enum nbx_err describe(struct change_list *l, const struct nbx_model_base *b,
                             const struct nbx_catalog *catalog, uint32_t item_no, bool *known)
{
    struct nbx_item_facts facts;
    *known = false;
    if (!l->joint || !nbx_catalog_has(catalog, item_no))
        return NBX_OK;
    nbx_arena_reset(l->arena);
    if (!read_facts(&facts, catalog, item_no, l->arena))
        return NBX_ELIMIT;
    *known = nbx_describe(l->joint, b->describer, &facts);
    return NBX_OK;
}

/* Whether the vector that came with the item is another; snapshots share it while it is not. */
static bool own_differs(const struct nbx_catalog *before, const struct nbx_catalog *catalog,
                        uint32_t item_no)
{
    const float *was = before ? nbx_catalog_vector(before, item_no).p : NULL;
    return was != nbx_catalog_vector(catalog, item_no).p;
}

/* Of the traits of an item of the bundle only its own vector matters; of others all. Moves those
 * that matter to the front and returns how many they are. */
static size_t keep_minded(uint32_t *items, size_t n, const struct nbx_model *m,
                          const struct nbx_catalog *before, const struct nbx_catalog *catalog)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (nbx_model_row(m, items[i]) == NBX_MODEL_NO_ROW ||
            own_differs(before, catalog, items[i]))
            items[kept++] = items[i];
    return kept;
}

typedef size_t changed_fn(const struct nbx_catalog *old, const struct nbx_catalog *c,
                          uint32_t *item_nos, size_t room);

static enum nbx_err list_changed(struct change_list *l, const struct nbx_model *m,
                                 const struct nbx_catalog *before,
                                 const struct nbx_catalog *catalog)
{
    bool describes = m->base->describer != NULL;
    changed_fn *changed = describes ? nbx_catalog_traits_changed : nbx_catalog_vectors_changed;
    size_t n = changed(before, catalog, NULL, 0);
    *l = (struct change_list){.changed = malloc((n + 1) * sizeof *l->changed)};
    if (!l->changed)
        return NBX_ELIMIT;
    changed(before, catalog, l->changed, n);
    l->n_changed = describes ? keep_minded(l->changed, n, m, before, catalog) : n;
    return NBX_OK;
}

static enum nbx_err list_begin(struct change_list *l, const struct nbx_model *m,
                               const struct nbx_catalog *before, const struct nbx_catalog *catalog)
{
    enum nbx_err err = list_changed(l, m, before, catalog);
    if (err)
        return err;
    l->put = malloc((l->n_changed + 1) * sizeof *l->put);
    l->removed = malloc((l->n_changed + 1) * sizeof *l->removed);
    if (!l->put || !l->removed)
        return NBX_ELIMIT;
    if (!m->base->describer)
        return NBX_OK;
    l->arena = nbx_arena_new(FACTS_BYTES);
    l->joint = malloc(m->base->joint_dims * sizeof *l->joint);
    return l->arena && l->joint ? NBX_OK : NBX_ELIMIT;
}

static void list_end(struct change_list *l)
{
    free(l->changed);
    free(l->joint);
    nbx_arena_destroy(&l->arena);
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

/* What the item has in space s beside what the bundle has for it: its own vector, or one made from
 * its attributes until the next call, or NULL. */
static enum nbx_err given_vector(const float **out, struct change_list *l,
                                 const struct nbx_model *m, size_t s, uint32_t item_no,
                                 const struct nbx_catalog *catalog)
{
    bool known = false;
    *out = own_vector(catalog, item_no, nbx_model__space(m, s), s == 0);
    if (*out || nbx_model_row(m, item_no) != NBX_MODEL_NO_ROW)
        return NBX_OK;
    enum nbx_err err = describe(l, m->base, catalog, item_no, &known);
    if (known)
        *out = l->joint + m->base->offset[s];
    return err;
}

/* Whether it had such a vector before: an item that is not the bundle's has no other. */
static bool had_given(const struct nbx_model *old, size_t s, uint32_t item_no,
                      const struct nbx_catalog *before)
{
    if (nbx_model_row(old, item_no) == NBX_MODEL_NO_ROW)
        return nbx_model_item(old, s, item_no) != NULL;
    return own_vector(before, item_no, nbx_model__space(old, s), s == 0) != NULL;
}

/* The item's vector is now the given one, or again the bundle's, or there is none. */
static void change_vector(struct change_list *l, const struct nbx_model *m, size_t s,
                          uint32_t item_no, const float *given)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    float *to = l->vectors + l->n_put * space->dims;
    uint32_t row = nbx_model_row(m, item_no);
    if (!given && row == NBX_MODEL_NO_ROW) {
        l->removed[l->n_removed++] = item_no;
        return;
    }
    if (!given)
        nbx_model__bundle_vector(to, m->base, s, row);
    else if (space->metric == NBX_METRIC_COSINE)
        nbx_model__unit(to, given, space->dims);
    else
        memcpy(to, given, space->dims * sizeof *to);
    l->put[l->n_put++] = item_no;
}

/* Two states of the catalogue, and the model as it was. */
struct step {
    const struct nbx_model *old;
    const struct nbx_catalog *before, *catalog;
};

/* Sorts the changes of space s into put and removed, and counts what is given anew. */
static enum nbx_err sort_changes(struct change_list *l, struct nbx_model *m, size_t s,
                                 const struct step *step)
{
    const struct nbx_space *space = nbx_model__space(m, s);
    free(l->vectors);
    l->vectors = malloc((l->n_changed * space->dims + 1) * sizeof *l->vectors);
    l->n_put = l->n_removed = 0;
    if (!l->vectors)
        return NBX_ELIMIT;
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < l->n_changed; i++) {
        uint32_t item_no = l->changed[i];
        const float *given;
        bool had = had_given(step->old, s, item_no, step->before);
        err = given_vector(&given, l, m, s, item_no, step->catalog);
        warn_if_misfit(step->catalog, item_no, space, s == 0);
        if (err || (!had && !given))
            continue;
        m->n_own[s] += (given != NULL);
        m->n_own[s] -= had;
        change_vector(l, m, s, item_no, given);
    }
    return err;
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
    const struct step step = {old, before, catalog};
    *out = NULL;
    enum nbx_err err = list_begin(&l, old, before, catalog);
    if (!err)
        err = nbx_model__new(out, old->base);
    for (size_t s = 0; !err && s < nbx_model_n_spaces(*out); s++) {
        (*out)->n_own[s] = old->n_own[s];
        err = sort_changes(&l, *out, s, &step);
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

bool nbx_model_minds(const struct nbx_model *m, const struct nbx_catalog *before,
                     const struct nbx_catalog *catalog)
{
    struct change_list l;
    if (!m->base->describer)
        return nbx_catalog_vectors_generation(before) != nbx_catalog_vectors_generation(catalog);
    if (nbx_catalog_traits_generation(before) == nbx_catalog_traits_generation(catalog))
        return false;
    bool minds = list_changed(&l, m, before, catalog) || l.n_changed > 0;
    list_end(&l);
    return minds;
}
