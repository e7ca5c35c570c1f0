/* SPDX-License-Identifier: MIT
 * Events ahead of the clock: held until they are due.
 *
 * An event is due once it is no longer more than NBX_AHEAD_MS ahead, which is when it would count
 * at once if it came only now. So state is a function of the events and of the clock, and it makes
 * no difference how long before its time an event arrived.
 */
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/customer/customers_internal.h"
#include "engine/customer/rebuild.h"

#define LOT_MOST      64  /* events in a batch */
#define LOOK_MOST     256 /* keys in search of them */
#define SCRATCH_BYTES ((size_t)1 << 20)

/* Some of what is due, all of one customer. */
struct lot {
    uint64_t number;
    struct nbx_str customer;  /* the id; empty: nobody's */
    struct nbx_kept_event *e; /* (n) of LOT_MOST; key alone until read_events */
    uint32_t n;
    int64_t next_ms; /* n == 0: what is not due begins here */
};

/* A key of the family and what it says. */
struct entry {
    uint64_t number;
    int64_t time_ms;
    uint8_t id_hash[16];
    struct nbx_due_record record;
};

static void tell_damage(uint64_t number, enum nbx_err err)
{
    nbx_log_warnx("what=held_event customer=%llu error=%s text=\"it is left out; see nbx verify\"",
                  (unsigned long long)number, nbx_err_status(err));
}

static bool is_damage(enum nbx_err err)
{
    return err == NBX_ECORRUPT || err == NBX_EVERSION;
}

static int64_t limit_of(const struct nbx_customer_scope *scope)
{
    return scope->now_ms + NBX_AHEAD_MS;
}

int64_t nbx_due_at(const struct nbx_customers *c, uint8_t group)
{
    int64_t due_ms = c->groups[group].due_ms;
    return due_ms == INT64_MAX ? INT64_MAX : due_ms - NBX_AHEAD_MS;
}

static enum nbx_err open_group(struct nbx_cursor **out, const struct nbx_customers *c,
                               uint8_t group, const struct nbx_key *from)
{
    struct nbx_key to = nbx_key_due_end(group);
    return nbx_cursor_open(out, c->store, NBX_FAMILY_DUE, nbx_key_str(from), nbx_key_str(&to),
                           false);
}

/* One that cannot be read is told and passed over; NBX_ENOTFOUND behind the last. */
static enum nbx_err next_entry(struct entry *out, struct nbx_cursor *cursor,
                               struct nbx_arena *arena)
{
    for (;;) {
        struct nbx_str key;
        struct nbx_stored stored;
        *out = (struct entry){0};
        enum nbx_err err = nbx_cursor_next(cursor, &key, &stored);
        if (err && !(err == NBX_ECORRUPT && key.p))
            return err;
        if (!nbx_key_due_parse(key, &out->number, &out->time_ms, out->id_hash))
            err = NBX_ECORRUPT;
        else if (!err)
            err = nbx_due_record_decode(&out->record, &stored, arena);
        if (!is_damage(err))
            return err;
        tell_damage(out->number, err);
    }
}

enum nbx_err nbx_due__load(struct nbx_customers *c)
{
    enum nbx_err err = NBX_OK;
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    if (!arena)
        return NBX_ELIMIT;
    for (unsigned g = 0; !err && g < NBX_N_GROUPS; g++) {
        struct nbx_cursor *cursor = NULL;
        struct nbx_key from = nbx_key_due_from((uint8_t)g, 0); /* no clock is before 1970 */
        struct entry first = {0};
        if (!(err = open_group(&cursor, c, (uint8_t)g, &from)))
            err = next_entry(&first, cursor, arena);
        c->groups[g].due_ms = err ? INT64_MAX : first.time_ms;
        err = err == NBX_ENOTFOUND ? NBX_OK : err;
        nbx_cursor_close(&cursor);
        nbx_arena_reset(arena);
    }
    nbx_arena_destroy(&arena);
    return err;
}

void nbx_due__hold(const struct nbx_customer_scope *scope, uint64_t number, struct nbx_str customer,
                   int64_t time_ms, const uint8_t id_hash[16])
{
    struct nbx_group *group = &scope->customers->groups[NBX_CUSTOMER_GROUP(number)];
    struct nbx_key key = nbx_key_due(number, time_ms, id_hash);
    struct nbx_due_record record = {.customer = customer};
    nbx_due_record_encode(nbx_batch_payload(scope->batch), &record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_DUE, nbx_key_str(&key), NBX_DUE_RECORD);
    group->due_ms = time_ms < group->due_ms ? time_ms : group->due_ms;
}

void nbx_due__release(const struct nbx_customer_scope *scope, uint64_t number, int64_t time_ms,
                      const uint8_t id_hash[16])
{
    struct nbx_key key = nbx_key_due(number, time_ms, id_hash);
    nbx_batch_delete(scope->batch, NBX_FAMILY_DUE, nbx_key_str(&key));
}

/* The key says all but whether the event was held: a key that is not there may be deleted too. */
enum nbx_err nbx_due__release_all(const struct nbx_customer_scope *scope, uint64_t number)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, scope->customers->store, NBX_FAMILY_EVENTS,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err) {
        uint64_t owner;
        int64_t time_ms;
        uint8_t id_hash[16];
        err = nbx_cursor_next(cursor, &key, &stored);
        if (err && !(err == NBX_ECORRUPT && key.p))
            break;
        if (nbx_key_event_parse(key, &owner, &time_ms, id_hash))
            nbx_due__release(scope, number, time_ms, id_hash);
        err = NBX_OK;
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* The first that is due at or behind *from and others of the same customer; *from moves behind the
 * first, so that what cannot be read is not found for ever. */
static enum nbx_err find_lot(struct lot *out, const struct nbx_customer_scope *scope, uint8_t group,
                             struct nbx_key *from)
{
    struct nbx_cursor *cursor = NULL;
    struct entry e;
    *out = (struct lot){.e = nbx_arena_calloc(scope->arena, LOT_MOST, sizeof *out->e)};
    enum nbx_err err = out->e ? open_group(&cursor, scope->customers, group, from) : NBX_ELIMIT;
    for (int look = 0; !err && look < LOOK_MOST && out->n < LOT_MOST; look++) {
        if ((err = next_entry(&e, cursor, scope->arena)))
            break;
        out->next_ms = e.time_ms;
        if (e.time_ms > limit_of(scope))
            break;
        if (out->n == 0) {
            *from = nbx_key_due(e.number, e.time_ms, e.id_hash);
            from->p[from->len++] = 0;
            out->number = e.number;
            out->customer = e.record.customer;
        }
        if (e.number != out->number)
            continue;
        struct nbx_kept_event *event = &out->e[out->n++];
        event->time_ms = e.time_ms;
        memcpy(event->id_hash, e.id_hash, sizeof e.id_hash);
    }
    nbx_cursor_close(&cursor);
    if (err == NBX_ENOTFOUND)
        out->next_ms = INT64_MAX;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err read_event(struct nbx_kept_event *e, const struct nbx_customer_scope *scope,
                               uint64_t number)
{
    struct nbx_key key = nbx_key_event(number, e->time_ms, e->id_hash);
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(scope->customers->store, NBX_FAMILY_EVENTS, nbx_key_str(&key),
                                     scope->arena, &stored);
    return err ? err : nbx_event_record_decode(&e->record, &stored, scope->arena);
}

/* Reads the lot's events and adds their release to the batch. One that is not there or not held
 * waits for nothing, one that is damaged goes on waiting: both leave the lot. */
static enum nbx_err read_events(struct lot *lot, const struct nbx_customer_scope *scope)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < lot->n; i++) {
        struct nbx_kept_event *e = &lot->e[n];
        *e = lot->e[i];
        enum nbx_err err = read_event(e, scope, lot->number);
        if (is_damage(err)) {
            tell_damage(lot->number, err);
            continue;
        }
        if (err && err != NBX_ENOTFOUND)
            return err;
        nbx_due__release(scope, lot->number, e->time_ms, e->id_hash);
        n += !err && e->record.held;
    }
    lot->n = n;
    return NBX_OK;
}

static enum nbx_err apply_lot(struct lot *lot, const struct nbx_customer_scope *scope)
{
    struct nbx_profile profile = {0};
    bool nobodys = NBX_CUSTOMER_SERIAL(lot->number) == 0;
    enum nbx_err err = nobodys ? NBX_OK : nbx_profile_load(&profile, scope, lot->customer);
    if (!err && !nobodys && (profile.known ? profile.number : profile.reserved) != lot->number)
        err = NBX_ECORRUPT;
    if (!err)
        err = read_events(lot, scope);
    if (!err)
        err = lot->n
                  ? nbx_observe__due(scope, lot->number, nobodys ? NULL : &profile, lot->e, lot->n)
                  : nbx_customer_write(scope);
    nbx_batch_clear(scope->batch);
    if (!is_damage(err))
        return err;
    tell_damage(lot->number, err);
    lot->n = 0;
    return NBX_OK;
}

enum nbx_err nbx_due_apply(const struct nbx_customer_scope *scope, uint8_t group, uint32_t *applied)
{
    struct nbx_group *g = &scope->customers->groups[group];
    struct nbx_key from = nbx_key_due_from(group, g->due_ms);
    enum nbx_err err = NBX_OK;
    *applied = 0;
    while (!err && g->due_ms <= limit_of(scope)) {
        struct lot lot;
        nbx_arena_reset(scope->arena);
        if ((err = find_lot(&lot, scope, group, &from)))
            break;
        if (lot.n == 0) {
            g->due_ms = lot.next_ms;
            break;
        }
        if (!(err = apply_lot(&lot, scope)))
            *applied += lot.n;
    }
    nbx_arena_reset(scope->arena);
    return err;
}
