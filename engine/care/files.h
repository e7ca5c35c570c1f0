/* SPDX-License-Identifier: MIT
 * Files and folders for backups: flat ones, but for the folder of models.
 *
 * Threads: any.
 * Errors:  NBX_ESTORAGE, *fault names the file and the system's reason.
 */
#ifndef NBX_CARE_FILES_H
#define NBX_CARE_FILES_H

#include "engine/base/err.h"

#include <stdbool.h>

#define NBX_CARE_PATH_BYTES 4096

/* NBX_ESTORAGE: "cannot DOING PATH: " and what errno says. */
enum nbx_err nbx_care__refuse(const char *doing, const char *path, struct nbx_fault *fault);
/* The names in a folder are on the disk when it returns. */
enum nbx_err nbx_care__sync_folder(const char *dir, struct nbx_fault *fault);
/* A copy of a file, synced. */
enum nbx_err nbx_care__copy(const char *from, const char *to, struct nbx_fault *fault);
/* Makes `dir`/models with the files of all versions of models that lie in `data_dir`, as links
 * where they can be; nothing where there are none. */
enum nbx_err nbx_care__save_models(const char *data_dir, const char *dir, struct nbx_fault *fault);
/* Renames a folder, onto nothing or an empty one, and syncs the folder around it. */
enum nbx_err nbx_care__rename(const char *from, const char *to, struct nbx_fault *fault);
/* Nothing is in the folder, but perhaps a file of that name (NULL: none), or it is not there. */
bool nbx_care__is_empty(const char *dir, const char *but);
/* Removes a folder of files, and of models, that was not finished; what cannot be removed stays. */
void nbx_care__remove(const char *dir);
/* The folder that a restore to `data_dir` fills before it is renamed. */
void nbx_care__restoring(char out[NBX_CARE_PATH_BYTES], const char *data_dir);

#endif
