/* SPDX-License-Identifier: MIT
 * bench_echo: what ZeroMQ alone costs. A ROUTER in a process of its own answers each request at
 * once, under the load nbx-bench would make, so that both figures come from one generator.
 */
#include "bench/load/drive.h"
#include "engine/base/buf.h"
#include "proto/wire.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define MAX_FRAMES     8
#define REQUEST_FRAMES 7 /* peer, tag, empty, magic, operation, key, body */
#define ENDPOINT_BYTES 256

static int receive(void *socket, zmq_msg_t *frames)
{
    int n = 0, more = 1;
    while (more && n < MAX_FRAMES) {
        zmq_msg_init(&frames[n]);
        if (zmq_msg_recv(&frames[n], socket, 0) < 0)
            return -1;
        more = zmq_msg_more(&frames[n++]);
    }
    return n;
}

/* The request's first four frames go back as they came, then "ok" and the body. */
static void serve(void *socket, const struct nbx_buf *body)
{
    for (;;) {
        zmq_msg_t frames[MAX_FRAMES];
        int n = receive(socket, frames);
        if (n < 0)
            return;
        bool whole = n == REQUEST_FRAMES;
        for (int i = 0; whole && i < 4; i++)
            zmq_msg_send(&frames[i], socket, ZMQ_SNDMORE);
        if (whole) {
            zmq_send(socket, "ok", 2, ZMQ_SNDMORE);
            zmq_send(socket, body->p, body->len, 0);
        }
        for (int i = 0; i < n; i++)
            zmq_msg_close(&frames[i]);
    }
}

/* In the child: binds, tells where, serves until it is killed. */
static int run_echo(int tell, const char *endpoint, unsigned reply_bytes)
{
    char bound[ENDPOINT_BYTES] = "";
    size_t size = sizeof bound;
    struct nbx_buf body = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    nbx_wire_map(&body, 1);
    nbx_wire_text(&body, "x");
    uint8_t *room = nbx_buf_reserve(&body, reply_bytes);
    if (!room)
        return 1;
    memset(room, 0, reply_bytes);
    size_t before = body.len;
    nbx_wire_bin(&body, room, reply_bytes - (uint32_t)before);
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
    if (zmq_bind(socket, endpoint) == 0)
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size);
    if (write(tell, bound, sizeof bound) < 0 || !bound[0])
        return 1;
    serve(socket, &body);
    return 0;
}

static unsigned make(void *arg, uint64_t number, struct nbx_request *out)
{
    (void)arg;
    static const char body[] = "\x82\xa1n\x14\xa6"
                               "filter\x80";
    static char key[32];
    snprintf(key, sizeof key, "c%llu", (unsigned long long)(number % 10000));
    out->op = "recommend";
    out->key = nbx_str_c(key);
    out->body = (struct nbx_str){body, sizeof body - 1};
    return NBX_LOAD_RECOMMEND;
}

int main(int argc, char **argv)
{
    struct nbx_load_arguments arguments;
    char bound[ENDPOINT_BYTES] = "";
    int pipe_fds[2];
    if (!nbx_load_parse(&arguments, argc, argv))
        return 2;
    if (arguments.help) {
        nbx_load_print_help(arguments.program, true);
        return 0;
    }
    /* Before any thread of ZeroMQ's exists. */
    pid_t child = pipe(pipe_fds) ? -1 : fork();
    if (child == 0)
        _exit(run_echo(pipe_fds[1], "tcp://127.0.0.1:*", arguments.reply_bytes));
    if (child < 0 || read(pipe_fds[0], bound, sizeof bound) <= 0 || !bound[0]) {
        fprintf(stderr, "bench_echo: the echo did not start\n");
        return 1;
    }
    arguments.load.endpoint = bound;
    int code = nbx_load_drive(&arguments, make, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return code;
}
