/* SPDX-License-Identifier: MIT */
#include "engine/customer/fold.h"

#include "engine/base/buf.h"
#include "engine/base/hash.h"

#include <math.h>
#include <string.h>

#define AMOUNT_MOST   0x1p59 /* as far as a record holds it */
#define WAITING_LEAST 16
#define WAITING_MOST  65536

static enum nbx_effect effect_of(const struct nbx_event_record *event,
                                 const struct nbx_event_type *type)
{
    if (!type || type->class == NBX_CLASS_NEUTRAL)
        return NBX_EFFECT_NEUTRAL;
    bool badly_rated = !isnan(event->rating) && event->rating < type->negative_below;
    return type->class == NBX_CLASS_NEGATIVE || badly_rated ? NBX_EFFECT_NEGATIVE
                                                            : NBX_EFFECT_POSITIVE;
}

void nbx_fold_decide(struct nbx_event_record *event, const struct nbx_event_type *type)
{
    event->effect = effect_of(event, type);
    event->trend_amount = 0;
    if (event->effect == NBX_EFFECT_POSITIVE && event->item_no)
        event->trend_amount = llround(fmin(type->weight * NBX_TREND_AMOUNT_UNITS, AMOUNT_MOST));
}

uint64_t nbx_fold_term(const uint8_t id_hash[16], int64_t time_ms)
{
    uint8_t bytes[24];
    memcpy(bytes, id_hash, 16);
    nbx_be64_put(bytes + 16, (uint64_t)time_ms);
    return nbx_hash64(bytes, sizeof bytes);
}

bool nbx_fold_is_seen(const struct nbx_event_record *event)
{
    return event->item_no && event->effect != NBX_EFFECT_NEUTRAL;
}

enum nbx_err nbx_fold_begin(struct nbx_fold *out, const struct nbx_seen_record *seen,
                            const struct nbx_totals *totals, struct nbx_arena *arena)
{
    *out = (struct nbx_fold){.seen = *seen, .totals = *totals};
    out->totals.types = nbx_arena_calloc(arena, totals->n, sizeof *totals->types);
    out->totals.cap = totals->n;
    if (!out->totals.types)
        return NBX_ELIMIT;
    if (totals->n)
        memcpy(out->totals.types, totals->types, totals->n * sizeof *totals->types);
    return NBX_OK;
}

/* The type's total, made where there is none; NULL where the arena is out. */
static struct nbx_type_total *total_of(struct nbx_totals *t, uint16_t type_no,
                                       struct nbx_arena *arena)
{
    uint32_t at = 0;
    while (at < t->n && t->types[at].type_no < type_no)
        at++;
    if (at < t->n && t->types[at].type_no == type_no)
        return &t->types[at];
    if (t->n == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 4;
        struct nbx_type_total *types = nbx_arena_calloc(arena, cap, sizeof *types);
        if (!types)
            return NULL;
        if (t->n)
            memcpy(types, t->types, t->n * sizeof *types);
        t->types = types;
        t->cap = cap;
    }
    memmove(&t->types[at + 1], &t->types[at], (t->n - at) * sizeof *t->types);
    t->types[at] = (struct nbx_type_total){.type_no = type_no, .last_ms = INT64_MIN};
    t->n++;
    return &t->types[at];
}

/* n events of one type, the earliest and the latest of them at these times. */
static enum nbx_err add_total(struct nbx_totals *t, const struct nbx_type_total *more,
                              int64_t first_ms, struct nbx_arena *arena)
{
    if (t->n == 0 || first_ms < t->first_ms)
        t->first_ms = first_ms;
    struct nbx_type_total *total = total_of(t, more->type_no, arena);
    if (!total)
        return NBX_ELIMIT;
    total->n += more->n;
    if (more->last_ms > total->last_ms)
        total->last_ms = more->last_ms;
    return NBX_OK;
}

enum nbx_err nbx_fold_end(struct nbx_fold *fold, struct nbx_arena *arena)
{
    uint32_t n = fold->n_waiting;
    fold->n_waiting = 0;
    return n ? nbx_seen_join(&fold->seen, fold->waiting, n, arena) : NBX_OK;
}

/* Room for one more to wait; past WAITING_MOST by joining those that do. */
static enum nbx_err make_room(struct nbx_fold *fold, struct nbx_arena *arena)
{
    if (fold->n_waiting < fold->cap_waiting)
        return NBX_OK;
    if (fold->cap_waiting == WAITING_MOST)
        return nbx_fold_end(fold, arena);
    uint32_t cap = fold->cap_waiting ? fold->cap_waiting * 8 : WAITING_LEAST;
    struct nbx_seen_entry *waiting = nbx_arena_alloc(arena, cap * sizeof *waiting);
    if (!waiting)
        return NBX_ELIMIT;
    if (fold->n_waiting)
        memcpy(waiting, fold->waiting, fold->n_waiting * sizeof *waiting);
    fold->waiting = waiting;
    fold->cap_waiting = cap;
    return NBX_OK;
}

static enum nbx_err wait_for_join(struct nbx_fold *fold, const struct nbx_event_record *event,
                                  int64_t time_ms, struct nbx_arena *arena)
{
    enum nbx_err err = make_room(fold, arena);
    if (err)
        return err;
    fold->waiting[fold->n_waiting++] =
        (struct nbx_seen_entry){.item_no = event->item_no,
                                .type_no = event->type_no,
                                .negative = event->effect == NBX_EFFECT_NEGATIVE,
                                .scope = event->scope,
                                .last_ms = time_ms};
    fold->seen_changed = true;
    return NBX_OK;
}

enum nbx_err nbx_fold_event(struct nbx_fold *fold, const struct nbx_event_record *event,
                            int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena)
{
    uint64_t term = nbx_fold_term(id_hash, time_ms);
    struct nbx_type_total total = {.type_no = event->type_no, .n = 1, .last_ms = time_ms};
    enum nbx_err err = add_total(&fold->totals, &total, time_ms, arena);
    fold->totals.digest += term;
    if (err || !nbx_fold_is_seen(event))
        return err;
    fold->seen.digest += term;
    return wait_for_join(fold, event, time_ms, arena);
}

/* An event that is gone took its time along: where it was not the last of its type, all that is
 * known is that it came after the first. */
static enum nbx_err add_totals_left(struct nbx_totals *t, const struct nbx_totals *stored,
                                    const struct nbx_totals *all, struct nbx_arena *arena)
{
    enum nbx_err err = NBX_OK;
    uint32_t at = 0;
    if (stored->n)
        t->digest += stored->digest - all->digest;
    for (uint32_t i = 0; !err && i < stored->n; i++) {
        struct nbx_type_total left = stored->types[i];
        while (at < all->n && all->types[at].type_no < left.type_no)
            at++;
        if (at < all->n && all->types[at].type_no == left.type_no) {
            left.n -= all->types[at].n < left.n ? all->types[at].n : left.n;
            if (left.last_ms <= all->types[at].last_ms)
                left.last_ms = stored->first_ms;
        }
        if (left.n)
            err = add_total(t, &left, stored->first_ms, arena);
    }
    return err;
}

static enum nbx_err add_seen_left(struct nbx_seen_record *seen,
                                  const struct nbx_seen_record *stored,
                                  const struct nbx_seen_record *all, struct nbx_arena *arena)
{
    struct nbx_seen_entry *left = nbx_arena_alloc(arena, stored->n * sizeof *left);
    uint32_t n = 0, at = 0;
    if (!left)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < stored->n; i++) {
        const struct nbx_seen_entry *e = &stored->entries[i];
        while (at < all->n && nbx_seen_compare(&all->entries[at], e) < 0)
            at++;
        bool explained = at < all->n && nbx_seen_compare(&all->entries[at], e) == 0 &&
                         all->entries[at].last_ms >= e->last_ms;
        if (!explained)
            left[n++] = *e;
    }
    return n ? nbx_seen_join(seen, left, n, arena) : NBX_OK;
}

enum nbx_err nbx_fold_remainder(struct nbx_fold *out, const struct nbx_fold *stored,
                                const struct nbx_fold *all, struct nbx_arena *arena)
{
    *out = (struct nbx_fold){.seen = {.level = stored->seen.level}};
    enum nbx_err err = add_totals_left(&out->totals, &stored->totals, &all->totals, arena);
    if (stored->totals.n)
        out->seen.digest = stored->seen.digest - all->seen.digest;
    return err ? err : add_seen_left(&out->seen, &stored->seen, &all->seen, arena);
}

bool nbx_fold_is_empty(const struct nbx_fold *fold)
{
    return fold->totals.n == 0 && fold->seen.n == 0 && fold->seen.digest == 0;
}
