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

/* Held while a chunk is read, not for all of them: workers may wait for it. */
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

/* Scores of one chunk of items. */
struct weighing {
    uint16_t first, last; /* channels */
    double now;           /* in half-lives since 1970 */
    uint32_t horizon;     /* period */
    int64_t exact[NBX_CHUNK_ITEMS];
    double scores[NBX_CHUNK_ITEMS];
};

/* w->exact becomes the sum over the channels; false where nothing of that period was counted. */
static bool add_up(struct weighing *w, const struct nbx_trends *t, uint32_t period, size_t at)
{
    bool any = false;
    for (unsigned i = w->first; i <= w->last; i++) {
        const struct nbx_tallies *cells = &t->channels[i].periods[period % NBX_TREND_PERIODS];
        if (at >= cells->n_chunks || !cells->chunks[at])
            continue;
        if (!any)
            memset(w->exact, 0, sizeof w->exact);
        any = true;
        for (uint32_t row = 0; row < NBX_CHUNK_ITEMS; row++)
            w->exact[row] += nbx_tally_int(&cells->chunks[at][row]);
    }
    return any;
}

/* Periods are added in their order, whole numbers before: the same events, the same bits. */
static void weigh(struct weighing *w, const struct nbx_trends *t, size_t at)
{
    memset(w->scores, 0, sizeof w->scores);
    pthread_rwlock_rdlock(lock_of(t));
    uint32_t period = t->oldest > w->horizon ? t->oldest : w->horizon;
    for (; period - t->oldest < NBX_TREND_PERIODS; period++) {
        if (!add_up(w, t, period, at))
            continue;
        double weight = exp2((double)period - w->now) / (NBX_TREND_UNITS * NBX_TREND_SHARE);
        for (uint32_t row = 0; row < NBX_CHUNK_ITEMS; row++)
            w->scores[row] += (double)w->exact[row] * weight;
    }
    pthread_rwlock_unlock(lock_of(t));
}

/* The trend over the channels first to last. */
static enum nbx_err rank_channels(struct nbx_ranking *out, const struct nbx_trends *t,
                                  struct weighing *w, struct collecting *all)
{
    size_t rows = nbx_catalog_rows(all->catalog);
    for (size_t at = 0; at * NBX_CHUNK_ITEMS < rows; at++) {
        weigh(w, t, at);
        uint32_t begin = (uint32_t)at * NBX_CHUNK_ITEMS;
        for (uint32_t row = 0; row < NBX_CHUNK_ITEMS && begin + row < rows; row++)
            collect(all, begin + row, (float)w->scores[row]);
    }
    return finish(out, all);
}

static enum nbx_err rank_trends(struct nbx_rankings *r, const struct nbx_trends *t,
                                struct collecting *all, int64_t now_ms)
{
    struct weighing *w = calloc(1, sizeof *w);
    if (!w)
        return NBX_ELIMIT;
    w->now = (double)now_ms / ((double)t->bucket_ms * t->period_buckets);
    w->horizon = nbx_trends__horizon(t, now_ms);
    w->last = t->n_channels;
    enum nbx_err err = rank_channels(&r->trend[0], t, w, all);
    for (uint16_t i = 1; !err && i <= t->n_channels; i++) {
        w->first = w->last = i;
        err = rank_channels(&r->trend[i], t, w, all);
    }
    free(w);
    return err;
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
    enum nbx_err err = rank_trends(r, t, all, now_ms);
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
