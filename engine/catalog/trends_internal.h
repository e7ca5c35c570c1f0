/* SPDX-License-Identifier: MIT
 * What trends.c counts and rankings.c reads.
 *
 * Owns:    nothing of its own.
 * Threads: `lock` is held for reading while cells are used, for writing while they are made or
 *          rescaled.
 */
#ifndef NBX_CATALOG_TRENDS_INTERNAL_H
#define NBX_CATALOG_TRENDS_INTERNAL_H

#include "engine/catalog/tallies.h"
#include "engine/catalog/trends.h"

#include <pthread.h>

#define NBX_TREND_UNITS 1000.0 /* of one unit of weight in the counts */

struct nbx_trend_channel {
    struct nbx_tallies counts; /* thousandths of all events within reach: 0 is exactly none */
    struct nbx_tallies sums;   /* their decayed sum: w 2^(time / half_life - landmark) */
};

struct nbx_trends {
    struct nbx_store *store;
    struct nbx_budget *budget;
    int64_t half_life_ms, bucket_ms;
    uint32_t oldest_bucket; /* that counts, as of loading */
    uint16_t n_channels;
    double landmark; /* whole half-lives since 1970 */
    pthread_rwlock_t lock;
    _Atomic uint64_t generation;
    struct nbx_tallies totals;           /* thousandths, all time */
    struct nbx_trend_channel channels[]; /* (n_channels + 1) */
};

#endif
