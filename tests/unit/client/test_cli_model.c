/* SPDX-License-Identifier: MIT
 * `nbx model`: a file that is pushed to daemons of many moods, and what is said of versions.
 */
#include "tests/unit/client/cli_fixture.h"

#define MAX_FILE 8192
#define CHUNK    1000

/* What the daemon has of the upload, and how it behaves. */
static struct {
    uint8_t data[MAX_FILE];
    int64_t received, bytes, chunk;
    char digest[65];
    int64_t first_offset;            /* of the first data; -1: none came */
    uint32_t n_chunks, n_busy;       /* n_busy: so many more times it is busy */
    uint32_t n_commits, silent_from; /* silent_from: of requests; 0: never */
    bool stuck, no_chunk;
    const char *refusal; /* field of what a commit is refused for */
} there;

static const char *refuse(struct nbx_buf *out, const char *field, const char *message)
{
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "field", field);
    nbx_wire_kv_text(out, "message", message);
    return "bad_request";
}

static int64_t int_of(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_INT ? v->i : 0;
}

static void put_version(struct nbx_buf *out)
{
    nbx_wire_map(out, 5);
    nbx_wire_kv_text(out, "name", "taste");
    nbx_wire_kv_text(out, "version", "7");
    nbx_wire_kv_text(out, "stage", "staged");
    nbx_wire_kv_text(out, "digest", there.digest);
    nbx_wire_kv_int(out, "pushed", 1291191960000);
}

static void take_data(const struct asked *asked, const struct nbx_value *data)
{
    int64_t offset = int_of(&asked->body, "offset");
    cr_assert(offset == there.received && data->s.len <= there.chunk);
    cr_assert(offset + data->s.len <= MAX_FILE);
    memcpy(there.data + offset, data->s.p, data->s.len);
    if (there.n_chunks++ == 0)
        there.first_offset = offset;
    if (!there.stuck)
        there.received += data->s.len;
}

static const char *take_push(struct nbx_buf *out, const struct asked *asked)
{
    const struct nbx_value *commit = nbx_value_get(&asked->body, "commit");
    const struct nbx_value *data = nbx_value_get(&asked->body, "data");
    cr_assert(nbx_str_is(asked->op, "model.push") && asked->key.len == 0);
    if (there.silent_from && asked->number >= there.silent_from)
        return NULL;
    if (there.n_busy && there.n_busy--) {
        nbx_wire_map(out, 1);
        nbx_wire_kv_text(out, "message", "4 uploads are under way");
        return "busy";
    }
    snprintf(there.digest, sizeof there.digest, "%.*s",
             NBX_STR_ARG(nbx_value_get(&asked->body, "digest")->s));
    there.bytes = int_of(&asked->body, "bytes");
    if (data)
        take_data(asked, data);
    if (commit) {
        there.n_commits++;
        note(&seen, commit);
        if (there.refusal)
            return refuse(out, there.refusal, "is no good bundle");
        cr_assert_eq(there.received, there.bytes);
        put_version(out);
        return "ok";
    }
    nbx_wire_map(out, 1 + !there.no_chunk);
    nbx_wire_kv_int(out, "received", there.received);
    if (!there.no_chunk)
        nbx_wire_kv_int(out, "chunk", there.chunk);
    return "ok";
}

static char file[MAX_FILE];

static void prepare(void)
{
    setup();
    answer = take_push;
    there.chunk = CHUNK;
    there.first_offset = -1;
    for (size_t i = 0; i + 1 < 4321; i++)
        file[i] = (char)('a' + i * i % 26);
    write_file("m.safetensors", file);
}

TestSuite(cli_model, .init = prepare, .fini = teardown, .timeout = 60);

static void expect_pushed(int64_t first_offset, uint32_t n_chunks)
{
    expect_exit(0);
    cr_expect_str_eq(result.out, "model taste 7 staged\n");
    cr_expect_str_eq(result.err, "", "quiet in a pipe");
    cr_expect_eq(there.first_offset, first_offset);
    cr_expect_eq(there.n_chunks, n_chunks);
    cr_expect_eq(there.n_commits, 1);
    cr_expect_eq(there.bytes, 4320);
    cr_expect_eq(memcmp(there.data, file, 4320), 0);
}

Test(cli_model, a_file_comes_in_the_daemons_chunks_under_its_digest)
{
    run_nbx("model", "push", path);
    expect_pushed(0, 5);
    char command[300], digest[65] = "";
    snprintf(command, sizeof command, "b2sum -l 256 %s", path);
    FILE *f = popen(command, "r"); /* NOLINT(bugprone-command-processor): a path of our own */
    cr_assert(f && fread(digest, 1, 64, f) == 64);
    pclose(f);
    cr_expect_str_eq(there.digest, digest);
    nbx_buf_put_u8(&seen, '\0');
    cr_expect_str_eq((char *)seen.p, "{}");
}

Test(cli_model, a_push_goes_on_where_it_was)
{
    there.received = 2500;
    memcpy(there.data, file, 2500);
    run_nbx("model", "push", path);
    expect_pushed(2500, 2);
}

Test(cli_model, what_was_received_whole_is_only_committed)
{
    there.received = 4320;
    memcpy(there.data, file, 4320);
    run_nbx("model", "push", path);
    expect_pushed(-1, 0);
}

Test(cli_model, what_is_said_of_a_version_goes_with_the_commit)
{
    run_nbx("model", "push", path, "--notes", "less is more", "--parent", "6", "--by", "ci",
            "--metrics", "recall@20=0.25", "--metrics", "a=b=-3", "--activate", "--json");
    expect_exit(0);
    expect_out("\"version\": \"7\"");
    expect_out("\"stage\": \"staged\"");
    nbx_buf_put_u8(&seen, '\0');
    static const char *const parts[] = {"notes: less is more", "parent: 6", "by: ci",
                                        "metrics: {recall@20: 0.25, a=b: -3}", "activate: true"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cr_expect(strstr((char *)seen.p, parts[i]), "%s is not in %s", parts[i], (char *)seen.p);
}

Test(cli_model, a_busy_daemon_is_asked_again)
{
    there.n_busy = 3;
    run_nbx("model", "push", path);
    expect_pushed(0, 5);
    there.n_busy = UINT32_MAX;
    run_nbx("model", "push", path, "--timeout", "0.2");
    expect_exit(1);
    expect_err("nbx: busy: 4 uploads are under way");
}

Test(cli_model, a_refused_bundle_is_told_with_field_and_reason)
{
    there.refusal = "__metadata__.version";
    run_nbx("model", "push", path);
    expect_exit(1);
    cr_expect_str_eq(result.err, "nbx: bad_request: __metadata__.version: is no good bundle\n");
    cr_expect_str_eq(result.out, "");
}

Test(cli_model, a_daemon_that_dies_is_told)
{
    there.silent_from = 3;
    run_nbx("model", "push", path, "--timeout", "0.3");
    expect_exit(1);
    expect_err("nbx: busy: no reply from");
    expect_err("within 300 ms; is nbxd running there?");
    cr_expect_eq(there.n_chunks, 2);
    cr_expect_eq(there.n_commits, 0);
}

Test(cli_model, a_daemon_that_takes_nothing_does_not_hold_it_for_ever)
{
    there.stuck = true;
    run_nbx("model", "push", path);
    expect_exit(1);
    expect_err("is not an nbxd that takes models");
    there.stuck = false;
    there.received = 4321;
    run_nbx("model", "push", path);
    expect_exit(1);
    expect_err("is not an nbxd that takes models");
    there.received = 0;
    there.no_chunk = true;
    run_nbx("model", "push", path);
    expect_exit(1);
    expect_err("is not an nbxd that takes models");
}

Test(cli_model, wrong_usage_and_wrong_files)
{
    static const char *const metrics[] = {
        "recall", "=1", "recall=", "recall=good", "recall=nan", "recall=[1]"};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        run_nbx("model", "push", path, "--metrics", (char *)metrics[i]);
        expect_exit(2);
        expect_err("--metrics: ");
    }
    run_nbx("model", "push");
    expect_exit(2);
    run_nbx("model", "push", in_folder("nowhere.safetensors"));
    expect_exit(1);
    expect_err("nbx: not_found: ");
    expect_err("nowhere.safetensors: cannot be opened: No such file");
    run_nbx("model", "push", folder);
    expect_exit(1);
    expect_err("is no file that can be read twice");
    run_nbx("model", "push", write_file("empty.safetensors", ""));
    expect_exit(1);
    expect_err("empty.safetensors: is empty");
    cr_expect_eq(there.bytes, 0, "the daemon was not asked");
}

/* the others */

Test(cli_model, versions_are_named_by_two_words)
{
    static char *const ops[] = {"get", "activate", "delete"};
    answer = NULL;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        char op[32];
        snprintf(op, sizeof op, "\"op\": \"model.%s\"", ops[i]);
        run_nbx("model", ops[i], "taste", "7", "--json");
        expect_exit(0);
        expect_out(op);
        expect_out("\"name\": \"taste\"");
        expect_out("\"version\": \"7\"");
        run_nbx("model", ops[i], "taste");
        expect_exit(2);
    }
    run_nbx("model", "stage", "taste", "7", "archived", "--json");
    expect_out("\"op\": \"model.stage\"");
    expect_out("\"stage\": \"archived\"");
    run_nbx("model", "stage", "taste", "7");
    expect_exit(2);
    run_nbx("model", "rollback", "--json");
    expect_out("\"op\": \"model.rollback\"");
    run_nbx("model", "list", "--json");
    expect_out("\"op\": \"model.list\"");
    run_nbx("model", "paint");
    expect_exit(2);
    expect_err("push, list, get, stage, activate, rollback, delete, check");
}

/* list: two versions, of which 8 is active; nothing to roll back to but the folder's bundles. */
static const char *list_two(struct nbx_buf *out, const struct asked *asked)
{
    cr_assert(nbx_str_is(asked->op, "model.list"));
    nbx_wire_map(out, 2);
    nbx_wire_text(out, "models");
    nbx_wire_list(out, 2);
    for (int i = 0; i < 2; i++) {
        nbx_wire_map(out, 5 + i);
        nbx_wire_kv_text(out, "name", "taste");
        nbx_wire_kv_text(out, "version", i ? "8" : "7");
        nbx_wire_kv_text(out, "stage", i ? "active" : "staged");
        nbx_wire_kv_int(out, "pushed", 1291191960000 + i * INT64_C(86400000));
        nbx_wire_kv_int(out, "bytes", i ? 12345678 : 999);
        if (i)
            nbx_wire_kv_text(out, "by", "ci");
    }
    nbx_wire_text(out, "rollback");
    nbx_wire_map(out, 3);
    nbx_wire_kv_text(out, "name", there.bytes ? "taste" : "");
    nbx_wire_kv_text(out, "version", there.bytes ? "7" : "");
    nbx_wire_kv_bool(out, "resident", there.bytes == 1);
    return "ok";
}

Test(cli_model, the_list_is_a_table)
{
    answer = list_two;
    run_nbx("model", "list");
    expect_exit(0);
    cr_expect_str_eq(result.out, "name   version  stage   pushed                size     by\n"
                                 "taste        7  staged  2010-12-01T08:26:00Z  999 B    \n"
                                 "taste        8  active  2010-12-02T08:26:00Z  12.3 MB  ci\n"
                                 "a rollback goes to the newest bundle in the data folder\n");
    there.bytes = 1;
    run_nbx("model", "list");
    expect_out("a rollback goes to taste 7, which lies ready in memory\n");
    there.bytes = 2;
    run_nbx("model", "list");
    expect_out("a rollback goes to taste 7, which has to be loaded\n");
}

static const char *say_version(struct nbx_buf *out, const struct asked *asked)
{
    if (nbx_str_is(asked->op, "model.rollback"))
        nbx_wire_map(out, 0);
    else
        put_version(out);
    return "ok";
}

Test(cli_model, what_became_of_a_version_is_a_line)
{
    answer = say_version;
    run_nbx("model", "stage", "taste", "7", "staged");
    cr_expect_str_eq(result.out, "model taste 7 staged\n");
    run_nbx("model", "activate", "taste", "7");
    cr_expect_str_eq(result.out, "model taste 7 staged\n");
    run_nbx("model", "delete", "taste", "7");
    cr_expect_str_eq(result.out, "model taste 7 deleted\n");
    run_nbx("model", "rollback");
    cr_expect_str_eq(result.out,
                     "no version is active: the newest bundle in the data folder answers\n");
    run_nbx("model", "get", "taste", "7");
    expect_exit(0);
    expect_out("version  7\n");
    expect_out("1291191960000");
}
