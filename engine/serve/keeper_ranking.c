/* SPDX-License-Identifier: MIT
 * Rankings, made beside the keeper: sorting a million items seven times takes most of a second, and
 * an item change must not wait for that.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

/* A new item must be found at once; what is in vogue may wait, and must not take a core. Each is
 * a least pause and a multiple of what the last rankings cost. */
#define CATALOG_PAUSE_NS INT64_C(50000000)
#define CATALOG_DUTY     10
#define TREND_PAUSE_NS   INT64_C(1000000000)
#define TREND_DUTY       100

/* True if counts or catalogue moved and enough time went by since the last rankings. */
static bool is_due(const struct nbx_keeper *k, int64_t now_ns)
{
    const struct nbx_keeper_ranking *r = &k->ranking;
    bool catalog = nbx_catalog_generation(k->catalog) != r->from_catalog;
    bool trends = nbx_trends_generation(k->server->trends) != r->from_trends;
    int64_t least_ns = catalog ? CATALOG_PAUSE_NS : TREND_PAUSE_NS;
    int64_t pause_ns = r->took_ns * (catalog ? CATALOG_DUTY : TREND_DUTY);
    return (catalog || trends) &&
           now_ns - r->begun_ns >= (pause_ns > least_ns ? pause_ns : least_ns);
}

static void work(void *arg)
{
    struct nbx_keeper_ranking *r = arg;
    int64_t now_ms = nbx_clock_wall_ms();
    if (nbx_trends_advance(r->trends, now_ms))
        nbx_log_warnx("trends=kept text=\"what is too old stays in the store until the next "
                      "rankings\"");
    if (nbx_rankings_build(&r->fresh, r->trends, r->catalog, now_ms))
        nbx_log_warnx("rankings=stale reason=memory");
}

/* Notes what the rankings about to be made will know. */
static void note_sources(struct nbx_keeper *k)
{
    struct nbx_keeper_ranking *r = &k->ranking;
    r->trends = k->server->trends;
    r->from_trends = nbx_trends_generation(r->trends);
    r->from_catalog = nbx_catalog_generation(k->catalog);
    r->begun_ns = nbx_clock_mono_ns();
}

static void begin(struct nbx_keeper *k)
{
    struct nbx_keeper_ranking *r = &k->ranking;
    if (!is_due(k, nbx_clock_mono_ns()))
        return;
    note_sources(k);
    r->catalog = nbx_catalog_share(k->catalog);
    /* Not idle: it holds the trends' lock for reading, and workers write. */
    r->aside = (struct nbx_aside){.work = work, .arg = r, .bell = &k->bell};
    if (nbx_aside_start(&r->aside)) {
        nbx_catalog_release(&r->catalog);
        nbx_log_warnx("rankings=stale reason=memory");
    }
}

/* True if the world changed. */
static bool end(struct nbx_keeper *k)
{
    struct nbx_keeper_ranking *r = &k->ranking;
    nbx_aside_join(&r->aside);
    nbx_catalog_release(&r->catalog);
    r->took_ns = nbx_clock_mono_ns() - r->begun_ns;
    if (!r->fresh)
        return false;
    struct nbx_rankings *old = k->rankings;
    k->rankings = r->fresh;
    r->fresh = NULL;
    enum nbx_err err = nbx_keeper__publish(k);
    if (err) {
        struct nbx_rankings *unused = k->rankings;
        k->rankings = old;
        old = unused;
    }
    nbx_rankings_destroy(&old);
    return !err;
}

bool nbx_keeper__rank(struct nbx_keeper *k)
{
    if (!k->ranking.aside.running) {
        begin(k);
        return false;
    }
    return nbx_keeper__ranked(k) && end(k);
}

bool nbx_keeper__ranked(const struct nbx_keeper *k)
{
    return nbx_aside_done(&k->ranking.aside);
}

void nbx_keeper__rank_stop(struct nbx_keeper *k)
{
    nbx_aside_join(&k->ranking.aside);
    nbx_catalog_release(&k->ranking.catalog);
    nbx_rankings_destroy(&k->ranking.fresh);
}

enum nbx_err nbx_keeper__rank_first(struct nbx_keeper *k)
{
    note_sources(k);
    k->ranking.begun_ns = 0;
    return nbx_rankings_build(&k->rankings, k->server->trends, k->catalog, nbx_clock_wall_ms());
}
