/* SPDX-License-Identifier: MIT */
#include "engine/model/registry.h"

#include "engine/base/folder.h"
#include "engine/base/log.h"
#include "models/bundle/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define FIRST_ROOM 16

/* Room for one more. */
static bool grow(struct nbx_versions *all, size_t *cap, struct nbx_arena *arena)
{
    if (all->n < *cap)
        return true;
    size_t wanted = *cap ? 2 * *cap : FIRST_ROOM;
    struct nbx_version *p = nbx_arena_calloc(arena, wanted, sizeof *p);
    if (!p)
        return false;
    if (all->n)
        memcpy(p, all->p, all->n * sizeof *p);
    all->p = p;
    *cap = wanted;
    return true;
}

static enum nbx_err add(struct nbx_versions *all, size_t *cap, struct nbx_str key,
                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_str mine = nbx_arena_str(arena, key); /* the cursor's is gone at its next step */
    if (!mine.p || !grow(all, cap, arena))
        return NBX_ELIMIT;
    struct nbx_version *v = &all->p[all->n];
    if (!nbx_key_model_parse(mine, &v->name, &v->version))
        return NBX_ECORRUPT;
    enum nbx_err err = nbx_model_record_decode(&v->record, stored, arena);
    all->n += !err;
    return err;
}

enum nbx_err nbx_registry_read(struct nbx_versions *out, const struct nbx_store *store,
                               struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str whole = {0}, key;
    struct nbx_stored stored;
    size_t cap = 0;
    *out = (struct nbx_versions){0};
    enum nbx_err err = nbx_cursor_open(&cursor, store, NBX_FAMILY_MODELS, whole, whole, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = add(out, &cap, key, &stored, arena);
    nbx_cursor_close(&cursor);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    return nbx_fault_set(fault, err, NULL, "the records of models cannot be read: %s",
                         nbx_err_status(err));
}

struct nbx_version *nbx_registry_find(const struct nbx_versions *all, struct nbx_str name,
                                      struct nbx_str version)
{
    for (size_t i = 0; i < all->n; i++)
        if (nbx_str_eq(all->p[i].name, name) && nbx_str_eq(all->p[i].version, version))
            return &all->p[i];
    return NULL;
}

struct nbx_version *nbx_registry_in(const struct nbx_versions *all, enum nbx_stage stage)
{
    for (size_t i = 0; i < all->n; i++)
        if (!all->p[i].record.deleted && all->p[i].record.stage == stage)
            return &all->p[i];
    return NULL;
}

size_t nbx_registry_count(const struct nbx_versions *all)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += !all->p[i].record.deleted;
    return n;
}

void nbx_registry_put(struct nbx_batch *batch, const struct nbx_version *v)
{
    struct nbx_key key = nbx_key_model(v->name, v->version);
    nbx_model_record_encode(nbx_batch_payload(batch), &v->record);
    nbx_batch_put_payload(batch, NBX_FAMILY_MODELS, nbx_key_str(&key), NBX_MODEL_RECORD);
}

void nbx_registry_path(char *path, size_t bytes, const char *dir, const struct nbx_version *v)
{
    snprintf(path, bytes, "%s/" NBX_REGISTRY_FOLDER "/%.*s@%.*s" NBX_BUNDLE_SUFFIX, dir,
             NBX_STR_ARG(v->name), NBX_STR_ARG(v->version));
}

bool nbx_registry_has_file(const char *dir, const struct nbx_version *v)
{
    char path[PATH_BYTES];
    struct stat st;
    nbx_registry_path(path, sizeof path, dir, v);
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == v->record.bytes;
}

enum nbx_err nbx_registry_check(const struct nbx_versions *all, const char *dir,
                                struct nbx_fault *fault)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < all->n; i++) {
        const struct nbx_version *v = &all->p[i];
        if (v->record.deleted || nbx_registry_has_file(dir, v))
            continue;
        nbx_registry_path(path, sizeof path, dir, v);
        if (v->record.stage != NBX_STAGE_ARCHIVED)
            return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                                 "%s is missing or not %llu bytes long: put it back from a backup",
                                 path, (unsigned long long)v->record.bytes);
        nbx_log_warnx("model=%.*s version=%.*s stage=archived file=missing path=%s",
                      NBX_STR_ARG(v->name), NBX_STR_ARG(v->version), path);
    }
    return NBX_OK;
}

enum nbx_err nbx_registry_make_folder(const char *dir, struct nbx_fault *fault)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_REGISTRY_FOLDER, dir);
    if (mkdir(path, 0750) == 0 ? nbx_folder_sync(dir) : errno == EEXIST)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot make %s: %s", path, strerror(errno));
}

/* Whether a version that is kept has a file of that name. */
static bool is_named(const struct nbx_versions *all, const char *file)
{
    char path[PATH_BYTES];
    for (size_t i = 0; i < all->n; i++) {
        nbx_registry_path(path, sizeof path, "", &all->p[i]);
        if (!all->p[i].record.deleted && strcmp(strrchr(path, '/') + 1, file) == 0)
            return true;
    }
    return false;
}

void nbx_registry_clean(const struct nbx_versions *all, const char *dir)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_REGISTRY_FOLDER, dir);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || is_named(all, e->d_name))
            continue;
        bool gone = unlinkat(dirfd(d), e->d_name, 0) == 0;
        nbx_log_info("file=%s path=%s/%s reason=\"no model has it\"", gone ? "removed" : "kept",
                     path, e->d_name);
    }
    if (d)
        closedir(d);
}
