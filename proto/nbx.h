/* SPDX-License-Identifier: MIT
 * libnbx: speak to nbxd from C or C++. Needs nothing but this header.
 *
 * Why:     one small interface that stays as it is. Bodies are msgpack, made and read with any
 *          library; proto/PROTOCOL.md says what goes in.
 * Owns:    a client owns its connection. An answer belongs to the client and is valid until the
 *          next question to that client. Everything passed in is borrowed for the call only.
 * Threads: one at a time per client; any number of clients.
 * Errors:  every function returns NBX_CLIENT_OK or one of the codes below. An answer with an error
 *          status is NBX_CLIENT_OK: look at answer.status.
 *
 *     struct nbx *nbx;
 *     struct nbx_answer answer;
 *     if (nbx_open(&nbx, "tcp://127.0.0.1:7741") == NBX_CLIENT_OK &&
 *         nbx_ask(nbx, &(struct nbx_question){.op = "hello"}, 1000, &answer) == NBX_CLIENT_OK)
 *         printf("%s, %zu bytes of msgpack\n", answer.status, answer.body_bytes);
 *     nbx_close(nbx);
 */
#ifndef NBX_H
#define NBX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum nbx_client_result {
    NBX_CLIENT_OK = 0,
    NBX_CLIENT_TIMEOUT = -1, /* no answer in time, or too many requests under way */
    NBX_CLIENT_INVALID = -2, /* an argument is wrong, or the answer is not nbx's */
    NBX_CLIENT_FAILED = -3   /* out of memory or sockets */
};

struct nbx;

struct nbx_question {
    const char *op;  /* "recommend", "observe", ... */
    const void *key; /* customer id; NULL where none */
    size_t key_bytes;
    const void *body; /* one msgpack map; NULL: the empty map */
    size_t body_bytes;
    uint64_t tag; /* comes back with the answer; for nbx_send */
};

struct nbx_answer {
    const char *status; /* "ok", "bad_request", ...; NUL-terminated */
    const void *body;   /* one msgpack value, checked to be well-formed */
    size_t body_bytes;
    uint64_t tag;
};

/* Connects in the background, and again whenever the connection is lost. *out is NULL on failure.
 */
int nbx_open(struct nbx **out, const char *endpoint);
/* Waits at most a second for requests not yet sent. NULL is fine. */
void nbx_close(struct nbx *nbx);

/* One question and its answer. Answers to earlier nbx_send that arrive meanwhile are dropped. */
int nbx_ask(struct nbx *nbx, const struct nbx_question *question, int timeout_ms,
            struct nbx_answer *out);

/* For many requests under way: send never waits; receive takes the next answer, in any order.
 * timeout_ms 0 only looks, -1 waits for ever. */
int nbx_send(struct nbx *nbx, const struct nbx_question *question);
int nbx_receive(struct nbx *nbx, int timeout_ms, struct nbx_answer *out);

#ifdef __cplusplus
}
#endif

#endif
