/* SPDX-License-Identifier: MIT
 * What is wanted now: decayed counts of positive events by channel and item, and all-time totals.
 *
 * Why:     the answer for customers nobody knows. Store and memory keep whole numbers per time
 *          bucket and half-life: exact, so that the same events in any order, some taken back, with
 *          any restart between, give the same bits.
 * Owns:    arrays per channel and half-life, grown in chunks of 4,096 items as they are touched.
 * Threads: nbx_trends_add from any worker (atomic); advancing, then building rankings: one thread
 *          at a time.
 * Errors:  NBX_ELIMIT past the memory budget: the store is then right, memory lags until restart.
 *
 * Decay is forward decay (Cormode, Shkapenyuk, Srivastava, Xu 2009): an event at time t weighs
 * w 2^(t / half_life), so sums need no rescaling and order never changes by waiting. Time is taken
 * in buckets, eight a half-life and none below a minute: a half-life below eight minutes is taken
 * in whole minutes.
 */
#ifndef NBX_CATALOG_TRENDS_H
#define NBX_CATALOG_TRENDS_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/catalog/catalog.h"
#include "engine/store/store.h"

#include <stdint.h>

#define NBX_TREND_BUCKETS_PER_HALF_LIFE 8
/* Whole ones before the half-life that has begun; what is older counts for nothing. */
#define NBX_TREND_HALF_LIVES 10

struct nbx_trends;

struct nbx_trends_options {
    int64_t half_life_ms;
    uint16_t n_channels; /* channel numbers 1..n_channels; 0 is "no channel named" */
    int64_t now_ms;
};

/* What the store holds, without what is too old to count at now_ms or was once: a clock set back
 * brings nothing back. Counts begin anew, with a warning, where the half-life is another than they
 * were made with, or where all of time up to now is too old since the clock once was far ahead.
 * store and budget outlive it. */
enum nbx_err nbx_trends_load(struct nbx_trends **out, struct nbx_store *store,
                             struct nbx_budget *budget, const struct nbx_trends_options *options);
void nbx_trends_destroy(struct nbx_trends **trends);

struct nbx_trend_event {
    uint16_t channel_no;
    uint32_t item_no;
    double weight; /* > 0; stored in thousandths */
    int64_t time_ms;
};
/* Adds to the counts in memory and, through `batch`, in the store. A negative weight takes back. */
enum nbx_err nbx_trends_add(struct nbx_trends *trends, const struct nbx_trend_event *event,
                            struct nbx_batch *batch);
/* Drops what is too old to count at now_ms, from memory and from the store, which remembers how far
 * that went. Costs next to nothing but once a half-life. Where the store cannot be written the next
 * call tries again. */
enum nbx_err nbx_trends_advance(struct nbx_trends *trends, int64_t now_ms);
/* Rises with every add: the writer rebuilds rankings only when it moved. */
uint64_t nbx_trends_generation(const struct nbx_trends *trends);

/* Items in falling order of a score, ties by id; made now, read by every worker. */
struct nbx_ranking {
    uint32_t *item_nos; /* (n) */
    float *scores;      /* (n) */
    size_t n;
};
struct nbx_rankings {
    struct nbx_ranking *trend;  /* (n_channels + 1), by channel number, 0: over all channels; only
                                   items with a count */
    struct nbx_ranking popular; /* all-time totals; only items with a count */
    struct nbx_ranking newest;  /* every item, by created_ms falling, which is its score */
    uint16_t n_channels;
    uint64_t catalog_generation; /* of the catalogue they were made from */
};
/* Only items present in the catalogue. Events count by now_ms alone, whatever nbx_trends_advance
 * dropped before it. */
enum nbx_err nbx_rankings_build(struct nbx_rankings **out, const struct nbx_trends *trends,
                                const struct nbx_catalog *catalog, int64_t now_ms);
void nbx_rankings_destroy(struct nbx_rankings **rankings);

#endif
