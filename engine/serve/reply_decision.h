/* SPDX-License-Identifier: MIT
 * A kept decision as replies show it: by itself, in what is held of a customer.
 *
 * Owns:    nothing: it is appended to the buffer.
 * Threads: the worker that owns the customer.
 * Errors:  a buffer that ran out of memory stays failed.
 */
#ifndef NBX_SERVE_REPLY_DECISION_H
#define NBX_SERVE_REPLY_DECISION_H

#include "engine/serve/request.h"

struct nbx_shown_decision {
    const struct nbx_request *r;
    struct nbx_decision_id id;
    const struct nbx_decision_record *record;
    struct nbx_str customer; /* empty: nobody in particular, or forgotten */
};

/* Appends the members of its map; the number of them: */
void nbx_reply_decision(struct nbx_buf *b, const struct nbx_shown_decision *decision);
uint32_t nbx_reply_n_decision(const struct nbx_shown_decision *decision);

#endif
