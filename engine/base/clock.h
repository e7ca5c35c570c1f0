/* SPDX-License-Identifier: MIT
 * The two clocks. Wall time is an input of every decision: read once per request, passed down.
 */
#ifndef NBX_BASE_CLOCK_H
#define NBX_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970, UTC. */
int64_t nbx_clock_wall_ms(void);

/* Nanoseconds of a clock that never jumps; for durations and deadlines only. */
int64_t nbx_clock_mono_ns(void);

/* Nanoseconds this thread has run: what work costs, whatever else the machine does. A system call.
 */
int64_t nbx_clock_thread_ns(void);

#endif
