/* SPDX-License-Identifier: MIT
 * What must hold of customers and of what is theirs.
 */
#include "engine/base/grow.h"
#include "engine/base/hash.h"
#include "engine/care/verify_internal.h"
#include "engine/customer/consent.h"

#include <stdlib.h>

static const char no_number[] = "has a key that is no customer number";

static enum nbx_err read_customer(struct nbx_check *c, uint64_t number,
                                  struct nbx_customer_record *out)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), c->arena, &stored);
    return err ? err : nbx_customer_record_decode(out, &stored, c->arena);
}

static enum nbx_err read_identity(struct nbx_check *c, struct nbx_str key,
                                  struct nbx_identity_record *out)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(c->store, NBX_FAMILY_IDENTITIES, key, c->arena, &stored);
    return err ? err : nbx_identity_record_decode(out, &stored, c->arena);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void nbx_verify__sort_vacant(struct nbx_check *c)
{
    if (c->vacant.n)
        qsort(c->vacant.p, c->vacant.n, sizeof *c->vacant.p, compare_numbers);
}

bool nbx_verify__is_vacant(const struct nbx_check *c, uint64_t number)
{
    return c->vacant.n &&
           bsearch(&number, c->vacant.p, c->vacant.n, sizeof number, compare_numbers);
}

static void note_vacant(struct nbx_check *c, uint64_t number)
{
    uint64_t *p = nbx_grow(c->vacant.p, c->vacant.n, &c->vacant.room, sizeof *p);
    if (!p) {
        c->err = NBX_ELIMIT;
        return;
    }
    c->vacant.p = p;
    c->vacant.p[c->vacant.n++] = number;
}

/* What is wrong with a record being this customer's; strangers' have serial 0. A customer's records
 * lie together, so the one found last is mostly the one asked for. */
static const char *check_owner(struct nbx_check *c, uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    enum nbx_err err = NBX_OK;
    if (NBX_CUSTOMER_SERIAL(number) == 0 || number == c->known || nbx_verify__is_vacant(c, number))
        return NULL;
    bool there = nbx_store_has(c->store, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &err);
    if (!err && !there)
        err = NBX_ENOTFOUND;
    const char *what = nbx_verify__read(c, err, "its customer is not there");
    if (!err)
        c->known = number;
    return what;
}

const char *nbx_verify__identity(struct nbx_check *c, struct nbx_str key,
                                 const struct nbx_stored *stored)
{
    struct nbx_identity_record identity;
    struct nbx_customer_record r = {0};
    const char *what =
        nbx_verify__undecoded(c, nbx_identity_record_decode(&identity, stored, c->arena));
    if (what || c->err)
        return what;
    if (identity.vacant) { /* of whom nothing is known there is no record */
        note_vacant(c, identity.number);
        return NULL;
    }
    what = nbx_verify__read(c, read_customer(c, identity.number, &r), "its customer is not there");
    if (what || c->err)
        return what;
    struct nbx_key id = nbx_key_identity(NBX_STR(""), r.id);
    return nbx_str_eq(key, nbx_key_str(&id)) ? NULL : "names a customer of another id";
}

const char *nbx_verify__customer(struct nbx_check *c, struct nbx_str key,
                                 const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_identity_record named = {0};
    struct nbx_customer_record r;
    if (key.len != sizeof number || !nbx_key_number_parse(key, &number) ||
        !NBX_CUSTOMER_SERIAL(number))
        return no_number;
    const char *what = nbx_verify__undecoded(c, nbx_customer_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    uint8_t group = NBX_CUSTOMER_GROUP(number);
    if (nbx_group_of(r.id) != group)
        return "lies in a group that its id does not belong to";
    if (NBX_CUSTOMER_SERIAL(number) > c->groups[group].serial)
        return "has a number that was never given";
    struct nbx_key id = nbx_key_identity(NBX_STR(""), r.id);
    what = nbx_verify__read(c, read_identity(c, nbx_key_str(&id), &named), "its id names nobody");
    if (what || c->err)
        return what;
    if (named.vacant)
        return "its id says that nothing is known";
    if (!named.withdrawn_unknown && named.withdrawn != nbx_consent_withdrawn(r.consent))
        return "its id says other than its consents";
    return named.number != number ? "its id names another customer"
                                  : nbx_verify__fold(c, number, &r);
}

const char *nbx_verify__seen(struct nbx_check *c, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_seen_record r;
    if (key.len != sizeof number || !nbx_key_number_parse(key, &number))
        return no_number;
    const char *what = nbx_verify__undecoded(c, nbx_seen_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    for (uint32_t i = 0; i < r.n; i++)
        if (!nbx_verify__has_item(c, r.entries[i].item_no))
            return "holds an item that has no id";
    return check_owner(c, number);
}

const char *nbx_verify__base(struct nbx_check *c, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_base_record r;
    if (key.len != sizeof number || !nbx_key_number_parse(key, &number))
        return no_number;
    const char *what = nbx_verify__undecoded(c, nbx_base_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    for (uint32_t i = 0; i < r.seen.n; i++)
        if (!nbx_verify__has_item(c, r.seen.entries[i].item_no))
            return "holds an item that has no id";
    return check_owner(c, number);
}

const char *nbx_verify__vector(struct nbx_check *c, struct nbx_str key,
                               const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_vector_record r;
    if (key.len != 2 * sizeof number || !nbx_key_number_parse(key, &number))
        return "has a key that is no customer number and space";
    const char *what = nbx_verify__undecoded(c, nbx_vector_record_decode(&r, stored, c->arena));
    return what || c->err ? what : check_owner(c, number);
}

static enum nbx_err read_event_id(struct nbx_check *c, struct nbx_str key,
                                  struct nbx_event_id_record *out)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(c->store, NBX_FAMILY_EVENT_IDS, key, c->arena, &stored);
    return err ? err : nbx_event_id_record_decode(out, &stored, c->arena);
}

/* An event must be found again by its id, or it would be counted twice. */
static const char *check_event_id(struct nbx_check *c, uint64_t number, int64_t time_ms,
                                  const struct nbx_event_record *r, const uint8_t id_hash[16])
{
    struct nbx_event_id_record known = {0};
    uint64_t owner = NBX_CUSTOMER_SERIAL(number) ? number : NBX_CUSTOMER(nbx_group_of(r->id), 0);
    struct nbx_key key = nbx_key_event_id(owner, id_hash);
    const char *what = nbx_verify__read(c, read_event_id(c, nbx_key_str(&key), &known),
                                        "its id is not remembered");
    if (what || c->err)
        return what;
    if (known.retracted)
        return "its id was retracted";
    if (known.folded)
        return "its id says that it lies in the base";
    return known.time_ms != time_ms ? "its id is remembered with another time" : NULL;
}

bool nbx_verify__may_be_gone(const struct nbx_check *c, int64_t time_ms)
{
    int64_t keep_ms = c->options->event_retention_ms;
    return keep_ms > 0 && time_ms < c->options->now_ms - keep_ms;
}

/* A held event that nothing is to apply would never count. */
static const char *check_due(struct nbx_check *c, uint64_t number, int64_t time_ms,
                             const uint8_t id_hash[16])
{
    enum nbx_err err = NBX_OK;
    struct nbx_key key = nbx_key_due(number, time_ms, id_hash);
    bool there = nbx_store_has(c->store, NBX_FAMILY_DUE, nbx_key_str(&key), &err);
    if (!err && !there)
        err = NBX_ENOTFOUND;
    return nbx_verify__read(c, err, "is held for ever");
}

const char *nbx_verify__due(struct nbx_check *c, struct nbx_str key,
                            const struct nbx_stored *stored)
{
    uint64_t number;
    int64_t time_ms;
    uint8_t id_hash[16];
    struct nbx_due_record r;
    struct nbx_identity_record named = {0};
    struct nbx_stored event;
    struct nbx_event_record held = {0};
    if (!nbx_key_due_parse(key, &number, &time_ms, id_hash))
        return "has a key that is no group, time, customer and id";
    const char *what = nbx_verify__undecoded(c, nbx_due_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    struct nbx_key id = nbx_key_identity(NBX_STR(""), r.customer);
    enum nbx_err err = r.customer.len ? read_identity(c, nbx_key_str(&id), &named) : NBX_OK;
    what = nbx_verify__read(c, err, "names nobody");
    if (what || c->err)
        return what;
    if (r.customer.len ? named.number != number : NBX_CUSTOMER_SERIAL(number) != 0)
        return "names another customer";
    struct nbx_key at = nbx_key_event(number, time_ms, id_hash);
    err = nbx_store_get(c->store, NBX_FAMILY_EVENTS, nbx_key_str(&at), c->arena, &event);
    if (!err)
        err = nbx_event_record_decode(&held, &event, c->arena);
    what = nbx_verify__read(c, err, "its event is not there");
    return what || c->err || held.held ? what : "its event is not held";
}

const char *nbx_verify__event(struct nbx_check *c, struct nbx_str key,
                              const struct nbx_stored *stored)
{
    uint64_t number;
    int64_t time_ms;
    uint8_t id_hash[16];
    struct nbx_event_record r;
    if (!nbx_key_event_parse(key, &number, &time_ms, NULL))
        return "has a key that is no customer number, time and id";
    const char *what = nbx_verify__undecoded(c, nbx_event_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    nbx_hash128(r.id.p, r.id.len, id_hash);
    struct nbx_key own = nbx_key_event(number, time_ms, id_hash);
    if (!nbx_str_eq(key, nbx_key_str(&own)))
        return "lies under the key of another event";
    if (r.seq > c->groups[NBX_CUSTOMER_GROUP(number)].seq)
        return "has a sequence number that was never given";
    if (r.item_no && !nbx_verify__has_item(c, r.item_no))
        return "names an item that has no id";
    if (r.held && (what = check_due(c, number, time_ms, id_hash)))
        return what;
    if (!nbx_verify__may_be_gone(c, time_ms) &&
        (what = check_event_id(c, number, time_ms, &r, id_hash)))
        return what;
    return c->err ? NULL : check_owner(c, number);
}

const char *nbx_verify__event_id(struct nbx_check *c, struct nbx_str key,
                                 const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_event_id_record r;
    enum nbx_err err = NBX_OK;
    if (key.len != sizeof number + 16 || !nbx_key_number_parse(key, &number))
        return "has a key that is no customer number and id";
    const char *what = nbx_verify__undecoded(c, nbx_event_id_record_decode(&r, stored, c->arena));
    /* Events of nobody lie in any group: the event leads to its id, not the other way round. */
    if (what || c->err || r.retracted || r.folded || NBX_CUSTOMER_SERIAL(number) == 0 ||
        nbx_verify__may_be_gone(c, r.time_ms))
        return what;
    struct nbx_key event = nbx_key_event(number, r.time_ms, (const uint8_t *)key.p + sizeof number);
    bool there = nbx_store_has(c->store, NBX_FAMILY_EVENTS, nbx_key_str(&event), &err);
    if (!err && !there)
        err = NBX_ENOTFOUND;
    return nbx_verify__read(c, err, "its event is not there");
}

const char *nbx_verify__decision(struct nbx_check *c, struct nbx_str key,
                                 const struct nbx_stored *stored)
{
    uint64_t number;
    struct nbx_decision_record r;
    if (key.len != sizeof(struct nbx_decision_id) || !nbx_key_number_parse(key, &number))
        return "has a key that is no decision id";
    const char *what = nbx_verify__undecoded(c, nbx_decision_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    if (r.group_seq > c->groups[NBX_CUSTOMER_GROUP(number)].seq)
        return "knows a sequence number that was never given";
    for (uint32_t i = 0; i < r.n; i++)
        if (!nbx_verify__has_item(c, r.items[i].item_no))
            return "shows an item that has no id";
    what = nbx_verify__parts(c, &r, number);
    return what ? what : check_owner(c, number);
}
