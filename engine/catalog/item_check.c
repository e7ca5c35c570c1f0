/* SPDX-License-Identifier: MIT */
#include "engine/catalog/item.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {"product", "service", "content", "offer", "event", "reward"};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static enum nbx_err check_kind(const struct nbx_value *kind, struct nbx_fault *fault)
{
    if (!kind)
        return NBX_OK;
    for (size_t i = 0; i < N_KINDS; i++)
        if (nbx_str_is(kind->s, kinds[i]))
            return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, "kind",
                         "unknown kind \"%.*s\"; known: product, service, content, offer, event, "
                         "reward",
                         NBX_STR_ARG(kind->s));
}

static bool knows_channel(const struct nbx_catalog_home *home, struct nbx_str name)
{
    for (size_t i = 0; i < home->n_channels; i++)
        if (nbx_str_eq(home->channels[i], name))
            return true;
    return false;
}

static enum nbx_err unknown_channel(const struct nbx_catalog_home *home, struct nbx_str name,
                                    uint32_t index, struct nbx_fault *fault)
{
    struct nbx_buf known = {0};
    for (size_t i = 0; i < home->n_channels; i++)
        nbx_buf_printf(&known, "%s%.*s", i ? ", " : "", NBX_STR_ARG(home->channels[i]));
    char field[32];
    snprintf(field, sizeof field, "channels[%u]", index);
    nbx_fault_set(fault, NBX_EBAD, field, "unknown channel \"%.*s\"; known: %.*s",
                  NBX_STR_ARG(name), known.len ? (int)known.len : 4,
                  known.len ? (const char *)known.p : "none");
    nbx_buf_fini(&known);
    return NBX_EBAD;
}

static enum nbx_err check_channels(const struct nbx_catalog_home *home,
                                   const struct nbx_value *channels, struct nbx_fault *fault)
{
    for (uint32_t i = 0; channels && i < channels->n; i++)
        if (!knows_channel(home, channels->list[i].s))
            return unknown_channel(home, channels->list[i].s, i, fault);
    return NBX_OK;
}

static enum nbx_err check_currency(const struct nbx_catalog_home *home,
                                   const struct nbx_value *currency, struct nbx_fault *fault)
{
    if (!currency || nbx_str_eq(currency->s, home->currency))
        return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, "currency", "money here is in %.*s, got %.*s",
                         NBX_STR_ARG(home->currency), NBX_STR_ARG(currency->s));
}

static enum nbx_err check_validity(const struct nbx_value *fields, struct nbx_fault *fault)
{
    const struct nbx_value *from = nbx_value_get(fields, "valid_from");
    const struct nbx_value *to = nbx_value_get(fields, "valid_to");
    if (!from || !to || from->i <= to->i)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, "valid_to",
                         "must not lie before valid_from (%" PRId64 "), got %" PRId64, from->i,
                         to->i);
}

enum nbx_err nbx_item_check(const struct nbx_catalog_home *home, const struct nbx_value *fields,
                            struct nbx_fault *fault)
{
    enum nbx_err err = check_kind(nbx_value_get(fields, "kind"), fault);
    if (!err)
        err = check_channels(home, nbx_value_get(fields, "channels"), fault);
    if (!err)
        err = check_currency(home, nbx_value_get(fields, "currency"), fault);
    return err ? err : check_validity(fields, fault);
}

/* What a value's first write fixes. */
static bool type_of(const struct nbx_value *v, enum nbx_column_type *out)
{
    switch (v->type) {
    case NBX_STRING: *out = NBX_COLUMN_STRING; return true;
    case NBX_LIST: *out = NBX_COLUMN_STRINGS; return true;
    case NBX_INT: *out = NBX_COLUMN_INT; return true;
    case NBX_FLOAT: *out = NBX_COLUMN_FLOAT; return true;
    case NBX_BOOL: *out = NBX_COLUMN_BOOL; return true;
    default: return false;
    }
}

static enum nbx_err check_attribute(const struct nbx_schema *schema, const struct nbx_member *m,
                                    enum nbx_column_type *type, struct nbx_fault *fault)
{
    struct nbx_str name = m->key;
    uint32_t column = nbx_schema_find(schema, name);
    enum nbx_err err = NBX_OK;
    if (!type_of(&m->value, type) || column == NBX_COL_ID || column < NBX_N_BUILT_IN)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "must be an attribute, got %s",
                            nbx_value_type_name(m->value.type));
    else if (!name.len || name.len > NBX_MAX_NAME_BYTES)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "a name has 1 to %d bytes", NBX_MAX_NAME_BYTES);
    else if (*type == NBX_COLUMN_INT && m->value.i == NBX_INT_MISSING)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "must be above %" PRId64, NBX_INT_MISSING);
    else if (column != NBX_COL_NONE && schema->columns[column].type != *type &&
             !(schema->columns[column].type == NBX_COLUMN_FLOAT && *type == NBX_COLUMN_INT))
        err = nbx_fault_set(fault, NBX_ECONFLICT, NULL, "attribute \"%.*s\" holds %s, got %s",
                            NBX_STR_ARG(name), nbx_column_type_name(schema->columns[column].type),
                            nbx_column_type_name(*type));
    if (err)
        nbx_fault_prefix(fault, "attributes.%.*s", NBX_STR_ARG(name));
    return err;
}

enum nbx_err nbx_item_new_columns(struct nbx_column **out, uint32_t *n, const struct nbx_catalog *c,
                                  const struct nbx_value *fields, struct nbx_fault *fault)
{
    *n = 0;
    const struct nbx_value *attributes = nbx_value_get(fields, "attributes");
    uint32_t most = attributes ? attributes->n : 0;
    *out = nbx_arena_calloc(c->home->scratch, most, sizeof **out);
    if (!*out)
        return nbx_fault_set(fault, NBX_ELIMIT, "attributes", "out of memory");
    for (uint32_t i = 0; i < most; i++) {
        const struct nbx_member *m = &attributes->members[i];
        enum nbx_column_type type = NBX_COLUMN_STRING;
        uint32_t code;
        if (m->value.type == NBX_NIL)
            continue;
        enum nbx_err err = check_attribute(c->schema, m, &type, fault);
        if (err)
            return err;
        if (nbx_schema_find(c->schema, m->key) != NBX_COL_NONE)
            continue;
        if (c->schema->n + *n >= NBX_MAX_COLUMNS)
            return nbx_fault_set(fault, NBX_ELIMIT, "attributes",
                                 "no room for attribute \"%.*s\": there are %d already",
                                 NBX_STR_ARG(m->key), NBX_MAX_COLUMNS - NBX_N_BUILT_IN);
        if (nbx_words_add(c->home->words, m->key, &code))
            return nbx_fault_set(fault, NBX_ELIMIT, "attributes", "out of memory");
        (*out)[(*n)++] =
            (struct nbx_column){.name = nbx_words_text(c->home->words, code), .type = type};
    }
    return NBX_OK;
}
