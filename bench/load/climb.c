/* SPDX-License-Identifier: MIT */
#include "bench/load/climb.h"

#include "bench/load/report.h"
#include "engine/json/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define US_PER_MS  1000.0
#define DEVIATIONS 4 /* of a Poisson count: one step in 30,000 has fewer samples than wanted */

struct nbx_load_options nbx_load_step_options(const struct nbx_load_arguments *a, double rate,
                                              unsigned step)
{
    struct nbx_load_options o = a->load;
    double samples = a->step_samples + DEVIATIONS * sqrt(a->step_samples);
    o.rate = rate;
    o.seconds = fmax(o.seconds, samples / rate);
    o.seed += step;
    return o;
}

bool nbx_load_step_holds(const struct nbx_load_result *r, double p99_ms)
{
    return nbx_load_is_clean(r) &&
           nbx_load_quantile_us(&r->total.latency_ns, 0.99) <= p99_ms * US_PER_MS;
}

static bool was_late(const struct nbx_load_result *r)
{
    return nbx_load_late_share(r) > NBX_LOAD_LATE_SHARE;
}

/* What the step before has left behind is not this one's. */
static void rest(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0)
        continue;
}

static enum nbx_err measure(struct nbx_load_result *out, const struct nbx_load_options *options,
                            nbx_load_make *make, void *arg, struct nbx_fault *fault)
{
    char label[64];
    struct nbx_progress progress;
    struct nbx_load_options o = *options;
    snprintf(label, sizeof label, "at %g/s", o.rate);
    nbx_progress_start(&progress, STDERR_FILENO, label, "requests",
                       (uint64_t)(o.rate * (o.warmup_seconds + o.seconds)));
    o.progress = &progress;
    enum nbx_err err = nbx_load_run(out, &o, make, arg, fault);
    nbx_progress_end(&progress);
    return err;
}

static void print_head(const struct nbx_load_arguments *a)
{
    printf("%s from %g/s to %g/s, %s arrivals, seed %" PRIu64 "; latencies in us from when due\n",
           nbx_load_scenarios[a->scenario], a->load.rate, a->highest_rate,
           a->load.constant ? "constant" : "poisson", a->load.seed);
    printf("%9s%10s%9s%9s%9s%9s%8s%7s%7s\n", "rate/s", "answered", "per s", "p50", "p99", "p99.9",
           "failed", "busy", "late");
}

static void print_step(const struct nbx_load_result *r, double rate, bool held)
{
    const struct nbx_load_tally *t = &r->total;
    const char *verdict = held          ? "holds"
                          : was_late(r) ? "does not hold, sent late"
                                        : "does not hold";
    printf("%9g%10" PRIu64 "%9.1f%9.1f%9.1f%9.1f%8" PRIu64 "%7" PRIu64 "%7" PRIu64 "  %s\n", rate,
           t->answered, nbx_load_achieved(r, t), nbx_load_quantile_us(&t->latency_ns, 0.5),
           nbx_load_quantile_us(&t->latency_ns, 0.99), nbx_load_quantile_us(&t->latency_ns, 0.999),
           nbx_load_tally_failed(t), nbx_load_tally_status(t, "busy"), t->late, verdict);
    fflush(stdout);
}

static void keep(struct nbx_load_climb *c, const struct nbx_load_result *r, double seconds,
                 bool held)
{
    nbx_buf_printf(&c->steps, "%s{\"rate\": %g, \"seconds\": %.3f, \"held\": %s, ",
                   c->n_steps ? ", " : "", c->ramp.rate, seconds, held ? "true" : "false");
    nbx_load_report_tally(&c->steps, r, &r->total);
    nbx_buf_printf(&c->steps, ", \"kept_schedule\": %s, \"cpu_share\": %.3f}",
                   was_late(r) ? "false" : "true", r->cpu_share);
    c->n_steps++;
    if (held)
        c->held_p99_us = nbx_load_quantile_us(&r->total.latency_ns, 0.99);
}

enum nbx_err nbx_load_climb(struct nbx_load_climb *out, const struct nbx_load_arguments *a,
                            nbx_load_make *make, void *arg, struct nbx_fault *fault)
{
    static struct nbx_load_result result;
    *out = (struct nbx_load_climb){.n_steps = 0};
    nbx_load_ramp_begin(&out->ramp, a->load.rate, a->highest_rate, a->tries);
    if (!a->json)
        print_head(a);
    bool more = true;
    while (more) {
        struct nbx_load_options o = nbx_load_step_options(a, out->ramp.rate, out->n_steps);
        if (out->n_steps > 0)
            rest(a->settle_seconds);
        enum nbx_err err = measure(&result, &o, make, arg, fault);
        if (err)
            return err;
        bool held = nbx_load_step_holds(&result, a->p99_ms);
        if (!a->json)
            print_step(&result, o.rate, held);
        keep(out, &result, o.seconds, held);
        more = nbx_load_ramp_next(&out->ramp, held);
        if (out->ramp.fails == o.rate) /* and not only one of its tries */
            out->failed_late = was_late(&result);
    }
    return NBX_OK;
}

void nbx_load_climb_fini(struct nbx_load_climb *climb)
{
    nbx_buf_fini(&climb->steps);
}

/* the answer */

void nbx_load_climb_text(struct nbx_buf *out, const struct nbx_load_climb *c,
                         const struct nbx_load_arguments *a)
{
    const struct nbx_load_ramp *r = &c->ramp;
    if (r->holds > 0)
        nbx_buf_printf(out, "highest rate with p99 within %g ms: %g/s (p99 %.3f ms)", a->p99_ms,
                       r->holds, c->held_p99_us / US_PER_MS);
    else
        nbx_buf_printf(out, "no rate holds p99 within %g ms", a->p99_ms);
    if (r->fails > 0)
        nbx_buf_printf(out, "; %g/s does not hold\n", r->fails);
    else
        nbx_buf_printf(out, ", the highest asked for\n");
    if (c->failed_late)
        nbx_buf_printf(out,
                       "at %g/s the requests themselves went out late: the limit may be this "
                       "machine's, not the daemon's\n",
                       r->fails);
}

void nbx_load_climb_json(struct nbx_buf *out, const struct nbx_load_climb *c,
                         const struct nbx_load_arguments *a, const char *error)
{
    nbx_buf_printf(out, "{");
    nbx_load_report_setup(out, a);
    nbx_buf_printf(out, ", \"lowest_rate\": %g, \"highest_rate\": %g, \"p99_ms\": %g", a->load.rate,
                   a->highest_rate, a->p99_ms);
    nbx_buf_printf(out, ", \"holds\": %g, \"fails\": %g, \"failed_late\": %s", c->ramp.holds,
                   c->ramp.fails, c->failed_late ? "true" : "false");
    nbx_buf_printf(out, ", \"steps\": [%.*s]", (int)c->steps.len,
                   c->steps.p ? (const char *)c->steps.p : "");
    if (error) {
        struct nbx_value text = nbx_value_string(nbx_str_c(error));
        nbx_buf_printf(out, ", \"error\": ");
        out->failed = out->failed || nbx_json_encode(out, &text) != NBX_OK;
    }
    nbx_buf_printf(out, "}\n");
    out->failed = out->failed || c->steps.failed;
}
