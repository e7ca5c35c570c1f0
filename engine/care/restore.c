/* SPDX-License-Identifier: MIT */
#include "engine/care/backup.h"
#include "engine/care/files.h"
#include "engine/model/registry.h"
#include "engine/store/forgotten.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The list that lay in the data folder becomes a part of what is restored. */
static enum nbx_err take_forgotten(const char *part, const char *data_dir, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", data_dir, NBX_FORGOTTEN_NAME);
    enum nbx_err err = nbx_forgotten_merge(part, data_dir, fault);
    if (!err && unlink(path) && errno != ENOENT)
        err = nbx_care__refuse("replace", path, fault);
    return err;
}

static enum nbx_err make_models_folder(const char *dir, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_REGISTRY_FOLDER, dir);
    return mkdir(path, 0750) && errno != EEXIST ? nbx_care__refuse("make", path, fault) : NBX_OK;
}

static enum nbx_err sync_models_folder(const char *dir, struct nbx_fault *fault)
{
    char path[NBX_CARE_PATH_BYTES];
    snprintf(path, sizeof path, "%s/" NBX_REGISTRY_FOLDER, dir);
    return access(path, F_OK) ? NBX_OK : nbx_care__sync_folder(path, fault);
}

static enum nbx_err fill(const struct nbx_manifest *m, const char *from, const char *to,
                         struct nbx_fault *fault)
{
    char source[NBX_CARE_PATH_BYTES], target[NBX_CARE_PATH_BYTES];
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < m->n; i++) {
        snprintf(source, sizeof source, "%s/%s", from, m->names[i]);
        snprintf(target, sizeof target, "%s/%s", to, m->names[i]);
        if (strchr(m->names[i], '/'))
            err = make_models_folder(to, fault);
        if (!err)
            err = nbx_care__copy(source, target, fault);
    }
    if (!err)
        err = sync_models_folder(to, fault);
    return err ? err : nbx_store_acknowledge_copy(to, m->changes, fault);
}

enum nbx_err nbx_restore(struct nbx_manifest *out, const char *dir, const char *data_dir,
                         struct nbx_fault *fault)
{
    char part[NBX_CARE_PATH_BYTES];
    *out = (struct nbx_manifest){0};
    nbx_care__restoring(part, data_dir);
    if (!nbx_care__is_empty(data_dir, NBX_FORGOTTEN_NAME))
        return nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                             "%s is not empty: move it away, or name another data_dir", data_dir);
    enum nbx_err err = nbx_manifest_check(out, dir, fault);
    if (err)
        return err;
    if (mkdir(part, 0750))
        return nbx_fault_set(fault, errno == EEXIST ? NBX_ECONFLICT : NBX_ESTORAGE, NULL,
                             "cannot make %s: %s", part, strerror(errno));
    err = fill(out, dir, part, fault);
    bool taken = !err && !(err = take_forgotten(part, data_dir, fault));
    if (taken)
        err = nbx_care__rename(part, data_dir, fault);
    struct nbx_fault ignored;
    if (err && taken)
        (void)nbx_forgotten_merge(data_dir, part, &ignored); /* it goes back */
    if (err)
        nbx_care__remove(part);
    return err;
}
