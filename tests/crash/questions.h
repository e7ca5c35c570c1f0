/* SPDX-License-Identifier: MIT
 * A data folder with something of everything in it, and questions that find each part: what the
 * daemon answered once, and whether it answers so again.
 *
 * Owns:    the answers of the first time.
 * Threads: main.
 * Errors:  false, after saying why on stdout.
 */
#ifndef NBX_TEST_CRASH_QUESTIONS_H
#define NBX_TEST_CRASH_QUESTIONS_H

#include "engine/base/buf.h"
#include "engine/base/random.h"
#include "tests/crash/daemon.h"

#define QUESTIONS_SETTINGS "workers: 2\nlog_level: warn\nmemory_limit: 256MiB\n"
#define QUESTIONS_MAX      256

struct question {
    const char *op;
    char key[40];
    struct nbx_buf body;  /* one msgpack map */
    struct nbx_buf first; /* what was answered; see questions.c */
};

struct questions {
    struct question p[QUESTIONS_MAX]; /* (n) */
    unsigned n;
};

struct answers {
    unsigned told;  /* that what is stored cannot be read */
    unsigned other; /* than the first time */
};

/* Runs the daemon, fills its folder, asks; it is killed then, so that part of it lies in logs. */
bool questions_prepare(struct questions *q, struct daemon *d, uint64_t seed);
/* Asks the running daemon all over. false: it does not answer. */
bool questions_ask(const struct questions *q, const struct daemon *d, struct answers *out);
void questions_fini(struct questions *q);

#endif
