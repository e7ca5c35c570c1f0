/* SPDX-License-Identifier: MIT */
#include "engine/conf/raw.h"

#include "engine/base/check.h"

#include <cyaml/cyaml.h>
#include <stdlib.h>

#define MAX_RECORD_ROWS 8

struct conf_raw {
    struct conf_cell *cells; /* (nbx_conf__top.n); NULL: an empty document */
    cyaml_schema_value_t top;
    cyaml_schema_field_t fields[NBX_CONF_MAX_KEYS + 1];
    /* Per top row that is a list of records: its entry and that entry's fields. */
    cyaml_schema_value_t entries[NBX_CONF_MAX_KEYS];
    cyaml_schema_field_t entry_fields[NBX_CONF_MAX_KEYS][MAX_RECORD_ROWS + 1];
};

/* Anything we check ourselves is optional here, unknown keys are told by doc.c. */
static const cyaml_config_t config = {
    .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_IGNORE_UNKNOWN_KEYS};

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static void make_text_field(cyaml_schema_field_t *field, const struct conf_row *row, size_t i)
{
    field->key = row->name;
    field->data_offset = (uint32_t)(i * sizeof(struct conf_cell));
    field->value = text_schema;
    field->value.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;
}

static void make_entry(struct conf_raw *raw, const struct conf_row *row, size_t i)
{
    const struct conf_record *record = row->record;
    NBX_ASSERT(record->n <= MAX_RECORD_ROWS);
    for (size_t j = 0; j < record->n; j++)
        make_text_field(&raw->entry_fields[i][j], &record->rows[j], j);
    raw->entries[i].type = CYAML_MAPPING;
    raw->entries[i].flags = CYAML_FLAG_DEFAULT;
    raw->entries[i].data_size = (uint32_t)(record->n * sizeof(struct conf_cell));
    raw->entries[i].mapping.fields = raw->entry_fields[i];
}

static void make_field(struct conf_raw *raw, size_t i)
{
    const struct conf_row *row = &nbx_conf__top.rows[i];
    cyaml_schema_field_t *field = &raw->fields[i];
    make_text_field(field, row, i);
    if (row->type != CONF_TEXTS && row->type != CONF_RECORDS)
        return;
    field->count_offset = field->data_offset + (uint32_t)offsetof(struct conf_cell, n);
    field->count_size = sizeof(unsigned);
    field->value.type = CYAML_SEQUENCE;
    field->value.sequence.min = (uint32_t)row->min;
    field->value.sequence.max = (uint32_t)row->max;
    field->value.data_size = sizeof(char *);
    field->value.sequence.entry = &text_schema;
    if (row->type == CONF_RECORDS) {
        make_entry(raw, row, i);
        field->value.data_size = raw->entries[i].data_size;
        field->value.sequence.entry = &raw->entries[i];
    }
}

enum nbx_err nbx_conf__raw_load(struct conf_raw **out, const char *text, size_t len,
                                const char **reason)
{
    struct conf_raw *raw = calloc(1, sizeof *raw);
    *out = raw;
    if (!raw)
        return NBX_ELIMIT;
    for (size_t i = 0; i < nbx_conf__top.n; i++)
        make_field(raw, i);
    raw->top.type = CYAML_MAPPING;
    raw->top.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;
    raw->top.data_size = (uint32_t)(nbx_conf__top.n * sizeof(struct conf_cell));
    raw->top.mapping.fields = raw->fields;
    cyaml_data_t *data = NULL;
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, len, &config, &raw->top, &data, NULL);
    raw->cells = data;
    if (err == CYAML_OK)
        return NBX_OK;
    *reason = cyaml_strerror(err);
    nbx_conf__raw_destroy(out);
    return err == CYAML_ERR_OOM ? NBX_ELIMIT : NBX_EBAD;
}

void nbx_conf__raw_destroy(struct conf_raw **raw)
{
    if (!*raw)
        return;
    cyaml_free(&config, &(*raw)->top, (*raw)->cells, 0);
    free(*raw);
    *raw = NULL;
}

const struct conf_cell *nbx_conf__raw_cell(const struct conf_raw *raw, size_t i)
{
    static const struct conf_cell nothing;
    return raw->cells ? &raw->cells[i] : &nothing;
}
