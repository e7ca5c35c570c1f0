/* SPDX-License-Identifier: MIT */
#include "engine/customer/migrate.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/customer/consent.h"
#include "engine/customer/customers_internal.h"
#include "engine/customer/rebuild.h"

#define BATCH_CUSTOMERS 64
#define BATCH_CHANGES   20000 /* many events of version 1 end a batch early */
#define MARK            "migrate/2"
#define FORMAT          2

/* A customer as the older format has it. */
struct old {
    uint64_t number;
    struct nbx_profile profile;
    bool rewritten; /* something of it is of version 1 */
};

/* Where the group was left: the last number that is done. */
static enum nbx_err read_mark(const struct nbx_customer_scope *scope, uint8_t group, uint64_t *out)
{
    struct nbx_key key = nbx_key_meta_group(MARK, group);
    *out = NBX_CUSTOMER((uint64_t)group, 0);
    enum nbx_err err = nbx_record_u64_get(scope->customers->store, NBX_FAMILY_META,
                                          nbx_key_str(&key), scope->arena, out);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static void put_mark(const struct nbx_customer_scope *scope, uint8_t group, uint64_t number)
{
    struct nbx_key key = nbx_key_meta_group(MARK, group);
    nbx_record_u64_put(scope->batch, NBX_FAMILY_META, nbx_key_str(&key), number);
}

static enum nbx_err read_seen(struct old *o, const struct nbx_customer_scope *scope)
{
    struct nbx_key key = nbx_key_customer(o->number);
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(scope->customers->store, NBX_FAMILY_SEEN, nbx_key_str(&key),
                                     scope->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    o->rewritten |= !err && stored.version == 1;
    return err ? err : nbx_seen_record_decode(&o->profile.seen, &stored, scope->arena);
}

/* Events of version 1 are written with what they did. */
static enum nbx_err rewrite_events(struct old *o, const struct nbx_customer_scope *scope)
{
    struct nbx_key from = nbx_key_customer(o->number), to = nbx_key_customer_end(o->number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    struct nbx_buf buf = {0};
    enum nbx_err err = nbx_cursor_open(&cursor, scope->customers->store, NBX_FAMILY_EVENTS,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        struct nbx_event_record e;
        if (stored.version > 1)
            continue;
        if ((err = nbx_event_record_decode(&e, &stored, scope->arena)))
            break;
        nbx_fold_decide(&e, nbx_vocabulary_type_no(scope->vocabulary, e.type_no));
        nbx_event_record_encode(nbx_batch_payload(scope->batch), &e);
        nbx_batch_put_payload(scope->batch, NBX_FAMILY_EVENTS, key, NBX_EVENT_RECORD);
        o->rewritten = true;
    }
    nbx_cursor_close(&cursor);
    nbx_buf_fini(&buf);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* The base, and the state as the fold of base and events. */
static enum nbx_err put_state(struct old *o, const struct nbx_customer_scope *scope)
{
    struct nbx_profile *p = &o->profile;
    struct nbx_fold stored = {.seen = p->seen, .totals = p->head.totals}, all = {0}, base, fold;
    enum nbx_err err = nbx_rebuild_upon(&all, scope, o->number, NULL, NULL);
    if (!err)
        err = nbx_fold_remainder(&base, &stored, &all, scope->arena);
    if (err)
        return err;
    if (!nbx_fold_is_empty(&base))
        nbx_base__put(scope, o->number, &base);
    if (!o->rewritten)
        return NBX_OK;
    if ((err = nbx_fold_begin(&fold, &base.seen, &base.totals, scope->arena)) ||
        (err = nbx_rebuild_upon(&fold, scope, o->number, NULL, NULL)))
        return err;
    p->seen = fold.seen;
    p->head.totals = fold.totals;
    p->head.totals_unknown = false;
    p->seen_changed = true;
    nbx_profile__put(p, scope);
    return NBX_OK;
}

static enum nbx_err migrate_customer(const struct nbx_customer_scope *scope, uint64_t number,
                                     const struct nbx_stored *head)
{
    struct old o = {.number = number, .profile = {.known = true, .number = number}};
    enum nbx_err err = nbx_customer_record_decode(&o.profile.head, head, scope->arena);
    if (err)
        return err;
    o.profile.id = o.profile.head.id;
    o.rewritten = head->version == 1;
    o.profile.withdrawn = nbx_consent_withdrawn(o.profile.head.consent);
    if ((err = read_seen(&o, scope)) || (err = rewrite_events(&o, scope)))
        return err;
    return put_state(&o, scope);
}

/* A batch being filled. */
struct step {
    const struct nbx_customer_scope *scope;
    uint32_t n; /* customers in it */
};

static bool is_full(const struct step *s)
{
    return s->n >= BATCH_CUSTOMERS || nbx_batch_count(s->scope->batch) >= BATCH_CHANGES;
}

/* One that is damaged stays as it is, for verify to name; others go on. */
static enum nbx_err migrate_next(struct step *s, struct nbx_str key, const struct nbx_stored *head,
                                 uint64_t *at)
{
    nbx_arena_reset(s->scope->arena);
    if (!nbx_key_number_parse(key, at))
        return NBX_OK;
    enum nbx_err err = migrate_customer(s->scope, *at, head);
    s->n++;
    if (err != NBX_ECORRUPT && err != NBX_EVERSION)
        return err;
    nbx_log_warnx("what=migration customer=%llu error=%s text=\"it stays as it is\"",
                  (unsigned long long)*at, nbx_err_status(err));
    return NBX_OK;
}

/* Customers of the group behind *at until the batch is full; *at becomes the last of them.
 * NBX_ENOTFOUND: they were the group's last. */
static enum nbx_err migrate_some(struct step *s, uint8_t group, uint64_t *at)
{
    struct nbx_key from = nbx_key_customer_end(*at);
    struct nbx_key to = nbx_key_customer_end(NBX_CUSTOMER(group, UINT64_C(0x00FFFFFFFFFFFFFF)));
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored head;
    enum nbx_err err = nbx_cursor_open(&cursor, s->scope->customers->store, NBX_FAMILY_CUSTOMERS,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && !is_full(s)) {
        err = nbx_cursor_next(cursor, &key, &head);
        if (!err)
            err = migrate_next(s, key, &head, at);
        else if (err == NBX_ECORRUPT && key.p)
            err = NBX_OK;
    }
    nbx_cursor_close(&cursor);
    return err;
}

/* As migrate_some; notes in the batch how far it came. */
static enum nbx_err migrate_group(struct step *s, uint8_t group)
{
    uint64_t at, was;
    enum nbx_err err = read_mark(s->scope, group, &at);
    if (err)
        return err;
    was = at;
    err = migrate_some(s, group, &at);
    if ((!err || err == NBX_ENOTFOUND) && at != was)
        put_mark(s->scope, group, at);
    return err;
}

static enum nbx_err finish(const struct nbx_customer_scope *scope)
{
    for (unsigned g = 0; g < NBX_N_GROUPS; g++) {
        struct nbx_key key = nbx_key_meta_group(MARK, (uint8_t)g);
        nbx_batch_delete(scope->batch, NBX_FAMILY_META, nbx_key_str(&key));
    }
    enum nbx_err err = nbx_customer_write(scope);
    return err ? err : nbx_store_raise_format(scope->customers->store, FORMAT);
}

enum nbx_err nbx_migrate_2(const struct nbx_customer_scope *scope, uint32_t *group, bool *done)
{
    struct step s = {.scope = scope};
    enum nbx_err err = NBX_OK;
    *done = false;
    while (!err && !is_full(&s) && *group < NBX_N_GROUPS) {
        err = migrate_group(&s, (uint8_t)*group);
        *group += err == NBX_ENOTFOUND;
        err = err == NBX_ENOTFOUND ? NBX_OK : err;
    }
    nbx_arena_reset(scope->arena);
    if (!err)
        err = nbx_customer_write(scope);
    nbx_batch_clear(scope->batch);
    if (!err && *group == NBX_N_GROUPS && !(err = finish(scope)))
        *done = true;
    return err;
}
