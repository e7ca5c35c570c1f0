/* SPDX-License-Identifier: MIT */
#include "engine/decide/decide.h"

#include "engine/decide/explain.h"
#include "engine/decide/gate.h"
#include "engine/decide/retrieve.h"
#include "engine/decide/taste.h"
#include "engine/score/approximate.h"
#include "engine/score/dot.h"

#include <math.h>

/* rank: closes the gate to all but the items named; ids nobody knows go to out->unknown. */
static enum nbx_err keep_only(struct nbx_decision *out, const struct nbx_decide *d,
                              const struct nbx_strs *ids, struct nbx_gate *gate)
{
    struct nbx_arena *arena = d->scope->arena;
    uint32_t *numbers = nbx_arena_calloc(arena, ids->n, sizeof *numbers);
    out->unknown = nbx_arena_calloc(arena, ids->n, sizeof *out->unknown);
    if (!numbers || !out->unknown)
        return NBX_ELIMIT;
    out->ranked.p = numbers;
    for (uint32_t i = 0; i < ids->n; i++) {
        uint32_t no = nbx_ids_find(d->ids, ids->p[i]);
        if (no && nbx_catalog_has(d->world->catalog, no))
            numbers[out->ranked.n++] = no;
        else
            out->unknown[out->n_unknown++] = ids->p[i];
    }
    return nbx_gate_keep_only(gate, numbers, out->ranked.n, arena);
}

static enum nbx_err check_fields(const struct nbx_decide *d, const struct nbx_strs *fields,
                                 struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < fields->n; i++) {
        if (nbx_catalog_knows_field(d->world->catalog, fields->p[i]))
            continue;
        struct nbx_buf known = {0};
        nbx_catalog_list_fields(d->world->catalog, &known);
        nbx_fault_set(fault, NBX_EBAD, "fields", "unknown field '%.*s', known: %.*s",
                      NBX_STR_ARG(fields->p[i]), (int)known.len, (const char *)known.p);
        nbx_buf_fini(&known);
        return NBX_EBAD;
    }
    return NBX_OK;
}

static enum nbx_err taste_for(struct nbx_taste *taste, const struct nbx_decide *d,
                              const struct nbx_recommend_req *req,
                              const struct nbx_profile *profile, struct nbx_fault *fault)
{
    *taste = (struct nbx_taste){0};
    if (req->vector.n)
        return nbx_taste_of_query(taste, d, &req->vector, fault);
    return nbx_taste_of_customer(taste, d, profile, fault);
}

/* A vector folded just now is worth keeping, unless it is not the model's alone. */
static void offer_to_cache(struct nbx_decision *out, const struct nbx_decide *d,
                           const struct nbx_taste *taste)
{
    bool folded = taste->space && taste->reason == NBX_REASON_BECAUSE_OF_ITEMS;
    if (!folded || taste->cached || nbx_model_has_own(d->world->model))
        return;
    out->fresh_vector = taste->vector;
    out->fresh_space = taste->space->name;
    out->fresh_dims = (uint32_t)taste->space->dims;
}

/* A customer on the way through gate, taste and list. */
struct way {
    struct nbx_decide_entry *entry;
    struct nbx_gate gate;
    struct nbx_taste taste;
    struct nbx_list list;
};

static enum nbx_err no_memory(struct nbx_fault *fault, enum nbx_err err)
{
    return nbx_fault_set(fault, err, NULL, "no memory for this request");
}

/* How much of the exact answer will do: as the request says, else as its placement does. Items that
 * the caller brings are scored one by one, which is exact. */
static void set_reach(struct way *w, const struct nbx_decide *d,
                      const struct nbx_recommend_req *req)
{
    struct nbx_decision *decision = &w->entry->decision;
    float recall =
        req->recall > 0 ? req->recall : nbx_vocabulary_recall(d->world->vocabulary, req->placement);
    decision->approximate = recall < 1;
    if (w->taste.space && !req->items.n)
        w->list.reach = nbx_approximation_reach(w->taste.space->index, recall, &decision->recall);
}

static enum nbx_err begin_way(struct way *w, const struct nbx_decide *d,
                              const struct nbx_recommend_req *req)
{
    const struct nbx_profile *profile = w->entry->profile;
    struct nbx_fault *fault = &w->entry->fault;
    struct nbx_gate_request asked = {
        .offer = {.channel = req->channel, .store = req->store, .now_ms = d->scope->now_ms},
        .filter = req->filter,
        .exclude = req->exclude,
        .profile = profile,
        .exclude_seen = req->exclude_seen};
    w->entry->decision = (struct nbx_decision){.recall = 1};
    w->list = (struct nbx_list){.d = d,
                                .gate = &w->gate,
                                .taste = &w->taste,
                                .room = req->n,
                                .distinct = req->distinct_group};
    enum nbx_err err;
    if ((err = check_fields(d, &req->fields, fault)) ||
        (err = nbx_gate_open(&w->gate, d, &asked, fault)) ||
        (err = taste_for(&w->taste, d, req, profile, fault)))
        return err;
    set_reach(w, d, req);
    if ((req->items.n && (err = keep_only(&w->entry->decision, d, &req->items, &w->gate))) ||
        (err = nbx_list_init(&w->list)))
        return no_memory(fault, err);
    return NBX_OK;
}

static enum nbx_err end_way(struct way *w, const struct nbx_decide *d,
                            const struct nbx_recommend_req *req)
{
    struct nbx_decision *out = &w->entry->decision;
    uint16_t channel_no = nbx_vocabulary_channel(d->world->vocabulary, req->channel);
    enum nbx_err err = nbx_list_fill_fallbacks(&w->list, channel_no);
    out->choices = w->list.choices;
    out->n = w->list.n;
    out->partial = w->list.partial;
    out->recall = w->list.partial ? out->recall : 1;
    out->taste = &w->taste;
    out->excluded = w->gate.excluded;
    if (!err && req->explain)
        err = nbx_explain(out, d, &w->taste, w->entry->profile);
    if (err)
        return no_memory(&w->entry->fault, err);
    offer_to_cache(out, d, &w->taste);
    return NBX_OK;
}

/* The personal part of the lists (n): by one pass over all items, or of a few items by each. */
static enum nbx_err fill_personal(struct nbx_list *const *lists, size_t n, bool few)
{
    enum nbx_err err = NBX_OK;
    if (!few)
        return nbx_lists_fill_by_score(lists, n, NBX_SOURCE_PERSONAL, false);
    for (size_t i = 0; !err && i < n; i++)
        if (lists[i]->taste->space)
            err = nbx_list_fill_one_by_one(lists[i]);
    return err;
}

/* All of those on their way (n), or none where memory is out. */
static enum nbx_err walk(struct way *ways, size_t n, const struct nbx_decide *d,
                         const struct nbx_recommend_req *req)
{
    struct nbx_list **lists = nbx_arena_calloc(d->scope->arena, n, sizeof(struct nbx_list *));
    size_t n_lists = 0;
    if (!lists)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        enum nbx_err err = begin_way(&ways[i], d, req);
        if (!err)
            lists[n_lists++] = &ways[i].list;
        else if (!ways[i].entry->fault.code)
            no_memory(&ways[i].entry->fault, err);
    }
    return n_lists ? fill_personal(lists, n_lists, req->items.n > 0) : NBX_OK;
}

void nbx_decide_many(struct nbx_decide_entry *entries, size_t n, const struct nbx_decide *d,
                     const struct nbx_recommend_req *req)
{
    struct way *ways = nbx_arena_calloc(d->scope->arena, n, sizeof *ways);
    for (size_t i = 0; i < n; i++) {
        entries[i].fault = (struct nbx_fault){0};
        if (ways)
            ways[i].entry = &entries[i];
    }
    enum nbx_err err = ways ? walk(ways, n, d, req) : NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        if (err)
            no_memory(&entries[i].fault, err);
        else if (!entries[i].fault.code)
            end_way(&ways[i], d, req);
    }
}

enum nbx_err nbx_decide_recommend(struct nbx_decision *out, const struct nbx_decide *d,
                                  const struct nbx_recommend_req *req,
                                  const struct nbx_profile *profile, struct nbx_fault *fault)
{
    struct nbx_decide_entry entry = {.profile = profile};
    nbx_decide_many(&entry, 1, d, req);
    *out = entry.decision;
    if (entry.fault.code)
        *fault = entry.fault;
    return entry.fault.code;
}

enum nbx_err nbx_decide_check(const struct nbx_decide *d, const struct nbx_recommend_req *req,
                              struct nbx_fault *fault)
{
    struct nbx_gate_request asked = {
        .offer = {.channel = req->channel, .store = req->store, .now_ms = d->scope->now_ms},
        .filter = req->filter};
    struct nbx_gate gate;
    struct nbx_taste taste;
    enum nbx_err err;
    if ((err = check_fields(d, &req->fields, fault)) ||
        (err = nbx_gate_open(&gate, d, &asked, fault)))
        return err;
    return req->vector.n ? nbx_taste_of_query(&taste, d, &req->vector, fault) : NBX_OK;
}

/* The item's own vector, of length 1, as the taste, or of a blend whoever took to it; nothing where
 * it has none. */
static enum nbx_err taste_of_item(struct nbx_taste *taste, const struct nbx_decide *d,
                                  uint32_t item_no, struct nbx_fault *fault)
{
    const struct nbx_model *model = d->world->model;
    *taste = (struct nbx_taste){0};
    for (size_t s = 0; model && s < nbx_model_n_spaces(model); s++) {
        const struct nbx_model_space *space = nbx_model_space_at(model, s);
        const float *y = nbx_model_item(model, s, item_no);
        if (!y)
            continue;
        if (space->blend)
            return nbx_taste_of_item(taste, d, space, item_no);
        struct nbx_vector v = {.p = y, .n = (uint32_t)space->dims, .space = space->name};
        enum nbx_err err = nbx_taste_of_query(taste, d, &v, fault);
        taste->reason = NBX_REASON_SIMILAR_TO;
        return err;
    }
    return NBX_OK;
}

/* The taste's vector at length 1, so that the list's scores are cosines. */
static enum nbx_err make_unit(struct nbx_taste *taste, struct nbx_arena *arena)
{
    size_t padded = nbx_padded(taste->space->dims);
    float norm = sqrtf(nbx_dot(taste->vector, taste->vector, padded));
    float *unit = nbx_arena_floats(arena, padded);
    if (!unit)
        return NBX_ELIMIT;
    for (size_t i = 0; i < padded; i++)
        unit[i] = norm > 0 ? taste->vector[i] / norm : 0;
    taste->vector = unit;
    return NBX_OK;
}

static enum nbx_err fill_similar(struct nbx_decision *out, const struct nbx_decide *d, uint32_t n,
                                 struct nbx_gate *gate, struct nbx_taste *taste)
{
    struct nbx_list list = {.d = d, .gate = gate, .taste = taste, .room = n};
    struct nbx_list *const lists[] = {&list};
    bool by_angle = !taste->history.n; /* not of a blend's item */
    enum nbx_err err = nbx_list_init(&list);
    if (!err && taste->space && by_angle)
        err = make_unit(taste, d->scope->arena);
    if (err || (err = nbx_lists_fill_by_score(lists, 1, NBX_SOURCE_SIMILAR, by_angle)) ||
        (err = nbx_list_fill_fallbacks(&list, 0)))
        return err;
    out->choices = list.choices;
    out->n = list.n;
    return NBX_OK;
}

enum nbx_err nbx_decide_similar(struct nbx_decision *out, const struct nbx_decide *d,
                                const struct nbx_similar_req *req, struct nbx_fault *fault)
{
    *out = (struct nbx_decision){0};
    struct nbx_gate_request asked = {.offer = {.now_ms = d->scope->now_ms}, .filter = req->filter};
    struct nbx_gate gate;
    struct nbx_taste taste;
    enum nbx_err err;
    if ((err = check_fields(d, &req->fields, fault)) ||
        (err = nbx_gate_open(&gate, d, &asked, fault)))
        return err;
    if (req->item.len) {
        uint32_t no = nbx_ids_find(d->ids, req->item);
        if (!no || !nbx_catalog_has(d->world->catalog, no))
            return nbx_fault_set(fault, NBX_ENOTFOUND, "item", "no item '%.*s'",
                                 NBX_STR_ARG(req->item));
        nbx_gate_close(&gate, no);
        err = taste_of_item(&taste, d, no, fault);
    } else {
        err = nbx_taste_of_query(&taste, d, &req->vector, fault);
    }
    if (err)
        return err;
    err = fill_similar(out, d, req->n, &gate, &taste);
    return err ? nbx_fault_set(fault, err, NULL, "no memory for this request") : NBX_OK;
}
