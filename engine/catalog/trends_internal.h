/* SPDX-License-Identifier: MIT
 * What trends.c counts and rankings.c reads.
 *
 * Why:     sums of whole numbers: what is added in any order and taken back leaves the same bits.
 * Owns:    nothing of its own.
 * Threads: `lock` is held for reading while cells are used, for writing while they are made or
 *          dropped.
 *
 * Time is counted in buckets and in periods, a period being the buckets of one half-life. A bucket
 * weighs twice what the same bucket of the period before it weighs, so within a period its share is
 * a whole number out of a table, and the power of two of the period is left to those who read.
 */
#ifndef NBX_CATALOG_TRENDS_INTERNAL_H
#define NBX_CATALOG_TRENDS_INTERNAL_H

#include "engine/catalog/tallies.h"
#include "engine/catalog/trends.h"

#include <pthread.h>

#define NBX_TREND_UNITS 1000.0 /* of one unit of weight in the counts */
/* Of a period's first bucket; the last one's is below twice that. */
#define NBX_TREND_SHARE 0x1p20

/* What counts now (NBX_TREND_HALF_LIVES and the one that began) and room for events that are ahead
 * of the clock, of which nbx_observe lets pass 5 minutes: 5 periods at most. */
#define NBX_TREND_PERIODS 16

struct nbx_trend_channel {
    /* Period p in p % NBX_TREND_PERIODS: thousandths times the share of their bucket. */
    struct nbx_tallies periods[NBX_TREND_PERIODS];
};

struct nbx_trends {
    struct nbx_store *store;
    struct nbx_budget *budget;
    int64_t half_life_ms; /* as asked for; in effect are period_buckets of bucket_ms */
    int64_t bucket_ms;
    uint32_t period_buckets;                         /* buckets in a period */
    int64_t shares[NBX_TREND_BUCKETS_PER_HALF_LIFE]; /* (period_buckets) of each in its period */
    uint32_t oldest; /* period that counts; under `lock`, never falls */
    uint32_t stored; /* what the store knows of `oldest`; whoever advances */
    uint16_t n_channels;
    pthread_rwlock_t lock;
    _Atomic uint64_t generation;
    struct nbx_tallies totals;           /* thousandths, all time */
    struct nbx_trend_channel channels[]; /* (n_channels + 1) */
};

/* The oldest period that counts at a time. */
uint32_t nbx_trends__horizon(const struct nbx_trends *trends, int64_t now_ms);

#endif
