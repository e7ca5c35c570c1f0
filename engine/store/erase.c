/* SPDX-License-Identifier: MIT
 * What was deleted leaves the files too.
 *
 * A deletion hides what lies in older files and in logs until compactions come by, some day. Here
 * they come now: memtables are written out, so that no log is needed that holds it; what overlaps
 * the ranges is written anew down to the last level. The manifest names each file's first and last
 * key: it is begun anew with every change (options.c), and its first part is what was before the
 * change, so one more change ends it.
 */
#include "engine/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum nbx_err nbx_store_flush(struct nbx_store *store, enum nbx_family family)
{
    char *text = NULL;
    rocksdb_flushoptions_t *how = rocksdb_flushoptions_create();
    rocksdb_flush_cf(store->db, how, store->families[family], &text);
    rocksdb_flushoptions_destroy(how);
    return text ? nbx_store__error(text, "flush", nbx_family_name(family)) : NBX_OK;
}

/* "/000123.sst". */
static uint64_t number_of(const char *name)
{
    return strtoull(name[0] == '/' ? name + 1 : name, NULL, 10);
}

/* One more than the number of any table there is. */
static uint64_t next_file(const struct nbx_store *store)
{
    uint64_t next = 1;
    const rocksdb_livefiles_t *files = rocksdb_livefiles(store->db);
    for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
        uint64_t number = number_of(rocksdb_livefiles_name(files, i));
        next = number >= next ? number + 1 : next;
    }
    rocksdb_livefiles_destroy(files);
    return next;
}

static bool overlaps(const rocksdb_livefiles_t *files, int i, const struct nbx_store_range *range)
{
    size_t n_low, n_high;
    const char *low = rocksdb_livefiles_smallestkey(files, i, &n_low);
    const char *high = rocksdb_livefiles_largestkey(files, i, &n_high);
    struct nbx_str first = {low, (uint32_t)n_low}, last = {high, (uint32_t)n_high};
    return nbx_str_cmp(last, range->from) >= 0 &&
           (range->to.len == 0 || nbx_str_cmp(first, range->to) < 0);
}

bool nbx_store_is_erased(const struct nbx_store *store, const struct nbx_store_range *range,
                         uint64_t before_file)
{
    bool found = false;
    const rocksdb_livefiles_t *files = rocksdb_livefiles(store->db);
    const char *family = nbx_family_name(range->family);
    for (int i = 0; !found && i < rocksdb_livefiles_count(files); i++)
        found = strcmp(rocksdb_livefiles_column_family_name(files, i), family) == 0 &&
                number_of(rocksdb_livefiles_name(files, i)) < before_file &&
                overlaps(files, i, range);
    rocksdb_livefiles_destroy(files);
    return !found;
}

static void compact(struct nbx_store *store, const struct nbx_store_range *range)
{
    rocksdb_compactoptions_t *how = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(how, 2); /* kForce */
    rocksdb_compactoptions_set_exclusive_manual_compaction(how, 0);
    rocksdb_compact_range_cf_opt(store->db, store->families[range->family], how, range->from.p,
                                 range->from.len, range->to.len ? range->to.p : NULL,
                                 range->to.len);
    rocksdb_compactoptions_destroy(how);
}

/* False where RocksDB could not, which it does not say. It leaves a table alone that encloses the
 * range and has no key in it: then the whole family's turn comes, which is small, for in the large
 * ones a deletion lies in the range. */
static bool erase(struct nbx_store *store, const struct nbx_store_range *range,
                  uint64_t before_file)
{
    struct nbx_store_range all = {.family = range->family};
    if (nbx_store_is_erased(store, range, before_file))
        return true;
    compact(store, range);
    if (!nbx_store_is_erased(store, range, before_file))
        compact(store, &all);
    return nbx_store_is_erased(store, range, before_file);
}

enum nbx_err nbx_store_erase(struct nbx_store *store, const struct nbx_store_range *ranges,
                             size_t n, uint64_t *before_file)
{
    enum nbx_err err = NBX_OK;
    for (int f = 0; !err && f < NBX_N_FAMILIES; f++)
        err = nbx_store_flush(store, (enum nbx_family)f);
    if (err)
        return err;
    *before_file = next_file(store);
    for (size_t i = 0; i < n; i++)
        if (!erase(store, &ranges[i], *before_file))
            return NBX_ESTORAGE;
    return NBX_OK;
}

void nbx_store_stop_erasing(struct nbx_store *store)
{
    rocksdb_disable_manual_compaction(store->db);
}
