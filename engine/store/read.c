/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/log.h"

enum nbx_err nbx_store__note(const struct nbx_store *store, enum nbx_err err)
{
    if (err == NBX_ECORRUPT)
        atomic_store(store->damaged, true);
    return err;
}

bool nbx_store_is_damaged(const struct nbx_store *store)
{
    return atomic_load(store->damaged);
}

/* The value's frame, borrowed from *pin (which the caller destroys); NBX_ENOTFOUND. */
static enum nbx_err pin(rocksdb_pinnableslice_t **out, const struct nbx_store *store,
                        enum nbx_family family, struct nbx_str key)
{
    char *text = NULL;
    *out = NULL;
    if (!store->families[family])
        return NBX_ENOTFOUND;
    *out = rocksdb_get_pinned_cf(store->db, store->read, store->families[family], key.p, key.len,
                                 &text);
    if (text)
        return nbx_store__note(store, nbx_store__error(text, "read", nbx_family_name(family)));
    return *out ? NBX_OK : NBX_ENOTFOUND;
}

static enum nbx_err copy_out(struct nbx_stored *out, struct nbx_str frame, enum nbx_family family,
                             struct nbx_arena *arena)
{
    struct nbx_stored stored;
    if (nbx_store__unframe(&stored, frame)) {
        nbx_log_errorx("a value in %s fails its checksum", nbx_family_name(family));
        return NBX_ECORRUPT;
    }
    out->version = stored.version;
    out->payload = nbx_arena_str(arena, stored.payload);
    return out->payload.p ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_store_get(const struct nbx_store *store, enum nbx_family family,
                           struct nbx_str key, struct nbx_arena *arena, struct nbx_stored *out)
{
    rocksdb_pinnableslice_t *slice = NULL;
    enum nbx_err err = pin(&slice, store, family, key);
    if (err)
        return err;
    size_t n = 0;
    const char *p = rocksdb_pinnableslice_value(slice, &n);
    err = copy_out(out, (struct nbx_str){p, (uint32_t)n}, family, arena);
    rocksdb_pinnableslice_destroy(slice);
    return nbx_store__note(store, err);
}

bool nbx_store_has(const struct nbx_store *store, enum nbx_family family, struct nbx_str key,
                   enum nbx_err *err)
{
    rocksdb_pinnableslice_t *slice = NULL;
    *err = pin(&slice, store, family, key);
    if (*err == NBX_ENOTFOUND)
        *err = NBX_OK;
    if (slice)
        rocksdb_pinnableslice_destroy(slice);
    return slice != NULL;
}
