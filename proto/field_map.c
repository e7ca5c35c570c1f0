/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

#include "engine/base/utf8.h"

#include <inttypes.h>

/* Every map with free keys: what its keys and its members must be. */
struct map_rule {
    const char *what; /* "a map of name to bool" */
    NBX_FIELD_READER((*key));
    NBX_FIELD_READER((*member));
    struct nbx_field bounds; /* of a member */
    bool nulls;              /* a null member means removal even outside item.patch */
};

static enum nbx_err check_key(struct nbx_str key, const struct map_rule *rule,
                              struct nbx_decoding *d)
{
    struct nbx_value v = nbx_value_string(key);
    return rule->key ? rule->key(NULL, &v, NULL, d) : NBX_OK;
}

static enum nbx_err check_map(const struct nbx_value *v, const struct nbx_field *f,
                              const struct map_rule *rule, struct nbx_decoding *d)
{
    if (v->type != NBX_MAP)
        return nbx_field_wrong_type(v, d, rule->what);
    if (v->n > f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be %s with at most %" PRId64 " members, got %u", rule->what,
                             f->max, v->n);
    for (uint32_t i = 0; i < v->n; i++) {
        const struct nbx_member *m = &v->members[i];
        bool removed = m->value.type == NBX_NIL && (d->nulls || rule->nulls);
        enum nbx_err err = check_key(m->key, rule, d);
        if (!err && !removed && rule->member)
            err = rule->member(NULL, &m->value, &rule->bounds, d);
        if (err) {
            nbx_fault_prefix(d->fault, "%.*s", NBX_STR_ARG(m->key));
            return err;
        }
    }
    return NBX_OK;
}

static enum nbx_err keep_map(void *at, const struct nbx_value *v, const struct nbx_field *f,
                             const struct map_rule *rule, struct nbx_decoding *d)
{
    enum nbx_err err = check_map(v, f, rule, d);
    if (!err && at)
        *(const struct nbx_value **)at = v;
    return err;
}

static enum nbx_err attribute(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    static const struct nbx_field text = {.min = 0, .max = NBX_MAX_TEXT_BYTES};
    (void)f;
    switch (v->type) {
    case NBX_BOOL:
    case NBX_INT:
    case NBX_FLOAT: return NBX_OK;
    case NBX_STRING: return nbx_field_text(at, v, &text, d);
    case NBX_LIST: return nbx_field_ids(at, v, &(struct nbx_field){.max = NBX_MAX_CATEGORIES}, d);
    default: break;
    }
    return nbx_field_wrong_type(v, d, "a bool, a number, a string or a list of strings");
}

enum nbx_err nbx_field_any_map(void *at, const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d)
{
    static const struct map_rule rule = {.what = "a map"};
    return keep_map(at, v, f, &rule, d);
}

enum nbx_err nbx_field_attributes(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                  struct nbx_decoding *d)
{
    static const struct map_rule rule = {
        .what = "a map of attributes", .key = nbx_field_name, .member = attribute};
    return keep_map(at, v, f, &rule, d);
}

enum nbx_err nbx_field_attribute_changes(void *at, const struct nbx_value *v,
                                         const struct nbx_field *f, struct nbx_decoding *d)
{
    static const struct map_rule rule = {
        .what = "a map of attributes", .key = nbx_field_name, .member = attribute, .nulls = true};
    return keep_map(at, v, f, &rule, d);
}

enum nbx_err nbx_field_bools(void *at, const struct nbx_value *v, const struct nbx_field *f,
                             struct nbx_decoding *d)
{
    static const struct map_rule rule = {
        .what = "a map of name to true or false", .key = nbx_field_name, .member = nbx_field_bool};
    return keep_map(at, v, f, &rule, d);
}

enum nbx_err nbx_field_id_map(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    static const struct map_rule rule = {
        .what = "a map of name to string", .key = nbx_field_name, .member = nbx_field_id};
    return keep_map(at, v, f, &rule, d);
}

enum nbx_err nbx_field_counts(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    static const struct map_rule rule = {.what = "a map of store to count",
                                         .key = nbx_field_id,
                                         .member = nbx_field_int,
                                         .bounds = {.min = 0, .max = NBX_MAX_STOCK}};
    return keep_map(at, v, f, &rule, d);
}

static enum nbx_err label(void *at, const struct nbx_value *v, const struct nbx_field *f,
                          struct nbx_decoding *d)
{
    static const struct nbx_field bounds = {.min = 1, .max = NBX_MAX_NAME_BYTES};
    (void)f;
    return nbx_field_text(at, v, &bounds, d);
}

static enum nbx_err measure(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    (void)at, (void)f;
    return v->type == NBX_INT || v->type == NBX_FLOAT ? NBX_OK
                                                      : nbx_field_wrong_type(v, d, "a number");
}

enum nbx_err nbx_field_metrics(void *at, const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d)
{
    static const struct map_rule rule = {
        .what = "a map of label to number", .key = label, .member = measure};
    return keep_map(at, v, f, &rule, d);
}
