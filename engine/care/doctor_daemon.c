/* SPDX-License-Identifier: MIT
 * The daemon on a folder: who holds it, what it says of itself.
 */
#include "engine/care/doctor_internal.h"
#include "engine/care/files.h"
#include "proto/client/client.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)NBX_CLIENT_MAX_REPLY_BYTES)

/* The lock that RocksDB keeps while the folder is open to be written. */
static pid_t holder_of(const char *dir)
{
    char path[NBX_CARE_PATH_BYTES];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/LOCK", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool told = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (fd >= 0)
        close(fd);
    return told ? lock.l_pid : 0;
}

/* Where to connect to what listens at `endpoint`, which may be any address of the machine. */
static void reach(char *out, size_t room, const char *endpoint)
{
    static const char *const any[] = {"tcp://*:", "tcp://0.0.0.0:"};
    snprintf(out, room, "%s", endpoint);
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (strncmp(endpoint, any[i], strlen(any[i])) == 0)
            snprintf(out, room, "tcp://127.0.0.1:%s", endpoint + strlen(any[i]));
}

static void copy_text(char *out, size_t room, const struct nbx_value *v)
{
    if (v && v->type == NBX_STRING)
        snprintf(out, room, "%.*s", NBX_STR_ARG(v->s));
}

static int64_t int_of(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_INT ? v->i : 0;
}

static void take_hello(struct nbx_doctor__daemon *out, const struct nbx_value *body)
{
    const struct nbx_value *ready = nbx_value_get(body, "ready");
    out->ready = ready && ready->type == NBX_BOOL && ready->b;
    copy_text(out->version, sizeof out->version, nbx_value_get(body, "version"));
    copy_text(out->model, sizeof out->model,
              nbx_value_get(nbx_value_get(body, "model"), "version"));
}

static void take_stats(struct nbx_doctor__daemon *out, const struct nbx_value *body, int64_t now_ms)
{
    out->started_ms = now_ms - int_of(body, "uptime_ms");
    out->stats.disk_full = int_of(body, "store.disk_full");
    out->stats.write_stopped = int_of(body, "store.write_stopped");
    out->stats.background_errors = int_of(body, "store.background_errors");
    out->stats.decisions_lost = int_of(body, "decisions.lost");
    out->stats.resident = int_of(body, "memory.resident_bytes");
    out->stats.limit = int_of(body, "memory.limit_bytes");
}

static bool call(struct nbx_client *client, const char *op, struct nbx_arena *arena, int timeout_ms,
                 struct nbx_reply *reply)
{
    struct nbx_buf body = {0};
    nbx_wire_map(&body, 0);
    struct nbx_request request = {.op = op, .body = {(const char *)body.p, (uint32_t)body.len}};
    enum nbx_err err = nbx_client_call(client, &request, timeout_ms, arena, reply);
    nbx_buf_fini(&body);
    return !err && nbx_str_is(reply->status, "ok") && reply->body.type == NBX_MAP;
}

void nbx_doctor__ask(struct nbx_doctor__daemon *out, const struct nbx_doctor_options *options)
{
    char endpoint[NBX_DOCTOR_TEXT_BYTES];
    struct nbx_client *client = NULL;
    struct nbx_reply hello, stats;
    struct nbx_arena *arena = nbx_arena_new(2 * ARENA_BYTES);
    *out = (struct nbx_doctor__daemon){.holder = holder_of(options->store->dir)};
    reach(endpoint, sizeof endpoint, options->endpoint);
    if (arena && nbx_client_new(&client, endpoint) == NBX_OK)
        out->answers = call(client, "hello", arena, options->timeout_ms, &hello) &&
                       call(client, "stats", arena, options->timeout_ms, &stats);
    if (out->answers) {
        take_hello(out, &hello.body);
        take_stats(out, &stats.body, options->now_ms);
    }
    if (client)
        nbx_client_drop(&client);
    nbx_arena_destroy(&arena);
}

static void say_silent(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check)
{
    char name[32];
    const char *at = exam->options->endpoint;
    if (exam->daemon.holder) {
        nbx_doctor__say(check, NBX_DOCTOR_WRONG,
                        "process %ld holds the folder but does not answer at %s within %d s",
                        (long)exam->daemon.holder, at, exam->options->timeout_ms / 1000);
        snprintf(name, sizeof name, "%ld", (long)exam->daemon.holder);
        check->since_ms = nbx_doctor__changed_ms("/proc", name);
        nbx_doctor__advise(check, "ps -f -p %s; its log says what it does; else kill -TERM %s",
                           name, name);
        return;
    }
    nbx_doctor__say(check, NBX_DOCTOR_WARN, "none answers at %s, none holds the folder", at);
    check->since_ms = nbx_doctor__changed_ms(exam->dir, "acknowledged"); /* it lived then */
    nbx_doctor__advise(check, "nbxd%s", exam->with_config);
}

void nbx_doctor__daemon(struct nbx_doctor__exam *exam)
{
    const struct nbx_doctor__daemon *daemon = &exam->daemon;
    const char *at = exam->options->endpoint, *own = exam->options->version;
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "daemon");
    if (!daemon->answers) {
        say_silent(exam, check);
        return;
    }
    check->since_ms = daemon->started_ms;
    if (!daemon->holder) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "one answers at %s, but none holds this folder",
                        at);
        nbx_doctor__advise(check, "nbxd --print-config%s; compare data_dir with the daemon's",
                           exam->with_config);
    } else if (!daemon->ready) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "at %s, not ready: it still starts or ends", at);
        nbx_doctor__advise(check, "nbx hello; again until it is ready");
    } else if (strcmp(daemon->version, own) != 0) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "%s answers at %s, but %s is installed",
                        daemon->version, at, own);
        nbx_doctor__advise(check, "kill -TERM %ld; nbxd%s", (long)daemon->holder,
                           exam->with_config);
    } else {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%s answers at %s, process %ld", daemon->version, at,
                        (long)daemon->holder);
    }
}

static bool is_the_folders(const struct nbx_doctor__daemon *daemon)
{
    return daemon->answers && daemon->holder;
}

/* Refusals are not dated; they have come since it started. */
void nbx_doctor__daemon_writes(struct nbx_doctor__exam *exam)
{
    const struct nbx_doctor__daemon *d = &exam->daemon;
    if (!is_the_folders(d))
        return;
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "writes");
    if (d->stats.disk_full)
        nbx_doctor__say(check, NBX_DOCTOR_WRONG, "refused, since the disk is full");
    else if (d->stats.background_errors)
        nbx_doctor__say(check, NBX_DOCTOR_WRONG, "%lld writes of the database's own failed",
                        (long long)d->stats.background_errors);
    else if (d->stats.write_stopped)
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "wait for the disk: it is too slow for them");
    else if (d->stats.decisions_lost)
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "%lld decisions could not be recorded",
                        (long long)d->stats.decisions_lost);
    else
        nbx_doctor__say(check, NBX_DOCTOR_OK, "taken");
    if (!check->verdict)
        return;
    check->since_ms = d->started_ms;
    nbx_doctor__advise(check, "df %s; nbx stats; the daemon's log says when and why", exam->dir);
}

void nbx_doctor__daemon_memory(struct nbx_doctor__exam *exam)
{
    const struct nbx_doctor__daemon *d = &exam->daemon;
    if (!is_the_folders(d))
        return;
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "memory");
    bool near = d->stats.resident > d->stats.limit / 10 * 9;
    nbx_doctor__say(check, near ? NBX_DOCTOR_WARN : NBX_DOCTOR_OK, "%lld MiB of %lld in use%s",
                    (long long)d->stats.resident >> 20, (long long)d->stats.limit >> 20,
                    near ? "; past the limit the daemon ends" : "");
    if (near)
        nbx_doctor__advise(check, "raise memory_limit in the settings; kill -TERM %ld; nbxd%s",
                           (long)d->holder, exam->with_config);
}
