/* SPDX-License-Identifier: MIT
 * `nbx model` before a real daemon: a version from the push to its end, and a push that is killed.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include "engine/base/clock.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED       20261129
#define N_ITEMS    200
#define DIMS       16
#define MANY_ITEMS 1000
#define MANY_DIMS  64
#define N_SPACES   8 /* 2 MB, a thousand chunks */
#define TEXT_BYTES 16384

static struct server s;
static struct model m[2];
static char said[TEXT_BYTES];

static void begin(const char *settings, size_t n_items, size_t dims)
{
    static const char *const versions[] = {"1", "2"};
    printf("seed %d\n", SEED);
    server_start(&s, &(struct server_options){.settings = settings});
    for (size_t i = 0; i < 2; i++) {
        model_make(&m[i], n_items, dims, SEED + i);
        m[i].info.version = nbx_str_c(versions[i]);
    }
    server_bundle(&s, "../one", &m[0].info);
    server_bundle(&s, "../two", &m[1].info);
}

static void end(void)
{
    model_free(&m[0]);
    model_free(&m[1]);
    server_stop(&s);
}

TestSuite(model_program, .fini = end, .timeout = 120);

/* Runs nbx, in the folder where the files are; what it said in `said`. */
static int nbx(const char *words)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s/nbx model %s --endpoint %s 2>&1", s.folder,
             NBX_BIN_DIR, words, s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_say(const char *words, int code, const char *text)
{
    int got = nbx(words);
    cr_assert_eq(got, code, "nbx model %s: exit %d: %s", words, got, said);
    cr_assert(strstr(said, text), "nbx model %s: no \"%s\" in: %s", words, text, said);
}

/* A recommendation names the version, or none where it is empty. */
static void must_answer(const char *version)
{
    struct nbx_value *r = get(&s.peer, "recommend", "anna", "{'record': 'none'}");
    cr_assert(nbx_str_is(text_at(r, "model.version"), version), "%.*s answers, not %s",
              NBX_STR_ARG(text_at(r, "model.version")), version);
}

Test(model_program, a_version_from_its_push_to_its_end)
{
    begin(NULL, N_ITEMS, DIMS);
    model_put_items(&m[0], &s.peer);
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i003'}]}");
    must_say("push one.safetensors --notes first --by ci --metrics recall@20=0.25", 0,
             "model taste 1 staged\n");
    cr_assert_str_eq(said, "model taste 1 staged\n", "nothing else in a pipe");
    must_answer("");
    must_say("push one.safetensors", 0, "model taste 1 staged\n");
    must_say("get taste 1", 0, " 0.25\n");
    must_say("list --json", 0, "\"notes\": \"first\"");
    must_say("activate taste 1", 0, "model taste 1 active\n");
    must_answer("1");
    must_say("push two.safetensors --activate --parent 1", 0, "model taste 2 active\n");
    must_answer("2");
    must_say("list", 0, "a rollback goes to taste 1, which lies ready in memory\n");
    must_say("delete taste 1", 1, "nbx: conflict: ");
    must_say("rollback", 0, "model taste 1 active\n");
    must_answer("1");
    must_say("stage taste 2 archived", 0, "model taste 2 archived\n");
    must_say("activate taste 2", 1, "nbx: conflict: ");
    must_say("stage taste 2 shadow", 1, "nbx: conflict: ");
    must_say("stage taste 2 staged", 0, "model taste 2 staged\n");
    must_say("stage taste 2 shadow --share 0.5", 0, "model taste 2 shadow\n");
    must_say("get taste 2", 0, "trial.share");
    must_say("delete taste 2", 1, "nbx: conflict: ");
    must_say("stage taste 2 canary --share 0.6", 1, "nbx: bad_request: share: ");
    must_say("stage taste 2 archived", 0, "model taste 2 archived\n");
    must_say("delete taste 2", 0, "model taste 2 deleted\n");
    must_say("get taste 2", 1, "nbx: not_found: ");
    must_say("rollback", 0, "no version is active");
    must_answer("");
    must_say("rollback", 1, "nbx: conflict: ");
    must_say("delete taste 1", 0, "model taste 1 deleted\n");
    cr_assert_str_eq(models_on_disk(&s), "");
}

Test(model_program, what_is_no_bundle_is_refused_with_the_reason)
{
    char path[128];
    begin("model_max: 1MiB\n", N_ITEMS, DIMS);
    snprintf(path, sizeof path, "%s/text.safetensors", s.folder);
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs("this is not a bundle", f) > 0);
    cr_assert_eq(fclose(f), 0);
    must_say("push text.safetensors", 1, "nbx: bad_request: ");
    must_say("push nowhere.safetensors", 1,
             "nbx: not_found: nowhere.safetensors: cannot be opened");
    cr_assert_eq(truncate(path, 2 << 20), 0);
    must_say("push text.safetensors", 1, "nbx: limit: bytes: ");
    cr_assert_str_eq(models_on_disk(&s), "");
}

static pid_t start_push(const char *file)
{
    extern char **environ;
    char path[128];
    pid_t pid;
    snprintf(path, sizeof path, "%s/%s", s.folder, file);
    char *words[] = {"nbx", "model", "push", path, "--endpoint", s.endpoint, NULL};
    cr_assert_eq(posix_spawn(&pid, NBX_BIN_DIR "/nbx", NULL, NULL, words, environ), 0);
    return pid;
}

/* one.safetensors again, with spaces enough that a push of it takes a while. */
static void make_large(struct pushed *f)
{
    static const char *const names[N_SPACES] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct nbx_bundle_info *info = &m[0].info;
    for (size_t i = 0; i < N_SPACES; i++) {
        info->spaces[i] = info->spaces[0];
        info->spaces[i].name = nbx_str_c(names[i]);
    }
    info->n_spaces = N_SPACES;
    server_bundle(&s, "../one", info);
    pushed_make(f, &s, info);
}

static int64_t received(const struct pushed *f)
{
    return int_at(push(&s.peer, f, (struct pushed_part){0}).body, "received");
}

Test(model_program, a_push_that_was_killed_is_taken_up_by_the_next)
{
    struct pushed f;
    int status;
    begin("max_message: 4KiB\n", MANY_ITEMS, MANY_DIMS);
    make_large(&f);
    pid_t pid = start_push("one.safetensors");
    int64_t until_ns = nbx_clock_mono_ns() + INT64_C(30000000000);
    while (received(&f) == 0 && nbx_clock_mono_ns() < until_ns)
        continue;
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the push ended before it was killed");
    int64_t at = received(&f);
    cr_assert(at > 0 && at < (int64_t)f.n, "%lld of %zu", (long long)at, f.n);
    must_be(get(&s.peer, "model.list", "", "{}"), "models", "[]");
    must_say("push one.safetensors --json", 0, f.digest);
    must_say("get taste 1", 0, " staged\n");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    pushed_free(&f);
}
