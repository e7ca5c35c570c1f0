/* SPDX-License-Identifier: MIT
 * Excerpts of the models that answer for filters that come often, made beside the keeper as workers
 * wish.
 *
 * One is made at a time, idle, and comes into service as any other world does. Those of a model
 * keep within a share of its indexes: where that is full, those that nobody used since the last one
 * was made make room, else the wish is refused. One whose packs no model has any more ends. A model
 * that comes into service brings those of the model before it, made anew of its own packs.
 */
#include "engine/serve/keeper.h"

#include "engine/base/log.h"
#include "engine/decide/excerpts.h"

#include <stdlib.h>

/* An excerpt that must cover more than before keeps what it covered, so that items which come and
 * go do not end it each time; but it may not grow beyond 3/2 of what passes. */
#define KEEPS_NUMERATOR   3
#define KEEPS_DENOMINATOR 2

static void work(void *arg)
{
    struct nbx_keeper_excerpts *x = arg;
    x->made = nbx_model_excerpt_fill(x->fresh);
}

static struct nbx_excerpt_wish *take_wish(struct nbx_keeper *k)
{
    struct nbx_excerpt_wish *wish = NULL;
    for (unsigned w = 0; !wish && w < k->server->n_workers; w++)
        wish = atomic_exchange(&k->server->workers[w].wished, NULL);
    return wish;
}

/* Out of the list, but read by workers until the next world is handed out. */
static void drop(struct nbx_keeper_excerpts *x, size_t i)
{
    x->dropped[x->n_dropped++] = x->list[i];
    x->list[i] = x->list[--x->n];
}

static bool is_of(const struct nbx_model_excerpt *e, const struct nbx_model *m)
{
    return m && nbx_model_excerpt_serves(e, m);
}

static bool is_of_any(const struct nbx_keeper *k, const struct nbx_model_excerpt *e)
{
    return is_of(e, k->model) || is_of(e, k->models.canary.model);
}

static size_t find(const struct nbx_keeper_excerpts *x, uint64_t content, const struct nbx_model *m)
{
    size_t i = 0;
    while (i < x->n && (x->list[i]->content != content || !is_of(x->list[i], m)))
        i++;
    return i;
}

/* Bytes and number of those that are of the model, NULL: of all. */
struct held {
    size_t bytes, n;
};

static struct held count(const struct nbx_keeper_excerpts *x, const struct nbx_model *m)
{
    struct held held = {0};
    for (size_t i = 0; i < x->n; i++) {
        if (m && !is_of(x->list[i], m))
            continue;
        held.bytes += nbx_model_excerpt_bytes(x->list[i]);
        held.n++;
    }
    return held;
}

static bool has_room(const struct nbx_keeper_excerpts *x, const struct nbx_model *m, size_t wanted)
{
    struct held held = count(x, m);
    return held.n < NBX_EXCERPTS_MAX && held.bytes + wanted <= nbx_model_excerpts_share(m);
}

/* Room for one of n items, if need be in the place of some that were not used lately. */
static bool make_room(struct nbx_keeper *k, const struct nbx_model *m, size_t n)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    size_t wanted = nbx_model_excerpt_bytes_for(m, n);
    for (size_t i = x->n; i-- > 0;)
        if (is_of(x->list[i], m) && !atomic_load(&x->list[i]->used) && !has_room(x, m, wanted))
            drop(x, i);
    bool room = has_room(x, m, wanted);
    for (size_t i = 0; i < x->n; i++)
        if (is_of(x->list[i], m))
            atomic_store(&x->list[i]->used, false);
    return room;
}

/* What one covers, of the first of its spaces that has an excerpt. */
static const struct nbx_excerpt *covered_by(const struct nbx_model_excerpt *e)
{
    for (size_t s = 0; s < e->n_spaces; s++)
        if (e->by_space[s])
            return e->by_space[s];
    return NULL;
}

/* The labels of the wish and those of the excerpt that it replaces, unless these are too many. */
static void keep_covered(struct nbx_excerpt_wish *wish, const struct nbx_model_excerpt *old)
{
    const struct nbx_excerpt *e = covered_by(old);
    size_t words = wish->n_labels / 64, n = 0;
    if (e && e->n_covered < wish->n_labels)
        words = e->n_covered / 64;
    for (size_t w = 0; e && w < words; w++)
        n += (size_t)__builtin_popcountll(e->covered[w] & ~wish->labels[w]);
    if (!e || (wish->n_passing + n) * KEEPS_DENOMINATOR > wish->n_passing * KEEPS_NUMERATOR)
        return;
    for (size_t w = 0; w < words; w++)
        wish->labels[w] |= e->covered[w];
    wish->n_passing += n;
}

/* Begins to make what is wished, unless there is one that covers it already, or no room. */
static void grant(struct nbx_keeper *k, const struct nbx_model *m, struct nbx_excerpt_wish *wish)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    size_t at = find(x, wish->content, m);
    if (at < x->n) {
        if (nbx_model_excerpt_covers(x->list[at], wish->labels, wish->n_labels))
            return;
        keep_covered(wish, x->list[at]);
        drop(x, at);
    }
    enum nbx_err err = make_room(k, m, wish->n_passing) ? NBX_OK : NBX_ELIMIT;
    if (!err)
        err = nbx_model_excerpt_begin(&x->fresh, m, wish->labels, wish->n_labels);
    if (!err) {
        x->fresh->number = ++x->n_made;
        x->fresh->content = wish->content;
        x->aside = (struct nbx_aside){.work = work, .arg = x, .bell = &k->bell, .idle = true};
        err = nbx_aside_start(&x->aside);
    }
    if (!err)
        return;
    nbx_model_excerpt_destroy(&x->fresh);
    nbx_count(&k->counters.excerpts_refused, 1);
}

/* Takes up a wish, where nothing dropped waits for the next world. */
static void begin(struct nbx_keeper *k)
{
    if (k->excerpts.n_dropped)
        return;
    struct nbx_excerpt_wish *wish = take_wish(k);
    const struct nbx_model *m = wish && wish->of_canary ? k->models.canary.model : k->model;
    if (wish && m)
        grant(k, m, wish);
    free(wish);
}

/* True if the world changed. */
static bool end(struct nbx_keeper *k)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    struct nbx_model_excerpt *fresh = x->fresh;
    x->fresh = NULL;
    nbx_aside_join(&x->aside);
    if (x->made || !is_of_any(k, fresh)) {
        nbx_model_excerpt_destroy(&fresh);
        nbx_count(&k->counters.excerpts_refused, 1);
        return false;
    }
    x->list[x->n++] = fresh;
    nbx_count(&k->counters.excerpts_made, 1);
    return true;
}

bool nbx_keeper__excerpt(struct nbx_keeper *k)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    bool changed = false;
    if (x->aside.running)
        changed = nbx_keeper__excerpted(k) && end(k);
    else
        begin(k);
    return (changed || (x->n_dropped && !x->aside.running)) && !nbx_keeper__publish(k);
}

bool nbx_keeper__excerpted(const struct nbx_keeper *k)
{
    return nbx_aside_done(&k->excerpts.aside);
}

void nbx_keeper__put_excerpts(const struct nbx_keeper *k, struct nbx_world *world)
{
    const struct nbx_keeper_excerpts *x = &k->excerpts;
    for (size_t i = 0; i < x->n; i++)
        if (is_of(x->list[i], world->model))
            world->excerpts[world->n_excerpts++] = x->list[i];
}

void nbx_keeper__end_excerpts(struct nbx_keeper *k)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    for (size_t i = x->n; i-- > 0;)
        if (!is_of_any(k, x->list[i]))
            drop(x, i);
    while (x->n_dropped)
        nbx_model_excerpt_destroy(&x->dropped[--x->n_dropped]);
    atomic_store(&k->counters.excerpt_bytes, count(x, NULL).bytes);
}

size_t nbx_keeper__begin_excerpts(struct nbx_keeper *k, struct nbx_model_excerpt **out,
                                  const struct nbx_model *m)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    size_t n = 0;
    for (size_t i = 0; i < x->n && n < NBX_EXCERPTS_MAX; i++) {
        const struct nbx_excerpt *e = is_of(x->list[i], k->model) ? covered_by(x->list[i]) : NULL;
        if (!e || nbx_model_excerpt_begin(&out[n], m, e->covered, e->n_covered))
            continue;
        out[n]->number = ++x->n_made;
        out[n++]->content = x->list[i]->content;
    }
    return n;
}

void nbx_keeper__take_excerpts(struct nbx_keeper *k, struct nbx_model_excerpt **fresh, size_t n)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    for (size_t i = 0; i < n; i++) {
        x->list[x->n++] = fresh[i];
        fresh[i] = NULL;
        nbx_count(&k->counters.excerpts_made, 1);
    }
}

void nbx_keeper__excerpt_stop(struct nbx_keeper *k)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    nbx_aside_join(&x->aside);
    nbx_model_excerpt_destroy(&x->fresh);
}

void nbx_keeper__excerpt_free(struct nbx_keeper *k)
{
    struct nbx_keeper_excerpts *x = &k->excerpts;
    while (x->n)
        drop(x, x->n - 1);
    while (x->n_dropped)
        nbx_model_excerpt_destroy(&x->dropped[--x->n_dropped]);
}
