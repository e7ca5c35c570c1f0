/* SPDX-License-Identifier: MIT */
#include "proto/client/ask.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <time.h>

#define MAX_PAUSE_MS 1000
#define NS_PER_MS    1000000
#define NS_PER_S     1000000000

enum nbx_err nbx_ask_no_reply(const char *endpoint, int timeout_ms, enum nbx_err err,
                              struct nbx_fault *fault)
{
    if (err == NBX_EBUSY)
        return nbx_fault_set(fault, err, NULL,
                             "no reply from %s within %d ms; is nbxd running there?", endpoint,
                             timeout_ms);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, NULL, "what answers at %s is not nbxd", endpoint);
    return nbx_fault_set(fault, err, NULL, "the request could not be made");
}

enum nbx_err nbx_ask_error_of(struct nbx_str status)
{
    for (int code = NBX_EBAD; code >= NBX_EVERSION; code--)
        if (nbx_str_is(status, nbx_err_status((enum nbx_err)code)))
            return (enum nbx_err)code;
    return NBX_EINTERNAL;
}

int64_t nbx_ask_pause_ms(uint32_t n_tries)
{
    int64_t ms = n_tries < 8 ? INT64_C(10) << (n_tries - 1) : MAX_PAUSE_MS;
    return ms < MAX_PAUSE_MS ? ms : MAX_PAUSE_MS;
}

static struct nbx_str text_of(const struct nbx_reply *reply, const char *key)
{
    const struct nbx_value *v = nbx_value_get(&reply->body, key);
    return v && v->type == NBX_STRING ? v->s : (struct nbx_str){0};
}

static enum nbx_err take_refusal(const struct nbx_reply *reply, struct nbx_fault *fault)
{
    nbx_fault_set(fault, nbx_ask_error_of(reply->status), NULL, "%.*s",
                  NBX_STR_ARG(text_of(reply, "message")));
    snprintf(fault->field, sizeof fault->field, "%.*s", NBX_STR_ARG(text_of(reply, "field")));
    return fault->code;
}

enum nbx_err nbx_ask_ok(const struct nbx_asking *a, const char *op, const struct nbx_buf *body,
                        struct nbx_reply *reply, struct nbx_fault *fault)
{
    struct nbx_request request = {.op = op, .body = {(const char *)body->p, (uint32_t)body->len}};
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)a->timeout_ms * NS_PER_MS;
    if (body->failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    for (uint32_t n_tries = 1;; n_tries++) {
        nbx_arena_reset(a->arena);
        enum nbx_err err = nbx_client_call(a->client, &request, a->timeout_ms, a->arena, reply);
        if (err)
            return nbx_ask_no_reply(a->endpoint, a->timeout_ms, err, fault);
        if (nbx_str_is(reply->status, "ok"))
            return NBX_OK;
        int64_t pause_ns = nbx_ask_pause_ms(n_tries) * NS_PER_MS;
        bool later = nbx_str_is(reply->status, "busy");
        if (!later || nbx_clock_mono_ns() + pause_ns > until_ns)
            return take_refusal(reply, fault);
        nanosleep(&(struct timespec){pause_ns / NS_PER_S, pause_ns % NS_PER_S}, NULL);
    }
}
