/* SPDX-License-Identifier: MIT */
#include "bench/load/arguments.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>

static struct nbx_load_arguments arguments;

static bool parse(const char *const *words)
{
    int n = 0;
    while (words[n])
        n++;
    return nbx_load_parse(&arguments, n, (char **)words);
}

#define PARSE(...) parse((const char *[]){"bin/nbx-bench", __VA_ARGS__, NULL})

static void begin(void)
{
    unsetenv("NBX_ENDPOINT");
}

TestSuite(arguments, .init = begin);

Test(arguments, defaults_are_the_documented)
{
    cr_assert(PARSE("--json"));
    cr_expect_str_eq(arguments.program, "nbx-bench");
    cr_expect_str_eq(arguments.load.endpoint, "tcp://127.0.0.1:7741");
    cr_expect_eq(arguments.load.rate, 1000);
    cr_expect_eq(arguments.load.seconds, 10);
    cr_expect_eq(arguments.load.warmup_seconds, 0.5);
    cr_expect_eq(arguments.load.connections, 1);
    cr_expect_eq(arguments.load.timeout_ms, 5000);
    cr_expect_eq(arguments.load.seed, 1);
    cr_expect_not(arguments.load.constant);
    cr_expect_eq(arguments.highest_rate, 0);
    cr_expect_eq(arguments.scenario, NBX_LOAD_RECOMMEND);
    cr_expect_str_eq(nbx_load_records[arguments.record], "decision");
    cr_expect_str_eq(nbx_load_acks[arguments.ack], "durable");
    cr_expect(arguments.n_customers == 10000 && arguments.n_items == 0);
    cr_expect(arguments.n == 20 && arguments.rank_items == 100);
    cr_expect(arguments.json);
}

Test(arguments, the_environment_names_the_endpoint)
{
    setenv("NBX_ENDPOINT", "ipc:///tmp/x", 1);
    cr_assert(PARSE("--json"));
    cr_expect_str_eq(arguments.load.endpoint, "ipc:///tmp/x");
    cr_assert(PARSE("--endpoint", "tcp://127.0.0.1:1"));
    cr_expect_str_eq(arguments.load.endpoint, "tcp://127.0.0.1:1");
}

Test(arguments, two_rates_are_a_ramp)
{
    cr_assert(PARSE("--rate", "500:20000", "--p99-ms", "2.5", "--step-samples", "3000", "--settle",
                    "0", "--tries", "3"));
    cr_expect_eq(arguments.load.rate, 500);
    cr_expect_eq(arguments.highest_rate, 20000);
    cr_expect_eq(arguments.load.seconds, 2);
    cr_expect(arguments.p99_ms == 2.5 && arguments.step_samples == 3000);
    cr_expect(arguments.settle_seconds == 0 && arguments.tries == 3);
    cr_assert(PARSE("--rate", "1:2", "--duration", "7"));
    cr_expect_eq(arguments.load.seconds, 7);
}

Test(arguments, weights_of_a_mix_that_are_left_out_are_0)
{
    cr_assert(PARSE("--scenario", "mixed"));
    cr_expect_eq(arguments.weights[NBX_LOAD_RECOMMEND], 80);
    cr_expect_eq(arguments.weights[NBX_LOAD_OBSERVE], 15);
    cr_expect_eq(arguments.weights[NBX_LOAD_RANK], 5);
    cr_assert(PARSE("--scenario", "mixed", "--mix", "observe=1,recommend=3"));
    cr_expect_eq(arguments.weights[NBX_LOAD_RECOMMEND], 3);
    cr_expect_eq(arguments.weights[NBX_LOAD_OBSERVE], 1);
    cr_expect_eq(arguments.weights[NBX_LOAD_RANK], 0);
}

/* The one line on stderr names the option and the reason. */
static void refused(const char *const *words, const char *want)
{
    char line[512] = "";
    cr_expect_not(parse(words), "%s %s", words[1], words[2] ? words[2] : "");
    fflush(stderr);
    FILE *said = cr_get_redirected_stderr();
    cr_assert(fgets(line, sizeof line, said), "nothing said of %s", words[1]);
    cr_expect(strstr(line, want), "%s\nis not\n%s", line, want);
}

#define REFUSED(want, ...) refused((const char *[]){"bin/nbx-bench", __VA_ARGS__, NULL}, want)

Test(arguments, mistakes_name_the_option_and_the_reason, .init = cr_redirect_stderr)
{
    REFUSED("nbx-bench: --rate: must be 0.01 to 1000000, got 0\n", "--rate", "0");
    REFUSED("--rate: not a number: \"fast\"", "--rate", "fast");
    REFUSED("--rate: not a number: \"\"", "--rate", "");
    REFUSED("--rate: not a number: \"nan\"", "--rate", "nan");
    REFUSED("--rate: must be 0.01 to 1000000, got inf", "--rate", "inf");
    REFUSED("--rate: not a number: \"5x\"", "--rate", "5x");
    REFUSED("--rate: not a number: \"\"", "--rate", ":5");
    REFUSED("--rate: not a number: \"\"", "--rate", "5:");
    REFUSED("--rate: not a number: \"9:10\"", "--rate", "5:9:10");
    REFUSED("--rate: LOW must be below HIGH, got 9:9", "--rate", "9:9");
    REFUSED("--n: not a whole number: 2.5", "--n", "2.5");
    REFUSED("--n: must be 1 to 1000, got 1001", "--n", "1001");
    REFUSED("--rank-items: must be 1 to 1000, got 0", "--rank-items", "0");
    REFUSED("--seed: must be 0 to 9007199254740991, got 1e18", "--seed", "1e18");
    REFUSED("--seed: must be 0 to 9007199254740991, got -1", "--seed", "-1");
    REFUSED("--connections: must be 1 to 64, got 65", "--connections", "65");
    REFUSED("--duration: must be 0.01 to 86400, got 0", "--duration", "0");
    REFUSED("--arrivals: no such choice: \"bursts\" (poisson, constant)", "--arrivals", "bursts");
    REFUSED("--scenario: no such choice: \"all\" (recommend, rank, observe, mixed)", "--scenario",
            "all");
    REFUSED("--record: no such choice: \"yes\" (none, decision, shown)", "--record", "yes");
    REFUSED("--ack: no such choice: \"disk\" (durable, memory)", "--ack", "disk");
    REFUSED("--customer-prefix: at most 200 bytes", "--customer-prefix",
            (char[202]){[0 ... 200] = 'x', '\0'});
    REFUSED("unrecognized option '--frobnicate'", "--frobnicate");
    REFUSED("option '--rate' requires an argument", "--rate");
    REFUSED("nbx-bench: not an option: stray\n", "stray");
}

Test(arguments, mistakes_of_a_mix_name_the_part, .init = cr_redirect_stderr)
{
    REFUSED("--mix: not NAME=WEIGHT: \"recommend\"", "--scenario", "mixed", "--mix", "recommend");
    REFUSED("--mix: not NAME=WEIGHT: \"\"", "--scenario", "mixed", "--mix", "rank=1,");
    REFUSED("--mix: no such choice: \"similar\" (recommend, rank, observe)", "--scenario", "mixed",
            "--mix", "rank=1,similar=2");
    REFUSED("--mix: not a whole number: 0.5", "--scenario", "mixed", "--mix", "rank=0.5");
    REFUSED("--mix: must be 0 to 1000000, got -1", "--scenario", "mixed", "--mix", "rank=-1");
    REFUSED("--mix: every weight is 0: rank=0", "--scenario", "mixed", "--mix", "rank=0");
}

Test(arguments, options_that_would_change_nothing_are_refused, .init = cr_redirect_stderr)
{
    REFUSED("--p99-ms: needs --rate LOW:HIGH", "--p99-ms", "2");
    REFUSED("--settle: needs --rate LOW:HIGH", "--settle", "2", "--rate", "5");
    REFUSED("--step-samples: needs --rate LOW:HIGH", "--step-samples", "500");
    REFUSED("--tries: needs --rate LOW:HIGH", "--tries", "1");
    REFUSED("--histogram: needs one --rate, not a ramp", "--histogram", "--rate", "1:5");
    REFUSED("--mix: needs --scenario mixed", "--mix", "rank=1");
    REFUSED("--n-items: not together with --items", "--items", "f", "--n-items", "5");
}
