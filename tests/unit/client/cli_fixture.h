/* SPDX-License-Identifier: MIT
 * The program `nbx` before a fake daemon.
 *
 * The daemon answers {op, key, body} with what it got, unless the test has set `answer`.
 */
#ifndef NBX_TESTS_CLIENT_CLI_FIXTURE_H
#define NBX_TESTS_CLIENT_CLI_FIXTURE_H

#include "engine/base/buf.h"
#include "proto/wire.h"
#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NBX_BIN_DIR
#define NBX_BIN_DIR "." /* the build says where the programs are */
#endif
#define TEXT_BYTES (256 * 1024)

struct asked {
    struct nbx_str op, key;
    struct nbx_value body;
    uint32_t number; /* of requests before this one */
};

struct result {
    int code;
    char out[TEXT_BYTES], err[TEXT_BYTES];
};

static struct fake_daemon daemon_;
static struct result result;
static struct nbx_buf seen; /* what `note` wrote */
static char folder[] = P_tmpdir "/nbx-cli-XXXXXX";
static char path[256]; /* of the file written last */
/* Writes the reply's body and gives its status; NULL: no reply. */
static const char *(*answer)(struct nbx_buf *out, const struct asked *asked);

static const char *echo(struct nbx_buf *out, const struct asked *asked)
{
    nbx_wire_map(out, 3);
    nbx_wire_kv_str(out, "op", asked->op);
    nbx_wire_kv_str(out, "key", asked->key);
    nbx_wire_kv_value(out, "body", &asked->body);
    return "ok";
}

static void *serve(void *arg)
{
    (void)arg;
    struct nbx_arena *arena = nbx_arena_new(64 << 20);
    struct asked asked = {0};
    while (!atomic_load(&daemon_.stop)) {
        if (!fake_waiting(&daemon_))
            continue;
        fake_take(&daemon_);
        struct nbx_buf out = {0};
        struct nbx_str body = fake_frame(&daemon_, 6);
        nbx_arena_reset(arena);
        NBX_ASSERT(daemon_.n == 7);
        NBX_ASSERT(nbx_wire_decode(&asked.body, body.p, body.len, arena, NULL) == NBX_OK);
        asked.op = fake_frame(&daemon_, 4);
        asked.key = fake_frame(&daemon_, 5);
        const char *status = (answer ? answer : echo)(&out, &asked);
        if (status)
            fake_reply(&daemon_, status, (struct nbx_str){(char *)out.p, (uint32_t)out.len});
        asked.number++;
        nbx_buf_fini(&out);
    }
    nbx_arena_destroy(&arena);
    return NULL;
}

static void setup(void)
{
    NBX_ASSERT(mkdtemp(folder));
    fake_open(&daemon_, "tcp://127.0.0.1:*");
    setenv("NBX_ENDPOINT", daemon_.endpoint, 1);
    atomic_store(&daemon_.stop, false);
    NBX_ASSERT(pthread_create(&daemon_.thread, NULL, serve, NULL) == 0);
}

static void teardown(void)
{
    fake_stop(&daemon_);
    fake_close(&daemon_);
    nbx_buf_fini(&seen);
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", folder);
    NBX_ASSERT(system(command) == 0); /* NOLINT(bugprone-command-processor): a path of our own */
}

/* The last few results stay valid. */
static char *in_folder(const char *name)
{
    static char paths[8][256];
    static unsigned n;
    char *out = paths[n++ % 8];
    snprintf(out, sizeof paths[0], "%s/%s", folder, name);
    return out;
}

static void read_all(const char *name, char *out)
{
    FILE *f = fopen(in_folder(name), "re");
    size_t n = f ? fread(out, 1, TEXT_BYTES - 1, f) : 0;
    out[n] = '\0';
    if (f)
        fclose(f);
}

/* Runs nbx with these words; NULL ends them. */
static void run_words(char *const *words)
{
    extern char **environ;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&files, 1, in_folder("stdout"), flags, 0600);
    posix_spawn_file_actions_addopen(&files, 2, in_folder("stderr"), flags, 0600);
    pid_t pid;
    cr_assert_eq(posix_spawn(&pid, NBX_BIN_DIR "/nbx", &files, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    int status;
    waitpid(pid, &status, 0);
    cr_assert(WIFEXITED(status), "nbx ended by signal %d", WTERMSIG(status));
    result.code = WEXITSTATUS(status);
    read_all("stdout", result.out);
    read_all("stderr", result.err);
}

#define run_nbx(...) run_words((char *[]){"nbx", __VA_ARGS__, NULL})

static void expect_exit(int code)
{
    cr_expect_eq(result.code, code, "exit %d, wanted %d: %s%s", result.code, code, result.out,
                 result.err);
}

static inline void expect_out(const char *text)
{
    cr_expect(strstr(result.out, text) != NULL, "\"%s\" is not in:\n%s%s", text, result.out,
              result.err);
}

static inline void expect_err(const char *text)
{
    cr_expect(strstr(result.err, text) != NULL, "\"%s\" is not in:\n%s", text, result.err);
}

static inline char *write_file(const char *name, const char *text)
{
    snprintf(path, sizeof path, "%s", in_folder(name));
    FILE *f = fopen(path, "we");
    cr_assert_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
    return path;
}

/* A value as text, for comparing: {a: 1, b: [x, true]}. */
static inline void note(struct nbx_buf *b, const struct nbx_value *v)
{
    switch (v->type) {
    case NBX_NIL: nbx_buf_printf(b, "nil"); return;
    case NBX_BOOL: nbx_buf_printf(b, v->b ? "true" : "false"); return;
    case NBX_INT: nbx_buf_printf(b, "%lld", (long long)v->i); return;
    case NBX_FLOAT: nbx_buf_printf(b, "%g", v->f); return;
    case NBX_BIN:
    case NBX_STRING: nbx_buf_put(b, v->s.p, v->s.len); return;
    case NBX_LIST:
        for (uint32_t i = 0; i < v->n; i++) {
            nbx_buf_printf(b, i ? ", " : "[");
            note(b, &v->list[i]);
        }
        nbx_buf_printf(b, v->n ? "]" : "[]");
        return;
    case NBX_MAP:
        for (uint32_t i = 0; i < v->n; i++) {
            nbx_buf_printf(b, "%s%.*s: ", i ? ", " : "{", NBX_STR_ARG(v->members[i].key));
            note(b, &v->members[i].value);
        }
        nbx_buf_printf(b, v->n ? "}" : "{}");
        return;
    }
}

#endif
