/* SPDX-License-Identifier: MIT
 * What is known of one customer, as lines.
 */
#include "engine/care/dump_internal.h"
#include "engine/customer/consent.h"
#include "proto/message.h"

#include <math.h>
#include <stdlib.h>

static enum nbx_err get(struct nbx_dump *d, enum nbx_family family, uint64_t number,
                        struct nbx_stored *out)
{
    struct nbx_key key = nbx_key_customer(number);
    return nbx_store_get(d->store, family, nbx_key_str(&key), d->arena, out);
}

/* A type's or an entry's place among the lines. */
struct place {
    struct nbx_dump *d;
    const struct nbx_type_total *total;
    const struct nbx_seen_entry *entry;
};

static int compare_totals(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return nbx_str_cmp(nbx_dump__name(x->d, &x->d->types, x->total->type_no),
                       nbx_dump__name(y->d, &y->d->types, y->total->type_no));
}

static int compare_entries(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    struct nbx_dump *d = x->d;
    int c = nbx_str_cmp(nbx_dump__name(d, &d->items, x->entry->item_no),
                        nbx_dump__name(d, &d->items, y->entry->item_no));
    if (!c)
        c = nbx_str_cmp(nbx_dump__name(d, &d->types, x->entry->type_no),
                        nbx_dump__name(d, &d->types, y->entry->type_no));
    if (!c)
        c = x->entry->negative - y->entry->negative;
    return c ? c : x->entry->scope - y->entry->scope;
}

static void put_totals(struct nbx_dump *d, const struct nbx_customer_record *head)
{
    const struct nbx_totals *t = &head->totals;
    struct place *places = nbx_arena_calloc(d->arena, t->n, sizeof *places);
    if (!places) {
        d->err = NBX_ELIMIT;
        return;
    }
    for (uint32_t i = 0; i < t->n; i++)
        places[i] = (struct place){.d = d, .total = &t->types[i]};
    if (t->n)
        qsort(places, t->n, sizeof *places, compare_totals);
    for (uint32_t i = 0; i < t->n && !d->err; i++) {
        struct nbx_object o = {.n = 0};
        nbx_object_text(&o, "customer", head->id);
        nbx_object_text(&o, "type", nbx_dump__name(d, &d->types, places[i].total->type_no));
        nbx_object_int(&o, "n", (int64_t)places[i].total->n);
        nbx_object_int(&o, "last", places[i].total->last_ms);
        nbx_dump__line(d, "total", &o);
    }
}

/* Purposes that the customer withdrew, as every request reads them. */
static int64_t withdrawn(const struct nbx_identity_record *identity,
                         const struct nbx_customer_record *head)
{
    return identity->withdrawn_unknown ? nbx_consent_withdrawn(head->consent) : identity->withdrawn;
}

static void put_head(struct nbx_dump *d, const struct nbx_customer_record *head,
                     const struct nbx_identity_record *identity)
{
    struct nbx_object o = {.n = 0};
    nbx_object_text(&o, "id", head->id);
    nbx_object_int(&o, "put", head->put_ms);
    nbx_object_value(&o, "attributes", head->attributes);
    nbx_object_value(&o, "consent", head->consent);
    nbx_object_int(&o, "withdrawn", withdrawn(identity, head));
    nbx_object_value(&o, "identities", head->identities);
    nbx_object_text(&o, "timezone", head->timezone);
    nbx_object_text(&o, "locale", head->locale);
    nbx_object_value(&o, "channels", head->channels);
    nbx_object_int(&o, "first", head->totals.first_ms);
    nbx_object_hex(d, &o, "digest", head->totals.digest);
    nbx_dump__line(d, "customer", &o);
    put_totals(d, head);
}

static void put_entry(struct nbx_dump *d, struct nbx_str customer, const struct nbx_seen_entry *e)
{
    struct nbx_object o = {.n = 0};
    nbx_object_text(&o, "customer", customer);
    nbx_object_text(&o, "item", nbx_dump__name(d, &d->items, e->item_no));
    nbx_object_text(&o, "type", nbx_dump__name(d, &d->types, e->type_no));
    nbx_object_int(&o, "negative", e->negative);
    nbx_object_int(&o, "scope", e->scope);
    nbx_object_int(&o, "last", e->last_ms);
    nbx_dump__line(d, "seen", &o);
}

static void put_seen(struct nbx_dump *d, uint64_t number, struct nbx_str customer)
{
    struct nbx_seen_record seen;
    struct nbx_stored stored;
    enum nbx_err err = get(d, NBX_FAMILY_SEEN, number, &stored);
    if (err == NBX_ENOTFOUND)
        return;
    if (!err)
        err = nbx_seen_record_decode(&seen, &stored, d->arena);
    struct place *places = err ? NULL : nbx_arena_calloc(d->arena, seen.n, sizeof *places);
    if (!places) {
        d->err = err ? err : NBX_ELIMIT;
        return;
    }
    for (uint32_t i = 0; i < seen.n; i++)
        places[i] = (struct place){.d = d, .entry = &seen.entries[i]};
    if (seen.n)
        qsort(places, seen.n, sizeof *places, compare_entries);
    struct nbx_object o = {.n = 0};
    nbx_object_text(&o, "customer", customer);
    nbx_object_int(&o, "level", seen.level);
    nbx_object_hex(d, &o, "digest", seen.digest);
    nbx_dump__line(d, "seen", &o);
    for (uint32_t i = 0; i < seen.n && !d->err; i++)
        put_entry(d, customer, places[i].entry);
}

/* Those that were given; the rest is a cache. */
static enum nbx_err put_vector(struct nbx_dump *d, struct nbx_str customer, struct nbx_str key,
                               const struct nbx_stored *stored)
{
    struct nbx_vector_record vector;
    enum nbx_err err = nbx_vector_record_decode(&vector, stored, d->arena);
    if (err || !vector.given)
        return err;
    struct nbx_object o = {.n = 0};
    struct nbx_value bytes = {.type = NBX_BIN,
                              .s = {(const char *)vector.p, vector.n * (uint32_t)sizeof(float)}};
    nbx_object_text(&o, "customer", customer);
    nbx_object_hex(d, &o, "space", nbx_be64_get((const uint8_t *)key.p + 8));
    nbx_object_int(&o, "made", vector.made_ms);
    nbx_object_value(&o, "vector", &bytes);
    nbx_dump__line(d, "vector", &o);
    return d->err;
}

static enum nbx_err put_kept_event(struct nbx_dump *d, struct nbx_str customer, struct nbx_str key,
                                   const struct nbx_stored *stored)
{
    uint64_t number;
    int64_t time_ms;
    struct nbx_event_record e;
    enum nbx_err err = nbx_event_record_decode(&e, stored, d->arena);
    if (!err && !nbx_key_event_parse(key, &number, &time_ms, NULL))
        err = NBX_ECORRUPT;
    if (!err)
        nbx_dump__event(d, customer, time_ms, &e);
    return err ? err : d->err;
}

/* Every record under the number in the family. */
static void put_all(struct nbx_dump *d, enum nbx_family family, uint64_t number,
                    struct nbx_str customer)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, d->store, family, nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(d->arena);
        err = family == NBX_FAMILY_EVENTS ? put_kept_event(d, customer, key, &stored)
                                          : put_vector(d, customer, key, &stored);
    }
    nbx_cursor_close(&cursor);
    if (err != NBX_ENOTFOUND)
        d->err = err;
}

/* Whether the number is that id's. */
static bool has_number(struct nbx_dump *d, struct nbx_str id, uint64_t number)
{
    struct nbx_key key = nbx_key_identity(NBX_STR(""), id);
    struct nbx_identity_record identity = {0};
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_store_get(d->store, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), d->arena, &stored);
    if (!err)
        err = nbx_identity_record_decode(&identity, &stored, d->arena);
    d->err = err == NBX_ENOTFOUND ? NBX_OK : err;
    return !err && identity.number == number;
}

static enum nbx_err read_link(struct nbx_dump *d, uint64_t number, struct nbx_link_record *out)
{
    struct nbx_stored stored;
    enum nbx_err err = get(d, NBX_FAMILY_LINKS, number, &stored);
    return err ? err : nbx_link_record_decode(out, &stored, d->arena);
}

void nbx_dump__link(struct nbx_dump *d, uint64_t number)
{
    struct nbx_link_record own, to;
    enum nbx_err err = read_link(d, number, &own);
    if (!err && own.parent)
        err = read_link(d, own.parent, &to);
    if (err || !own.parent) {
        d->err = err == NBX_ENOTFOUND ? NBX_OK : err;
        return;
    }
    if (!has_number(d, to.id, own.parent))
        return;
    struct nbx_object o = {.n = 0};
    nbx_object_text(&o, "customer", own.id);
    nbx_object_text(&o, "to", to.id);
    nbx_object_int(&o, "since", own.since_ms);
    nbx_object_text(&o, "type", own.type);
    nbx_dump__line(d, "link", &o);
}

void nbx_dump__customer(struct nbx_dump *d, const struct nbx_identity_record *identity)
{
    struct nbx_customer_record head;
    struct nbx_stored stored;
    uint64_t number = identity->number;
    nbx_arena_reset(d->arena);
    d->err = get(d, NBX_FAMILY_CUSTOMERS, number, &stored);
    if (!d->err)
        d->err = nbx_customer_record_decode(&head, &stored, d->arena);
    if (d->err)
        return;
    nbx_buf_clear(&d->customer);
    nbx_buf_put(&d->customer, head.id.p, head.id.len);
    struct nbx_str id = {(const char *)d->customer.p, (uint32_t)d->customer.len};
    put_head(d, &head, identity);
    if (!d->err)
        put_seen(d, number, id);
    if (!d->err)
        put_all(d, NBX_FAMILY_VECTORS, number, id);
    if (!d->err)
        put_all(d, NBX_FAMILY_EVENTS, number, id);
}

static void put_amounts(struct nbx_object *o, const struct nbx_event_record *e,
                        struct nbx_value numbers[3])
{
    numbers[0] = nbx_value_float(e->quantity);
    nbx_object_value(o, "quantity", &numbers[0]);
    if (e->value != NBX_MONEY_UNSET)
        nbx_object_int(o, "value", e->value);
    nbx_object_text(o, "currency", e->currency);
    numbers[1] = nbx_value_float(e->rating);
    if (!isnan(e->rating))
        nbx_object_value(o, "rating", &numbers[1]);
}

void nbx_dump__event(struct nbx_dump *d, struct nbx_str customer, int64_t time_ms,
                     const struct nbx_event_record *e)
{
    struct nbx_object o = {.n = 0};
    struct nbx_value numbers[3];
    nbx_object_text(&o, "customer", customer);
    nbx_object_int(&o, "time", time_ms);
    nbx_object_text(&o, "id", e->id);
    nbx_object_text(&o, "type", nbx_dump__name(d, &d->types, e->type_no));
    nbx_object_text(&o, "item", nbx_dump__name(d, &d->items, e->item_no));
    nbx_object_text(&o, "channel", nbx_dump__name(d, &d->channels, e->channel_no));
    nbx_object_text(&o, "placement", e->placement);
    nbx_object_text(&o, "store", e->store);
    nbx_object_text(&o, "session", e->session);
    nbx_object_text(&o, "order", e->order);
    put_amounts(&o, e, numbers);
    nbx_object_text(&o, "actor", e->actor);
    nbx_object_text(&o, "decision", e->decision);
    nbx_object_int(&o, "scope", e->scope);
    nbx_object_value(&o, "attributes", e->attributes);
    nbx_object_int(&o, "effect", e->effect);
    nbx_object_int(&o, "trend", e->trend_amount);
    if (e->held)
        nbx_object_int(&o, "held", e->held);
    nbx_dump__line(d, "event", &o);
}
