/* SPDX-License-Identifier: MIT
 * model.read and `nbx model pull`: a version's file comes back as it was pushed, or not at all.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED      20261126
#define N_ITEMS   1000
#define DIMS      64
#define N_SPACES  5 /* 1.3 MB: more than one part */
#define PART      (1 << 20)
#define AT        "{'name': 'taste', 'version': '1', 'offset': %lld}"
#define OF(which) "{'name': '" which "', 'version': '1'}"

static struct server s;
static struct peer *p;
static struct pushed f;
static char said[4096];

static void begin(void)
{
    static const char *const names[N_SPACES] = {"a", "b", "c", "d", "e"};
    struct model m;
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    p = &s.peer;
    model_make(&m, N_ITEMS, DIMS, SEED);
    m.info.version = NBX_STR("1");
    m.info.n_spaces = N_SPACES;
    for (size_t i = 0; i < N_SPACES; i++) {
        m.info.spaces[i] = m.info.spaces[0];
        m.info.spaces[i].name = nbx_str_c(names[i]);
    }
    pushed_make(&f, &s, &m.info);
    model_free(&m);
    cr_assert_gt(f.n, PART);
    must_push(p, &f, "{}");
}

static void end(void)
{
    pushed_free(&f);
    server_stop(&s);
}

TestSuite(model_read, .init = begin, .fini = end, .timeout = 120);

/* The part from `offset` on is just that of the file. */
static void must_read(size_t offset, size_t n)
{
    struct nbx_value *r = get(p, "model.read", "", AT, (long long)offset);
    const struct nbx_value *data = at(r, "data");
    cr_assert_eq(int_at(r, "bytes"), (int64_t)f.n);
    cr_assert(data && data->type == NBX_BIN && data->s.len == n, "%zu: %u bytes, not %zu", offset,
              data ? data->s.len : 0, n);
    if (n)
        cr_assert_eq(memcmp(data->s.p, f.p + offset, n), 0, "other bytes at %zu", offset);
}

Test(model_read, parts_are_those_of_the_file)
{
    must_read(0, PART);
    must_read(PART, f.n - PART);
    must_read(17, PART);
    must_read(f.n - 1, 1);
    must_read(f.n, 0);
    must_read(f.n + 1000000, 0);
    must_be(get(p, "model.read", "", "{'name': 'taste', 'version': '1', 'id': 7}"), "id", "7");
    get(p, "model.activate", "", OF("taste"));
    must_read(0, PART);
    server_kill(&s);
    server_begin(&s);
    must_read(PART, f.n - PART);
}

static void remove_file(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/models/taste@1.safetensors", s.data);
    cr_assert_eq(unlink(path), 0);
}

Test(model_read, what_is_not_there_is_told)
{
    REFUSED(ask(p, "model.read", "", OF("other")), "not_found", "version", "no version 1 of");
    REFUSED(ask(p, "model.read", "", AT, -1LL), "bad_request", "offset", "from 0");
    get(p, "model.stage", "", "{'name': 'taste', 'version': '1', 'stage': 'archived'}");
    must_read(0, PART);
    remove_file();
    REFUSED(ask(p, "model.read", "", OF("taste")), "conflict", "version", "not there any more");
    get(p, "model.delete", "", OF("taste"));
    REFUSED(ask(p, "model.read", "", OF("taste")), "not_found", "version", NULL);
}

static void pull(const char *words, int code, const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && %s/nbx model pull %s --endpoint %s 2>&1", s.folder,
             NBX_BIN_DIR, words, s.endpoint);
    FILE *out = popen(command, "r");
    cr_assert_not_null(out);
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    int status = pclose(out);
    cr_assert_eq(WIFEXITED(status) ? WEXITSTATUS(status) : -1, code, "%s: %s", words, said);
    cr_assert_str_eq(said, text, "%s", words);
}

/* Reads the file of that name in the daemon's folder; false where it is not there. */
static bool holds_file(const char *name)
{
    char path[160];
    uint8_t *bytes = malloc(f.n + 1);
    snprintf(path, sizeof path, "%s/%s", s.folder, name);
    FILE *file = fopen(path, "rb");
    bool same = file && bytes && fread(bytes, 1, f.n + 1, file) == f.n;
    same = same && memcmp(bytes, f.p, f.n) == 0;
    if (file)
        fclose(file);
    free(bytes);
    return same;
}

Test(model_read, a_pulled_file_is_the_one_that_was_pushed)
{
    pull("taste 1 back.safetensors", 0, "wrote back.safetensors\n");
    cr_assert(holds_file("back.safetensors"));
    pull("taste 2 none.safetensors", 1,
         "nbx: not_found: version: no version 2 of a model taste is kept\n");
    cr_assert_not(holds_file("none.safetensors"));
    pull("taste 1 nowhere/x", 1,
         "nbx: storage: nowhere/x: cannot be written: No such file or directory\n");
    pull("taste 1", 2, "nbx: usage: nbx model pull NAME VERSION FILE; see --help\n");
}
