/* SPDX-License-Identifier: MIT
 * Bodies of replies, as PROTOCOL.md has them.
 *
 * Owns:    nothing: everything is appended to the job's buffer.
 * Threads: the one that holds the job.
 * Errors:  a buffer that ran out of memory stays failed; nbx_reply_finish turns it into `limit`.
 */
#ifndef NBX_SERVE_REPLY_H
#define NBX_SERVE_REPLY_H

#include "engine/serve/mail.h"

/* Replaces whatever stands in the buffer by an error body. */
void nbx_reply_fault(struct nbx_job *job, const struct nbx_fault *fault,
                     const struct nbx_value *id);
/* Marks the reply as done: ok, or `limit` where it did not fit into memory. */
void nbx_reply_finish(struct nbx_job *job);
/* A map of n members, and one more for the echo of id unless that is nil. */
void nbx_reply_begin(struct nbx_job *job, uint32_t n, const struct nbx_value *id);

void nbx_reply_model(struct nbx_buf *b,
                     const struct nbx_world *world); /* key and {name, version} */
/* In the order sent, whoever found them: sorts (n) errors. */
void nbx_reply_errors(struct nbx_buf *b, struct nbx_entry_error *errors, uint32_t n);
/* {applied, duplicates, withheld?, held, seq, ids, errors}; ids and errors in the order sent. Sorts
 * observed->errors. The number of these members: */
uint32_t nbx_reply_n_observed(const struct nbx_observed *observed);
void nbx_reply_observed(struct nbx_buf *b, struct nbx_observed *observed,
                        const struct nbx_events *events);

/* The replies to retract and to customer.forget, whole. identities: how many were forgotten; 0: the
 * customer is not linked. */
void nbx_reply_retracted(struct nbx_job *job, const struct nbx_retracted *done,
                         const struct nbx_value *id);
void nbx_reply_forgotten(struct nbx_job *job, const struct nbx_forgetting *done,
                         uint32_t identities, const struct nbx_value *id);

/* A list's items with the fields wanted back. */
struct nbx_reply_list {
    const struct nbx_decide *d;
    const struct nbx_decision *decision;
    struct nbx_strs fields;
    bool explain;
    struct nbx_str similar_to; /* args of the reason similar_to */
    struct nbx_str channel;    /* args of trending_in_channel */
};
/* Before the items are put, and other work between: what is read of them comes into the cache. */
void nbx_reply_expect_items(const struct nbx_reply_list *list);
void nbx_reply_items(struct nbx_buf *b, const struct nbx_reply_list *list);

#endif
