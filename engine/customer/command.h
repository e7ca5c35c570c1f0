/* SPDX-License-Identifier: MIT
 * Commands: every change of a customer is one, and is committed with its entry in the log.
 *
 * Why:     what is stored follows from the log, so no change goes without its entry.
 * Owns:    nothing.
 * Threads: the worker that owns the group.
 * Errors:  the store's.
 */
#ifndef NBX_CUSTOMER_COMMAND_H
#define NBX_CUSTOMER_COMMAND_H

#include "engine/customer/customers_internal.h"
#include "engine/customer/rebuild.h"
#include "engine/store/log_record.h"

/* What was done, for nbx_customers__commit. */
struct nbx_command {
    struct nbx_log_record entry; /* without now, id and customer, which are filled in */
    struct nbx_str customer;     /* its id; empty: of nobody */
};

/* Adds the commands' entry and the group's counters to the batch and writes it: commands numbered
 * from `before` on. On failure the counters go back to `before`. The batch is empty afterwards. */
enum nbx_err nbx_customers__commit(const struct nbx_customer_scope *scope,
                                   struct nbx_command *command, struct nbx_group before);
/* Applies (n) events again as they are kept, whose numbers they keep too; profile NULL: of nobody,
 * kept under `group`. */
enum nbx_err nbx_observe__again(const struct nbx_customer_scope *scope, struct nbx_profile *profile,
                                uint8_t group, const struct nbx_kept_event *events, uint32_t n);
/* A customer.put as its entry has it: a body that the decoder of messages takes. NBX_ELIMIT. */
enum nbx_err nbx_command_of_put(struct nbx_command *out, const struct nbx_customer_put_req *req,
                                struct nbx_arena *arena);
/* Whether an entry of events has some that were held when they came. */
bool nbx_command_holds(const struct nbx_log_record *entry);
/* Adds to the batch what the customer's event, which is about to go, led to: so that whoever
 * forgets the customer finds its entry. last: the numbers of the entry mentioned last, from and to
 * before; {0} at first. */
enum nbx_err nbx_command_mention_event(const struct nbx_customer_scope *scope, uint64_t number,
                                       uint64_t seq, uint64_t last[2]);
/* Adds to the batch what leaves of the customer's entries only their places: found by the events
 * that are kept and by the mentions, so that it costs what the customer has. */
enum nbx_err nbx_command_forget(const struct nbx_customer_scope *scope, uint64_t number);

#endif
