/* SPDX-License-Identifier: MIT
 * Calls from libmicrohttpd's thread to the front and back, over one DEALER.
 *
 * Why:     a ZeroMQ socket belongs to one thread, and libmicrohttpd's may not wait.
 * Owns:    its thread and socket; a call from nbx_http_bridge_send until its `done`.
 * Threads: start, stop: main; send: any; `done` runs in the bridge's thread.
 * Errors:  a call always ends in `done`, with its outcome.
 */
#ifndef NBX_HTTP_BRIDGE_H
#define NBX_HTTP_BRIDGE_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/http/translate.h"

#include <stdbool.h>
#include <stdint.h>

struct nbx_http_bridge;

enum nbx_http_outcome {
    NBX_HTTP_UNDECIDED,
    NBX_HTTP_REPLIED,
    NBX_HTTP_TIMED_OUT,
    NBX_HTTP_NOT_SENT, /* the front's queue is full */
    NBX_HTTP_CLOSED,   /* the gateway stops */
};

struct nbx_http_call {
    const char *op;
    struct nbx_http_key key;
    struct nbx_buf request; /* msgpack; belongs to the caller, as does reply */
    void (*done)(struct nbx_http_call *call);

    enum nbx_http_outcome outcome;
    char status[16];      /* NUL-terminated */
    struct nbx_buf reply; /* msgpack */

    /* the bridge's own */
    uint64_t tag;
    int64_t deadline_ns;
    struct nbx_http_call *next, *prev;
};

struct nbx_http_bridge_options {
    void *zmq_context;
    const char *front;
    unsigned max_calls; /* under way at once */
    unsigned timeout_ms;
};

enum nbx_err nbx_http_bridge_start(struct nbx_http_bridge **out,
                                   const struct nbx_http_bridge_options *options,
                                   struct nbx_fault *fault) NBX_MUST_CHECK;
/* false where the bridge stops already: the call then stays the caller's and `done` is not
 * called. */
bool nbx_http_bridge_send(struct nbx_http_bridge *bridge, struct nbx_http_call *call);
/* Gives calls under way drain_ms, ends the rest as NBX_HTTP_CLOSED. Sends are then refused, until
 * destroy. */
void nbx_http_bridge_stop(struct nbx_http_bridge *bridge, int drain_ms);
void nbx_http_bridge_destroy(struct nbx_http_bridge **bridge);

#endif
