/* SPDX-License-Identifier: MIT
 * Whether a customer's state is what the customer's base and events come to
 * (engine/customer/fold.h).
 */
#include "engine/care/verify_internal.h"
#include "engine/customer/fold.h"

static const char not_the_totals[] = "does not count what its events come to";
static const char not_the_set[] = "has a seen set that is not what its events come to";

static enum nbx_err fold_events(struct nbx_check *c, uint64_t number, struct nbx_fold *out)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
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
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? nbx_fold_end(out, c->arena) : err;
}

static enum nbx_err read_seen(struct nbx_check *c, uint64_t number, struct nbx_seen_record *out)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    *out = (struct nbx_seen_record){0};
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_SEEN, nbx_key_str(&key), c->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
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

static enum nbx_err read_base(struct nbx_check *c, uint64_t number, struct nbx_fold *out)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    struct nbx_base_record base;
    *out = (struct nbx_fold){0};
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_BASES, nbx_key_str(&key), c->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (!err)
        err = nbx_base_record_decode(&base, &stored, c->arena);
    return err ? err : nbx_fold_begin(out, &base.seen, &base.totals, c->arena);
}

const char *nbx_verify__fold(struct nbx_check *c, uint64_t number,
                             const struct nbx_customer_record *r)
{
    struct nbx_fold fold;
    struct nbx_seen_record seen;
    if (nbx_store_format(c->store) < 2) /* has no bases yet */
        return NULL;
    enum nbx_err err = read_base(c, number, &fold);
    if (!err)
        err = fold_events(c, number, &fold);
    if (!err)
        err = read_seen(c, number, &seen);
    if (err == NBX_ECORRUPT || err == NBX_EVERSION)
        return NULL; /* what is damaged is told where it lies */
    c->err = err;
    if (err)
        return NULL;
    if (!same_totals(&r->totals, &fold.totals))
        return not_the_totals;
    return same_seen(&seen, &fold.seen) ? NULL : not_the_set;
}
