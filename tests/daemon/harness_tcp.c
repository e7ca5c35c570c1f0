/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_tcp.h"

#include "engine/json/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 10
#define ANSWER_MS  300

int tcp_open(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {PATIENCE_S, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0, "port %d: %s", port,
                 strerror(errno));
    return fd;
}

void tcp_send(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        n -= (size_t)sent;
    }
}

/* A whole HTTP reply: its header, and as many bytes as Content-Length says. */
static bool is_whole(const struct nbx_buf *b)
{
    const char *text = (const char *)b->p;
    const char *body = memmem(text, b->len, "\r\n\r\n", 4);
    const char *length = body ? strcasestr(text, "Content-Length:") : NULL;
    return length && length < body &&
           b->len - (size_t)(body + 4 - text) >= strtoul(length + 15, NULL, 10);
}

char *tcp_read(int fd)
{
    struct nbx_buf b = {0};
    char piece[4096];
    ssize_t n;
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0) {
        nbx_buf_put(&b, piece, (size_t)n);
        nbx_buf_put_u8(&b, '\0');
        b.len--;
        if (is_whole(&b))
            break;
    }
    nbx_buf_put_u8(&b, '\0');
    cr_assert(!b.failed);
    return (char *)b.p;
}

bool tcp_closes(int fd)
{
    char piece[4096];
    ssize_t n;
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
        continue;
    return n == 0 || errno == ECONNRESET;
}

static int code_of(const char *reply)
{
    return strncmp(reply, "HTTP/1.", 7) == 0 ? (int)strtol(reply + 9, NULL, 10) : 0;
}

/* A door that waits for more is told that there is none; one that answers is not disturbed. */
static void end_of_request(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, ANSWER_MS) == 0)
        shutdown(fd, SHUT_WR);
}

int http_raw(const struct server *s, const void *p, size_t n)
{
    int fd = tcp_open(s->http_port);
    tcp_send(fd, p, n);
    end_of_request(fd);
    char *reply = tcp_read(fd);
    int code = code_of(reply);
    free(reply);
    close(fd);
    return code;
}

struct http_reply http_call(struct server *s, const char *method, const char *path,
                            const char *body)
{
    struct nbx_buf b = {0};
    struct http_reply reply = {0};
    nbx_buf_printf(&b,
                   "%s %s HTTP/1.1\r\nHost: nbx\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   method, path, strlen(body));
    for (const char *c = body; *c; c++)
        nbx_buf_put_u8(&b, *c == '\'' ? '"' : (uint8_t)*c);
    cr_assert(!b.failed);
    int fd = tcp_open(s->http_port);
    tcp_send(fd, b.p, b.len);
    char *text = tcp_read(fd);
    char *json = strstr(text, "\r\n\r\n");
    reply.code = code_of(text);
    reply.body = nbx_arena_calloc(s->peer.arena, 1, sizeof *reply.body);
    if (json) {
        struct nbx_str kept = nbx_arena_str(s->peer.arena, nbx_str_c(json + 4));
        struct nbx_fault fault;
        if (nbx_json_decode(reply.body, kept.p, kept.len, s->peer.arena, &fault))
            reply.body = NULL;
    }
    free(text);
    close(fd);
    nbx_buf_fini(&b);
    return reply;
}
