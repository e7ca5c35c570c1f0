/* SPDX-License-Identifier: MIT
 * Folders: the names in them, on the disk.
 *
 * Why:     a name that was made, or changed, is safe from a power cut only once its folder is
 * synced. Owns:    nothing. Threads: any. Errors:  false; errno says why.
 */
#ifndef NBX_BASE_FOLDER_H
#define NBX_BASE_FOLDER_H

#include <stdbool.h>

/* The names in it are on the disk when it returns. */
bool nbx_folder_sync(const char *dir);

#endif
