/* SPDX-License-Identifier: MIT */
#include "engine/decide/explain.h"

const char *nbx_source_name(enum nbx_source source)
{
    static const char *const names[] = {"personal", "similar", "trend", "popular", "newest"};
    return names[source];
}

const char *nbx_reason_name(enum nbx_reason reason)
{
    static const char *const names[] = {"because_of_items",
                                        "because_of_attributes",
                                        "customer_vector",
                                        "query_vector",
                                        "similar_to",
                                        "trending_in_channel",
                                        "trending",
                                        "popular",
                                        "newest"};
    return names[reason];
}

/* Keeps the largest shares, ties by the history's order. */
static void insert_share(struct nbx_choice *c, uint32_t item_no, float share)
{
    uint32_t at = c->n_because;
    while (at > 0 && c->because[at - 1].share < share)
        at--;
    if (at >= NBX_BECAUSE_MAX)
        return;
    uint32_t last = c->n_because < NBX_BECAUSE_MAX ? c->n_because++ : NBX_BECAUSE_MAX - 1;
    memmove(&c->because[at + 1], &c->because[at], (last - at) * sizeof *c->because);
    c->because[at] = (struct nbx_because){item_no, share};
}

static enum nbx_err explain_choice(struct nbx_choice *c, const struct nbx_decide *d,
                                   const struct nbx_taste *taste, float *shares)
{
    const float *y = nbx_model_item(d->world->model, taste->space_ix, c->item_no);
    const struct nbx_model_space *space = taste->space;
    struct nbx_blend_history history = nbx_taste_blend_history(taste);
    enum nbx_err err =
        space->blend
            ? nbx_blend_explain(space->blend, &history, y,
                                nbx_model_row(d->world->model, c->item_no), d->scope->arena, shares)
            : nbx_fold_in_explain(space->fold, &taste->history, y, d->scope->arena, shares);
    for (size_t i = 0; !err && i < taste->history.n; i++)
        if (shares[i] > 0 && c->score > 0)
            insert_share(c, taste->history_items[i],
                         shares[i] < c->score ? shares[i] / c->score : 1);
    return err;
}

enum nbx_err nbx_explain(struct nbx_decision *decision, const struct nbx_decide *d,
                         struct nbx_taste *taste, const struct nbx_profile *profile)
{
    if (!taste->space || taste->reason != NBX_REASON_BECAUSE_OF_ITEMS)
        return NBX_OK;
    enum nbx_err err = nbx_taste_need_history(taste, d, profile);
    float *shares = nbx_arena_calloc(d->scope->arena, taste->history.n, sizeof *shares);
    if (!err && !shares)
        err = NBX_ELIMIT;
    for (uint32_t i = 0; !err && i < decision->n; i++)
        if (decision->choices[i].source == NBX_SOURCE_PERSONAL)
            err = explain_choice(&decision->choices[i], d, taste, shares);
    return err;
}
