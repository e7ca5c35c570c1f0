/* SPDX-License-Identifier: MIT
 * A kept event as replies show it: in a customer's history, as the outcome of a decision.
 *
 * Owns:    nothing: it is appended to the buffer.
 * Threads: the worker that owns the customer.
 * Errors:  a buffer that ran out of memory stays failed.
 */
#ifndef NBX_SERVE_REPLY_EVENT_H
#define NBX_SERVE_REPLY_EVENT_H

#include "engine/serve/request.h"

/* Appends a map of the members that the event had; identity: by which of linked ones it came, where
 * that is to be said, else empty. */
void nbx_reply_event(struct nbx_buf *b, const struct nbx_request *r, struct nbx_str identity,
                     int64_t time_ms, const struct nbx_event_record *e);
/* Whose event it is: the person's id, and by which of linked identities it came, where that is
 * another; else empty. */
struct nbx_event_owner {
    struct nbx_str customer, identity;
};
/* The same with its owner, and with what it says of the item. */
void nbx_reply_owned_event(struct nbx_buf *b, const struct nbx_request *r,
                           const struct nbx_event_owner *owner, int64_t time_ms,
                           const struct nbx_event_record *e);
/* The same with what nbx noted of it: when it arrived, its sequence number, what it says of the
 * item, what trends were given. */
void nbx_reply_whole_event(struct nbx_buf *b, const struct nbx_request *r, int64_t time_ms,
                           const struct nbx_event_record *e);

#endif
