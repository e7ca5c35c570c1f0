/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

#include <inttypes.h>
#include <math.h>

/* One event. Which types and channels exist is configuration, so the worker checks those. */

#define EVENT(name, member) NBX_FIELD(name, struct nbx_event, member)
#define NAME_BOUNDS         .min = 1, .max = NBX_MAX_NAME_BYTES

static const char *const scopes[] = {"item", "brand", "category", NULL};

static const struct nbx_field event_fields[] = {
    {EVENT("type", type), nbx_field_text, NAME_BOUNDS, .required = true},
    {EVENT("item", item), nbx_field_id},
    {EVENT("id", id), nbx_field_id},
    {EVENT("customer", customer), nbx_field_id, .keyless = true},
    {EVENT("time", time_ms), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {EVENT("channel", channel), nbx_field_text, NAME_BOUNDS},
    {EVENT("placement", placement), nbx_field_text, NAME_BOUNDS},
    {EVENT("store", store), nbx_field_id},
    {EVENT("session", session), nbx_field_id},
    {EVENT("order", order), nbx_field_id},
    {EVENT("quantity", quantity), nbx_field_number, .min = 0, .max = NBX_MAX_QUANTITY},
    {EVENT("value", value), nbx_field_money, .min = -INT64_MAX, .max = INT64_MAX},
    {EVENT("currency", currency), nbx_field_currency},
    {EVENT("rating", rating), nbx_field_number, .min = -NBX_MAX_RATING, .max = NBX_MAX_RATING},
    {EVENT("scope", scope), nbx_field_word, .words = scopes},
    {EVENT("actor", actor), nbx_field_id},
    {EVENT("decision", decision), nbx_field_decision},
    {EVENT("attributes", attributes), nbx_field_attributes, .max = NBX_MAX_ATTRIBUTES},
};
static const struct nbx_field_table event_table = {event_fields, NBX_COUNT(event_fields)};

static enum nbx_err read_event(struct nbx_event *out, const struct nbx_value *v,
                               struct nbx_decoding *d)
{
    *out = (struct nbx_event){.time_ms = NBX_TIME_UNSET,
                              .quantity = 1,
                              .value = NBX_MONEY_UNSET,
                              .rating = NAN,
                              .scope = NBX_SCOPE_ITEM};
    return nbx_field_map(out, v, &event_table, d);
}

/* Keeps what passes, in place; what does not becomes an error with its index. */
static enum nbx_err read_entries(struct nbx_events *out, const struct nbx_value *list,
                                 struct nbx_decoding *d)
{
    struct nbx_entry_errors errors = {0};
    struct nbx_fault fault;
    struct nbx_decoding each = *d;
    each.fault = &fault;
    for (uint32_t i = 0; i < list->n; i++) {
        enum nbx_err err = read_event(&out->p[out->n], &list->list[i], &each);
        if (err == NBX_OK) {
            out->index[out->n++] = i;
            continue;
        }
        struct nbx_entry_error *error = nbx_entry_errors_add(&errors, d->arena);
        if (err == NBX_ELIMIT || !error)
            return nbx_field_no_memory(d);
        nbx_fault_prefix(&fault, "[%u]", i);
        *error = (struct nbx_entry_error){i, fault};
    }
    out->errors = errors.p;
    out->n_errors = errors.n;
    return NBX_OK;
}

enum nbx_err nbx_field_events(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_entries(v, f, d, "events");
    if (err)
        return err;
    struct nbx_events *events = at;
    *events = (struct nbx_events){
        .p = nbx_arena_alloc(d->arena, v->n * sizeof *events->p),
        .index = nbx_arena_alloc(d->arena, v->n * sizeof *events->index),
        .name = f->name,
    };
    if (!events->p || !events->index)
        return nbx_field_no_memory(d);
    err = read_entries(events, v, d);
    for (uint32_t i = 0; i < events->n_errors; i++)
        nbx_fault_prefix(&events->errors[i].fault, "%.*s", NBX_STR_ARG(f->name));
    return err;
}

/* observe */

#define OBSERVE(name, member) NBX_FIELD(name, struct nbx_observe_req, member)

static const struct nbx_field observe_fields[] = {
    {OBSERVE("events", events), nbx_field_events, .min = 1, .max = NBX_MAX_EVENTS,
     .required = true},
    {OBSERVE("ack", ack), nbx_field_word, .min = NBX_ACK_MEMORY, .words = nbx_field_acks},
    {OBSERVE("atomic", atomic), nbx_field_bool},
    {OBSERVE("id", id), nbx_field_echo},
};
static const struct nbx_field_table observe_table = {observe_fields, NBX_COUNT(observe_fields)};

enum nbx_err nbx_message_observe(struct nbx_observe_req *out, struct nbx_body body, bool keyed,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_observe_req){.ack = NBX_ACK_UNSET};
    struct nbx_decoding d = {.arena = arena, .fault = fault, .names_customers = !keyed};
    enum nbx_err err = nbx_field_body(out, &out->id, body, &observe_table, &d);
    if (err)
        return err;
    if (out->atomic && !keyed)
        return nbx_fault_set(fault, NBX_EBAD, "atomic",
                             "needs the customer in the key frame: a fan-out spans workers");
    if (out->atomic && out->events.n_errors > 0) {
        if (fault)
            *fault = out->events.errors[0].fault;
        return NBX_EBAD;
    }
    return NBX_OK;
}

/* retract */

#define RETRACT(name, member) NBX_FIELD(name, struct nbx_retract_req, member)

static const struct nbx_field retract_fields[] = {
    {RETRACT("events", events), nbx_field_ids, .min = 1, .max = NBX_MAX_EVENTS},
    {RETRACT("item", item), nbx_field_id},
    {RETRACT("brand", brand), nbx_field_id},
    {RETRACT("category", category), nbx_field_id},
    {RETRACT("all", all), nbx_field_bool},
    {RETRACT("ack", ack), nbx_field_word, .min = NBX_ACK_MEMORY, .words = nbx_field_acks},
    {RETRACT("id", id), nbx_field_echo},
};
static const struct nbx_field_table retract_table = {retract_fields, NBX_COUNT(retract_fields)};

enum nbx_err nbx_message_retract(struct nbx_retract_req *out, struct nbx_body body,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_retract_req){.ack = NBX_ACK_UNSET};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err = nbx_field_body(out, &out->id, body, &retract_table, &d);
    if (err)
        return err;
    int n = (out->events.n > 0) + (out->item.len > 0) + (out->brand.len > 0) +
            (out->category.len > 0) + out->all;
    if (n != 1)
        return nbx_fault_set(fault, NBX_EBAD, "events",
                             "just one of `events`, `item`, `brand`, `category` and `all` is "
                             "needed, got %d",
                             n);
    return NBX_OK;
}
