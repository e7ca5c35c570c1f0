/* SPDX-License-Identifier: MIT */
#include "engine/catalog/attributes.h"

#include "engine/catalog/apply.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <stdio.h>

#define TYPE_RECORD 1 /* of nbx_record_u64_put; see stored_types */
#define PREFIX      "attribute/"
#define BEHIND      "attribute0" /* the first key behind all that begin with PREFIX */

/* The number that stands in the store for each type; never changed. */
static const uint64_t stored_types[] = {
    [NBX_COLUMN_STRING] = 1, [NBX_COLUMN_STRINGS] = 2, [NBX_COLUMN_INT] = 3,
    [NBX_COLUMN_FLOAT] = 4,  [NBX_COLUMN_BOOL] = 5,
};
#define N_STORED_TYPES (sizeof stored_types / sizeof *stored_types)

static struct nbx_key key_of(struct nbx_str name)
{
    char text[sizeof PREFIX + NBX_MAX_NAME_BYTES];
    snprintf(text, sizeof text, PREFIX "%.*s", NBX_STR_ARG(name));
    return nbx_key_meta(text);
}

/* A schema that others see is never changed. Without memory for a copy the type is stored again
 * by the next write, which does no harm. */
static void mark_stored(struct nbx_catalog *draft, uint32_t column)
{
    if (draft->schema->shares > 1) {
        struct nbx_schema *copy = NULL;
        if (nbx_schema_extend(&copy, draft->schema, NULL, 0))
            return;
        nbx_schema_release(&draft->schema);
        draft->schema = copy;
    }
    draft->schema->columns[column].stored = true;
}

void nbx_attributes_store(struct nbx_batch *batch, struct nbx_catalog *draft,
                          const struct nbx_value *attributes)
{
    for (uint32_t i = 0; attributes && i < attributes->n; i++) {
        uint32_t at = nbx_schema_find(draft->schema, attributes->members[i].key);
        if (at >= draft->schema->n || draft->schema->columns[at].stored)
            continue;
        const struct nbx_column *column = &draft->schema->columns[at];
        struct nbx_key key = key_of(column->name);
        nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&key), stored_types[column->type]);
        mark_stored(draft, at);
    }
}

static enum nbx_err read_stored(struct nbx_column *out, struct nbx_catalog_home *home,
                                struct nbx_str key, const struct nbx_stored *stored)
{
    if (stored->version > TYPE_RECORD)
        return NBX_EVERSION;
    uint32_t skip = sizeof PREFIX - 1, code;
    struct nbx_reader r = nbx_reader_of(stored->payload.p, stored->payload.len);
    uint64_t number = nbx_read_u64le(&r);
    size_t type = 0;
    while (type < N_STORED_TYPES && stored_types[type] != number)
        type++;
    if (type == N_STORED_TYPES || r.failed || r.p != r.end || key.len <= skip)
        return NBX_ECORRUPT;
    out->type = (enum nbx_column_type)type;
    if (nbx_words_add(home->words, (struct nbx_str){key.p + skip, key.len - skip}, &code))
        return NBX_ELIMIT;
    out->name = nbx_words_text(home->words, code);
    out->stored = true;
    return NBX_OK;
}

static enum nbx_err read_all_stored(struct nbx_column *columns, uint32_t *n,
                                    struct nbx_catalog_home *home)
{
    struct nbx_key from = nbx_key_meta(PREFIX), to = nbx_key_meta(BEHIND);
    struct nbx_cursor *cursor = NULL;
    struct nbx_stored stored;
    struct nbx_str key;
    enum nbx_err err = nbx_cursor_open(&cursor, home->store, NBX_FAMILY_META, nbx_key_str(&from),
                                       nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = *n == NBX_MAX_COLUMNS ? NBX_ECORRUPT
                                    : read_stored(&columns[(*n)++], home, key, &stored);
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static struct nbx_column *find(struct nbx_column *columns, uint32_t n, struct nbx_str name)
{
    for (uint32_t i = 0; i < n; i++)
        if (nbx_str_eq(columns[i].name, name))
            return &columns[i];
    return NULL;
}

static enum nbx_err refuse(enum nbx_err code, struct nbx_str name, struct nbx_fault *fault)
{
    fault->code = code;
    nbx_fault_prefix(fault, "attributes.%.*s", NBX_STR_ARG(name));
    return code;
}

static enum nbx_err configure(struct nbx_column *columns, uint32_t *n,
                              struct nbx_catalog_home *home, const struct nbx_member *m,
                              struct nbx_fault *fault)
{
    enum nbx_column_type type;
    uint32_t code;
    if (m->value.type != NBX_STRING || !nbx_column_type_parse(m->value.s, &type)) {
        nbx_fault_set(fault, NBX_EBAD, NULL, "an attribute is string, strings, int, float or bool");
        return refuse(NBX_EBAD, m->key, fault);
    }
    struct nbx_column *known = find(columns, *n, m->key);
    if (known && known->type != type &&
        !(known->type == NBX_COLUMN_INT && type == NBX_COLUMN_FLOAT)) {
        nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                      "attribute \"%.*s\" is configured as %s, but its stored values are %s",
                      NBX_STR_ARG(m->key), nbx_column_type_name(type),
                      nbx_column_type_name(known->type));
        return refuse(NBX_ECONFLICT, m->key, fault);
    }
    if (known) {
        known->stored = known->type == type;
        known->type = type;
        return NBX_OK;
    }
    if (*n == NBX_MAX_COLUMNS || nbx_words_add(home->words, m->key, &code))
        return nbx_fault_set(fault, NBX_ELIMIT, "attributes", "too many attributes");
    columns[(*n)++] = (struct nbx_column){.name = nbx_words_text(home->words, code), .type = type};
    return NBX_OK;
}

static bool is_reserved(const struct nbx_catalog *draft, struct nbx_str name)
{
    return nbx_schema_find(draft->schema, name) != NBX_COL_NONE || !name.len ||
           name.len > NBX_MAX_NAME_BYTES;
}

enum nbx_err nbx_attributes_load(struct nbx_catalog *draft, const struct nbx_value *configured,
                                 struct nbx_fault *fault)
{
    struct nbx_column columns[NBX_MAX_COLUMNS];
    uint32_t n = 0;
    enum nbx_err err = read_all_stored(columns, &n, draft->home);
    if (err)
        return nbx_fault_set(fault, err, "attributes", "the stored types cannot be read");
    for (uint32_t i = 0; !err && configured && i < configured->n; i++) {
        const struct nbx_member *m = &configured->members[i];
        if (is_reserved(draft, m->key))
            return nbx_fault_set(fault, NBX_EBAD, "attributes", "\"%.*s\" cannot be an attribute",
                                 NBX_STR_ARG(m->key));
        err = configure(columns, &n, draft->home, m, fault);
    }
    if (!err && nbx_catalog__widen(draft, columns, n))
        err = nbx_fault_set(fault, NBX_ELIMIT, "attributes", "there may be at most %d",
                            NBX_MAX_COLUMNS - NBX_N_BUILT_IN);
    return err;
}
