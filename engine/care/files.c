/* SPDX-License-Identifier: MIT */
#include "engine/care/files.h"

#include "engine/base/folder.h"
#include "engine/model/registry.h"
#include "models/bundle/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)16 << 20) /* at a time */

enum nbx_err nbx_care__refuse(const char *doing, const char *path, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot %s %s: %s", doing, path,
                         strerror(errno));
}

enum nbx_err nbx_care__copy(const char *from, const char *to, struct nbx_fault *fault)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return nbx_care__refuse("open", from, fault);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ssize_t n = out < 0 ? -1 : 1;
    while (n > 0)
        n = sendfile(out, in, NULL, COPY_BYTES);
    enum nbx_err err = n < 0 || fsync(out) ? nbx_care__refuse("write", to, fault) : NBX_OK;
    close(in);
    if (out >= 0 && close(out) && !err)
        err = nbx_care__refuse("write", to, fault);
    return err;
}

enum nbx_err nbx_care__sync_folder(const char *dir, struct nbx_fault *fault)
{
    return nbx_folder_sync(dir) ? NBX_OK : nbx_care__refuse("sync", dir, fault);
}

enum nbx_err nbx_care__rename(const char *from, const char *to, struct nbx_fault *fault)
{
    char parent[NBX_CARE_PATH_BYTES];
    enum nbx_err err = nbx_care__sync_folder(from, fault);
    if (err)
        return err;
    if (rename(from, to))
        return nbx_care__refuse("rename to its place", from, fault);
    snprintf(parent, sizeof parent, "%s", to);
    return nbx_care__sync_folder(dirname(parent), fault);
}

static void remove_files(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

void nbx_care__remove(const char *dir)
{
    char models[NBX_CARE_PATH_BYTES];
    snprintf(models, sizeof models, "%s/" NBX_REGISTRY_FOLDER, dir);
    remove_files(models);
    rmdir(models);
    remove_files(dir);
    rmdir(dir);
}

static bool is_model(const char *name)
{
    size_t n = strlen(name), m = strlen(NBX_BUNDLE_SUFFIX);
    return n > m && strcmp(name + n - m, NBX_BUNDLE_SUFFIX) == 0;
}

enum nbx_err nbx_care__save_models(const char *data_dir, const char *dir, struct nbx_fault *fault)
{
    char from[NBX_CARE_PATH_BYTES], to[NBX_CARE_PATH_BYTES];
    snprintf(from, sizeof from, "%s/" NBX_REGISTRY_FOLDER, data_dir);
    snprintf(to, sizeof to, "%s/" NBX_REGISTRY_FOLDER, dir);
    DIR *d = opendir(from);
    if (!d)
        return errno == ENOENT ? NBX_OK : nbx_care__refuse("open", from, fault);
    enum nbx_err err = mkdir(to, 0750) ? nbx_care__refuse("make", to, fault) : NBX_OK;
    for (struct dirent *e; !err && (e = readdir(d));) {
        if (!is_model(e->d_name))
            continue;
        snprintf(from, sizeof from, "%s/" NBX_REGISTRY_FOLDER "/%s", data_dir, e->d_name);
        snprintf(to, sizeof to, "%s/" NBX_REGISTRY_FOLDER "/%s", dir, e->d_name);
        if (link(from, to))
            err = nbx_care__copy(from, to, fault);
    }
    closedir(d);
    snprintf(to, sizeof to, "%s/" NBX_REGISTRY_FOLDER, dir);
    return err ? err : nbx_care__sync_folder(to, fault);
}

bool nbx_care__is_empty(const char *dir, const char *but)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT;
    bool empty = true;
    for (struct dirent *e; empty && (e = readdir(d));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                (but && strcmp(e->d_name, but) == 0);
    closedir(d);
    return empty;
}

void nbx_care__restoring(char out[NBX_CARE_PATH_BYTES], const char *data_dir)
{
    size_t n = strlen(data_dir);
    while (n > 1 && data_dir[n - 1] == '/')
        n--;
    snprintf(out, NBX_CARE_PATH_BYTES, "%.*s.restoring", (int)n, data_dir);
}
