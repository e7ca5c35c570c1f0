/* SPDX-License-Identifier: MIT
 * The small bodies: customer.put, and those that carry nothing but an id. The larger ones lie in
 * message_recommend.c, message_event.c and message_item.c. */
#include "proto/field.h"

#define DEFAULT_LOG_ENTRIES 100

/* customer.put */

#define PUT(name, member) NBX_FIELD(name, struct nbx_customer_put_req, member)

static const struct nbx_field customer_fields[] = {
    {PUT("attributes", attributes), nbx_field_attribute_changes, .max = NBX_MAX_ATTRIBUTES},
    {PUT("timezone", timezone), nbx_field_text, .min = 1, .max = NBX_MAX_NAME_BYTES},
    {PUT("locale", locale), nbx_field_name},
    {PUT("consent", consent), nbx_field_bools, .max = NBX_MAX_ATTRIBUTES},
    {PUT("identities", identities), nbx_field_id_map, .max = NBX_MAX_ATTRIBUTES},
    {PUT("channels", channels), nbx_field_new_ids, .max = NBX_MAX_CHANNELS},
    {PUT("vector", vector), nbx_field_floats},
    {PUT("space", vector.space), nbx_field_name},
    {PUT("id", id), nbx_field_echo},
};
static const struct nbx_field_table customer_table = {customer_fields, NBX_COUNT(customer_fields)};

enum nbx_err nbx_message_customer_put(struct nbx_customer_put_req *out, struct nbx_body body,
                                      struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_customer_put_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err = nbx_field_body(out, &out->id, body, &customer_table, &d);
    return err ? err : nbx_field_check_space(&out->vector, &d);
}

/* customer.link, customer.unlink */

#define LINK(name, member) NBX_FIELD(name, struct nbx_link_req, member)

static const struct nbx_field link_fields[] = {
    {LINK("identity", identity), nbx_field_id, .required = true},
    {LINK("ack", ack), nbx_field_word, .min = NBX_ACK_MEMORY, .words = nbx_field_acks},
    {LINK("id", id), nbx_field_echo},
    {LINK("type", type), nbx_field_text, .min = 1, .max = NBX_MAX_NAME_BYTES},
};
static const struct nbx_field_table link_table = {link_fields, NBX_COUNT(link_fields)};
static const struct nbx_field_table unlink_table = {link_fields, NBX_COUNT(link_fields) - 1};

enum nbx_err nbx_message_link(struct nbx_link_req *out, struct nbx_body body, bool link,
                              struct nbx_str customer, struct nbx_arena *arena,
                              struct nbx_fault *fault)
{
    *out = (struct nbx_link_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err = nbx_field_body(out, &out->id, body, link ? &link_table : &unlink_table, &d);
    if (!err && nbx_str_eq(out->identity, customer))
        err = nbx_fault_set(fault, NBX_EBAD, "identity", "is the customer of the key frame itself");
    return err;
}

/* customer.export */

static const struct nbx_field export_fields[] = {
    {NBX_FIELD("after", struct nbx_export_req, after), nbx_field_text, .min = 1, .max = 2048},
    {NBX_FIELD("id", struct nbx_export_req, id), nbx_field_echo},
};
static const struct nbx_field_table export_table = {export_fields, NBX_COUNT(export_fields)};

enum nbx_err nbx_message_export(struct nbx_export_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_export_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &export_table, &d);
}

/* backup */

static const struct nbx_field backup_fields[] = {
    {NBX_FIELD("dir", struct nbx_backup_req, dir), nbx_field_text, .min = 1, .max = 2048,
     .required = true},
    {NBX_FIELD("id", struct nbx_backup_req, id), nbx_field_echo},
};
static const struct nbx_field_table backup_table = {backup_fields, NBX_COUNT(backup_fields)};

enum nbx_err nbx_message_backup(struct nbx_backup_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_backup_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &backup_table, &d);
}

/* log.read */

#define LOG_READ(name, member) NBX_FIELD(name, struct nbx_log_read_req, member)

static const struct nbx_field log_read_fields[] = {
    {LOG_READ("stream", stream), nbx_field_u32, .max = NBX_MAX_STREAM, .required = true},
    {LOG_READ("from", from), nbx_field_int, .min = 1, .max = INT64_MAX},
    {LOG_READ("n", n), nbx_field_u32, .min = 1, .max = NBX_MAX_LOG_ENTRIES},
    {LOG_READ("id", id), nbx_field_echo},
};
static const struct nbx_field_table log_read_table = {log_read_fields, NBX_COUNT(log_read_fields)};

enum nbx_err nbx_message_log_read(struct nbx_log_read_req *out, struct nbx_body body,
                                  struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_log_read_req){.from = 1, .n = DEFAULT_LOG_ENTRIES};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &log_read_table, &d);
}

/* events.read */

#define EVENTS_READ(name, member) NBX_FIELD(name, struct nbx_events_read_req, member)

static const struct nbx_field events_read_fields[] = {
    {EVENTS_READ("after", after), nbx_field_text, .min = 1, .max = NBX_MAX_TEXT_BYTES},
    {EVENTS_READ("since", since_ms), nbx_field_int, .max = NBX_MAX_TIME_MS},
    {EVENTS_READ("until", until_ms), nbx_field_int, .max = NBX_MAX_TIME_MS},
    {EVENTS_READ("types", types), nbx_field_ids, .min = 1, .max = NBX_MAX_EVENT_TYPES},
    {EVENTS_READ("n", n), nbx_field_u32, .min = 1, .max = NBX_MAX_READ_EVENTS},
    {EVENTS_READ("id", id), nbx_field_echo},
};
static const struct nbx_field_table events_read_table = {events_read_fields,
                                                         NBX_COUNT(events_read_fields)};

enum nbx_err nbx_message_events_read(struct nbx_events_read_req *out, struct nbx_body body,
                                     struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_events_read_req){
        .since_ms = INT64_MIN, .until_ms = INT64_MAX, .n = NBX_MAX_READ_EVENTS};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err = nbx_field_body(out, &out->id, body, &events_read_table, &d);
    if (!err && out->until_ms < out->since_ms)
        err = nbx_fault_set(fault, NBX_EBAD, "until", "is before `since`");
    return err;
}

/* customer.get, customer.forget, decision.get, hello, stats, log.heads, model.list,
 * model.rollback */

static const struct nbx_field simple_fields[] = {
    {NBX_FIELD("id", struct nbx_simple_req, id), nbx_field_echo},
};
static const struct nbx_field_table simple_table = {simple_fields, NBX_COUNT(simple_fields)};

enum nbx_err nbx_message_simple(struct nbx_simple_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_simple_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &simple_table, &d);
}
