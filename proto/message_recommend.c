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

static enum nbx_err read_recall(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                struct nbx_decoding *d)
{
    (void)f;
    double recall = v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : 0;
    if (!(recall >= NBX_MIN_RECALL && recall <= 1))
        return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must be a number from %g to 1",
                             NBX_MIN_RECALL);
    *(float *)at = (float)recall;
    return NBX_OK;
}

static enum nbx_err add_customer(struct nbx_customer_ids *out, struct nbx_entry_errors *errors,
                                 const struct nbx_value *v, uint32_t index, struct nbx_decoding *d)
{
    struct nbx_fault fault;
    struct nbx_decoding each = *d;
    each.fault = &fault;
    enum nbx_err err = nbx_field_id(&out->p[out->n], v, NULL, &each);
    if (!err) {
        out->index[out->n++] = index;
        return NBX_OK;
    }
    struct nbx_entry_error *error = nbx_entry_errors_add(errors, d->arena);
    if (!error)
        return nbx_field_no_memory(d);
    nbx_fault_prefix(&fault, "customers[%u]", index);
    *error = (struct nbx_entry_error){index, fault};
    return NBX_OK;
}

/* Keeps the ids that pass; what does not becomes an error with its index. */
static enum nbx_err read_customers(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                   struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_entries(v, f, d, "strings");
    if (err)
        return err;
    struct nbx_customer_ids *out = at;
    struct nbx_entry_errors errors = {0};
    out->p = nbx_arena_alloc(d->arena, v->n * sizeof *out->p);
    out->index = nbx_arena_alloc(d->arena, v->n * sizeof *out->index);
    if (!out->p || !out->index)
        return nbx_field_no_memory(d);
    for (uint32_t i = 0; !err && i < v->n; i++)
        err = add_customer(out, &errors, &v->list[i], i, d);
    out->errors = errors.p;
    out->n_errors = errors.n;
    return err;
}

/* `customers` stands first and is recommend's alone, `items` last and rank's. */
static const struct nbx_field recommend_fields[] = {
    {RECOMMEND("customers", customers), read_customers, .min = 1, .max = NBX_MAX_CUSTOMERS},
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
    {RECOMMEND("recall", recall), read_recall},
    {RECOMMEND("timeout_ms", timeout_ms), nbx_field_u32, .min = 0, .max = NBX_MAX_TIMEOUT_MS},
    {RECOMMEND("now", now_ms), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {RECOMMEND("id", id), nbx_field_echo},
    {RECOMMEND("items", items), nbx_field_ids, .min = 1, .max = NBX_MAX_RANK_ITEMS,
     .required = true},
};
static const struct nbx_field_table rank_table = {recommend_fields + 1,
                                                  NBX_COUNT(recommend_fields) - 1};
static const struct nbx_field_table recommend_table = {recommend_fields,
                                                       NBX_COUNT(recommend_fields) - 1};

/* What cannot hold for many customers, and how much may be asked for at once. */
static enum nbx_err check_customers(const struct nbx_recommend_req *r, struct nbx_decoding *d)
{
    uint32_t n = r->customers.n + r->customers.n_errors;
    const char *refused = r->observe.name.len ? "observe"
                          : r->vector.p       ? "vector"
                          : r->explain        ? "explain"
                                              : NULL;
    if (refused)
        return nbx_fault_set(d->fault, NBX_EBAD, refused, "cannot stand beside `customers`");
    if ((uint64_t)n * r->n > NBX_MAX_WANTED)
        return nbx_fault_set(d->fault, NBX_EBAD, "customers",
                             "%u customers times n of %u is above %d: send fewer at once", n, r->n,
                             NBX_MAX_WANTED);
    return NBX_OK;
}

enum nbx_err nbx_message_recommend(struct nbx_recommend_req *out, struct nbx_body body, bool rank,
                                   struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_recommend_req){
        .n = NBX_DEFAULT_N, .record = NBX_RECORD_UNSET, .personal = true, .now_ms = NBX_TIME_UNSET};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    enum nbx_err err =
        nbx_field_body(out, &out->id, body, rank ? &rank_table : &recommend_table, &d);
    bool many = nbx_recommend_is_for_many(out);
    if (out->record == NBX_RECORD_UNSET)
        out->record = many ? NBX_RECORD_NONE : NBX_RECORD_DECISION;
    if (!err)
        err = nbx_field_check_space(&out->vector, &d);
    return !err && many ? check_customers(out, &d) : err;
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
