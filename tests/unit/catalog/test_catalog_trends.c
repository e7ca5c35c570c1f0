/* SPDX-License-Identifier: MIT */
#include "engine/catalog/trends.h"

#include "engine/base/random.h"
#include "engine/catalog/trends_internal.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>
#include <pthread.h>

#define DAY        INT64_C(86400000)
#define N_CHANNELS 2
#define N_ITEMS    300
#define N_EVENTS   5000
#define SEED       4711

static struct shop s;
static struct nbx_trends *trends;
static struct nbx_trends_options options;

static void load(int64_t now_ms)
{
    options.now_ms = now_ms;
    cr_assert_eq(nbx_trends_load(&trends, s.f.store, &s.budget, &options), NBX_OK);
}

static void begin(void)
{
    shop_begin(&s);
    options = (struct nbx_trends_options){.half_life_ms = 7 * DAY, .n_channels = N_CHANNELS};
    struct nbx_change changes[N_ITEMS];
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%03u", N_ITEMS - i); /* ties by id run against the numbers */
        changes[i] = (struct nbx_change){.id = nbx_arena_str(s.arena, nbx_str_c(id)),
                                         .fields = shop_value(&s, "{}")};
    }
    shop_apply(&s, changes, N_ITEMS, NULL);
    load(SHOP_NOW);
}

static void end(void)
{
    nbx_trends_destroy(&trends);
    cr_assert_null(trends);
    nbx_trends_destroy(&trends);
    shop_end(&s);
}

TestSuite(catalog_trends, .init = begin, .fini = end);

static void reload(int64_t now_ms)
{
    nbx_trends_destroy(&trends);
    load(now_ms);
}

static void add(uint16_t channel_no, uint32_t item_no, double weight, int64_t time_ms)
{
    struct nbx_trend_event event = {channel_no, item_no, weight, time_ms};
    cr_assert_eq(nbx_trends_add(trends, &event, s.f.batch), NBX_OK);
    fixture_write(&s.f);
}

static struct nbx_rankings *rank(int64_t now_ms)
{
    struct nbx_rankings *r = NULL;
    cr_assert_eq(nbx_rankings_build(&r, trends, s.c, now_ms), NBX_OK);
    cr_assert_eq(r->n_channels, N_CHANNELS);
    cr_assert_eq(r->catalog_generation, nbx_catalog_generation(s.c));
    return r;
}

/* Item numbers of a ranking, best first, as "3 1 2". */
static void ranks(const struct nbx_ranking *r, const char *want)
{
    struct nbx_buf got = {0};
    for (size_t i = 0; i < r->n; i++)
        nbx_buf_printf(&got, i ? " %u" : "%u", r->item_nos[i]);
    nbx_buf_put_u8(&got, 0);
    cr_assert_str_eq((char *)got.p, want);
    nbx_buf_fini(&got);
}

Test(catalog_trends, what_is_new_counts_more_and_popular_forgets_nothing)
{
    add(1, 1, 3, SHOP_NOW - 14 * DAY);
    add(1, 2, 1, SHOP_NOW);
    add(2, 3, 2, SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW);
    ranks(&r->trend[1], "2 1");
    ranks(&r->trend[2], "3");
    ranks(&r->trend[0], "3 2 1");
    ranks(&r->popular, "1 3 2");
    cr_assert_float_eq(r->trend[1].scores[1], 0.75, 0.08, "%f", r->trend[1].scores[1]);
    cr_assert_eq(r->popular.scores[0], 3.0F);
    cr_assert_eq(r->newest.n, N_ITEMS);
    nbx_rankings_destroy(&r);
    cr_assert_null(r);
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, ties_go_by_id_and_order_outlives_waiting)
{
    for (uint32_t no = 1; no <= 4; no++)
        add(1, no, 1, SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW);
    ranks(&r->trend[1], "4 3 2 1");
    ranks(&r->popular, "4 3 2 1");
    cr_assert_eq(r->newest.item_nos[0], N_ITEMS);
    cr_assert_eq(r->newest.item_nos[N_ITEMS - 1], 1);
    nbx_rankings_destroy(&r);
    r = rank(SHOP_NOW + 30 * DAY);
    ranks(&r->trend[1], "4 3 2 1");
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, newest_follows_creation)
{
    s.now_ms += 1000;
    shop_takes(shop_put(&s, "zz late", "{}"));
    struct nbx_rankings *r = rank(SHOP_NOW);
    cr_assert_eq(r->newest.item_nos[0], shop_no(&s, "zz late"));
    cr_assert_eq(r->newest.n, N_ITEMS + 1);
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, only_items_that_exist_are_ranked)
{
    uint32_t unknown;
    cr_assert_eq(nbx_ids_intern(s.ids, NBX_STR("later"), &unknown), NBX_OK);
    add(1, unknown, 5, SHOP_NOW);
    add(1, 1, 1, SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW);
    ranks(&r->trend[1], "1");
    ranks(&r->popular, "1");
    nbx_rankings_destroy(&r);
    shop_takes(shop_put(&s, "later", "{}"));
    r = rank(SHOP_NOW);
    cr_assert_eq(r->trend[1].item_nos[0], unknown);
    nbx_rankings_destroy(&r);
    shop_takes(shop_delete(&s, "later"));
    r = rank(SHOP_NOW);
    ranks(&r->trend[0], "1");
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, taking_back_leaves_nothing)
{
    struct nbx_random rnd;
    struct nbx_trend_event events[200];
    printf("seed %d\n", SEED);
    nbx_random_init(&rnd, SEED);
    for (int i = 0; i < 200; i++) {
        events[i] = (struct nbx_trend_event){.channel_no = (uint16_t)nbx_random_below(&rnd, 3),
                                             .item_no = 1 + (uint32_t)nbx_random_below(&rnd, 5),
                                             .weight = 0.001 + nbx_random_unit(&rnd) * 3};
        events[i].time_ms = SHOP_NOW - (int64_t)nbx_random_below(&rnd, 100) * DAY;
        add(events[i].channel_no, events[i].item_no, events[i].weight, events[i].time_ms);
    }
    uint64_t generation = nbx_trends_generation(trends);
    for (int i = 0; i < 200; i++) {
        if (i == 100)
            reload(SHOP_NOW + DAY);
        add(events[i].channel_no, events[i].item_no, -events[i].weight, events[i].time_ms);
    }
    cr_assert_neq(nbx_trends_generation(trends), generation);
    for (int round = 0; round < 2; round++) {
        struct nbx_rankings *r = rank(SHOP_NOW + DAY);
        for (int i = 0; i <= N_CHANNELS; i++)
            cr_assert_eq(r->trend[i].n, 0);
        cr_assert_eq(r->popular.n, 0);
        nbx_rankings_destroy(&r);
        reload(SHOP_NOW + 2 * DAY);
    }
}

Test(catalog_trends, an_event_taken_back_leaves_the_bits_as_they_were)
{
    add(1, 1, 5, SHOP_NOW - 68 * DAY);
    add(1, 1, 0.1, SHOP_NOW);
    struct nbx_rankings *before = rank(SHOP_NOW);
    struct nbx_random rnd;
    double weights[100];
    nbx_random_init(&rnd, SEED);
    for (int i = 0; i < 100; i++) {
        weights[i] = nbx_random_unit(&rnd) * 1e6;
        add(1, 1, weights[i], SHOP_NOW - i * DAY / 3);
    }
    for (int i = 99; i >= 0; i--)
        add(1, 1, -weights[i], SHOP_NOW - i * DAY / 3);
    struct nbx_rankings *r = rank(SHOP_NOW);
    cr_assert_eq(r->trend[1].n, 1);
    cr_assert_eq(r->trend[1].scores[0], before->trend[1].scores[0]);
    nbx_rankings_destroy(&r);
    nbx_rankings_destroy(&before);
}

/* Every bit of rankings, appended. */
static void put_bits(struct nbx_buf *out, const struct nbx_rankings *r)
{
    for (int i = 0; i <= N_CHANNELS + 1; i++) {
        const struct nbx_ranking *one = i <= N_CHANNELS ? &r->trend[i] : &r->popular;
        nbx_buf_put_u32le(out, (uint32_t)one->n);
        nbx_buf_put(out, one->item_nos, one->n * sizeof *one->item_nos);
        nbx_buf_put(out, one->scores, one->n * sizeof *one->scores);
    }
}

#define N_HISTORY 400
#define N_TWICE   150 /* of these are sent, taken back and sent again */

static void send(const struct nbx_trend_event *e, double sign)
{
    add(e->channel_no, e->item_no, sign * e->weight, e->time_ms);
}

/* One way for the same events to come: order, detours, restarts and advances by chance. */
static void come(const struct nbx_trend_event *events, struct nbx_random *rnd)
{
    uint32_t order[N_HISTORY];
    for (uint32_t i = 0; i < N_HISTORY; i++) {
        uint32_t at = (uint32_t)nbx_random_below(rnd, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    for (uint32_t i = 0; i < N_HISTORY; i++) {
        int64_t now_ms = SHOP_NOW + (int64_t)i * DAY / 20;
        const struct nbx_trend_event *e = &events[order[i]];
        send(e, 1);
        if (order[i] < N_TWICE) {
            const struct nbx_trend_event *other = &events[order[i / 2]];
            send(e, -1);
            send(other, -1);
            send(e, 1);
            send(other, 1);
        }
        if (nbx_random_below(rnd, 20) == 0)
            reload(now_ms);
        else if (nbx_random_below(rnd, 20) == 0)
            cr_assert_eq(nbx_trends_advance(trends, now_ms), NBX_OK);
    }
}

static void make_history(struct nbx_trend_event *events, struct nbx_random *rnd)
{
    for (int i = 0; i < N_HISTORY; i++) {
        events[i] =
            (struct nbx_trend_event){.channel_no = (uint16_t)nbx_random_below(rnd, N_CHANNELS + 1),
                                     .item_no = 1 + (uint32_t)nbx_random_below(rnd, 40),
                                     .weight = nbx_random_unit(rnd) * 5 + 0.001};
        events[i].time_ms = SHOP_NOW - (int64_t)(nbx_random_unit(rnd) * 90 * DAY);
    }
}

Test(catalog_trends, order_detours_and_restarts_leave_no_trace)
{
    static struct nbx_trend_event events[N_HISTORY];
    struct nbx_random rnd;
    struct nbx_buf want = {0}, got = {0};
    printf("seed %d\n", SEED);
    nbx_random_init(&rnd, SEED);
    make_history(events, &rnd);
    for (int round = 0; round < 12; round++) {
        end();
        begin();
        come(events, &rnd);
        struct nbx_rankings *r = rank(SHOP_NOW + 20 * DAY);
        nbx_buf_clear(&got);
        put_bits(round ? &got : &want, r);
        nbx_rankings_destroy(&r);
        cr_assert(!round || (got.len == want.len && memcmp(got.p, want.p, got.len) == 0),
                  "round %d", round);
    }
    nbx_buf_fini(&want);
    nbx_buf_fini(&got);
}

Test(catalog_trends, what_counts_is_told_by_the_clock_alone)
{
    struct nbx_buf bits[3] = {{0}, {0}, {0}};
    int64_t now_ms = SHOP_NOW + 65 * DAY;
    for (int i = 0; i < 40; i++)
        add(1, 1 + (uint32_t)i, 1, SHOP_NOW - i * DAY);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            cr_assert_eq(nbx_trends_advance(trends, now_ms), NBX_OK);
        if (i == 2)
            reload(now_ms);
        struct nbx_rankings *r = rank(now_ms);
        cr_assert(r->trend[1].n > 0 && r->trend[1].n < 40, "%zu", r->trend[1].n);
        put_bits(&bits[i], r);
        nbx_rankings_destroy(&r);
        cr_assert(bits[i].len == bits[0].len && memcmp(bits[i].p, bits[0].p, bits[0].len) == 0);
    }
    for (int i = 0; i < 3; i++)
        nbx_buf_fini(&bits[i]);
}

static int stored_buckets(void)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str none = {0}, key;
    struct nbx_stored stored;
    int n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, s.f.store, NBX_FAMILY_TRENDS, none, none, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        n++;
    nbx_cursor_close(&cursor);
    return n;
}

Test(catalog_trends, time_goes_on_while_it_runs)
{
    size_t empty = atomic_load(&s.budget.used);
    add(1, 1, 1, SHOP_NOW);
    add(1, 2, 1, SHOP_NOW + 40 * DAY);
    cr_assert_eq(stored_buckets(), 4, "two totals and two buckets");
    cr_assert_eq(nbx_trends_advance(trends, SHOP_NOW + 40 * DAY), NBX_OK);
    cr_assert_eq(stored_buckets(), 4);
    size_t full = atomic_load(&s.budget.used);
    cr_assert_eq(nbx_trends_advance(trends, SHOP_NOW + 85 * DAY), NBX_OK);
    cr_assert_eq(stored_buckets(), 3);
    cr_assert(atomic_load(&s.budget.used) < full && full > empty);
    struct nbx_rankings *r = rank(SHOP_NOW + 85 * DAY);
    ranks(&r->trend[1], "2");
    ranks(&r->popular, "2 1");
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, a_clock_set_back_brings_nothing_back)
{
    add(1, 1, 1, SHOP_NOW);
    add(1, 2, 1, SHOP_NOW + 60 * DAY);
    cr_assert_eq(nbx_trends_advance(trends, SHOP_NOW + 90 * DAY), NBX_OK);
    add(1, 1, -1, SHOP_NOW);
    reload(SHOP_NOW + 60 * DAY);
    add(1, 3, 1, SHOP_NOW);
    for (int round = 0; round < 2; round++) {
        struct nbx_rankings *r = rank(SHOP_NOW + 60 * DAY);
        ranks(&r->trend[1], "2");
        ranks(&r->popular, "3 2");
        nbx_rankings_destroy(&r);
        reload(SHOP_NOW + 60 * DAY);
    }
}

Test(catalog_trends, a_clock_once_far_ahead_does_not_end_trends)
{
    add(1, 1, 1, SHOP_NOW);
    cr_assert_eq(nbx_trends_advance(trends, SHOP_NOW + 36500 * DAY), NBX_OK);
    add(1, 2, 1, SHOP_NOW);
    reload(SHOP_NOW + DAY);
    add(1, 3, 1, SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW + DAY);
    ranks(&r->trend[1], "3");
    ranks(&r->popular, "3 2 1");
    nbx_rankings_destroy(&r);
}

struct brute {
    double trend[N_CHANNELS + 1][N_ITEMS + 1]; /* 0: all channels */
    double total[N_ITEMS + 1];
};

static void brute_add(struct brute *b, const struct nbx_trend_event *e, int64_t now_ms)
{
    int64_t width = options.half_life_ms / NBX_TREND_BUCKETS_PER_HALF_LIFE;
    int64_t bucket = e->time_ms / width;
    double weight = round(e->weight * 1000) / 1000;
    b->total[e->item_no] += weight;
    if (e->time_ms / options.half_life_ms < now_ms / options.half_life_ms - NBX_TREND_HALF_LIVES)
        return;
    double decayed =
        weight * exp2((double)(bucket * width - now_ms) / (double)options.half_life_ms);
    b->trend[0][e->item_no] += decayed;
    if (e->channel_no)
        b->trend[e->channel_no][e->item_no] += decayed;
}

static void same_as(const struct nbx_ranking *r, const double *want, int64_t now_ms)
{
    size_t n = 0;
    for (uint32_t no = 1; no <= N_ITEMS; no++)
        n += want[no] > 0;
    cr_assert_eq(r->n, n, "%zu items ranked, wanted %zu at %lld", r->n, n, (long long)now_ms);
    for (size_t i = 0; i < r->n; i++) {
        cr_assert_float_eq(r->scores[i] / want[r->item_nos[i]], 1.0, 1e-6, "item %u: %g, wanted %g",
                           r->item_nos[i], r->scores[i], want[r->item_nos[i]]);
        bool ordered = !i || r->scores[i - 1] > r->scores[i] ||
                       (r->scores[i - 1] == r->scores[i] &&
                        nbx_catalog_tie(s.c, r->item_nos[i - 1], r->item_nos[i]) < 0);
        cr_assert(ordered, "place %zu", i);
    }
}

static void compare(const struct nbx_trend_event *events, int n, int64_t now_ms)
{
    static struct brute b;
    memset(&b, 0, sizeof b);
    for (int i = 0; i < n; i++)
        brute_add(&b, &events[i], now_ms);
    struct nbx_rankings *r = rank(now_ms);
    for (int i = 0; i <= N_CHANNELS; i++)
        same_as(&r->trend[i], b.trend[i], now_ms);
    same_as(&r->popular, b.total, now_ms);
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, equals_brute_force_late_events_and_restarts_too)
{
    static struct nbx_trend_event events[N_EVENTS];
    struct nbx_random rnd;
    printf("seed %d\n", SEED);
    nbx_random_init(&rnd, SEED);
    for (int i = 0; i < N_EVENTS; i++) {
        struct nbx_trend_event *e = &events[i];
        e->channel_no = (uint16_t)nbx_random_below(&rnd, N_CHANNELS + 1);
        e->item_no = 1 + (uint32_t)nbx_random_below(&rnd, N_ITEMS);
        e->weight = nbx_random_unit(&rnd) * 5 + 0.001;
        e->time_ms = SHOP_NOW - (int64_t)(nbx_random_unit(&rnd) * 90 * DAY); /* 70 days count */
        if (i % 50 == 0)
            e->time_ms = i % 100 ? -5 : 5; /* as late as can be */
        nbx_trends_add(trends, e, s.f.batch);
    }
    fixture_write(&s.f);
    compare(events, N_EVENTS, SHOP_NOW);
    compare(events, N_EVENTS, SHOP_NOW + 9 * DAY);
    reload(SHOP_NOW);
    compare(events, N_EVENTS, SHOP_NOW);
    reload(SHOP_NOW + 21 * DAY);
    compare(events, N_EVENTS, SHOP_NOW + 22 * DAY);
}

Test(catalog_trends, old_buckets_are_deleted_at_start)
{
    add(1, 1, 1, SHOP_NOW - 60 * DAY);
    add(0, 2, 1, SHOP_NOW);
    reload(SHOP_NOW + 20 * DAY);
    cr_assert_eq(stored_buckets(), 3, "two totals and one bucket");
}

Test(catalog_trends, another_half_life_begins_anew_and_keeps_totals)
{
    add(1, 1, 2, SHOP_NOW);
    options.half_life_ms = 3 * DAY;
    reload(SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW);
    cr_assert_eq(r->trend[0].n, 0);
    ranks(&r->popular, "1");
    nbx_rankings_destroy(&r);
    add(1, 1, 2, SHOP_NOW);
    reload(SHOP_NOW);
    r = rank(SHOP_NOW);
    ranks(&r->trend[1], "1");
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, years_of_a_short_half_life_do_not_overflow)
{
    options.half_life_ms = 1000; /* buckets are a minute: shorter ones would not fit a key */
    reload(SHOP_NOW);
    for (int i = 0; i < 3000; i++) {
        add(1, 1, 3, SHOP_NOW + i * INT64_C(120000));
        add(1, 2, 2, SHOP_NOW + i * INT64_C(120000));
    }
    int64_t now_ms = SHOP_NOW + 2999 * INT64_C(120000);
    struct nbx_rankings *r = rank(now_ms);
    ranks(&r->trend[1], "1 2");
    cr_assert_float_eq(r->trend[1].scores[0] / r->trend[1].scores[1], 1.5, 1e-6);
    cr_assert(isfinite(r->trend[1].scores[0]));
    nbx_rankings_destroy(&r);
    add(1, 3, 1, INT64_C(253402300799999));
    r = rank(INT64_C(253402300799999));
    ranks(&r->trend[1], "3");
    nbx_rankings_destroy(&r);
}

Test(catalog_trends, past_the_budget_the_store_is_right)
{
    size_t limit = s.budget.limit;
    add(1, 1, 1, SHOP_NOW);
    s.budget.limit = atomic_load(&s.budget.used);
    struct nbx_trend_event event = {2, 1, 4, SHOP_NOW};
    cr_assert_eq(nbx_trends_add(trends, &event, s.f.batch), NBX_ELIMIT);
    fixture_write(&s.f);
    add(1, 2, 1, SHOP_NOW);
    struct nbx_rankings *r = rank(SHOP_NOW);
    cr_assert_eq(r->trend[2].n, 0);
    nbx_rankings_destroy(&r);
    nbx_trends_destroy(&trends);
    cr_assert_eq(nbx_trends_load(&trends, s.f.store, &s.budget, &options), NBX_ELIMIT);
    s.budget.limit = limit;
    load(SHOP_NOW);
    r = rank(SHOP_NOW);
    ranks(&r->trend[2], "1");
    ranks(&r->popular, "1 2");
    cr_assert_eq(r->popular.scores[0], 5.0F);
    nbx_rankings_destroy(&r);
}

static void *add_many(void *arg)
{
    struct nbx_batch *batch = nbx_batch_new();
    for (uint32_t i = 0; i < 20000; i++) {
        struct nbx_trend_event event = {1, 1 + i % 20000, 1, SHOP_NOW + i * INT64_C(600000)};
        NBX_ASSERT(nbx_trends_add(trends, &event, batch) == NBX_OK);
        nbx_batch_clear(batch);
    }
    nbx_batch_destroy(&batch);
    return arg;
}

Test(catalog_trends, threads_add_and_the_writer_ranks)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < 20; i++) {
        struct nbx_rankings *r = rank(SHOP_NOW);
        nbx_rankings_destroy(&r);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t no = 1; no <= 20000; no++)
        cr_assert_eq(nbx_tally_int(nbx_tallies_at(&trends->totals, no)), 4000);
}

Test(catalog_trends, weights_below_a_thousandth_are_nothing)
{
    uint64_t generation = nbx_trends_generation(trends);
    add(1, 1, 0.0004, SHOP_NOW);
    cr_assert_eq(nbx_trends_generation(trends), generation);
    struct nbx_rankings *r = rank(SHOP_NOW);
    cr_assert_eq(r->popular.n, 0);
    nbx_rankings_destroy(&r);
}
