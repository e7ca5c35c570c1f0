/* SPDX-License-Identifier: MIT */
#include "engine/customer/redo.h"

#include "engine/customer/command.h"
#include "proto/wire.h"

/* The events of the entry that are kept and have its numbers, as they were applied: one that was
 * held has the numbers of where it became due. */
static enum nbx_err read_events(const struct nbx_redo *r, struct nbx_kept_event **out, uint32_t *n,
                                uint32_t *absent)
{
    const struct nbx_log_record *entry = r->entry;
    struct nbx_arena *arena = r->scope->arena;
    struct nbx_kept_event *kept = nbx_arena_calloc(arena, entry->n_events, sizeof *kept);
    enum nbx_err err = kept ? NBX_OK : NBX_ELIMIT;
    *out = kept;
    *n = *absent = 0;
    for (uint32_t i = 0; !err && i < entry->n_events; i++) {
        const struct nbx_log_event *e = &entry->events[i];
        struct nbx_key key = nbx_key_event(entry->number, e->time_ms, e->id_hash);
        struct nbx_stored stored;
        err = nbx_store_get(r->from, NBX_FAMILY_EVENTS, nbx_key_str(&key), arena, &stored);
        if (err == NBX_ENOTFOUND) {
            err = NBX_OK;
            ++*absent;
            continue;
        }
        struct nbx_kept_event *k = &kept[*n];
        k->time_ms = e->time_ms;
        memcpy(k->id_hash, e->id_hash, sizeof k->id_hash);
        if (!err)
            err = nbx_event_record_decode(&k->record, &stored, arena);
        *n += !err && k->record.seq == r->seq + i;
    }
    return err;
}

/* The next command's number, and the next customer's. */
static void set_counters(const struct nbx_redo *r)
{
    struct nbx_group *group = &r->scope->customers->groups[r->group];
    group->seq = r->seq - 1;
    if (r->entry->customer.len)
        group->serial = NBX_CUSTOMER_SERIAL(r->entry->number) - 1;
}

/* What the command left of itself besides its events: its entry, its number, and where it gave one,
 * the customer's. */
static enum nbx_err commit_bare(const struct nbx_redo *r, const struct nbx_customer_scope *scope,
                                struct nbx_profile *profile)
{
    struct nbx_group *group = &scope->customers->groups[r->group], before = *group;
    struct nbx_command command = {.entry = *r->entry};
    command.entry.number = NBX_CUSTOMER((uint64_t)r->group, 0);
    if (profile && r->entry->customer.len && !profile->known && !profile->reserved)
        nbx_profile__reserve(profile, scope);
    group->seq = r->seq + r->entry->n - 1;
    return nbx_customers__commit(scope, &command, before);
}

static enum nbx_err redo_events(const struct nbx_redo *r, const struct nbx_customer_scope *scope,
                                uint32_t *absent)
{
    struct nbx_kept_event *kept;
    struct nbx_profile profile = {0};
    uint32_t n;
    bool nobody = NBX_CUSTOMER_SERIAL(r->entry->number) == 0;
    enum nbx_err err = read_events(r, &kept, &n, absent);
    if (!err && !nobody)
        err = nbx_profile_load(&profile, scope, r->customer);
    if (err)
        return err;
    if (n == 0)
        return commit_bare(r, scope, nobody ? NULL : &profile);
    return nbx_observe__again(scope, nobody ? NULL : &profile, (uint8_t)r->group, kept, n);
}

static enum nbx_err redo_put(const struct nbx_redo *r, const struct nbx_customer_scope *scope,
                             struct nbx_fault *fault)
{
    struct nbx_customer_put_req req;
    struct nbx_buf bytes = {0};
    uint64_t seq;
    nbx_wire_value(&bytes, r->entry->body);
    struct nbx_str body =
        nbx_arena_str(scope->arena, (struct nbx_str){(const char *)bytes.p, (uint32_t)bytes.len});
    enum nbx_err err = bytes.failed || !body.p ? NBX_ELIMIT : NBX_OK;
    nbx_buf_fini(&bytes);
    if (!err)
        err = nbx_message_customer_put(&req, (struct nbx_body){body.p, body.len}, scope->arena,
                                       fault);
    return err ? err : nbx_customer_put(scope, r->customer, &req, &seq, fault);
}

/* The events are gone from where they were kept, so they were never applied again: what is left is
 * that their ids, and those of none, stay taken. */
static enum nbx_err redo_retract(const struct nbx_redo *r, const struct nbx_customer_scope *scope)
{
    const struct nbx_log_record *entry = r->entry;
    struct nbx_event_id_record taken = {.time_ms = scope->now_ms, .retracted = true};
    struct nbx_profile profile;
    enum nbx_err err = nbx_profile_load(&profile, scope, r->customer);
    for (uint32_t i = 0; !err && i < entry->n_events; i++)
        nbx_customers__put_event_id(scope, entry->number, entry->events[i].id_hash, taken);
    for (uint32_t i = 0; !err && i < entry->n_ids; i++)
        nbx_customers__put_event_id(scope, entry->number, entry->ids[i], taken);
    return err ? err : commit_bare(r, scope, &profile);
}

/* Where a link led is a number: whoever had it comes with another stream of the log. */
static enum nbx_err redo_link(const struct nbx_redo *r, const struct nbx_customer_scope *scope)
{
    const struct nbx_log_record *entry = r->entry;
    bool linked = entry->kind == NBX_LOG_LINK && entry->parent;
    struct nbx_link_record record = {.id = r->customer, .parent = entry->parent};
    struct nbx_profile profile;
    enum nbx_err err = nbx_profile_load(&profile, scope, r->customer);
    if (err)
        return err;
    if (linked) {
        record.since_ms = entry->now_ms;
        record.type = entry->type;
    }
    nbx_link__put(scope, entry->number, &record);
    return commit_bare(r, scope, &profile);
}

enum nbx_err nbx_redo(const struct nbx_redo *r, uint32_t *absent, struct nbx_fault *fault)
{
    struct nbx_customers *customers = r->scope->customers;
    struct nbx_again again = {r->entry, r->seq};
    struct nbx_customer_scope scope = *r->scope;
    enum nbx_err err;
    scope.now_ms = r->entry->now_ms;
    *absent = 0;
    *fault = (struct nbx_fault){0};
    set_counters(r);
    customers->again = &again;
    switch (r->entry->kind) {
    case NBX_LOG_EVENTS:
    case NBX_LOG_DUE: err = redo_events(r, &scope, absent); break;
    case NBX_LOG_PUT: err = redo_put(r, &scope, fault); break;
    case NBX_LOG_RETRACT: err = redo_retract(r, &scope); break;
    case NBX_LOG_LINK:
    case NBX_LOG_UNLINK: err = redo_link(r, &scope); break;
    default: err = commit_bare(r, &scope, NULL); break;
    }
    customers->again = NULL;
    nbx_batch_clear(scope.batch);
    return err;
}
