/* SPDX-License-Identifier: MIT
 * Retrieval: the best items that pass the gate, then the fallbacks until the list is full.
 *
 * Owns:    nothing: the list lives in the request's arena.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_DECIDE_RETRIEVE_H
#define NBX_DECIDE_RETRIEVE_H

#include "engine/decide/gate.h"
#include "engine/decide/taste.h"

/* A list being filled. Every item taken closes its bit in the gate. */
struct nbx_list {
    const struct nbx_decide *d;
    struct nbx_gate *gate;
    const struct nbx_taste *taste; /* space NULL: nothing to score with */
    struct nbx_choice *choices;    /* (n) of (room) */
    uint32_t n, room;
    bool distinct;    /* one item per group */
    uint32_t *groups; /* (n_groups) open addressing over group numbers, 0 free */
    uint32_t n_groups;
    bool drained; /* the search has nothing left for it */
    bool partial; /* a search was content with less than all: reach */
    float reach;  /* of the search, see engine/score/search.h; 0: exact */
};

/* d, gate, taste, room, distinct and reach are the caller's to set; the rest zeros. */
enum nbx_err nbx_list_init(struct nbx_list *list);
/* The best by each list's taste, source `source`: one pass over the items for all of them
 * (n, at least 1). by_angle: scores are cosines. */
enum nbx_err nbx_lists_fill_by_score(struct nbx_list *const *lists, size_t n,
                                     enum nbx_source source, bool by_angle);
/* As above for a short list: scores just the items that the gate still passes, one by one. */
enum nbx_err nbx_list_fill_one_by_one(struct nbx_list *list);
/* Adds an item that somebody else chose; false, and nothing is added, where the gate does not pass
 * it or its group stands in the list. */
bool nbx_list_admit(struct nbx_list *list, const struct nbx_choice *choice);
/* Trend in the channel (0: none named), trend overall, popular, newest, until the list is full.
 * Rankings follow the catalogue with a pause; items that are newer than they are found all the
 * same. */
enum nbx_err nbx_list_fill_fallbacks(struct nbx_list *list, uint16_t channel_no);

#endif
