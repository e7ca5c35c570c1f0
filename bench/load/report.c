/* SPDX-License-Identifier: MIT */
#include "bench/load/report.h"

#include "bench/load/histogram.h"
#include "engine/json/json.h"

#include <inttypes.h>

#define NS_PER_US  1000.0
#define NS_PER_MS  1000000.0
#define LINE_START "%-10s"

static const struct {
    const char *name;
    double q;
} percentiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
#define N_PERCENTILES (sizeof percentiles / sizeof percentiles[0])

double nbx_load_quantile_us(const struct nbx_hist *ns, double q)
{
    return (double)nbx_hist_quantile(ns, q) / NS_PER_US;
}

bool nbx_load_is_clean(const struct nbx_load_result *r)
{
    return r->total.answered > 0 && nbx_load_tally_failed(&r->total) == 0;
}

static bool was_used(const struct nbx_load_tally *t)
{
    return t->sent + t->not_sent > 0;
}

static unsigned count_used(const struct nbx_load_result *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < NBX_LOAD_MAX_KINDS; i++)
        n += was_used(&r->kinds[i]);
    return n;
}

/* JSON */

void nbx_load_report_setup(struct nbx_buf *out, const struct nbx_load_arguments *a)
{
    nbx_buf_printf(out, "\"scenario\": \"%s\", ", nbx_load_scenarios[a->scenario]);
    if (a->scenario == NBX_LOAD_MIXED) {
        nbx_buf_printf(out, "\"mix\": {");
        for (unsigned i = 0; i < NBX_LOAD_N_KINDS; i++)
            nbx_buf_printf(out, "%s\"%s\": %u", i ? ", " : "", nbx_load_scenarios[i],
                           a->weights[i]);
        nbx_buf_printf(out, "}, ");
    }
    nbx_buf_printf(
        out, "\"arrivals\": \"%s\", \"seed\": %" PRIu64 ", \"connections\": %u, \"warmup\": %g",
        a->load.constant ? "constant" : "poisson", a->load.seed, a->load.connections,
        a->load.warmup_seconds);
}

void nbx_load_report_tally(struct nbx_buf *out, const struct nbx_load_result *r,
                           const struct nbx_load_tally *t)
{
    nbx_buf_printf(out,
                   "\"sent\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"achieved_rate\": %.1f"
                   ", \"failed\": %" PRIu64 ", \"busy\": %" PRIu64 ", \"lost\": %" PRIu64
                   ", \"not_sent\": %" PRIu64 ", \"late\": %" PRIu64 ", \"statuses\": {",
                   t->sent, t->answered, nbx_load_achieved(r, t), nbx_load_tally_failed(t),
                   nbx_load_tally_status(t, "busy"), t->lost, t->not_sent, t->late);
    for (uint32_t i = 0; i < t->n_statuses; i++)
        nbx_buf_printf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", t->statuses[i].name,
                       t->statuses[i].n);
    nbx_buf_printf(out, "}, \"latency_us\": {\"mean\": %.1f",
                   nbx_hist_mean(&t->latency_ns) / NS_PER_US);
    for (size_t i = 0; i < N_PERCENTILES; i++)
        nbx_buf_printf(out, ", \"%s\": %.1f", percentiles[i].name,
                       nbx_load_quantile_us(&t->latency_ns, percentiles[i].q));
    nbx_buf_printf(out, "}");
}

static void put_tally(struct nbx_buf *out, const struct nbx_load_result *r,
                      const struct nbx_load_tally *t)
{
    nbx_load_report_tally(out, r, t);
    nbx_buf_printf(out, ", \"histogram\": ");
    nbx_load_histogram_json(out, &t->latency_ns);
}

static void put_kinds(struct nbx_buf *out, const struct nbx_load_result *r)
{
    const char *between = "";
    nbx_buf_printf(out, ", \"scenarios\": [");
    for (unsigned i = 0; i < NBX_LOAD_N_KINDS; i++) {
        if (!was_used(&r->kinds[i]))
            continue;
        nbx_buf_printf(out, "%s{\"scenario\": \"%s\", ", between, nbx_load_scenarios[i]);
        put_tally(out, r, &r->kinds[i]);
        nbx_buf_printf(out, "}");
        between = ", ";
    }
    nbx_buf_printf(out, "]");
}

void nbx_load_report_json(struct nbx_buf *out, const struct nbx_load_result *r,
                          const struct nbx_load_arguments *a, const char *error)
{
    nbx_buf_printf(out, "{");
    nbx_load_report_setup(out, a);
    nbx_buf_printf(out, ", \"rate\": %g, \"seconds\": %g, ", a->load.rate, a->load.seconds);
    put_tally(out, r, &r->total);
    if (a->scenario == NBX_LOAD_MIXED)
        put_kinds(out, r);
    nbx_buf_printf(
        out,
        ", \"lateness_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}"
        ", \"longest_silence_us\": %.1f, \"kept_schedule\": %s, \"cpu_share\": %.3f",
        nbx_load_quantile_us(&r->lateness_ns, 0.5), nbx_load_quantile_us(&r->lateness_ns, 0.99),
        nbx_load_quantile_us(&r->lateness_ns, 1), (double)r->longest_silence_ns / NS_PER_US,
        nbx_load_late_share(r) <= NBX_LOAD_LATE_SHARE ? "true" : "false", r->cpu_share);
    if (error) {
        struct nbx_value text = nbx_value_string(nbx_str_c(error));
        nbx_buf_printf(out, ", \"error\": ");
        out->failed = out->failed || nbx_json_encode(out, &text) != NBX_OK;
    }
    nbx_buf_printf(out, "}\n");
}

/* text */

static void put_line(struct nbx_buf *out, const struct nbx_load_result *r,
                     const struct nbx_load_tally *t, const char *name)
{
    nbx_buf_printf(out, LINE_START "%9" PRIu64 "%11.1f%8" PRIu64 "%7" PRIu64 "%7" PRIu64 "%9.1f",
                   name, t->answered, nbx_load_achieved(r, t), nbx_load_tally_failed(t),
                   nbx_load_tally_status(t, "busy"), t->late,
                   nbx_hist_mean(&t->latency_ns) / NS_PER_US);
    for (size_t i = 0; i < N_PERCENTILES; i++)
        nbx_buf_printf(out, "%9.1f", nbx_load_quantile_us(&t->latency_ns, percentiles[i].q));
    nbx_buf_printf(out, "\n");
}

static void put_failures(struct nbx_buf *out, const struct nbx_load_tally *t)
{
    if (nbx_load_tally_failed(t) == 0)
        return;
    nbx_buf_printf(out, "failed:");
    for (uint32_t i = 0; i < t->n_statuses; i++)
        if (strcmp(t->statuses[i].name, "ok") != 0)
            nbx_buf_printf(out, " %" PRIu64 " %s,", t->statuses[i].n, t->statuses[i].name);
    nbx_buf_printf(out, " %" PRIu64 " without an answer, %" PRIu64 " not sent\n", t->lost,
                   t->not_sent);
}

static void put_bars(struct nbx_buf *out, const struct nbx_load_result *r)
{
    for (unsigned i = 0; i < NBX_LOAD_N_KINDS; i++)
        if (was_used(&r->kinds[i])) {
            nbx_buf_printf(out, "\n%s\n", nbx_load_scenarios[i]);
            nbx_load_histogram_text(out, &r->kinds[i].latency_ns);
        }
}

void nbx_load_report_text(struct nbx_buf *out, const struct nbx_load_result *r,
                          const struct nbx_load_arguments *a)
{
    nbx_buf_printf(out, "%s at %g/s for %g s, %s arrivals, seed %" PRIu64 "; us from when due\n",
                   nbx_load_scenarios[a->scenario], a->load.rate, a->load.seconds,
                   a->load.constant ? "constant" : "poisson", a->load.seed);
    nbx_buf_printf(out, LINE_START "%9s%11s%8s%7s%7s%9s", "", "answered", "per s", "failed", "busy",
                   "late", "mean");
    for (size_t i = 0; i < N_PERCENTILES; i++)
        nbx_buf_printf(out, "%9s", percentiles[i].name);
    nbx_buf_printf(out, "\n");
    for (unsigned i = 0; i < NBX_LOAD_N_KINDS; i++)
        if (was_used(&r->kinds[i]))
            put_line(out, r, &r->kinds[i], nbx_load_scenarios[i]);
    if (count_used(r) > 1)
        put_line(out, r, &r->total, "total");
    put_failures(out, &r->total);
    nbx_buf_printf(out,
                   "load generator: %.0f %% of a core; %" PRIu64 " of %" PRIu64
                   " sent more than %.0f ms late, p99 %.3f ms\n",
                   100 * r->cpu_share, r->total.late, r->total.sent, NBX_LOAD_LATE_NS / NS_PER_MS,
                   nbx_load_quantile_us(&r->lateness_ns, 0.99) / 1000);
    if (a->histogram)
        put_bars(out, r);
}
