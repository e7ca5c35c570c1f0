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

/* True if the event has a part in the seen set. */
bool nbx_fold_is_seen(const struct nbx_event_record *event);
/* Adds such an event, its effect decided, to the set and its digest. NBX_ELIMIT: neither changed.
 */
enum nbx_err nbx_fold_seen(struct nbx_seen_record *seen, const struct nbx_event_record *event,
                           int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena);

#endif
