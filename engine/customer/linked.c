/* SPDX-License-Identifier: MIT
 * What linked identities are together. Nothing of it is stored: each keeps its own records, which
 * are read where they lie, whoever owns them; a record that is read is always a whole one.
 */
#include "engine/customer/consent.h"
#include "engine/customer/customers_internal.h"
#include "engine/customer/links.h"
#include "engine/customer/seen.h"

struct nbx_customer_scope nbx_customers__beside(const struct nbx_customer_scope *scope)
{
    struct nbx_customer_scope beside = *scope;
    beside.recent = NULL; /* what this thread read of it another may have changed */
    return beside;
}

static uint64_t own_number(const struct nbx_profile *p)
{
    return p->known ? p->number : p->reserved;
}

/* *out: NULL where nothing is known of the number. */
static enum nbx_err read_head(const struct nbx_customer_record **out,
                              const struct nbx_customer_scope *beside, uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    struct nbx_customer_record *head = nbx_arena_calloc(beside->arena, 1, sizeof *head);
    *out = NULL;
    if (!head)
        return NBX_ELIMIT;
    enum nbx_err err = nbx_customer_read(beside, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    *out = head;
    return err ? err : nbx_customer_record_decode(head, &stored, beside->arena);
}

enum nbx_err nbx_profile__find_linked(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    struct nbx_links *links = scope->customers->links;
    struct nbx_customer_scope beside = nbx_customers__beside(scope);
    enum nbx_err err = NBX_OK;
    if (!nbx_links__any(links))
        return NBX_OK;
    struct nbx_linked found, *linked;
    nbx_links__of(&found, links, own_number(p));
    if (found.n < 2)
        return NBX_OK;
    if (!(linked = nbx_arena_calloc(scope->arena, 1, sizeof *linked)))
        return NBX_ELIMIT;
    linked->n = found.n;
    for (uint32_t i = 0; !err && i < found.n; i++) {
        linked->parts[i].number = found.parts[i].number;
        if (linked->parts[i].number == own_number(p))
            continue;
        err = read_head(&linked->heads[i], &beside, linked->parts[i].number);
        if (!err && linked->heads[i])
            p->also_withdrawn |= nbx_consent_withdrawn(linked->heads[i]->consent);
    }
    p->linked = linked;
    return err;
}

/* Adds the members that out does not have; where `strict`, one that is false is false. */
static void add_members(struct nbx_value *out, const struct nbx_value *more, bool strict)
{
    for (uint32_t i = 0; i < more->n; i++) {
        const struct nbx_member *m = &more->members[i];
        struct nbx_member *have = NULL;
        for (uint32_t k = 0; !have && k < out->n; k++)
            if (nbx_str_eq(out->members[k].key, m->key))
                have = &out->members[k];
        if (!have)
            out->members[out->n++] = *m;
        else if (strict && m->value.type == NBX_BOOL && !m->value.b)
            have->value = m->value;
    }
}

enum said { ATTRIBUTES, CONSENT, IDENTITIES };

static const struct nbx_value *map_of(const struct nbx_customer_record *head, enum said what)
{
    if (!head)
        return NULL;
    return what == ATTRIBUTES ? head->attributes
           : what == CONSENT  ? head->consent
                              : head->identities;
}

static enum nbx_err join_maps(const struct nbx_value **out, const struct nbx_linked *linked,
                              enum said what, struct nbx_arena *arena)
{
    uint32_t room = 0;
    for (uint32_t i = 0; i < linked->n; i++) {
        const struct nbx_value *map = map_of(linked->heads[i], what);
        room += map ? map->n : 0;
    }
    struct nbx_value *joined = nbx_arena_calloc(arena, 1, sizeof *joined);
    struct nbx_member *members = nbx_arena_calloc(arena, room, sizeof *members);
    if (!joined || !members)
        return NBX_ELIMIT;
    *joined = (struct nbx_value){.type = NBX_MAP, .members = members};
    for (uint32_t i = 0; i < linked->n; i++) {
        const struct nbx_value *map = map_of(linked->heads[i], what);
        if (map)
            add_members(joined, map, what == CONSENT);
    }
    *out = room ? joined : NULL;
    return NBX_OK;
}

static enum nbx_err join_heads(struct nbx_customer_record *out, const struct nbx_linked *linked,
                               struct nbx_str id, struct nbx_arena *arena)
{
    enum nbx_err err;
    *out = (struct nbx_customer_record){.id = id};
    for (uint32_t i = 0; i < linked->n; i++) {
        const struct nbx_customer_record *head = linked->heads[i];
        if (!head)
            continue;
        if (head->put_ms && (!out->put_ms || head->put_ms < out->put_ms))
            out->put_ms = head->put_ms;
        if (!out->timezone.len)
            out->timezone = head->timezone;
        if (!out->locale.len)
            out->locale = head->locale;
        if (!out->channels)
            out->channels = head->channels;
    }
    if (!(err = join_maps(&out->attributes, linked, ATTRIBUTES, arena)) &&
        !(err = join_maps(&out->consent, linked, CONSENT, arena)))
        err = join_maps(&out->identities, linked, IDENTITIES, arena);
    return err;
}

/* The set of one of them, the profile's own among them. */
static enum nbx_err read_seen(struct nbx_seen_record *out, uint64_t number,
                              const struct nbx_profile *p, const struct nbx_customer_scope *beside)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    *out = number == own_number(p) ? p->seen : (struct nbx_seen_record){0};
    if (number == own_number(p))
        return NBX_OK;
    enum nbx_err err = nbx_customer_read(beside, NBX_FAMILY_SEEN, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    return err ? err : nbx_seen_record_decode(out, &stored, beside->arena);
}

static enum nbx_err join_seen(struct nbx_seen_record *out, struct nbx_linked *linked,
                              const struct nbx_profile *p, const struct nbx_customer_scope *beside)
{
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_seen_record){0};
    for (uint32_t i = 0; !err && i < linked->n; i++) {
        struct nbx_seen_record seen;
        err = read_seen(&seen, linked->parts[i].number, p, beside);
        linked->parts[i].seen_digest = seen.digest;
        if (!err)
            err = nbx_seen_add(out, &seen, beside->arena);
    }
    return err;
}

enum nbx_err nbx_profile_join(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                              const struct nbx_profile *p)
{
    struct nbx_customer_scope beside = nbx_customers__beside(scope);
    struct nbx_profile whole = *p;
    if (!p->linked) {
        *out = whole;
        return NBX_OK;
    }
    struct nbx_linked *linked = nbx_arena_calloc(scope->arena, 1, sizeof *linked);
    struct nbx_customer_record *own = nbx_arena_calloc(scope->arena, 1, sizeof *own);
    enum nbx_err err = linked && own ? nbx_profile_load_head(&whole, scope) : NBX_ELIMIT;
    if (err)
        return err;
    *linked = *p->linked;
    *own = whole.head;
    for (uint32_t i = 0; i < linked->n; i++) {
        if (p->known && linked->parts[i].number == p->number)
            linked->heads[i] = own;
        whole.known |= linked->heads[i] != NULL;
    }
    whole.number = own_number(p);
    whole.linked = linked;
    if ((err = join_heads(&whole.head, linked, p->id, scope->arena)) ||
        (err = join_seen(&whole.seen, linked, p, &beside)))
        return err;
    *out = whole;
    return NBX_OK;
}

enum nbx_err nbx_profile_for_answer(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                                    const struct nbx_profile *p, bool personal)
{
    if (personal && !((p->withdrawn | p->also_withdrawn) & NBX_PURPOSE_PERSONALISE))
        return nbx_profile_join(out, scope, p);
    *out =
        (struct nbx_profile){.id = p->id, .number = NBX_CUSTOMER(NBX_CUSTOMER_GROUP(p->number), 0)};
    return NBX_OK;
}
