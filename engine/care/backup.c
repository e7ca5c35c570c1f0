/* SPDX-License-Identifier: MIT */
#include "engine/care/backup.h"

#include "engine/care/files.h"
#include "engine/store/forgotten.h"
#include "models/bundle/bundle.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum nbx_err check_dir(const char *dir, const char *part, struct nbx_fault *fault)
{
    size_t n = strlen(dir);
    if (dir[0] != '/' || dir[n - 1] == '/')
        return nbx_fault_set(fault, NBX_EBAD, "dir", "%s is no absolute path of a folder", dir);
    if (n > NBX_CARE_PATH_BYTES / 2)
        return nbx_fault_set(fault, NBX_EBAD, "dir", "is longer than %d bytes",
                             NBX_CARE_PATH_BYTES / 2);
    if (access(dir, F_OK) == 0)
        return nbx_fault_set(fault, NBX_ECONFLICT, "dir", "%s is there already", dir);
    if (access(part, F_OK) == 0)
        return nbx_fault_set(fault, NBX_ECONFLICT, "dir",
                             "%s is left of a backup that did not end; remove it", part);
    return NBX_OK;
}

static bool is_bundle(const char *name)
{
    size_t n = strlen(name), m = strlen(NBX_BUNDLE_SUFFIX);
    return n > m && strcmp(name + n - m, NBX_BUNDLE_SUFFIX) == 0;
}

/* A bundle is made under another name and never changed: a link will do. */
static enum nbx_err save_bundles(const char *data_dir, const char *dir, struct nbx_fault *fault)
{
    char from[NBX_CARE_PATH_BYTES], to[NBX_CARE_PATH_BYTES];
    enum nbx_err err = NBX_OK;
    DIR *d = opendir(data_dir);
    if (!d)
        return nbx_care__refuse("open", data_dir, fault);
    for (struct dirent *e; !err && (e = readdir(d));) {
        if (!is_bundle(e->d_name))
            continue;
        snprintf(from, sizeof from, "%s/%s", data_dir, e->d_name);
        snprintf(to, sizeof to, "%s/%s", dir, e->d_name);
        if (link(from, to))
            err = nbx_care__copy(from, to, fault);
    }
    closedir(d);
    return err;
}

static enum nbx_err save(struct nbx_manifest *out, struct nbx_store *store,
                         const struct nbx_backup_options *options, const char *part,
                         struct nbx_fault *fault)
{
    enum nbx_err err = nbx_store_checkpoint(store, part, &out->changes);
    if (err)
        return nbx_fault_set(fault, err, NULL, "cannot copy the database to %s; the log says why",
                             part);
    if ((err = save_bundles(options->data_dir, part, fault)) ||
        (err = nbx_care__save_models(options->data_dir, part, fault)) ||
        (err = nbx_forgotten_merge(part, options->data_dir, fault)) ||
        (err = nbx_manifest_write(out, part, fault)))
        return err;
    return nbx_care__rename(part, options->dir, fault);
}

enum nbx_err nbx_backup(struct nbx_manifest *out, struct nbx_store *store,
                        const struct nbx_backup_options *options, struct nbx_fault *fault)
{
    char part[NBX_CARE_PATH_BYTES];
    *out = (struct nbx_manifest){
        .unhurried = options->unhurried, .made_ms = options->now_ms, .format = NBX_STORE_FORMAT};
    snprintf(part, sizeof part, "%s.part", options->dir);
    enum nbx_err err = check_dir(options->dir, part, fault);
    if (err)
        return err;
    err = save(out, store, options, part, fault);
    if (err)
        nbx_care__remove(part);
    return err;
}
