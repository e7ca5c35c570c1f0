/* SPDX-License-Identifier: MIT */
#include "engine/customer/command.h"

#include "engine/base/check.h"
#include "engine/base/grow.h"
#include "engine/base/random.h"

#include <stdlib.h>

#define MENTION_RECORD 1 /* an empty payload: the key says all */
#define ENTRY_BYTES    ((size_t)64 << 20)

static void put_mention(const struct nbx_customer_scope *scope, uint64_t number, uint64_t seq)
{
    struct nbx_key key = nbx_key_mention(number, seq);
    nbx_batch_put(scope->batch, NBX_FAMILY_MENTIONS, nbx_key_str(&key), MENTION_RECORD,
                  NBX_STR(""));
}

bool nbx_command_holds(const struct nbx_log_record *entry)
{
    bool holds = false;
    for (uint32_t i = 0; entry->kind == NBX_LOG_EVENTS && i < entry->n_events; i++)
        holds |= entry->events[i].time_ms - entry->now_ms > NBX_AHEAD_MS;
    return holds;
}

/* Entries that the customer's events do not lead to: those that were held lead to where they became
 * due. */
static void mention(const struct nbx_customer_scope *scope, const struct nbx_log_record *entry,
                    uint64_t seq)
{
    bool by_events =
        nbx_log_of_events(entry->kind) && entry->customer.len == 0 && !nbx_command_holds(entry);
    if (by_events || entry->kind == NBX_LOG_FORGET)
        return;
    put_mention(scope, entry->number, seq);
}

enum nbx_err nbx_command_mention_event(const struct nbx_customer_scope *scope, uint64_t number,
                                       uint64_t seq, uint64_t last[2])
{
    struct nbx_log_record entry;
    uint64_t first;
    if (seq >= last[0] && seq < last[1])
        return NBX_OK;
    enum nbx_err err = nbx_log_find(&entry, &first, nbx_customers_store(scope->customers),
                                    NBX_CUSTOMER_GROUP(number), seq, scope->arena);
    if (!err) {
        last[0] = first;
        last[1] = first + entry.n;
    }
    if (!err && entry.kind != NBX_LOG_GONE)
        put_mention(scope, number, first);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static void put_entry(const struct nbx_customer_scope *scope, struct nbx_command *command,
                      struct nbx_group before)
{
    struct nbx_log_record *entry = &command->entry;
    uint8_t group = NBX_CUSTOMER_GROUP(entry->number);
    const struct nbx_group *now = &scope->customers->groups[group];
    entry->now_ms = scope->now_ms;
    entry->n = now->seq - before.seq;
    NBX_ASSERT(entry->n == (nbx_log_of_events(entry->kind) ? entry->n_events : 1));
    if (!nbx_log_of_events(entry->kind))
        nbx_random_system(entry->id, sizeof entry->id);
    if (now->serial != before.serial)
        entry->customer = command->customer;
    nbx_log_put(scope->batch, group, before.seq + 1, entry);
    mention(scope, entry, before.seq + 1);
}

/* The log's own entry once more, whatever was made of it this time. */
static void put_entry_again(const struct nbx_customer_scope *scope, uint8_t group)
{
    const struct nbx_again *again = scope->customers->again;
    scope->customers->groups[group].seq = again->seq + again->entry->n - 1;
    nbx_log_put(scope->batch, group, again->seq, again->entry);
    if (again->entry->kind != NBX_LOG_GONE)
        mention(scope, again->entry, again->seq);
}

enum nbx_err nbx_customers__commit(const struct nbx_customer_scope *scope,
                                   struct nbx_command *command, struct nbx_group before)
{
    uint8_t group = NBX_CUSTOMER_GROUP(command->entry.number);
    struct nbx_group *now = &scope->customers->groups[group];
    struct nbx_key seq = nbx_key_meta_group(NBX_META_SEQ, group);
    struct nbx_key serial = nbx_key_meta_group(NBX_META_SERIAL, group);
    if (scope->customers->again)
        put_entry_again(scope, group);
    else
        put_entry(scope, command, before);
    nbx_record_u64_put(scope->batch, NBX_FAMILY_META, nbx_key_str(&seq), now->seq);
    if (now->serial != before.serial)
        nbx_record_u64_put(scope->batch, NBX_FAMILY_META, nbx_key_str(&serial), now->serial);
    enum nbx_err err = nbx_customer_write(scope);
    if (err)
        *now = before;
    return err;
}

/* A map being filled; as large as a customer.put has members. */
struct body {
    struct nbx_value *map;
    struct nbx_arena *arena;
};
#define PUT_MEMBERS 8

static void add(struct body *b, const char *name, struct nbx_value v)
{
    NBX_ASSERT(b->map->n < PUT_MEMBERS);
    b->map->members[b->map->n++] = (struct nbx_member){nbx_str_c(name), v};
}

static void add_map(struct body *b, const char *name, const struct nbx_value *v)
{
    if (v)
        add(b, name, *v);
}

static void add_text(struct body *b, const char *name, struct nbx_str s)
{
    if (s.len)
        add(b, name, nbx_value_string(s));
}

static bool add_texts(struct body *b, const char *name, const struct nbx_strs *texts)
{
    struct nbx_value *list = texts ? nbx_arena_calloc(b->arena, texts->n, sizeof *list) : NULL;
    if (!texts || !list)
        return !texts;
    for (uint32_t i = 0; i < texts->n; i++)
        list[i] = nbx_value_string(texts->p[i]);
    add(b, name, (struct nbx_value){.type = NBX_LIST, .n = texts->n, .list = list});
    return true;
}

enum nbx_err nbx_command_of_put(struct nbx_command *out, const struct nbx_customer_put_req *req,
                                struct nbx_arena *arena)
{
    struct nbx_value *map = nbx_arena_calloc(arena, 1, sizeof *map);
    struct nbx_member *members = nbx_arena_calloc(arena, PUT_MEMBERS, sizeof *members);
    if (!map || !members)
        return NBX_ELIMIT;
    *map = (struct nbx_value){.type = NBX_MAP, .members = members};
    struct body b = {map, arena};
    add_map(&b, "attributes", req->attributes);
    add_map(&b, "consent", req->consent);
    add_map(&b, "identities", req->identities);
    add_text(&b, "timezone", req->timezone);
    add_text(&b, "locale", req->locale);
    if (!add_texts(&b, "channels", req->channels))
        return NBX_ELIMIT;
    if (req->vector.n) {
        struct nbx_str bytes = {(const char *)req->vector.p,
                                req->vector.n * (uint32_t)sizeof *req->vector.p};
        add(&b, "vector", (struct nbx_value){.type = NBX_BIN, .s = bytes});
        add_text(&b, "space", req->vector.space);
    }
    out->entry.kind = NBX_LOG_PUT;
    out->entry.body = map;
    return NBX_OK;
}

/* Sequence numbers whose entries are to be found. */
struct numbers {
    uint64_t *p; /* (n) of (room) */
    size_t n, room;
};

static enum nbx_err note(struct numbers *list, uint64_t seq)
{
    uint64_t *p = nbx_grow(list->p, list->n, &list->room, sizeof *p);
    if (!p)
        return NBX_ELIMIT;
    list->p = p;
    list->p[list->n++] = seq;
    return NBX_OK;
}

/* The sequence number that a record of the family leads to. */
static enum nbx_err seq_of(uint64_t *out, enum nbx_family family, struct nbx_str key,
                           const struct nbx_stored *stored)
{
    uint64_t number;
    if (family == NBX_FAMILY_EVENTS)
        return nbx_event_record_seq(out, stored);
    return nbx_key_mention_parse(key, &number, out) ? NBX_OK : NBX_ECORRUPT;
}

/* A customer's entries being emptied. */
struct forgetting {
    const struct nbx_customer_scope *scope;
    uint64_t number;
    struct nbx_arena *arena; /* of the entry at hand: a customer may have any number of them */
    struct numbers list;     /* what events and mentions lead to */
    struct numbers further;  /* what is only led to by retractions */
};

static enum nbx_err gather(struct forgetting *f, enum nbx_family family)
{
    struct nbx_key from = nbx_key_customer(f->number), to = nbx_key_customer_end(f->number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    uint64_t seq;
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(f->scope->customers), family,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err) {
        err = nbx_cursor_next(cursor, &key, &stored);
        if (!err && !(err = seq_of(&seq, family, key, &stored)))
            err = note(&f->list, seq);
        else if (key.p && (err == NBX_ECORRUPT || err == NBX_EVERSION))
            err = NBX_OK; /* damage keeps nobody from being forgotten */
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static int compare_seqs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* One entry becomes its place; what a retraction took back leads to further entries. *behind: the
 * first number it does not stand for. */
static enum nbx_err empty_one(struct forgetting *f, uint64_t seq, uint64_t *behind)
{
    uint8_t group = NBX_CUSTOMER_GROUP(f->number);
    struct nbx_log_record entry;
    uint64_t first;
    *behind = seq + 1;
    nbx_arena_reset(f->arena);
    enum nbx_err err = nbx_log_find(&entry, &first, nbx_customers_store(f->scope->customers), group,
                                    seq, f->arena);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    *behind = first + entry.n;
    if (entry.kind == NBX_LOG_GONE || entry.number != f->number)
        return NBX_OK;
    for (uint32_t i = 0; !err && entry.kind == NBX_LOG_RETRACT && i < entry.n_events; i++)
        err = note(&f->further, entry.events[i].seq);
    struct nbx_log_record gone = nbx_log_gone(&entry, NBX_GONE_FORGOTTEN);
    nbx_log_put(f->scope->batch, group, first, &gone);
    return err;
}

static enum nbx_err empty_all(struct forgetting *f, struct numbers *list)
{
    enum nbx_err err = NBX_OK;
    uint64_t behind = 0;
    if (list->n)
        qsort(list->p, list->n, sizeof *list->p, compare_seqs);
    for (size_t i = 0; !err && i < list->n; i++)
        if (list->p[i] >= behind)
            err = empty_one(f, list->p[i], &behind);
    return err;
}

enum nbx_err nbx_command_forget(const struct nbx_customer_scope *scope, uint64_t number)
{
    struct forgetting f = {.scope = scope, .number = number, .arena = nbx_arena_new(ENTRY_BYTES)};
    enum nbx_err err = f.arena ? gather(&f, NBX_FAMILY_EVENTS) : NBX_ELIMIT;
    if (!err)
        err = gather(&f, NBX_FAMILY_MENTIONS);
    if (!err)
        err = empty_all(&f, &f.list);
    if (!err) /* entries of events: they lead no further */
        err = empty_all(&f, &f.further);
    free(f.list.p);
    free(f.further.p);
    nbx_arena_destroy(&f.arena);
    return err;
}
