/* SPDX-License-Identifier: MIT */
#include "engine/base/progress.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_NS  (200 * 1000 * 1000)
#define LINE_BYTES 160
#define WIPE_LINE  "\r\033[K"

void nbx_progress_start(struct nbx_progress *p, int fd, const char *label, const char *unit,
                        uint64_t total)
{
    *p = (struct nbx_progress){.label = label, .unit = unit, .total = total, .fd = fd};
    p->on_terminal = isatty(fd);
    p->start_ns = nbx_clock_mono_ns();
    p->drawn_ns = p->start_ns - REDRAW_NS;
}

static void write_text(const struct nbx_progress *p, const char *text)
{
    if (write(p->fd, text, strlen(text)) < 0)
        return; /* a display that is gone is no reason to stop the job */
}

/* 1234567 -> "1.23M": a rate is read at a glance or not at all. */
static void format_count(char *out, size_t out_bytes, double v)
{
    if (v >= 1e9)
        snprintf(out, out_bytes, "%.2fG", v / 1e9);
    else if (v >= 1e6)
        snprintf(out, out_bytes, "%.2fM", v / 1e6);
    else if (v >= 1e4)
        snprintf(out, out_bytes, "%.1fk", v / 1e3);
    else
        snprintf(out, out_bytes, "%.4g", v);
}

static void format_seconds(char *out, size_t out_bytes, double seconds)
{
    long s = seconds < 1e9 ? (long)(seconds + 0.5) : 1000000000L;
    if (s >= 3600)
        snprintf(out, out_bytes, "%ldh%02ldm", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(out, out_bytes, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(out, out_bytes, "%lds", s);
}

void nbx_progress_format(char *out, size_t out_bytes, const struct nbx_progress *p, uint64_t done,
                         int64_t elapsed_ns)
{
    char amount[32], rate[32], left[32];
    double seconds = (double)elapsed_ns / 1e9;
    double per_second = seconds > 0 ? (double)done / seconds : 0;
    const char *space = p->unit[0] ? " " : "";
    format_count(amount, sizeof amount, (double)done);
    format_count(rate, sizeof rate, per_second);
    if (p->total == 0 || done == 0) {
        snprintf(out, out_bytes, "%s: %s%s%s, %s/s", p->label, amount, space, p->unit, rate);
        return;
    }
    uint64_t rest = done < p->total ? p->total - done : 0;
    format_seconds(left, sizeof left, per_second > 0 ? (double)rest / per_second : 0);
    snprintf(out, out_bytes, "%s: %.0f%%, %s%s%s, %s/s, %s left", p->label,
             100.0 * (double)(p->total - rest) / (double)p->total, amount, space, p->unit, rate,
             left);
}

void nbx_progress_update(struct nbx_progress *p, uint64_t done)
{
    if (!p->on_terminal)
        return;
    int64_t now = nbx_clock_mono_ns();
    if (now - p->drawn_ns < REDRAW_NS)
        return;
    p->drawn_ns = now;
    char line[LINE_BYTES], text[LINE_BYTES + sizeof WIPE_LINE];
    nbx_progress_format(line, sizeof line, p, done, now - p->start_ns);
    snprintf(text, sizeof text, WIPE_LINE "%s", line);
    write_text(p, text);
}

void nbx_progress_end(struct nbx_progress *p)
{
    if (p->on_terminal)
        write_text(p, WIPE_LINE);
}
