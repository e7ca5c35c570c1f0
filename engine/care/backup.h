/* SPDX-License-Identifier: MIT
 * A backup of a data folder while it is in use, and the way back.
 *
 * Why:     what a disk or a mistake takes is in another folder, which can be carried elsewhere.
 * Owns:    nothing. A backup is a folder: the database's files, the bundles, and BACKUP, the list
 *          of them (manifest.h). It is there whole or not at all.
 * Threads: the caller's; both take as long as reading the data.
 * Errors:  those of manifest.h and the store. NBX_EBAD: a path that cannot be one. NBX_ECONFLICT:
 *          the folder to be made is there already. *fault names the folder or file.
 */
#ifndef NBX_CARE_BACKUP_H
#define NBX_CARE_BACKUP_H

#include "engine/care/manifest.h"
#include "engine/store/store.h"

struct nbx_backup_options {
    const char *data_dir; /* the store's; bundles lie there too */
    const char *dir;      /* absolute; made, its parent is there */
    int64_t now_ms;
    bool unhurried; /* what takes long is done at the least priority */
};

/* Saves the store and the bundles beside it. *out, to be freed by nbx_manifest_fini, also where it
 * fails. What was acknowledged before the call is in it. */
enum nbx_err nbx_backup(struct nbx_manifest *out, struct nbx_store *store,
                        const struct nbx_backup_options *options, struct nbx_fault *fault);
/* Checks all of the backup, then makes the data folder of it, which must not be there or be empty.
 * *out as above. */
enum nbx_err nbx_restore(struct nbx_manifest *out, const char *dir, const char *data_dir,
                         struct nbx_fault *fault);

#endif
