/* SPDX-License-Identifier: MIT
 * Folders of older formats, brought to today's.
 *
 * Why:     what events of version 1 did is known to the vocabulary alone, so that the store cannot
 *          do it by itself when it is opened.
 * Owns:    nothing.
 * Threads: one, before any request.
 * Errors:  the store's. It can be stopped anywhere and begun again.
 */
#ifndef NBX_CUSTOMER_MIGRATE_H
#define NBX_CUSTOMER_MIGRATE_H

#include "engine/customer/customers.h"

/* Format 2: what a customer's records hold and the events that are kept do not explain becomes the
 * base, which later folds begin with; records of version 1 are written anew. One batch of some
 * customers. *group: 0 at first, then where to go on; who forgot begins with 0 again and loses
 * nothing. *done: there is no more, and the folder is of format 2. Empties scope->arena. */
enum nbx_err nbx_migrate_2(const struct nbx_customer_scope *scope, uint32_t *group, bool *done);

#endif
