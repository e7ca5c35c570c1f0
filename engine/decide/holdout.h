/* SPDX-License-Identifier: MIT
 * The holdout: what recent customers took to last, and what they had taken to before.
 *
 * Why:     whether a new model is better than the one in service is asked of those who are here
 *          now.
 * Owns:    its cases.
 * Threads: any, beside the workers: records are read where they lie, past their owners' copies.
 * Errors:  the store's; NBX_ELIMIT where memory is out. What is damaged is passed over.
 *
 * Customers are drawn from those of whom events came last, over all groups. Who withdrew `train` or
 * `profile`, or is one person with somebody who did, is left out; linked identities are one case.
 * Held out is the item that was liked last, of those the catalogue has; the rest is the history
 * that an answer would have been made of at that moment, with the weights of then.
 */
#ifndef NBX_DECIDE_HOLDOUT_H
#define NBX_DECIDE_HOLDOUT_H

#include "engine/catalog/catalog.h"
#include "engine/customer/customers.h"
#include "engine/model/accept.h"

#include <stddef.h>
#include <stdint.h>

/* A hit rate of NBX_ACCEPT_CASES is known to within some 3 hundredths. */
#define NBX_HOLDOUT_LOOKED  (4 * NBX_ACCEPT_CASES) /* customers that are looked at for them */
#define NBX_HOLDOUT_ENTRIES 64   /* of each group's log, the newest, that say who they may be */
#define NBX_HOLDOUT_HISTORY 1000 /* items of a history, those liked last */

struct nbx_holdout {
    struct nbx_accept_case *cases; /* (n) as drawn: the first few of them are a sample too */
    size_t n;
    struct nbx_arena *arena; /* all of it */
};

struct nbx_holdout_source {
    struct nbx_customers *customers;
    const struct nbx_vocabulary *vocabulary;
    const struct nbx_catalog *catalog; /* without items: any item may be held out */
    int64_t now_ms;
};

/* The same state at the same clock gives the same cases. out is to be freed after an error too. */
enum nbx_err nbx_holdout_read(struct nbx_holdout *out, const struct nbx_holdout_source *source);
void nbx_holdout_free(struct nbx_holdout *holdout);

#endif
