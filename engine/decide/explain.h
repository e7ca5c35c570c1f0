/* SPDX-License-Identifier: MIT
 * Explaining: which of the customer's own items a choice rests on, and by how much.
 *
 * Why:     shares and codes, never sentences: each channel words them for its own customers.
 *          Explaining changes nothing of the answer.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_DECIDE_EXPLAIN_H
#define NBX_DECIDE_EXPLAIN_H

#include "engine/decide/taste.h"

/* Fills `because` of the personal choices that rest on a folded vector. taste->space may be NULL.
 */
enum nbx_err nbx_explain(struct nbx_decision *decision, const struct nbx_decide *d,
                         struct nbx_taste *taste, const struct nbx_profile *profile);

#endif
