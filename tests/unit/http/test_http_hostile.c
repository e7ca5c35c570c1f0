/* SPDX-License-Identifier: MIT
 * Peers and fronts that misbehave: nothing crashes, leaks or waits for ever. */
#include "tests/unit/http/http_fixture.h"

#include "engine/base/random.h"

#include <dirent.h>

static struct nbx_budget budget = {.limit = 1000};

static void start_small(void)
{
    start_with((struct nbx_http_options){.max_body_bytes = 100, .max_connections = 8});
}

static void start_impatient(void)
{
    start_with((struct nbx_http_options){.timeout_ms = 50, .idle_timeout_s = 1});
}

static void start_poor(void)
{
    start_with((struct nbx_http_options){.budget = &budget});
}

static void expect_alive(void)
{
    expect_answer(get("/healthz"), 200, "ok");
    expect_answer(post("/v1/recommend", "{\"n\":1}"), 200, "{\"n\":1}");
}

Test(http_hostile, a_body_declared_too_long_is_refused_unread, .init = start_small, .fini = stop)
{
    struct answer a =
        exchange_text("POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      "Content-Length: 16000000000\r\n\r\n",
                      true);
    expect_answer(a, 413, "{\"status\":\"limit\",\"message\":\"the body may have 100 bytes\"}");
    expect_alive();
}

Test(http_hostile, a_body_somewhat_too_long_is_read_and_refused, .init = start_small, .fini = stop)
{
    char body[1000];
    memset(body, '[', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    int fd = dial();
    put_request(fd, "/v1/rank", body);
    expect_answer(read_answer(fd, true), 413, "the body may have 100 bytes");
    put_request(fd, "/v1/rank", "{\"n\":1}"); /* the connection lives */
    expect_answer(read_answer(fd, true), 200, "{\"n\":1}");
    close(fd);
}

static void put_chunk(struct nbx_buf *b, size_t n)
{
    nbx_buf_printf(b, "%zx\r\n", n);
    for (size_t i = 0; i < n; i++)
        nbx_buf_put_u8(b, ' ');
    nbx_buf_printf(b, "\r\n");
}

static struct answer post_chunks(size_t n_chunks, size_t chunk)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < n_chunks; i++)
        put_chunk(&b, chunk);
    nbx_buf_printf(&b, "2\r\n{}\r\n0\r\n\r\n");
    int fd = dial();
    put_bytes(fd, b.p, b.len);
    nbx_buf_fini(&b);
    struct answer a = read_answer(fd, true);
    close(fd);
    return a;
}

Test(http_hostile, a_chunked_body_is_measured_as_it_comes, .init = start_small, .fini = stop)
{
    expect_answer(post_chunks(2, 40), 200, "\"op\":\"rank\"");
    expect_answer(post_chunks(3, 40), 413, "100 bytes");
    cr_expect_eq(post_chunks(1000, 400).code, 0, "an endless body must be cut off");
    expect_alive();
}

Test(http_hostile, no_reply_is_a_timeout, .init = start_impatient, .fini = stop)
{
    expect_answer(post("/v1/rank", "{\"do\":\"hang\"}"), 504, "no reply within 50 ms");
    expect_answer(post("/v1/rank", "{\"do\":\"odd\"}"), 504, "no reply within 50 ms");
    expect_alive();
}

Test(http_hostile, a_reply_without_sense_is_internal, .init = start, .fini = stop)
{
    expect_answer(post("/v1/rank", "{\"do\":\"junk\"}"), 500, "\"status\":\"internal\"");
    expect_alive();
}

Test(http_hostile, a_half_open_request_is_closed, .init = start_impatient, .fini = stop)
{
    static const char declared[] =
        "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 50\r\n\r\n{\"n\":";
    static const char *const halves[] = {"", "POST", "POST /v1/rank HTTP/1.1\r\n", declared};
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++)
        cr_expect_eq(exchange_text(halves[i], true).code / 400, 0, "%s", halves[i]);
    expect_alive();
}

Test(http_hostile, peers_that_leave_while_waiting_do_no_harm, .init = start_impatient, .fini = stop)
{
    for (int i = 0; i < 20; i++) {
        int fd = dial();
        put_request(fd, "/v1/rank", i % 2 ? "{\"do\":\"hang\"}" : "{\"n\":1}");
        struct linger now = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd); /* a reset */
    }
    expect_alive();
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

Test(http_hostile, garbage_is_refused_or_closed, .init = start_impatient, .fini = stop)
{
    static const char chunk[] =
        "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n";
    static const char *const broken[] = {"\r\n\r\n\r\n",
                                         "GET\r\n\r\n",
                                         "GET / HTTP/9.9\r\n\r\n",
                                         "\x16\x03\x01\x02\x00\x01\x00",
                                         "POST /v1/rank HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}",
                                         chunk,
                                         "GET /healthz HTTP/1.1\r\nHost\r\n: : :\r\n\r\n"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        int fd = dial();
        put_bytes(fd, broken[i], strlen(broken[i]));
        shutdown(fd, SHUT_WR);
        read_answer(fd, false);
        close(fd);
    }
    struct nbx_random r;
    printf("seed 11\n");
    nbx_random_init(&r, 11);
    for (int i = 0; i < 300; i++) {
        uint8_t bytes[600];
        size_t n = nbx_random_below(&r, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)nbx_random_u64(&r);
        int fd = dial();
        if (i % 2)
            put_bytes(fd, "POST /v1/rank HTTP/1.1\r\n", 24);
        put_bytes(fd, bytes, n);
        close(fd);
    }
    expect_alive();
}

Test(http_hostile, connections_beyond_the_limit_wait_for_a_place, .init = start_small, .fini = stop)
{
    static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    int fds[16], before = count_descriptors(), n_served = 0;
    for (int i = 0; i < 16; i++) {
        fds[i] = dial();
        put_bytes(fds[i], text, sizeof text - 1);
    }
    for (int i = 0; i < 8; i++)
        n_served += read_answer(fds[i], true).code == 200;
    int n_theirs = count_descriptors() - before - 16;
    cr_expect(n_theirs <= 9, "%d", n_theirs); /* one more may just be closed */
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    for (int i = 8; i < 16; i++) {
        n_served += read_answer(fds[i], true).code == 200;
        close(fds[i]);
    }
    cr_expect(n_served >= 15, "%d", n_served);
}

Test(http_hostile, bodies_count_against_the_budget, .init = start_poor, .fini = stop)
{
    char body[1200] = "{\"n\":1}";
    memset(body + 7, ' ', sizeof body - 8);
    struct answer a = post("/v1/rank", body);
    expect_answer(a, 429, "{\"status\":\"limit\",\"message\":\"memory is short\"}");
    cr_expect(strstr(a.head, "Retry-After: 1") != NULL);
    body[900] = '\0';
    for (int i = 0; i < 5; i++)
        expect_answer(post("/v1/rank", body), 200, "{\"n\":1}");
}

Test(http_hostile, stopping_answers_those_who_wait)
{
    int before = count_descriptors();
    start();
    int fd = dial();
    put_request(fd, "/v1/rank", "{\"do\":\"hang\"}");
    int other = dial();
    put_request(other, "/v1/rank", "{\"n\":5}");
    expect_answer(read_answer(other, true), 200, "{\"n\":5}"); /* so the first is under way */
    nbx_http_stop(&http);
    expect_answer(read_answer(fd, true), 503, "shutting down");
    cr_expect_eq(recv(fd, (char[1]){0}, 1, 0), 0, "closed");
    close(fd);
    close(other);
    stop();
    cr_expect_eq(count_descriptors(), before);
}
