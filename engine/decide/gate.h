/* SPDX-License-Identifier: MIT
 * The gate: which items may be shown, as bits over item numbers.
 *
 * Owns:    nothing: the bits live in the request's arena and are the request's to change.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_EBAD naming the field; NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_DECIDE_GATE_H
#define NBX_DECIDE_GATE_H

#include "engine/decide/decide.h"

struct nbx_gate {
    uint64_t *bits; /* (n_words) one bit per item number */
    size_t n_words;
    const struct nbx_model_excerpt *excerpt; /* has all that may pass; NULL: none */
    struct nbx_item_numbers excluded;        /* known items of request->exclude */
};

/* What a request asks to be kept out or in. */
struct nbx_gate_request {
    struct nbx_offer offer;
    const struct nbx_value *filter;
    struct nbx_strs exclude;
    const struct nbx_profile *profile; /* NULL: nobody's dislikes count */
    bool exclude_seen;
};

/* Offered here and now, passing the filter, not excluded, not disliked, not seen where asked. */
enum nbx_err nbx_gate_open(struct nbx_gate *out, const struct nbx_decide *d,
                           const struct nbx_gate_request *request, struct nbx_fault *fault);

static inline bool nbx_gate_passes(const struct nbx_gate *g, uint32_t item_no)
{
    return item_no / 64 < g->n_words && (g->bits[item_no / 64] >> (item_no % 64) & 1);
}
static inline void nbx_gate_close(struct nbx_gate *g, uint32_t item_no)
{
    if (item_no / 64 < g->n_words)
        g->bits[item_no / 64] &= ~(UINT64_C(1) << (item_no % 64));
}
/* Leaves only those of the n items that pass already. */
enum nbx_err nbx_gate_keep_only(struct nbx_gate *g, const uint32_t *item_nos, size_t n,
                                struct nbx_arena *arena);

#endif
