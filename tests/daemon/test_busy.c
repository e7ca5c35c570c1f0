/* SPDX-License-Identifier: MIT
 * Too much at once: past the queues and past their time a request is answered busy, quickly, and
 * has changed nothing; everything else is answered as ever.
 */
#include "tests/daemon/harness.h"

#define N_REQUESTS 400

TestSuite(busy, .timeout = 120);

/* Sends them all before it reads any; how many were ok, and how many busy. */
static void flood(struct peer *p, const char *op, struct nbx_str body, size_t *ok, size_t *busy)
{
    struct nbx_reply reply;
    *ok = *busy = 0;
    for (uint64_t i = 0; i < N_REQUESTS; i++) {
        struct nbx_request request = {.op = op, .key = NBX_STR("anna"), .body = body, .tag = i};
        cr_assert_eq(nbx_client_send(p->client, &request), NBX_OK);
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        cr_assert_eq(nbx_client_recv(p->client, ASK_TIMEOUT_MS, p->arena, &reply), NBX_OK,
                     "reply %d of %d", i, N_REQUESTS);
        bool is_busy = nbx_str_is(reply.status, "busy");
        cr_assert(is_busy || nbx_str_is(reply.status, "ok"), "%.*s", NBX_STR_ARG(reply.status));
        cr_assert(!is_busy || text_at(&reply.body, "message").len > 0);
        *ok += !is_busy;
        *busy += is_busy;
    }
}

/* Each one that was ok is applied, and no other. */
static void must_be_applied(struct server *s, size_t ok, size_t busy)
{
    cr_log_info("%zu ok, %zu busy", ok, busy);
    cr_assert(ok > 0 && busy > 0, "%zu ok, %zu busy", ok, busy);
    struct answer stats = ask(&s->peer, "stats", "", "{}");
    for (; strcmp(stats.status, "busy") == 0; busy++) /* a slow moment of the machine */
        stats = ask(&s->peer, "stats", "", "{}");
    cr_assert_eq(nbx_value_get(stats.body, "events.applied")->i, (int64_t)ok);
    cr_assert_eq(nbx_value_get(stats.body, "requests.shed")->i, (int64_t)busy);
}

static void put_items(struct peer *p)
{
    struct nbx_buf b = {0};
    for (int i = 0; i < 2000; i++)
        nbx_buf_printf(&b, "%s{'id': 'i%d'}", i ? "," : "", i);
    nbx_buf_put_u8(&b, '\0');
    get(p, "item.put", "", "{'items': [%s]}", (char *)b.p);
    nbx_buf_fini(&b);
}

Test(busy, past_a_full_queue)
{
    struct server s;
    size_t ok, busy;
    server_start(&s, &(struct server_options){
                         .settings = "request_queue: 16\nqueue_time: 30s\nworkers: 1\n"});
    put_items(&s.peer);
    flood(&s.peer, "recommend", peer_body(&s.peer, "{'n': 1000, 'observe': [{'type': 'view'}]}"),
          &ok, &busy);
    must_be_applied(&s, ok, busy);
    server_stop(&s);
}

Test(busy, past_the_queues_time)
{
    struct server s;
    size_t ok, busy;
    server_start(&s, &(struct server_options){.settings = "queue_time: 2ms\nworkers: 1\n"});
    put_items(&s.peer);
    flood(&s.peer, "recommend", peer_body(&s.peer, "{'n': 1000, 'observe': [{'type': 'view'}]}"),
          &ok, &busy);
    must_be_applied(&s, ok, busy);
    server_stop(&s);
}

Test(busy, past_the_requests_own_time)
{
    struct server s;
    size_t ok, busy;
    server_start(&s, &(struct server_options){.settings = "queue_time: 30s\nworkers: 1\n"});
    put_items(&s.peer);
    flood(&s.peer, "recommend",
          peer_body(&s.peer, "{'n': 1000, 'timeout_ms': 2, 'observe': [{'type': 'view'}]}"), &ok,
          &busy);
    must_be_applied(&s, ok, busy);
    flood(&s.peer, "recommend", peer_body(&s.peer, "{'n': 1, 'timeout_ms': 60000}"), &ok, &busy);
    cr_assert_eq(busy, 0);
    server_stop(&s);
}
