/* SPDX-License-Identifier: MIT
 * One long piece of work on a thread of its own, for an owner that goes on.
 *
 * Why:     what takes a second may not hold up what is answered in a millisecond.
 * Owns:    the thread, from start to join; what it works on is lent by the owner meanwhile.
 * Threads: all functions are the owner's; the work runs on the other one.
 * Errors:  NBX_ELIMIT where no thread can be started.
 */
#ifndef NBX_SERVE_ASIDE_H
#define NBX_SERVE_ASIDE_H

#include "engine/base/err.h"
#include "engine/base/ring.h"

#include <pthread.h>
#include <stdbool.h>

struct nbx_aside {
    void (*work)(void *arg);
    void *arg;
    struct nbx_bell *bell; /* the owner's: rung when the work is done */
    /* Of least priority: for work that nobody waits for, or not at once, and that takes no lock but
     * leaves, which it holds for a moment. */
    bool idle;
    pthread_t thread;
    bool running; /* until joined */
    _Atomic bool done;
};

/* All above `thread` is set; nothing runs yet. */
enum nbx_err nbx_aside_start(struct nbx_aside *aside) NBX_MUST_CHECK;
/* Work that was idle goes on like everybody else's: it has waited long enough. */
void nbx_aside_hurry(struct nbx_aside *aside);
/* True from the end of the work until it is joined. */
bool nbx_aside_done(const struct nbx_aside *aside);
/* Waits for the end of the work, which from here on runs like everybody else. */
void nbx_aside_join(struct nbx_aside *aside);

#endif
