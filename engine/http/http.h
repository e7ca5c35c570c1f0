/* SPDX-License-Identifier: MIT
 * The HTTP/JSON door: a client of the front like any other. The door to libmicrohttpd.
 *
 * Why:     storefront developers begin with curl. The gateway knows no field: a body goes from
 *          JSON to msgpack and its reply back through struct nbx_value, so a new field of the
 *          protocol needs no change here.
 * Owns:    the listening socket, libmicrohttpd's thread, a bridge thread with one DEALER.
 * Threads: start and stop: main. Requests are read and written by libmicrohttpd's thread, which
 *          suspends a connection while the bridge thread waits for the front's reply.
 * Errors:  to the client: {status, message, field?, id?} with nbx's status and an HTTP code:
 *          bad_request 400, denied 403, not_found 404, conflict 409, limit 413 where the request
 *          itself is too large and 429 where memory is short, internal 500, busy 503,
 *          storage 507. 429 and 503 say when to come again (Retry-After). Of HTTP's own: 404
 *          (unknown path), 405 with Allow, 415 (not application/json), 413 (body), 504 (no reply
 *          in time).
 *
 * Paths: routes.c, and PROTOCOL.md, "HTTP". A member `customer` at the top of requests of one
 * customer becomes the key frame; absent, the key is empty.
 */
#ifndef NBX_HTTP_HTTP_H
#define NBX_HTTP_HTTP_H

#include "engine/base/budget.h"
#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_http;

/* What is 0 takes the default. The strings are only read by nbx_http_start. */
struct nbx_http_options {
    const char *listen;        /* "127.0.0.1:7742", "[::1]:7742"; port 0: any free one */
    const char *front;         /* ZeroMQ endpoint, such as "inproc://front" */
    void *zmq_context;         /* borrowed until stop */
    struct nbx_budget *budget; /* request bodies count here; NULL: nowhere */
    size_t max_body_bytes;     /* default 1 MiB, at most 4 MiB: bulk goes over ZeroMQ */
    unsigned max_connections;  /* default 1024; more wait to be accepted, or are closed */
    unsigned timeout_ms;       /* for the front's reply; default 10000 */
    unsigned idle_timeout_s;   /* a silent connection is closed after it; default 30 */
};

/* Listens and serves. NBX_EBAD (field "http") where the address is wrong or taken. */
enum nbx_err nbx_http_start(struct nbx_http **out, const struct nbx_http_options *options,
                            struct nbx_fault *fault) NBX_MUST_CHECK;
/* Takes no new connection, gives requests under way a second, then answers 503 and closes. */
void nbx_http_stop(struct nbx_http **http);
/* The port that is listened on. */
uint16_t nbx_http_port(const struct nbx_http *http);

#endif
