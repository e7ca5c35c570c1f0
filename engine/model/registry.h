/* SPDX-License-Identifier: MIT
 * The versions of models that a data folder keeps: records in the family `models`, files in its
 * folder NBX_REGISTRY_FOLDER. KEYS.md says in which order both are written.
 *
 * Why:     whoever serves, saves, checks or replays finds a version the same way.
 * Owns:    nothing: what is read lies in the arena given.
 * Threads: any that may read the store; one writer.
 * Errors:  NBX_ECORRUPT: a record or a file is not what it should be, *fault names it.
 *          NBX_ESTORAGE: the disk.
 */
#ifndef NBX_MODEL_REGISTRY_H
#define NBX_MODEL_REGISTRY_H

#include "engine/store/record.h"

#define NBX_REGISTRY_FOLDER   "models"
#define NBX_REGISTRY_UPLOAD   ".part" /* end of the name of a file that is no version yet */
#define NBX_REGISTRY_VERSIONS 1000    /* kept at most; deleted ones do not count */

struct nbx_version {
    struct nbx_str name, version;
    struct nbx_model_record record;
};
/* All that were ever kept, deleted ones too, by name and then version. */
struct nbx_versions {
    struct nbx_version *p; /* (n) */
    size_t n;
};

enum nbx_err nbx_registry_read(struct nbx_versions *out, const struct nbx_store *store,
                               struct nbx_arena *arena, struct nbx_fault *fault) NBX_MUST_CHECK;
/* The version, deleted or not; NULL where it never was. */
struct nbx_version *nbx_registry_find(const struct nbx_versions *all, struct nbx_str name,
                                      struct nbx_str version);
/* The one in that stage, the first where there are more; NULL where none is. */
struct nbx_version *nbx_registry_in(const struct nbx_versions *all, enum nbx_stage stage);
/* The active one, or NULL. */
static inline struct nbx_version *nbx_registry_active(const struct nbx_versions *all)
{
    return nbx_registry_in(all, NBX_STAGE_ACTIVE);
}
/* How many are kept. */
size_t nbx_registry_count(const struct nbx_versions *all);
/* Puts its record. */
void nbx_registry_put(struct nbx_batch *batch, const struct nbx_version *v);

/* Fills path: where the file of a version lies in data folder `dir`. */
void nbx_registry_path(char *path, size_t bytes, const char *dir, const struct nbx_version *v);
/* Whether it is there, as long as the record says. */
bool nbx_registry_has_file(const char *dir, const struct nbx_version *v);
/* Every version that is kept has its file; of archived ones the lack is logged. */
enum nbx_err nbx_registry_check(const struct nbx_versions *all, const char *dir,
                                struct nbx_fault *fault) NBX_MUST_CHECK;
/* Makes the folder where it is missing, on the disk when it returns. */
enum nbx_err nbx_registry_make_folder(const char *dir, struct nbx_fault *fault) NBX_MUST_CHECK;
/* Removes every file that no version has: what an end came between. Before anybody writes. */
void nbx_registry_clean(const struct nbx_versions *all, const char *dir);

#endif
