/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

/* recommend, rank */

#define RECOMMEND(name, member) NBX_FIELD(name, struct nbx_recommend_req, member)
#define NAME_BOUNDS             .min = 1, .max = NBX_MAX_NAME_BYTES

static const char *const records[] = {"none", "decision", "shown", NULL};

static enum nbx_err read_distinct(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                  struct nbx_decoding *d)
{
    int place;
    enum nbx_err err = nbx_field_word(&place, v, f, d);
    if (!err)
        *(bool *)at = true;
    return err;
}
static const char *const distincts[] = {"group", NULL};

/* `items` stands last: recommend's table is rank's without it. */
static const struct nbx_field recommend_fields[] = {
    {RECOMMEND("n", n), nbx_field_u32, .min = 1, .max = NBX_MAX_N},
    {RECOMMEND("placement", placement), nbx_field_text, NAME_BOUNDS},
    {RECOMMEND("channel", channel), nbx_field_text, NAME_BOUNDS},
    {RECOMMEND("store", store), nbx_field_id},
    {RECOMMEND("context", context), nbx_field_any_map, .max = NBX_MAX_ATTRIBUTES},
    {RECOMMEND("filter", filter), nbx_field_any_map, .max = NBX_MAX_FILTER_NODES},
    {RECOMMEND("exclude", exclude), nbx_field_ids, .max = NBX_MAX_EXCLUDE},
    {RECOMMEND("exclude_seen", exclude_seen), nbx_field_bool},
    {RECOMMEND("distinct", distinct_group), read_distinct, .words = distincts},
    {RECOMMEND("observe", observe), nbx_field_events, .max = NBX_MAX_EVENTS},
    {RECOMMEND("ack", ack), nbx_field_word, .min = NBX_ACK_MEMORY, .words = nbx_field_acks},
    {RECOMMEND("vector", vector), nbx_field_floats},
    {RECOMMEND("space", vector.space), nbx_field_name},
    {RECOMMEND("fields", fields), nbx_field_names, .max = NBX_MAX_FIELDS},
    {RECOMMEND("explain", explain), nbx_field_bool},
    {RECOMMEND("record", record), nbx_field_word, .words = records},
    {RECOMMEND("personal", personal), nbx_field_bool},
    {RECOMMEND("timeout_ms", timeout_ms), nbx_field_u32, .min = 0, .max = NBX_MAX_TIMEOUT_MS},
    {RECOMMEND("now", now_ms), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {RECOMMEND("id", id), nbx_field_echo},
    {RECOMMEND("items", items), nbx_field_ids, .min = 1, .max = NBX_MAX_RANK_ITEMS,
     .required = true},
};
static const struct nbx_field_table rank_table = {recommend_fields, NBX_COUNT(recommend_fields)};
static const struct nbx_field_table recommend_table = {recommend_fields,
                                                       NBX_COUNT(recommend_fields) - 1};

enum nbx_err nbx_message_recommend(struct nbx_recommend_req *out, struct nbx_body body, bool rank,
                                   struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_recommend_req){.n = NBX_DEFAULT_N,
                                      .record = NBX_RECORD_DECISION,
                                      .personal = true,
                                      .now_ms = NBX_TIME_UNSET};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err =
        nbx_field_body(out, &out->id, body, rank ? &rank_table : &recommend_table, &d);
    return err ? err : nbx_field_check_space(&out->vector, &d);
}

/* similar */

#define SIMILAR(name, member) NBX_FIELD(name, struct nbx_similar_req, member)

static const struct nbx_field similar_fields[] = {
    {SIMILAR("item", item), nbx_field_id},
    {SIMILAR("vector", vector), nbx_field_floats},
    {SIMILAR("space", vector.space), nbx_field_name},
    {SIMILAR("n", n), nbx_field_u32, .min = 1, .max = NBX_MAX_N},
    {SIMILAR("filter", filter), nbx_field_any_map, .max = NBX_MAX_FILTER_NODES},
    {SIMILAR("fields", fields), nbx_field_names, .max = NBX_MAX_FIELDS},
    {SIMILAR("now", now_ms), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {SIMILAR("id", id), nbx_field_echo},
};
static const struct nbx_field_table similar_table = {similar_fields, NBX_COUNT(similar_fields)};

enum nbx_err nbx_message_similar(struct nbx_similar_req *out, struct nbx_body body,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_similar_req){.n = NBX_DEFAULT_N, .now_ms = NBX_TIME_UNSET};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err = nbx_field_body(out, &out->id, body, &similar_table, &d);
    if (err)
        return err;
    if ((out->item.len > 0) == (out->vector.p != NULL))
        return nbx_fault_set(fault, NBX_EBAD, "item", "just one of `item` and `vector` is needed");
    return nbx_field_check_space(&out->vector, &d);
}
