/* SPDX-License-Identifier: MIT
 * Times as people and programs write them, to milliseconds since 1970.
 *
 * Why:     imported files count seconds, milliseconds or microseconds, or write a date.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  false, *ms untouched, where the text is no time between 1970 and 9999.
 */
#ifndef NBX_BASE_TIMESTAMP_H
#define NBX_BASE_TIMESTAMP_H

#include "engine/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum nbx_time_unit {
    NBX_TIME_AUTO, /* by size: below 10^11 seconds, below 10^14 ms, else microseconds */
    NBX_TIME_S,
    NBX_TIME_MS,
    NBX_TIME_US,
};

/* A number in `unit` (a fraction and an exponent are taken), or RFC 3339: 2010-12-01T08:26:00Z,
 * 2010-12-01 08:26:00.5+01:00. Of a date the time of day, seconds and zone may be missing (UTC);
 * "/" may stand for "-", and " UTC" for Z. */
bool nbx_timestamp_parse(int64_t *ms, struct nbx_str text, enum nbx_time_unit unit);

#endif
