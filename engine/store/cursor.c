/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/store/key.h"

#include <stdlib.h>

struct nbx_cursor {
    const struct nbx_store *store;
    rocksdb_iterator_t *it;      /* NULL: no such family here */
    rocksdb_readoptions_t *read; /* borrows the two keys below */
    struct nbx_key from, to;
    enum nbx_family family;
    bool reverse, started;
};

static void copy_key(struct nbx_key *out, struct nbx_str key)
{
    NBX_ASSERT(key.len <= sizeof out->p);
    if (key.len)
        memcpy(out->p, key.p, key.len);
    out->len = key.len;
}

enum nbx_err nbx_cursor_open(struct nbx_cursor **out, const struct nbx_store *store,
                             enum nbx_family family, struct nbx_str from, struct nbx_str to,
                             bool reverse)
{
    struct nbx_cursor *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return NBX_ELIMIT;
    copy_key(&c->from, from);
    copy_key(&c->to, to);
    c->store = store;
    c->family = family;
    c->reverse = reverse;
    c->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_total_order_seek(c->read, 1); /* past the buckets of hash memtables */
    rocksdb_readoptions_set_iterate_lower_bound(c->read, (const char *)c->from.p, c->from.len);
    if (to.len)
        rocksdb_readoptions_set_iterate_upper_bound(c->read, (const char *)c->to.p, c->to.len);
    if (store->families[family])
        c->it = rocksdb_create_iterator_cf(store->db, c->read, store->families[family]);
    return NBX_OK;
}

void nbx_cursor_close(struct nbx_cursor **cursor)
{
    if (!cursor || !*cursor)
        return;
    if ((*cursor)->it)
        rocksdb_iter_destroy((*cursor)->it);
    rocksdb_readoptions_destroy((*cursor)->read);
    free(*cursor);
    *cursor = NULL;
}

static void step(struct nbx_cursor *c)
{
    if (!c->started && c->reverse)
        rocksdb_iter_seek_to_last(c->it);
    else if (!c->started)
        rocksdb_iter_seek_to_first(c->it);
    else if (!rocksdb_iter_valid(c->it))
        return; /* at the end already; RocksDB does not take another step there */
    else if (c->reverse)
        rocksdb_iter_prev(c->it);
    else
        rocksdb_iter_next(c->it);
    c->started = true;
}

enum nbx_err nbx_cursor_next(struct nbx_cursor *cursor, struct nbx_str *key,
                             struct nbx_stored *value)
{
    if (!cursor->it)
        return NBX_ENOTFOUND;
    step(cursor);
    if (!rocksdb_iter_valid(cursor->it)) {
        char *text = NULL;
        rocksdb_iter_get_error(cursor->it, &text);
        *key = (struct nbx_str){NULL, 0};
        if (!text)
            return NBX_ENOTFOUND;
        return nbx_store__note(cursor->store,
                               nbx_store__error(text, "scan", nbx_family_name(cursor->family)));
    }
    size_t n = 0;
    const char *p = rocksdb_iter_key(cursor->it, &n);
    *key = (struct nbx_str){p, (uint32_t)n};
    p = rocksdb_iter_value(cursor->it, &n);
    enum nbx_err err = nbx_store__unframe(value, (struct nbx_str){p, (uint32_t)n});
    if (err)
        nbx_log_errorx("a value in %s fails its checksum", nbx_family_name(cursor->family));
    return nbx_store__note(cursor->store, err);
}
