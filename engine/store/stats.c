/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static uint64_t property(const struct nbx_store *store, int family, const char *name)
{
    uint64_t v = 0;
    rocksdb_property_int_cf(store->db, store->families[family], name, &v);
    return v;
}

/* Files come and go meanwhile; one that is gone counts nothing. */
static uint64_t folder_bytes(const char *path)
{
    uint64_t total = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            total += (uint64_t)st.st_blocks * 512;
    }
    if (dir)
        closedir(dir);
    return total;
}

void nbx_store_get_stats(struct nbx_store *store, struct nbx_store_stats *out)
{
    *out = (struct nbx_store_stats){
        .cache_bytes = rocksdb_cache_get_usage(store->cache),
        .disk_bytes = folder_bytes(store->dir),
        .disk_full = nbx_store__is_full(store),
        .write_stopped = property(store, NBX_FAMILY_META, "rocksdb.is-write-stopped") != 0,
    };
    for (int f = 0; f < NBX_N_FAMILIES; f++) {
        out->memtable_bytes += property(store, f, "rocksdb.size-all-mem-tables");
        out->table_reader_bytes += property(store, f, "rocksdb.estimate-table-readers-mem");
    }
}
