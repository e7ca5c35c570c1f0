/* SPDX-License-Identifier: MIT */
#include "engine/base/hist.h"

#include <math.h>
#include <string.h>

#define SUB (UINT64_C(1) << NBX_HIST_SUB_BITS)

/* A value is shifted right until it has 7 bits; the shift names the row of 64 buckets. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB)
        return (uint32_t)value;
    uint32_t shift = 63U - (uint32_t)__builtin_clzll(value) - NBX_HIST_SUB_BITS;
    return ((shift + 1) << NBX_HIST_SUB_BITS) + (uint32_t)((value >> shift) - SUB);
}

uint64_t nbx_hist_upper_end(uint32_t i)
{
    if (i < SUB)
        return i;
    uint32_t shift = (i >> NBX_HIST_SUB_BITS) - 1;
    uint64_t first = ((i & (SUB - 1)) + SUB) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void nbx_hist_clear(struct nbx_hist *h)
{
    memset(h, 0, sizeof *h);
}

void nbx_hist_add(struct nbx_hist *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->n++;
    h->sum += (double)value;
    if (value > h->max)
        h->max = value;
}

void nbx_hist_merge(struct nbx_hist *h, const struct nbx_hist *other)
{
    for (uint32_t i = 0; i < NBX_HIST_N_BUCKETS; i++)
        h->buckets[i] += other->buckets[i];
    h->n += other->n;
    h->sum += other->sum;
    if (other->max > h->max)
        h->max = other->max;
}

uint64_t nbx_hist_quantile(const struct nbx_hist *h, double q)
{
    if (h->n == 0)
        return 0;
    double rank = ceil(q * (double)h->n);
    uint64_t wanted = rank < 1 ? 1 : (uint64_t)rank, seen = 0;
    for (uint32_t i = 0; i < NBX_HIST_N_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= wanted)
            return nbx_hist_upper_end(i) < h->max ? nbx_hist_upper_end(i) : h->max;
    }
    return h->max;
}

double nbx_hist_mean(const struct nbx_hist *h)
{
    return h->n ? h->sum / (double)h->n : 0;
}
