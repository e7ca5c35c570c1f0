/* SPDX-License-Identifier: MIT */
#include "engine/base/log.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES       2048
#define WINDOW_MS        10000
#define LINES_PER_WINDOW 5

static _Atomic int current_level = NBX_LOG_INFO;
static _Thread_local const char *context;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void nbx_log_set_level(enum nbx_log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum nbx_log_level nbx_log_get_level(void)
{
    return (enum nbx_log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool nbx_log_parse_level(const char *name, enum nbx_log_level *out)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum nbx_log_level)i;
            return true;
        }
    }
    return false;
}

void nbx_log_set_context(const char *text)
{
    context = text;
}

/* True if the site may print now; *kept_back is how many lines it swallowed before. */
static bool admit(struct nbx_log_site *site, uint32_t *kept_back)
{
    int64_t now = nbx_clock_mono_ns() / 1000000;
    int64_t start = atomic_load(&site->window_start_ms);
    *kept_back = 0;
    if (start == 0 || now - start >= WINDOW_MS) {
        if (atomic_compare_exchange_strong(&site->window_start_ms, &start, now)) {
            atomic_store(&site->in_window, 0);
            *kept_back = atomic_exchange(&site->suppressed, 0);
        }
    }
    if (atomic_fetch_add(&site->in_window, 1) < LINES_PER_WINDOW)
        return true;
    atomic_fetch_add(&site->suppressed, 1);
    return false;
}

static size_t put_head(char *line, enum nbx_log_level level)
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    size_t used = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    used += (size_t)snprintf(line + used, LINE_BYTES - used, ".%03ldZ level=%s ",
                             ts.tv_nsec / 1000000, level_names[level]);
    return used;
}

static size_t append(char *line, size_t used, const char *fmt, ...) NBX_PRINTF(3, 4);
static size_t append(char *line, size_t used, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + used, LINE_BYTES - used, fmt, args);
    va_end(args);
    used += n > 0 ? (size_t)n : 0;
    return used < LINE_BYTES - 1 ? used : LINE_BYTES - 1;
}

void nbx_log_write(struct nbx_log_site *site, enum nbx_log_level level, bool with_errno,
                   const char *fmt, ...)
{
    int saved = errno;
    uint32_t kept_back;
    if (!admit(site, &kept_back))
        return;
    char line[LINE_BYTES];
    size_t used = put_head(line, level);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + used, LINE_BYTES - used, fmt, args);
    va_end(args);
    used += n > 0 ? (size_t)n : 0;
    if (used > LINE_BYTES - 1)
        used = LINE_BYTES - 1;
    if (with_errno && saved)
        used = append(line, used, ": %s", strerror(saved));
    if (kept_back)
        used = append(line, used, " suppressed=%u", kept_back);
    line[used < LINE_BYTES - 1 ? used : LINE_BYTES - 2] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, used < LINE_BYTES - 1 ? used + 1 : LINE_BYTES - 1);
    (void)ignored;
    errno = saved;
}

_Noreturn void nbx_check_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "nbx: assertion failed: %s at %s:%d, serving: %s\n", expr, file, line,
            context ? context : "nothing");
    abort();
}
