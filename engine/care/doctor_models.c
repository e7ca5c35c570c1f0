/* SPDX-License-Identifier: MIT
 * The versions of models: each has its file, and the active one can be read whole.
 */
#include "engine/care/doctor_internal.h"
#include "engine/care/files.h"
#include "engine/model/registry.h"
#include "models/bundle/bundle.h"

#include <stdio.h>

#define ARENA_BYTES ((size_t)64 << 20)

static void say_missing(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check,
                        const struct nbx_fault *fault)
{
    nbx_doctor__say(check, NBX_DOCTOR_DAMAGED, "%s", fault->message);
    nbx_doctor__advise(check, "copy the file from a backup to %s/" NBX_REGISTRY_FOLDER, exam->dir);
}

/* False where it cannot be. */
static bool read_active(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check,
                        const struct nbx_version *active)
{
    char path[NBX_CARE_PATH_BYTES];
    struct nbx_bundle *bundle = NULL;
    struct nbx_fault fault = {0};
    nbx_registry_path(path, sizeof path, exam->dir, active);
    enum nbx_err err = nbx_bundle_open(&bundle, path, &fault);
    nbx_bundle_close(&bundle);
    if (!err)
        return true;
    nbx_doctor__say(check, NBX_DOCTOR_DAMAGED, "%s, which is active, cannot be read: %s%s%s", path,
                    fault.field, fault.field[0] ? ": " : "", fault.message);
    nbx_doctor__advise(check, "copy it from a backup; a start refuses until then");
    return false;
}

static void look(struct nbx_doctor__exam *exam, const struct nbx_versions *all)
{
    struct nbx_fault fault = {0};
    const struct nbx_version *active = nbx_registry_active(all);
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "models");
    if (nbx_registry_check(all, exam->dir, &fault)) {
        say_missing(exam, check, &fault);
    } else if (!active) {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%zu versions, none is active",
                        nbx_registry_count(all));
    } else if (read_active(exam, check, active)) {
        snprintf(exam->active, sizeof exam->active, "%.*s", NBX_STR_ARG(active->version));
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%zu versions, %.*s of %.*s is active",
                        nbx_registry_count(all), NBX_STR_ARG(active->version),
                        NBX_STR_ARG(active->name));
    }
}

void nbx_doctor__models(struct nbx_doctor__exam *exam, const struct nbx_store *store)
{
    struct nbx_fault fault = {0};
    struct nbx_versions all = {0};
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    if (!arena || nbx_registry_read(&all, store, arena, &fault)) {
        struct nbx_doctor_check *check = nbx_doctor__check(exam, "models");
        nbx_doctor__say(check, arena ? NBX_DOCTOR_DAMAGED : NBX_DOCTOR_WARN, "%s",
                        arena ? fault.message : "no memory to look at them");
        nbx_doctor__advise(check, "nbx verify%s; then nbx restore BACKUP", exam->with_config);
    } else if (all.n) {
        look(exam, &all);
    }
    nbx_arena_destroy(&arena);
}
