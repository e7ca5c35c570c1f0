/* SPDX-License-Identifier: MIT
 * Taste: the vector an answer is scored with, and the history it was folded from, if it was.
 *
 * Owns:    nothing: everything lives in the request's arena or in the model.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_EBAD naming `space` or `vector`; the store's; NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_DECIDE_TASTE_H
#define NBX_DECIDE_TASTE_H

#include "engine/decide/decide.h"

struct nbx_taste {
    const struct nbx_model_space *space; /* NULL: nothing to score with */
    size_t space_ix;
    const float *vector; /* (nbx_padded(space->dims)) */
    enum nbx_reason reason;
    bool cached;                   /* the vector came from the store */
    struct nbx_history history;    /* folded ones: (n) items the customer likes */
    const uint32_t *history_items; /* (history.n) item numbers */
    const uint32_t *history_rows;  /* (history.n) of a blend: the bundle's rows, or
                                      NBX_BLEND_NO_ROW; the history is then most recent first */
    struct nbx_addends addends;    /* of a blend */
};

/* The request's own vector, checked against the space it names and padded. */
enum nbx_err nbx_taste_of_query(struct nbx_taste *out, const struct nbx_decide *d,
                                const struct nbx_vector *vector, struct nbx_fault *fault);
/* The customer's: given, or folded in from the seen set, or where neither exists made from the
 * attributes, if the model knows what they mean. out->space is NULL where there is none. */
enum nbx_err nbx_taste_of_customer(struct nbx_taste *out, const struct nbx_decide *d,
                                   const struct nbx_profile *profile, struct nbx_fault *fault);
/* Of a blend: of somebody who took to that one item and nothing else. */
enum nbx_err nbx_taste_of_item(struct nbx_taste *out, const struct nbx_decide *d,
                               const struct nbx_model_space *space, uint32_t item_no);
/* The taste that a decision was made with. *out is without a space where it was none; NBX_ENOTFOUND
 * where the model has no such space. */
enum nbx_err nbx_taste_of_record(struct nbx_taste *out, const struct nbx_decide *d,
                                 const struct nbx_decision_record *record);
/* Stands for what a folded vector is made of, the model aside: what the customer did, and what
 * event types make of it. */
uint64_t nbx_taste_source(const struct nbx_decide *d, const struct nbx_profile *profile);
/* A taste's history as engine/score/blend.h takes it. */
struct nbx_blend_history nbx_taste_blend_history(const struct nbx_taste *taste);
/* Fills the history of a taste whose vector came from the cache, for explaining. */
enum nbx_err nbx_taste_need_history(struct nbx_taste *taste, const struct nbx_decide *d,
                                    const struct nbx_profile *profile);

#endif
