/* SPDX-License-Identifier: MIT
 * Whether a customer's state is what the customer's events come to (engine/customer/fold.h).
 *
 * What retention took is still in the state and no longer among the events: of a customer whose
 * first event may be gone all that can be asked is that nothing kept is missing from the state.
 */
#include "engine/care/verify_internal.h"
#include "engine/customer/fold.h"

static const char not_the_totals[] = "does not count what its events come to";
static const char not_the_set[] = "has a seen set that is not what its events come to";

/* *known: false where an event of version 1 does not say what it did. */
static enum nbx_err fold_events(struct nbx_check *c, uint64_t number, struct nbx_fold *out,
                                bool *known)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    *known = true;
    enum nbx_err err = nbx_cursor_open(&cursor, c->store, NBX_FAMILY_EVENTS, nbx_key_str(&from),
                                       nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        struct nbx_event_record event;
        uint8_t id_hash[16];
        int64_t time_ms;
        uint64_t owner;
        nbx_arena_reset(c->scratch);
        if (!nbx_key_event_parse(key, &owner, &time_ms, id_hash))
            err = NBX_ECORRUPT;
        else if (!(err = nbx_event_record_decode(&event, &stored, c->scratch)) && !event.held)
            err = nbx_fold_event(out, &event, time_ms, id_hash, c->arena);
        *known = *known && (err || event.effect != NBX_EFFECT_UNKNOWN);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? nbx_fold_end(out, c->arena) : err;
}

static enum nbx_err read_seen(struct nbx_check *c, uint64_t number, struct nbx_seen_record *out,
                              bool *known)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    *out = (struct nbx_seen_record){0};
    *known = true;
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_SEEN, nbx_key_str(&key), c->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    *known = err || stored.version >= NBX_SEEN_RECORD;
    return err ? err : nbx_seen_record_decode(out, &stored, c->arena);
}

static bool same_total(const struct nbx_type_total *a, const struct nbx_type_total *b)
{
    return a->type_no == b->type_no && a->n == b->n && a->last_ms == b->last_ms;
}

static bool same_totals(const struct nbx_totals *a, const struct nbx_totals *b)
{
    bool same = a->digest == b->digest && a->n == b->n && a->first_ms == b->first_ms;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = same_total(&a->types[i], &b->types[i]);
    return same;
}

static bool same_seen(const struct nbx_seen_record *a, const struct nbx_seen_record *b)
{
    bool same = a->digest == b->digest && a->n == b->n && a->level == b->level;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = nbx_seen_compare(&a->entries[i], &b->entries[i]) == 0 &&
               a->entries[i].last_ms == b->entries[i].last_ms;
    return same;
}

/* Every type of `some` is in all, no fewer of it and none later. */
static bool has_totals(const struct nbx_totals *all, const struct nbx_totals *some)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < some->n; i++) {
        const struct nbx_type_total *t = &some->types[i];
        while (at < all->n && all->types[at].type_no < t->type_no)
            at++;
        if (at == all->n || all->types[at].type_no != t->type_no || all->types[at].n < t->n ||
            all->types[at].last_ms < t->last_ms)
            return false;
    }
    return true;
}

/* Every entry of `some` is in all; where all was cut to its newest there is nothing to say. */
static bool has_seen(const struct nbx_seen_record *all, const struct nbx_seen_record *some)
{
    uint32_t at = 0;
    for (uint32_t i = 0; !all->level && i < some->n; i++) {
        const struct nbx_seen_entry *e = &some->entries[i];
        while (at < all->n && nbx_seen_compare(&all->entries[at], e) < 0)
            at++;
        if (at == all->n || nbx_seen_compare(&all->entries[at], e) != 0 ||
            all->entries[at].last_ms < e->last_ms)
            return false;
    }
    return true;
}

const char *nbx_verify__fold(struct nbx_check *c, uint64_t number,
                             const struct nbx_customer_record *r)
{
    struct nbx_fold fold = {0};
    struct nbx_seen_record seen;
    bool events_known, seen_known;
    int64_t keep_ms = c->options->event_retention_ms;
    if (r->totals_unknown)
        return NULL;
    enum nbx_err err = fold_events(c, number, &fold, &events_known);
    if (!err)
        err = read_seen(c, number, &seen, &seen_known);
    if (err == NBX_ECORRUPT || err == NBX_EVERSION || (!err && !(events_known && seen_known)))
        return NULL; /* what is damaged is told where it lies; what is old is made new in time */
    c->err = err;
    if (err)
        return NULL;
    bool whole = keep_ms <= 0 || r->totals.first_ms >= c->options->now_ms - keep_ms;
    if (whole ? !same_totals(&r->totals, &fold.totals) : !has_totals(&r->totals, &fold.totals))
        return not_the_totals;
    if (whole ? !same_seen(&seen, &fold.seen) : !has_seen(&seen, &fold.seen))
        return not_the_set;
    return NULL;
}
