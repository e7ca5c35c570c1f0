/* SPDX-License-Identifier: MIT */
#include "engine/catalog/catalog.h"

#include "engine/base/check.h"
#include "engine/catalog/apply.h"
#include "engine/catalog/attributes.h"
#include "engine/catalog/item.h"
#include "engine/catalog/past.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <stdlib.h>

#define SETTINGS_BYTES (1u << 20)
#define SCRATCH_BYTES  (64u << 20) /* one item and what a patch makes of it */

static void home_destroy(struct nbx_catalog_home *home)
{
    nbx_words_destroy(&home->words);
    nbx_arena_destroy(&home->settings);
    nbx_arena_destroy(&home->scratch);
    free(home);
}

static bool copy_settings(struct nbx_catalog_home *home, const struct nbx_catalog_options *options)
{
    home->currency = nbx_arena_str(home->settings, options->currency);
    home->n_channels = options->n_channels;
    home->channels = nbx_arena_calloc(home->settings, options->n_channels, sizeof *home->channels);
    bool copied = home->currency.p && home->channels;
    for (size_t i = 0; copied && i < options->n_channels; i++) {
        home->channels[i] = nbx_arena_str(home->settings, options->channels[i]);
        copied = home->channels[i].p != NULL;
    }
    return copied;
}

static struct nbx_catalog_home *home_new(struct nbx_ids *ids, struct nbx_store *store,
                                         struct nbx_budget *budget,
                                         const struct nbx_catalog_options *options)
{
    struct nbx_catalog_home *home = calloc(1, sizeof *home);
    if (!home)
        return NULL;
    home->ids = ids;
    home->store = store;
    home->budget = budget;
    home->settings = nbx_arena_new(SETTINGS_BYTES);
    home->scratch = nbx_arena_new(SCRATCH_BYTES);
    if (!home->settings || !home->scratch || nbx_words_new(&home->words, budget) ||
        !copy_settings(home, options)) {
        home_destroy(home);
        return NULL;
    }
    return home;
}

/* A catalogue being read. */
struct loading {
    struct nbx_catalog *draft;
    const uint64_t *as_of; /* NULL: now */
    struct nbx_fault *fault;
};

static enum nbx_err load_item(void *context, uint32_t item_no, const struct nbx_stored *stored)
{
    static const struct nbx_value no_fields = {.type = NBX_MAP};
    const struct loading *l = context;
    struct nbx_catalog *draft = l->draft;
    struct nbx_fault *fault = l->fault;
    struct nbx_catalog_home *home = draft->home;
    struct nbx_item_record record;
    struct nbx_column *columns;
    struct nbx_cell *cells = NULL;
    uint32_t n;
    nbx_arena_reset(home->scratch);
    enum nbx_err err = nbx_item_record_decode(&record, stored, home->scratch);
    if (err)
        return nbx_fault_set(fault, err, NULL, "its record cannot be read");
    if (!item_no || item_no >= nbx_ids_end(home->ids))
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "its id is not known");
    if (l->as_of && record.seq > *l->as_of)
        return NBX_OK; /* it came later */
    const struct nbx_value *fields = record.fields ? record.fields : &no_fields;
    err = nbx_item_new_columns(&columns, &n, draft, fields, fault);
    if (!err && nbx_catalog__widen(draft, columns, n))
        err = NBX_ELIMIT;
    if (!err)
        err = nbx_item_cells(&cells, home, draft->schema, fields, fault);
    if (!err) {
        cells[NBX_COL_CREATED] = (struct nbx_cell){.set = true, .i = record.created_ms};
        err = nbx_catalog__write(draft, item_no, cells);
        if (err)
            nbx_fault_set(fault, err, NULL, "the memory for items is used up");
    }
    if (err)
        nbx_item_discard(cells, home->budget);
    return err;
}

static enum nbx_err load_present(struct loading *l, const struct nbx_items_past *past)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str from = {0}, key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, l->draft->home->store, NBX_FAMILY_ITEMS, from, from, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        uint32_t item_no = 0;
        if (!nbx_key_item_parse(key, &item_no))
            err = nbx_fault_set(l->fault, NBX_ECORRUPT, NULL, "its key makes no sense");
        else if (!nbx_past_settled(past, item_no))
            err = load_item(l, item_no, &stored);
        if (err)
            nbx_fault_prefix(l->fault, "items[%u]", item_no);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err load_items(struct loading *l)
{
    struct nbx_items_past past = {0};
    enum nbx_err err = NBX_OK;
    if (l->as_of)
        err = nbx_past_load(&past, l->draft->home, *l->as_of, load_item, l);
    if (!err)
        err = load_present(l, &past);
    nbx_past_fini(&past);
    return err && !l->fault->message[0]
               ? nbx_fault_set(l->fault, err, "items", "the store cannot be read")
               : err;
}

enum nbx_err nbx_catalog_load(struct nbx_catalog **out, struct nbx_ids *ids,
                              struct nbx_store *store, struct nbx_budget *budget,
                              const struct nbx_catalog_options *options, struct nbx_fault *fault)
{
    struct nbx_fault unwanted;
    fault = fault ? fault : &unwanted;
    *fault = (struct nbx_fault){.code = NBX_OK};
    *out = NULL;
    struct nbx_catalog_home *home = home_new(ids, store, budget, options);
    if (!home)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "the memory for items is used up");
    struct nbx_catalog *c = NULL;
    if (nbx_catalog__draft(&c, home, NULL)) {
        home_destroy(home);
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    }
    enum nbx_err err = nbx_attributes_load(c, options->attribute_types, fault);
    if (!err)
        err = load_items(&(struct loading){c, options->as_of, fault});
    if (err)
        nbx_catalog_release(&c);
    *out = c;
    return err;
}

struct nbx_catalog *nbx_catalog_share(struct nbx_catalog *c)
{
    c->users++;
    return c;
}

void nbx_catalog_release(struct nbx_catalog **catalog)
{
    struct nbx_catalog *c = catalog ? *catalog : NULL;
    if (!c)
        return;
    *catalog = NULL;
    if (--c->users > 0)
        return;
    struct nbx_catalog_home *home = c->home;
    for (size_t i = 0; i < c->n_chunks; i++)
        nbx_chunk_release(&c->chunks[i], home->budget);
    nbx_schema_release(&c->schema);
    free(c->chunks);
    free(c);
    if (--home->n_snapshots == 0)
        home_destroy(home);
}

size_t nbx_catalog_rows(const struct nbx_catalog *c)
{
    return c->rows;
}

size_t nbx_catalog_count(const struct nbx_catalog *c)
{
    return c->n_items;
}

uint64_t nbx_catalog_generation(const struct nbx_catalog *c)
{
    return c->generation;
}

uint64_t nbx_catalog_vectors_generation(const struct nbx_catalog *c)
{
    return c->vectors_generation;
}

bool nbx_catalog_has(const struct nbx_catalog *c, uint32_t item_no)
{
    uint32_t row;
    return nbx_catalog__find(c, item_no, &row) != NULL;
}

uint32_t nbx_catalog_group(const struct nbx_catalog *c, uint32_t item_no)
{
    uint32_t row;
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    const struct nbx_segment *s = chunk ? nbx_chunk_segment(chunk, NBX_COL_GROUP) : NULL;
    return s ? nbx_segment_codes(s)[row] : 0;
}

int64_t nbx_catalog_created_ms(const struct nbx_catalog *c, uint32_t item_no)
{
    uint32_t row;
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    const struct nbx_segment *s = chunk ? nbx_chunk_segment(chunk, NBX_COL_CREATED) : NULL;
    return s ? nbx_segment_ints(s)[row] : 0;
}

int nbx_catalog_tie(const void *catalog, uint32_t item_no_a, uint32_t item_no_b)
{
    const struct nbx_catalog *c = catalog;
    return nbx_str_cmp(nbx_ids_name(c->home->ids, item_no_a),
                       nbx_ids_name(c->home->ids, item_no_b));
}

struct nbx_vector nbx_catalog_vector(const struct nbx_catalog *c, uint32_t item_no)
{
    uint32_t row;
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    const struct nbx_segment *s = chunk ? nbx_chunk_segment(chunk, NBX_COL_VECTOR) : NULL;
    const struct nbx_own_vector *v = s ? nbx_segment_vectors(s)[row] : NULL;
    return v ? (struct nbx_vector){.p = v->p, .n = v->n, .space = v->space}
             : (struct nbx_vector){0};
}

/* The vector of a row of a chunk that may be missing. Snapshots share it while it does not change.
 */
static const struct nbx_own_vector *vector_at(const struct nbx_chunk *chunk, uint32_t row)
{
    const struct nbx_segment *s = chunk ? nbx_chunk_segment(chunk, NBX_COL_VECTOR) : NULL;
    return s && nbx_chunk_has(chunk, row) ? nbx_segment_vectors(s)[row] : NULL;
}

size_t nbx_catalog_vectors_changed(const struct nbx_catalog *old, const struct nbx_catalog *c,
                                   uint32_t *item_nos, size_t room)
{
    size_t n = 0, n_old = old ? old->n_chunks : 0;
    for (size_t at = 0; at < c->n_chunks || at < n_old; at++) {
        const struct nbx_chunk *before = at < n_old ? old->chunks[at] : NULL;
        const struct nbx_chunk *now = at < c->n_chunks ? c->chunks[at] : NULL;
        for (uint32_t row = 0; before != now && row < NBX_CHUNK_ITEMS; row++) {
            if (vector_at(before, row) == vector_at(now, row))
                continue;
            if (n < room)
                item_nos[n] = (uint32_t)(at * NBX_CHUNK_ITEMS + row);
            n++;
        }
    }
    return n;
}

bool nbx_catalog_knows_field(const struct nbx_catalog *c, struct nbx_str field)
{
    return nbx_schema_find(c->schema, field) != NBX_COL_NONE;
}

void nbx_catalog_list_fields(const struct nbx_catalog *c, struct nbx_buf *out)
{
    nbx_schema_list(c->schema, out);
}

struct nbx_value nbx_catalog_field(const struct nbx_catalog *c, uint32_t item_no,
                                   struct nbx_str field, struct nbx_arena *arena)
{
    uint32_t row, column = nbx_schema_find(c->schema, field);
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    if (!chunk || column == NBX_COL_NONE)
        return nbx_value_nil();
    if (column == NBX_COL_ID)
        return nbx_value_string(nbx_ids_name(c->home->ids, item_no));
    return nbx_item_value(c, chunk, column, row, arena);
}

bool nbx_catalog_item(struct nbx_value *out, const struct nbx_catalog *c, uint32_t item_no,
                      struct nbx_arena *arena)
{
    return nbx_item_fields(out, c, item_no, arena);
}
