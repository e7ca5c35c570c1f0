/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

enum nbx_err nbx_store_checkpoint(struct nbx_store *store, const char *dir, uint64_t *changes)
{
    char *text = NULL;
    *changes = rocksdb_get_latest_sequence_number(store->db);
    enum nbx_err err = nbx_store_sync(store);
    if (err)
        return err;
    rocksdb_checkpoint_t *checkpoint = rocksdb_checkpoint_object_create(store->db, &text);
    if (!text)
        rocksdb_checkpoint_create(checkpoint, dir, UINT64_MAX,
                                  &text); /* memtables stay: no flush */
    if (checkpoint)
        rocksdb_checkpoint_object_destroy(checkpoint);
    return text ? nbx_store__error(text, "make a checkpoint in", dir) : NBX_OK;
}
