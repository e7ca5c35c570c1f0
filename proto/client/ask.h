/* SPDX-License-Identifier: MIT
 * Questions to nbxd, one after the other, and what to say where there is no good answer.
 *
 * Why:     who pushes a model, pulls events or imports a file waits alike where the daemon is busy,
 *          and names the same reasons.
 * Owns:    nothing.
 * Threads: as the client's.
 * Errors:  a reply's error status becomes the error of that name, with the reply's field and
 *          message; no reply is NBX_EBUSY.
 */
#ifndef NBX_PROTO_CLIENT_ASK_H
#define NBX_PROTO_CLIENT_ASK_H

#include "proto/client/client.h"

/* Whom to ask, and how long to wait. */
struct nbx_asking {
    struct nbx_client *client;
    const char *endpoint; /* for messages */
    int timeout_ms;
    struct nbx_arena *arena; /* of the reply at hand: each question empties it */
};

/* One question without a key; *reply is ok then. A busy daemon is asked again, with growing pauses,
 * as long as one may wait. */
enum nbx_err nbx_ask_ok(const struct nbx_asking *asking, const char *op, const struct nbx_buf *body,
                        struct nbx_reply *reply, struct nbx_fault *fault) NBX_MUST_CHECK;

/* What the error of a call without a reply means, in *fault; returns err. */
enum nbx_err nbx_ask_no_reply(const char *endpoint, int timeout_ms, enum nbx_err err,
                              struct nbx_fault *fault);
/* The error a reply's status means. */
enum nbx_err nbx_ask_error_of(struct nbx_str status);
/* How long to wait where the daemon is busy, before the n-th try (from 1): doubles from 10 ms up to
 * a second. */
int64_t nbx_ask_pause_ms(uint32_t n_tries);

#endif
