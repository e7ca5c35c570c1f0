/* SPDX-License-Identifier: MIT */
#include "bench/load/ramp.h"

#include <math.h>

#define WHOLE_FROM 100 /* rates are whole numbers from here on: 5 % of it is more than one */

static double readable(double rate)
{
    return rate < WHOLE_FROM ? rate : rint(rate);
}

void nbx_load_ramp_begin(struct nbx_load_ramp *r, double low, double high, unsigned tries)
{
    *r = (struct nbx_load_ramp){.high = high, .tries = tries, .rate = low};
}

static bool is_done(const struct nbx_load_ramp *r)
{
    if (r->fails == 0)
        return r->holds >= r->high;
    return r->holds == 0 || r->fails <= r->holds * NBX_LOAD_RAMP_PRECISION;
}

bool nbx_load_ramp_next(struct nbx_load_ramp *r, bool held)
{
    if (!held && ++r->n_failed < r->tries)
        return true;
    r->n_failed = 0;
    *(held ? &r->holds : &r->fails) = r->rate;
    if (is_done(r))
        return false;
    r->rate = r->fails > 0 ? readable(sqrt(r->holds * r->fails))
                           : fmin(readable(r->holds * NBX_LOAD_RAMP_GROWTH), r->high);
    return true;
}
