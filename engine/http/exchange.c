/* SPDX-License-Identifier: MIT */
#include "engine/http/exchange.h"

#include "engine/base/check.h"
#include "engine/http/routes.h"
#include "engine/http/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A body longer than allowed is read to its end and thrown away, so that its sender reads the
 * refusal; beyond this many times the limit the connection is closed. */
#define MAX_OVERLONG 16

struct exchange {
    struct nbx_http_call call; /* first: `done` gets its address */
    struct nbx_http_shared *shared;
    struct MHD_Connection *connection;
    const struct nbx_http_route *route; /* NULL: refused */
    struct nbx_buf body;                /* JSON in, then JSON out */
    size_t n_seen, n_budgeted;          /* bytes of the request's body */
    unsigned code;                      /* 0 while undecided */
    const char *allow;                  /* the Allow header, or NULL */
    struct nbx_fault fault;             /* why `code` refuses */
    bool sent;                          /* to the bridge */
};

/* the answer */

static enum MHD_Result answer(struct exchange *x)
{
    if (x->body.failed) {
        nbx_buf_fini(&x->body);
        x->body = (struct nbx_buf){0};
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(x->body.len, x->body.p, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (x->allow)
        MHD_add_response_header(response, "Allow", x->allow);
    if (x->code == MHD_HTTP_SERVICE_UNAVAILABLE || x->code == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(response, "Retry-After", "1");
    enum MHD_Result queued = MHD_queue_response(x->connection, x->code, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct exchange *x, unsigned code)
{
    x->code = code;
    nbx_http_error_body(&x->body, &x->fault);
    return answer(x);
}

static enum MHD_Result refuse_because(struct exchange *x, enum nbx_err err, unsigned code,
                                      const char *message)
{
    nbx_fault_set(&x->fault, err, NULL, "%s", message);
    return refuse(x, code);
}

/* beginning */

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return type && strncasecmp(type, json, n) == 0 && strchr("; \t", type[n]);
}

static void check_headers(struct exchange *x)
{
    if (x->route->kind != NBX_HTTP_CALL)
        return;
    const char *type = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Type");
    if (is_json(type))
        return;
    x->code = MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
    nbx_fault_set(&x->fault, NBX_EBAD, NULL,
                  "the body must be JSON: send the header Content-Type: application/json");
}

static void refuse_length(struct exchange *x)
{
    x->code = MHD_HTTP_CONTENT_TOO_LARGE;
    nbx_fault_set(&x->fault, NBX_ELIMIT, NULL, "the body may have %zu bytes",
                  x->shared->max_body_bytes);
}

static uintmax_t declared_length(const struct exchange *x)
{
    const char *length =
        MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Length");
    return length ? strtoumax(length, NULL, 10) : 0;
}

static enum MHD_Result begin(struct nbx_http_shared *shared, struct MHD_Connection *connection,
                             const char *url, const char *method, void **state)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return MHD_NO;
    x->shared = shared;
    x->connection = connection;
    pthread_mutex_lock(&shared->mutex);
    shared->n_open++;
    pthread_mutex_unlock(&shared->mutex);
    *state = x;
    x->route = nbx_http_route_find(url, method, &x->code, &x->allow, &x->fault);
    if (x->route)
        check_headers(x);
    size_t max = shared->max_body_bytes;
    uintmax_t length = declared_length(x);
    if (length > max)
        refuse_length(x);
    /* Before the body: the connection then closes, and its sender may read nothing at all. */
    return length / MAX_OVERLONG > max ? refuse(x, x->code) : MHD_YES;
}

/* the body */

static enum nbx_err keep(struct exchange *x, const char *p, size_t n)
{
    struct nbx_budget *budget = x->shared->budget;
    if (budget && nbx_budget_take(budget, n))
        return nbx_fault_set(&x->fault, NBX_ELIMIT, NULL, "memory is short");
    x->n_budgeted += budget ? n : 0;
    nbx_buf_put(&x->body, p, n);
    return x->body.failed ? nbx_fault_set(&x->fault, NBX_ELIMIT, NULL, "out of memory") : NBX_OK;
}

static enum MHD_Result take_body(struct exchange *x, const char *p, size_t n)
{
    size_t max = x->shared->max_body_bytes;
    x->n_seen += n;
    if (x->n_seen > max) {
        refuse_length(x);
        nbx_buf_clear(&x->body);
        return x->n_seen / MAX_OVERLONG > max ? MHD_NO : MHD_YES;
    }
    if (!x->code && keep(x, p, n))
        x->code = MHD_HTTP_TOO_MANY_REQUESTS;
    return MHD_YES;
}

/* the call */

static void resume(struct nbx_http_call *call)
{
    MHD_resume_connection(((struct exchange *)call)->connection);
}

static enum MHD_Result send_call(struct exchange *x)
{
    x->call.op = x->route->op;
    x->call.done = resume;
    x->sent = true;
    /* From here until `done` the exchange is the bridge's. */
    MHD_suspend_connection(x->connection);
    if (!nbx_http_bridge_send(x->shared->bridge, &x->call)) {
        x->call.outcome = NBX_HTTP_CLOSED;
        MHD_resume_connection(x->connection);
    }
    return MHD_YES;
}

static enum MHD_Result serve(struct exchange *x)
{
    if (x->code)
        return refuse(x, x->code);
    struct nbx_str text = {(const char *)x->body.p, (uint32_t)x->body.len};
    if (x->route->kind == NBX_HTTP_HEALTHY) {
        nbx_buf_clear(&x->body);
        nbx_buf_printf(&x->body, "{\"status\":\"ok\"}");
        x->code = MHD_HTTP_OK;
        return answer(x);
    }
    if (x->route->kind == NBX_HTTP_READY)
        text = NBX_STR("{}");
    enum nbx_err err =
        nbx_http_translate_request(&x->call.request, &x->call.key, text, x->route->takes_customer,
                                   x->shared->arena, &x->fault);
    nbx_arena_reset(x->shared->arena);
    if (err)
        return refuse(x, nbx_http_code(nbx_str_c(nbx_err_status(err)), true));
    return send_call(x);
}

static enum MHD_Result finish(struct exchange *x)
{
    switch (x->call.outcome) {
    case NBX_HTTP_TIMED_OUT:
        nbx_fault_set(&x->fault, NBX_EBUSY, NULL, "no reply within %u ms", x->shared->timeout_ms);
        return refuse(x, MHD_HTTP_GATEWAY_TIMEOUT);
    case NBX_HTTP_NOT_SENT:
        return refuse_because(x, NBX_EBUSY, MHD_HTTP_SERVICE_UNAVAILABLE, "the queue is full");
    case NBX_HTTP_CLOSED:
        return refuse_because(x, NBX_EBUSY, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down");
    case NBX_HTTP_REPLIED: break;
    case NBX_HTTP_UNDECIDED: NBX_ASSERT(!"resumed without an outcome");
    }
    const struct nbx_buf *reply = &x->call.reply;
    if (reply->failed)
        return refuse_because(x, NBX_ELIMIT, MHD_HTTP_TOO_MANY_REQUESTS, "out of memory");
    x->code = nbx_http_translate_reply(
        &x->body, nbx_str_c(x->call.status),
        (struct nbx_str){(const char *)reply->p, (uint32_t)reply->len}, x->shared->arena);
    struct nbx_str json = {(const char *)x->body.p, (uint32_t)x->body.len};
    if (x->route->kind == NBX_HTTP_READY && x->code == MHD_HTTP_OK &&
        !nbx_http_says_ready(json, x->shared->arena))
        x->code = MHD_HTTP_SERVICE_UNAVAILABLE;
    nbx_arena_reset(x->shared->arena);
    return answer(x);
}

/* NOLINTNEXTLINE(readability-function-size): the signature is libmicrohttpd's */
enum MHD_Result nbx_http_exchange_step(void *cls, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload, size_t *upload_len, void **state)
{
    (void)version;
    struct exchange *x = *state;
    if (!x)
        return begin(cls, connection, url, method, state);
    if (*upload_len > 0) {
        size_t n = *upload_len;
        *upload_len = 0;
        return take_body(x, upload, n);
    }
    return x->sent ? finish(x) : serve(x);
}

void nbx_http_exchange_end(void *cls, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    (void)connection;
    (void)code;
    struct nbx_http_shared *shared = cls;
    struct exchange *x = *state;
    if (!x)
        return;
    *state = NULL;
    if (shared->budget)
        nbx_budget_give(shared->budget, x->n_budgeted);
    nbx_buf_fini(&x->body);
    nbx_buf_fini(&x->call.request);
    nbx_buf_fini(&x->call.reply);
    free(x);
    pthread_mutex_lock(&shared->mutex);
    if (--shared->n_open == 0)
        pthread_cond_broadcast(&shared->idle);
    pthread_mutex_unlock(&shared->mutex);
}
