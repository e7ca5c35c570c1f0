/* SPDX-License-Identifier: MIT
 * What every kind of request needs: decode, tools, refusal. One request_<what>.c per kind.
 *
 * Threads: worker.
 */
#ifndef NBX_SERVE_REQUEST_H
#define NBX_SERVE_REQUEST_H

#include "engine/decide/record.h"
#include "engine/serve/reply.h"
#include "engine/serve/server_internal.h"

/* A request being served. */
struct nbx_request {
    struct nbx_worker *worker;
    struct nbx_job *job;
    struct nbx_customer_scope scope; /* by the clock of arrival */
    struct nbx_fault fault;
};

/* By the worker's tools and the clock of the job's arrival. */
struct nbx_request nbx_request_of(struct nbx_worker *worker, struct nbx_job *job);

/* Each answers one operation: fills job->reply through reply.h, or job as a refusal. */
void nbx_request_recommend(struct nbx_request *r); /* and rank */
void nbx_request_similar(struct nbx_request *r);
void nbx_request_observe(struct nbx_request *r);
void nbx_request_retract(struct nbx_request *r);
void nbx_request_customer_get(struct nbx_request *r);
void nbx_request_customer_put(struct nbx_request *r);
void nbx_request_customer_forget(struct nbx_request *r);
void nbx_request_customer_export(struct nbx_request *r);
void nbx_request_customer_link(struct nbx_request *r); /* and unlink */
void nbx_request_decision_get(struct nbx_request *r);
void nbx_request_item_get(struct nbx_request *r);
void nbx_request_hello(struct nbx_request *r);
void nbx_request_stats(struct nbx_request *r);
void nbx_request_log_heads(struct nbx_request *r);
void nbx_request_log_read(struct nbx_request *r);
void nbx_request_events_read(struct nbx_request *r);

/* What an operation does with one customer, be it all of the request or one of linked ones;
 * r->fault says why not. */
enum nbx_err nbx_request_retract_of(struct nbx_request *r, struct nbx_profile *profile,
                                    const struct nbx_retract_req *req, bool *found,
                                    struct nbx_retracted *done);
enum nbx_err nbx_request_forget_of(struct nbx_request *r, struct nbx_str id, bool linked,
                                   struct nbx_forgetting *done);

/* What became of events, into the worker's counters. */
void nbx_count_observed(struct nbx_worker *worker, const struct nbx_observed *observed);
/* The tools of deciding by the clock in `scope`. */
struct nbx_decide nbx_request_decide(const struct nbx_request *r,
                                     const struct nbx_customer_scope *scope);
/* Keeps the decision where context->req wants it kept; true: context->id is its id. A store that
 * cannot write does not keep anyone from being answered. */
bool nbx_request_record(struct nbx_worker *worker, const struct nbx_decide *d,
                        const struct nbx_decision *decision, struct nbx_decision_context *context);

#endif
