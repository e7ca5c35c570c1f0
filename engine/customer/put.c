/* SPDX-License-Identifier: MIT */
#include "engine/customer/customers.h"

#include "engine/base/check.h"
#include "engine/customer/command.h"

/* base with the members of change over it; a nil member removes. NULL where the arena is out. */
static const struct nbx_value *merge(const struct nbx_value *base, const struct nbx_value *change,
                                     struct nbx_arena *arena)
{
    uint32_t room = (base ? base->n : 0) + change->n;
    struct nbx_value *out = nbx_arena_calloc(arena, 1, sizeof *out);
    struct nbx_member *members = nbx_arena_calloc(arena, room, sizeof *members);
    if (!out || !members)
        return NULL;
    *out = (struct nbx_value){.type = NBX_MAP, .members = members};
    for (uint32_t i = 0; base && i < base->n; i++)
        if (!nbx_value_get_str(change, base->members[i].key))
            members[out->n++] = base->members[i];
    for (uint32_t i = 0; i < change->n; i++)
        if (change->members[i].value.type != NBX_NIL)
            members[out->n++] = change->members[i];
    return out;
}

static enum nbx_err merge_maps(struct nbx_customer_record *head,
                               const struct nbx_customer_put_req *req, struct nbx_arena *arena,
                               struct nbx_fault *fault)
{
    const struct {
        const struct nbx_value **held, *change;
        const char *name;
    } maps[] = {{&head->attributes, req->attributes, "attributes"},
                {&head->consent, req->consent, "consent"},
                {&head->identities, req->identities, "identities"}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        if (!maps[i].change)
            continue;
        const struct nbx_value *merged = merge(*maps[i].held, maps[i].change, arena);
        if (!merged)
            return nbx_fault_set(fault, NBX_ELIMIT, maps[i].name, "too large to merge");
        if (merged->n > NBX_MAX_ATTRIBUTES)
            return nbx_fault_set(fault, NBX_ELIMIT, maps[i].name,
                                 "would hold %u entries, at most %d", merged->n,
                                 NBX_MAX_ATTRIBUTES);
        *maps[i].held = merged;
    }
    return NBX_OK;
}

static enum nbx_err take_channels(struct nbx_customer_record *head, const struct nbx_strs *channels,
                                  const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    struct nbx_value *list = nbx_arena_calloc(scope->arena, 1, sizeof *list);
    struct nbx_value *names = nbx_arena_calloc(scope->arena, channels->n, sizeof *names);
    if (!list || !names)
        return nbx_fault_set(fault, NBX_ELIMIT, "channels", "too large");
    for (uint32_t i = 0; i < channels->n; i++) {
        if (!nbx_vocabulary_channel(scope->vocabulary, channels->p[i]))
            return nbx_fault_set(fault, NBX_EBAD, "channels", "unknown channel '%.*s', known: %s",
                                 NBX_STR_ARG(channels->p[i]),
                                 nbx_vocabulary_list_channels(scope->vocabulary));
        names[i] = nbx_value_string(channels->p[i]);
    }
    *list = (struct nbx_value){.type = NBX_LIST, .n = channels->n, .list = names};
    head->channels = list;
    return NBX_OK;
}

static void put_vector(const struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                       const struct nbx_vector *vector)
{
    struct nbx_vector_record record = {
        .given = true, .made_ms = scope->now_ms, .p = vector->p, .n = vector->n};
    struct nbx_key key = nbx_key_vector(profile->number, vector->space);
    nbx_vector_record_encode(nbx_batch_payload(scope->batch), &record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_VECTORS, nbx_key_str(&key), NBX_VECTOR_RECORD);
}

enum nbx_err nbx_customer_put(const struct nbx_customer_scope *scope, struct nbx_str id,
                              const struct nbx_customer_put_req *req, uint64_t *seq,
                              struct nbx_fault *fault)
{
    uint8_t group = nbx_group_of(id);
    struct nbx_group before = scope->customers->groups[group];
    struct nbx_command command = {.customer = id};
    struct nbx_profile profile;
    enum nbx_err err = nbx_profile_load(&profile, scope, id);
    if (err || (err = nbx_profile_load_head(&profile, scope)) ||
        (err = nbx_command_of_put(&command, req, scope->arena)))
        return nbx_fault_set(fault, err, NULL, "the customer cannot be read");
    struct nbx_customer_record head = profile.head;
    if ((err = merge_maps(&head, req, scope->arena, fault)) ||
        (req->channels && (err = take_channels(&head, req->channels, scope, fault))))
        return err;
    head.put_ms = head.put_ms ? head.put_ms : scope->now_ms;
    head.timezone = req->timezone.len ? req->timezone : head.timezone;
    head.locale = req->locale.len ? req->locale : head.locale;
    profile.head = head;
    if (!profile.known)
        nbx_profile__create(&profile, scope);
    nbx_profile__put(&profile, scope);
    if (req->vector.n)
        put_vector(&profile, scope, &req->vector);
    *seq = ++scope->customers->groups[group].seq;
    command.entry.number = profile.number;
    err = nbx_customers__commit(scope, &command, before);
    return err ? nbx_fault_set(fault, err, NULL, "the customer cannot be written") : NBX_OK;
}
