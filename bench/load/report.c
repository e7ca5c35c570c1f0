/* SPDX-License-Identifier: MIT */
#include "bench/load/report.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    double q;
} percentiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
#define N_PERCENTILES (sizeof percentiles / sizeof percentiles[0])

static double us(const struct nbx_load_result *r, size_t i)
{
    return (double)nbx_hist_quantile(&r->latency_ns, percentiles[i].q) / 1000;
}

static double rate(const struct nbx_load_result *r)
{
    return r->seconds > 0 ? (double)r->answered / r->seconds : 0;
}

static void report_json(const struct nbx_load_result *r, const struct nbx_load_arguments *a)
{
    printf("{\"rate\": %g, \"seconds\": %g, \"connections\": %u, \"seed\": %" PRIu64
           ", \"arrivals\": \"%s\", \"sent\": %" PRIu64 ", \"answered\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"not_sent\": %" PRIu64 ", \"achieved_rate\": %.1f, "
           "\"statuses\": {",
           a->load.rate, a->load.seconds, a->load.connections, a->load.seed,
           a->load.constant ? "constant" : "poisson", r->sent, r->answered, r->lost, r->not_sent,
           rate(r));
    for (uint32_t i = 0; i < r->n_statuses; i++)
        printf("%s\"%s\": %" PRIu64, i ? ", " : "", r->statuses[i].name, r->statuses[i].n);
    printf("}, \"latency_us\": {\"mean\": %.1f", nbx_hist_mean(&r->latency_ns) / 1000);
    for (size_t i = 0; i < N_PERCENTILES; i++)
        printf(", \"%s\": %.1f", percentiles[i].name, us(r, i));
    printf("}}\n");
}

void nbx_load_report(const struct nbx_load_result *r, const struct nbx_load_arguments *a)
{
    if (a->json) {
        report_json(r, a);
        return;
    }
    printf("sent %" PRIu64 " at %g/s (%s, seed %" PRIu64 "), answered %" PRIu64
           " at %.0f/s, lost %" PRIu64 ", not sent %" PRIu64 "\n",
           r->sent, a->load.rate, a->load.constant ? "constant" : "poisson", a->load.seed,
           r->answered, rate(r), r->lost, r->not_sent);
    for (uint32_t i = 0; i < r->n_statuses; i++)
        printf("%s%s %" PRIu64 "%s", i ? "  " : "", r->statuses[i].name, r->statuses[i].n,
               i + 1 == r->n_statuses ? "\n" : "");
    printf("latency in us from the intended send time:");
    for (size_t i = 0; i < N_PERCENTILES; i++)
        printf("  %s %.1f", percentiles[i].name, us(r, i));
    printf("\n");
}

bool nbx_load_is_clean(const struct nbx_load_result *r)
{
    return r->answered > 0 && r->lost == 0 && r->not_sent == 0 && r->n_statuses == 1 &&
           nbx_str_is(nbx_str_c(r->statuses[0].name), "ok");
}
