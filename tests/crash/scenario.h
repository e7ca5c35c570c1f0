/* SPDX-License-Identifier: MIT
 * Rounds of writing, dying, starting and verifying on one store.
 *
 * Threads: main.
 * Errors:  counted in the result's tally; `broken` where a round could not be finished.
 */
#ifndef NBX_TEST_CRASH_SCENARIO_H
#define NBX_TEST_CRASH_SCENARIO_H

#include "tests/crash/verify.h"

enum death {
    DEATH_KILL,  /* kill -9: what was written is there */
    DEATH_POWER, /* and the power cut, as powercut.c models it */
    DEATH_LOOP,  /* and the power cut of a mounted file system: see loop.h */
};

struct scenario {
    const char *name;
    const char *program; /* path of the daemon */
    unsigned rounds;
    uint64_t seed;
    enum death death;
    bool until_loss;     /* the first round with a violation is the last */
    double ready_max_ms; /* a start that takes longer is a violation; 0: no bound */
};

struct outcome {
    struct tally tally;
    unsigned rounds;               /* finished */
    uint64_t early;                /* kills before the daemon was ready again */
    uint64_t slow;                 /* starts over the bound */
    uint64_t files, bytes;         /* that the power cuts took */
    double p50_ms, p99_ms, max_ms; /* to ready, after a kill */
    bool broken;
};

void scenario_run(const struct scenario *s, struct outcome *out);

#endif
