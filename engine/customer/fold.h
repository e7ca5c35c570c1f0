/* SPDX-License-Identifier: MIT
 * The fold: what a customer's events come to.
 *
 * Why:     state is a function of the events and of nothing else: each is decided once, when it is
 *          applied, and every sum and maximum here comes out the same in any order.
 * Owns:    nothing: entries live in the arena given.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_CUSTOMER_FOLD_H
#define NBX_CUSTOMER_FOLD_H

#include "engine/customer/seen.h"

#define NBX_TREND_AMOUNT_UNITS 1000.0 /* of an event's trend_amount in one unit of weight */

/* Sets what the event says of its item and what trends are given for it, by its type's class and
 * weight and its rating. type NULL, one no longer configured: it says nothing. */
void nbx_fold_decide(struct nbx_event_record *event, const struct nbx_event_type *type);

/* The event's part in a digest. An id stands for one body, so id and time say which event it was.
 */
uint64_t nbx_fold_term(const uint8_t id_hash[16], int64_t time_ms);

/* True if the event, its effect decided, has a part in the seen set. */
bool nbx_fold_is_seen(const struct nbx_event_record *event);

/* What events come to. {0}: no events. */
struct nbx_fold {
    struct nbx_seen_record seen;
    struct nbx_totals totals;
};
/* A copy that may be folded into and leaves what is stored alone. It has room for n_seen more
 * entries of the set; n_seen 0: the set is the stored one and must not change. */
enum nbx_err nbx_fold_copy(struct nbx_fold *out, const struct nbx_fold *stored, uint32_t n_seen,
                           struct nbx_arena *arena);
/* Adds an event whose effect is decided. NBX_ELIMIT leaves it half added. */
enum nbx_err nbx_fold_event(struct nbx_fold *fold, const struct nbx_event_record *event,
                            int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena);
/* Adds what `stored` holds and the events of `all` do not explain: what came of events that are no
 * longer kept. stored without totals is of version 1: then of its set the entries alone count. */
enum nbx_err nbx_fold_remainder(struct nbx_fold *fold, const struct nbx_fold *stored,
                                const struct nbx_fold *all, struct nbx_arena *arena);

#endif
