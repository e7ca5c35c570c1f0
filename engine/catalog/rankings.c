/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/catalog/trends_internal.h"

#include <math.h>
#include <stdlib.h>

struct ranked {
    double score;
    uint32_t item_no;
};

struct collecting {
    const struct nbx_catalog *catalog;
    struct ranked *p; /* (n) of (cap), the scratch of all rankings */
    size_t n, cap;
};

/* Held while cells are read and never while something is sorted: workers may wait for it. */
static pthread_rwlock_t *lock_of(const struct nbx_trends *t)
{
    return (pthread_rwlock_t *)&t->lock;
}

static void collect(struct collecting *all, uint32_t item_no, double score)
{
    if (!(score > 0) || !nbx_catalog_has(all->catalog, item_no))
        return;
    NBX_ASSERT(all->n < all->cap); /* there are no more than the catalogue has items */
    all->p[all->n++] = (struct ranked){score, item_no};
}

static int by_rank(const void *a, const void *b, void *catalog)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return nbx_catalog_tie(catalog, x->item_no, y->item_no);
}

static enum nbx_err finish(struct nbx_ranking *out, struct collecting *all)
{
    qsort_r(all->p, all->n, sizeof *all->p, by_rank, (void *)all->catalog);
    out->item_nos = malloc((all->n + 1) * sizeof *out->item_nos);
    out->scores = malloc((all->n + 1) * sizeof *out->scores);
    out->n = all->n;
    if (!out->item_nos || !out->scores)
        return NBX_ELIMIT;
    for (size_t i = 0; i < all->n; i++) {
        out->item_nos[i] = all->p[i].item_no;
        out->scores[i] = (float)all->p[i].score;
    }
    all->n = 0;
    return NBX_OK;
}

/* Scores are rounded to float before they are compared, so that sums of the same events in another
 * order, which differ in their last bits, tie. */
static float decayed(const struct nbx_trends *t, double sum, int64_t now_ms)
{
    double now = (double)now_ms / (double)t->half_life_ms;
    return (float)(sum / NBX_TREND_UNITS * exp2(t->landmark - now));
}

static enum nbx_err rank_channel(struct nbx_ranking *out, const struct nbx_trends *t, uint16_t no,
                                 struct collecting *all, int64_t now_ms)
{
    const struct nbx_trend_channel *channel = &t->channels[no];
    size_t rows = nbx_catalog_rows(all->catalog);
    pthread_rwlock_rdlock(lock_of(t));
    for (uint32_t item_no = 1; item_no < rows; item_no++)
        if (nbx_tally_int(nbx_tallies_at(&channel->counts, item_no)) > 0)
            collect(all, item_no,
                    decayed(t, nbx_tally_double(nbx_tallies_at(&channel->sums, item_no)), now_ms));
    pthread_rwlock_unlock(lock_of(t));
    return finish(out, all);
}

static enum nbx_err rank_all_channels(struct nbx_ranking *out, const struct nbx_trends *t,
                                      struct collecting *all, int64_t now_ms)
{
    size_t rows = nbx_catalog_rows(all->catalog);
    pthread_rwlock_rdlock(lock_of(t));
    for (uint32_t item_no = 1; item_no < rows; item_no++) {
        double sum = 0;
        int64_t count = 0;
        for (uint16_t i = 0; i <= t->n_channels; i++) {
            count += nbx_tally_int(nbx_tallies_at(&t->channels[i].counts, item_no));
            sum += nbx_tally_double(nbx_tallies_at(&t->channels[i].sums, item_no));
        }
        if (count > 0)
            collect(all, item_no, decayed(t, sum, now_ms));
    }
    pthread_rwlock_unlock(lock_of(t));
    return finish(out, all);
}

static enum nbx_err rank_popular(struct nbx_ranking *out, const struct nbx_trends *t,
                                 struct collecting *all)
{
    size_t rows = nbx_catalog_rows(all->catalog);
    pthread_rwlock_rdlock(lock_of(t));
    for (uint32_t item_no = 1; item_no < rows; item_no++) {
        int64_t total = nbx_tally_int(nbx_tallies_at(&t->totals, item_no));
        collect(all, item_no, (double)total / NBX_TREND_UNITS);
    }
    pthread_rwlock_unlock(lock_of(t));
    return finish(out, all);
}

static enum nbx_err rank_newest(struct nbx_ranking *out, struct collecting *all)
{
    size_t rows = nbx_catalog_rows(all->catalog);
    for (uint32_t item_no = 1; item_no < rows; item_no++) {
        if (!nbx_catalog_has(all->catalog, item_no))
            continue;
        double created = (double)nbx_catalog_created_ms(all->catalog, item_no);
        all->p[all->n++] = (struct ranked){created, item_no};
    }
    return finish(out, all);
}

static enum nbx_err build(struct nbx_rankings *r, const struct nbx_trends *t,
                          struct collecting *all, int64_t now_ms)
{
    enum nbx_err err = rank_all_channels(&r->trend[0], t, all, now_ms);
    for (uint16_t i = 1; !err && i <= t->n_channels; i++)
        err = rank_channel(&r->trend[i], t, i, all, now_ms);
    if (!err)
        err = rank_popular(&r->popular, t, all);
    return err ? err : rank_newest(&r->newest, all);
}

enum nbx_err nbx_rankings_build(struct nbx_rankings **out, const struct nbx_trends *trends,
                                const struct nbx_catalog *catalog, int64_t now_ms)
{
    const struct nbx_trends *t = trends;
    struct collecting all = {.catalog = catalog, .cap = nbx_catalog_count(catalog)};
    struct nbx_rankings *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return NBX_ELIMIT;
    r->n_channels = t->n_channels;
    r->catalog_generation = nbx_catalog_generation(catalog);
    r->trend = calloc((size_t)t->n_channels + 1, sizeof *r->trend);
    all.p = malloc((all.cap + 1) * sizeof *all.p);
    enum nbx_err err = NBX_ELIMIT;
    if (r->trend && all.p)
        err = build(r, t, &all, now_ms);
    free(all.p);
    if (err)
        nbx_rankings_destroy(&r);
    *out = r;
    return err;
}

static void ranking_fini(struct nbx_ranking *r)
{
    free(r->item_nos);
    free(r->scores);
}

void nbx_rankings_destroy(struct nbx_rankings **rankings)
{
    if (!rankings || !*rankings)
        return;
    struct nbx_rankings *r = *rankings;
    for (uint16_t i = 0; r->trend && i <= r->n_channels; i++)
        ranking_fini(&r->trend[i]);
    ranking_fini(&r->popular);
    ranking_fini(&r->newest);
    free(r->trend);
    free(r);
    *rankings = NULL;
}
