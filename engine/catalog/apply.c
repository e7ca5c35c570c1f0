/* SPDX-License-Identifier: MIT */
#include "engine/catalog/apply.h"

#include "engine/base/check.h"
#include "engine/catalog/attributes.h"
#include "engine/catalog/item.h"
#include "engine/catalog/past.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

static enum nbx_err no_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "the memory for items is used up");
}

/* One change under way. */
struct step {
    struct nbx_catalog *draft;
    struct nbx_batch *batch;
    struct nbx_change_time when;
    int64_t created_ms;
    uint32_t item_no;     /* 0: not heard of yet */
    struct nbx_past past; /* what the item was */
    bool stays;           /* it is put as it already is */
    struct nbx_buf record;
};

static enum nbx_err encode(struct step *s, struct nbx_str id, const struct nbx_value *fields)
{
    s->stays = nbx_past_stays(&s->past, fields);
    struct nbx_item_record record = {.id = id,
                                     .created_ms = s->created_ms,
                                     .updated_ms = s->when.now_ms,
                                     .seq = s->stays ? s->past.record.seq : s->when.seq,
                                     .fields = fields};
    nbx_buf_clear(&s->record);
    nbx_item_record_encode(&s->record, &record);
    return s->record.failed ? NBX_ELIMIT : NBX_OK;
}

/* item.put carries the id inside its entry; the record has it beside the fields. */
static bool without_id(struct nbx_value *out, const struct nbx_value *entry,
                       struct nbx_arena *arena)
{
    *out = *entry;
    out->members = nbx_arena_calloc(arena, entry->n, sizeof *out->members);
    out->n = 0;
    for (uint32_t i = 0; out->members && i < entry->n; i++)
        if (!nbx_str_is(entry->members[i].key, "id"))
            out->members[out->n++] = entry->members[i];
    return out->members != NULL;
}

static enum nbx_err write_cells(struct step *s, struct nbx_str id, struct nbx_cell *cells)
{
    struct nbx_catalog_home *home = s->draft->home;
    cells[NBX_COL_CREATED] = (struct nbx_cell){.set = true, .i = s->created_ms};
    enum nbx_err err = s->item_no ? NBX_OK : nbx_ids_intern(home->ids, id, &s->item_no);
    return err ? err : nbx_catalog__write(s->draft, s->item_no, cells);
}

/* Everything that may fail, then the batch, which may not. */
static enum nbx_err put(struct step *s, struct nbx_change *change, const struct nbx_value *fields)
{
    struct nbx_catalog_home *home = s->draft->home;
    struct nbx_column *columns = NULL;
    struct nbx_cell *cells = NULL;
    uint32_t n_columns;
    enum nbx_err err = nbx_item_check(home, fields, &change->fault);
    if (!err)
        err = nbx_item_new_columns(&columns, &n_columns, s->draft, fields, &change->fault);
    if (err)
        return err;
    struct nbx_schema *before = s->draft->schema;
    before->shares++;
    err = nbx_catalog__widen(s->draft, columns, n_columns);
    if (err)
        no_memory(&change->fault);
    else
        err = nbx_item_cells(&cells, home, s->draft->schema, fields, &change->fault);
    if (!err) {
        err = encode(s, change->id, fields);
        err = err ? err : write_cells(s, change->id, cells);
        if (err == NBX_ELIMIT)
            no_memory(&change->fault);
        else if (err)
            nbx_fault_set(&change->fault, err, NULL,
                          err == NBX_EBUSY ? "the store is busy: send it again"
                                           : "the item could not be stored");
    }
    if (err) { /* types that only this entry would have fixed are free again */
        nbx_item_discard(cells, home->budget);
        nbx_catalog__narrow(s->draft, before, s->item_no);
        return err;
    }
    nbx_schema_release(&before);
    struct nbx_key key = nbx_key_item(s->item_no);
    nbx_attributes_store(s->batch, s->draft, nbx_value_get(fields, "attributes"));
    if (!s->stays)
        nbx_past_keep(&s->past, s->batch, s->item_no, &s->when);
    nbx_batch_put(s->batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), NBX_ITEM_RECORD,
                  (struct nbx_str){(const char *)s->record.p, (uint32_t)s->record.len});
    return NBX_OK;
}

static enum nbx_err patch(struct step *s, struct nbx_change *change,
                          const struct nbx_value *changes)
{
    struct nbx_arena *arena = s->draft->home->scratch;
    struct nbx_value old, merged;
    if (!nbx_item_fields(&old, s->draft, s->item_no, arena) ||
        !nbx_item_merge(&merged, &old, changes, arena))
        return no_memory(&change->fault);
    return put(s, change, &merged);
}

static enum nbx_err remove_item(struct step *s, struct nbx_change *change)
{
    if (nbx_catalog__erase(s->draft, s->item_no))
        return no_memory(&change->fault);
    struct nbx_key key = nbx_key_item(s->item_no);
    nbx_past_keep(&s->past, s->batch, s->item_no, &s->when);
    nbx_batch_delete(s->batch, NBX_FAMILY_ITEMS, nbx_key_str(&key));
    return NBX_OK;
}

static enum nbx_err apply(struct step *s, struct nbx_change *change)
{
    struct nbx_catalog *draft = s->draft;
    struct nbx_value fields = {.type = NBX_MAP};
    change->fault = (struct nbx_fault){.code = NBX_OK};
    nbx_arena_reset(draft->home->scratch);
    s->item_no = nbx_ids_find(draft->home->ids, change->id);
    bool present = s->item_no && nbx_catalog_has(draft, s->item_no);
    s->created_ms = present ? nbx_catalog_created_ms(draft, s->item_no) : s->when.now_ms;
    s->past = (struct nbx_past){0};
    if (present)
        nbx_past_read(&s->past, draft->home, s->item_no);
    if (change->kind != NBX_CHANGE_PUT && !present)
        return nbx_fault_set(&change->fault, NBX_ENOTFOUND, "id", "no item \"%.*s\"",
                             NBX_STR_ARG(change->id));
    if (change->kind == NBX_CHANGE_DELETE)
        return remove_item(s, change);
    if (!without_id(&fields, change->fields, draft->home->scratch))
        return no_memory(&change->fault);
    return change->kind == NBX_CHANGE_PUT ? put(s, change, &fields) : patch(s, change, &fields);
}

enum nbx_err nbx_catalog_apply(struct nbx_catalog **out, const struct nbx_catalog *old,
                               struct nbx_change *changes, size_t n, struct nbx_change_time when,
                               struct nbx_batch *batch)
{
    struct step s = {.batch = batch, .when = when};
    *out = NULL;
    enum nbx_err err = nbx_catalog__draft(&s.draft, old->home, old);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        (void)apply(&s, &changes[i]);
    nbx_buf_fini(&s.record);
    *out = s.draft;
    return NBX_OK;
}
