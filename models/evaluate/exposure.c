/* SPDX-License-Identifier: MIT */
#include "models/evaluate/exposure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_counts(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* With x sorted:  sum_i (2 i - n - 1) x_i / (n sum x),  i from 1. */
static enum nbx_err gini_of(double *out, const uint32_t *shown, size_t n, double total)
{
    uint32_t *sorted = malloc((n + 1) * sizeof *sorted);
    if (!sorted)
        return NBX_ELIMIT;
    memcpy(sorted, shown, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_counts);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (2.0 * (double)(i + 1) - (double)n - 1) * (double)sorted[i];
    *out = sum / ((double)n * total);
    free(sorted);
    return NBX_OK;
}

enum nbx_err nbx_exposure_of(struct nbx_exposure *out, const uint32_t *shown, const size_t *taken,
                             size_t n, size_t customers)
{
    size_t covered = 0;
    double total = 0, bits = 0;
    *out = (struct nbx_exposure){0};
    for (size_t i = 0; i < n; i++) {
        covered += shown[i] > 0;
        total += (double)shown[i];
        if (shown[i])
            bits -= (double)shown[i] * log2(fmax(1, (double)taken[i]) / (double)customers);
    }
    if (covered == 0)
        return NBX_OK;
    out->coverage = (double)covered / (double)n;
    out->novelty = bits / total;
    return gini_of(&out->gini, shown, n, total);
}
