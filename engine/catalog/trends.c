/* SPDX-License-Identifier: MIT */
#include "engine/catalog/trends.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/catalog/trends_internal.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_BUCKET_MS  60000 /* so that bucket numbers fit 32 bits until the year 9999 */
#define HALF_LIVES_AHEAD 400   /* of the landmark; a double overflows at 1,024 */
#define NOTHING_LEFT     4096  /* half-lives after which every double is 0 */
#define HALF_LIFE_KEY    "trends/half_life_ms"
#define ARENA_BYTES      4096

static double half_lives(const struct nbx_trends *t, uint32_t bucket)
{
    return (double)bucket * (double)t->bucket_ms / (double)t->half_life_ms;
}

/* Events of one bucket weigh the same: the store knows no finer time, and memory must say what a
 * restart would. False where the bucket is too old to count. */
static bool bucket_of(const struct nbx_trends *t, int64_t time_ms, uint32_t *bucket)
{
    *bucket = time_ms < 0 ? 0 : (uint32_t)(time_ms / t->bucket_ms);
    return time_ms >= 0 && *bucket >= t->oldest_bucket;
}

static void rescale_tallies(struct nbx_tallies *sums, int by)
{
    for (size_t at = 0; at < sums->n_chunks; at++)
        for (uint32_t row = 0; sums->chunks[at] && row < NBX_CHUNK_ITEMS; row++) {
            _Atomic uint64_t *cell = &sums->chunks[at][row];
            nbx_tally_set_double(cell, ldexp(nbx_tally_double(cell), -by));
        }
}

static void rescale(struct nbx_trends *t, double ahead)
{
    for (uint16_t i = 0; i <= t->n_channels; i++)
        rescale_tallies(&t->channels[i].sums, (int)fmin(ahead, NOTHING_LEFT));
    t->landmark += ahead;
}

/* Cells for the item, and a landmark near enough; excludes everybody else. */
static enum nbx_err make_room(struct nbx_trends *t, uint16_t channel_no, uint32_t item_no,
                              double at)
{
    struct nbx_trend_channel *channel = &t->channels[channel_no];
    pthread_rwlock_wrlock(&t->lock);
    enum nbx_err err = nbx_tallies_reach(&t->totals, item_no, t->budget);
    if (!err)
        err = nbx_tallies_reach(&channel->counts, item_no, t->budget);
    if (!err)
        err = nbx_tallies_reach(&channel->sums, item_no, t->budget);
    if (!err && at - t->landmark > HALF_LIVES_AHEAD)
        rescale(t, floor(at - t->landmark));
    pthread_rwlock_unlock(&t->lock);
    return err;
}

struct counted {
    uint16_t channel_no;
    uint32_t item_no, bucket;
    bool recent;    /* its bucket counts */
    int64_t amount; /* thousandths */
};

static bool count_in_place(struct nbx_trends *t, const struct counted *e)
{
    struct nbx_trend_channel *channel = &t->channels[e->channel_no];
    double at = half_lives(t, e->bucket);
    pthread_rwlock_rdlock(&t->lock);
    _Atomic uint64_t *total = nbx_tallies_at(&t->totals, e->item_no);
    _Atomic uint64_t *count = nbx_tallies_at(&channel->counts, e->item_no);
    _Atomic uint64_t *sum = nbx_tallies_at(&channel->sums, e->item_no);
    bool ready = total && count && sum && at - t->landmark <= HALF_LIVES_AHEAD;
    if (ready) {
        nbx_tally_add_int(total, e->amount);
        nbx_tally_add_int(count, e->recent ? e->amount : 0);
        if (e->recent)
            nbx_tally_add_double(sum, (double)e->amount * exp2(at - t->landmark));
    }
    pthread_rwlock_unlock(&t->lock);
    return ready;
}

static enum nbx_err count(struct nbx_trends *t, const struct counted *e)
{
    while (!count_in_place(t, e)) {
        enum nbx_err err = make_room(t, e->channel_no, e->item_no, half_lives(t, e->bucket));
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
                        .amount = llround(event->weight * NBX_TREND_UNITS)};
    e.recent = bucket_of(t, event->time_ms, &e.bucket);
    if (!e.amount)
        return NBX_OK;
    struct nbx_key key = nbx_key_trend(NBX_TREND_ALL, 0, e.item_no);
    nbx_batch_add(batch, nbx_key_str(&key), e.amount);
    if (e.recent) {
        key = nbx_key_trend(e.channel_no, e.bucket, e.item_no);
        nbx_batch_add(batch, nbx_key_str(&key), e.amount);
    }
    enum nbx_err err = count(t, &e);
    atomic_fetch_add(&t->generation, 1);
    return err;
}

uint64_t nbx_trends_generation(const struct nbx_trends *trends)
{
    return atomic_load(&trends->generation);
}

static enum nbx_err load_total(struct nbx_trends *t, uint32_t item_no, int64_t amount)
{
    enum nbx_err err = nbx_tallies_reach(&t->totals, item_no, t->budget);
    if (!err)
        nbx_tally_add_int(nbx_tallies_at(&t->totals, item_no), amount);
    return err;
}

static enum nbx_err load_count(struct nbx_trends *t, uint16_t channel_no, uint32_t bucket,
                               uint32_t item_no, int64_t amount)
{
    if (channel_no == NBX_TREND_ALL)
        return load_total(t, item_no, amount);
    struct nbx_trend_channel *channel = &t->channels[channel_no];
    double at = half_lives(t, bucket);
    enum nbx_err err = make_room(t, channel_no, item_no, at);
    if (err)
        return err;
    nbx_tally_add_int(nbx_tallies_at(&channel->counts, item_no), amount);
    nbx_tally_add_double(nbx_tallies_at(&channel->sums, item_no),
                         (double)amount * exp2(at - t->landmark));
    return NBX_OK;
}

static enum nbx_err load_range(struct nbx_trends *t, const struct nbx_key *from, struct nbx_str to)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, t->store, NBX_FAMILY_TRENDS, nbx_key_str(from), to, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        uint16_t channel_no;
        uint32_t bucket, item_no;
        if (!nbx_key_trend_parse(key, &channel_no, &bucket, &item_no))
            err = NBX_ECORRUPT;
        else if (nbx_stored_count(&stored))
            err = load_count(t, channel_no, bucket, item_no, nbx_stored_count(&stored));
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Buckets too old to count, and all of them where their width was another. */
static enum nbx_err drop_stale(struct nbx_trends *t, struct nbx_batch *batch)
{
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    struct nbx_key meta = nbx_key_meta(HALF_LIFE_KEY);
    uint64_t half_life = 0;
    if (!arena)
        return NBX_ELIMIT;
    enum nbx_err err =
        nbx_record_u64_get(t->store, NBX_FAMILY_META, nbx_key_str(&meta), arena, &half_life);
    nbx_arena_destroy(&arena);
    if (err && err != NBX_ENOTFOUND)
        return err;
    bool same = !err && half_life == (uint64_t)t->half_life_ms;
    if (!err && !same)
        nbx_log_warnx("what=trends half_life_ms=%lld was=%llu text=\"counts begin anew\"",
                      (long long)t->half_life_ms, (unsigned long long)half_life);
    for (uint16_t i = 0; same && i <= t->n_channels; i++) {
        struct nbx_key from = nbx_key_trend(i, 0, 0), to = nbx_key_trend(i, t->oldest_bucket, 0);
        nbx_batch_delete_range(batch, NBX_FAMILY_TRENDS, nbx_key_str(&from), nbx_key_str(&to));
    }
    if (!same) {
        struct nbx_key from = nbx_key_trend(0, 0, 0), to = nbx_key_trend(NBX_TREND_ALL, 0, 0);
        nbx_batch_delete_range(batch, NBX_FAMILY_TRENDS, nbx_key_str(&from), nbx_key_str(&to));
        nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&meta), (uint64_t)t->half_life_ms);
    }
    return nbx_store_write(t->store, batch);
}

static enum nbx_err load(struct nbx_trends *t)
{
    struct nbx_batch *batch = nbx_batch_new();
    enum nbx_err err = batch ? drop_stale(t, batch) : NBX_ELIMIT;
    nbx_batch_destroy(&batch);
    for (uint16_t i = 0; !err && i <= t->n_channels; i++) {
        struct nbx_key from = nbx_key_trend(i, t->oldest_bucket, 0);
        struct nbx_key to = nbx_key_trend(i + 1, 0, 0);
        err = load_range(t, &from, nbx_key_str(&to));
    }
    struct nbx_key from = nbx_key_trend(NBX_TREND_ALL, 0, 0);
    return err ? err : load_range(t, &from, (struct nbx_str){0});
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
    t->bucket_ms = options->half_life_ms / NBX_TREND_BUCKETS_PER_HALF_LIFE;
    t->bucket_ms = t->bucket_ms < LEAST_BUCKET_MS ? LEAST_BUCKET_MS : t->bucket_ms;
    int64_t reach_ms;
    bool endless = __builtin_mul_overflow(t->half_life_ms, NBX_TREND_HALF_LIVES, &reach_ms);
    if (!endless && options->now_ms > reach_ms)
        t->oldest_bucket = (uint32_t)((options->now_ms - reach_ms) / t->bucket_ms);
    t->landmark = floor(half_lives(t, t->oldest_bucket));
    NBX_ASSERT(pthread_rwlock_init(&t->lock, NULL) == 0);
    enum nbx_err err = load(t);
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
    for (uint16_t i = 0; i <= t->n_channels; i++) {
        nbx_tallies_fini(&t->channels[i].counts, t->budget);
        nbx_tallies_fini(&t->channels[i].sums, t->budget);
    }
    nbx_tallies_fini(&t->totals, t->budget);
    pthread_rwlock_destroy(&t->lock);
    free(t);
    *trends = NULL;
}
