/* SPDX-License-Identifier: MIT */
#include "engine/base/log.h"
#include "models/bundle/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    char *path;
    int64_t created_ms;
    char version[NBX_BUNDLE_WORD_BYTES + 1];
};

struct candidates {
    struct candidate *list; /* (n) of (cap) */
    size_t n, cap;
    const struct nbx_str *name, *version; /* NULL: any */
};

static bool is_wanted(const struct candidates *all, const struct nbx_bundle_info *info)
{
    return (!all->name || nbx_str_eq(*all->name, info->name)) &&
           (!all->version || nbx_str_eq(*all->version, info->version));
}

static void pass_over(const char *path, const struct nbx_fault *fault)
{
    nbx_log_warnx("bundle_passed_over path=%s field=%s reason=%s", path, fault->field,
                  fault->message);
}

/* Takes path. */
static enum nbx_err add(struct candidates *all, char *path, const struct nbx_bundle_info *info)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 16;
        struct candidate *list = reallocarray(all->list, cap, sizeof *list);
        if (!list) {
            free(path);
            return NBX_ELIMIT;
        }
        all->list = list;
        all->cap = cap;
    }
    struct candidate *c = &all->list[all->n++];
    c->path = path;
    c->created_ms = info->created_ms;
    snprintf(c->version, sizeof c->version, "%.*s", NBX_STR_ARG(info->version));
    return NBX_OK;
}

static enum nbx_err consider(struct candidates *all, const char *folder, const char *file)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, file) < 0)
        return NBX_ELIMIT;
    struct nbx_bundle *head = NULL;
    struct nbx_fault fault = {0};
    if (nbx_bundle__open(&head, path, NBX_BUNDLE__HEAD, &fault) != NBX_OK) {
        pass_over(path, &fault);
        free(path);
        return NBX_OK;
    }
    enum nbx_err err = NBX_OK;
    if (is_wanted(all, nbx_bundle_get(head)))
        err = add(all, path, nbx_bundle_get(head));
    else
        free(path);
    nbx_bundle_close(&head);
    return err;
}

static enum nbx_err collect(struct candidates *all, const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? NBX_ENOTFOUND : NBX_ESTORAGE;
    enum nbx_err err = NBX_OK;
    const size_t suffix = strlen(NBX_BUNDLE_SUFFIX);
    for (struct dirent *e = readdir(dir); e && !err; e = readdir(dir)) {
        size_t len = strlen(e->d_name);
        if (len > suffix && strcmp(e->d_name + len - suffix, NBX_BUNDLE_SUFFIX) == 0)
            err = consider(all, folder, e->d_name);
    }
    closedir(dir);
    return err;
}

/* Newest first; equal ones by path, so that the choice does not depend on the file system. */
static int newest_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? 1 : -1;
    int by_version = strcmp(y->version, x->version);
    return by_version ? by_version : strcmp(y->path, x->path);
}

/* Heads are cheap, so only the bundles that may win are read whole. */
static enum nbx_err first_sound(const struct candidates *all, char *path, size_t path_bytes)
{
    for (size_t i = 0; i < all->n; i++) {
        struct nbx_bundle *b = NULL;
        struct nbx_fault fault = {0};
        enum nbx_err err = nbx_bundle_open(&b, all->list[i].path, &fault);
        nbx_bundle_close(&b);
        if (err) {
            pass_over(all->list[i].path, &fault);
            continue;
        }
        int n = snprintf(path, path_bytes, "%s", all->list[i].path);
        return (size_t)n < path_bytes ? NBX_OK : NBX_ELIMIT;
    }
    return NBX_ENOTFOUND;
}

static enum nbx_err newest_of(struct candidates *all, const char *folder, char *path,
                              size_t path_bytes)
{
    enum nbx_err err = collect(all, folder);
    if (!err && all->n)
        qsort(all->list, all->n, sizeof *all->list, newest_first);
    if (!err)
        err = first_sound(all, path, path_bytes);
    for (size_t i = 0; i < all->n; i++)
        free(all->list[i].path);
    free(all->list);
    return err;
}

enum nbx_err nbx_bundle_newest(const char *folder, char *path, size_t path_bytes)
{
    struct candidates all = {0};
    return newest_of(&all, folder, path, path_bytes);
}

enum nbx_err nbx_bundle_find(const char *folder, struct nbx_str name, struct nbx_str version,
                             char *path, size_t path_bytes)
{
    struct candidates wanted = {.name = &name, .version = &version};
    return newest_of(&wanted, folder, path, path_bytes);
}
