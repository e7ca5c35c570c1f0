/* SPDX-License-Identifier: MIT */
#include "bench/load/climb.h"

#include "engine/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>
#include <time.h>

static struct fake_daemon daemon_;
static struct nbx_load_result result;
static const struct nbx_load_tally *const total = &result.total;
static struct nbx_fault fault;
static unsigned n_made, n_kinds = 1;
static int pause_at = -1; /* the request before which the server rests */
static const char *status = "ok";
static int swallow_from = INT32_MAX, swallow_each = INT32_MAX; /* requests never answered */
static bool dawdle;                                            /* the generator rests once */

/* What is measured, not a wait for something. */
static void rest(void)
{
    struct timespec time = {.tv_nsec = 200000000};
    nanosleep(&time, NULL);
}

static void *serve(void *arg)
{
    (void)arg;
    for (int i = 0; !atomic_load(&daemon_.stop);) {
        if (!fake_waiting(&daemon_))
            continue;
        if (i == pause_at)
            rest();
        fake_take(&daemon_);
        if (++i <= swallow_from && i % swallow_each != 0)
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

static unsigned make(void *arg, uint64_t number, struct nbx_request *out)
{
    n_made = number == 0 ? 0 : n_made; /* another run */
    cr_assert_eq(number, n_made);
    *(int *)arg += 1;
    n_made++;
    if (dawdle && number == 10) {
        dawdle = false;
        rest();
    }
    *out = (struct nbx_request){.op = "recommend", .key = NBX_STR("c"), .body = NBX_STR("\x80")};
    return number % n_kinds;
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
    enum nbx_err err = nbx_load_run(&result, &options, make, &arg, &fault);
    cr_expect_eq((unsigned)arg, n_made);
    return err;
}

TestSuite(load, .init = setup, .fini = teardown);

Test(load, every_request_is_sent_and_answered)
{
    cr_assert_eq(run(500, 0.4, 5000), NBX_OK);
    cr_expect(total->sent >= 199 && total->sent <= 200, "%llu", (unsigned long long)total->sent);
    cr_expect_eq(total->answered, total->sent);
    cr_expect_eq(total->latency_ns.n, total->sent);
    cr_expect_eq(result.lateness_ns.n, total->sent);
    cr_expect_eq(total->lost, 0);
    cr_expect_eq(nbx_load_tally_status(total, "ok"), total->sent);
    cr_expect(result.cpu_share > 0 && result.seconds > 0.3);
}

Test(load, a_pause_of_the_server_is_in_the_latency_of_all_who_came_during_it)
{
    pause_at = 50; /* about a tenth of a second in; the first is hello */
    cr_assert_eq(run(500, 0.6, 5000), NBX_OK);
    /* 200 ms at 500/s are 100 of 300 requests: a closed loop would have seen one slow one. */
    uint64_t p80 = nbx_hist_quantile(&total->latency_ns, 0.80);
    cr_expect_gt(p80, 20000000, "p80 %llu ns", (unsigned long long)p80);
    cr_expect_geq(total->latency_ns.max, 190000000);
    cr_expect_geq(result.longest_silence_ns, 190000000);
}

Test(load, silence_counts_while_somebody_waits)
{
    cr_assert_eq(run(5, 0.7, 5000), NBX_OK);
    cr_expect(total->answered >= 2 && result.longest_silence_ns > 0);
    cr_expect_lt(result.longest_silence_ns, 190000000, "requests are 200 ms apart");
    cr_expect_leq(result.longest_silence_ns, (int64_t)total->latency_ns.max);
}

Test(load, lateness_of_its_own_is_counted_and_in_the_latency)
{
    dawdle = true;
    cr_assert_eq(run(500, 0.6, 5000), NBX_OK);
    /* 200 ms at 500/s: a hundred requests were due meanwhile. */
    cr_expect(total->late >= 80 && total->late < total->sent, "%llu late",
              (unsigned long long)total->late);
    cr_expect_geq(nbx_load_late_share(&result), 0.25);
    cr_expect_geq(result.lateness_ns.max, 190000000);
    cr_expect_geq(total->latency_ns.max, 190000000);
}

Test(load, a_ramp_tries_again_what_something_else_spoilt)
{
    struct nbx_load_arguments a = {.json = true, /* no lines */
                                   .load = {.endpoint = daemon_.endpoint,
                                            .rate = 200,
                                            .seconds = 0.3,
                                            .constant = true,
                                            .connections = 1,
                                            .timeout_ms = 5000},
                                   .highest_rate = 250,
                                   .p99_ms = 150,
                                   .step_samples = 100,
                                   .tries = 2};
    struct nbx_load_climb climb;
    int arg = 0;
    dawdle = true;
    cr_assert_eq(nbx_load_climb(&climb, &a, make, &arg, &fault), NBX_OK, "%s", fault.message);
    cr_expect_eq(climb.n_steps, 3); /* 200 twice, 250 */
    cr_expect(climb.ramp.holds == 250 && climb.ramp.fails == 0);
    cr_expect_not(climb.failed_late); /* nothing failed in the end */
    nbx_load_climb_fini(&climb);
}

Test(load, errors_are_counted_by_status)
{
    status = "busy";
    cr_assert_eq(run(200, 0.2, 5000), NBX_OK);
    cr_expect_eq(total->n_statuses, 1);
    cr_expect_eq(nbx_load_tally_status(total, "busy"), total->answered);
    cr_expect_eq(nbx_load_tally_failed(total), total->sent);
}

Test(load, kinds_are_counted_apart_and_together)
{
    n_kinds = 3;
    cr_assert_eq(run(300, 0.3, 5000), NBX_OK);
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        const struct nbx_load_tally *kind = &result.kinds[i];
        cr_expect(kind->sent >= 29 && kind->sent <= 31);
        cr_expect_eq(kind->latency_ns.n, kind->answered);
        sum += kind->answered;
    }
    cr_expect_eq(result.kinds[3].sent, 0);
    cr_expect_eq(total->answered, sum);
    cr_expect_eq(total->latency_ns.n, sum);
}

Test(load, what_is_never_answered_is_lost)
{
    swallow_each = 5;
    cr_assert_eq(run(200, 0.3, 100), NBX_OK);
    cr_expect(total->lost >= 10 && total->lost <= 12, "%llu", (unsigned long long)total->lost);
    cr_expect_eq(total->answered, total->sent - total->lost);
    cr_expect_eq(nbx_load_tally_failed(total), total->lost);
}

Test(load, a_server_that_falls_silent_ends_the_run_with_what_there_was)
{
    swallow_from = 11; /* hello and ten */
    int64_t before = nbx_clock_mono_ns();
    cr_assert_eq(run(200, 60, 100), NBX_EBUSY);
    cr_expect_lt(nbx_clock_mono_ns() - before, INT64_C(30000000000));
    cr_expect_eq(total->answered, 10);
    cr_expect_gt(total->lost, 5);
    cr_expect(strstr(fault.message, "has not answered anything for 100 ms"), "%s", fault.message);
}

Test(load, what_is_no_endpoint_is_refused)
{
    struct nbx_load_options options = {
        .endpoint = "nonsense", .rate = 1, .seconds = 1, .connections = 1, .timeout_ms = 1};
    cr_expect_eq(nbx_load_run(&result, &options, make, NULL, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "--endpoint");
    cr_expect_str_eq(fault.message, "not an endpoint: nonsense");
}
