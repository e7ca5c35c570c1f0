/* SPDX-License-Identifier: MIT
 * What a customers file says of the customers that a model is learnt from, or tried on.
 *
 * Owns:    copies of the texts.
 * Threads: one caller.
 * Errors:  those of the CSV reader; NBX_EBAD where there is no column id, or another is no name for
 *          an attribute (proto/PROTOCOL.md: 1 to 64 of A-Z a-z 0-9 _ . -) or one too many.
 *
 * A column id, and any others: attributes by name. A cell has a value, or several as a|b; an empty
 * one has none. Of two lines for a customer the last counts.
 */
#ifndef NBX_MODELS_ATTRIBUTES_CUSTOMERS_H
#define NBX_MODELS_ATTRIBUTES_CUSTOMERS_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "models/attributes/names.h"

struct nbx_customer_table {
    struct nbx_customer_facts *facts; /* (n_customers) of the caller's; empty where not known */
    bool *known;                      /* (n_customers) the file has the customer */
    size_t n_customers, n_known;
    struct nbx_arena *arena;
};

/* customer_ids (n_customers) unique. */
enum nbx_err nbx_customer_table_read(struct nbx_customer_table *out, const char *path,
                                     const struct nbx_str *customer_ids, size_t n_customers,
                                     struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_customer_table_fini(struct nbx_customer_table *table);

#endif
