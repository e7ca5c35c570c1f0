/* SPDX-License-Identifier: MIT
 * A gateway before a fake front, and a client of raw sockets.
 *
 * The front answers what it got: {op, key, body}; the body's member `do` may ask for something
 * else: "hang" (no reply), "odd" (a reply of two frames, then none), "junk" (no msgpack),
 * "vector" (a bin), or a status, which becomes the reply's with `message` and `field` of the body.
 */
#ifndef NBX_TEST_HTTP_FIXTURE_H
#define NBX_TEST_HTTP_FIXTURE_H

#include "engine/base/buf.h"
#include "engine/http/http.h"
#include "proto/wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zmq.h>

#define FRONT      "inproc://front"
#define MAX_FRAMES 8

static void *context;
static void *front_socket;
static pthread_t front_thread;
static struct nbx_http *http;
static _Atomic bool is_ready = true;

/* the fake front */

struct frames {
    zmq_msg_t f[MAX_FRAMES];
    size_t n;
};

static bool receive_frames(struct frames *m)
{
    m->n = 0;
    int more = 1;
    while (more && m->n < MAX_FRAMES) {
        zmq_msg_init(&m->f[m->n]);
        if (zmq_msg_recv(&m->f[m->n], front_socket, 0) < 0)
            return false;
        more = zmq_msg_more(&m->f[m->n++]);
    }
    return true;
}

static struct nbx_str frame_text(zmq_msg_t *f)
{
    return (struct nbx_str){zmq_msg_data(f), (uint32_t)zmq_msg_size(f)};
}

static void send_reply(struct frames *m, const char *status, const struct nbx_buf *body)
{
    for (size_t i = 0; i < 3; i++) /* peer, tag, delimiter */
        zmq_send(front_socket, zmq_msg_data(&m->f[i]), zmq_msg_size(&m->f[i]), ZMQ_SNDMORE);
    zmq_send(front_socket, "NBX1", 4, ZMQ_SNDMORE);
    zmq_send(front_socket, status, strlen(status), ZMQ_SNDMORE);
    zmq_send(front_socket, body->p, body->len, 0);
}

static void reply_with_error(struct frames *m, const struct nbx_value *body, struct nbx_str status)
{
    struct nbx_buf out = {0};
    const struct nbx_value *field = nbx_value_get(body, "field");
    char text[32];
    snprintf(text, sizeof text, "%.*s", NBX_STR_ARG(status));
    nbx_wire_map(&out, field ? 2 : 1);
    nbx_wire_kv_text(&out, "message", "because");
    if (field)
        nbx_wire_kv_value(&out, "field", field);
    send_reply(m, text, &out);
    nbx_buf_fini(&out);
}

static void reply_with_request(struct frames *m, const struct nbx_value *body)
{
    struct nbx_buf out = {0};
    nbx_wire_map(&out, 4);
    nbx_wire_kv_str(&out, "op", frame_text(&m->f[4]));
    nbx_wire_kv_str(&out, "key", frame_text(&m->f[5]));
    nbx_wire_kv_value(&out, "body", body);
    nbx_wire_kv_bool(&out, "ready", is_ready);
    send_reply(m, "ok", &out);
    nbx_buf_fini(&out);
}

static void front_answer(struct frames *m, struct nbx_arena *arena)
{
    struct nbx_value body;
    struct nbx_str bytes = frame_text(&m->f[6]);
    struct nbx_fault fault;
    cr_assert_eq(nbx_wire_decode(&body, bytes.p, bytes.len, arena, &fault), NBX_OK, "%s",
                 fault.message);
    const struct nbx_value *what = nbx_value_get(&body, "do");
    struct nbx_str action = what ? what->s : (struct nbx_str){0};
    struct nbx_buf out = {0};
    if (!action.len) {
        reply_with_request(m, &body);
    } else if (nbx_str_is(action, "hang")) {
        return;
    } else if (nbx_str_is(action, "odd")) {
        zmq_send(front_socket, zmq_msg_data(&m->f[0]), zmq_msg_size(&m->f[0]), ZMQ_SNDMORE);
        zmq_send(front_socket, zmq_msg_data(&m->f[1]), zmq_msg_size(&m->f[1]), 0);
    } else if (nbx_str_is(action, "junk")) {
        nbx_buf_put(&out, "\xc1", 1);
        send_reply(m, "ok", &out);
    } else if (nbx_str_is(action, "vector")) {
        float vector[2] = {0.5F, -1};
        nbx_wire_map(&out, 1);
        nbx_wire_text(&out, "vector");
        nbx_wire_bin(&out, vector, sizeof vector);
        send_reply(m, "ok", &out);
    } else {
        reply_with_error(m, &body, action);
    }
    nbx_buf_fini(&out);
}

static void *run_front(void *arg)
{
    (void)arg;
    struct nbx_arena *arena = nbx_arena_new(8 << 20);
    struct frames m;
    bool open = true;
    while (open) {
        open = receive_frames(&m);
        if (open && m.n == 7)
            front_answer(&m, arena);
        else if (open && m.n == 2)
            open = false; /* the test's own word to stop */
        for (size_t i = 0; i < m.n; i++)
            zmq_msg_close(&m.f[i]);
        nbx_arena_reset(arena);
    }
    nbx_arena_destroy(&arena);
    return NULL;
}

static void start_with(struct nbx_http_options options)
{
    context = zmq_ctx_new();
    front_socket = zmq_socket(context, ZMQ_ROUTER);
    cr_assert_eq(zmq_bind(front_socket, FRONT), 0);
    cr_assert_eq(pthread_create(&front_thread, NULL, run_front, NULL), 0);
    options.listen = "127.0.0.1:0";
    options.front = FRONT;
    options.zmq_context = context;
    struct nbx_fault fault;
    cr_assert_eq(nbx_http_start(&http, &options, &fault), NBX_OK, "%s", fault.message);
}

static void stop(void)
{
    nbx_http_stop(&http);
    void *word = zmq_socket(context, ZMQ_DEALER);
    zmq_connect(word, FRONT);
    zmq_send(word, "", 0, 0);
    pthread_join(front_thread, NULL);
    zmq_close(word);
    zmq_close(front_socket);
    zmq_ctx_term(context);
}

static void start(void)
{
    start_with((struct nbx_http_options){0});
}

/* the client */

struct answer {
    int code; /* 0: the connection was closed without one */
    char head[2048];
    char body[8192];
};

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(nbx_http_port(http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static bool put_bytes(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Reads up to and with the blank line; false where the connection ends first. */
static bool read_head(int fd, struct answer *a)
{
    size_t n = 0;
    while (n < sizeof a->head - 1) {
        if (recv(fd, a->head + n, 1, 0) <= 0)
            return false;
        a->head[++n] = '\0';
        if (n >= 4 && strcmp(a->head + n - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static struct answer read_answer(int fd, bool has_body)
{
    struct answer a = {0};
    if (!read_head(fd, &a))
        return (struct answer){0};
    a.code = (int)strtol(a.head + strlen("HTTP/1.1 "), NULL, 10);
    const char *length = strcasestr(a.head, "Content-Length: ");
    size_t n = length ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0;
    cr_assert_lt(n, sizeof a.body);
    for (size_t got = 0; has_body && got < n;) {
        ssize_t more = recv(fd, a.body + got, n - got, 0);
        cr_assert_gt(more, 0, "the body ends early");
        got += (size_t)more;
    }
    return a;
}

static void put_request(int fd, const char *path, const char *json)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b,
                   "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   path, strlen(json), json);
    cr_assert(put_bytes(fd, b.p, b.len));
    nbx_buf_fini(&b);
}

static struct answer exchange_text(const char *text, bool has_body)
{
    int fd = dial();
    put_bytes(fd, text, strlen(text));
    struct answer a = read_answer(fd, has_body);
    close(fd);
    return a;
}

static struct answer post(const char *path, const char *json)
{
    int fd = dial();
    put_request(fd, path, json);
    struct answer a = read_answer(fd, true);
    close(fd);
    return a;
}

static struct answer get(const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return exchange_text(text, true);
}

static void expect_answer(struct answer a, int code, const char *body)
{
    cr_expect_eq(a.code, code, "%d, wanted %d: %s", a.code, code, a.body);
    cr_expect(strstr(a.body, body) != NULL, "\"%s\" is not in: %s", body, a.body);
}

#endif
