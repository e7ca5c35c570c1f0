/* SPDX-License-Identifier: MIT */
#include "engine/customer/fold.h"

#include "engine/base/buf.h"
#include "engine/base/hash.h"

#include <math.h>
#include <string.h>

#define AMOUNT_MOST 0x1p59 /* as far as a record holds it */

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

enum nbx_err nbx_fold_copy(struct nbx_fold *out, const struct nbx_fold *stored, uint32_t n_seen,
                           struct nbx_arena *arena)
{
    const struct nbx_seen_record *seen = &stored->seen;
    const struct nbx_totals *totals = &stored->totals;
    *out = *stored;
    out->totals.types = nbx_arena_calloc(arena, totals->n, sizeof *totals->types);
    out->totals.cap = totals->n;
    if (!out->totals.types)
        return NBX_ELIMIT;
    if (totals->n)
        memcpy(out->totals.types, totals->types, totals->n * sizeof *totals->types);
    if (n_seen == 0)
        return NBX_OK;
    out->seen.cap = seen->n + n_seen;
    out->seen.entries = nbx_arena_calloc(arena, out->seen.cap, sizeof *seen->entries);
    if (out->seen.entries && seen->n)
        memcpy(out->seen.entries, seen->entries, seen->n * sizeof *seen->entries);
    return out->seen.entries ? NBX_OK : NBX_ELIMIT;
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

enum nbx_err nbx_fold_event(struct nbx_fold *fold, const struct nbx_event_record *event,
                            int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena)
{
    uint64_t term = nbx_fold_term(id_hash, time_ms);
    struct nbx_type_total total = {.type_no = event->type_no, .n = 1, .last_ms = time_ms};
    enum nbx_err err = add_total(&fold->totals, &total, time_ms, arena);
    fold->totals.digest += term;
    if (err || !nbx_fold_is_seen(event))
        return err;
    struct nbx_seen_entry entry = {.item_no = event->item_no,
                                   .type_no = event->type_no,
                                   .negative = event->effect == NBX_EFFECT_NEGATIVE,
                                   .scope = event->scope,
                                   .last_ms = time_ms};
    fold->seen.digest += term;
    return nbx_seen_add(&fold->seen, &entry, arena);
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
    enum nbx_err err = NBX_OK;
    uint32_t at = 0;
    for (uint32_t i = 0; !err && i < stored->n; i++) {
        const struct nbx_seen_entry *e = &stored->entries[i];
        while (at < all->n && nbx_seen_compare(&all->entries[at], e) < 0)
            at++;
        bool explained = at < all->n && nbx_seen_compare(&all->entries[at], e) == 0 &&
                         all->entries[at].last_ms >= e->last_ms;
        if (!explained)
            err = nbx_seen_add(seen, e, arena);
    }
    return err;
}

enum nbx_err nbx_fold_remainder(struct nbx_fold *fold, const struct nbx_fold *stored,
                                const struct nbx_fold *all, struct nbx_arena *arena)
{
    enum nbx_err err = add_totals_left(&fold->totals, &stored->totals, &all->totals, arena);
    if (stored->totals.n)
        fold->seen.digest += stored->seen.digest - all->seen.digest;
    return err ? err : add_seen_left(&fold->seen, &stored->seen, &all->seen, arena);
}
