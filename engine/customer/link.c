/* SPDX-License-Identifier: MIT
 * Links between identities: commands that make and undo them.
 *
 * Nothing moves when identities are linked. A link is a record under the identity's number, written
 * by the worker that owns it like all its records, so that neither worker waits for the other, and
 * undoing it leaves nothing behind.
 */
#include "engine/customer/command.h"
#include "engine/customer/links.h"

void nbx_link__put(const struct nbx_customer_scope *scope, uint64_t number,
                   const struct nbx_link_record *record)
{
    struct nbx_key key = nbx_key_customer(number);
    nbx_link_record_encode(nbx_batch_payload(scope->batch), record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_LINKS, nbx_key_str(&key), NBX_LINK_RECORD);
}

enum nbx_err nbx_link_read(struct nbx_link_record *out, const struct nbx_customer_scope *scope,
                           uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(nbx_customers_store(scope->customers), NBX_FAMILY_LINKS,
                                     nbx_key_str(&key), scope->arena, &stored);
    return err ? err : nbx_link_record_decode(out, &stored, scope->arena);
}

enum nbx_err nbx_linked_read(struct nbx_link_record *out, const struct nbx_customer_scope *scope,
                             const struct nbx_linked *linked)
{
    enum nbx_err err = NBX_OK;
    for (uint32_t i = 0; !err && i < linked->n; i++) {
        out[i] = (struct nbx_link_record){.parent = 0};
        err = nbx_link_read(&out[i], scope, linked->parts[i].number);
        err = err == NBX_ENOTFOUND ? NBX_OK : err;
    }
    return err;
}

static enum nbx_err find_linked(struct nbx_linked *out, const struct nbx_customer_scope *scope,
                                struct nbx_str customer)
{
    struct nbx_identity_record identity = {0};
    out->n = 0;
    if (!nbx_links__any(scope->customers->links))
        return NBX_OK;
    enum nbx_err err = nbx_profile__find(scope, customer, &identity);
    if (!err)
        nbx_links__of(out, scope->customers->links, identity.number);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

enum nbx_err nbx_linked_ids(struct nbx_strs *out, const struct nbx_customer_scope *scope,
                            struct nbx_str customer)
{
    struct nbx_linked linked;
    struct nbx_link_record records[NBX_LINKED_MAX];
    enum nbx_err err = find_linked(&linked, scope, customer);
    if (!err)
        err = nbx_linked_read(records, scope, &linked);
    *out = (struct nbx_strs){nbx_arena_calloc(scope->arena, linked.n + 1, sizeof *out->p), 0};
    if (err || !out->p)
        return err ? err : NBX_ELIMIT;
    out->p[out->n++] = customer;
    for (uint32_t i = 0; i < linked.n; i++)
        if (records[i].id.len && !nbx_str_eq(records[i].id, customer))
            out->p[out->n++] = records[i].id;
    return NBX_OK;
}

bool nbx_customers_links(const struct nbx_customers *customers, uint64_t number)
{
    struct nbx_linked found;
    if (!nbx_links__any(customers->links))
        return false;
    nbx_links__of(&found, customers->links, number);
    return found.n > 0;
}

uint32_t nbx_customers_n_linked(const struct nbx_customers *customers)
{
    return nbx_links__n_linked(customers->links);
}

/* The identity's number, given where it has none. */
static uint64_t need_number(struct nbx_profile *p, const struct nbx_customer_scope *scope)
{
    if (!p->known && !p->reserved)
        nbx_profile__reserve(p, scope);
    return p->known ? p->number : p->reserved;
}

/* Writes the record as a command. The batch may have the identity's number in it. */
static enum nbx_err write_link(const struct nbx_customer_scope *scope, struct nbx_profile *p,
                               const struct nbx_link_record *record, enum nbx_log_kind kind,
                               struct nbx_group before)
{
    struct nbx_command command = {.customer = p->id};
    struct nbx_log_record *entry = &command.entry;
    entry->kind = kind;
    entry->number = need_number(p, scope);
    entry->parent = record->parent;
    entry->type = record->type;
    enum nbx_err err = nbx_links__make(scope->customers->links, entry->number);
    if (err) {
        scope->customers->groups[NBX_CUSTOMER_GROUP(entry->number)] = before;
        nbx_batch_clear(scope->batch);
        return err;
    }
    nbx_link__put(scope, entry->number, record);
    scope->customers->groups[NBX_CUSTOMER_GROUP(entry->number)].seq++;
    if ((err = nbx_customers__commit(scope, &command, before)))
        return err;
    nbx_links__attach(scope->customers->links, entry->number, record->parent);
    return NBX_OK;
}

static struct nbx_group group_before(const struct nbx_customer_scope *scope,
                                     const struct nbx_profile *p)
{
    return scope->customers->groups[NBX_CUSTOMER_GROUP(p->number)];
}

enum nbx_err nbx_link_accept(const struct nbx_customer_scope *scope, struct nbx_str customer,
                             struct nbx_fault *fault)
{
    struct nbx_link_record record;
    struct nbx_profile p;
    enum nbx_err err = nbx_profile_load(&p, scope, customer);
    if (err)
        return nbx_fault_set(fault, err, NULL, "the customer cannot be read");
    uint64_t number = p.known ? p.number : p.reserved;
    err = number ? nbx_link_read(&record, scope, number) : NBX_ENOTFOUND;
    if (err == NBX_ENOTFOUND) {
        record = (struct nbx_link_record){.id = customer};
        nbx_links__begin(scope->customers->links);
        err = write_link(scope, &p, &record, NBX_LOG_LINK, group_before(scope, &p));
        nbx_links__end(scope->customers->links);
    }
    return err ? nbx_fault_set(fault, err, NULL, "the customer cannot be written") : NBX_OK;
}

static bool is_among(const struct nbx_linked *linked, uint64_t number)
{
    for (uint32_t i = 0; number && i < linked->n; i++)
        if (linked->parts[i].number == number)
            return true;
    return false;
}

/* Whose number the customer has that is to be linked to, and everybody it is linked with. */
static enum nbx_err find_customer(const struct nbx_customer_scope *scope, struct nbx_str customer,
                                  uint64_t *number, struct nbx_linked *linked)
{
    struct nbx_customer_scope beside = nbx_customers__beside(scope);
    struct nbx_identity_record identity = {0};
    struct nbx_link_record record;
    linked->n = 0;
    enum nbx_err err = nbx_profile__find(&beside, customer, &identity);
    *number = identity.number;
    if (!err)
        err = nbx_link_read(&record, scope, *number);
    if (!err)
        nbx_links__of(linked, scope->customers->links, *number);
    return err;
}

/* Whether the identity may be linked; *done: it is already. */
static enum nbx_err check_link(struct nbx_links *links, uint64_t number,
                               const struct nbx_linked *with, bool *done, struct nbx_fault *fault)
{
    struct nbx_linked own = {.n = 0};
    if ((*done = is_among(with, number)))
        return NBX_OK;
    if (number && nbx_links__parent(links, number))
        return nbx_fault_set(fault, NBX_ECONFLICT, "identity",
                             "is linked to another customer: unlink it there first");
    nbx_links__of(&own, links, number);
    if (with->n + (own.n ? own.n : 1) > NBX_LINKED_MAX)
        return nbx_fault_set(fault, NBX_ELIMIT, "identity",
                             "would make more than %d identities one person", NBX_LINKED_MAX);
    return NBX_OK;
}

static enum nbx_err link_under_lock(struct nbx_linking *out, const struct nbx_customer_scope *scope,
                                    struct nbx_profile *p, struct nbx_link_record *record,
                                    struct nbx_str customer, struct nbx_fault *fault)
{
    struct nbx_linked with;
    bool done;
    enum nbx_err err = find_customer(scope, customer, &record->parent, &with);
    if (err == NBX_ENOTFOUND)
        return nbx_fault_set(fault, NBX_ECONFLICT, NULL, "the customer was forgotten meanwhile");
    if (err)
        return nbx_fault_set(fault, err, NULL, "the customer cannot be read");
    err = check_link(scope->customers->links, p->known ? p->number : p->reserved, &with, &done,
                     fault);
    if (err || done)
        return err;
    if ((err = write_link(scope, p, record, NBX_LOG_LINK, group_before(scope, p))))
        return nbx_fault_set(fault, err, "identity", "cannot be written");
    out->changed = true;
    return NBX_OK;
}

enum nbx_err nbx_link(struct nbx_linking *out, const struct nbx_customer_scope *scope,
                      const struct nbx_link_record *identity, struct nbx_str customer,
                      struct nbx_fault *fault)
{
    struct nbx_profile p;
    struct nbx_link_record record = *identity;
    *out = (struct nbx_linking){.changed = false};
    enum nbx_err err = nbx_profile_load(&p, scope, identity->id);
    if (err)
        return nbx_fault_set(fault, err, "identity", "cannot be read");
    record.since_ms = scope->now_ms;
    nbx_links__begin(scope->customers->links);
    err = link_under_lock(out, scope, &p, &record, customer, fault);
    nbx_links__end(scope->customers->links);
    out->seq = group_before(scope, &p).seq;
    return err;
}

static enum nbx_err unlink_under_lock(struct nbx_linking *out,
                                      const struct nbx_customer_scope *scope, struct nbx_profile *p,
                                      struct nbx_str customer, struct nbx_fault *fault)
{
    uint64_t number = p->known ? p->number : p->reserved, other;
    struct nbx_link_record record = {.id = p->id};
    struct nbx_linked with;
    enum nbx_err err = find_customer(scope, customer, &other, &with);
    if (err == NBX_ENOTFOUND || (!err && !is_among(&with, number)))
        return NBX_OK;
    if (err)
        return nbx_fault_set(fault, err, NULL, "the customer cannot be read");
    if (!nbx_links__parent(scope->customers->links, number))
        return nbx_fault_set(fault, NBX_ECONFLICT, "identity",
                             "is whom the others are linked to: unlink these");
    if ((err = write_link(scope, p, &record, NBX_LOG_UNLINK, group_before(scope, p))))
        return nbx_fault_set(fault, err, "identity", "cannot be written");
    out->changed = true;
    return NBX_OK;
}

enum nbx_err nbx_unlink(struct nbx_linking *out, const struct nbx_customer_scope *scope,
                        struct nbx_str identity, struct nbx_str customer, struct nbx_fault *fault)
{
    struct nbx_profile p;
    *out = (struct nbx_linking){.changed = false};
    enum nbx_err err = nbx_profile_load(&p, scope, identity);
    if (err)
        return nbx_fault_set(fault, err, "identity", "cannot be read");
    nbx_links__begin(scope->customers->links);
    err = unlink_under_lock(out, scope, &p, customer, fault);
    nbx_links__end(scope->customers->links);
    out->seq = group_before(scope, &p).seq;
    return err;
}
