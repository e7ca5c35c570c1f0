/* SPDX-License-Identifier: MIT
 * The search for the highest rate that holds: geometric growth to the first that does not, then
 * bisection between the two.
 *
 * Why:     whether a rate holds costs seconds to find out and loads the machine, so few steps and
 *          none far beyond the limit; a rate may fail once for what else the machine does, so it
 *          has some tries.
 * Owns:    nothing; the caller measures.
 * Threads: one at a time.
 */
#ifndef NBX_BENCH_LOAD_RAMP_H
#define NBX_BENCH_LOAD_RAMP_H

#include <stdbool.h>

#define NBX_LOAD_RAMP_GROWTH    1.5
#define NBX_LOAD_RAMP_PRECISION 1.05 /* rates this close are not told apart */

struct nbx_load_ramp {
    double high;         /* the highest rate to try */
    unsigned tries;      /* a rate fails when it did so as often */
    double holds, fails; /* the highest that held, the lowest that did not; 0: none */
    double rate;         /* to try now */
    unsigned n_failed;   /* tries at that rate */
};

/* The first rate to try is low. */
void nbx_load_ramp_begin(struct nbx_load_ramp *r, double low, double high, unsigned tries);
/* Takes whether r->rate held and sets the next, which may be the same; false: r->holds is the
 * answer. */
bool nbx_load_ramp_next(struct nbx_load_ramp *r, bool held);

#endif
