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

/* Whether an event whose effect is decided has a part in the seen set. */
bool nbx_fold_is_seen(const struct nbx_event_record *event);

/* What events come to. {0}: no events. */
struct nbx_fold {
    struct nbx_seen_record seen; /* but for what waits */
    struct nbx_totals totals;
    struct nbx_seen_entry *waiting; /* (n_waiting) of (cap_waiting): joined many at a time */
    uint32_t n_waiting, cap_waiting;
    bool seen_changed; /* an event had a part in the set */
};
/* Begins with what is stored, which stays as it is. */
enum nbx_err nbx_fold_begin(struct nbx_fold *out, const struct nbx_seen_record *seen,
                            const struct nbx_totals *totals, struct nbx_arena *arena);
/* Adds an event whose effect is decided. An error leaves the fold of no use. */
enum nbx_err nbx_fold_event(struct nbx_fold *fold, const struct nbx_event_record *event,
                            int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena);
/* After the last event: the set is whole. */
enum nbx_err nbx_fold_end(struct nbx_fold *fold, struct nbx_arena *arena);
/* What `stored` holds and the events of `all` do not explain: what came of events that were kept no
 * longer when there were no bases. stored without totals is of version 1: then of its set the
 * entries alone count. */
enum nbx_err nbx_fold_remainder(struct nbx_fold *out, const struct nbx_fold *stored,
                                const struct nbx_fold *all, struct nbx_arena *arena);
/* Whether it is that of no events. */
bool nbx_fold_is_empty(const struct nbx_fold *fold);

#endif
