/* SPDX-License-Identifier: MIT */
#include "engine/model/accept_internal.h"

#include <stdio.h>

#define ID_SHOWN 64 /* bytes of an id in a message */

const char *nbx_accept__item(char *text, const struct nbx_bundle_info *info, size_t row)
{
    struct nbx_str id = info->item_ids[row];
    id.len = id.len < ID_SHOWN ? id.len : ID_SHOWN;
    snprintf(text, NBX_ACCEPT__ITEM_BYTES, "item %zu ('%.*s')", row, NBX_STR_ARG(id));
    return text;
}

enum nbx_err nbx_accept__no_memory(struct nbx_accept *a)
{
    return nbx_fault_set(a->fault, NBX_ELIMIT, NULL, "no memory to try the bundle");
}

/* What the file alone tells, before a model is made of it. */
static enum nbx_err look_at_bundle(struct nbx_accept *a)
{
    snprintf(a->out->name, sizeof a->out->name, "%.*s", NBX_STR_ARG(a->info->name));
    snprintf(a->out->version, sizeof a->out->version, "%.*s", NBX_STR_ARG(a->info->version));
    a->out->n_items = a->info->n_items;
    enum nbx_err err = nbx_accept__factors(a);
    return err ? err : nbx_accept__items(a);
}

static enum nbx_err look_at_model(struct nbx_accept *a)
{
    enum nbx_err err = nbx_accept__golden(a);
    if (!err)
        err = nbx_accept__listed(a);
    return err ? err : nbx_accept__holdout(a);
}

enum nbx_err nbx_model_accept(struct nbx_accepted *out, const char *path,
                              const struct nbx_accept_options *options, struct nbx_fault *fault)
{
    struct nbx_bundle *bundle = NULL;
    struct nbx_model *model = NULL;
    struct nbx_accept a = {.out = out, .options = options, .fault = fault};
    *out = (struct nbx_accepted){0};
    enum nbx_err err = nbx_bundle_open(&bundle, path, fault);
    if (err)
        return err;
    a.info = nbx_bundle_get(bundle);
    if ((err = look_at_bundle(&a))) {
        nbx_bundle_close(&bundle);
        return err;
    }
    err = nbx_model__of_bundle(&model, bundle, NULL, options->budget);
    if (err == NBX_EBAD)
        nbx_fault_set(fault, err, "spaces",
                      "customers cannot be folded in: the factors are too "
                      "large together, or lambda too small");
    else if (err)
        nbx_accept__no_memory(&a);
    a.model = model;
    if (!err)
        err = look_at_model(&a);
    nbx_model_release(&model);
    return err;
}

enum nbx_err nbx_model_accept_loaded(struct nbx_accepted *out, const struct nbx_model *m,
                                     const struct nbx_accept_options *options,
                                     struct nbx_fault *fault)
{
    struct nbx_accept a = {.out = out,
                           .options = options,
                           .info = nbx_bundle_get(m->base->bundle),
                           .model = m,
                           .fault = fault};
    *out = (struct nbx_accepted){0};
    enum nbx_err err = look_at_bundle(&a);
    return err ? err : look_at_model(&a);
}

/* Members of a map being filled, in the arena. */
struct filling {
    struct nbx_member members[12];
    uint32_t n;
};

static void put(struct filling *f, const char *key, struct nbx_value value)
{
    f->members[f->n++] = (struct nbx_member){nbx_str_c(key), value};
}

static bool finish(struct nbx_value *out, const struct filling *f, struct nbx_arena *arena)
{
    struct nbx_value map = {.type = NBX_MAP, .n = f->n};
    map.members = nbx_arena_calloc(arena, f->n, sizeof *map.members);
    if (map.members)
        memcpy(map.members, f->members, f->n * sizeof *map.members);
    *out = map;
    return map.members != NULL;
}

static bool norms_value(struct nbx_value *out, const struct nbx_accepted *accepted,
                        struct nbx_arena *arena)
{
    struct nbx_value map = {.type = NBX_MAP, .n = (uint32_t)accepted->n_norms};
    map.members = nbx_arena_calloc(arena, accepted->n_norms, sizeof *map.members);
    *out = map;
    for (size_t i = 0; map.members && i < accepted->n_norms; i++) {
        const struct nbx_accepted_norms *norms = &accepted->norms[i];
        struct filling f = {.n = 0};
        put(&f, "median", nbx_value_float(norms->median));
        put(&f, "largest", nbx_value_float(norms->largest));
        put(&f, "zeros", nbx_value_int((int64_t)norms->zeros));
        map.members[i].key = nbx_arena_str(arena, nbx_str_c(norms->tensor));
        if (!map.members[i].key.p || !finish(&map.members[i].value, &f, arena))
            return false;
    }
    return map.members != NULL;
}

static bool holdout_value(struct nbx_value *out, const struct nbx_accepted *accepted,
                          struct nbx_arena *arena)
{
    struct filling f = {.n = 0};
    put(&f, "cases", nbx_value_int((int64_t)accepted->n_cases));
    put(&f, "hit", nbx_value_float(accepted->fresh.hit));
    put(&f, "ndcg", nbx_value_float(accepted->fresh.ndcg));
    put(&f, "active_hit", nbx_value_float(accepted->active.hit));
    put(&f, "active_ndcg", nbx_value_float(accepted->active.ndcg));
    return finish(out, &f, arena);
}

enum nbx_err nbx_accepted_value(struct nbx_value *out, const struct nbx_accepted *accepted,
                                struct nbx_arena *arena)
{
    struct filling f = {.n = 0};
    struct nbx_value norms, holdout;
    if (!norms_value(&norms, accepted, arena) || !holdout_value(&holdout, accepted, arena))
        return NBX_ELIMIT;
    put(&f, "items", nbx_value_int((int64_t)accepted->n_items));
    put(&f, "without_vector", nbx_value_float(accepted->without_vector));
    if (accepted->compared) {
        put(&f, "unknown", nbx_value_float(accepted->unknown));
        put(&f, "covered", nbx_value_float(accepted->covered));
    }
    put(&f, "norms", norms);
    put(&f, "golden", nbx_value_int((int64_t)accepted->n_golden));
    put(&f, "lists", nbx_value_int((int64_t)accepted->n_lists));
    put(&f, "listed", nbx_value_int((int64_t)accepted->listed));
    if (accepted->n_cases)
        put(&f, "holdout", holdout);
    return finish(out, &f, arena) ? NBX_OK : NBX_ELIMIT;
}
