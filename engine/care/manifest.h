/* SPDX-License-Identifier: MIT
 * The list of a backup's files, with their sizes and checksums: the file BACKUP in its folder.
 *
 * Why:     what is restored is what was saved, whole, or nothing.
 * Owns:    nothing.
 * Threads: the caller's.
 * Errors:  NBX_ECORRUPT: a file is missing, too much, or not as it was saved. NBX_EVERSION: a newer
 *          nbx made it. NBX_ESTORAGE: the disk. *fault names the file.
 *
 * BACKUP is text: "nbx-backup 1", "format N" (the store's), "made_ms N", "changes N", a line "file
 * SHA256 BYTES NAME" for each file in the order of names, "sum SHA256" over all lines before it.
 */
#ifndef NBX_CARE_MANIFEST_H
#define NBX_CARE_MANIFEST_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_MANIFEST_NAME "BACKUP"

struct nbx_manifest {
    bool unhurried; /* sums are made at the least priority */
    int64_t made_ms;
    uint64_t changes; /* nbx_store_checkpoint */
    uint64_t bytes;   /* of the files together */
    uint32_t format;
    size_t n;
    char **names; /* (n), rising */
};

/* Syncs every file of the folder, writes the list of them and syncs the folder. made_ms, changes,
 * format and unhurried are given; the rest is filled. */
enum nbx_err nbx_manifest_write(struct nbx_manifest *m, const char *dir, struct nbx_fault *fault);
/* Reads the list and every file in it; a file that is not in it is refused as well. */
enum nbx_err nbx_manifest_check(struct nbx_manifest *out, const char *dir, struct nbx_fault *fault);
void nbx_manifest_fini(struct nbx_manifest *m);

#endif
