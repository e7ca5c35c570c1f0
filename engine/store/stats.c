/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#define LOGS_BYTES 25165824 /* max_total_wal_size in options.c */

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
        .background_errors = property(store, NBX_FAMILY_META, "rocksdb.background-errors"),
        .write_stopped = property(store, NBX_FAMILY_META, "rocksdb.is-write-stopped") != 0,
    };
    for (int f = 0; f < NBX_N_FAMILIES; f++) {
        out->memtable_bytes += property(store, f, "rocksdb.size-all-mem-tables");
        out->table_reader_bytes += property(store, f, "rocksdb.estimate-table-readers-mem");
    }
}

static void measure_logs(const struct nbx_store *store, struct nbx_store_health *out)
{
    struct nbx_store__logs logs;
    nbx_store__list_logs(&logs, store->dir);
    out->logs = logs.n;
    for (size_t i = 0; i < logs.n; i++) {
        char path[NBX_STORE_PATH_BYTES];
        struct stat st;
        snprintf(path, sizeof path, "%s/%06" PRIu64 ".log", store->dir, logs.p[i].number);
        if (stat(path, &st) == 0)
            out->log_bytes += (uint64_t)st.st_size;
    }
}

void nbx_store_get_health(const struct nbx_store *store, struct nbx_store_health *out)
{
    const rocksdb_livefiles_t *files = rocksdb_livefiles(store->db);
    *out = (struct nbx_store_health){
        .format = store->format,
        .changes = rocksdb_get_latest_sequence_number(store->db),
        .acknowledged = store->acknowledged_changes,
        .says_acknowledged = store->says_changes,
        .torn = store->torn,
        .tables = files ? (uint64_t)rocksdb_livefiles_count(files) : 0,
        .log_want = LOGS_BYTES,
    };
    for (uint64_t i = 0; i < out->tables; i++)
        out->table_bytes += rocksdb_livefiles_size(files, (int)i);
    rocksdb_livefiles_destroy(files);
    measure_logs(store, out);
}
