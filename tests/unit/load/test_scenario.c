/* SPDX-License-Identifier: MIT */
#include "bench/load/scenario.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct nbx_load_arguments arguments;
static struct nbx_load_scenario *scenario;
static struct nbx_fault fault;
static struct nbx_arena *arena;

static bool parse(const char *const *words)
{
    int n = 0;
    while (words[n])
        n++;
    return nbx_load_parse(&arguments, n, (char **)words);
}

#define PARSE(...) parse((const char *[]){"nbx-bench", __VA_ARGS__, NULL})

static void begin(void)
{
    unsetenv("NBX_ENDPOINT");
    arena = nbx_arena_new(1 << 20);
}

static void end(void)
{
    nbx_load_scenario_destroy(&scenario);
    nbx_arena_destroy(&arena);
}

TestSuite(scenario, .init = begin, .fini = end);

static struct nbx_body body_of(const struct nbx_request *request)
{
    return (struct nbx_body){request->body.p, request->body.len};
}

Test(scenario, recommend_asks_what_is_wanted)
{
    cr_assert(PARSE("--n", "7", "--exclude-seen", "--explain", "--record", "none", "--channel",
                    "web", "--filter", "{\"field\": \"price\", \"lt\": 5}", "--n-customers", "3"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    bool seen[3] = {false};
    for (int i = 0; i < 100; i++) {
        struct nbx_request request;
        struct nbx_recommend_req req;
        nbx_load_scenario_make(scenario, 0, &request);
        cr_assert_str_eq(request.op, "recommend");
        cr_assert(request.key.len == 2 && request.key.p[0] == 'c');
        cr_assert(request.key.p[1] >= '0' && request.key.p[1] <= '2');
        seen[request.key.p[1] - '0'] = true;
        cr_assert_eq(nbx_message_recommend(&req, body_of(&request), false, arena, &fault), NBX_OK,
                     "%s", fault.message);
        cr_assert(req.n == 7 && req.exclude_seen && req.explain && req.filter);
        cr_assert_eq(req.record, NBX_RECORD_NONE);
        nbx_arena_reset(arena);
    }
    cr_expect(seen[0] && seen[1] && seen[2]);
}

Test(scenario, observe_sends_an_event)
{
    cr_assert(PARSE("--scenario", "observe", "--type", "cart", "--ack", "memory", "--n-items", "1",
                    "--item-prefix", "sku", "--channel", "web"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    struct nbx_request request;
    struct nbx_observe_req req;
    cr_assert_eq(nbx_load_scenario_make(scenario, 0, &request), NBX_LOAD_OBSERVE);
    cr_assert_str_eq(request.op, "observe");
    cr_assert_eq(nbx_message_observe(&req, body_of(&request), true, arena, &fault), NBX_OK, "%s",
                 fault.message);
    cr_expect_eq(req.ack, NBX_ACK_MEMORY);
    cr_assert_eq(req.events.n, 1);
    cr_expect(nbx_str_is(req.events.p[0].type, "cart"));
    cr_expect(nbx_str_is(req.events.p[0].item, "sku0"));
    cr_expect(nbx_str_is(req.events.p[0].channel, "web"));
}

static int n_ranked(const char *n_items, const char *rank_items)
{
    static struct nbx_request request;
    struct nbx_recommend_req req;
    cr_assert(PARSE("--scenario", "rank", "--n", "3", "--n-items", n_items, "--rank-items",
                    rank_items, "--filter", "{\"field\": \"price\", \"lt\": 5}"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(nbx_load_scenario_make(scenario, 0, &request), NBX_LOAD_RANK);
        cr_assert_str_eq(request.op, "rank");
        nbx_arena_reset(arena);
        cr_assert_eq(nbx_message_recommend(&req, body_of(&request), true, arena, &fault), NBX_OK,
                     "%s", fault.message);
        cr_assert(req.n == 3 && req.filter);
        for (uint32_t k = 1; k < req.items.n; k++)
            cr_assert_not(nbx_str_eq(req.items.p[k], req.items.p[k - 1]));
    }
    nbx_load_scenario_destroy(&scenario);
    return (int)req.items.n;
}

Test(scenario, rank_sends_a_list_of_items)
{
    cr_expect_eq(n_ranked("500", "100"), 100);
    cr_expect_eq(n_ranked("5", "100"), 5); /* no more than there are */
}

Test(scenario, a_mix_has_its_weights)
{
    int n[NBX_LOAD_N_KINDS] = {0};
    cr_assert(PARSE("--scenario", "mixed", "--n-items", "10", "--seed", "4"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    for (int i = 0; i < 10000; i++) {
        struct nbx_request request;
        n[nbx_load_scenario_make(scenario, 0, &request)]++;
    }
    cr_expect(abs(n[NBX_LOAD_RECOMMEND] - 8000) < 160, "%d, seed 4", n[NBX_LOAD_RECOMMEND]);
    cr_expect(abs(n[NBX_LOAD_OBSERVE] - 1500) < 150, "%d, seed 4", n[NBX_LOAD_OBSERVE]);
    cr_expect(abs(n[NBX_LOAD_RANK] - 500) < 90, "%d, seed 4", n[NBX_LOAD_RANK]);
}

/* All of n requests' bytes, end to end. */
static struct nbx_buf all_bytes(const char *seed)
{
    struct nbx_buf bytes = {0};
    cr_assert(PARSE("--scenario", "mixed", "--n-items", "10", "--seed", seed));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    for (int i = 0; i < 200; i++) {
        struct nbx_request request;
        nbx_load_scenario_make(scenario, 0, &request);
        nbx_buf_put(&bytes, request.op, strlen(request.op));
        nbx_buf_put(&bytes, request.key.p, request.key.len);
        nbx_buf_put(&bytes, request.body.p, request.body.len);
    }
    nbx_load_scenario_destroy(&scenario);
    return bytes;
}

Test(scenario, the_same_seed_asks_the_same)
{
    struct nbx_buf a = all_bytes("7"), same = all_bytes("7"), other = all_bytes("8");
    cr_expect(a.len == same.len && memcmp(a.p, same.p, a.len) == 0);
    cr_expect_not(a.len == other.len && memcmp(a.p, other.p, a.len) == 0);
    nbx_buf_fini(&a);
    nbx_buf_fini(&same);
    nbx_buf_fini(&other);
}

/* A file of the test's own. */
static const char *file_of(const char *content)
{
    static char path[64];
    snprintf(path, sizeof path, P_tmpdir "/nbx-ids-XXXXXX");
    int fd = mkstemp(path);
    size_t n = strlen(content);
    cr_assert_eq(write(fd, content, n), (ssize_t)n);
    close(fd);
    return path;
}

Test(scenario, customers_and_items_may_come_from_files)
{
    char customers[64], items[64];
    snprintf(customers, sizeof customers, "%s", file_of("ada\r\n\nbob"));
    snprintf(items, sizeof items, "%s", file_of("only one\n"));
    cr_assert(PARSE("--customers", customers, "--items", items, "--scenario", "observe"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK, "%s", fault.message);
    int n_ada = 0, n_bob = 0;
    for (int i = 0; i < 100; i++) {
        struct nbx_request request;
        struct nbx_observe_req req;
        nbx_load_scenario_make(scenario, 0, &request);
        n_ada += nbx_str_is(request.key, "ada");
        n_bob += nbx_str_is(request.key, "bob");
        nbx_arena_reset(arena);
        cr_assert_eq(nbx_message_observe(&req, body_of(&request), true, arena, &fault), NBX_OK);
        cr_assert(nbx_str_is(req.events.p[0].item, "only one"));
    }
    cr_expect(n_ada > 20 && n_bob > 20 && n_ada + n_bob == 100, "%d %d", n_ada, n_bob);
    unlink(customers);
    unlink(items);
}

static void refused(const char *field, const char *message)
{
    cr_expect_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, field);
    cr_expect(strstr(fault.message, message), "%s", fault.message);
}

Test(scenario, mistakes_name_the_option)
{
    char long_line[400];
    cr_assert(PARSE("--customers", "/nowhere/at/all"));
    refused("--customers", "cannot be opened: /nowhere/at/all");
    cr_assert(PARSE("--customers", file_of("\n\n")));
    refused("--customers", "has no ids");
    unlink(arguments.customers_file);
    snprintf(long_line, sizeof long_line, "a\n%0300d\n", 1);
    cr_assert(PARSE("--scenario", "rank", "--items", file_of(long_line)));
    refused("--items", ":2: an id has at most 255 bytes");
    unlink(arguments.items_file);
    cr_assert(PARSE("--customers", "/"));
    refused("--customers", "cannot be read: /");
    cr_assert(PARSE("--filter", "{"));
    refused("--filter", "line 1");
    cr_assert(PARSE("--scenario", "rank", "--endpoint", "nonsense"));
    refused("--endpoint", "not an endpoint: nonsense");
}

/* What was sampled: every id a daemon shows, once. */
Test(scenario, items_are_sampled_from_the_daemon)
{
    struct fake_daemon daemon;
    struct nbx_buf reply = {0};
    int n[3] = {0};
    nbx_wire_map(&reply, 1);
    nbx_wire_text(&reply, "items");
    nbx_wire_list(&reply, 3);
    for (int i = 0; i < 3; i++) {
        nbx_wire_map(&reply, 1);
        nbx_wire_kv_text(&reply, "id", (const char *[]){"b", "a", "c"}[i]);
    }
    fake_open(&daemon, "tcp://127.0.0.1:*");
    fake_serve_as(&daemon, 8, (struct nbx_str){(char *)reply.p, (uint32_t)reply.len});
    cr_assert(PARSE("--scenario", "observe", "--endpoint", daemon.endpoint));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK, "%s", fault.message);
    fake_join(&daemon);
    for (int i = 0; i < 300; i++) {
        struct nbx_request request;
        struct nbx_observe_req req;
        nbx_load_scenario_make(scenario, 0, &request);
        nbx_arena_reset(arena);
        cr_assert_eq(nbx_message_observe(&req, body_of(&request), true, arena, &fault), NBX_OK);
        n[req.events.p[0].item.p[0] - 'a']++;
    }
    cr_expect(n[0] > 60 && n[1] > 60 && n[2] > 60 && n[0] + n[1] + n[2] == 300);
    nbx_buf_fini(&reply);
    fake_close(&daemon);
}

Test(scenario, a_daemon_without_items_has_none_to_sample)
{
    struct fake_daemon daemon;
    fake_open(&daemon, "tcp://127.0.0.1:*");
    fake_serve_as(&daemon, 8, NBX_STR("\x81\xa5items\x90"));
    cr_assert(PARSE("--scenario", "rank", "--endpoint", daemon.endpoint));
    cr_expect_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_ENOTFOUND);
    cr_expect_str_eq(fault.field, "--items");
    cr_expect(strstr(fault.message, "shows no items to sample"), "%s", fault.message);
    fake_join(&daemon);
    fake_close(&daemon);
}
