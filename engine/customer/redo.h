/* SPDX-License-Identifier: MIT
 * Doing again what the log says was done to customers: into a fresh store, by the same code that
 * did it first.
 *
 * Why:     state is what the commands come to; this is how that is shown, and how it is made anew.
 * Owns:    nothing: everything is the caller's.
 * Threads: one; nobody else uses the scope's customers meanwhile.
 * Errors:  the stores'; NBX_EBAD: the entry asks for what the settings no longer know.
 */
#ifndef NBX_CUSTOMER_REDO_H
#define NBX_CUSTOMER_REDO_H

#include "engine/customer/customers.h"
#include "engine/store/log_record.h"

/* One entry to be done again. */
struct nbx_redo {
    const struct nbx_customer_scope *scope; /* over the fresh store; now_ms is ignored, the arena
                                               is the caller's to empty */
    const struct nbx_store *from;           /* where the events are kept */
    uint16_t group;
    uint64_t seq; /* of the entry's first command */
    const struct nbx_log_record *entry;
    struct nbx_str customer; /* its id; empty for events of nobody, and for entries of kind gone */
};

/* Does it: the fresh store then has the entry, what it changed, and the group's number behind it.
 * Entries of a group come in order, all of them. *absent: events that are kept no longer, which
 * were left out; where they were not retracted, what the customer comes to is not whole. */
enum nbx_err nbx_redo(const struct nbx_redo *redo, uint32_t *absent, struct nbx_fault *fault);

#endif
