/* SPDX-License-Identifier: MIT
 * A disk that gets full while a model is pushed: before the first chunk, between two, before the
 * commit. The push is refused with `storage`, nothing of it stays, the model in service answers
 * on, and the same push is taken once there is room.
 *
 *     modelfull [--program NBXD]
 *
 * As root only, where a file system can be mounted. The last line counts moments.
 */
#include "tests/crash/loop.h"
#include "tests/crash/pushing.h"

#include "engine/base/clock.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define DISK_MIB 256
#define N_ITEMS  8000
#define TAKEN_MS 20000 /* within which it is taken once there is room */
#define SETTINGS "workers: 2\nlog_level: warn\nmemory_limit: 128MiB\n"

enum moment { BEFORE, BETWEEN, AT_COMMIT, N_MOMENTS };
static const char *const moments[N_MOMENTS] = {"before the first chunk", "between two chunks",
                                               "before the commit"};

struct test {
    struct daemon daemon;
    struct pushing pushing;
    char folder[256];
    struct pushed serving, file;
};

static unsigned count_files(const struct test *t)
{
    char path[DAEMON_PATH_BYTES];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/data/models", t->folder);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static bool is_as_before(struct test *t)
{
    unsigned n = count_files(t);
    if (n != 1)
        printf("%u files are there, not the one that serves\n", n);
    return n == 1 && pushing_serves(&t->pushing, "1");
}

/* As soon as writes are taken again. */
static bool is_taken(struct test *t)
{
    struct nbx_reply reply;
    int64_t until_ns = nbx_clock_mono_ns() + TAKEN_MS * INT64_C(1000000);
    do {
        if (!pushing_all(&t->pushing, &t->file, &reply))
            return false;
    } while (nbx_str_is(reply.status, "storage") && nbx_clock_mono_ns() < until_ns);
    return pushing_is(&reply, "ok") && count_files(t) == 2 &&
           pushing_version(&t->pushing, "model.delete", "2", &reply);
}

static bool try_moment(struct test *t, enum moment moment)
{
    static const size_t halves[N_MOMENTS] = {0, 1, 2}; /* that are there when it gets full */
    struct nbx_reply reply;
    size_t there = t->file.n * halves[moment] / 2;
    if (!pushing_until(&t->pushing, &t->file, there, &reply) || !pushing_is(&reply, "ok"))
        return false;
    loop_take(t->folder, UINT64_MAX);
    bool asked = moment == AT_COMMIT ? pushing_commit(&t->pushing, &t->file, &reply)
                                     : pushing_until(&t->pushing, &t->file, t->file.n, &reply);
    bool good = asked && pushing_is(&reply, "storage") && is_as_before(t);
    loop_give_back(t->folder);
    good = good && is_taken(t);
    printf("full %s: %s\n", moments[moment], good ? "ok" : "FAILED");
    return good;
}

static bool set_up(struct test *t, const char *program)
{
    struct nbx_reply reply;
    t->pushing.arena = nbx_arena_new((size_t)64 << 20);
    return t->pushing.arena && folder_make(t->folder, sizeof t->folder, "nbx-modelfull") &&
           pushed_make(&t->serving, t->folder, "1", N_ITEMS) &&
           pushed_make(&t->file, t->folder, "2", N_ITEMS) &&
           daemon_init(&t->daemon, program, t->folder, SETTINGS) &&
           loop_make(t->folder, DISK_MIB) && daemon_launch(&t->daemon) &&
           daemon_await(&t->daemon, NULL) &&
           nbx_client_new(&t->pushing.client, t->daemon.endpoint) == NBX_OK &&
           pushing_all(&t->pushing, &t->serving, &reply) &&
           pushing_version(&t->pushing, "model.activate", "1", &reply);
}

static void tear_down(struct test *t, bool keep)
{
    if (t->daemon.pid > 0)
        daemon_kill(&t->daemon);
    nbx_client_drop(&t->pushing.client);
    loop_end(t->folder);
    if (keep)
        printf("everything is kept in %s\n", t->folder);
    else
        folder_remove(t->folder);
    nbx_arena_destroy(&t->pushing.arena);
    nbx_buf_fini(&t->pushing.body);
    pushed_free(&t->serving);
    pushed_free(&t->file);
}

int main(int argc, char **argv)
{
    static struct test t;
    char program[PATH_MAX + 64];
    unsigned passed = 0;
    if (!pushing_program(program, sizeof program, argc, argv))
        return 2;
    const char *why = loop_missing();
    if (why) {
        printf("modelfull: skipped, %s\n0 passed, 0 failed, 1 skipped\n", why);
        return 0;
    }
    bool ok = set_up(&t, program);
    for (enum moment m = 0; ok && m < N_MOMENTS; m++)
        passed += ok = try_moment(&t, m);
    ok = ok && daemon_verify(&t.daemon);
    tear_down(&t, !ok);
    printf("%u passed, %u failed, 0 skipped\n", passed, ok ? 0 : 1);
    return ok ? 0 : 1;
}
