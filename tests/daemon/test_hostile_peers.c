/* SPDX-License-Identifier: MIT
 * Peers that are no clients: garbage on the ports, half a handshake, messages past the limit,
 * readers that do not read. A good neighbour gets every answer meanwhile and memory stays flat.
 */
#include "engine/base/random.h"
#include "proto/wire.h"
#include "tests/daemon/harness_neighbour.h"
#include "tests/daemon/harness_tcp.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#define SEED        20240614
#define CONNECTIONS 200
#define GARBAGE     60
#define MEMORY_MAX  ((size_t)128 << 20)
#define SLOWEST_MS  5000 /* of a neighbour's answer, with sanitizers on a busy machine */

/* A ZMTP 3.0 greeting: signature, version, mechanism NULL, not a server, filler. */
static const unsigned char greeting[64] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                           1,    0x7f, 3, 0, 'N', 'U', 'L', 'L'};

static struct server s;
static struct peer *p;
static struct neighbour good;
static size_t before;

static void begin(void)
{
    setenv("ASAN_OPTIONS", "abort_on_error=1:quarantine_size_mb=8", 1);
    server_start(&s, &(struct server_options){.tcp = true,
                                              .http = true,
                                              .settings = "max_message: 64KiB\nqueue_time: 10s\n"});
    p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    neighbour_start(&good, &s);
    before = server_resident(&s);
}

static void end(void)
{
    neighbour_wait(&good, 20);
    neighbour_stop(&good, SLOWEST_MS);
    cr_assert_leq(server_resident(&s), before + MEMORY_MAX, "from %zu to %zu MiB", before >> 20,
                  server_resident(&s) >> 20);
    server_stop(&s);
}

TestSuite(hostile_peers, .init = begin, .fini = end, .timeout = 180);

static void fill(unsigned char *out, size_t n, struct nbx_random *r)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)nbx_random_u64(r);
}

Test(hostile_peers, garbage_on_the_zmtp_port_is_closed)
{
    struct nbx_random r;
    unsigned char junk[4096];
    int fds[GARBAGE];
    nbx_random_init(&r, SEED);
    for (int i = 0; i < GARBAGE; i++) {
        fds[i] = tcp_open(s.tcp_port);
        fill(junk, sizeof junk, &r);
        if (i % 3 == 1) /* looks like the beginning of a greeting */
            memcpy(junk, greeting, 10 + (size_t)i % 20);
        if (i % 3 == 2) /* a whole greeting, then junk for a handshake */
            memcpy(junk, greeting, sizeof greeting);
        tcp_send(fds[i], junk, sizeof junk);
    }
    for (int i = 0; i < GARBAGE; i++) {
        cr_assert(tcp_closes(fds[i]), "connection %d stays open", i);
        close(fds[i]);
    }
    neighbour_wait(&good, 20);
}

Test(hostile_peers, half_handshakes_are_closed_in_time)
{
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = tcp_open(s.tcp_port);
        tcp_send(fds[i], greeting, (size_t)i % (sizeof greeting + 1));
    }
    neighbour_wait(&good, 20);
    for (int i = 0; i < CONNECTIONS; i++) {
        cr_assert(tcp_closes(fds[i]), "connection %d stays open", i);
        close(fds[i]);
    }
}

Test(hostile_peers, thousands_of_connections_come_and_go)
{
    for (int i = 0; i < 3000; i++) {
        int fd = tcp_open(i % 2 ? s.tcp_port : s.http_port);
        if (i % 3 == 0)
            tcp_send(fd, "x", 1);
        close(fd);
    }
    neighbour_wait(&good, 20);
    cr_assert_eq(http_call(&s, "GET", "/healthz", "").code, 200);
}

/* A real handshake, and then a frame that declares 16 GB. */
Test(hostile_peers, frame_of_16_gb_closes_the_peer)
{
    static const unsigned char ready[] = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                                         "DEALER";
    static const unsigned char huge[] = {0x02, 0, 0, 0, 4, 0, 0, 0, 0, 'x', 'y', 'z'};
    for (int i = 0; i < 50; i++) {
        int fd = tcp_open(s.tcp_port);
        tcp_send(fd, greeting, sizeof greeting);
        tcp_send(fd, ready, sizeof ready - 1);
        tcp_send(fd, huge, sizeof huge);
        cr_assert(tcp_closes(fd));
        close(fd);
    }
}

Test(hostile_peers, message_past_the_limit_closes_the_peer)
{
    char *body = calloc(1, 70000);
    cr_assert_not_null(body);
    for (int i = 0; i < 20; i++) {
        struct peer bad;
        struct nbx_reply reply;
        peer_open(&bad, &s);
        struct nbx_request request = {.op = "hello", .body = {body, 70000}};
        cr_assert_eq(nbx_client_call(bad.client, &request, 100, bad.arena, &reply), NBX_EBUSY);
        request.body = peer_body(&bad, "{}"); /* it comes again, and may */
        cr_assert_eq(nbx_client_call(bad.client, &request, ASK_TIMEOUT_MS, bad.arena, &reply),
                     NBX_OK);
        peer_close(&bad);
    }
    free(body);
}

Test(hostile_peers, broken_http_is_answered_or_closed)
{
    struct nbx_random r;
    char text[8192], *big = malloc(200000);
    nbx_random_init(&r, SEED);
    cr_assert_not_null(big);
#define CODE(request) http_raw(&s, request, sizeof(request) - 1)
    cr_assert_eq(CODE("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    cr_assert_eq(CODE("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    cr_assert_eq(CODE("PUT /v1/recommend HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    cr_assert_eq(CODE("POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
                 415);
#define POST "POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    cr_assert_eq(CODE(POST "Content-Length: 2\r\n\r\n{}"), 200);
    cr_assert_eq(CODE(POST "Content-Length: 3\r\n\r\n{}}"), 400);
    cr_assert_eq(CODE(POST "Content-Length: 3\r\n\r\n{\"}"), 400);
    cr_assert_eq(CODE(POST "Content-Length: 0\r\n\r\n"), 400);
    cr_assert_neq(CODE(POST "Content-Length: 100\r\n\r\n{}"), 200);
    cr_assert_neq(CODE(POST "Content-Length: -5\r\n\r\n{}"), 200);
    cr_assert_neq(CODE(POST "Content-Length: x\r\n\r\n{}"), 200);
    cr_assert_eq(CODE(POST "Content-Length: 17179869184\r\n\r\n{}"), 413);
    cr_assert_neq(CODE(POST "Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}"), 200);
    cr_assert_neq(CODE("POST"), 200);
    cr_assert_neq(CODE("\r\n\r\n\r\n"), 200);
    cr_assert_neq(CODE("GET / HTTP/9.9\r\n\r\n"), 200);
    memset(big, 'h', 200000);
    memcpy(big, "GET /healthz HTTP/1.1\r\nX: ", 26);
    cr_assert_neq(http_raw(&s, big, 200000), 200);
    for (int i = 0; i < 200; i++) {
        fill((unsigned char *)text, sizeof text, &r);
        cr_assert_neq(http_raw(&s, text, 1 + nbx_random_below(&r, sizeof text)), 200);
    }
    free(big);
    cr_assert_eq(http_call(&s, "GET", "/readyz", "").code, 200);
}

Test(hostile_peers, slow_http_clients_stall_nobody)
{
    int fds[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = tcp_open(s.http_port);
        tcp_send(fds[i], POST "Content-Length: 50\r\n\r\n{", 20 + (size_t)i % 70);
    }
    for (int i = 0; i < 20; i++)
        cr_assert_eq(http_call(&s, "POST", "/v1/recommend", "{'n': 1}").code, 200);
    neighbour_wait(&good, 50);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
}

/* A DEALER that asks and never reads, with small queues of its own. */
Test(hostile_peers, reader_that_does_not_read_loses_only_its_own_replies)
{
    void *context = zmq_ctx_new(), *deaf = zmq_socket(context, ZMQ_DEALER);
    int one = 1, zero = 0, small = 4096;
    size_t sent = 0;
    zmq_setsockopt(deaf, ZMQ_RCVHWM, &one, sizeof one);
    zmq_setsockopt(deaf, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(deaf, ZMQ_RCVBUF, &small, sizeof small);
    cr_assert_eq(zmq_connect(deaf, s.endpoint), 0);
    for (int i = 0; i < 40000; i++) {
        zmq_send(deaf, "", 0, ZMQ_SNDMORE);
        zmq_send(deaf, "NBX1", 4, ZMQ_SNDMORE);
        zmq_send(deaf, "hello", 5, ZMQ_SNDMORE);
        zmq_send(deaf, "", 0, ZMQ_SNDMORE);
        sent += zmq_send(deaf, "\x80", 1, 0) == 1;
    }
    neighbour_wait(&good, 100);
    cr_assert_eq(sent, 40000);
    struct nbx_value *stats;
    do /* until the daemon has taken them all: nothing it could be waiting for is ours */
        stats = get(p, "stats", "", "{}");
    while (nbx_value_get(stats, "requests.hello")->i < 40000);
    neighbour_wait(&good, 100);
    zmq_close(deaf);
    zmq_ctx_term(context);
}

Test(hostile_peers, random_requests_of_every_kind_change_nothing_else)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    static const char *const ops[] = {"recommend", "rank",         "similar",      "observe",
                                      "item.put",  "customer.put", "decision.get", "stats"};
    struct answer kept = ask(p, "item.get", "", "{'ids': ['a', 'b']}");
    for (int i = 0; i < 4000; i++) {
        unsigned char junk[128];
        size_t n = nbx_random_below(&r, sizeof junk);
        fill(junk, sizeof junk, &r);
        struct answer a =
            ask_raw(p, ops[i % 8], NBX_STR(""), (struct nbx_str){(const char *)junk, (uint32_t)n});
        cr_assert_str_eq(a.status, "bad_request");
    }
    cr_assert(nbx_str_eq(kept.raw, ask(p, "item.get", "", "{'ids': ['a', 'b']}").raw));
}
