/* SPDX-License-Identifier: MIT */
#include "engine/customer/rebuild.h"

#include "engine/base/grow.h"

#include <stdlib.h>

#define SCRATCH_BYTES ((size_t)128 << 20) /* one event at a time; a message may have 64 MiB */

struct walk {
    const struct nbx_customer_scope *scope;
    struct nbx_cursor *cursor;
    struct nbx_arena *scratch; /* the event at hand */
};

static enum nbx_err open_walk(struct walk *w, const struct nbx_customer_scope *scope,
                              uint64_t number)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    *w = (struct walk){.scope = scope, .scratch = nbx_arena_new(SCRATCH_BYTES)};
    if (!w->scratch)
        return NBX_ELIMIT;
    return nbx_cursor_open(&w->cursor, nbx_customers_store(scope->customers), NBX_FAMILY_EVENTS,
                           nbx_key_str(&from), nbx_key_str(&to), false);
}

static void close_walk(struct walk *w)
{
    nbx_cursor_close(&w->cursor);
    nbx_arena_destroy(&w->scratch);
}

/* NBX_ENOTFOUND behind the last. */
static enum nbx_err next_event(struct walk *w, struct nbx_kept_event *out)
{
    struct nbx_str key;
    struct nbx_stored stored;
    uint64_t owner;
    nbx_arena_reset(w->scratch);
    enum nbx_err err = nbx_cursor_next(w->cursor, &key, &stored);
    if (err)
        return err;
    if (!nbx_key_event_parse(key, &owner, &out->time_ms, out->id_hash))
        return NBX_ECORRUPT;
    err = nbx_event_record_decode(&out->record, &stored, w->scratch);
    if (!err && out->record.effect == NBX_EFFECT_UNKNOWN)
        nbx_fold_decide(&out->record,
                        nbx_vocabulary_type_no(w->scope->vocabulary, out->record.type_no));
    return err;
}

enum nbx_err nbx_base_read(struct nbx_fold *out, const struct nbx_customer_scope *scope,
                           uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_base_record base;
    struct nbx_stored stored;
    *out = (struct nbx_fold){0};
    enum nbx_err err = nbx_store_get(nbx_customers_store(scope->customers), NBX_FAMILY_BASES,
                                     nbx_key_str(&key), scope->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (!err)
        err = nbx_base_record_decode(&base, &stored, scope->arena);
    return err ? err : nbx_fold_begin(out, &base.seen, &base.totals, scope->arena);
}

enum nbx_err nbx_rebuild_upon(struct nbx_fold *fold, const struct nbx_customer_scope *scope,
                              uint64_t number, nbx_event_drops drops, void *context)
{
    struct walk w;
    struct nbx_kept_event e;
    enum nbx_err err = open_walk(&w, scope, number);
    while (!err && !(err = next_event(&w, &e))) {
        bool dropped = drops && drops(context, &e);
        if (!dropped && !e.record.held)
            err = nbx_fold_event(fold, &e.record, e.time_ms, e.id_hash, scope->arena);
    }
    close_walk(&w);
    return err == NBX_ENOTFOUND ? nbx_fold_end(fold, scope->arena) : err;
}

enum nbx_err nbx_rebuild(struct nbx_fold *out, const struct nbx_customer_scope *scope,
                         uint64_t number, nbx_event_drops drops, void *context)
{
    enum nbx_err err = nbx_base_read(out, scope, number);
    return err ? err : nbx_rebuild_upon(out, scope, number, drops, context);
}

/* the seen set of another moment */

/* What each event adds to the digest, by sequence number. */
struct steps {
    struct step {
        uint64_t seq, term;
    } * p; /* (n) of (room) */
    size_t n, room;
};

static enum nbx_err note_step(struct steps *s, const struct nbx_kept_event *e)
{
    struct step *p = nbx_grow(s->p, s->n, &s->room, sizeof *p);
    if (!p)
        return NBX_ELIMIT;
    s->p = p;
    s->p[s->n++] = (struct step){e->record.seq, nbx_fold_term(e->id_hash, e->time_ms)};
    return NBX_OK;
}

static int compare_steps(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static enum nbx_err read_steps(struct steps *out, const struct nbx_customer_scope *scope,
                               uint64_t number)
{
    struct walk w;
    struct nbx_kept_event e;
    enum nbx_err err = open_walk(&w, scope, number);
    while (!err && !(err = next_event(&w, &e)))
        if (!e.record.held && nbx_fold_is_seen(&e.record))
            err = note_step(out, &e);
    close_walk(&w);
    if (out->n)
        qsort(out->p, out->n, sizeof *out->p, compare_steps);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static bool came_later(void *context, const struct nbx_kept_event *event)
{
    return event->record.seq > *(const uint64_t *)context;
}

/* Upon the base and as many events as it takes. */
static enum nbx_err rebuild_until(struct nbx_fold *fold, const struct nbx_customer_scope *scope,
                                  uint64_t number, uint64_t digest)
{
    struct steps steps = {0};
    uint64_t seq = 0, sum = fold->seen.digest;
    enum nbx_err err = read_steps(&steps, scope, number);
    for (size_t i = 0; !err && sum != digest && i < steps.n; i++) {
        sum += steps.p[i].term;
        seq = steps.p[i].seq;
    }
    free(steps.p);
    if (!err && sum != digest)
        return NBX_ENOTFOUND;
    return err ? err : nbx_rebuild_upon(fold, scope, number, came_later, &seq);
}

enum nbx_err nbx_rebuild_seen(struct nbx_seen_record *out, const struct nbx_customer_scope *scope,
                              uint64_t number, uint64_t digest)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    struct nbx_fold fold;
    *out = (struct nbx_seen_record){0};
    enum nbx_err err = nbx_customer_read(scope, NBX_FAMILY_SEEN, nbx_key_str(&key), &stored);
    if (!err)
        err = nbx_seen_record_decode(out, &stored, scope->arena);
    if ((err && err != NBX_ENOTFOUND) || out->digest == digest)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    if (!(err = nbx_base_read(&fold, scope, number)))
        err = rebuild_until(&fold, scope, number, digest);
    *out = fold.seen;
    return err;
}
