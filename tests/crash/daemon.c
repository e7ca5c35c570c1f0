/* SPDX-License-Identifier: MIT */
#include "tests/crash/daemon.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 60000
#define LOG_TAIL_BYTES   4000

/* A sanitizer's runtime shows as a symbol the program wants. */
static bool mentions(const char *path, const char *symbol)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st)) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    bool found = p != MAP_FAILED && memmem(p, (size_t)st.st_size, symbol, strlen(symbol) + 1);
    if (p != MAP_FAILED)
        munmap(p, (size_t)st.st_size);
    return found;
}

bool daemon_init(struct daemon *d, const char *program, const char *folder, const char *settings)
{
    *d = (struct daemon){.program = program,
                         .folder = folder,
                         .settings = settings,
                         .watch = -1,
                         .pidfd = -1,
                         .sanitized =
                             mentions(program, "__asan_init") || mentions(program, "__tsan_init")};
    if (access(program, X_OK) == 0)
        return true;
    printf("no program %s\n", program);
    return false;
}

static bool write_settings(struct daemon *d)
{
    char path[DAEMON_PATH_BYTES];
    snprintf(d->socket_name, sizeof d->socket_name, "%u.sock", ++d->starts);
    snprintf(d->endpoint, sizeof d->endpoint, "ipc://%s/%s", d->folder, d->socket_name);
    snprintf(path, sizeof path, "%s/nbxd.yaml", d->folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return false;
    fprintf(f, "listen: [\"%s\"]\nhttp: \"\"\ndata_dir: %s/data\n%s", d->endpoint, d->folder,
            d->settings);
    return fclose(f) == 0;
}

/* The shim comes before the sanitizer's runtime, which must be told to bear it. */
static void preload(const struct daemon *d)
{
    char text[2 * DAEMON_PATH_BYTES];
    const char *slash = strrchr(d->program, '/'), *asan = getenv("ASAN_OPTIONS");
    snprintf(text, sizeof text, "%.*s/powercut.so", (int)(slash - d->program), d->program);
    setenv("LD_PRELOAD", text, 1);
    snprintf(text, sizeof text, "%s/data", d->folder);
    setenv("NBX_POWER_DATA", text, 1);
    snprintf(text, sizeof text, "%s/power", d->folder);
    setenv("NBX_POWER_NOTES", text, 1);
    snprintf(text, sizeof text, "%s%sverify_asan_link_order=0", asan ? asan : "", asan ? ":" : "");
    setenv("ASAN_OPTIONS", text, 1);
}

static _Noreturn void become(const struct daemon *d)
{
    char config[DAEMON_PATH_BYTES], log[DAEMON_PATH_BYTES];
    snprintf(config, sizeof config, "%s/nbxd.yaml", d->folder);
    snprintf(log, sizeof log, "%s/nbxd.log", d->folder);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    if (d->power)
        preload(d);
    execl(d->program, d->program, "--config", config, (char *)NULL);
    _exit(127);
}

bool daemon_launch(struct daemon *d)
{
    if (!write_settings(d))
        return false;
    d->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (d->watch < 0 || inotify_add_watch(d->watch, d->folder, IN_CREATE) < 0)
        return false;
    d->launched_ns = nbx_clock_mono_ns();
    d->pid = fork();
    if (d->pid == 0)
        become(d);
    d->pidfd = d->pid > 0 ? pidfd_open(d->pid, 0) : -1;
    return d->pidfd >= 0;
}

static int left_ms(const struct daemon *d)
{
    int64_t passed_ms = (nbx_clock_mono_ns() - d->launched_ns) / 1000000;
    return passed_ms < START_TIMEOUT_MS ? (int)(START_TIMEOUT_MS - passed_ms) : 0;
}

static bool socket_appeared(struct daemon *d)
{
    _Alignas(struct inotify_event) char events[4096];
    ssize_t n = read(d->watch, events, sizeof events);
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (struct inotify_event *)(events + at);
        if (e->len && strcmp(e->name, d->socket_name) == 0)
            return true;
        at += (ssize_t)(sizeof *e + e->len);
    }
    return false;
}

/* Until the daemon has bound its socket; false where it ends before, or takes too long. */
static bool await_socket(struct daemon *d)
{
    struct pollfd fds[] = {{d->watch, POLLIN, 0}, {d->pidfd, POLLIN, 0}};
    while (poll(fds, 2, left_ms(d)) > 0) {
        if (fds[0].revents && socket_appeared(d))
            return true;
        if (fds[1].revents)
            return false;
    }
    return false;
}

static bool await_hello(struct daemon *d)
{
    struct nbx_client *client = NULL;
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    struct nbx_request hello = {.op = "hello", .body = NBX_STR("\x80")};
    struct nbx_reply reply;
    bool ready = false;
    if (arena && !nbx_client_new(&client, d->endpoint)) {
        while (!ready && left_ms(d) > 0) {
            nbx_arena_reset(arena);
            if (nbx_client_call(client, &hello, left_ms(d), arena, &reply))
                break;
            const struct nbx_value *v = nbx_value_get(&reply.body, "ready");
            ready = v && v->type == NBX_BOOL && v->b;
        }
    }
    nbx_client_destroy(&client);
    nbx_arena_destroy(&arena);
    return ready;
}

bool daemon_await_quietly(struct daemon *d)
{
    return await_socket(d) && await_hello(d);
}

bool daemon_await(struct daemon *d, double *ready_ms)
{
    bool ready = daemon_await_quietly(d);
    if (ready_ms)
        *ready_ms = (double)(nbx_clock_mono_ns() - d->launched_ns) / 1e6;
    if (!ready) {
        printf("the daemon did not get ready\n");
        daemon_print_log(d);
    }
    return ready;
}

static void forget(struct daemon *d)
{
    if (d->watch >= 0)
        close(d->watch);
    if (d->pidfd >= 0)
        close(d->pidfd);
    d->watch = d->pidfd = -1;
    d->pid = 0;
}

bool daemon_kill(struct daemon *d)
{
    int status = 0;
    if (d->pid <= 0)
        return false;
    kill(d->pid, SIGKILL);
    pid_t got = waitpid(d->pid, &status, 0);
    bool by_us = got == d->pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!by_us) {
        printf("the daemon ended by itself, status %#x\n", (unsigned)status);
        daemon_print_log(d);
    }
    forget(d);
    return by_us;
}

int daemon_wait(struct daemon *d, int timeout_ms)
{
    struct pollfd fd = {d->pidfd, POLLIN, 0};
    int status = 0;
    if (d->pid <= 0 || poll(&fd, 1, timeout_ms) <= 0 || waitpid(d->pid, &status, 0) != d->pid)
        return -1;
    forget(d);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool daemon_stop(struct daemon *d)
{
    if (d->pid <= 0)
        return false;
    kill(d->pid, SIGTERM);
    int code = daemon_wait(d, START_TIMEOUT_MS);
    if (code != 0) {
        printf("the daemon did not end well: exit code %d\n", code);
        daemon_print_log(d);
        daemon_kill(d);
    }
    return code == 0;
}

int daemon_verify_code(const struct daemon *d)
{
    char command[3 * DAEMON_PATH_BYTES];
    snprintf(command, sizeof command, "%s --verify --config %s/nbxd.yaml >/dev/null 2>&1",
             d->program, d->folder);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool daemon_verify(const struct daemon *d)
{
    char command[3 * DAEMON_PATH_BYTES], line[DAEMON_PATH_BYTES];
    snprintf(command, sizeof command, "%s --verify --config %s/nbxd.yaml 2>&1", d->program,
             d->folder);
    FILE *said = popen(command, "re");
    bool shown = false;
    while (said && fgets(line, sizeof line, said)) {
        bool summary = strstr(line, " 0 findings, ") != NULL;
        shown |= summary;
        if (!summary)
            printf("verify: %s", line);
    }
    return said && pclose(said) == 0 && shown;
}

bool daemon_rebuild(const struct daemon *d)
{
    char command[4 * DAEMON_PATH_BYTES], line[DAEMON_PATH_BYTES], dir[2 * DAEMON_PATH_BYTES];
    snprintf(dir, sizeof dir, "%s/again", d->folder);
    snprintf(command, sizeof command, "%s --rebuild %s --config %s/nbxd.yaml 2>&1", d->program, dir,
             d->folder);
    FILE *said = popen(command, "re");
    bool same = false, copied = false;
    while (said && fgets(line, sizeof line, said)) {
        same |= strstr(line, " 0 differ\n") != NULL;
        copied |= strstr(line, "taken as they are stored") != NULL;
        printf("rebuild: %s", line);
    }
    bool ended = said && pclose(said) == 0;
    if (ended && same && !copied)
        folder_remove(dir);
    return ended && same && !copied;
}

double daemon_resident_mib(const struct daemon *d)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)d->pid);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

void daemon_print_log(const struct daemon *d)
{
    char path[DAEMON_PATH_BYTES], tail[LOG_TAIL_BYTES + 1];
    snprintf(path, sizeof path, "%s/nbxd.log", d->folder);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (fseek(f, -LOG_TAIL_BYTES, SEEK_END))
        rewind(f);
    tail[fread(tail, 1, LOG_TAIL_BYTES, f)] = '\0';
    fclose(f);
    printf("--- end of the daemon's log\n%s---\n", tail);
}

/* A busy daemon is asked again: on a loaded machine a request may wait too long in its queue. */
static enum nbx_err call(struct nbx_client *client, const struct nbx_request *request,
                         struct nbx_arena *arena, struct nbx_reply *out)
{
    int64_t until_ns = nbx_clock_mono_ns() + START_TIMEOUT_MS * INT64_C(1000000);
    enum nbx_err err;
    do
        err = nbx_client_call(client, request, START_TIMEOUT_MS, arena, out);
    while (!err && nbx_str_is(out->status, "busy") && nbx_clock_mono_ns() < until_ns);
    return err;
}

bool daemon_ask(struct nbx_client *client, const char *op, struct nbx_str key, struct nbx_str body,
                struct nbx_arena *arena, struct nbx_reply *out)
{
    struct nbx_request request = {.op = op, .key = key, .body = body.len ? body : NBX_STR("\x80")};
    enum nbx_err err = call(client, &request, arena, out);
    if (!err && nbx_str_is(out->status, "ok"))
        return true;
    const struct nbx_value *why = err ? NULL : nbx_value_get(&out->body, "message");
    printf("%s of %.*s: %.*s %.*s\n", op, NBX_STR_ARG(key),
           NBX_STR_ARG(err ? NBX_STR("no reply") : out->status),
           NBX_STR_ARG(why ? why->s : NBX_STR("")));
    return false;
}

int64_t reply_int(const struct nbx_value *body, const char *name)
{
    const struct nbx_value *v = nbx_value_get(body, name);
    return v && v->type == NBX_INT ? v->i : -1;
}

bool run_program(const char *const argv[])
{
    pid_t pid;
    int status = -1;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        printf("%s failed, status %#x\n", argv[0], (unsigned)status);
        return false;
    }
    return true;
}

void program_beside(char *path, size_t path_bytes, const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    snprintf(path, path_bytes, "%s/%s", dirname(self), name);
}

void daemon_program(char *path, size_t path_bytes)
{
    char release[DAEMON_PATH_BYTES];
    struct daemon d;
    program_beside(path, path_bytes, "nbxd");
    program_beside(release, sizeof release, "../../release/bin/nbxd");
    if (daemon_init(&d, path, "", "") && d.sanitized && access(release, X_OK) == 0)
        snprintf(path, path_bytes, "%s", release);
}

bool folder_make(char *path, size_t path_bytes, const char *name)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, path_bytes, "%s/%s-XXXXXX", base && base[0] == '/' ? base : P_tmpdir, name);
    return mkdtemp(path) != NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
