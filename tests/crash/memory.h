/* SPDX-License-Identifier: MIT
 * The cases of the memory test that need more than a look: memory_limits.c, memory_vectors.c.
 *
 * Threads: main.
 * Errors:  FAILED, after saying on stdout why.
 */
#ifndef NBX_TEST_CRASH_MEMORY_H
#define NBX_TEST_CRASH_MEMORY_H

#include "tests/crash/daemon.h"

enum verdict { PASSED, FAILED, SKIPPED };

struct memory_case {
    struct daemon daemon; /* initialised, not running */
    unsigned customers, events;
    uint64_t seed;
};

enum verdict memory_limit(struct memory_case *c);
enum verdict memory_vectors(struct memory_case *c);
enum verdict memory_watchdog(struct memory_case *c);

#endif
