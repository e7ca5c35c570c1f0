/* SPDX-License-Identifier: MIT
 * A histogram of durations: log-linear, 64 sub-buckets per power of two.
 *
 * Why:     percentiles of any number of values in 30 kB, each at most 1/64 too high.
 * Owns:    nothing beyond the struct.
 * Threads: one at a time; merge those of several threads.
 * Errors:  none.
 */
#ifndef NBX_BASE_HIST_H
#define NBX_BASE_HIST_H

#include <stdint.h>

#define NBX_HIST_SUB_BITS  6
#define NBX_HIST_N_BUCKETS ((64 - NBX_HIST_SUB_BITS + 1) << NBX_HIST_SUB_BITS)

/* All zeros is an empty histogram. */
struct nbx_hist {
    uint64_t n, max;
    double sum;
    uint64_t buckets[NBX_HIST_N_BUCKETS]; /* values below 64 have a bucket each */
};

void nbx_hist_clear(struct nbx_hist *h);
void nbx_hist_add(struct nbx_hist *h, uint64_t value);
/* Adds what `other` counted. */
void nbx_hist_merge(struct nbx_hist *h, const struct nbx_hist *other);
/* The smallest recorded value that at least share `q` of all values do not pass (q in [0, 1];
 * nearest rank): the upper end of its bucket, never above the largest value. 0 where empty. */
uint64_t nbx_hist_quantile(const struct nbx_hist *h, double q);
/* The largest value bucket `i` takes; those of i - 1 end below it. */
uint64_t nbx_hist_upper_end(uint32_t i);
/* 0 where empty. */
double nbx_hist_mean(const struct nbx_hist *h);

#endif
