/* SPDX-License-Identifier: MIT */
#include "models/calibrate/reliability.h"

#include <math.h>
#include <stdlib.h>

static int compare_cases(const void *a, const void *b)
{
    const struct nbx_case *x = a, *y = b;
    return (x->predicted > y->predicted) - (x->predicted < y->predicted);
}

/* Where the bin ends that should end at `end`: behind all that is equal to its last. */
static size_t end_of(const struct nbx_case *cases, size_t n, size_t end)
{
    while (end > 0 && end < n && cases[end].predicted == cases[end - 1].predicted)
        end++;
    return end;
}

static struct nbx_reliability_bin bin_of(const struct nbx_case *cases, size_t n)
{
    double predicted = 0, happened = 0;
    for (size_t i = 0; i < n; i++) {
        predicted += cases[i].predicted;
        happened += cases[i].happened;
    }
    return (struct nbx_reliability_bin){predicted / (double)n, happened / (double)n, n};
}

struct nbx_reliability nbx_reliability_of(struct nbx_case *cases, size_t n)
{
    struct nbx_reliability out = {.n_bins = 0};
    if (n)
        qsort(cases, n, sizeof *cases, compare_cases);
    for (size_t i = 1, begin = 0; i <= NBX_RELIABILITY_BINS; i++) {
        size_t end = end_of(cases, n, n * i / NBX_RELIABILITY_BINS);
        if (end <= begin)
            continue;
        struct nbx_reliability_bin bin = bin_of(cases + begin, end - begin);
        out.bins[out.n_bins++] = bin;
        out.ece += fabs(bin.predicted - bin.observed) * (double)bin.n / (double)n;
        begin = end;
    }
    return out;
}
