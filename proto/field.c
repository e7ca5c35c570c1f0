/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

#include "engine/base/utf8.h"
#include "proto/wire.h"

#include <inttypes.h>
#include <stdio.h>

/* the walk */

enum nbx_err nbx_field_no_memory(struct nbx_decoding *d)
{
    return nbx_fault_set(d->fault, NBX_ELIMIT, NULL, "needs more memory than one request may use");
}

enum nbx_err nbx_field_wrong_type(const struct nbx_value *v, struct nbx_decoding *d,
                                  const char *what)
{
    return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must be %s, got %s", what,
                         nbx_value_type_name(v->type));
}

/* The row of that name, or n where there is none. */
static uint32_t find_row(const struct nbx_field_table *table, struct nbx_str name)
{
    uint32_t i = 0;
    while (i < table->n && !nbx_str_eq(table->fields[i].name, name))
        i++;
    return i;
}

static enum nbx_err refuse_unknown(struct nbx_str key, const struct nbx_field_table *table,
                                   struct nbx_decoding *d)
{
    char known[NBX_FAULT_MESSAGE_BYTES] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < table->n && used < sizeof known; i++) {
        const struct nbx_field *f = &table->fields[i];
        if (!f->keyless || d->names_customers)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%.*s", used ? ", " : "",
                                     NBX_STR_ARG(f->name));
    }
    nbx_fault_set(d->fault, NBX_EBAD, NULL, "unknown field; the known ones are %s", known);
    nbx_fault_prefix(d->fault, "%.*s", NBX_STR_ARG(key));
    return NBX_EBAD;
}

static enum nbx_err read_member(void *out, const struct nbx_member *member,
                                const struct nbx_field *f, struct nbx_decoding *d)
{
    if (f->keyless && !d->names_customers)
        return nbx_fault_set(d->fault, NBX_EBAD, f->name.p,
                             "is taken only in an observe whose key frame is empty");
    if (d->nulls && member->value.type == NBX_NIL && !f->required)
        return NBX_OK;
    void *at = out && f->at != NBX_FIELD_NOWHERE ? (char *)out + f->at : NULL;
    enum nbx_err err = f->read(at, &member->value, f, d);
    if (err)
        nbx_fault_prefix(d->fault, "%.*s", NBX_STR_ARG(f->name));
    return err;
}

enum nbx_err nbx_field_map(void *out, const struct nbx_value *v,
                           const struct nbx_field_table *table, struct nbx_decoding *d)
{
    if (v->type != NBX_MAP)
        return nbx_field_wrong_type(v, d, "a map");
    uint64_t seen = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t row = find_row(table, v->members[i].key);
        if (row == table->n)
            return refuse_unknown(v->members[i].key, table, d);
        enum nbx_err err = read_member(out, &v->members[i], &table->fields[row], d);
        if (err)
            return err;
        seen |= UINT64_C(1) << row;
    }
    for (uint32_t row = 0; row < table->n; row++)
        if (table->fields[row].required && !(seen >> row & 1))
            return nbx_fault_set(d->fault, NBX_EBAD, table->fields[row].name.p, "is required");
    return NBX_OK;
}

enum nbx_err nbx_field_body(void *out, struct nbx_value *id, struct nbx_body body,
                            const struct nbx_field_table *table, struct nbx_decoding *d)
{
    *id = nbx_value_nil();
    struct nbx_value map;
    enum nbx_err err = nbx_wire_decode(&map, body.p, body.len, d->arena, d->fault);
    if (err)
        return err;
    if (map.type != NBX_MAP)
        return nbx_field_wrong_type(&map, d, "one map");
    const struct nbx_value *sent = nbx_value_get_str(&map, NBX_STR("id"));
    if (sent) {
        const struct nbx_field *row = &table->fields[find_row(table, NBX_STR("id"))];
        err = row->read(id, sent, row, d);
        if (err) {
            nbx_fault_prefix(d->fault, "id");
            return err;
        }
    }
    return nbx_field_map(out, &map, table, d);
}

/* numbers */

enum nbx_err nbx_field_bool(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    (void)f;
    if (v->type != NBX_BOOL)
        return nbx_field_wrong_type(v, d, "true or false");
    if (at)
        *(bool *)at = v->b;
    return NBX_OK;
}

enum nbx_err nbx_field_int(void *at, const struct nbx_value *v, const struct nbx_field *f,
                           struct nbx_decoding *d)
{
    if (v->type != NBX_INT)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be an int from %" PRId64 " to %" PRId64 ", got %s", f->min,
                             f->max, nbx_value_type_name(v->type));
    if (v->i < f->min || v->i > f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be an int from %" PRId64 " to %" PRId64 ", got %" PRId64, f->min,
                             f->max, v->i);
    if (at)
        *(int64_t *)at = v->i;
    return NBX_OK;
}

enum nbx_err nbx_field_u32(void *at, const struct nbx_value *v, const struct nbx_field *f,
                           struct nbx_decoding *d)
{
    enum nbx_err err = nbx_field_int(NULL, v, f, d);
    if (!err && at)
        *(uint32_t *)at = (uint32_t)v->i;
    return err;
}

enum nbx_err nbx_field_money(void *at, const struct nbx_value *v, const struct nbx_field *f,
                             struct nbx_decoding *d)
{
    if (v->type != NBX_INT)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be money in minor units, an integer (19.99 is 1999), got %s",
                             nbx_value_type_name(v->type));
    return nbx_field_int(at, v, f, d);
}

enum nbx_err nbx_field_number(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    if (v->type != NBX_INT && v->type != NBX_FLOAT)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a number from %" PRId64 " to %" PRId64 ", got %s", f->min,
                             f->max, nbx_value_type_name(v->type));
    double x = v->type == NBX_INT ? (double)v->i : v->f;
    if (x < (double)f->min || x > (double)f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a number from %" PRId64 " to %" PRId64 ", got %g", f->min,
                             f->max, x);
    if (at)
        *(double *)at = x;
    return NBX_OK;
}

/* texts */

enum nbx_err nbx_field_text(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    if (v->type != NBX_STRING)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a string of %" PRId64 " to %" PRId64 " bytes, got %s", f->min,
                             f->max, nbx_value_type_name(v->type));
    if (v->s.len < f->min || v->s.len > f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a string of %" PRId64 " to %" PRId64 " bytes, got %u bytes",
                             f->min, f->max, v->s.len);
    if (v->s.len && memchr(v->s.p, '\0', v->s.len))
        return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must not contain a NUL byte");
    if (at)
        *(struct nbx_str *)at = v->s;
    return NBX_OK;
}

enum nbx_err nbx_field_id(void *at, const struct nbx_value *v, const struct nbx_field *f,
                          struct nbx_decoding *d)
{
    (void)f;
    static const struct nbx_field bounds = {.min = 1, .max = NBX_ID_MAX_BYTES};
    return nbx_field_text(at, v, &bounds, d);
}

bool nbx_field_name_valid(struct nbx_str s)
{
    if (s.len < 1 || s.len > NBX_MAX_NAME_BYTES)
        return false;
    for (uint32_t i = 0; i < s.len; i++) {
        char c = s.p[i], low = (char)(c | 0x20);
        bool word = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
        if (!word && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

enum nbx_err nbx_field_name(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    (void)f;
    static const struct nbx_field bounds = {.min = 1, .max = NBX_MAX_NAME_BYTES};
    enum nbx_err err = nbx_field_text(at, v, &bounds, d);
    if (!err && !nbx_field_name_valid(v->s))
        return nbx_fault_set(d->fault, NBX_EBAD, NULL, "may have only A-Z, a-z, 0-9, _ . and -");
    return err;
}

enum nbx_err nbx_field_word(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    char known[NBX_FAULT_MESSAGE_BYTES / 2] = "";
    size_t used = 0;
    for (int i = 0; f->words[i]; i++) {
        if (v->type == NBX_STRING && nbx_str_is(v->s, f->words[i])) {
            if (at)
                *(int *)at = (int)f->min + i;
            return NBX_OK;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                 f->words[i]);
    }
    if (v->type != NBX_STRING)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must be one of %s, got %s", known,
                             nbx_value_type_name(v->type));
    return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must be one of %s, got \"%.*s\"", known,
                         NBX_STR_ARG(v->s));
}

const char *const nbx_field_acks[] = {"memory", "durable", NULL};

enum nbx_err nbx_field_currency(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                struct nbx_decoding *d)
{
    (void)f;
    bool good = v->type == NBX_STRING && v->s.len == 3;
    for (uint32_t i = 0; good && i < 3; i++)
        good = v->s.p[i] >= 'A' && v->s.p[i] <= 'Z';
    if (!good)
        return nbx_field_wrong_type(v, d, "a currency's three capital letters such as EUR");
    if (at)
        *(struct nbx_str *)at = v->s;
    return NBX_OK;
}

enum nbx_err nbx_field_decision(void *at, const struct nbx_value *v, const struct nbx_field *f,
                                struct nbx_decoding *d)
{
    (void)f;
    bool good = v->type == NBX_STRING && v->s.len == 32;
    for (uint32_t i = 0; good && i < 32; i++)
        good = (v->s.p[i] >= '0' && v->s.p[i] <= '9') || (v->s.p[i] >= 'a' && v->s.p[i] <= 'f');
    if (!good)
        return nbx_field_wrong_type(v, d, "a decision's 32 hex digits (0-9, a-f)");
    if (at)
        *(struct nbx_str *)at = v->s;
    return NBX_OK;
}

enum nbx_err nbx_field_echo(void *at, const struct nbx_value *v, const struct nbx_field *f,
                            struct nbx_decoding *d)
{
    (void)f;
    bool string = v->type == NBX_STRING && v->s.len <= NBX_ID_MAX_BYTES;
    if (v->type != NBX_INT && !string)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be an int or a string of at most %d bytes, got %s",
                             NBX_ID_MAX_BYTES,
                             v->type == NBX_STRING ? "a longer one" : nbx_value_type_name(v->type));
    if (at)
        *(struct nbx_value *)at = *v;
    return NBX_OK;
}
