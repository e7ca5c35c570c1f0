/* SPDX-License-Identifier: MIT */
#include "bench/load/histogram.h"

#include <inttypes.h>

#define NS_PER_US  1000.0
#define BAR_CHARS  48
#define MAX_LINES  200 /* 20 decades: all of 64 bits */
#define PER_DECADE 10

/* Ends of lines within a decade: Renard's R10 series (ISO 3), ten steps of about a quarter. */
static const double steps[PER_DECADE] = {1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8};

static double line_end_ns(unsigned line)
{
    double decade = 1;
    for (unsigned i = 0; i < line / PER_DECADE; i++)
        decade *= 10;
    return steps[line % PER_DECADE] * decade;
}

/* Counts by line (MAX_LINES); a bucket counts in the line its upper end is in. */
static void count_lines(uint64_t *counts, const struct nbx_hist *ns)
{
    unsigned line = 0;
    for (uint32_t i = 0; i < NBX_HIST_N_BUCKETS; i++) {
        while (line + 1 < MAX_LINES && line_end_ns(line) < (double)nbx_hist_upper_end(i))
            line++;
        counts[line] += ns->buckets[i];
    }
}

void nbx_load_histogram_text(struct nbx_buf *out, const struct nbx_hist *ns)
{
    uint64_t counts[MAX_LINES] = {0}, most = 0;
    unsigned first = MAX_LINES, last = 0;
    count_lines(counts, ns);
    for (unsigned i = 0; i < MAX_LINES; i++) {
        if (!counts[i])
            continue;
        most = counts[i] > most ? counts[i] : most;
        first = i < first ? i : first;
        last = i;
    }
    if (!most)
        return;
    nbx_buf_printf(out, "%12s %10s %7s\n", "up to us", "count", "share");
    for (unsigned i = first; i <= last; i++) {
        /* What is there at all shows. */
        uint64_t chars = (counts[i] * BAR_CHARS + most - 1) / most;
        nbx_buf_printf(out, "%12.6g %10" PRIu64 " %6.2f%%%s", line_end_ns(i) / NS_PER_US, counts[i],
                       100.0 * (double)counts[i] / (double)ns->n, chars ? " " : "");
        for (uint64_t c = 0; c < chars; c++)
            nbx_buf_put_u8(out, '#');
        nbx_buf_put_u8(out, '\n');
    }
}

void nbx_load_histogram_json(struct nbx_buf *out, const struct nbx_hist *ns)
{
    const char *between = "";
    nbx_buf_printf(out, "[");
    for (uint32_t i = 0; i < NBX_HIST_N_BUCKETS; i++) {
        if (!ns->buckets[i])
            continue;
        nbx_buf_printf(out, "%s{\"le_us\": %.3f, \"count\": %" PRIu64 "}", between,
                       (double)nbx_hist_upper_end(i) / NS_PER_US, ns->buckets[i]);
        between = ", ";
    }
    nbx_buf_printf(out, "]");
}
