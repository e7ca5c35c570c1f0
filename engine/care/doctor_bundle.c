/* SPDX-License-Identifier: MIT
 * The bundles of a folder: whether each can be read whole, and whether the newest is served.
 */
#include "engine/care/doctor_internal.h"
#include "engine/care/files.h"
#include "models/bundle/bundle.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define VERSION_BYTES 160 /* as in struct nbx_doctor__daemon */

struct bundles {
    size_t sound, unread;
    char newest[VERSION_BYTES]; /* of the sound ones, by time and version */
    char newest_file[256], unread_file[256];
    int64_t newest_ms, unread_ms; /* unread: the one that was changed last */
    struct nbx_fault fault;       /* of that one */
};

static void take_sound(struct bundles *all, const char *file, const struct nbx_bundle_info *info)
{
    char version[VERSION_BYTES];
    snprintf(version, sizeof version, "%.*s", NBX_STR_ARG(info->version));
    all->sound++;
    if (all->sound > 1 &&
        (info->created_ms < all->newest_ms ||
         (info->created_ms == all->newest_ms && strcmp(version, all->newest) < 0)))
        return;
    all->newest_ms = info->created_ms;
    memcpy(all->newest, version, sizeof version);
    snprintf(all->newest_file, sizeof all->newest_file, "%s", file);
}

static void look(struct bundles *all, const char *dir, const char *file)
{
    char path[NBX_CARE_PATH_BYTES];
    struct nbx_bundle *bundle = NULL;
    struct nbx_fault fault = {0};
    snprintf(path, sizeof path, "%s/%s", dir, file);
    enum nbx_err err = nbx_bundle_open(&bundle, path, &fault);
    int64_t changed_ms = nbx_doctor__changed_ms(dir, file);
    if (!err)
        take_sound(all, file, nbx_bundle_get(bundle));
    nbx_bundle_close(&bundle);
    if (!err || (all->unread++ && changed_ms < all->unread_ms))
        return;
    snprintf(all->unread_file, sizeof all->unread_file, "%s", file);
    all->unread_ms = changed_ms;
    all->fault = fault;
}

static void look_at_all(struct bundles *all, const char *dir)
{
    const size_t suffix = strlen(NBX_BUNDLE_SUFFIX);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len > suffix && strcmp(e->d_name + len - suffix, NBX_BUNDLE_SUFFIX) == 0)
            look(all, dir, e->d_name);
    }
    if (d)
        closedir(d);
}

static void say_unread(struct nbx_doctor__exam *exam, const struct bundles *all)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "bundle");
    nbx_doctor__say(check, NBX_DOCTOR_DAMAGED, "%s/%s cannot be read%s: %s%s%s", exam->dir,
                    all->unread_file, all->unread > 1 ? ", nor can others" : "", all->fault.field,
                    all->fault.field[0] ? ": " : "", all->fault.message);
    check->since_ms = all->unread_ms;
    nbx_doctor__advise(check, "copy it anew, or rm %s/%s; %s", exam->dir, all->unread_file,
                       all->sound ? "meanwhile the newest other one serves"
                                  : "meanwhile rankings serve");
}

/* A version is active: that is what serves, not these. */
static void say_active(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check)
{
    const struct nbx_doctor__daemon *daemon = &exam->daemon;
    if (!daemon->answers || !daemon->holder || strcmp(daemon->model, exam->active) == 0) {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%s, the active version", exam->active);
        return;
    }
    nbx_doctor__say(check, NBX_DOCTOR_WARN, "%s is active, but %s is served", exam->active,
                    daemon->model[0] ? daemon->model : "none");
    nbx_doctor__advise(check, "nbx doctor%s again; if it stays, restart the daemon",
                       exam->with_config);
}

void nbx_doctor__bundles(struct nbx_doctor__exam *exam)
{
    struct bundles all = {0};
    const struct nbx_doctor__daemon *daemon = &exam->daemon;
    look_at_all(&all, exam->dir);
    if (all.unread)
        say_unread(exam, &all);
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "model");
    if (exam->active[0]) {
        say_active(exam, check);
    } else if (!all.sound) {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "no bundle: rankings serve");
    } else if (daemon->answers && daemon->holder && strcmp(daemon->model, all.newest) != 0) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "%s is the newest, but %s is served", all.newest,
                        daemon->model[0] ? daemon->model : "none");
        check->since_ms = nbx_doctor__changed_ms(exam->dir, all.newest_file);
        nbx_doctor__advise(check, "kill -HUP %ld; the daemon's log says if it refuses it",
                           (long)daemon->holder);
    } else {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%s, in %s, the newest of %zu", all.newest,
                        all.newest_file, all.sound);
    }
}
