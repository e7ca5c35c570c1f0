/* SPDX-License-Identifier: MIT */
#include "engine/customer/customers.h"

#include "engine/base/check.h"
#include "engine/customer/command.h"
#include "engine/customer/consent.h"

static enum nbx_err load_head(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    struct nbx_key key = nbx_key_customer(p->number);
    struct nbx_stored stored;
    enum nbx_err err = nbx_customer_read(scope, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &stored);
    return err ? err : nbx_customer_record_decode(&p->head, &stored, scope->arena);
}

/* A customer made by customer.put has no seen set yet. */
static enum nbx_err load_seen(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    struct nbx_key key = nbx_key_customer(p->number);
    struct nbx_stored stored;
    enum nbx_err err = nbx_customer_read(scope, NBX_FAMILY_SEEN, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    return err ? err : nbx_seen_record_decode(&p->seen, &stored, scope->arena);
}

enum nbx_err nbx_profile__find(const struct nbx_customer_scope *scope, struct nbx_str id,
                               struct nbx_identity_record *out)
{
    struct nbx_key key = nbx_key_identity(NBX_STR(""), id);
    struct nbx_stored stored;
    enum nbx_err err = nbx_customer_read(scope, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), &stored);
    return err ? err : nbx_identity_record_decode(out, &stored, scope->arena);
}

/* Of an identity that does not say: the head does. */
static enum nbx_err find_withdrawn(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    enum nbx_err err = load_head(p, scope);
    p->withdrawn = nbx_consent_withdrawn(p->head.consent);
    p->identity_stale = true;
    return err;
}

enum nbx_err nbx_profile_load(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                              struct nbx_str id)
{
    *out = (struct nbx_profile){.id = id};
    if (id.len == 0)
        return NBX_OK;
    struct nbx_identity_record identity = {0};
    enum nbx_err err = nbx_profile__find(scope, id, &identity);
    if (err && err != NBX_ENOTFOUND)
        return err;
    out->known = !err && !identity.vacant;
    out->number = out->known ? identity.number : NBX_CUSTOMER(nbx_group_of(id), 0);
    out->reserved = out->known ? 0 : identity.number;
    out->withdrawn = identity.withdrawn;
    if (identity.number && (err = nbx_profile__find_linked(out, scope)))
        return err;
    if (!out->known)
        return NBX_OK;
    err = identity.withdrawn_unknown ? find_withdrawn(out, scope) : NBX_OK;
    return err ? err : load_seen(out, scope);
}

enum nbx_err nbx_profile_load_head(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    return p->known && p->head.id.len == 0 ? load_head(p, scope) : NBX_OK;
}

static void put_identity(const struct nbx_profile *p, const struct nbx_customer_scope *scope,
                         struct nbx_identity_record identity)
{
    struct nbx_key key = nbx_key_identity(NBX_STR(""), p->id);
    nbx_identity_record_encode(nbx_batch_payload(scope->batch), &identity);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_IDENTITIES, nbx_key_str(&key),
                          NBX_IDENTITY_RECORD);
}

/* The identity, where it is to say other than it does. */
static void put_changed_identity(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    uint8_t withdrawn = nbx_consent_withdrawn(p->head.consent);
    if (withdrawn == p->withdrawn && !p->identity_stale)
        return;
    p->withdrawn = withdrawn;
    p->identity_stale = false;
    put_identity(p, scope,
                 (struct nbx_identity_record){.number = p->number, .withdrawn = withdrawn});
}

void nbx_profile__put(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    struct nbx_batch *batch = scope->batch;
    struct nbx_key key = nbx_key_customer(p->number);
    nbx_customer_record_encode(nbx_batch_payload(batch), &p->head);
    nbx_batch_put_payload(batch, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), NBX_CUSTOMER_RECORD);
    if (p->seen_changed && p->seen.n == 0 && p->seen.digest == 0)
        nbx_batch_delete(batch, NBX_FAMILY_SEEN, nbx_key_str(&key));
    else if (p->seen_changed) {
        nbx_seen_record_encode(nbx_batch_payload(batch), &p->seen);
        nbx_batch_put_payload(batch, NBX_FAMILY_SEEN, nbx_key_str(&key), NBX_SEEN_RECORD);
    }
    p->seen_changed = false;
    put_changed_identity(p, scope);
}

static uint64_t new_number(const struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    uint8_t group = nbx_group_of(p->id);
    return NBX_CUSTOMER(group, ++scope->customers->groups[group].serial);
}

void nbx_profile__create(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    p->known = true;
    p->number = p->reserved ? p->reserved : new_number(p, scope);
    p->reserved = 0;
    p->head.id = p->id;
    p->identity_stale = true;
}

void nbx_profile__reserve(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    p->reserved = new_number(p, scope);
    put_identity(p, scope, (struct nbx_identity_record){.number = p->reserved, .vacant = true});
}

void nbx_profile__vacate(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    struct nbx_key key = nbx_key_customer(p->number);
    nbx_batch_delete(scope->batch, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key));
    nbx_batch_delete(scope->batch, NBX_FAMILY_SEEN, nbx_key_str(&key));
    put_identity(p, scope, (struct nbx_identity_record){.number = p->number, .vacant = true});
    *p = (struct nbx_profile){.id = p->id,
                              .number = NBX_CUSTOMER(nbx_group_of(p->id), 0),
                              .reserved = p->number,
                              .linked = p->linked,
                              .also_withdrawn = p->also_withdrawn};
}

static enum nbx_err read_given(struct nbx_vector *out, const struct nbx_customer_scope *scope,
                               uint64_t number)
{
    struct nbx_key key = nbx_key_vector(number, out->space);
    struct nbx_stored stored;
    struct nbx_vector_record record;
    enum nbx_err err = nbx_customer_read(scope, NBX_FAMILY_VECTORS, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (err || (err = nbx_vector_record_decode(&record, &stored, scope->arena)))
        return err;
    if (record.given) {
        out->p = record.p;
        out->n = record.n;
    }
    return NBX_OK;
}

enum nbx_err nbx_customer_given_vector(const struct nbx_customer_scope *scope,
                                       const struct nbx_profile *p, struct nbx_str space,
                                       struct nbx_vector *out)
{
    struct nbx_customer_scope beside = nbx_customers__beside(scope);
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_vector){.space = space};
    if (!p->linked)
        return read_given(out, scope, p->number);
    for (uint32_t i = 0; !err && out->n == 0 && i < p->linked->n; i++)
        err = read_given(out, &beside, p->linked->parts[i].number);
    return err;
}

enum nbx_err nbx_customer_id_of(const struct nbx_customer_scope *scope, uint64_t number,
                                struct nbx_str *out)
{
    struct nbx_profile p = {.number = number};
    *out = NBX_STR("");
    if (NBX_CUSTOMER_SERIAL(number) == 0)
        return NBX_OK;
    enum nbx_err err = load_head(&p, scope);
    if (!err)
        *out = p.head.id;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}
