/* SPDX-License-Identifier: MIT */
#include "engine/decide/taste.h"

#include "engine/customer/seen.h"
#include "engine/score/dot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* v padded; of length 1 where the space is compared by angle. */
static const float *fit(const struct nbx_model_space *space, const float *v,
                        struct nbx_arena *arena)
{
    size_t padded = nbx_padded(space->dims);
    float *out = nbx_arena_floats(arena, padded);
    if (!out)
        return NULL;
    memset(out, 0, padded * sizeof *out);
    memcpy(out, v, space->dims * sizeof *out);
    if (space->metric == NBX_METRIC_COSINE) {
        float norm = sqrtf(nbx_dot(out, out, padded));
        for (size_t i = 0; norm > 0 && i < space->dims; i++)
            out[i] /= norm;
    }
    return out;
}

static enum nbx_err no_such_space(const struct nbx_model *model, struct nbx_str name,
                                  struct nbx_fault *fault)
{
    struct nbx_buf known = {0};
    nbx_model_list_spaces(model, &known);
    nbx_fault_set(fault, NBX_EBAD, "space", "the model has no space '%.*s', it has: %.*s",
                  NBX_STR_ARG(name), (int)known.len, (const char *)known.p);
    nbx_buf_fini(&known);
    return NBX_EBAD;
}

enum nbx_err nbx_taste_of_query(struct nbx_taste *out, const struct nbx_decide *d,
                                const struct nbx_vector *vector, struct nbx_fault *fault)
{
    const struct nbx_model *model = d->world->model;
    *out = (struct nbx_taste){.reason = NBX_REASON_QUERY_VECTOR};
    if (!model)
        return nbx_fault_set(fault, NBX_EBAD, "vector", "no model is loaded to score it with");
    out->space = nbx_model_space(model, vector->space);
    if (!out->space)
        return no_such_space(model, vector->space, fault);
    out->space_ix = (size_t)(out->space - nbx_model_space_at(model, 0));
    if (vector->n != out->space->dims)
        return nbx_fault_set(fault, NBX_EBAD, "vector", "has %u dims, space %.*s has %zu",
                             vector->n, NBX_STR_ARG(out->space->name), out->space->dims);
    out->vector = fit(out->space, vector->p, d->scope->arena);
    return out->vector ? NBX_OK : NBX_ELIMIT;
}

/* What a model is told of the items (n): those that it knows. */
static enum nbx_err set_history(struct nbx_taste *t, const struct nbx_decide *d,
                                const struct nbx_seen_item *items, size_t n)
{
    struct nbx_arena *arena = d->scope->arena;
    const float **factors = nbx_arena_calloc(arena, n, sizeof *factors);
    float *weights = nbx_arena_calloc(arena, n, sizeof *weights);
    uint32_t *numbers = nbx_arena_calloc(arena, n, sizeof *numbers);
    uint32_t *rows = nbx_arena_calloc(arena, n, sizeof *rows);
    if (!factors || !weights || !numbers || !rows)
        return NBX_ELIMIT;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        const float *y = nbx_model_item(d->world->model, t->space_ix, items[i].item_no);
        if (!y)
            continue;
        factors[known] = y;
        weights[known] = (float)items[i].weight;
        numbers[known] = items[i].item_no;
        if (t->space->blend)
            rows[known] = nbx_model_row(d->world->model, items[i].item_no);
        known++;
    }
    t->history = (struct nbx_history){factors, weights, known};
    t->history_items = numbers;
    t->history_rows = rows;
    return NBX_OK;
}

/* The items the customer likes that the model knows, with the weights they have now. */
static enum nbx_err gather_history(struct nbx_taste *t, const struct nbx_decide *d,
                                   const struct nbx_profile *profile)
{
    uint32_t n = 0, at = 0;
    struct nbx_seen_item item,
        *items = nbx_arena_calloc(d->scope->arena, profile->seen.n, sizeof *items);
    if (!items)
        return NBX_ELIMIT;
    while (nbx_seen_next(&profile->seen, d->world->vocabulary, d->scope->now_ms, &at, &item))
        if (nbx_seen_likes(&item))
            items[n++] = item;
    if (t->space->blend)
        qsort(items, n, sizeof *items, nbx_seen_compare_liked);
    return set_history(t, d, items, n);
}

struct nbx_blend_history nbx_taste_blend_history(const struct nbx_taste *t)
{
    return (struct nbx_blend_history){.rows = t->history_rows,
                                      .weights = t->history.weights,
                                      .vectors = t->history.factors,
                                      .n = t->history.n};
}

/* Vector and addends of a blend, from the history; the vector may be there already. */
static enum nbx_err mix(struct nbx_taste *t, const struct nbx_decide *d)
{
    struct nbx_blend_history history = nbx_taste_blend_history(t);
    if (t->vector)
        return nbx_blend_addends(t->space->blend, &history, d->scope->arena, &t->addends);
    float *x = nbx_arena_floats(d->scope->arena, nbx_padded(t->space->dims));
    if (!x)
        return NBX_ELIMIT;
    memset(x, 0, nbx_padded(t->space->dims) * sizeof *x);
    t->vector = x;
    return nbx_blend_query(t->space->blend, &history, d->scope->arena, x, &t->addends);
}

enum nbx_err nbx_taste_of_item(struct nbx_taste *out, const struct nbx_decide *d,
                               const struct nbx_model_space *space, uint32_t item_no)
{
    struct nbx_seen_item item = {.item_no = item_no, .weight = 1};
    *out = (struct nbx_taste){.space = space, .reason = NBX_REASON_SIMILAR_TO};
    out->space_ix = (size_t)(space - nbx_model_space_at(d->world->model, 0));
    enum nbx_err err = set_history(out, d, &item, 1);
    return err ? err : mix(out, d);
}

uint64_t nbx_taste_source(const struct nbx_decide *d, const struct nbx_profile *profile)
{
    return profile->seen.digest + nbx_vocabulary_digest(d->world->vocabulary);
}

/* The stored vector if it is what folding would give now. */
static enum nbx_err read_cached(struct nbx_taste *t, const struct nbx_decide *d,
                                const struct nbx_profile *profile)
{
    struct nbx_key key = nbx_key_vector(profile->number, t->space->name);
    struct nbx_stored stored;
    struct nbx_vector_record r;
    if (nbx_model_has_own(d->world->model))
        return NBX_OK;
    enum nbx_err err = nbx_customer_read(d->scope, NBX_FAMILY_VECTORS, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (err || (err = nbx_vector_record_decode(&r, &stored, d->scope->arena)))
        return err;
    bool current = !r.given && r.n == t->space->dims &&
                   r.source_digest == nbx_taste_source(d, profile) &&
                   nbx_str_eq(r.model_tag, nbx_model_tag(d->world->model)) &&
                   nbx_vocabulary_same_weights(d->world->vocabulary, r.made_ms, d->scope->now_ms);
    if (current) {
        t->vector = r.p;
        t->cached = true;
    }
    return NBX_OK;
}

static enum nbx_err fold_in(struct nbx_taste *t, const struct nbx_decide *d,
                            const struct nbx_profile *profile)
{
    enum nbx_err err = read_cached(t, d, profile);
    if (err || (t->vector && !t->space->blend))
        return err;
    if ((err = gather_history(t, d, profile)) || t->history.n == 0)
        return err;
    if (t->space->blend)
        return mix(t, d);
    float *x = nbx_arena_floats(d->scope->arena, nbx_padded(t->space->dims));
    if (!x)
        return NBX_ELIMIT;
    t->vector = x;
    return nbx_fold_in_customer(t->space->fold, &t->history, d->scope->arena, x);
}

static enum nbx_err take_given(struct nbx_taste *t, const struct nbx_decide *d,
                               const struct nbx_profile *profile)
{
    struct nbx_vector given;
    enum nbx_err err = nbx_customer_given_vector(d->scope, profile, t->space->name, &given);
    if (!err && given.n == 0 && t->space_ix == 0) /* put without naming the space */
        err = nbx_customer_given_vector(d->scope, profile, NBX_STR(""), &given);
    if (err || given.n != t->space->dims)
        return err;
    t->vector = fit(t->space, given.p, d->scope->arena);
    return t->vector ? NBX_OK : NBX_ELIMIT;
}

static size_t count_values(const struct nbx_value *attributes)
{
    size_t n = 0;
    for (uint32_t i = 0; i < attributes->n; i++) {
        const struct nbx_value *v = &attributes->members[i].value;
        n += v->type == NBX_LIST ? v->n : 1;
    }
    return n;
}

/* A value as models/FORMAT.md has it in names of features: empty where it is none. */
static struct nbx_str value_text(const struct nbx_value *v, struct nbx_arena *arena)
{
    char text[24];
    if (v->type == NBX_STRING)
        return v->s;
    if (v->type == NBX_BOOL)
        return v->b ? NBX_STR("true") : NBX_STR("false");
    if (v->type != NBX_INT)
        return (struct nbx_str){0};
    snprintf(text, sizeof text, "%lld", (long long)v->i);
    return nbx_arena_str(arena, nbx_str_c(text));
}

/* Facts of a customer's attributes, a map. */
static enum nbx_err read_facts(struct nbx_customer_facts *out, const struct nbx_value *attributes,
                               struct nbx_arena *arena)
{
    struct nbx_customer_fact *list =
        nbx_arena_calloc(arena, count_values(attributes), sizeof *list);
    *out = (struct nbx_customer_facts){.list = list};
    if (!list)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < attributes->n; i++) {
        const struct nbx_member *m = &attributes->members[i];
        bool many = m->value.type == NBX_LIST;
        const struct nbx_value *values = many ? m->value.list : &m->value;
        for (uint32_t k = 0; k < (many ? m->value.n : 1); k++)
            list[out->n++] = (struct nbx_customer_fact){m->key, value_text(&values[k], arena)};
    }
    return NBX_OK;
}

/* What the customer's attributes make, in the first space. */
static enum nbx_err describe(struct nbx_taste *out, const struct nbx_decide *d,
                             const struct nbx_profile *profile)
{
    struct nbx_profile loaded = *profile;
    struct nbx_customer_facts facts;
    const float *v;
    enum nbx_err err = nbx_profile_load_head(&loaded, d->scope);
    if (err || !loaded.head.attributes)
        return err;
    err = read_facts(&facts, loaded.head.attributes, d->scope->arena);
    if (!err)
        err = nbx_model_describe_customer(&v, d->world->model, &facts, d->scope->arena);
    if (err || !v)
        return err;
    *out = (struct nbx_taste){.space = nbx_model_space_at(d->world->model, 0),
                              .reason = NBX_REASON_BECAUSE_OF_ATTRIBUTES};
    out->vector = fit(out->space, v, d->scope->arena);
    return out->vector ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_taste_of_customer(struct nbx_taste *out, const struct nbx_decide *d,
                                   const struct nbx_profile *profile, struct nbx_fault *fault)
{
    const struct nbx_model *model = d->world->model;
    enum nbx_err err;
    *out = (struct nbx_taste){0};
    for (size_t s = 0; model && profile->known && s < nbx_model_n_spaces(model); s++) {
        const struct nbx_model_space *space = nbx_model_space_at(model, s);
        bool folded = space->customer == NBX_CUSTOMER_FOLDED;
        struct nbx_taste t = {.space = space, .space_ix = s};
        t.reason = folded ? NBX_REASON_BECAUSE_OF_ITEMS : NBX_REASON_CUSTOMER_VECTOR;
        err = folded ? fold_in(&t, d, profile) : take_given(&t, d, profile);
        if (err)
            return nbx_fault_set(fault, err, NULL, "the customer's vector cannot be made");
        if (t.vector) {
            *out = t;
            return NBX_OK;
        }
    }
    if (model && profile->known && nbx_model_describes_customers(model) &&
        (err = describe(out, d, profile)))
        return nbx_fault_set(fault, err, NULL, "the customer's attributes cannot be used");
    return NBX_OK;
}

enum nbx_err nbx_taste_need_history(struct nbx_taste *taste, const struct nbx_decide *d,
                                    const struct nbx_profile *profile)
{
    return taste->history.n ? NBX_OK : gather_history(taste, d, profile);
}

static enum nbx_reason reason_of(enum nbx_vector_from from)
{
    static const enum nbx_reason reasons[NBX_N_VECTOR_FROM] = {
        [NBX_VECTOR_QUERY] = NBX_REASON_QUERY_VECTOR,
        [NBX_VECTOR_GIVEN] = NBX_REASON_CUSTOMER_VECTOR,
        [NBX_VECTOR_FOLDED] = NBX_REASON_BECAUSE_OF_ITEMS,
        [NBX_VECTOR_DESCRIBED] = NBX_REASON_BECAUSE_OF_ATTRIBUTES};
    return reasons[from];
}

/* A blend's addends, from the history that was recorded with the vector. */
static enum nbx_err restore_addends(struct nbx_taste *t, const struct nbx_decide *d,
                                    const struct nbx_decision_record *record)
{
    uint32_t n = record->history.n;
    struct nbx_seen_item *items = nbx_arena_calloc(d->scope->arena, n, sizeof *items);
    if (!items)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct nbx_seen_item){.item_no = record->history.p[i],
                                          .weight = (double)record->history_weights[i]};
    enum nbx_err err = set_history(t, d, items, n);
    return err || n == 0 ? err : mix(t, d);
}

enum nbx_err nbx_taste_of_record(struct nbx_taste *out, const struct nbx_decide *d,
                                 const struct nbx_decision_record *record)
{
    const struct nbx_model *model = d->world->model;
    const struct nbx_decision_vector *v = &record->vector;
    *out = (struct nbx_taste){0};
    if (v->from == NBX_VECTOR_NONE)
        return NBX_OK;
    out->space = model ? nbx_model_space(model, v->space) : NULL;
    if (!out->space || out->space->dims != v->n)
        return NBX_ENOTFOUND;
    out->space_ix = (size_t)(out->space - nbx_model_space_at(model, 0));
    out->vector = v->p;
    out->reason = reason_of(v->from);
    return out->space->blend ? restore_addends(out, d, record) : NBX_OK;
}
