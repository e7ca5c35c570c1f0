/* SPDX-License-Identifier: MIT
 * How the answers of the active model and of a canary come out, side by side.
 *
 * Why:     a canary that fails, dawdles or shows everybody the same must go before anybody notices;
 *          only answers of the same time and kind can be compared.
 * Owns:    nothing beyond the structs.
 * Threads: an arm is one worker's; the keeper takes what it noted, under the arm's lock, which is a
 *          leaf that both hold for a moment.
 * Errors:  none.
 */
#ifndef NBX_SERVE_ARM_H
#define NBX_SERVE_ARM_H

#include "engine/base/hist.h"
#include "engine/decide/decide.h"

#include <pthread.h>

enum nbx_arm_kind { NBX_ARM_ACTIVE, NBX_ARM_CANARY, NBX_N_ARMS };

#define NBX_ARM_SHOWN 4096 /* items noted of a window; what comes after is not */

struct nbx_arm_figures {
    uint64_t asked, failed;        /* customers answered for; without an answer, of these */
    struct nbx_hist took_ns;       /* deciding, for one customer */
    uint32_t shown[NBX_ARM_SHOWN]; /* (n_shown) item numbers, in the order of the answers */
    uint32_t n_shown;
};

struct nbx_arm {
    pthread_mutex_t lock;
    struct nbx_arm_figures figures;
};

/* A decision, or why there is none. */
void nbx_arm_note(struct nbx_arm *arm, int64_t took_ns, enum nbx_err err,
                  const struct nbx_decision *decision);
/* Adds what was noted to sum; the arm begins anew. */
void nbx_arm_take(struct nbx_arm *arm, struct nbx_arm_figures *sum);
/* Distinct ones among the first n items shown. NBX_ARM_SHOWN at most. */
uint32_t nbx_arm_distinct(const struct nbx_arm_figures *figures, uint32_t n);

/* When a canary is rolled back. */
struct nbx_guard {
    uint64_t window;     /* answers of both before they are compared, from 1 */
    double max_failed;   /* share of failed ones above the active model's, 0 to 1 */
    double max_slower;   /* the 99th percentile of deciding, in the active model's, from 1 */
    double min_coverage; /* distinct items shown, as a share of the active model's, 0 to 1 */
};

/* Deciding in less is never too slow. */
#define NBX_GUARD_FAST_NS 1000000
/* So many failures are looked at before the window is full. */
#define NBX_GUARD_FAILURES 10

enum nbx_verdict { NBX_VERDICT_OPEN, NBX_VERDICT_GOOD, NBX_VERDICT_BAD };
/* arms: (NBX_N_ARMS), of a window. why, of `bytes`, says what is bad. */
enum nbx_verdict nbx_guard_judge(const struct nbx_guard *guard, const struct nbx_arm_figures *arms,
                                 char *why, size_t bytes);

#endif
