/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

#include <inttypes.h>

/* One item. The catalogue turns the checked map into a record, so nothing is stored here. */

#define TEXT_BOUNDS .min = 1, .max = NBX_MAX_TEXT_BYTES

static const char *const built_in[] = {
    "id",         "group",    "kind",       "title",  "url",      "image",     "brand",
    "categories", "price",    "sale_price", "margin", "currency", "channels",  "available",
    "valid_from", "valid_to", "stock",      "vector", "space",    "attributes"};

bool nbx_item_field_is_built_in(struct nbx_str name)
{
    for (size_t i = 0; i < NBX_COUNT(built_in); i++)
        if (nbx_str_is(name, built_in[i]))
            return true;
    return false;
}

static enum nbx_err read_attributes(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                    struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_attributes(at, v, f, d);
    for (uint32_t i = 0; !err && i < v->n; i++) {
        struct nbx_str name = v->members[i].key;
        if (!nbx_item_field_is_built_in(name))
            continue;
        err = nbx_fault_set(d->fault, NBX_EBAD, NULL,
                            "is a field of every item: an attribute needs another name");
        nbx_fault_prefix(d->fault, "%.*s", NBX_STR_ARG(name));
    }
    return err;
}

static const struct nbx_field item_fields[] = {
    {NBX_FIELD_CHECKED("id"), nbx_field_id, .required = true},
    {NBX_FIELD_CHECKED("group"), nbx_field_id},
    {NBX_FIELD_CHECKED("kind"), nbx_field_name},
    {NBX_FIELD_CHECKED("title"), nbx_field_text, TEXT_BOUNDS},
    {NBX_FIELD_CHECKED("url"), nbx_field_text, TEXT_BOUNDS},
    {NBX_FIELD_CHECKED("image"), nbx_field_text, TEXT_BOUNDS},
    {NBX_FIELD_CHECKED("brand"), nbx_field_id},
    {NBX_FIELD_CHECKED("categories"), nbx_field_ids, .max = NBX_MAX_CATEGORIES},
    {NBX_FIELD_CHECKED("price"), nbx_field_money, .min = 0, .max = INT64_MAX},
    {NBX_FIELD_CHECKED("sale_price"), nbx_field_money, .min = 0, .max = INT64_MAX},
    {NBX_FIELD_CHECKED("margin"), nbx_field_money, .min = -INT64_MAX, .max = INT64_MAX},
    {NBX_FIELD_CHECKED("currency"), nbx_field_currency},
    {NBX_FIELD_CHECKED("channels"), nbx_field_ids, .max = NBX_MAX_CHANNELS},
    {NBX_FIELD_CHECKED("available"), nbx_field_bool},
    {NBX_FIELD_CHECKED("stock"), nbx_field_counts, .max = NBX_MAX_STORES},
    {NBX_FIELD_CHECKED("valid_from"), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {NBX_FIELD_CHECKED("valid_to"), nbx_field_int, .min = 0, .max = NBX_MAX_TIME_MS},
    {NBX_FIELD_CHECKED("vector"), nbx_field_floats},
    {NBX_FIELD_CHECKED("space"), nbx_field_name},
    {NBX_FIELD_CHECKED("attributes"), read_attributes, .max = NBX_MAX_ATTRIBUTES},
};
static const struct nbx_field_table item_table = {item_fields, NBX_COUNT(item_fields)};

/* What no single field can say. In a patch the other end may lie in the catalogue. */
static enum nbx_err check_together(const struct nbx_value *item, struct nbx_decoding *d)
{
    const struct nbx_value *from = nbx_value_get(item, "valid_from");
    const struct nbx_value *to = nbx_value_get(item, "valid_to");
    if (from && to && from->type == NBX_INT && to->type == NBX_INT && from->i > to->i)
        return nbx_fault_set(d->fault, NBX_EBAD, "valid_to",
                             "must not lie before valid_from (%" PRId64 "), got %" PRId64, from->i,
                             to->i);
    if (nbx_value_get(item, "space") && !nbx_value_get(item, "vector"))
        return nbx_fault_set(d->fault, NBX_EBAD, "space", "needs a `vector` beside it");
    return NBX_OK;
}

static enum nbx_err check_item(const struct nbx_value *item, struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_map(NULL, item, &item_table, d);
    return err ? err : check_together(item, d);
}

/* Keeps what passes, in place; what does not becomes an error with its index. */
static enum nbx_err check_items(struct nbx_items_req *out, const struct nbx_value *list,
                                struct nbx_decoding *d)
{
    struct nbx_entry_errors errors = {0};
    struct nbx_fault fault;
    struct nbx_decoding each = *d;
    each.fault = &fault;
    for (uint32_t i = 0; i < list->n; i++) {
        enum nbx_err err = check_item(&list->list[i], &each);
        if (err == NBX_OK) {
            out->items[out->n] = &list->list[i];
            out->index[out->n++] = i;
            continue;
        }
        struct nbx_entry_error *error = nbx_entry_errors_add(&errors, d->arena);
        if (err == NBX_ELIMIT || !error)
            return nbx_field_no_memory(d);
        nbx_fault_prefix(&fault, "items[%u]", i);
        *error = (struct nbx_entry_error){i, fault};
    }
    out->errors = errors.p;
    out->n_errors = errors.n;
    return NBX_OK;
}

static enum nbx_err read_items(void *at, const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_entries(v, f, d, "items");
    if (err)
        return err;
    struct nbx_items_req *out = at;
    out->items = nbx_arena_alloc(d->arena, v->n * sizeof(const struct nbx_value *));
    out->index = nbx_arena_alloc(d->arena, v->n * sizeof *out->index);
    return out->items && out->index ? check_items(out, v, d) : nbx_field_no_memory(d);
}

/* item.put, item.patch: one reader fills the struct's lists, hence the offset 0. */
static const struct nbx_field items_fields[] = {
    {NBX_FIELD_NAME("items"), .at = 0, read_items, .min = 1, .max = NBX_MAX_ITEMS,
     .required = true},
    {NBX_FIELD("id", struct nbx_items_req, id), nbx_field_echo},
};
static const struct nbx_field_table items_table = {items_fields, NBX_COUNT(items_fields)};

enum nbx_err nbx_message_items(struct nbx_items_req *out, struct nbx_body body, bool patch,
                               struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_items_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault, .nulls = patch};
    return nbx_field_body(out, &out->id, body, &items_table, &d);
}

/* item.get, item.delete */
static const struct nbx_field ids_fields[] = {
    {NBX_FIELD("ids", struct nbx_item_ids_req, ids), nbx_field_ids, .min = 1, .max = NBX_MAX_ITEMS,
     .required = true},
    {NBX_FIELD("id", struct nbx_item_ids_req, id), nbx_field_echo},
};
static const struct nbx_field_table ids_table = {ids_fields, NBX_COUNT(ids_fields)};

enum nbx_err nbx_message_item_ids(struct nbx_item_ids_req *out, struct nbx_body body,
                                  struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_item_ids_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &ids_table, &d);
}
