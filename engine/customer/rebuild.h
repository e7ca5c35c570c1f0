/* SPDX-License-Identifier: MIT
 * A customer's state made anew from its base and the events that are kept.
 *
 * Why:     a maximum cannot be taken back, so what a retraction leaves is folded again.
 * Owns:    nothing: the fold lives in the scope's arena.
 * Threads: the worker that owns the customer.
 * Errors:  the store's; NBX_ECORRUPT: a key or record among the events makes no sense; NBX_ELIMIT
 *          where the arena is out.
 */
#ifndef NBX_CUSTOMER_REBUILD_H
#define NBX_CUSTOMER_REBUILD_H

#include "engine/customer/customers.h"
#include "engine/customer/fold.h"

/* An event as it is kept, its effect decided; borrowed until the visit is over. */
struct nbx_kept_event {
    struct nbx_event_record record;
    int64_t time_ms;
    uint8_t id_hash[16];
};

/* True: fold as if the event had never been. */
typedef bool (*nbx_event_drops)(void *context, const struct nbx_kept_event *event);

/* What events came to that are kept in the customer's base alone; {0} where there is none. */
enum nbx_err nbx_base_read(struct nbx_fold *out, const struct nbx_customer_scope *scope,
                           uint64_t number);
/* Folds the customer's base and then the events, oldest first, but those that are held and those
 * that `drops` (NULL: none, else asked of every one) is true of. */
enum nbx_err nbx_rebuild(struct nbx_fold *out, const struct nbx_customer_scope *scope,
                         uint64_t number, nbx_event_drops drops, void *context);
/* The same upon what `fold` holds in the base's place. */
enum nbx_err nbx_rebuild_upon(struct nbx_fold *fold, const struct nbx_customer_scope *scope,
                              uint64_t number, nbx_event_drops drops, void *context);
/* The seen set of the customer as it was when it had that digest, be it now or after any of the
 * events in the order in which they were applied. NBX_ENOTFOUND: of what it was then something was
 * retracted since, or lies in the base together with what came later. */
enum nbx_err nbx_rebuild_seen(struct nbx_seen_record *out, const struct nbx_customer_scope *scope,
                              uint64_t number, uint64_t digest);

#endif
