/* SPDX-License-Identifier: MIT */
#include "engine/catalog/past.h"

#include "engine/base/log.h"
#include "engine/store/key.h"

#include <stdlib.h>

#define RECORD_BYTES ((size_t)64 << 20) /* one item's */

void nbx_past_read(struct nbx_past *out, const struct nbx_catalog_home *home, uint32_t item_no)
{
    struct nbx_key key = nbx_key_item(item_no);
    *out = (struct nbx_past){0};
    enum nbx_err err =
        nbx_store_get(home->store, NBX_FAMILY_ITEMS, nbx_key_str(&key), home->scratch, &out->was);
    if (!err)
        err = nbx_item_record_decode(&out->record, &out->was, home->scratch);
    out->stored = !err;
    if (err && err != NBX_ENOTFOUND) /* not there yet: it came with this batch */
        nbx_log_warnx("item=%u past=lost reason=\"%s\"", item_no, nbx_err_status(err));
}

bool nbx_past_stays(const struct nbx_past *past, const struct nbx_value *fields)
{
    if (!past->stored)
        return false;
    const struct nbx_value *had = past->record.fields;
    return had ? nbx_value_eq(had, fields) : fields->n == 0;
}

void nbx_past_keep(const struct nbx_past *past, struct nbx_batch *batch, uint32_t item_no,
                   const struct nbx_change_time *when)
{
    struct nbx_past_item_record record = {.ended_ms = when->now_ms, .was = past->was};
    struct nbx_key key = nbx_key_past_item(item_no, when->seq);
    struct nbx_buf *buf = nbx_batch_payload(batch);
    if (!past->stored)
        return;
    nbx_past_item_record_encode(buf, &record);
    if (buf->failed) {
        nbx_log_warnx("item=%u past=lost reason=memory", item_no);
        return;
    }
    nbx_batch_put_payload(batch, NBX_FAMILY_PAST_ITEMS, nbx_key_str(&key), NBX_PAST_ITEM_RECORD);
}

void nbx_past_fini(struct nbx_items_past *past)
{
    free(past->bits);
    *past = (struct nbx_items_past){0};
}

/* Of one past record: *holds where it says what the item was when the newest change had number
 * as_of, which of an item's records that ended later is the first. */
static enum nbx_err look(struct nbx_items_past *past, uint64_t as_of, struct nbx_str key,
                         uint32_t *item_no, bool *holds)
{
    uint64_t ended;
    if (!nbx_key_past_item_parse(key, item_no, &ended) || *item_no / 64 >= past->n_words)
        return NBX_ECORRUPT;
    *holds = ended > as_of && !nbx_past_settled(past, *item_no);
    if (*holds)
        past->bits[*item_no / 64] |= UINT64_C(1) << (*item_no % 64);
    return NBX_OK;
}

/* What the reader of a past works with. */
struct reading {
    struct nbx_items_past *past;
    uint64_t as_of;
    nbx_past_take *take;
    void *context;
    struct nbx_arena *arena; /* one record's */
};

static enum nbx_err read_one(const struct reading *r, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    struct nbx_past_item_record record;
    uint32_t item_no;
    bool holds;
    enum nbx_err err = look(r->past, r->as_of, key, &item_no, &holds);
    if (err || !holds)
        return err;
    nbx_arena_reset(r->arena);
    err = nbx_past_item_record_decode(&record, stored, r->arena);
    return err ? err : r->take(r->context, item_no, &record.was);
}

static enum nbx_err read_all(const struct reading *r, const struct nbx_store *store)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, store, NBX_FAMILY_PAST_ITEMS, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = read_one(r, key, &stored);
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

enum nbx_err nbx_past_load(struct nbx_items_past *out, const struct nbx_catalog_home *home,
                           uint64_t as_of, nbx_past_take *take, void *context)
{
    size_t n_words = (size_t)nbx_ids_end(home->ids) / 64 + 1;
    *out = (struct nbx_items_past){calloc(n_words, sizeof *out->bits), n_words};
    struct reading r = {out, as_of, take, context, nbx_arena_new(RECORD_BYTES)};
    enum nbx_err err = out->bits && r.arena ? read_all(&r, home->store) : NBX_ELIMIT;
    nbx_arena_destroy(&r.arena);
    return err;
}
