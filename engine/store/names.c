/* SPDX-License-Identifier: MIT */
#include "engine/store/record.h"

#include "engine/base/check.h"

#define NAME_MAX_BYTES 255
#define LAST_NUMBER    (UINT16_MAX - 1) /* UINT16_MAX is NBX_TREND_ALL */

/* "<kind>/<name>"; with `last` the first key behind all of this kind. */
static struct nbx_key name_key(const char *kind, struct nbx_str name, bool last)
{
    struct nbx_key key = nbx_key_meta(kind);
    NBX_ASSERT(key.len + 1 + name.len <= NBX_KEY_MAX_BYTES);
    key.p[key.len++] = last ? '/' + 1 : '/';
    if (name.len)
        memcpy(key.p + key.len, name.p, name.len);
    key.len += name.len;
    return key;
}

/* Names are few and come at start-up only, so the greatest number is looked for each time. */
static enum nbx_err greatest(const struct nbx_store *store, const char *kind, uint64_t *out)
{
    struct nbx_key from = name_key(kind, NBX_STR(""), false);
    struct nbx_key to = name_key(kind, NBX_STR(""), true);
    struct nbx_cursor *cursor = NULL;
    enum nbx_err err = nbx_cursor_open(&cursor, store, NBX_FAMILY_META, nbx_key_str(&from),
                                       nbx_key_str(&to), false);
    *out = 0;
    while (!err) {
        struct nbx_str key;
        struct nbx_stored stored;
        uint64_t v = 0;
        err = nbx_cursor_next(cursor, &key, &stored);
        if (!err && stored.payload.len != sizeof v)
            err = NBX_ECORRUPT;
        if (err)
            break;
        memcpy(&v, stored.payload.p, sizeof v);
        *out = v > *out ? v : *out;
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err add_name(struct nbx_store *store, const char *kind, struct nbx_str key,
                             uint16_t *out)
{
    uint64_t used = 0;
    enum nbx_err err = greatest(store, kind, &used);
    if (!err && used >= LAST_NUMBER)
        err = NBX_ELIMIT;
    struct nbx_batch *batch = err ? NULL : nbx_batch_new();
    if (!batch)
        return err ? err : NBX_ELIMIT;
    nbx_record_u64_put(batch, NBX_FAMILY_META, key, used + 1);
    /* Unsynced: whatever uses the number is written behind it in the same log. */
    err = nbx_store_write(store, batch);
    nbx_batch_destroy(&batch);
    *out = (uint16_t)(used + 1);
    return err;
}

enum nbx_err nbx_names_intern(struct nbx_store *store, const char *kind, struct nbx_str name,
                              uint16_t *out)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return NBX_EBAD;
    struct nbx_key key = name_key(kind, name, false);
    struct nbx_arena *arena = nbx_arena_new(1024);
    if (!arena)
        return NBX_ELIMIT;
    uint64_t v = 0;
    enum nbx_err err = nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), arena, &v);
    nbx_arena_destroy(&arena);
    if (err == NBX_ENOTFOUND)
        return add_name(store, kind, nbx_key_str(&key), out);
    if (!err && (v == 0 || v > LAST_NUMBER))
        return NBX_ECORRUPT;
    *out = (uint16_t)v;
    return err;
}
