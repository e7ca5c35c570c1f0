/* SPDX-License-Identifier: MIT
 * nbxd as a program: options, exit codes, signals, and the life of its state.
 */
#include "tests/daemon/harness_neighbour.h"
#include "tests/daemon/harness_taste.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OK, RUNTIME, CONFIG, CORRUPT, TAKEN, PERMISSION };

TestSuite(program, .timeout = 180);

/* Runs nbxd with these arguments; its exit code, and what it said in `out`. */
static int run(const char *arguments, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s/nbxd %s 2>&1", NBX_BIN_DIR, arguments);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    size_t n = fread(out, 1, room - 1, f);
    out[n] = '\0';
    int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
}

Test(program, says_what_it_is)
{
    char out[65536];
    cr_assert_eq(run("--version", out, sizeof out), OK);
    cr_assert_eq(strncmp(out, "nbxd ", 5), 0, "%s", out);
    cr_assert_not_null(strstr(out, "kernel="));
    cr_assert_eq(run("--help", out, sizeof out), OK);
    cr_assert_not_null(strstr(out, "exit codes"));
    cr_assert_eq(run("--print-config", out, sizeof out), OK);
    cr_assert_not_null(strstr(out, "tcp://127.0.0.1:7741"));
    cr_assert_eq(run("--nonsense", out, sizeof out), CONFIG);
    cr_assert_eq(run("surplus", out, sizeof out), CONFIG);
    cr_assert_not_null(strstr(out, "surplus"));
}

Test(program, checks_settings_and_says_where)
{
    char out[8192], path[64], arguments[128];
    snprintf(path, sizeof path, "%s/nbx-conf-XXXXXX", P_tmpdir);
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    snprintf(arguments, sizeof arguments, "--check-config %s", path);
    write_file(path, "workers: 2\nlog_level: warn\n");
    cr_assert_eq(run(arguments, out, sizeof out), OK, "%s", out);
    write_file(path, "workers: two\nlisten: [\"tcp://0.0.0.0:7741\"]\nnonsense: 1\n");
    cr_assert_eq(run(arguments, out, sizeof out), CONFIG);
    char line[64];
    snprintf(line, sizeof line, "%s:1:", path);
    cr_assert_not_null(strstr(out, line), "%s", out);
    cr_assert_eq(run("--check-config /no/such/file", out, sizeof out), CONFIG);
    snprintf(arguments, sizeof arguments, "--config %s", path);
    cr_assert_eq(run(arguments, out, sizeof out), CONFIG, "it must not start: %s", out);
    unlink(path);
}

Test(program, says_hello)
{
    struct server s;
    server_start(&s, NULL);
    struct nbx_value *hello = get(&s.peer, "hello", "", "{'id': 7}");
    must_be(hello, "name", "'nbx'");
    must_be(hello, "protocol", "1");
    must_be(hello, "ready", "true");
    must_be(hello, "model", "{'name': '', 'version': ''}");
    must_be(hello, "id", "7");
    cr_assert(text_at(hello, "version").len > 0);
    MUST_LIST(
        hello, "operations", "",
        "hello recommend rank similar observe customer.get customer.put customer.forget "
        "decision.get item.put item.patch item.get item.delete stats backup retract "
        "log.heads log.read customer.export customer.link customer.unlink model.push model.list "
        "model.get model.stage model.activate model.rollback model.delete events.read model.read");
    MUST_LIST(hello, "features", "", "customers consent links");
    server_stop(&s);
}

Test(program, stats_count)
{
    struct server s;
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'id': 'e'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'id': 'e'}]}");
    get(p, "recommend", "anna", "{}");
    ask(p, "recommend", "anna", "{'n': 0}");
    struct nbx_value *stats = get(p, "stats", "", "{'id': 'x'}");
    must_be(stats, "id", "'x'");
    must_be(stats, "items", "2");
#define IS(name, want)                                                                             \
    cr_assert_eq(nbx_value_get(stats, name)->i, want, "%s is %lld", name,                          \
                 (long long)nbx_value_get(stats, name)->i)
    IS("requests.recommend", 2);
    IS("requests.observe", 2);
    IS("requests.refused", 1);
    IS("events.applied", 1);
    IS("events.duplicates", 1);
    IS("decisions.recorded", 1);
    cr_assert(nbx_value_get(stats, "memory.resident_bytes")->i > 1 << 20);
    cr_assert(text_at(stats, "kernel").len > 0);
    server_stop(&s);
}

static void try_second(const struct server *s, const char *settings, int want)
{
    char path[128], arguments[160], out[8192];
    snprintf(path, sizeof path, "%s/second.yaml", s->folder);
    snprintf(arguments, sizeof arguments, "--config %s", path);
    write_file(path, settings);
    cr_assert_eq(run(arguments, out, sizeof out), want, "%s: %s", settings, out);
}

Test(program, exit_codes_tell_why)
{
    struct server s;
    char settings[512];
    server_start(&s, &(struct server_options){.tcp = true, .http = true});
    snprintf(settings, sizeof settings, "data_dir: %s\nlisten: [\"ipc://%s/other\"]\nhttp: \"\"\n",
             s.data, s.folder);
    try_second(&s, settings, TAKEN); /* the folder is in use */
    snprintf(settings, sizeof settings,
             "data_dir: %s/data2\nlisten: [\"tcp://127.0.0.1:%d\"]\nhttp: \"\"\n", s.folder,
             s.tcp_port);
    try_second(&s, settings, TAKEN);
    snprintf(settings, sizeof settings,
             "data_dir: %s/data3\nlisten: [\"ipc://%s/third\"]\nhttp: \"127.0.0.1:%d\"\n", s.folder,
             s.folder, s.http_port);
    try_second(&s, settings, TAKEN);
    get(&s.peer, "hello", "", "{}");
    server_stop(&s);
}

Test(program, damaged_store_is_refused)
{
    struct server s;
    char path[256], settings[256];
    server_start(&s, NULL);
    get(&s.peer, "item.put", "", "{'items': [{'id': 'a'}]}");
    server_end(&s);
    snprintf(path, sizeof path, "%s/CURRENT", s.data);
    char manifest[64];
    FILE *current = fopen(path, "r");
    cr_assert(current && fgets(manifest, sizeof manifest, current));
    fclose(current);
    manifest[strcspn(manifest, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/%s", s.data, manifest);
    write_file(path, "these are no records of what the store holds, and no checksum fits them");
    snprintf(settings, sizeof settings, "data_dir: %s\nlisten: [\"ipc://%s/other\"]\nhttp: \"\"\n",
             s.data, s.folder);
    try_second(&s, settings, CORRUPT);
    server_remove(&s);
}

/* The newest file of the data folder that ends in ".log". */
static void find_log(const struct server *s, char *path, size_t size)
{
    char best[64] = "";
    DIR *dir = opendir(s->data);
    cr_assert_not_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".log") == 0 && strcmp(e->d_name, best) > 0)
            snprintf(best, sizeof best, "%.63s", e->d_name);
    }
    closedir(dir);
    cr_assert(best[0]);
    snprintf(path, size, "%s/%s", s->data, best);
}

Test(program, a_history_cut_short_is_refused)
{
    struct server s;
    char log[256], file[256], settings[256];
    for (int gone = 0; gone < 2; gone++) {
        server_start(&s, NULL);
        get(&s.peer, "observe", "anna",
            "{'events': [{'type': 'view', 'item': 'a'}], 'ack': 'durable'}");
        server_kill(&s);
        find_log(&s, log, sizeof log);
        cr_assert_eq(gone ? unlink(log) : truncate(log, 100), 0);
        snprintf(settings, sizeof settings,
                 "data_dir: %s\nlisten: [\"ipc://%s/other\"]\nhttp: \"\"\n", s.data, s.folder);
        for (int i = 0; i < 2; i++)
            try_second(&s, settings, CORRUPT);
        snprintf(file, sizeof file, "%s/acknowledged", s.data);
        cr_assert_eq(unlink(file), 0);
        server_begin(&s);
        must_be(get(&s.peer, "customer.get", "anna", "{}"), "known", "false");
        server_stop(&s);
    }
}

Test(program, verify_reads_beside_it_and_finds_what_is_damaged)
{
    struct server s;
    char out[4096], log[256];
    server_start(&s, NULL);
    get(&s.peer, "item.put", "", "{'items': [{'id': 'a'}]}");
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    get(&s.peer, "recommend", "anna", "{'n': 1}");
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), OK, "%s", out);
    cr_assert_not_null(strstr(out, " 0 findings"), "%s", out);
    cr_assert_not_null(strstr(out, s.data), "%s", out);
    server_kill(&s);
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), OK, "%s", out);
    find_log(&s, log, sizeof log);
    cr_assert_eq(truncate(log, 100), 0);
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), CORRUPT, "%s", out);
    cr_assert_not_null(strstr(out, "acknowledged"), "%s", out);
    server_remove(&s);
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), CONFIG, "no settings: %s", out);
}

Test(program, replay_makes_a_decision_again_beside_it_and_after_it)
{
    enum { SAME, GONE = 2 };
    struct server s;
    struct model m;
    char out[4096], id[33];
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    model_make(&m, 60, 8, 20240619);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
    get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i003', 'id': 'e'}]}");
    const struct nbx_value *r = get(p, "recommend", "anna", "{'exclude_seen': true}");
    snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    cr_assert_eq(server_replay(&s, id, out, sizeof out), SAME, "%s", out);
    cr_assert_not_null(strstr(out, "same: 20 items: 20 found"), "%s", out);
    for (uint32_t i = 0; i < 5; i++) {
        struct nbx_str item = text_at(&at(r, "items")->list[i], "id");
        get(p, "item.delete", "", "{'ids': ['%.*s']}", NBX_STR_ARG(item));
    }
    get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i004'}]}");
    cr_assert_eq(server_replay(&s, id, out, sizeof out), SAME, "%s", out);
    server_end(&s);
    cr_assert_eq(server_replay(&s, id, out, sizeof out), SAME, "%s", out);
    server_configure(&s, "channels: [moon]\n");
    cr_assert_eq(server_replay(&s, id, out, sizeof out), GONE, "%s", out);
    cr_assert_not_null(strstr(out, "not those it was served with"), "%s", out);
    server_configure(&s, NULL);
    server_begin(&s);
    get(&s.peer, "retract", "anna", "{'events': ['e']}");
    cr_assert_eq(server_replay(&s, id, out, sizeof out), GONE, "%s", out);
    cr_assert_not_null(strstr(out, "retracted"), "%s", out);
    id[31] = id[31] == '0' ? '1' : '0';
    cr_assert_eq(server_replay(&s, id, out, sizeof out), GONE, "%s", out);
    cr_assert_eq(server_replay(&s, "nonsense", out, sizeof out), GONE, "%s", out);
    cr_assert_not_null(strstr(out, "32 hex"), "%s", out);
    model_free(&m);
    server_stop(&s);
}

static void save(const struct server *s, const char *name, const char *want)
{
    char command[512], out[2048];
    snprintf(command, sizeof command, "%s/nbx backup %s/%s --endpoint %s 2>&1", NBX_BIN_DIR,
             s->folder, name, s->endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, sizeof out - 1, f)] = '\0';
    cr_assert_eq(WEXITSTATUS(pclose(f)), strstr(want, "conflict") ? 1 : 0, "%s", out);
    cr_assert_not_null(strstr(out, want), "wanted \"%s\": %s", want, out);
}

Test(program, a_backup_restored_answers_the_same)
{
    struct server s;
    struct model m;
    char aside[256], words[256], out[4096];
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    model_make(&m, 60, 8, 20240618);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
    get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i005'}]}");
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'i009', 'channel': 'web'}]}");
    get_until(p, "", "{'n': 1}", "i005");
    const char *body = "{'now': 1700000000000, 'n': 60, 'record': 'none', 'explain': true}";
    struct nbx_str want = ask(p, "recommend", "anna", "%s", body).raw;
    REFUSED(ask(p, "backup", "", "{'dir': 'relative'}"), "bad_request", "dir", "absolute");
    save(&s, "saved", "changes");
    save(&s, "saved", "conflict");
    get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i007'}]}");
    cr_assert_not(nbx_str_eq(ask(p, "recommend", "anna", "%s", body).raw, want));
    struct nbx_buf kept = {0};
    nbx_buf_put(&kept, want.p, want.len);
    server_end(&s);
    snprintf(words, sizeof words, "restore %s/saved", s.folder);
    cr_assert_eq(server_nbx(&s, words, out, sizeof out), TAKEN, "%s", out);
    cr_assert_not_null(strstr(out, "is not empty"), "%s", out);
    snprintf(aside, sizeof aside, "%s/aside", s.folder);
    cr_assert_eq(rename(s.data, aside), 0);
    cr_assert_eq(server_nbx(&s, words, out, sizeof out), OK, "%s", out);
    cr_assert_not_null(strstr(out, " 0 findings"), "%s", out);
    server_begin(&s);
    struct nbx_str got = ask(p, "recommend", "anna", "%s", body).raw;
    cr_assert(nbx_str_eq(got, (struct nbx_str){(char *)kept.p, (uint32_t)kept.len}));
    nbx_buf_fini(&kept);
    model_free(&m);
    server_stop(&s);
}

Test(program, restart_keeps_everything)
{
    struct server s;
    struct model m;
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    model_make(&m, 100, 8, 20240618);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
    get(p, "customer.put", "anna", "{'attributes': {'age': 30}}");
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'i005'}, {'type': 'dismiss', 'item': 'i006'}]}");
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'i009', 'channel': 'web'}]}");
    get_until(p, "", "{'n': 1}", "i005");
    const char *body = "{'now': 1700000000000, 'n': 100, 'record': 'none', 'explain': true}";
    struct answer anna = ask(p, "recommend", "anna", "%s", body);
    const char *web = joined(get(p, "recommend", "", "{'channel': 'web', 'n': 3}"), "items", "id");
    struct nbx_buf kept = {0};
    nbx_buf_put(&kept, anna.raw.p, anna.raw.len);
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            server_kill(&s); /* what was acknowledged is there all the same */
        else
            server_end(&s);
        server_begin(&s);
        anna = ask(p, "recommend", "anna", "%s", body);
        cr_assert(nbx_str_eq(anna.raw, (struct nbx_str){(char *)kept.p, (uint32_t)kept.len}));
        MUST_LIST(get(p, "recommend", "", "{'channel': 'web', 'n': 3}"), "items", "id", web);
        must_be(get(p, "hello", "", "{}"), "model.name", "'taste'");
    }
    nbx_buf_fini(&kept);
    model_free(&m);
    server_stop(&s);
}

Test(program, reload_under_traffic_fails_no_request)
{
    struct server s;
    struct model m;
    struct neighbour good;
    char version[16];
    server_start(&s, &(struct server_options){.settings = "queue_time: 30s\n"});
    model_make(&m, 200, 16, 20240619);
    model_put_items(&m, &s.peer);
    get(&s.peer, "item.put", "", "{'items': [{'id': 'a'}]}");
    neighbour_start(&good, &s);
    for (int i = 0; i < 20; i++) {
        snprintf(version, sizeof version, "v%03d", i);
        m.info.version = nbx_str_c(version);
        m.info.created_ms++;
        server_bundle(&s, version, &m.info);
        kill(s.pid, SIGHUP);
        while (!nbx_str_is(text_at(get(&s.peer, "hello", "", "{}"), "model.version"), version))
            continue; /* the suite's time limit ends it */
        neighbour_wait(&good, 5);
    }
    neighbour_stop(&good, 10000);
    model_free(&m);
    server_stop(&s);
}

Test(program, reload_keeps_what_was_where_the_new_is_unsound)
{
    struct server s;
    struct model m;
    char path[160];
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    model_make(&m, 50, 4, 20240620);
    model_put_items(&m, p);
    server_bundle(&s, "good", &m.info);
    server_reload(&s);
    m.info.created_ms++;
    m.info.version = NBX_STR("2");
    m.factors[7] = 0.0F / 0.0F;
    server_bundle(&s, "nan", &m.info);
    snprintf(path, sizeof path, "%s/junk.safetensors", s.data);
    write_file(path, "this is no bundle");
    server_reload(&s);
    must_be(get(p, "hello", "", "{}"), "model.version", "'1'");
    server_configure(&s, "nonsense: true\n");
    server_reload(&s);
    must_be(get(p, "hello", "", "{}"), "ready", "true");
    server_configure(&s, NULL);
    server_end(&s);
    server_begin(&s); /* and a start passes the unsound ones over too */
    must_be(get(p, "hello", "", "{}"), "model.version", "'1'");
    model_free(&m);
    server_stop(&s);
}

Test(program, reload_takes_new_event_types)
{
    struct server s;
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'dismiss', 'item': 'a'}]}");
    server_configure(&s, "events: [{type: like, class: positive, weight: 1},"
                         " {type: dismiss, class: negative}]\n");
    server_reload(&s);
    struct nbx_value *r = get(p, "observe", "bert",
                              "{'events': [{'type': 'like', 'item': 'b', 'channel': 'web'},"
                              " {'type': 'view', 'item': 'b'}]}");
    must_be(r, "applied", "1");
    MUST_LIST(r, "errors", "field", "events[1].type");
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b");
    server_configure(&s, "events: [{type: like, class: positive, weight: 1}]\n");
    server_reload(&s);
    must_be(get(p, "customer.get", "anna", "{}"), "history[0].type", "'unknown'");
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b"); /* disliked is disliked */
    server_stop(&s);
}

Test(program, channels_change_with_a_restart)
{
    struct server s;
    server_start(&s, NULL);
    struct peer *p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    server_configure(&s, "channels: [web, fax]\n");
    server_reload(&s);
    REFUSED(ask(p, "recommend", "", "{'channel': 'fax'}"), "bad_request", "channel", "kiosk");
    get(p, "recommend", "", "{'channel': 'app'}");
    server_end(&s);
    server_begin(&s);
    REFUSED(ask(p, "recommend", "", "{'channel': 'app'}"), "bad_request", "channel", "web, fax");
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'b', 'channel': 'fax'}]}");
    get_until(p, "", "{'channel': 'fax'}", "b a");
    struct nbx_value *r = get(p, "item.put", "", "{'items': [{'id': 'c', 'channels': ['fax']}]}");
    must_be(r, "applied", "1");
    server_end(&s);
    server_begin(&s);
    get_until(p, "", "{'channel': 'fax', 'exclude': ['c']}", "b a");
    server_stop(&s);
}

/* Requests that were taken are answered, though the end was asked for meanwhile. */
Test(program, term_drains)
{
    struct server s;
    struct peer p;
    server_start(&s, &(struct server_options){.settings = "queue_time: 30s\n"});
    peer_open(&p, &s);
    get(&p, "hello", "", "{}");
    struct nbx_str body = peer_body(&p, "{'events': [{'type': 'view', 'item': 'a'}]}");
    size_t n = 0, answers = 0;
    for (; n < 500; n++)
        cr_assert_eq(nbx_client_send(p.client, &(struct nbx_request){.op = "observe",
                                                                     .key = NBX_STR("anna"),
                                                                     .body = body}),
                     NBX_OK);
    struct nbx_reply reply;
    cr_assert_eq(nbx_client_recv(p.client, ASK_TIMEOUT_MS, p.arena, &reply), NBX_OK);
    answers++;
    server_end(&s);
    while (nbx_client_recv(p.client, 200, p.arena, &reply) == NBX_OK) {
        cr_assert(nbx_str_is(reply.status, "ok"));
        answers++;
    }
    peer_close(&p);
    server_begin(&s);
    struct nbx_value *r =
        get(&s.peer, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    cr_assert_eq(int_at(r, "seq"), (int64_t)answers + 1, "%zu answered, %lld applied", answers,
                 (long long)int_at(r, "seq") - 1);
    server_stop(&s);
}
