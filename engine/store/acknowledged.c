/* SPDX-License-Identifier: MIT
 * The file `acknowledged` beside the database: how far the history reached when it was last synced.
 *
 * Why:     RocksDB opens a folder whose log was cut short or removed with what is left, in silence.
 *          Every change has a number, rising from 1 over the whole folder. The file holds one that
 *          was on the disk before the file said so: a lower bound, so that it needs no sync of its
 *          own. A folder that ends before it has lost something.
 *          Behind the number stand the logs that were there (logs.c).
 * Owns:    the descriptor in struct nbx_store.
 * Threads: any; the one that syncs writes.
 * Errors:  NBX_ECORRUPT with the file or folder and what to do; NBX_ESTORAGE where it cannot be
 *          made or read.
 */
#include "engine/store/store_internal.h"

#include "engine/base/folder.h"
#include "engine/base/hash.h"
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME    "acknowledged"
#define DIGITS       20
#define RECORD_BYTES (DIGITS + 10) /* digits, space, 8 hex digits of their checksum, line feed */

static void path_of(char path[NBX_STORE_PATH_BYTES], const char *dir, const char *name)
{
    snprintf(path, NBX_STORE_PATH_BYTES, "%s/%s", dir, name);
}

/* One line of a fixed length, written in place: within a sector, so that a power cut leaves the old
 * one or the new. */
static void print_record(char record[RECORD_BYTES + 1], uint64_t changes)
{
    snprintf(record, DIGITS + 1, "%020" PRIu64, changes);
    uint32_t sum = nbx_hash32(record, DIGITS);
    snprintf(record + DIGITS, RECORD_BYTES + 1 - DIGITS, " %08" PRIx32 "\n", sum);
}

static bool parse_record(const char record[RECORD_BYTES + 1], uint64_t *changes)
{
    char again[RECORD_BYTES + 1];
    *changes = strtoull(record, NULL, 10);
    print_record(again, *changes);
    return memcmp(record, again, RECORD_BYTES) == 0;
}

static enum nbx_err refuse(const char *doing, const char *path, struct nbx_fault *fault)
{
    nbx_log_error("cannot %s %s", doing, path);
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot %s %s: %s", doing, path,
                         strerror(errno));
}

/* NBX_ENOTFOUND: there is none, as in a new folder or one of an older program. */
static enum nbx_err read_file(const char *path, struct nbx_store__sure *out,
                              struct nbx_fault *fault)
{
    char record[RECORD_BYTES + NBX_MANIFEST_BYTES + NBX_LOGS_BYTES + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? NBX_ENOTFOUND : refuse("open", path, fault);
    ssize_t n = read(fd, record, sizeof record - 1);
    close(fd);
    if (n < 0)
        return refuse("read", path, fault);
    if (n < RECORD_BYTES || !parse_record(record, &out->changes))
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s is damaged, so nothing tells whether all that was acknowledged is "
                             "there; to start with what is: rm %s",
                             path, path);
    nbx_store__parse_manifest(&out->manifest, record + RECORD_BYTES);
    bool has_manifest = strncmp(record + RECORD_BYTES, "manifest", 8) == 0;
    nbx_store__parse_logs(&out->logs, record + RECORD_BYTES + has_manifest * NBX_MANIFEST_BYTES);
    return NBX_OK;
}

enum nbx_err nbx_store__expect(struct nbx_store *store, struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES], current[NBX_STORE_PATH_BYTES];
    path_of(path, store->dir, FILE_NAME);
    path_of(current, store->dir, "CURRENT");
    struct nbx_store__sure sure = {0};
    enum nbx_err err = read_file(path, &sure, fault);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    store->says_changes = true;
    store->acknowledged_changes = sure.changes;
    store->newest_log = nbx_store__newest_log(store->dir);
    /* RocksDB would begin an empty database there, and delete the files of the old one. */
    if (store->acknowledged_changes && access(current, F_OK) && errno == ENOENT)
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s is missing, but %s says that there was data; put it back or start "
                             "from a backup in another folder",
                             current, path);
    err = nbx_store__check_manifest(&sure.manifest, store->dir, fault);
    if (err)
        return err;
    uint64_t lost = nbx_store__lost_log(&sure.logs, store->dir);
    return lost
               ? nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                               "%s/%06" PRIu64 ".log is missing or cut short, but what it held was "
                               "acknowledged; put it back, start from a backup, or without what "
                               "is lost: rm %s",
                               store->dir, lost, path)
               : NBX_OK;
}

/* A new file is there whole or not at all. */
enum nbx_err nbx_store_acknowledge_copy(const char *dir, uint64_t changes, struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES], fresh[NBX_STORE_PATH_BYTES], record[RECORD_BYTES + 1];
    path_of(path, dir, FILE_NAME);
    path_of(fresh, dir, FILE_NAME ".new");
    print_record(record, changes);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return refuse("make", fresh, fault);
    bool written = write(fd, record, RECORD_BYTES) == RECORD_BYTES && fsync(fd) == 0;
    if (close(fd) || !written || rename(fresh, path))
        return refuse("write", fresh, fault);
    return nbx_folder_sync(dir) ? NBX_OK : refuse("sync", dir, fault);
}

enum nbx_err nbx_store__check_acknowledged(struct nbx_store *store, struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES];
    uint64_t changes = rocksdb_get_latest_sequence_number(store->db);
    path_of(path, store->dir, FILE_NAME);
    if (changes < store->acknowledged_changes) {
        nbx_log_errorx("%s ends at change %" PRIu64 " of %" PRIu64 " acknowledged ones", store->dir,
                       changes, store->acknowledged_changes);
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s ends at change %" PRIu64 " but %" PRIu64 " were acknowledged: its "
                             "log %06" PRIu64 ".log was cut short or a newer one removed; start "
                             "from a backup, or without what is lost: rm %s",
                             store->dir, changes, store->acknowledged_changes, store->newest_log,
                             path);
    }
    if (store->read_only)
        return NBX_OK;
    enum nbx_err err =
        access(path, F_OK) ? nbx_store_acknowledge_copy(store->dir, 0, fault) : NBX_OK;
    if (err)
        return err;
    store->acknowledged_fd = open(path, O_WRONLY | O_CLOEXEC);
    return store->acknowledged_fd < 0 ? refuse("open", path, fault) : NBX_OK;
}

void nbx_store__before_sync(struct nbx_store *store, struct nbx_store__sure *out)
{
    struct stat st;
    out->changes = rocksdb_get_latest_sequence_number(store->db); /* all are in the log */
    out->listed = false;
    out->manifest = (struct nbx_store__log){0};
    if (stat(store->dir, &st))
        return;
    pthread_mutex_lock(&store->acknowledging);
    out->listed = st.st_mtim.tv_sec != store->logs_seen.tv_sec ||
                  st.st_mtim.tv_nsec != store->logs_seen.tv_nsec;
    store->logs_seen = st.st_mtim;
    if (out->listed)
        nbx_store__reopen_manifest(store);
    nbx_store__look_at_manifest(store);
    out->manifest = store->manifest;
    pthread_mutex_unlock(&store->acknowledging);
    if (out->listed)
        nbx_store__list_logs(&out->logs, store->dir);
}

void nbx_store__acknowledge(struct nbx_store *store, const struct nbx_store__sure *sure)
{
    char text[RECORD_BYTES + NBX_MANIFEST_BYTES + NBX_LOGS_BYTES];
    size_t n = RECORD_BYTES + NBX_MANIFEST_BYTES;
    print_record(text, sure->changes);
    nbx_store__print_manifest(text + RECORD_BYTES, &sure->manifest);
    if (sure->listed)
        n += nbx_store__print_logs(text + n, &sure->logs);
    pthread_mutex_lock(&store->acknowledging);
    /* Where the folder was refused, what it says stays. */
    if (store->acknowledged_fd >= 0 && pwrite(store->acknowledged_fd, text, n, 0) != (ssize_t)n)
        nbx_log_warn("cannot write %s/" FILE_NAME, store->dir);
    pthread_mutex_unlock(&store->acknowledging);
}
