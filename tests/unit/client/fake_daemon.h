/* SPDX-License-Identifier: MIT
 * A ROUTER in the test's own process that answers as it is told.
 *
 * Why:     the client is tested without a daemon, mistakes of a daemon among them.
 * Owns:    its socket and, while it serves, a thread.
 * Threads: fake_* from the test's thread; fake_serve hands the socket to its thread.
 * Errors:  a failure ends the test.
 */
#ifndef NBX_TESTS_CLIENT_FAKE_DAEMON_H
#define NBX_TESTS_CLIENT_FAKE_DAEMON_H

#include "engine/base/check.h"
#include "engine/base/str.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <zmq.h>

#define FAKE_MAX_FRAMES 8

struct fake_daemon {
    void *context, *socket;
    char endpoint[128];
    zmq_msg_t frames[FAKE_MAX_FRAMES]; /* (n) of the last request, the peer's identity first */
    int n;
    pthread_t thread;
    int to_serve;        /* -1: until stop */
    struct nbx_str same; /* the body of every answer; NULL: the request's comes back */
    atomic_bool stop;
};

static inline void fake_open(struct fake_daemon *f, const char *endpoint)
{
    size_t size = sizeof f->endpoint;
    int limit_ms = 10000;
    f->n = 0;
    f->context = zmq_ctx_new();
    f->socket = zmq_socket(f->context, ZMQ_ROUTER);
    zmq_setsockopt(f->socket, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
    zmq_setsockopt(f->socket, ZMQ_LINGER, &(int){1000}, sizeof(int));
    NBX_ASSERT(zmq_bind(f->socket, endpoint) == 0);
    zmq_getsockopt(f->socket, ZMQ_LAST_ENDPOINT, f->endpoint, &size);
}

static inline void fake_drop(struct fake_daemon *f)
{
    for (int i = 0; i < f->n; i++)
        zmq_msg_close(&f->frames[i]);
    f->n = 0;
}

static inline void fake_close(struct fake_daemon *f)
{
    fake_drop(f);
    zmq_close(f->socket);
    zmq_ctx_term(f->context);
}

/* Whether a request came within 10 ms. */
static inline bool fake_waiting(struct fake_daemon *f)
{
    zmq_pollitem_t item = {.socket = f->socket, .events = ZMQ_POLLIN};
    return zmq_poll(&item, 1, 10) > 0;
}

/* Waits for one request. */
static inline void fake_take(struct fake_daemon *f)
{
    fake_drop(f);
    int more = 1;
    while (more) {
        NBX_ASSERT(f->n < FAKE_MAX_FRAMES);
        zmq_msg_t *frame = &f->frames[f->n++];
        zmq_msg_init(frame);
        NBX_ASSERT(zmq_msg_recv(frame, f->socket, 0) >= 0);
        more = zmq_msg_more(frame);
    }
}

static inline struct nbx_str fake_frame(struct fake_daemon *f, int i)
{
    NBX_ASSERT(i < f->n);
    return (struct nbx_str){zmq_msg_data(&f->frames[i]), (uint32_t)zmq_msg_size(&f->frames[i])};
}

/* Answers the last request: its identity, then `frames` (n). */
static inline void fake_send(struct fake_daemon *f, const struct nbx_str *frames, int n)
{
    struct nbx_str peer = fake_frame(f, 0);
    zmq_send(f->socket, peer.p, peer.len, ZMQ_SNDMORE);
    for (int i = 0; i < n; i++)
        NBX_ASSERT(zmq_send(f->socket, frames[i].p, frames[i].len, i + 1 < n ? ZMQ_SNDMORE : 0) >=
                   0);
}

/* The usual answer: the request's tag, an empty frame, magic, status, body. */
static inline void fake_reply(struct fake_daemon *f, const char *status, struct nbx_str body)
{
    struct nbx_str frames[] = {fake_frame(f, 1), {"", 0}, NBX_STR("NBX1"), nbx_str_c(status), body};
    fake_send(f, frames, 5);
}

static inline void *fake_run(void *daemon)
{
    struct fake_daemon *f = daemon;
    for (int i = 0; i != f->to_serve && !atomic_load(&f->stop);) {
        if (!fake_waiting(f))
            continue;
        i++;
        fake_take(f);
        fake_reply(f, "ok", f->same.p ? f->same : fake_frame(f, f->n - 1));
    }
    return NULL;
}

/* Answers `n` requests on a thread with this body; fake_join before anything else. n -1: until
 * fake_stop. */
static inline void fake_serve_as(struct fake_daemon *f, int n, struct nbx_str body)
{
    f->to_serve = n;
    f->same = body;
    atomic_store(&f->stop, false);
    NBX_ASSERT(pthread_create(&f->thread, NULL, fake_run, f) == 0);
}

/* The same, echoing each body. */
static inline void fake_serve(struct fake_daemon *f, int n)
{
    fake_serve_as(f, n, (struct nbx_str){NULL, 0});
}

static inline void fake_stop(struct fake_daemon *f)
{
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
}

static inline void fake_join(struct fake_daemon *f)
{
    pthread_join(f->thread, NULL);
}

#endif
