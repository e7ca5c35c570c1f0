/* SPDX-License-Identifier: MIT
 * A client of nbxd: requests out, replies in, over one ZeroMQ DEALER. The client's door to ZeroMQ.
 *
 * Why:     the command line, the load generator, the tests and libnbx speak to the daemon alike.
 * Owns:    its context and socket.
 * Threads: one at a time per client.
 * Errors:  NBX_EBUSY: no reply in time; NBX_EINTERNAL: ZeroMQ failed; NBX_EBAD: the reply is not
 *          nbx's. A reply that carries an error status is NBX_OK here: look at reply.status.
 */
#ifndef NBX_PROTO_CLIENT_CLIENT_H
#define NBX_PROTO_CLIENT_CLIENT_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/base/value.h"

#include <stdint.h>

struct nbx_client;

struct nbx_request {
    const char *op;
    struct nbx_str key;  /* empty where none */
    struct nbx_str body; /* one msgpack map */
    uint64_t tag;        /* comes back with the reply */
};

struct nbx_reply {
    uint64_t tag;          /* of the request it answers */
    struct nbx_str status; /* "ok" or an error status */
    struct nbx_value body; /* decoded; lives in the arena given */
    struct nbx_str raw;    /* the same as bytes of msgpack, in the arena too */
};

/* Bytes one reply may have. */
#define NBX_CLIENT_MAX_REPLY_BYTES (64 << 20)

/* endpoint such as "tcp://127.0.0.1:7741" or "ipc:///run/nbx/nbx.sock". Connects lazily
 * and again by itself, so a daemon that is away shows as NBX_EBUSY of a receive. NBX_EBAD: not an
 * endpoint; NBX_ELIMIT: no memory, descriptors or sockets left. */
enum nbx_err nbx_client_new(struct nbx_client **out, const char *endpoint);
/* Gives what is still to be sent a second. */
void nbx_client_destroy(struct nbx_client **client);
/* Throws it away: for who no longer expects an answer. */
void nbx_client_drop(struct nbx_client **client);

/* Sends without waiting. The tag travels as an 8-byte envelope frame, so any number of requests
 * may be under way. NBX_EBUSY when the socket's queue is full. */
enum nbx_err nbx_client_send(struct nbx_client *client, const struct nbx_request *request);
/* The next reply, in any order. timeout_ms 0 only looks, -1 waits for ever. */
enum nbx_err nbx_client_recv(struct nbx_client *client, int timeout_ms, struct nbx_arena *arena,
                             struct nbx_reply *out);
/* Send, then the reply to just this request; others that arrive are dropped. */
enum nbx_err nbx_client_call(struct nbx_client *client, const struct nbx_request *request,
                             int timeout_ms, struct nbx_arena *arena, struct nbx_reply *out);
/* A descriptor that becomes readable when a reply may wait (edge-triggered as ZMQ_FD is: after a
 * wake-up call nbx_client_recv(.., 0, ..) until it answers NBX_EBUSY). */
int nbx_client_fd(const struct nbx_client *client);

#endif
