/* SPDX-License-Identifier: MIT */
#include "engine/http/http.h"

#include "engine/base/log.h"
#include "engine/http/exchange.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_MS          1000
#define DEFAULT_BODY      (1024 * 1024)
#define MAX_BODY          (4 * 1024 * 1024)
#define CONNECTION_BYTES  (32 * 1024) /* headers and one piece of the body */
#define ARENA_PER_BYTE    40 /* the largest tree of a body: one struct nbx_member per pair */
#define ARENA_FOR_REPLIES (64 * 1024 * 1024)
#define BACKLOG           511

struct nbx_http {
    struct nbx_http_shared shared;
    struct MHD_Daemon *daemon;
    int listen_fd;
    uint16_t port;
};

/* listening */

/* Splits "host:port" or "[host]:port" in place. */
static bool split_address(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0')
        return false;
    *colon = '\0';
    *port = colon + 1;
    *host = text;
    if (text[0] != '[')
        return strchr(text, ':') == NULL;
    if (colon[-1] != ']')
        return false;
    colon[-1] = '\0';
    *host = text + 1;
    return true;
}

static int open_socket(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static uint16_t port_of(int fd)
{
    /* The port stands at the same place in both families. */
    _Static_assert(
        offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "port");
    struct sockaddr_in6 address = {0};
    socklen_t n = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &n) == 0 ? ntohs(address.sin6_port) : 0;
}

static enum nbx_err listen_at(struct nbx_http *h, const char *address, struct nbx_fault *fault)
{
    char text[256], *host, *port;
    if (snprintf(text, sizeof text, "%s", address) >= (int)sizeof text ||
        !split_address(text, &host, &port))
        return nbx_fault_set(fault, NBX_EBAD, "http", "must be address:port, got %s", address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int wrong = getaddrinfo(host, port, &hints, &found);
    if (wrong)
        return nbx_fault_set(fault, NBX_EBAD, "http", "%s: %s", address, gai_strerror(wrong));
    h->listen_fd = open_socket(found);
    int why = errno;
    freeaddrinfo(found);
    if (h->listen_fd < 0)
        return nbx_fault_set(fault, NBX_EBAD, "http", "cannot listen on %s: %s", address,
                             strerror(why));
    h->port = port_of(h->listen_fd);
    return NBX_OK;
}

/* libmicrohttpd */

static void log_line(void *cls, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void log_line(void *cls, const char *fmt, va_list args)
{
    (void)cls;
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    nbx_log_debug("http: %s", text); /* what peers do wrong is no news */
}

static enum nbx_err start_daemon(struct nbx_http *h, const struct nbx_http_options *o,
                                 struct nbx_fault *fault)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_LISTEN_SOCKET, h->listen_fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, o->max_connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)nbx_http_exchange_end, &h->shared},
        {MHD_OPTION_END, 0, NULL},
    };
    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, nbx_http_exchange_step, &h->shared,
                                 MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_ARRAY,
                                 items, MHD_OPTION_END);
    return h->daemon ? NBX_OK
                     : nbx_fault_set(fault, NBX_EINTERNAL, "http", "libmicrohttpd did not start");
}

/* start and stop */

static struct nbx_http_options with_defaults(const struct nbx_http_options *given)
{
    struct nbx_http_options o = *given;
    o.max_body_bytes = o.max_body_bytes ? o.max_body_bytes : DEFAULT_BODY;
    o.max_body_bytes = o.max_body_bytes < MAX_BODY ? o.max_body_bytes : MAX_BODY;
    o.max_connections = o.max_connections ? o.max_connections : 1024;
    o.timeout_ms = o.timeout_ms ? o.timeout_ms : 10000;
    o.idle_timeout_s = o.idle_timeout_s ? o.idle_timeout_s : 30;
    return o;
}

static void init_shared(struct nbx_http_shared *shared, const struct nbx_http_options *o)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&shared->mutex, NULL);
    pthread_cond_init(&shared->idle, &attr);
    pthread_condattr_destroy(&attr);
    shared->budget = o->budget;
    shared->max_body_bytes = o->max_body_bytes;
    shared->timeout_ms = o->timeout_ms;
    shared->arena = nbx_arena_new(o->max_body_bytes * ARENA_PER_BYTE + ARENA_FOR_REPLIES);
}

enum nbx_err nbx_http_start(struct nbx_http **out, const struct nbx_http_options *options,
                            struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_http_options o = with_defaults(options);
    struct nbx_http *h = calloc(1, sizeof *h);
    if (!h)
        return nbx_fault_set(fault, NBX_ELIMIT, "http", "out of memory");
    h->listen_fd = -1;
    init_shared(&h->shared, &o);
    enum nbx_err err =
        h->shared.arena ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, "http", "out of memory");
    if (!err)
        err = listen_at(h, o.listen, fault);
    struct nbx_http_bridge_options bridge = {o.zmq_context, o.front, o.max_connections,
                                             o.timeout_ms};
    if (!err)
        err = nbx_http_bridge_start(&h->shared.bridge, &bridge, fault);
    if (!err)
        err = start_daemon(h, &o, fault);
    if (err)
        nbx_http_stop(&h);
    *out = h;
    return err;
}

static void await_idle(struct nbx_http_shared *shared)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DRAIN_MS / 1000;
    pthread_mutex_lock(&shared->mutex);
    while (shared->n_open > 0 && pthread_cond_timedwait(&shared->idle, &shared->mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&shared->mutex);
}

/* The bridge is stopped before libmicrohttpd: no connection may still be suspended then. */
void nbx_http_stop(struct nbx_http **http)
{
    struct nbx_http *h = *http;
    if (!h)
        return;
    if (h->daemon)
        MHD_quiesce_daemon(h->daemon);
    if (h->shared.bridge)
        nbx_http_bridge_stop(h->shared.bridge, DRAIN_MS);
    if (h->daemon) {
        await_idle(&h->shared);
        MHD_stop_daemon(h->daemon);
    }
    nbx_http_bridge_destroy(&h->shared.bridge);
    if (h->listen_fd >= 0)
        close(h->listen_fd);
    nbx_arena_destroy(&h->shared.arena);
    pthread_cond_destroy(&h->shared.idle);
    pthread_mutex_destroy(&h->shared.mutex);
    free(h);
    *http = NULL;
}

uint16_t nbx_http_port(const struct nbx_http *http)
{
    return http->port;
}
