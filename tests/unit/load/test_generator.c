/* SPDX-License-Identifier: MIT */
#include "bench/load/generator.h"

#include "engine/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

static struct fake_daemon daemon_;
static struct nbx_load_result result;
static unsigned n_made;
static int pause_at = -1; /* the request before which the server rests */
static const char *status = "ok";
static int swallow_from = INT32_MAX;

static void *serve(void *arg)
{
    (void)arg;
    for (int i = 0; !atomic_load(&daemon_.stop);) {
        if (!fake_waiting(&daemon_))
            continue;
        if (i == pause_at) {
            struct timespec rest = {.tv_nsec = 200000000};
            nanosleep(&rest, NULL); /* what is measured, not a wait for something */
        }
        fake_take(&daemon_);
        if (i++ < swallow_from)
            fake_reply(&daemon_, i == 1 ? "ok" : status, NBX_STR("\x80"));
    }
    return NULL;
}

static void setup(void)
{
    fake_open(&daemon_, "tcp://127.0.0.1:*");
    atomic_store(&daemon_.stop, false);
    pthread_create(&daemon_.thread, NULL, serve, NULL);
}

static void teardown(void)
{
    fake_stop(&daemon_);
    fake_close(&daemon_);
}

static void make(void *arg, uint64_t number, struct nbx_request *out)
{
    cr_assert_eq(number, n_made);
    *(int *)arg += 1;
    n_made++;
    *out = (struct nbx_request){.op = "recommend", .key = NBX_STR("c"), .body = NBX_STR("\x80")};
}

static enum nbx_err run(double rate, double seconds, unsigned timeout_ms)
{
    struct nbx_load_options options = {.endpoint = daemon_.endpoint,
                                       .rate = rate,
                                       .seconds = seconds,
                                       .constant = true,
                                       .connections = 1,
                                       .timeout_ms = timeout_ms,
                                       .seed = 3};
    int arg = 0;
    enum nbx_err err = nbx_load_run(&result, &options, make, &arg);
    cr_expect_eq((unsigned)arg, n_made);
    return err;
}

TestSuite(load, .init = setup, .fini = teardown);

Test(load, every_request_is_sent_and_answered)
{
    cr_assert_eq(run(500, 0.4, 5000), NBX_OK);
    cr_expect(result.sent >= 199 && result.sent <= 200, "%llu", (unsigned long long)result.sent);
    cr_expect_eq(result.answered, result.sent);
    cr_expect_eq(result.latency_ns.n, result.sent);
    cr_expect_eq(result.lost, 0);
    cr_expect_eq(result.n_statuses, 1);
    cr_expect_str_eq(result.statuses[0].name, "ok");
}

Test(load, a_pause_of_the_server_is_in_the_latency_of_all_who_came_during_it)
{
    pause_at = 50; /* about a tenth of a second in; the first is hello */
    cr_assert_eq(run(500, 0.6, 5000), NBX_OK);
    /* 200 ms at 500/s are 100 of 300 requests: a closed loop would have seen one slow one. */
    uint64_t p80 = nbx_hist_quantile(&result.latency_ns, 0.80);
    cr_expect_gt(p80, 20000000, "p80 %llu ns", (unsigned long long)p80);
    cr_expect_geq(result.latency_ns.max, 190000000);
}

Test(load, errors_are_counted_by_status)
{
    status = "busy";
    cr_assert_eq(run(200, 0.2, 5000), NBX_OK);
    cr_expect_eq(result.n_statuses, 1);
    cr_expect_str_eq(result.statuses[0].name, "busy");
    cr_expect_eq(result.statuses[0].n, result.answered);
}

Test(load, what_is_never_answered_is_lost)
{
    swallow_from = 11; /* hello and ten */
    cr_assert_eq(run(200, 0.2, 100), NBX_OK);
    cr_expect_eq(result.answered, 10);
    cr_expect_eq(result.lost, result.sent - 10);
    cr_expect_gt(result.lost, 20);
}

Test(load, nobody_there_is_busy)
{
    struct nbx_load_options options = {
        .endpoint = "nonsense", .rate = 1, .seconds = 1, .connections = 1, .timeout_ms = 1};
    cr_expect_eq(nbx_load_run(&result, &options, make, NULL), NBX_EBAD);
}

Test(load_gaps, poisson_gaps_have_the_mean_and_the_spread_of_their_rate)
{
    enum { N = 100000 };
    struct nbx_random r;
    printf("seed 5\n");
    nbx_random_init(&r, 5);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double gap = (double)nbx_load_gap_ns(&r, 1000, false);
        cr_assert_geq(gap, 0);
        sum += gap;
        squares += gap * gap;
    }
    double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
    cr_expect_float_eq(mean, 1e6, 1.5e4);
    cr_expect_float_eq(deviation, 1e6, 3e4); /* of an exponential: the mean */
    cr_expect_eq(nbx_load_gap_ns(&r, 1000, true), 1000000);
}
