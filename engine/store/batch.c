/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <stdlib.h>

/* A batch does not know its store, and RocksDB's batch needs the store's family handles: changes
 * wait here as kind, family, length of a, length of b, a, b; nbx_store_write plays them. */

struct nbx_batch *nbx_batch_new(void)
{
    struct nbx_batch *batch = calloc(1, sizeof *batch);
    if (batch)
        batch->out = rocksdb_writebatch_create();
    return batch;
}

void nbx_batch_destroy(struct nbx_batch **batch)
{
    if (!batch || !*batch)
        return;
    rocksdb_writebatch_destroy((*batch)->out);
    nbx_buf_fini(&(*batch)->ops);
    nbx_buf_fini(&(*batch)->payload);
    free(*batch);
    *batch = NULL;
}

void nbx_batch_clear(struct nbx_batch *batch)
{
    nbx_buf_clear(&batch->ops);
    batch->n = 0;
}

size_t nbx_batch_count(const struct nbx_batch *batch)
{
    return batch->n;
}

struct nbx_buf *nbx_batch_payload(struct nbx_batch *batch)
{
    nbx_buf_clear(&batch->payload);
    return &batch->payload;
}

static void begin(struct nbx_batch *batch, enum nbx_store__change_kind kind, enum nbx_family family,
                  struct nbx_str a, uint32_t b_len)
{
    NBX_ASSERT((unsigned)family < NBX_N_FAMILIES);
    nbx_buf_put_u8(&batch->ops, (uint8_t)kind);
    nbx_buf_put_u8(&batch->ops, (uint8_t)family);
    nbx_buf_put_u32le(&batch->ops, a.len);
    nbx_buf_put_u32le(&batch->ops, b_len);
    nbx_buf_put(&batch->ops, a.p, a.len);
    batch->n++;
}

void nbx_batch_put(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                   uint8_t version, struct nbx_str payload)
{
    NBX_ASSERT(payload.len <= UINT32_MAX - NBX_FRAME_BYTES);
    begin(batch, NBX_STORE_PUT, family, key, payload.len + NBX_FRAME_BYTES);
    nbx_store__frame(&batch->ops, version, payload);
}

void nbx_batch_put_payload(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                           uint8_t version)
{
    NBX_ASSERT(!batch->payload.failed);
    nbx_batch_put(batch, family, key, version,
                  (struct nbx_str){(const char *)batch->payload.p, (uint32_t)batch->payload.len});
}

void nbx_batch_delete(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key)
{
    begin(batch, NBX_STORE_DELETE, family, key, 0);
}

void nbx_batch_delete_range(struct nbx_batch *batch, enum nbx_family family, struct nbx_str from,
                            struct nbx_str to)
{
    if (nbx_str_cmp(from, to) >= 0)
        return; /* nothing lies between; RocksDB would refuse the whole batch */
    begin(batch, NBX_STORE_DELETE_RANGE, family, from, to.len);
    nbx_buf_put(&batch->ops, to.p, to.len);
}

void nbx_batch_add(struct nbx_batch *batch, struct nbx_str key, int64_t delta)
{
    struct nbx_buf frame = {0};
    nbx_store__count_frame(&frame, delta);
    begin(batch, NBX_STORE_ADD, NBX_FAMILY_TRENDS, key, (uint32_t)frame.len);
    nbx_buf_put(&batch->ops, frame.p, frame.len);
    batch->ops.failed |= frame.failed;
    nbx_buf_fini(&frame);
}

bool nbx_store__next_change(struct nbx_reader *r, struct nbx_store__change *out)
{
    if (r->p >= r->end)
        return false;
    out->kind = (enum nbx_store__change_kind)nbx_read_u8(r);
    out->family = (enum nbx_family)nbx_read_u8(r);
    uint32_t a_len = nbx_read_u32le(r), b_len = nbx_read_u32le(r);
    out->a = nbx_read_bytes(r, a_len);
    out->b = nbx_read_bytes(r, b_len);
    NBX_ASSERT(!r->failed);
    return true;
}

static void play(rocksdb_writebatch_t *out, const struct nbx_store__change *c,
                 rocksdb_column_family_handle_t *family)
{
    switch (c->kind) {
    case NBX_STORE_PUT:
        rocksdb_writebatch_put_cf(out, family, c->a.p, c->a.len, c->b.p, c->b.len);
        break;
    case NBX_STORE_DELETE: rocksdb_writebatch_delete_cf(out, family, c->a.p, c->a.len); break;
    case NBX_STORE_DELETE_RANGE:
        rocksdb_writebatch_delete_range_cf(out, family, c->a.p, c->a.len, c->b.p, c->b.len);
        break;
    case NBX_STORE_ADD:
        rocksdb_writebatch_merge_cf(out, family, c->a.p, c->a.len, c->b.p, c->b.len);
        break;
    }
}

enum nbx_err nbx_store_write(struct nbx_store *store, struct nbx_batch *batch)
{
    if (batch->ops.failed) {
        nbx_log_errorx("no memory for a batch of %zu changes", batch->n);
        return NBX_ELIMIT;
    }
    if (batch->n == 0)
        return NBX_OK;
    if (nbx_store__is_full(store))
        return NBX_ESTORAGE;
    rocksdb_writebatch_clear(batch->out);
    struct nbx_reader r = nbx_reader_of(batch->ops.p, batch->ops.len);
    struct nbx_store__change change;
    while (nbx_store__next_change(&r, &change))
        play(batch->out, &change, store->families[change.family]);
    char *text = NULL;
    rocksdb_write(store->db, store->write, batch->out, &text);
    return text ? nbx_store__note(store, nbx_store__error(text, "write to", store->dir)) : NBX_OK;
}

enum nbx_err nbx_store_sync(struct nbx_store *store)
{
    char *text = NULL;
    struct nbx_store__sure sure;
    nbx_store__before_sync(store, &sure);
    rocksdb_flush_wal(store->db, 1, &text);
    if (text)
        return nbx_store__error(text, "sync the log of", store->dir);
    nbx_store__acknowledge(store, &sure);
    return NBX_OK;
}
