/* SPDX-License-Identifier: MIT */
#include "bench/load/climb.h"
#include "bench/load/report.h"
#include "engine/json/json.h"

#include <criterion/criterion.h>

static struct nbx_load_result r;
static struct nbx_load_arguments a;
static struct nbx_buf out;
static struct nbx_arena *arena;

static void answer(unsigned kind, const char *status, uint64_t us)
{
    r.kinds[kind].sent++;
    nbx_load_tally_answer(&r.kinds[kind], nbx_str_c(status), us * 1000);
}

/* 100 recommended, one of them busy and one late, 20 observed; one lost, two not sent. */
static void begin(void)
{
    arena = nbx_arena_new(1 << 20);
    a = (struct nbx_load_arguments){
        .program = "nbx-bench",
        .load = {.rate = 50, .seconds = 2, .seed = 11, .connections = 3, .warmup_seconds = 0.5},
        .scenario = NBX_LOAD_MIXED,
        .weights = {80, 5, 15}};
    for (uint64_t i = 1; i < 100; i++)
        answer(NBX_LOAD_RECOMMEND, "ok", i);
    answer(NBX_LOAD_RECOMMEND, "busy", 5000);
    for (int i = 0; i < 20; i++)
        answer(NBX_LOAD_OBSERVE, "ok", 700);
    r.kinds[NBX_LOAD_RECOMMEND].late = 1;
    r.kinds[NBX_LOAD_OBSERVE].sent++;
    r.kinds[NBX_LOAD_OBSERVE].lost = 1;
    r.kinds[NBX_LOAD_OBSERVE].not_sent = 2;
    for (unsigned i = 0; i < NBX_LOAD_MAX_KINDS; i++)
        nbx_load_tally_merge(&r.total, &r.kinds[i]);
    nbx_hist_add(&r.lateness_ns, 1500000);
    r.seconds = 2;
    r.cpu_share = 0.25;
    r.longest_silence_ns = 4321000;
}

static void end(void)
{
    nbx_buf_fini(&out);
    nbx_arena_destroy(&arena);
}

TestSuite(report, .init = begin, .fini = end);

static struct nbx_value *decoded(void)
{
    static struct nbx_value v;
    struct nbx_fault fault;
    cr_assert_not(out.failed);
    cr_assert_eq(out.p[out.len - 1], '\n');
    cr_assert_eq(nbx_json_decode(&v, (char *)out.p, out.len, arena, &fault), NBX_OK, "%s in %.*s",
                 fault.message, (int)out.len, (char *)out.p);
    return &v;
}

static double number(const struct nbx_value *v, const char *key)
{
    const struct nbx_value *member = nbx_value_get(v, key);
    cr_assert(member && (member->type == NBX_INT || member->type == NBX_FLOAT), "%s", key);
    return member->type == NBX_INT ? (double)member->i : member->f;
}

Test(report, json_tells_what_was_asked_and_what_came)
{
    nbx_load_report_json(&out, &r, &a, NULL);
    struct nbx_value *v = decoded();
    cr_expect(nbx_str_is(nbx_value_get(v, "scenario")->s, "mixed"));
    cr_expect_eq(number(nbx_value_get(v, "mix"), "observe"), 15);
    cr_expect_eq(number(v, "rate"), 50);
    cr_expect_eq(number(v, "seed"), 11);
    cr_expect_eq(number(v, "connections"), 3);
    cr_expect_eq(number(v, "sent"), 121);
    cr_expect_eq(number(v, "answered"), 120);
    cr_expect_eq(number(v, "achieved_rate"), 60);
    cr_expect_eq(number(v, "failed"), 4); /* busy, lost, two not sent */
    cr_expect_eq(number(v, "busy"), 1);
    cr_expect_eq(number(v, "lost"), 1);
    cr_expect_eq(number(v, "not_sent"), 2);
    cr_expect_eq(number(v, "late"), 1);
    cr_expect_eq(number(nbx_value_get(v, "statuses"), "ok"), 119);
    cr_expect(nbx_value_get(v, "kept_schedule")->b);
    cr_expect_eq(number(v, "cpu_share"), 0.25);
    cr_expect_eq(number(v, "longest_silence_us"), 4321);
    cr_expect_eq(nbx_value_get(v, "error"), NULL);
    const struct nbx_value *us = nbx_value_get(v, "latency_us");
    cr_expect_float_eq(number(us, "p50"), 60, 1);
    cr_expect_float_eq(number(us, "p95"), 700, 11);
    cr_expect_float_eq(number(us, "max"), 5000, 0.1);
    cr_expect_float_eq(number(us, "mean"), (4950 + 5000 + 14000) / 120.0, 0.1);
}

static int64_t sum_of_counts(const struct nbx_value *histogram)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < histogram->n; i++)
        n += nbx_value_get(&histogram->list[i], "count")->i;
    return n;
}

Test(report, json_has_a_histogram_for_each_kind_and_for_all)
{
    nbx_load_report_json(&out, &r, &a, NULL);
    struct nbx_value *v = decoded();
    const struct nbx_value *kinds = nbx_value_get(v, "scenarios");
    cr_assert_eq(kinds->n, 2);
    cr_expect(nbx_str_is(nbx_value_get(&kinds->list[0], "scenario")->s, "recommend"));
    cr_expect(nbx_str_is(nbx_value_get(&kinds->list[1], "scenario")->s, "observe"));
    cr_expect_eq(number(&kinds->list[1], "lost"), 1);
    cr_expect_eq(sum_of_counts(nbx_value_get(&kinds->list[0], "histogram")), 100);
    cr_expect_eq(sum_of_counts(nbx_value_get(&kinds->list[1], "histogram")), 20);
    cr_expect_eq(sum_of_counts(nbx_value_get(v, "histogram")), 120);
}

Test(report, json_is_json_whatever_the_texts_hold)
{
    answer(NBX_LOAD_RANK, "a\"\\\n\xff status of more than twenty-three bytes", 5);
    nbx_load_tally_merge(&r.total, &r.kinds[NBX_LOAD_RANK]);
    nbx_load_report_json(&out, &r, &a, "stopped \"there\"\n");
    struct nbx_value *v = decoded();
    cr_expect_eq(number(nbx_value_get(v, "statuses"), "a?????status?of?more?th"), 1);
    cr_expect(nbx_str_is(nbx_value_get(v, "error")->s, "stopped \"there\"\n"));
}

Test(report, a_schedule_is_not_kept_when_one_in_a_hundred_is_late)
{
    r.total.late = 2;
    nbx_load_report_json(&out, &r, &a, NULL);
    cr_expect_not(nbx_value_get(decoded(), "kept_schedule")->b);
}

Test(report, text_has_a_line_for_each_kind_one_for_all_and_what_failed)
{
    nbx_load_report_text(&out, &r, &a);
    nbx_buf_put_u8(&out, '\0');
    const char *p = (const char *)out.p;
    cr_expect(strstr(p, "mixed at 50/s for 2 s, poisson arrivals, seed 11"), "%s", p);
    cr_expect(strstr(p, "\nrecommend       100       50.0       1      1      1     99.5"), "%s",
              p);
    cr_expect(strstr(p, "\nobserve          20       10.0       3"), "%s", p);
    cr_expect(strstr(p, "\ntotal           120       60.0       4      1      1"), "%s", p);
    cr_expect(strstr(p, "\nfailed: 1 busy, 1 without an answer, 2 not sent\n"), "%s", p);
    cr_expect(strstr(p, "25 % of a core; 1 of 121 sent more than 1 ms late, p99 1.500 ms"), "%s",
              p);
    cr_expect_not(strstr(p, "\nrank"));
    cr_expect_not(strstr(p, "#"));
    nbx_buf_clear(&out);
    a.histogram = true;
    nbx_load_report_text(&out, &r, &a);
    cr_expect(memchr(out.p, '#', out.len));
}

Test(report, a_run_is_clean_only_if_all_is_ok)
{
    static struct nbx_load_result run;
    cr_expect_not(nbx_load_is_clean(&run));
    run.total.sent = 1;
    nbx_load_tally_answer(&run.total, NBX_STR("ok"), 1);
    cr_expect(nbx_load_is_clean(&run));
    run.total.not_sent = 1;
    cr_expect_not(nbx_load_is_clean(&run));
    run.total.not_sent = 0;
    run.total.sent++;
    cr_expect_not(nbx_load_is_clean(&run));
    nbx_load_tally_answer(&run.total, NBX_STR("busy"), 1);
    cr_expect_not(nbx_load_is_clean(&run));
}

static const char *answer_of(double holds, double fails, bool late)
{
    struct nbx_load_climb climb = {
        .ramp = {.holds = holds, .fails = fails}, .held_p99_us = 812.5, .failed_late = late};
    a.p99_ms = 1;
    nbx_buf_clear(&out);
    nbx_load_climb_text(&out, &climb, &a);
    nbx_buf_put_u8(&out, '\0');
    return (const char *)out.p;
}

Test(report, the_ramp_ends_with_one_answer)
{
    cr_expect_str_eq(answer_of(4200, 4400, false), "highest rate with p99 within 1 ms: 4200/s (p99 "
                                                   "0.812 ms); 4400/s does not hold\n");
    cr_expect_str_eq(
        answer_of(8000, 0, false),
        "highest rate with p99 within 1 ms: 8000/s (p99 0.812 ms), the highest asked for\n");
    cr_expect_str_eq(answer_of(0, 500, false),
                     "no rate holds p99 within 1 ms; 500/s does not hold\n");
    cr_expect(
        strstr(answer_of(4200, 4400, true), "at 4400/s the requests themselves went out late"));
}

Test(report, the_ramp_as_json_has_its_steps)
{
    struct nbx_load_climb climb = {.ramp = {.holds = 4200, .fails = 4400}, .n_steps = 2};
    nbx_buf_printf(&climb.steps, "{\"rate\": 4200}, {\"rate\": 4400}");
    a.p99_ms = 1;
    a.highest_rate = 9000;
    nbx_load_climb_json(&out, &climb, &a, NULL);
    struct nbx_value *v = decoded();
    cr_expect_eq(number(v, "holds"), 4200);
    cr_expect_eq(number(v, "fails"), 4400);
    cr_expect_eq(number(v, "lowest_rate"), 50);
    cr_expect_eq(number(v, "highest_rate"), 9000);
    cr_expect_eq(nbx_value_get(v, "steps")->n, 2);
    nbx_load_climb_fini(&climb);
}
