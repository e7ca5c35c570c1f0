/* SPDX-License-Identifier: MIT */
#include "bench/load/schedule.h"

#include <math.h>

#define NS_PER_S 1e9

static void add_gap(struct nbx_load_schedule *s)
{
    double gap = NS_PER_S / s->rate;
    s->due_ns += (int64_t)(s->constant ? gap : -log1p(-nbx_random_unit(&s->random)) * gap);
}

void nbx_load_schedule_begin(struct nbx_load_schedule *s, uint64_t seed, double rate, bool constant,
                             int64_t start_ns)
{
    *s = (struct nbx_load_schedule){.rate = rate, .constant = constant, .due_ns = start_ns};
    nbx_random_init(&s->random, seed);
    add_gap(s);
}

int64_t nbx_load_schedule_take(struct nbx_load_schedule *s)
{
    int64_t due_ns = s->due_ns;
    add_gap(s);
    return due_ns;
}
