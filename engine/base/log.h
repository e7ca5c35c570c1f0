/* SPDX-License-Identifier: MIT
 * One line per happening on stderr: time level key=value text. The supervisor keeps it.
 *
 * Why:     logs answer "what went wrong"; counters answer "how much" and live in stats.
 * Owns:    the process-wide level; a per-thread context string for crash reports.
 * Threads: any. A line is one write(2), so lines never mix.
 * Errors:  none; a log that cannot be written is dropped.
 *
 * Log once, where the error is detected; callers only pass the code up. The plain forms append
 * strerror(errno), the `x` forms do not. A call site that repeats is limited to 5 lines in 10
 * seconds and then says how many it kept back.
 */
#ifndef NBX_BASE_LOG_H
#define NBX_BASE_LOG_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum nbx_log_level { NBX_LOG_DEBUG, NBX_LOG_INFO, NBX_LOG_WARN, NBX_LOG_ERROR };

/* Per call site; zero-initialised by the macros below. */
struct nbx_log_site {
    _Atomic int64_t window_start_ms;
    _Atomic uint32_t in_window;
    _Atomic uint32_t suppressed;
};

void nbx_log_set_level(enum nbx_log_level level);
enum nbx_log_level nbx_log_get_level(void);
/* "debug", "info", "warn", "error" -> level; false where unknown. */
bool nbx_log_parse_level(const char *name, enum nbx_log_level *out);
/* What this thread is working on, printed when an assertion fails. Borrowed; NULL clears. */
void nbx_log_set_context(const char *text);

void nbx_log_write(struct nbx_log_site *site, enum nbx_log_level level, bool with_errno,
                   const char *fmt, ...) NBX_PRINTF(4, 5);

#define NBX_LOG_AT(level, with_errno, ...)                                                         \
    do {                                                                                           \
        static struct nbx_log_site nbx_site_;                                                      \
        if ((level) >= nbx_log_get_level())                                                        \
            nbx_log_write(&nbx_site_, (level), (with_errno), __VA_ARGS__);                         \
    } while (0)

#define nbx_log_debug(...)  NBX_LOG_AT(NBX_LOG_DEBUG, false, __VA_ARGS__)
#define nbx_log_info(...)   NBX_LOG_AT(NBX_LOG_INFO, false, __VA_ARGS__)
#define nbx_log_warn(...)   NBX_LOG_AT(NBX_LOG_WARN, true, __VA_ARGS__)
#define nbx_log_warnx(...)  NBX_LOG_AT(NBX_LOG_WARN, false, __VA_ARGS__)
#define nbx_log_error(...)  NBX_LOG_AT(NBX_LOG_ERROR, true, __VA_ARGS__)
#define nbx_log_errorx(...) NBX_LOG_AT(NBX_LOG_ERROR, false, __VA_ARGS__)

#endif
