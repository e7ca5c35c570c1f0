/* SPDX-License-Identifier: MIT */
#include "engine/customer/customers.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/random.h"
#include "engine/customer/command.h"
#include "engine/customer/consent.h"
#include "engine/customer/fold.h"
#include "engine/customer/rebuild.h"

#include <stdio.h>

#define ID_HEX 32
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* An event that passed every check, ready to be applied. */
struct prepared {
    const struct nbx_event_type *type;
    struct nbx_event_record record;
    int64_t time_ms;
    uint8_t id_hash[16];
    bool given_id; /* by us: cannot have been seen before */
};

struct prepared_list {
    struct prepared *p; /* (n) */
    uint32_t n;
    uint32_t n_held;         /* of them */
    bool were_held;          /* all of them, until now */
    bool swept;              /* the customer's old events have gone */
    struct nbx_str customer; /* whose they are; empty: nobody's */
};

static enum nbx_err check_names(struct prepared *out, const struct nbx_event *e,
                                const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    const struct nbx_vocabulary *words = scope->vocabulary;
    out->type = nbx_vocabulary_type(words, e->type);
    if (!out->type)
        return nbx_fault_set(fault, NBX_EBAD, "type", "unknown event type '%.*s', known: %s",
                             NBX_STR_ARG(e->type), nbx_vocabulary_list_types(words));
    out->record.channel_no = nbx_vocabulary_channel(words, e->channel);
    if (e->channel.len && !out->record.channel_no)
        return nbx_fault_set(fault, NBX_EBAD, "channel", "unknown channel '%.*s', known: %s",
                             NBX_STR_ARG(e->channel), nbx_vocabulary_list_channels(words));
    struct nbx_str currency = nbx_vocabulary_currency(words);
    if (e->currency.len && !nbx_str_eq(e->currency, currency))
        return nbx_fault_set(fault, NBX_EBAD, "currency",
                             "'%.*s' is not the configured currency %.*s", NBX_STR_ARG(e->currency),
                             NBX_STR_ARG(currency));
    return NBX_OK;
}

static enum nbx_err check_time(struct prepared *out, const struct nbx_event *e, int64_t now_ms,
                               struct nbx_fault *fault)
{
    out->time_ms = e->time_ms == NBX_TIME_UNSET ? now_ms : e->time_ms;
    out->record.held = out->time_ms - now_ms > NBX_AHEAD_MS;
    if (out->time_ms - now_ms > NBX_AHEAD_MAX_MS)
        return nbx_fault_set(fault, NBX_EBAD, "time",
                             "%lld is more than %lld days ahead of the server's clock, %lld",
                             (long long)out->time_ms, (long long)(NBX_AHEAD_MAX_MS / DAY_MS),
                             (long long)now_ms);
    return NBX_OK;
}

/* An id for an event sent without: its time, then 80 random bits, as 32 hex digits. */
static struct nbx_str make_id(int64_t time_ms, struct nbx_arena *arena)
{
    char *hex = nbx_arena_alloc(arena, ID_HEX + 1);
    uint64_t r[2];
    nbx_random_system(r, sizeof r);
    if (!hex)
        return (struct nbx_str){NULL, 0};
    snprintf(hex, ID_HEX + 1, "%012llx%04llx%016llx", (unsigned long long)time_ms & 0xFFFFFFFFFFFFu,
             (unsigned long long)r[0] & 0xFFFFu, (unsigned long long)r[1]);
    return (struct nbx_str){hex, ID_HEX};
}

static enum nbx_err take_item(struct prepared *out, const struct nbx_event *e,
                              const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    out->record.item_no = NBX_ITEM_NONE;
    if (e->item.len == 0)
        return NBX_OK;
    enum nbx_err err = nbx_ids_intern(scope->customers->ids, e->item, &out->record.item_no);
    return err ? nbx_fault_set(fault, err, "item", "no room to remember a new item") : NBX_OK;
}

static enum nbx_err check(struct prepared *out, const struct nbx_event *e,
                          const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    enum nbx_err err = check_names(out, e, scope, fault);
    return err ? err : check_time(out, e, scope->now_ms, fault);
}

static enum nbx_err prepare(struct prepared *out, const struct nbx_event *e,
                            const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    enum nbx_err err;
    if ((err = check(out, e, scope, fault)) || (err = take_item(out, e, scope, fault)))
        return err;
    out->given_id = e->id.len == 0;
    struct nbx_str id = out->given_id ? make_id(out->time_ms, scope->arena) : e->id;
    if (!id.p)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "too many events at once");
    nbx_hash128(id.p, id.len, out->id_hash);
    struct nbx_event_record *r = &out->record;
    r->id = id;
    r->arrived_ms = scope->now_ms;
    r->type_no = out->type->no;
    r->placement = e->placement;
    r->store = e->store;
    r->session = e->session;
    r->order = e->order;
    r->currency = e->currency;
    r->actor = e->actor;
    r->decision = e->decision;
    r->quantity = e->quantity;
    r->rating = e->rating;
    r->value = e->value;
    r->scope = (uint8_t)e->scope;
    r->attributes = e->attributes;
    nbx_fold_decide(r, out->type);
    return NBX_OK;
}

/* Under whom the id of an event of nobody is remembered: any worker must find it. */
static uint64_t anonymous_number(const struct prepared *e)
{
    return NBX_CUSTOMER(nbx_group_of(e->record.id), 0);
}

/* Under whom the event's id would be found; 0: it cannot be there. profile NULL: of nobody. */
static uint64_t owner_of(const struct prepared *e, const struct nbx_profile *profile)
{
    if (!profile)
        return anonymous_number(e);
    return profile->known ? profile->number : profile->reserved;
}

/* *seen: the id is stored already, or stands earlier in this list. */
static enum nbx_err is_duplicate(struct prepared_list *list, const struct prepared *e,
                                 const struct nbx_profile *profile,
                                 const struct nbx_customer_scope *scope, bool *seen)
{
    *seen = false;
    if (e->given_id)
        return NBX_OK;
    for (uint32_t i = 0; i < list->n; i++) {
        if (memcmp(list->p[i].id_hash, e->id_hash, sizeof e->id_hash) == 0) {
            *seen = true;
            return NBX_OK;
        }
    }
    uint64_t number = owner_of(e, profile);
    if (profile && !number)
        return NBX_OK;
    enum nbx_err err = NBX_OK;
    struct nbx_key key = nbx_key_event_id(number, e->id_hash);
    *seen = nbx_store_has(scope->customers->store, NBX_FAMILY_EVENT_IDS, nbx_key_str(&key), &err);
    return *seen && !err ? nbx_sweep__id_is_taken(scope, number, e->id_hash, &list->swept, seen)
                         : err;
}

static enum nbx_err start_reply(struct nbx_observed *out, const struct nbx_events *events,
                                struct nbx_arena *arena)
{
    *out = (struct nbx_observed){0};
    out->ids = nbx_arena_calloc(arena, events->n, sizeof *out->ids);
    out->errors =
        nbx_arena_calloc(arena, (size_t)events->n + events->n_errors, sizeof *out->errors);
    return out->ids && out->errors ? NBX_OK : NBX_ELIMIT;
}

/* One event: into the list if it is good and new, else into the reply. */
static enum nbx_err take_event(struct prepared_list *list, struct nbx_observed *out,
                               const struct nbx_customer_scope *scope,
                               const struct nbx_profile *profile, const struct nbx_events *events,
                               uint32_t i)
{
    struct prepared *e = &list->p[list->n];
    struct nbx_entry_error *error = &out->errors[out->n_errors];
    bool withheld = profile && (profile->withdrawn | profile->also_withdrawn) & NBX_PURPOSE_PROFILE;
    *e = (struct prepared){0};
    if (withheld ? check(e, &events->p[i], scope, &error->fault)
                 : prepare(e, &events->p[i], scope, &error->fault)) {
        error->index = events->index[i];
        nbx_fault_prefix(&error->fault, "%.*s[%u]", NBX_STR_ARG(events->name), error->index);
        out->n_errors++;
        return NBX_OK;
    }
    out->withheld += withheld;
    if (withheld)
        return NBX_OK;
    bool seen;
    enum nbx_err err = is_duplicate(list, e, profile, scope, &seen);
    if (err)
        return err;
    out->ids[i] = e->record.id;
    out->duplicates += seen;
    list->n += !seen;
    list->n_held += !seen && e->record.held;
    return NBX_OK;
}

/* Checks every event; good new ones go to *list, the rest into the reply. */
static enum nbx_err prepare_all(struct prepared_list *list, struct nbx_observed *out,
                                const struct nbx_customer_scope *scope,
                                const struct nbx_profile *profile, const struct nbx_events *events)
{
    enum nbx_err err = NBX_OK;
    list->p = nbx_arena_calloc(scope->arena, events->n, sizeof *list->p);
    if (!list->p || start_reply(out, events, scope->arena))
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < events->n_errors; i++)
        out->errors[out->n_errors++] = events->errors[i];
    for (uint32_t i = 0; !err && i < events->n; i++)
        err = take_event(list, out, scope, profile, events, i);
    return err;
}

static void put_event(const struct nbx_customer_scope *scope, uint64_t number,
                      const struct prepared *e)
{
    struct nbx_key key = nbx_key_event(number, e->time_ms, e->id_hash);
    uint64_t id_number = NBX_CUSTOMER_SERIAL(number) ? number : anonymous_number(e);
    nbx_event_record_encode(nbx_batch_payload(scope->batch), &e->record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_EVENTS, nbx_key_str(&key), NBX_EVENT_RECORD);
    nbx_customers__put_event_id(scope, id_number, e->id_hash,
                                (struct nbx_event_id_record){.time_ms = e->time_ms});
}

static void count_trends(const struct nbx_customer_scope *scope, const struct prepared_list *list,
                         int sign)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (!list->p[i].record.held)
            nbx_customers__trend(scope, &list->p[i].record, list->p[i].time_ms, sign);
}

/* Events into the batch, numbered; the profile's seen set is left to fold. */
static void put_events(const struct nbx_customer_scope *scope, uint64_t number,
                       struct prepared_list *list)
{
    struct nbx_group *group = &scope->customers->groups[NBX_CUSTOMER_GROUP(number)];
    for (uint32_t i = 0; i < list->n; i++) {
        struct prepared *e = &list->p[i];
        if (!scope->customers->again)
            e->record.seq = ++group->seq;
        put_event(scope, number, e);
        if (e->record.held)
            nbx_due__hold(scope, number, list->customer, e->time_ms, e->id_hash);
    }
    count_trends(scope, list, 1);
}

static enum nbx_err fold(struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                         const struct prepared_list *list)
{
    struct nbx_fold fold;
    enum nbx_err err = nbx_fold_begin(&fold, &profile->seen, &profile->head.totals, scope->arena);
    for (uint32_t i = 0; !err && i < list->n; i++) {
        const struct prepared *e = &list->p[i];
        if (!e->record.held)
            err = nbx_fold_event(&fold, &e->record, e->time_ms, e->id_hash, scope->arena);
    }
    if (err || (err = nbx_fold_end(&fold, scope->arena)))
        return err;
    profile->seen = fold.seen;
    profile->head.totals = fold.totals;
    profile->seen_changed |= fold.seen_changed;
    return NBX_OK;
}

/* What the log says of the events. */
static enum nbx_err log_events(struct nbx_command *out, const struct nbx_customer_scope *scope,
                               const struct prepared_list *list)
{
    struct nbx_log_record *entry = &out->entry;
    entry->kind = list->were_held ? NBX_LOG_DUE : NBX_LOG_EVENTS;
    entry->events = nbx_arena_calloc(scope->arena, list->n, sizeof *entry->events);
    if (!entry->events)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < list->n; i++) {
        struct nbx_log_event *e = &entry->events[entry->n_events++];
        e->time_ms = list->p[i].time_ms;
        memcpy(e->id_hash, list->p[i].id_hash, sizeof e->id_hash);
    }
    return NBX_OK;
}

/* Commits what put_events and its callers gathered; takes the trends back where that fails. */
static enum nbx_err commit(const struct nbx_customer_scope *scope, struct nbx_command *command,
                           struct nbx_group before, const struct prepared_list *list)
{
    enum nbx_err err = nbx_customers__commit(scope, command, before);
    if (err) {
        count_trends(scope, list, -1);
        nbx_batch_clear(scope->batch);
    }
    return err;
}

/* Of events that are all held nothing comes yet: a stranger remains one, with a number to keep them
 * under. */
static enum nbx_err change(struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                           const struct prepared_list *list)
{
    if (list->n_held == list->n) {
        if (!profile->known && !profile->reserved)
            nbx_profile__reserve(profile, scope);
        return NBX_OK;
    }
    enum nbx_err err = nbx_profile_load_head(profile, scope);
    if (err || (err = fold(profile, scope, list)))
        return err;
    if (!profile->known)
        nbx_profile__create(profile, scope);
    return NBX_OK;
}

/* The profile changes in a copy, so that a failed write leaves it as it was. */
static enum nbx_err apply(struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                          struct prepared_list *list)
{
    uint8_t group = NBX_CUSTOMER_GROUP(profile->number);
    struct nbx_group before = scope->customers->groups[group];
    struct nbx_profile changed = *profile;
    struct nbx_command command = {.customer = profile->id};
    enum nbx_err err = log_events(&command, scope, list);
    if (err || (err = change(&changed, scope, list)))
        return err;
    command.entry.number = changed.known ? changed.number : changed.reserved;
    put_events(scope, command.entry.number, list);
    if (list->n_held < list->n)
        nbx_profile__put(&changed, scope);
    err = commit(scope, &command, before, list);
    if (!err)
        *profile = changed;
    return err;
}

enum nbx_err nbx_observe(struct nbx_observed *out, const struct nbx_customer_scope *scope,
                         struct nbx_profile *profile, const struct nbx_events *events, bool atomic,
                         struct nbx_fault *fault)
{
    struct prepared_list list = {.customer = profile->id};
    uint8_t group = NBX_CUSTOMER_GROUP(profile->number);
    enum nbx_err err = prepare_all(&list, out, scope, profile, events);
    if (err)
        return nbx_fault_set(fault, err, "events", "cannot be taken");
    if (atomic && out->n_errors) {
        *fault = out->errors[0].fault;
        return fault->code;
    }
    if (list.n && (err = apply(profile, scope, &list)))
        return nbx_fault_set(fault, err, "events", "cannot be written");
    out->applied = list.n - list.n_held;
    out->held = list.n_held;
    out->seq = scope->customers->groups[group].seq;
    return NBX_OK;
}

/* Writes events of nobody; under the lock on them. */
static enum nbx_err apply_anonymous(const struct nbx_customer_scope *scope, uint8_t group,
                                    struct prepared_list *list)
{
    struct nbx_group before = scope->customers->groups[group];
    uint64_t number = NBX_CUSTOMER((uint64_t)group, 0);
    struct nbx_command command = {.entry = {.number = number}};
    enum nbx_err err = log_events(&command, scope, list);
    if (err)
        return err;
    put_events(scope, number, list);
    return commit(scope, &command, before, list);
}

enum nbx_err nbx_observe_anonymous(struct nbx_observed *out, const struct nbx_customer_scope *scope,
                                   uint8_t group, const struct nbx_events *events)
{
    struct prepared_list list = {0};
    pthread_mutex_lock(&scope->customers->anonymous);
    enum nbx_err err = prepare_all(&list, out, scope, NULL, events);
    if (!err && list.n)
        err = apply_anonymous(scope, group, &list);
    pthread_mutex_unlock(&scope->customers->anonymous);
    out->applied = err ? 0 : list.n - list.n_held;
    out->held = err ? 0 : list.n_held;
    out->seq = scope->customers->groups[group].seq;
    return err;
}

/* Kept events as those of a list; of `customer`. */
static enum nbx_err list_kept(struct prepared_list *out, const struct nbx_customer_scope *scope,
                              struct nbx_str customer, const struct nbx_kept_event *events,
                              uint32_t n)
{
    *out = (struct prepared_list){.customer = customer};
    out->p = nbx_arena_calloc(scope->arena, n, sizeof *out->p);
    if (!out->p)
        return NBX_ELIMIT;
    for (; out->n < n; out->n++) {
        struct prepared *e = &out->p[out->n];
        e->record = events[out->n].record;
        e->time_ms = events[out->n].time_ms;
        memcpy(e->id_hash, events[out->n].id_hash, sizeof e->id_hash);
        if (e->record.effect == NBX_EFFECT_UNKNOWN)
            nbx_fold_decide(&e->record,
                            nbx_vocabulary_type_no(scope->vocabulary, e->record.type_no));
        out->n_held += e->record.held;
    }
    return NBX_OK;
}

enum nbx_err nbx_observe__due(const struct nbx_customer_scope *scope, uint64_t number,
                              struct nbx_profile *profile, const struct nbx_kept_event *events,
                              uint32_t n)
{
    struct prepared_list list;
    struct nbx_str customer = profile ? profile->id : (struct nbx_str){0};
    enum nbx_err err = list_kept(&list, scope, customer, events, n);
    if (err)
        return err;
    list.were_held = true;
    list.n_held = 0;
    for (uint32_t i = 0; i < n; i++)
        list.p[i].record.held = false;
    return profile ? apply(profile, scope, &list)
                   : apply_anonymous(scope, NBX_CUSTOMER_GROUP(number), &list);
}

enum nbx_err nbx_observe__again(const struct nbx_customer_scope *scope, struct nbx_profile *profile,
                                uint8_t group, const struct nbx_kept_event *events, uint32_t n)
{
    struct prepared_list list;
    struct nbx_str customer = profile ? profile->id : (struct nbx_str){0};
    enum nbx_err err = list_kept(&list, scope, customer, events, n);
    if (err)
        return err;
    return profile ? apply(profile, scope, &list) : apply_anonymous(scope, group, &list);
}
