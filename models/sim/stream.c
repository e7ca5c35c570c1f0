/* SPDX-License-Identifier: MIT */
#include "models/sim/stream.h"

#include "engine/base/grow.h"
#include "engine/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHOICE_STRENGTH 7.0 /* how much liking decides what one comes across */
#define IN_SEASON       1.6 /* factor on popularity */
#define SESSION_GAP_MS  20000
#define RETURN_SHARE    0.08
#define LEAST_TEST_DAYS 7

const char *const sim_types[SIM_TYPES] = {"impression", "view",    "click", "cart",
                                          "purchase",   "dismiss", "return"};

/* What a customer has had to do with an item. */
enum touch { TOUCH_NONE = 0, TOUCH_SOME = 1, TOUCH_BOUGHT = 2 };

/* One customer's life; scratch space is shared by all of them in turn. */
struct life {
    const struct sim_shop *shop;
    const struct sim_options *options;
    const struct sim_customer *customer;
    struct sim_stream *stream;
    struct nbx_random random;
    float *liking;      /* (n_items) */
    double *cumulative; /* (n_items) of the chances to come across each */
    uint8_t *touched;   /* (n_items) enum touch, up to now */
    uint32_t customer_ix;
    bool failed;
};

/* Where and when the customer is while it does something. */
struct visit {
    int64_t time_ms;
    uint32_t session;
    uint8_t channel, store;
};

static bool grow(void **items, size_t *cap, size_t n, size_t size)
{
    void *grown = nbx_grow(*items, n, cap, size);
    *items = grown ? grown : *items;
    return grown != NULL;
}

static void put_event(struct life *life, const struct visit *visit, enum sim_type type,
                      uint32_t item)
{
    struct sim_stream *s = life->stream;
    if (visit->time_ms > life->options->now_ms)
        return;
    if (type != SIM_IMPRESSION && life->touched[item] == TOUCH_NONE)
        life->touched[item] = TOUCH_SOME;
    if (!grow((void **)&s->events, &s->cap_events, s->n_events, sizeof *s->events)) {
        life->failed = true;
        return;
    }
    s->events[s->n_events] = (struct sim_event){.time_ms = visit->time_ms,
                                                .customer = life->customer_ix,
                                                .item = item,
                                                .session = visit->session,
                                                .sequence = (uint32_t)s->n_events,
                                                .type = (uint8_t)type,
                                                .channel = visit->channel,
                                                .store = visit->store,
                                                .quantity = 1};
    s->n_events++;
}

static void put_test(struct life *life, uint32_t item)
{
    struct sim_stream *s = life->stream;
    if (!grow((void **)&s->test, &s->cap_test, s->n_test, sizeof *s->test)) {
        life->failed = true;
        return;
    }
    s->test[s->n_test++] = (struct sim_pair){life->customer_ix, item, 0};
}

static bool chance(struct life *life, double p)
{
    return nbx_random_unit(&life->random) < p;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void pass_time(struct life *life, struct visit *visit)
{
    visit->time_ms += 1000 + (int64_t)nbx_random_below(&life->random, SESSION_GAP_MS);
}

static void give_back(struct life *life, struct visit visit, uint32_t item, uint32_t order)
{
    visit.time_ms += (3 + (int64_t)nbx_random_below(&life->random, 12)) * SIM_DAY_MS;
    size_t before = life->stream->n_events;
    put_event(life, &visit, SIM_RETURN, item);
    if (life->stream->n_events == before)
        return;
    life->stream->events[before].order = order;
    life->stream->events[before].value = life->shop->items[item].price;
}

static void buy(struct life *life, struct visit *visit, uint32_t item)
{
    struct sim_stream *s = life->stream;
    if (visit->time_ms > life->options->now_ms) {
        if (life->touched[item] == TOUCH_NONE)
            put_test(life, item);
        life->touched[item] = TOUCH_BOUGHT; /* or it would be bought and counted again */
        return;
    }
    size_t at = s->n_events;
    put_event(life, visit, SIM_PURCHASE, item);
    if (life->failed)
        return;
    life->touched[item] = TOUCH_BOUGHT;
    struct sim_event *event = &s->events[at];
    event->quantity = chance(life, .1) ? 2 : 1;
    event->value = event->quantity * life->shop->items[item].price;
    event->order = event->session; /* one checkout per session */
    if (chance(life, RETURN_SHARE))
        give_back(life, *visit, item, event->order);
}

/* From an item's page on: cart and purchase, each likelier for what is liked. */
static void consider(struct life *life, struct visit *visit, uint32_t item)
{
    double liking = life->liking[item];
    put_event(life, visit, SIM_VIEW, item);
    pass_time(life, visit);
    if (!chance(life, 0.6 * sigmoid(6 * (liking - 0.5))))
        return;
    put_event(life, visit, SIM_CART, item);
    pass_time(life, visit);
    if (chance(life, 0.55))
        buy(life, visit, item);
}

/* An item in a list; channels that only show lists have impressions and clicks. */
static void come_across(struct life *life, struct visit *visit, uint32_t item)
{
    double liking = life->liking[item];
    put_event(life, visit, SIM_IMPRESSION, item);
    if (chance(life, 0.06 * sigmoid(5 * (0.3 - liking)))) {
        put_event(life, visit, SIM_DISMISS, item);
        return;
    }
    if (!chance(life, 0.7 * sigmoid(6 * (liking - 0.35))))
        return;
    pass_time(life, visit);
    put_event(life, visit, SIM_CLICK, item);
    pass_time(life, visit);
    consider(life, visit, item);
}

static double season_factor(const struct sim_item *item, int month)
{
    bool summer = month >= 4 && month <= 7, winter = month >= 10 || month == 0;
    return (item->season == SIM_SUMMER && summer) || (item->season == SIM_WINTER && winter)
               ? IN_SEASON
               : 1;
}

static void weigh_items(struct life *life, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    double sum = 0;
    gmtime_r(&seconds, &tm);
    for (size_t i = 0; i < life->shop->n_items; i++) {
        const struct sim_item *item = &life->shop->items[i];
        if (item->available && life->touched[i] != TOUCH_BOUGHT)
            sum += season_factor(item, tm.tm_mon) *
                   exp(CHOICE_STRENGTH * life->liking[i] + item->log_popularity);
        life->cumulative[i] = sum;
    }
}

/* An item by its chance; n_items where there is none left. */
static uint32_t draw_item(struct life *life)
{
    size_t low = 0, high = life->shop->n_items;
    double at = nbx_random_unit(&life->random) * life->cumulative[high - 1];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (life->cumulative[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static uint8_t draw_channel(struct life *life)
{
    double at = nbx_random_unit(&life->random);
    uint8_t channel = 0;
    while (channel < SIM_CHANNELS - 1 && at >= life->customer->channels[channel])
        at -= life->customer->channels[channel++];
    return channel;
}

/* In a shop of bricks one sees no list: what is taken up is mostly bought. */
static void shop_in_store(struct life *life, struct visit *visit)
{
    for (uint64_t n = 1 + nbx_random_below(&life->random, 2); n > 0; n--) {
        uint32_t item = draw_item(life);
        if (item < life->shop->n_items && life->touched[item] != TOUCH_BOUGHT &&
            chance(life, 0.7 * sigmoid(8 * (life->liking[item] - 0.4))))
            buy(life, visit, item);
        pass_time(life, visit);
    }
}

static void browse(struct life *life, struct visit *visit)
{
    uint32_t shown[8];
    uint64_t n = 3 + nbx_random_below(&life->random, 5), k = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t item = draw_item(life);
        bool again = item >= life->shop->n_items || life->touched[item] == TOUCH_BOUGHT;
        for (uint64_t j = 0; j < k; j++)
            again = again || shown[j] == item;
        if (again)
            continue;
        shown[k++] = item;
        /* One in five looks for it instead of being shown it. */
        if (visit->channel != SIM_EMAIL && chance(life, .2))
            consider(life, visit, item);
        else
            come_across(life, visit, item);
    }
}

static void live_session(struct life *life, int64_t start_ms, uint32_t session)
{
    struct visit visit = {start_ms, session, draw_channel(life), SIM_NO_STORE};
    if (visit.channel == SIM_STORE || visit.channel == SIM_KIOSK)
        visit.store = (uint8_t)(chance(life, .85) ? life->customer->store
                                                  : nbx_random_below(&life->random, SIM_STORES));
    weigh_items(life, start_ms);
    if (visit.channel == SIM_STORE)
        shop_in_store(life, &visit);
    else
        browse(life, &visit);
}

/* Poisson (Knuth, TAOCP 2, 3.4.1), fine for the small means here. */
static unsigned draw_poisson(struct nbx_random *random, double mean)
{
    double limit = exp(-mean), product = nbx_random_unit(random);
    unsigned n = 0;
    while (product > limit && n < 500) {
        product *= nbx_random_unit(random);
        n++;
    }
    return n;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Start times of sessions in [from, from + length), evenings preferred, sorted. (max) room. */
static unsigned draw_starts(struct life *life, int64_t *starts, int64_t from, int64_t length)
{
    static const unsigned max = 500;
    double days = (double)length / (double)SIM_DAY_MS;
    unsigned n =
        draw_poisson(&life->random, life->customer->sessions * days / life->options->n_days);
    for (unsigned i = 0; i < n && i < max; i++) {
        int64_t at = from + (int64_t)(nbx_random_unit(&life->random) * (double)length);
        /* The better of two draws: the one nearer to 19 o'clock. */
        int64_t other = from + (int64_t)(nbx_random_unit(&life->random) * (double)length);
        int64_t evening = 19 * SIM_DAY_MS / 24;
        bool nearer = llabs(other % SIM_DAY_MS - evening) < llabs(at % SIM_DAY_MS - evening);
        starts[i] = nearer ? other : at;
    }
    qsort(starts, n, sizeof *starts, by_time);
    return n;
}

/* Keeps the SIM_TRUTH best in order by insertion: the list is short. */
static void find_truth(struct life *life)
{
    uint32_t best[SIM_TRUTH];
    size_t n = 0;
    struct sim_stream *s = life->stream;
    for (uint32_t i = 0; i < life->shop->n_items; i++) {
        float liking = life->liking[i];
        if (!life->shop->items[i].available || life->touched[i] != TOUCH_NONE ||
            (n == SIM_TRUTH && life->liking[best[n - 1]] >= liking))
            continue;
        size_t at = n < SIM_TRUTH ? n++ : n - 1;
        for (; at > 0 && life->liking[best[at - 1]] < liking; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
    for (uint32_t r = 0; r < n; r++) {
        if (!grow((void **)&s->truth, &s->cap_truth, s->n_truth, sizeof *s->truth)) {
            life->failed = true;
            return;
        }
        s->truth[s->n_truth++] = (struct sim_pair){life->customer_ix, best[r], r + 1};
    }
}

static void live(struct life *life, uint32_t *session)
{
    static const uint64_t mix = 0x9E3779B97F4A7C15u;
    int64_t starts[500], now = life->options->now_ms;
    int64_t after = (life->options->n_days / 6 > LEAST_TEST_DAYS ? life->options->n_days / 6
                                                                 : LEAST_TEST_DAYS) *
                    SIM_DAY_MS;
    nbx_random_init(&life->random, life->options->seed ^ (mix * (life->customer_ix + 1)));
    memset(life->touched, TOUCH_NONE, life->shop->n_items);
    for (size_t i = 0; i < life->shop->n_items; i++)
        life->liking[i] = sim_liking(life->customer, &life->shop->items[i]);
    int64_t joined = life->customer->joined_ms;
    unsigned n = draw_starts(life, starts, joined, now - joined);
    for (unsigned i = 0; i < n; i++)
        live_session(life, starts[i], ++*session);
    find_truth(life);
    n = draw_starts(life, starts, now + 1, after);
    for (unsigned i = 0; i < n; i++)
        live_session(life, starts[i], ++*session);
}

static int compare_events(const void *a, const void *b)
{
    const struct sim_event *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

enum nbx_err sim_stream_new(struct sim_stream **out, const struct sim_shop *shop,
                            const struct sim_options *options)
{
    struct life life = {.shop = shop, .options = options};
    uint32_t session = 0;
    *out = life.stream = calloc(1, sizeof **out);
    life.liking = calloc(shop->n_items, sizeof *life.liking);
    life.cumulative = calloc(shop->n_items, sizeof *life.cumulative);
    life.touched = calloc(shop->n_items, sizeof *life.touched);
    life.failed = !*out || !life.liking || !life.cumulative || !life.touched;
    for (uint32_t u = 0; u < shop->n_customers && !life.failed; u++) {
        life.customer_ix = u;
        life.customer = &shop->customers[u];
        live(&life, &session);
    }
    free(life.liking);
    free(life.cumulative);
    free(life.touched);
    if (life.failed) {
        sim_stream_destroy(out);
        return NBX_ELIMIT;
    }
    if ((*out)->n_events)
        qsort((*out)->events, (*out)->n_events, sizeof(struct sim_event), compare_events);
    return NBX_OK;
}

void sim_stream_destroy(struct sim_stream **stream)
{
    if (!*stream)
        return;
    free((*stream)->events);
    free((*stream)->test);
    free((*stream)->truth);
    free(*stream);
    *stream = NULL;
}
