/* SPDX-License-Identifier: MIT */
#include "engine/decide/gate.h"

#include "engine/customer/seen.h"
#include "engine/decide/excerpts.h"

static enum nbx_err open_offered(struct nbx_gate *out, const struct nbx_decide *d,
                                 const struct nbx_gate_request *request, struct nbx_fault *fault)
{
    struct nbx_passing passing;
    const struct nbx_catalog *catalog = d->world->catalog;
    enum nbx_err err =
        nbx_filter_pass(&passing, d->filters, catalog, &request->offer, request->filter, fault);
    if (err)
        return err;
    out->n_words = (nbx_catalog_rows(catalog) + 63) / 64;
    out->bits = nbx_arena_alloc(d->scope->arena, out->n_words * sizeof *out->bits);
    if (!out->bits)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory for this request");
    memcpy(out->bits, passing.bits, out->n_words * sizeof *out->bits);
    out->excerpt = nbx_excerpts_find(d, &passing, out->n_words * 64);
    return NBX_OK;
}

/* The filter that picks what a dislike of a whole brand or category reaches; false where the item
 * has neither. */
static bool scope_filter(struct nbx_value *out, struct nbx_member members[2],
                         const struct nbx_decide *d, const struct nbx_seen_item *item)
{
    bool brand = item->scope == NBX_SCOPE_BRAND;
    struct nbx_str field = brand ? NBX_STR("brand") : NBX_STR("categories");
    struct nbx_value value =
        nbx_catalog_field(d->world->catalog, item->item_no, field, d->scope->arena);
    if (value.type == NBX_NIL)
        return false;
    members[0] = (struct nbx_member){NBX_STR("field"), nbx_value_string(field)};
    members[1] = (struct nbx_member){brand ? NBX_STR("eq") : NBX_STR("in"), value};
    *out = (struct nbx_value){.type = NBX_MAP, .n = 2, .members = members};
    return true;
}

static enum nbx_err close_scope(struct nbx_gate *gate, const struct nbx_decide *d,
                                const struct nbx_offer *offer, const struct nbx_seen_item *item,
                                struct nbx_fault *fault)
{
    struct nbx_value filter;
    struct nbx_member members[2];
    if (item->scope == NBX_SCOPE_ITEM || !nbx_catalog_has(d->world->catalog, item->item_no) ||
        !scope_filter(&filter, members, d, item))
        return NBX_OK;
    struct nbx_passing reached;
    enum nbx_err err =
        nbx_filter_pass(&reached, d->filters, d->world->catalog, offer, &filter, fault);
    for (size_t w = 0; !err && w < gate->n_words; w++)
        gate->bits[w] &= ~reached.bits[w];
    return err;
}

static enum nbx_err close_history(struct nbx_gate *gate, const struct nbx_decide *d,
                                  const struct nbx_gate_request *request, struct nbx_fault *fault)
{
    struct nbx_seen_item item;
    uint32_t at = 0;
    while (nbx_seen_next(&request->profile->seen, d->world->vocabulary, d->scope->now_ms, &at,
                         &item)) {
        if (item.disliked || request->exclude_seen)
            nbx_gate_close(gate, item.item_no);
        enum nbx_err err =
            item.disliked ? close_scope(gate, d, &request->offer, &item, fault) : NBX_OK;
        if (err)
            return err;
    }
    return NBX_OK;
}

static enum nbx_err close_excluded(struct nbx_gate *gate, const struct nbx_decide *d,
                                   const struct nbx_strs *ids)
{
    uint32_t *numbers = nbx_arena_calloc(d->scope->arena, ids->n, sizeof *numbers);
    gate->excluded = (struct nbx_item_numbers){.p = numbers};
    for (uint32_t i = 0; numbers && i < ids->n; i++) {
        uint32_t no = nbx_ids_find(d->ids, ids->p[i]);
        nbx_gate_close(gate, no);
        if (no)
            numbers[gate->excluded.n++] = no;
    }
    return numbers ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_gate_open(struct nbx_gate *out, const struct nbx_decide *d,
                           const struct nbx_gate_request *request, struct nbx_fault *fault)
{
    const struct nbx_vocabulary *words = d->world->vocabulary;
    struct nbx_str channel = request->offer.channel;
    if (channel.len && !nbx_vocabulary_channel(words, channel))
        return nbx_fault_set(fault, NBX_EBAD, "channel", "unknown channel '%.*s', known: %s",
                             NBX_STR_ARG(channel), nbx_vocabulary_list_channels(words));
    enum nbx_err err = open_offered(out, d, request, fault);
    if (err)
        return err;
    if ((err = close_excluded(out, d, &request->exclude)))
        return nbx_fault_set(fault, err, NULL, "no memory for this request");
    return request->profile ? close_history(out, d, request, fault) : NBX_OK;
}

enum nbx_err nbx_gate_keep_only(struct nbx_gate *g, const uint32_t *item_nos, size_t n,
                                struct nbx_arena *arena)
{
    uint64_t *kept = nbx_arena_calloc(arena, g->n_words, sizeof *kept);
    if (!kept)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++)
        if (nbx_gate_passes(g, item_nos[i]))
            kept[item_nos[i] / 64] |= UINT64_C(1) << (item_nos[i] % 64);
    g->bits = kept;
    return NBX_OK;
}
