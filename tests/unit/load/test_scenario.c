/* SPDX-License-Identifier: MIT */
#include "bench/load/report.h"
#include "bench/load/scenario.h"
#include "proto/message.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct nbx_load_arguments arguments;
static struct nbx_load_scenario *scenario;
static struct nbx_fault fault;
static struct nbx_arena *arena;

static bool parse(char *const *words)
{
    int n = 0;
    while (words[n])
        n++;
    return nbx_load_parse(&arguments, n, (char **)words);
}

#define PARSE(...) parse((char *[]){"nbx-bench", __VA_ARGS__, NULL})

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

Test(scenario, defaults_are_the_documented)
{
    cr_assert(PARSE("--json"));
    cr_expect_str_eq(arguments.load.endpoint, "tcp://127.0.0.1:7741");
    cr_expect_eq(arguments.load.rate, 1000);
    cr_expect_eq(arguments.load.connections, 1);
    cr_expect_not(arguments.load.constant);
    cr_expect(arguments.json);
}

Test(scenario, wrong_options_are_refused)
{
    cr_expect_not(PARSE("--rate", "0"));
    cr_expect_not(PARSE("--rate", "fast"));
    cr_expect_not(PARSE("--n", "2.5"));
    cr_expect_not(PARSE("--n", "1001"));
    cr_expect_not(PARSE("--connections", "65"));
    cr_expect_not(PARSE("--arrivals", "bursts"));
    cr_expect_not(PARSE("--frobnicate"));
    cr_expect_not(PARSE("stray"));
    cr_expect(PARSE("--arrivals", "constant", "--rate", "0.5", "--seed", "9"));
    cr_expect(arguments.load.constant && arguments.load.seed == 9);
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
                    "--item-prefix", "sku"));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    struct nbx_request request;
    struct nbx_observe_req req;
    nbx_load_scenario_make(scenario, 0, &request);
    cr_assert_eq(nbx_message_observe(&req, body_of(&request), true, arena, &fault), NBX_OK, "%s",
                 fault.message);
    cr_expect_eq(req.ack, NBX_ACK_MEMORY);
    cr_assert_eq(req.events.n, 1);
    cr_expect(nbx_str_is(req.events.p[0].type, "cart"));
    cr_expect(nbx_str_is(req.events.p[0].item, "sku0"));
}

Test(scenario, customers_may_come_from_a_file)
{
    char path[] = P_tmpdir "/nbx-customers-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "ada\n\nbob", 8), 8);
    close(fd);
    cr_assert(PARSE("--customers", path));
    cr_assert_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_OK);
    int n_ada = 0, n_bob = 0;
    for (int i = 0; i < 100; i++) {
        struct nbx_request request;
        nbx_load_scenario_make(scenario, 0, &request);
        n_ada += nbx_str_is(request.key, "ada");
        n_bob += nbx_str_is(request.key, "bob");
    }
    cr_expect(n_ada > 20 && n_bob > 20 && n_ada + n_bob == 100, "%d %d", n_ada, n_bob);
    unlink(path);
}

Test(scenario, mistakes_name_the_option)
{
    cr_assert(PARSE("--customers", "/nowhere/at/all"));
    cr_expect_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "--customers");
    cr_assert(PARSE("--filter", "{"));
    cr_expect_eq(nbx_load_scenario_new(&scenario, &arguments, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "--filter");
}

Test(scenario, a_run_is_clean_only_if_all_is_ok)
{
    static struct nbx_load_result r;
    cr_expect_not(nbx_load_is_clean(&r));
    r = (struct nbx_load_result){.answered = 1, .sent = 1, .n_statuses = 1};
    r.statuses[0] = (struct nbx_load_status){"ok", 1};
    cr_expect(nbx_load_is_clean(&r));
    r.lost = 1;
    cr_expect_not(nbx_load_is_clean(&r));
    r.lost = 0;
    r.statuses[0] = (struct nbx_load_status){"busy", 1};
    cr_expect_not(nbx_load_is_clean(&r));
}
