/* SPDX-License-Identifier: MIT */
#include "engine/catalog/trends.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/catalog/trends_internal.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_BUCKET_MS 60000 /* so that bucket numbers fit 32 bits until the year 9999 */
#define HALF_LIFE_KEY   "trends/half_life_ms"
#define OLDEST_KEY      "trends/oldest_bucket"
#define ARENA_BYTES     4096

/* One amount on its way to the totals, to a period or to both. */
struct counted {
    uint16_t channel_no;
    uint32_t item_no, bucket;
    bool in_total, in_period;
    bool recent;    /* found out by counting: its period counts */
    int64_t amount; /* thousandths */
};

static uint32_t period_at(const struct nbx_trends *t, int64_t time_ms)
{
    return time_ms < 0 ? 0 : (uint32_t)(time_ms / t->bucket_ms / t->period_buckets);
}

uint32_t nbx_trends__horizon(const struct nbx_trends *t, int64_t now_ms)
{
    uint32_t now = period_at(t, now_ms);
    return now > NBX_TREND_HALF_LIVES ? now - NBX_TREND_HALF_LIVES : 0;
}

static struct nbx_tallies *cells_of(struct nbx_trends *t, const struct counted *e, uint32_t period)
{
    return &t->channels[e->channel_no].periods[period % NBX_TREND_PERIODS];
}

/* Periods before `to` count no more. Under the lock for writing. */
static void raise_oldest(struct nbx_trends *t, uint32_t to)
{
    for (uint32_t n = 0; n < NBX_TREND_PERIODS && t->oldest + n < to; n++)
        for (uint16_t i = 0; i <= t->n_channels; i++)
            nbx_tallies_fini(&t->channels[i].periods[(t->oldest + n) % NBX_TREND_PERIODS],
                             t->budget);
    t->oldest = to > t->oldest ? to : t->oldest;
}

/* Cells for the item, and its period within reach; excludes everybody else. */
static enum nbx_err make_room(struct nbx_trends *t, const struct counted *e)
{
    uint32_t period = e->bucket / t->period_buckets;
    enum nbx_err err = NBX_OK;
    pthread_rwlock_wrlock(&t->lock);
    if (e->in_total)
        err = nbx_tallies_reach(&t->totals, e->item_no, t->budget);
    if (!err && e->in_period && period >= t->oldest) {
        if (period - t->oldest >= NBX_TREND_PERIODS)
            raise_oldest(t, period - NBX_TREND_PERIODS + 1);
        err = nbx_tallies_reach(cells_of(t, e, period), e->item_no, t->budget);
    }
    pthread_rwlock_unlock(&t->lock);
    return err;
}

/* Events of one bucket weigh the same: the store knows no finer time, and memory must say what a
 * restart would. */
static bool count_in_place(struct nbx_trends *t, struct counted *e)
{
    uint32_t period = e->bucket / t->period_buckets;
    _Atomic uint64_t *total = NULL, *sum = NULL;
    pthread_rwlock_rdlock(&t->lock);
    e->recent = e->in_period && period >= t->oldest;
    if (e->in_total)
        total = nbx_tallies_at(&t->totals, e->item_no);
    if (e->recent && period - t->oldest < NBX_TREND_PERIODS)
        sum = nbx_tallies_at(cells_of(t, e, period), e->item_no);
    bool ready = (total || !e->in_total) && (sum || !e->recent);
    if (ready && total)
        nbx_tally_add_int(total, e->amount);
    if (ready && sum)
        nbx_tally_add_int(sum, e->amount * t->shares[e->bucket % t->period_buckets]);
    pthread_rwlock_unlock(&t->lock);
    return ready;
}

static enum nbx_err count(struct nbx_trends *t, struct counted *e)
{
    while (!count_in_place(t, e)) {
        enum nbx_err err = make_room(t, e);
        if (err)
            return err;
    }
    return NBX_OK;
}

enum nbx_err nbx_trends_add(struct nbx_trends *t, const struct nbx_trend_event *event,
                            struct nbx_batch *batch)
{
    NBX_ASSERT(event->channel_no <= t->n_channels && event->item_no);
    struct counted e = {.channel_no = event->channel_no,
                        .item_no = event->item_no,
                        .in_total = true,
                        .in_period = event->time_ms >= 0,
                        .amount = llround(event->weight * NBX_TREND_UNITS)};
    if (e.in_period)
        e.bucket = (uint32_t)(event->time_ms / t->bucket_ms);
    if (!e.amount)
        return NBX_OK;
    enum nbx_err err = count(t, &e);
    struct nbx_key key = nbx_key_trend(NBX_TREND_ALL, 0, e.item_no);
    nbx_batch_add(batch, nbx_key_str(&key), e.amount);
    if (e.recent) {
        key = nbx_key_trend(e.channel_no, e.bucket, e.item_no);
        nbx_batch_add(batch, nbx_key_str(&key), e.amount);
    }
    atomic_fetch_add(&t->generation, 1);
    return err;
}

uint64_t nbx_trends_generation(const struct nbx_trends *trends)
{
    return atomic_load(&trends->generation);
}

static enum nbx_err load_count(struct nbx_trends *t, struct nbx_str key, int64_t amount)
{
    struct counted e = {.amount = amount};
    if (!nbx_key_trend_parse(key, &e.channel_no, &e.bucket, &e.item_no))
        return NBX_ECORRUPT;
    e.in_total = e.channel_no == NBX_TREND_ALL;
    e.in_period = !e.in_total;
    return amount ? count(t, &e) : NBX_OK;
}

static enum nbx_err load_range(struct nbx_trends *t, const struct nbx_key *from, struct nbx_str to)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, t->store, NBX_FAMILY_TRENDS, nbx_key_str(from), to, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = load_count(t, key, nbx_stored_count(&stored));
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* The buckets before the oldest period leave the store, which remembers that; `all`: all of them.
 */
static enum nbx_err store_oldest(struct nbx_trends *t, uint32_t oldest, bool all)
{
    struct nbx_batch *batch = nbx_batch_new();
    if (!batch)
        return NBX_ELIMIT;
    uint32_t bucket = oldest * t->period_buckets;
    for (uint16_t i = 0; i <= t->n_channels; i++) {
        struct nbx_key from = nbx_key_trend(i, 0, 0);
        struct nbx_key to = all ? nbx_key_trend(i + 1, 0, 0) : nbx_key_trend(i, bucket, 0);
        nbx_batch_delete_range(batch, NBX_FAMILY_TRENDS, nbx_key_str(&from), nbx_key_str(&to));
    }
    struct nbx_key half_life = nbx_key_meta(HALF_LIFE_KEY), key = nbx_key_meta(OLDEST_KEY);
    nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&half_life), (uint64_t)t->half_life_ms);
    nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&key), bucket);
    enum nbx_err err = nbx_store_write(t->store, batch);
    nbx_batch_destroy(&batch);
    if (!err)
        t->stored = oldest;
    return err;
}

enum nbx_err nbx_trends_advance(struct nbx_trends *t, int64_t now_ms)
{
    pthread_rwlock_wrlock(&t->lock);
    raise_oldest(t, nbx_trends__horizon(t, now_ms));
    uint32_t oldest = t->oldest;
    pthread_rwlock_unlock(&t->lock);
    return oldest == t->stored ? NBX_OK : store_oldest(t, oldest, false);
}

/* What the store says of the counts in it: 0 where it says nothing. */
static enum nbx_err read_meta(const struct nbx_trends *t, const char *name, uint64_t *out)
{
    struct nbx_key key = nbx_key_meta(name);
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    *out = 0;
    if (!arena)
        return NBX_ELIMIT;
    enum nbx_err err = nbx_record_u64_get(t->store, NBX_FAMILY_META, nbx_key_str(&key), arena, out);
    nbx_arena_destroy(&arena);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Sets the oldest period, and drops what cannot be counted any longer. */
static enum nbx_err drop_stale(struct nbx_trends *t, int64_t now_ms)
{
    uint64_t half_life, oldest;
    enum nbx_err err = read_meta(t, HALF_LIFE_KEY, &half_life);
    if (err || (err = read_meta(t, OLDEST_KEY, &oldest)))
        return err;
    bool same = half_life == (uint64_t)t->half_life_ms;
    bool reached = oldest / t->period_buckets <= period_at(t, now_ms);
    if (half_life && !same)
        nbx_log_warnx("what=trends half_life_ms=%lld was=%llu text=\"counts begin anew\"",
                      (long long)t->half_life_ms, (unsigned long long)half_life);
    if (same && !reached)
        nbx_log_warnx("what=trends oldest_bucket=%llu text=\"the clock was ahead; counts begin "
                      "anew\"",
                      (unsigned long long)oldest);
    t->oldest = nbx_trends__horizon(t, now_ms);
    if (same && reached && oldest / t->period_buckets > t->oldest)
        t->oldest = (uint32_t)(oldest / t->period_buckets);
    return store_oldest(t, t->oldest, !same || !reached);
}

static enum nbx_err load(struct nbx_trends *t, int64_t now_ms)
{
    enum nbx_err err = drop_stale(t, now_ms);
    for (uint16_t i = 0; !err && i <= t->n_channels; i++) {
        struct nbx_key from = nbx_key_trend(i, t->oldest * t->period_buckets, 0);
        struct nbx_key to = nbx_key_trend(i + 1, 0, 0);
        err = load_range(t, &from, nbx_key_str(&to));
    }
    struct nbx_key from = nbx_key_trend(NBX_TREND_ALL, 0, 0);
    return err ? err : load_range(t, &from, (struct nbx_str){0});
}

static void divide_time(struct nbx_trends *t)
{
    t->bucket_ms = t->half_life_ms / NBX_TREND_BUCKETS_PER_HALF_LIFE;
    t->period_buckets = NBX_TREND_BUCKETS_PER_HALF_LIFE;
    if (t->bucket_ms < LEAST_BUCKET_MS) {
        t->bucket_ms = LEAST_BUCKET_MS;
        t->period_buckets = (uint32_t)((t->half_life_ms + LEAST_BUCKET_MS / 2) / LEAST_BUCKET_MS);
        t->period_buckets += t->period_buckets == 0;
    }
    for (uint32_t i = 0; i < t->period_buckets; i++)
        t->shares[i] = lround(NBX_TREND_SHARE * exp2((double)i / t->period_buckets));
}

enum nbx_err nbx_trends_load(struct nbx_trends **out, struct nbx_store *store,
                             struct nbx_budget *budget, const struct nbx_trends_options *options)
{
    NBX_ASSERT(options->half_life_ms > 0 && options->n_channels < NBX_TREND_ALL - 1);
    *out = NULL;
    struct nbx_trends *t =
        calloc(1, sizeof *t + ((size_t)options->n_channels + 1) * sizeof t->channels[0]);
    if (!t)
        return NBX_ELIMIT;
    t->store = store;
    t->budget = budget;
    t->n_channels = options->n_channels;
    t->half_life_ms = options->half_life_ms;
    divide_time(t);
    NBX_ASSERT(pthread_rwlock_init(&t->lock, NULL) == 0);
    enum nbx_err err = load(t, options->now_ms);
    if (err)
        nbx_trends_destroy(&t);
    *out = t;
    return err;
}

void nbx_trends_destroy(struct nbx_trends **trends)
{
    if (!trends || !*trends)
        return;
    struct nbx_trends *t = *trends;
    for (uint16_t i = 0; i <= t->n_channels; i++)
        for (uint32_t n = 0; n < NBX_TREND_PERIODS; n++)
            nbx_tallies_fini(&t->channels[i].periods[n], t->budget);
    nbx_tallies_fini(&t->totals, t->budget);
    pthread_rwlock_destroy(&t->lock);
    free(t);
    *trends = NULL;
}
