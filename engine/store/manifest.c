/* SPDX-License-Identifier: MIT
 * How long RocksDB's manifest must be: its line in `acknowledged`.
 *
 * Why:     the manifest says which tables there are. RocksDB opens a folder whose manifest was cut
 *          short with the tables of an earlier time, in silence, and deletes the others.
 * Owns:    the descriptor in struct nbx_store.
 * Threads: under the store's `acknowledging`.
 * Errors:  a line that cannot be made or read is none.
 */
#include "engine/store/store_internal.h"

#include "engine/base/folder.h"
#include "engine/base/hash.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE "manifest %020" PRIu64 " %020" PRIu64

uint64_t nbx_store__current_manifest(const char *dir)
{
    char path[NBX_STORE_PATH_BYTES], text[64] = "";
    uint64_t number = 0;
    snprintf(path, sizeof path, "%s/CURRENT", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "MANIFEST-%" SCNu64, &number) != 1)
        number = 0;
    close(fd);
    return number;
}

static void path_of(char path[NBX_STORE_PATH_BYTES], const char *dir, uint64_t number)
{
    snprintf(path, NBX_STORE_PATH_BYTES, "%s/MANIFEST-%06" PRIu64, dir, number);
}

/* RocksDB renames CURRENT and syncs the folder after it: between the two, a power cut may bring the
 * old manifest back. So a number is noted only once we have synced the folder that showed it. */
void nbx_store__reopen_manifest(struct nbx_store *store)
{
    char path[NBX_STORE_PATH_BYTES];
    uint64_t number = nbx_store__current_manifest(store->dir);
    if (number == store->manifest.number)
        return;
    if (store->manifest_fd >= 0)
        close(store->manifest_fd);
    path_of(path, store->dir, number);
    bool lasts = number && nbx_folder_sync(store->dir);
    store->manifest_fd = lasts ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    store->manifest = (struct nbx_store__log){store->manifest_fd >= 0 ? number : 0, 0};
}

/* It is noted at a length only that we have synced ourselves: its writer syncs it too, but maybe
 * not yet. */
void nbx_store__look_at_manifest(struct nbx_store *store)
{
    struct stat st;
    if (store->manifest_fd < 0 || fstat(store->manifest_fd, &st) ||
        (uint64_t)st.st_size == store->manifest.bytes || fdatasync(store->manifest_fd))
        return;
    store->manifest.bytes = (uint64_t)st.st_size;
}

void nbx_store__print_manifest(char out[NBX_MANIFEST_BYTES + 1],
                               const struct nbx_store__log *manifest)
{
    int n = snprintf(out, NBX_MANIFEST_BYTES + 1, LINE, manifest->number, manifest->bytes);
    snprintf(out + n, NBX_MANIFEST_BYTES + 1 - (size_t)n, " %08" PRIx32 "\n",
             nbx_hash32(out, (size_t)n));
}

void nbx_store__parse_manifest(struct nbx_store__log *out, const char *text)
{
    char again[NBX_MANIFEST_BYTES + 1];
    *out = (struct nbx_store__log){0};
    if (sscanf(text, "manifest %" SCNu64 " %" SCNu64, &out->number, &out->bytes) != 2)
        return;
    nbx_store__print_manifest(again, out);
    if (strncmp(text, again, NBX_MANIFEST_BYTES) != 0)
        *out = (struct nbx_store__log){0};
}

enum nbx_err nbx_store__check_manifest(const struct nbx_store__log *noted, const char *dir,
                                       struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES];
    struct stat st;
    uint64_t number = nbx_store__current_manifest(dir);
    if (!noted->number || number > noted->number)
        return NBX_OK;
    if (number && number < noted->number)
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s/CURRENT names MANIFEST-%06" PRIu64 ", but MANIFEST-%06" PRIu64
                             " was in use; start from a backup",
                             dir, number, noted->number);
    path_of(path, dir, noted->number);
    if (number && stat(path, &st) == 0 && (uint64_t)st.st_size < noted->bytes)
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s was cut short: it has %lld bytes and had %" PRIu64
                             "; start from a backup",
                             path, (long long)st.st_size, noted->bytes);
    return NBX_OK; /* what is missing altogether, opening tells */
}
