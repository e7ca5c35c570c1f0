/* SPDX-License-Identifier: MIT
 * The decision record: what was answered, to whom, with what.
 *
 * Owns:    nothing.
 * Threads: the worker that owns the customer.
 * Errors:  the store's.
 */
#ifndef NBX_DECIDE_RECORD_H
#define NBX_DECIDE_RECORD_H

#include "engine/decide/decide.h"

/* Everything of the answer that is not in the decision itself. */
struct nbx_decision_context {
    struct nbx_decision_id id;
    const struct nbx_recommend_req *req;
    const struct nbx_profile *profile;
    int64_t time_ms; /* when it was answered; d->scope->now_ms is the clock it was answered with */
};

/* Adds the record, and the fresh vector where there is one, to d->scope->batch and writes it. */
enum nbx_err nbx_decision_write(const struct nbx_decide *d, const struct nbx_decision *decision,
                                const struct nbx_decision_context *context);

#endif
