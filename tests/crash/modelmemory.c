/* SPDX-License-Identifier: MIT
 * Models for which memory is short: two have room, not three. What lies ready for a rollback goes
 * before a push or an activation fails, and the rollback then loads its file; where two have no
 * room the push is refused with `limit`, nothing of it stays and the model in service answers on.
 *
 *     modelmemory [--program NBXD]
 *
 * The last line counts steps.
 */
#include "tests/crash/pushing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define N_ITEMS  110000
#define TOO_MANY 220000
#define N_MODELS 3
#define SETTINGS "workers: 2\nlog_level: info\nmemory_limit: 192MiB\n"

struct test {
    struct daemon daemon;
    struct pushing pushing;
    char folder[256];
    struct pushed files[N_MODELS], large;
};

static bool takes(struct test *t, size_t i)
{
    struct nbx_reply reply;
    return pushing_all(&t->pushing, &t->files[i], &reply) && pushing_is(&reply, "ok");
}

static bool activates(struct test *t, const char *version)
{
    struct nbx_reply reply;
    return pushing_version(&t->pushing, "model.activate", version, &reply) &&
           pushing_serves(&t->pushing, version);
}

/* Where a rollback would go, and whether that lies in memory. */
static bool has_behind(struct test *t, const char *version, bool resident)
{
    struct nbx_reply reply;
    if (!pushing_ask(&t->pushing, "model.list", NBX_STR("\x80"), &reply))
        return false;
    const struct nbx_value *back = nbx_value_get(&reply.body, "rollback");
    const struct nbx_value *is = back ? nbx_value_get(back, "version") : NULL;
    const struct nbx_value *ready = back ? nbx_value_get(back, "resident") : NULL;
    if (is && ready && nbx_str_is(is->s, version) && ready->b == resident)
        return true;
    printf("  a rollback would not go to %s, %s\n", version, resident ? "in memory" : "to load");
    return false;
}

static bool rolls_back(struct test *t, const char *version)
{
    struct nbx_reply reply;
    return pushing_ask(&t->pushing, "model.rollback", NBX_STR("\x80"), &reply) &&
           pushing_is(&reply, "ok") && pushing_serves(&t->pushing, version);
}

/* steps */

static bool two_have_room(struct test *t)
{
    return takes(t, 0) && activates(t, "1") && takes(t, 1) && activates(t, "2") &&
           has_behind(t, "1", true);
}

static bool a_third_is_looked_through_in_place_of_the_one_before(struct test *t)
{
    return takes(t, 2) && has_behind(t, "1", false) && pushing_serves(&t->pushing, "2");
}

static bool a_rollback_loads_what_is_not_there(struct test *t)
{
    return rolls_back(t, "1");
}

static bool the_one_before_goes_for_an_activation(struct test *t)
{
    return activates(t, "2") && activates(t, "3") && has_behind(t, "2", true) &&
           rolls_back(t, "2") && has_behind(t, "1", false) && rolls_back(t, "1");
}

static bool what_has_no_room_is_refused(struct test *t)
{
    struct nbx_reply reply;
    return pushing_all(&t->pushing, &t->large, &reply) && pushing_is(&reply, "limit") &&
           pushing_serves(&t->pushing, "1") && takes(t, 0);
}

static const struct {
    const char *what;
    bool (*holds)(struct test *t);
} steps[] = {{"two have room", two_have_room},
             {"a third is looked through in place of the one before",
              a_third_is_looked_through_in_place_of_the_one_before},
             {"a rollback loads what is not there", a_rollback_loads_what_is_not_there},
             {"the one before goes for an activation", the_one_before_goes_for_an_activation},
             {"what has no room is refused", what_has_no_room_is_refused}};
#define N_STEPS (sizeof steps / sizeof *steps)

static bool set_up(struct test *t, const char *program)
{
    static const char *const versions[N_MODELS] = {"1", "2", "3"};
    t->pushing.arena = nbx_arena_new((size_t)64 << 20);
    bool made = t->pushing.arena && folder_make(t->folder, sizeof t->folder, "nbx-modelmemory") &&
                pushed_make(&t->large, t->folder, "4", TOO_MANY);
    for (size_t i = 0; made && i < N_MODELS; i++)
        made = pushed_make(&t->files[i], t->folder, versions[i], N_ITEMS);
    return made && daemon_init(&t->daemon, program, t->folder, SETTINGS) &&
           daemon_launch(&t->daemon) && daemon_await(&t->daemon, NULL) &&
           nbx_client_new(&t->pushing.client, t->daemon.endpoint) == NBX_OK;
}

static void tear_down(struct test *t, bool keep)
{
    if (keep)
        daemon_print_log(&t->daemon);
    if (t->daemon.pid > 0)
        daemon_kill(&t->daemon);
    nbx_client_drop(&t->pushing.client);
    folder_remove(t->folder);
    nbx_arena_destroy(&t->pushing.arena);
    nbx_buf_fini(&t->pushing.body);
    pushed_free(&t->large);
    for (size_t i = 0; i < N_MODELS; i++)
        pushed_free(&t->files[i]);
}

int main(int argc, char **argv)
{
    static struct test t;
    char program[PATH_MAX + 64];
    unsigned passed = 0;
    if (!pushing_program(program, sizeof program, argc, argv))
        return 2;
    bool ok = set_up(&t, program);
    for (size_t i = 0; ok && i < N_STEPS; i++) {
        passed += ok = steps[i].holds(&t);
        printf("%s: %s, %.0f MiB resident\n", steps[i].what, ok ? "ok" : "FAILED",
               daemon_resident_mib(&t.daemon));
    }
    tear_down(&t, !ok);
    printf("%u passed, %u failed, 0 skipped\n", passed, ok ? 0 : 1);
    return ok ? 0 : 1;
}
