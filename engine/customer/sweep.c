/* SPDX-License-Identifier: MIT
 * What keeps histories bounded: events that are too old, or too many of a type, go into a base.
 *
 * A customer's state is the fold of the base and of the events beside it. An event that leaves is
 * folded into the base in the batch that deletes it, so state is what it was, and a fold made anew
 * begins with the base. How old an event is goes by the later of when it happened and when it came,
 * so that its id is remembered for as long as it may be sent again. One that leaves for being one
 * of too many leaves its id behind, for as long as that.
 */
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/customer/command.h"
#include "engine/customer/rebuild.h"

#include <stdlib.h>

#define BATCH_MOST  1000 /* events that leave in a batch */
#define ARENA_BYTES ((size_t)128 << 20)

/* How many events of a type are too many. */
struct excess {
    uint16_t type_no;
    uint64_t n;
};

/* An event that may be to go. */
struct candidate {
    int64_t age_ms; /* when it happened or came, whichever is later */
    int64_t time_ms;
    uint8_t id_hash[16];
    uint16_t type_no;
};

/* One customer being looked after. */
struct sweep {
    struct nbx_customer_scope scope; /* with an arena of its own */
    struct nbx_arena *scratch;       /* the event at hand */
    uint64_t number;
    struct nbx_fold base;
    struct excess *excess; /* (n_excess) */
    uint32_t n_excess;
    struct candidate *candidates; /* (n) of (cap) */
    uint32_t n, cap;
    uint32_t n_taken;      /* into this batch */
    uint64_t mentioned[2]; /* the log's entry mentioned last: its numbers, from and to before */
};

bool nbx_sweep__expired(const struct nbx_customer_scope *scope, int64_t time_ms, int64_t arrived_ms)
{
    int64_t keep_ms = scope->customers->retention_ms;
    int64_t later_ms = time_ms > arrived_ms ? time_ms : arrived_ms;
    return keep_ms != INT64_MAX && later_ms < scope->now_ms - keep_ms;
}

bool nbx_event_is_past(const struct nbx_customer_scope *scope, const struct nbx_event_record *event,
                       int64_t time_ms)
{
    return nbx_sweep__expired(scope, time_ms, event->arrived_ms);
}

static uint64_t n_of(const struct nbx_totals *t, uint16_t type_no)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->types[i].type_no == type_no)
            return t->types[i].n;
    return 0;
}

/* NBX_OK and empty totals where the customer is not known: of held events nothing came yet. */
static enum nbx_err read_totals(struct nbx_totals *out, const struct nbx_customer_scope *scope,
                                uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    struct nbx_customer_record head = {0};
    enum nbx_err err = nbx_store_get(scope->customers->store, NBX_FAMILY_CUSTOMERS,
                                     nbx_key_str(&key), scope->arena, &stored);
    if (!err)
        err = nbx_customer_record_decode(&head, &stored, scope->arena);
    *out = head.totals;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err find_excess(struct sweep *s, const struct nbx_totals *totals)
{
    uint64_t most = s->scope.customers->history_max;
    s->excess = nbx_arena_calloc(s->scope.arena, totals->n, sizeof *s->excess);
    if (!s->excess)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < totals->n; i++) {
        const struct nbx_type_total *t = &totals->types[i];
        uint64_t kept = t->n - n_of(&s->base.totals, t->type_no);
        if (kept <= most)
            continue;
        s->excess[s->n_excess++] = (struct excess){t->type_no, kept - most};
    }
    return NBX_OK;
}

/* Whether it is the oldest of too many, of which there is one fewer then. */
static bool is_over(struct sweep *s, uint16_t type_no)
{
    for (uint32_t i = 0; i < s->n_excess; i++) {
        if (s->excess[i].type_no != type_no || s->excess[i].n == 0)
            continue;
        s->excess[i].n--;
        return true;
    }
    return false;
}

static void put_id(struct sweep *s, const struct candidate *c, const struct nbx_event_record *e,
                   bool expired)
{
    bool nobodys = NBX_CUSTOMER_SERIAL(s->number) == 0;
    uint64_t owner = nobodys ? NBX_CUSTOMER(nbx_group_of(e->id), 0) : s->number;
    struct nbx_key key = nbx_key_event_id(owner, c->id_hash);
    struct nbx_event_id_record folded = {.time_ms = c->age_ms, .folded = true};
    if (expired)
        nbx_batch_delete(s->scope.batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(&key));
    else
        nbx_customers__put_event_id(&s->scope, owner, c->id_hash, folded);
}

/* The event leaves: into the base, where it is somebody's. */
static enum nbx_err take(struct sweep *s, const struct candidate *c, bool expired)
{
    struct nbx_key key = nbx_key_event(s->number, c->time_ms, c->id_hash);
    struct nbx_event_record e;
    struct nbx_stored stored;
    nbx_arena_reset(s->scratch);
    enum nbx_err err = nbx_store_get(s->scope.customers->store, NBX_FAMILY_EVENTS,
                                     nbx_key_str(&key), s->scratch, &stored);
    if (err || (err = nbx_event_record_decode(&e, &stored, s->scratch)))
        return err;
    nbx_batch_delete(s->scope.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key));
    put_id(s, c, &e, expired);
    s->n_taken++;
    if (NBX_CUSTOMER_SERIAL(s->number) == 0)
        return NBX_OK;
    err = nbx_fold_event(&s->base, &e, c->time_ms, c->id_hash, s->scope.arena);
    return err || expired ? err
                          : nbx_command_mention_event(&s->scope, s->number, e.seq, s->mentioned);
}

static bool has_excess(const struct sweep *s, uint16_t type_no)
{
    for (uint32_t i = 0; i < s->n_excess; i++)
        if (s->excess[i].type_no == type_no)
            return true;
    return false;
}

static bool add_candidate(struct sweep *s, const struct candidate *c)
{
    if (s->n == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 64;
        struct candidate *more = nbx_arena_calloc(s->scope.arena, cap, sizeof *more);
        if (!more)
            return false;
        if (s->n)
            memcpy(more, s->candidates, s->n * sizeof *more);
        s->candidates = more;
        s->cap = cap;
    }
    s->candidates[s->n++] = *c;
    return true;
}

/* NBX_ENOTFOUND: no event behind it can be to go, or not with this batch. */
static enum nbx_err look_at(struct sweep *s, struct nbx_str key, const struct nbx_stored *stored)
{
    struct candidate c;
    struct nbx_event_record e;
    uint64_t owner;
    nbx_arena_reset(s->scratch);
    if (!nbx_key_event_parse(key, &owner, &c.time_ms, c.id_hash))
        return NBX_ECORRUPT;
    if (s->n_excess == 0 &&
        (s->n == BATCH_MOST || !nbx_sweep__expired(&s->scope, c.time_ms, c.time_ms)))
        return NBX_ENOTFOUND;
    enum nbx_err err = nbx_event_record_decode(&e, stored, s->scratch);
    if (err || e.held)
        return err;
    c.age_ms = c.time_ms > e.arrived_ms ? c.time_ms : e.arrived_ms;
    c.type_no = e.type_no;
    bool possible = has_excess(s, e.type_no) || nbx_event_is_past(&s->scope, &e, c.time_ms);
    return !possible || add_candidate(s, &c) ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err find_candidates(struct sweep *s)
{
    struct nbx_key from = nbx_key_customer(s->number), to = nbx_key_customer_end(s->number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, s->scope.customers->store, NBX_FAMILY_EVENTS,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = look_at(s, key, &stored);
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->age_ms != y->age_ms)
        return x->age_ms < y->age_ms ? -1 : 1;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return memcmp(x->id_hash, y->id_hash, sizeof x->id_hash);
}

/* The oldest of each type first: those that are too old are among the first of those that are too
 * many, so that what is left does not depend on which of the two came first. */
static enum nbx_err fill_batch(struct sweep *s)
{
    enum nbx_err err = find_candidates(s);
    if (s->n)
        qsort(s->candidates, s->n, sizeof *s->candidates, compare_candidates);
    for (uint32_t i = 0; !err && i < s->n && s->n_taken < BATCH_MOST; i++) {
        const struct candidate *c = &s->candidates[i];
        bool expired = nbx_sweep__expired(&s->scope, c->age_ms, c->age_ms);
        bool over = is_over(s, c->type_no);
        if (expired || over)
            err = take(s, c, expired);
    }
    return err;
}

void nbx_base__put(const struct nbx_customer_scope *scope, uint64_t number,
                   const struct nbx_fold *base)
{
    struct nbx_base_record record = {.totals = base->totals, .seen = base->seen};
    struct nbx_key key = nbx_key_customer(number);
    nbx_base_record_encode(nbx_batch_payload(scope->batch), &record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_BASES, nbx_key_str(&key), NBX_BASE_RECORD);
}

/* One batch of a customer's events leaves. */
static enum nbx_err sweep_some(struct sweep *s)
{
    struct nbx_totals totals = {0};
    bool nobodys = NBX_CUSTOMER_SERIAL(s->number) == 0;
    s->n_taken = s->n_excess = s->n = s->cap = 0;
    nbx_arena_reset(s->scope.arena);
    enum nbx_err err = nobodys ? NBX_OK : nbx_base_read(&s->base, &s->scope, s->number);
    if (!err && !nobodys)
        err = read_totals(&totals, &s->scope, s->number);
    if (!err)
        err = find_excess(s, &totals);
    if (!err)
        err = fill_batch(s);
    if (!err && s->n_taken && !nobodys && !(err = nbx_fold_end(&s->base, s->scope.arena)))
        nbx_base__put(&s->scope, s->number, &s->base);
    if (!err && s->n_taken)
        err = nbx_customer_write(&s->scope);
    if (s->n_taken)
        nbx_batch_clear(s->scope.batch);
    return err;
}

enum nbx_err nbx_sweep__customer(const struct nbx_customer_scope *scope, uint64_t number)
{
    struct sweep s = {.scope = *scope, .number = number};
    NBX_ASSERT(nbx_batch_count(scope->batch) == 0);
    s.scope.arena = nbx_arena_new(ARENA_BYTES);
    s.scratch = nbx_arena_new(ARENA_BYTES);
    enum nbx_err err = s.scope.arena && s.scratch ? NBX_OK : NBX_ELIMIT;
    do {
        if (!err)
            err = sweep_some(&s);
    } while (!err && s.n_taken == BATCH_MOST);
    nbx_arena_destroy(&s.scope.arena);
    nbx_arena_destroy(&s.scratch);
    return err;
}

static enum nbx_err read_id(struct nbx_event_id_record *out, const struct nbx_customer_scope *scope,
                            uint64_t number, const uint8_t id_hash[16])
{
    struct nbx_key key = nbx_key_event_id(number, id_hash);
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(scope->customers->store, NBX_FAMILY_EVENT_IDS,
                                     nbx_key_str(&key), scope->arena, &stored);
    return err ? err : nbx_event_id_record_decode(out, &stored, scope->arena);
}

enum nbx_err nbx_sweep__id_is_taken(const struct nbx_customer_scope *scope, uint64_t number,
                                    const uint8_t id_hash[16], bool *swept, bool *taken)
{
    struct nbx_event_id_record known = {0};
    enum nbx_err err = read_id(&known, scope, number, id_hash);
    bool old = !err && nbx_sweep__expired(scope, known.time_ms, known.time_ms);
    bool has_event = !known.retracted && !known.folded;
    if (old && has_event && !*swept && NBX_CUSTOMER_SERIAL(number)) {
        *swept = true;
        if (!(err = nbx_sweep__customer(scope, number)))
            err = read_id(&known, scope, number, id_hash);
    }
    *taken = !err && (!old || has_event);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* The first customer of the group at or behind *at that has events, and its first one's time. */
static enum nbx_err find_next(const struct nbx_customer_scope *scope, uint8_t group, uint64_t *at,
                              int64_t *first_ms)
{
    struct nbx_key from = nbx_key_customer(*at);
    struct nbx_key to = nbx_key_customer_end(NBX_CUSTOMER(group, UINT64_C(0x00FFFFFFFFFFFFFF)));
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key = {0};
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, scope->customers->store, NBX_FAMILY_EVENTS,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    if (!err)
        err = nbx_cursor_next(cursor, &key, &stored);
    if (err == NBX_ECORRUPT && key.p)
        err = NBX_OK; /* the key says all */
    if (!err && !nbx_key_event_parse(key, at, first_ms, NULL))
        err = NBX_ECORRUPT;
    nbx_cursor_close(&cursor);
    return err;
}

/* Without looking at every event. */
static enum nbx_err may_have_some(const struct nbx_customer_scope *scope, uint64_t number,
                                  int64_t first_ms, bool *out)
{
    struct nbx_totals totals = {0};
    enum nbx_err err = NBX_OK;
    *out = nbx_sweep__expired(scope, first_ms, first_ms);
    if (!*out && NBX_CUSTOMER_SERIAL(number))
        err = read_totals(&totals, scope, number);
    for (uint32_t i = 0; i < totals.n; i++)
        *out = *out || totals.types[i].n > scope->customers->history_max;
    return err;
}

/* The next customer from `at` on, which it moves behind. NBX_ENOTFOUND: nobody is left. Damage that
 * is one customer's own is told and passed over, so that it keeps nobody else from being swept. */
static enum nbx_err sweep_next(const struct nbx_customer_scope *scope, uint8_t group, uint64_t *at)
{
    int64_t first_ms = 0;
    bool some = false;
    enum nbx_err err = find_next(scope, group, at, &first_ms);
    if (err)
        return err;
    err = may_have_some(scope, *at, first_ms, &some);
    if (!err && some)
        err = nbx_sweep__customer(scope, *at);
    if (err == NBX_EBUSY || err == NBX_ESTORAGE)
        return err;
    if (err)
        nbx_log_warnx("what=retention customer=%llu error=%s text=\"it is passed over\"",
                      (unsigned long long)*at, nbx_err_status(err));
    return ++*at == NBX_CUSTOMER((uint64_t)group + 1, 0) ? NBX_ENOTFOUND : NBX_OK;
}

enum nbx_err nbx_sweep(const struct nbx_customer_scope *scope, uint8_t group, uint64_t *at,
                       uint32_t n)
{
    enum nbx_err err = NBX_OK;
    if (*at == 0)
        *at = NBX_CUSTOMER((uint64_t)group, 0);
    for (; !err && n > 0; n--) {
        nbx_arena_reset(scope->arena);
        err = sweep_next(scope, group, at);
    }
    nbx_arena_reset(scope->arena);
    if (err == NBX_ENOTFOUND)
        *at = 0;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}
