/* SPDX-License-Identifier: MIT */
#include "engine/serve/request.h"

#include "engine/base/check.h"

typedef void (*handler)(struct nbx_request *);

static const handler handlers[NBX_N_OPS] = {
    [NBX_OP_HELLO] = nbx_request_hello,
    [NBX_OP_RECOMMEND] = nbx_request_recommend,
    [NBX_OP_RANK] = nbx_request_recommend,
    [NBX_OP_SIMILAR] = nbx_request_similar,
    [NBX_OP_OBSERVE] = nbx_request_observe,
    [NBX_OP_CUSTOMER_GET] = nbx_request_customer_get,
    [NBX_OP_CUSTOMER_PUT] = nbx_request_customer_put,
    [NBX_OP_CUSTOMER_FORGET] = nbx_request_customer_forget,
    [NBX_OP_DECISION_GET] = nbx_request_decision_get,
    [NBX_OP_ITEM_GET] = nbx_request_item_get,
    [NBX_OP_STATS] = nbx_request_stats,
    [NBX_OP_RETRACT] = nbx_request_retract,
    [NBX_OP_LOG_HEADS] = nbx_request_log_heads,
    [NBX_OP_LOG_READ] = nbx_request_log_read,
    [NBX_OP_EVENTS_READ] = nbx_request_events_read,
    [NBX_OP_CUSTOMER_EXPORT] = nbx_request_customer_export,
    [NBX_OP_CUSTOMER_LINK] = nbx_request_customer_link,
    [NBX_OP_CUSTOMER_UNLINK] = nbx_request_customer_link,
};

struct nbx_request nbx_request_of(struct nbx_worker *w, struct nbx_job *job)
{
    return (struct nbx_request){
        .worker = w, .job = job, .scope = nbx_worker__scope(w, job->arrived_ms)};
}

struct nbx_decide nbx_request_decide(const struct nbx_request *r,
                                     const struct nbx_customer_scope *scope)
{
    return (struct nbx_decide){.world = r->worker->world,
                               .scope = scope,
                               .ids = r->worker->server->ids,
                               .filters = r->worker->filters,
                               .wish = &r->worker->wish};
}

void nbx_count_observed(struct nbx_worker *w, const struct nbx_observed *observed)
{
    nbx_count(&w->counters.events, observed->applied);
    nbx_count(&w->counters.duplicates, observed->duplicates);
    nbx_count(&w->counters.withheld, observed->withheld);
}

void nbx_request__serve(struct nbx_worker *w, struct nbx_job *job)
{
    struct nbx_request r = nbx_request_of(w, job);
    NBX_ASSERT(handlers[job->op->op]); /* the front sends the rest to keeper and fan-out */
    nbx_worker__due(w, job->group, job->arrived_ms);
    handlers[job->op->op](&r);
}
