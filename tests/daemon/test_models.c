/* SPDX-License-Identifier: MIT
 * Versions of models: pushed in chunks, listed, activated, rolled back, deleted.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include "engine/base/clock.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED     20261126
#define N_ITEMS  300
#define N_MODELS 3
#define VIEWS    "{'events': [{'type': 'purchase', 'item': 'i003'}, {'type': 'view', 'item': 'i041'}]}"

static struct server s;
static struct peer *p;
static struct model m[N_MODELS];
static struct pushed f[N_MODELS]; /* taste@1, taste@2, taste@3 */

static void begin(const char *settings)
{
    static const size_t dims[N_MODELS] = {16, 8, 24};
    static const char *const versions[N_MODELS] = {"1", "2", "3"};
    printf("seed %d\n", SEED);
    server_start(&s, &(struct server_options){.settings = settings});
    p = &s.peer;
    for (size_t i = 0; i < N_MODELS; i++) {
        model_make(&m[i], N_ITEMS, dims[i], SEED + i);
        m[i].info.version = nbx_str_c(versions[i]);
        pushed_make(&f[i], &s, &m[i].info);
    }
    model_put_items(&m[0], p);
    get(p, "observe", "anna", VIEWS);
}

static void begin_plain(void)
{
    begin(NULL);
}

static void end(void)
{
    for (size_t i = 0; i < N_MODELS; i++) {
        model_free(&m[i]);
        pushed_free(&f[i]);
    }
    server_stop(&s);
}

TestSuite(models, .init = begin_plain, .fini = end, .timeout = 120);

/* Which model says it answers anna; the list is the best by that model. */
static void must_answer(const char *version)
{
    struct nbx_value *r = get(p, "recommend", "anna", "{'record': 'none'}");
    cr_assert(nbx_str_is(text_at(r, "model.version"), version), "%.*s answers, not %s",
              NBX_STR_ARG(text_at(r, "model.version")), version);
    if (!*version)
        return;
    const struct model *by = &m[version[0] - '1'];
    struct deeds deeds = {.n = 2, .row = {3, 41}, .weight = {1, 0.3}};
    double x[TASTE_MAX_DIMS];
    taste_fold(x, by, &deeds);
    must_rank(r, by, &(struct expected){.x = x, .source = "personal"});
}

Test(models, a_push_in_chunks)
{
    size_t half = f[0].n / 2;
    struct answer a = push(p, &f[0], (struct pushed_part){0});
    must_be(a.body, "received", "0");
    must_be(a.body, "chunk", "65536");
    cr_assert_str_eq(models_on_disk(&s), "", "who only asks leaves nothing");
    REFUSED(push(p, &f[0], (struct pushed_part){0, 0, "{}"}), "conflict", "commit", "0 of");
    REFUSED(push(p, &f[0], (struct pushed_part){5, 5, NULL}), "conflict", "offset", "0 bytes");
    a = push(p, &f[0], (struct pushed_part){0, half, NULL});
    cr_assert_eq(int_at(a.body, "received"), (int64_t)half);
    REFUSED(push(p, &f[0], (struct pushed_part){half - 1, 9, NULL}), "conflict", "offset",
            "were received: go on from there");
    REFUSED(push(p, &f[0], (struct pushed_part){half, 9, "{}"}), "conflict", "commit",
            "not complete");
    struct pushed longer = f[0], shorter = f[0];
    longer.n++;
    REFUSED(push(p, &longer, (struct pushed_part){half, 9, NULL}), "conflict", "bytes", "began");
    shorter.n--;
    REFUSED(push(p, &shorter, (struct pushed_part){half, 9, NULL}), "conflict", "bytes", "began");
    must_be(get(p, "model.list", "", "{}"), "models", "[]");
    a = push(p, &f[0], (struct pushed_part){half, f[0].n - half, NULL});
    cr_assert_eq(int_at(a.body, "received"), (int64_t)f[0].n);
    must_be(get(p, "model.list", "", "{}"), "models", "[]");
    a = push(p, &f[0],
             (struct pushed_part){f[0].n, 0,
                                  "{'notes': 'first', 'metrics': {'recall@20': 0.25, 'n': 3}, "
                                  "'parent': '0', 'by': 'ci'}"});
    cr_assert_str_eq(a.status, "ok");
    must_be(a.body, "stage", "'staged'");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    struct nbx_value *v = get(p, "model.get", "", "{'name': 'taste', 'version': '1', 'id': 7}");
    must_be(v, "id", "7");
    must_be(v, "notes", "'first'");
    must_be(v, "by", "'ci'");
    must_be(v, "parent", "'0'");
    must_be(v, "metrics", "{'recall@20': 0.25, 'n': 3}");
    cr_assert(nbx_str_is(text_at(v, "digest"), f[0].digest));
    cr_assert_eq(int_at(v, "bytes"), (int64_t)f[0].n);
    cr_assert_gt(int_at(v, "pushed"), 1700000000000);
    cr_assert_null(at(v, "activated"));
    cr_assert_null(at(v, "replaced"));
    struct nbx_value *all = get(p, "model.list", "", "{}");
    cr_assert_eq(count_at(all, "models"), 1);
    cr_assert(nbx_value_eq(at(all, "models[0].metrics"), at(v, "metrics")));
    cr_assert_null(at(all, "active"));
    must_answer("");
}

Test(models, a_push_goes_on_where_the_connection_was_lost)
{
    struct peer other;
    size_t third = f[0].n / 3;
    peer_open(&other, &s);
    push(&other, &f[0], (struct pushed_part){0, third, NULL});
    peer_close(&other);
    cr_assert_eq(int_at(push(p, &f[0], (struct pushed_part){0}).body, "received"), (int64_t)third);
    must_be(must_push(p, &f[0], "{}"), "version", "'1'");
    cr_assert_eq(int_at(push(p, &f[0], (struct pushed_part){0}).body, "received"), (int64_t)f[0].n,
                 "a version is there whole");
}

Test(models, what_is_not_the_file_of_the_digest_is_refused)
{
    struct pushed wrong = f[0];
    wrong.digest[0] = wrong.digest[0] == '0' ? '1' : '0';
    REFUSED(push_all(p, &wrong, "{}"), "bad_request", "digest", f[0].digest);
    cr_assert_str_eq(models_on_disk(&s), "");
    cr_assert_eq(int_at(push(p, &wrong, (struct pushed_part){0}).body, "received"), 0);
    must_push(p, &f[0], "{}");
}

Test(models, a_bad_bundle_is_named_and_leaves_nothing)
{
    must_push(p, &f[0], "{'activate': true}");
    struct pushed cut = f[1], nan = f[1], text = {.p = (uint8_t *)"no bundle", .n = 9};
    cut.n -= 64;
    pushed_sign(&cut);
    REFUSED(push_all(p, &cut, "{'activate': true}"), "bad_request", NULL, NULL);
    nan.p = malloc(nan.n);
    memcpy(nan.p, f[1].p, nan.n);
    memset(nan.p + nan.n - 4096, 0xff, 4); /* ids are behind the factors, and shorter */
    pushed_sign(&nan);
    REFUSED(push_all(p, &nan, "{}"), "bad_request", NULL, NULL);
    free(nan.p);
    pushed_sign(&text);
    REFUSED(push_all(p, &text, "{}"), "bad_request", NULL, NULL);
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 1);
    must_answer("1");
    must_push(p, &f[1], "{}");
}

/* Sound files, but bad models: the daemon's items are another shop's, or every item is the same. */
Test(models, a_model_that_is_not_fit_to_serve_is_refused)
{
    struct model bad;
    struct pushed file;
    must_push(p, &f[0], "{'activate': true}");
    model_make(&bad, N_ITEMS, 8, SEED + 9);
    bad.info.version = NBX_STR("9");
    for (size_t i = 0; i < N_ITEMS * bad.dims; i++)
        bad.factors[i] = 1;
    pushed_make(&file, &s, &bad.info);
    REFUSED(push_all(p, &file, "{'activate': true}"), "bad_request", NULL, NULL);
    pushed_free(&file);
    model_free(&bad);
    model_make(&bad, N_ITEMS, 8, SEED + 9);
    bad.info.version = NBX_STR("9");
    for (size_t i = 0; i < N_ITEMS; i++)
        *(char *)bad.ids[i].p = 'x';
    pushed_make(&file, &s, &bad.info);
    REFUSED(push_all(p, &file, "{}"), "bad_request", "item_ids.bytes", NULL);
    pushed_free(&file);
    model_free(&bad);
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    must_answer("1");
    must_push(p, &f[1], "{'activate': true}");
}

Test(models, a_version_is_one_file_for_ever)
{
    struct pushed other;
    must_push(p, &f[0], "{'notes': 'a'}");
    must_be(must_push(p, &f[0], "{'notes': 'b'}"), "notes", "'a'");
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 1);
    m[1].info.version = NBX_STR("1");
    pushed_make(&other, &s, &m[1].info);
    REFUSED(push_all(p, &other, "{}"), "conflict", "version", "versions never change");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    must_be(get(p, "model.delete", "", "{'name': 'taste', 'version': '1'}"), "",
            "{'name': 'taste', 'version': '1'}");
    cr_assert_str_eq(models_on_disk(&s), "");
    REFUSED(push_all(p, &other, "{}"), "conflict", "version", "was another file");
    server_end(&s);
    server_begin(&s);
    REFUSED(push_all(p, &other, "{}"), "conflict", "version", "was another file");
    must_be(must_push(p, &f[0], "{'notes': 'c'}"), "notes", "'c'");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    pushed_free(&other);
}

Test(models, uploads_are_few_and_do_not_outlive_the_daemon)
{
    struct pushed some[5];
    for (int i = 0; i < 5; i++) {
        some[i] = f[0];
        some[i].digest[0] = (char)('a' + i);
        some[i].digest[1] = '5'; /* no file's */
        struct answer a = push(p, &some[i], (struct pushed_part){0, 100, NULL});
        if (i < 4)
            must_be(a.body, "received", "100");
        else
            REFUSED(a, "busy", "digest", "4 uploads");
    }
    server_end(&s);
    cr_assert_str_eq(models_on_disk(&s), "");
    server_begin(&s);
    push(p, &some[0], (struct pushed_part){0, 100, NULL});
    server_kill(&s);
    cr_assert_neq(models_on_disk(&s)[0], '\0');
    server_begin(&s);
    cr_assert_str_eq(models_on_disk(&s), "", "a start removes what no version has");
    must_push(p, &f[0], "{}");
}

Test(models, activate_and_roll_back)
{
    must_push(p, &f[0], "{'activate': true}");
    must_answer("1");
    must_push(p, &f[1], "{}");
    must_answer("1");
    struct nbx_value *v =
        get(p, "model.activate", "", "{'name': 'taste', 'version': '2', 'id': 'x'}");
    must_be(v, "id", "'x'");
    must_be(v, "stage", "'active'");
    must_be(v, "replaced", "{'name': 'taste', 'version': '1'}");
    must_answer("2");
    must_be(get(p, "hello", "", "{}"), "model", "{'name': 'taste', 'version': '2'}");
    struct nbx_value *all = get(p, "model.list", "", "{}");
    must_be(all, "active", "{'name': 'taste', 'version': '2'}");
    must_be(all, "rollback", "{'name': 'taste', 'version': '1', 'resident': true}");
    MUST_LIST(all, "models", "stage", "staged active");
    must_push(p, &f[2], "{'activate': true}");
    must_answer("3");
    v = get(p, "model.rollback", "", "{}");
    must_be(v, "version", "'2'");
    must_be(v, "replaced", "{'name': 'taste', 'version': '1'}");
    must_answer("2");
    all = get(p, "model.list", "", "{}");
    must_be(all, "rollback", "{'name': 'taste', 'version': '1', 'resident': false}");
    must_be(get(p, "model.rollback", "", "{}"), "version", "'1'");
    must_answer("1");
    must_be(get(p, "model.rollback", "", "{}"), "", "{}");
    must_answer("");
    REFUSED(ask(p, "model.rollback", "", "{}"), "conflict", NULL, "no version is active");
    must_be(must_push(p, &f[1], "{'activate': true}"), "stage", "'active'");
    must_answer("2");
}

Test(models, the_folders_own_bundles_serve_while_no_version_is_active)
{
    server_bundle(&s, "file", &m[0].info);
    server_reload(&s);
    must_answer("1");
    must_push(p, &f[1], "{'activate': true}");
    must_answer("2");
    must_be(get(p, "model.list", "", "{}"), "rollback",
            "{'name': '', 'version': '', 'resident': true}");
    m[2].info.created_ms += 1000;
    server_bundle(&s, "newer", &m[2].info);
    server_reload(&s);
    must_answer("2");
    server_end(&s);
    server_begin(&s);
    must_answer("2");
    must_be(get(p, "model.rollback", "", "{}"), "", "{}");
    must_answer("3");
    server_reload(&s);
    must_answer("3");
}

Test(models, a_start_knows_stages_and_what_to_go_back_to)
{
    must_push(p, &f[0], "{'activate': true}");
    must_push(p, &f[1], "{'activate': true}");
    must_push(p, &f[2], "{}");
    get(p, "model.stage", "", "{'name': 'taste', 'version': '3', 'stage': 'archived'}");
    server_end(&s);
    server_begin(&s);
    must_answer("2");
    struct nbx_value *all = get(p, "model.list", "", "{}");
    must_be(all, "rollback", "{'name': 'taste', 'version': '1', 'resident': false}");
    MUST_LIST(all, "models", "stage", "staged active archived");
    must_be(get(p, "model.rollback", "", "{}"), "version", "'1'");
    must_answer("1");
}

Test(models, stages)
{
    must_push(p, &f[0], "{'activate': true}");
    must_push(p, &f[1], "{}");
    static const char two[] = "'name': 'taste', 'version': '2'";
    REFUSED(ask(p, "model.stage", "", "{%s, 'stage': 'active'}", two), "bad_request", "stage",
            "model.activate");
    REFUSED(ask(p, "model.stage", "", "{'name': 'taste', 'version': '1', 'stage': 'archived'}"),
            "conflict", "version", "is active");
    must_be(get(p, "model.stage", "", "{%s, 'stage': 'archived'}", two), "stage", "'archived'");
    REFUSED(ask(p, "model.activate", "", "{%s}", two), "conflict", "version", "is archived");
    must_answer("1");
    char path[160];
    snprintf(path, sizeof path, "%s/models/taste@2.safetensors", s.data);
    cr_assert_eq(unlink(path), 0);
    REFUSED(ask(p, "model.stage", "", "{%s, 'stage': 'staged'}", two), "conflict", "version",
            "its file is not there");
    server_end(&s);
    server_begin(&s); /* an archived one may lack its file */
    get(p, "model.delete", "", "{%s}", two);
    must_push(p, &f[1], "{}");
    REFUSED(ask(p, "model.get", "", "{'name': 'taste', 'version': '9'}"), "not_found", "version",
            "no version 9 of a model taste");
    REFUSED(ask(p, "model.activate", "", "{'name': 'other', 'version': '1'}"), "not_found",
            "version", NULL);
    REFUSED(ask(p, "model.delete", "", "{'name': 'taste', 'version': '9'}"), "not_found", "version",
            NULL);
}

Test(models, what_is_needed_is_not_deleted)
{
    must_push(p, &f[0], "{'activate': true}");
    must_push(p, &f[1], "{'activate': true}");
    must_push(p, &f[2], "{}");
    REFUSED(ask(p, "model.delete", "", "{'name': 'taste', 'version': '2'}"), "conflict", "version",
            "is active");
    REFUSED(ask(p, "model.delete", "", "{'name': 'taste', 'version': '1'}"), "conflict", "version",
            "go back to");
    get(p, "model.delete", "", "{'name': 'taste', 'version': '3'}");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors taste@2.safetensors");
    REFUSED(ask(p, "model.get", "", "{'name': 'taste', 'version': '3'}"), "not_found", "version",
            NULL);
    must_push(p, &f[2], "{'activate': true}"); /* it goes back to 2 now */
    get(p, "model.delete", "", "{'name': 'taste', 'version': '1'}");
    get(p, "model.rollback", "", "{}");
    REFUSED(ask(p, "model.rollback", "", "{}"), "conflict", "version", "was deleted");
    must_answer("2");
}

/* Two models of one version text are two models: what was folded with one is not used with the
 * other. */
Test(models, models_of_other_names_are_other_models)
{
    struct pushed other;
    struct model twin;
    model_make(&twin, N_ITEMS, m[0].dims, SEED + 77);
    twin.info.name = NBX_STR("twin");
    pushed_make(&other, &s, &twin.info);
    must_push(p, &f[0], "{'activate': true}");
    must_answer("1");
    get(p, "recommend", "anna", "{}"); /* keeps the vector */
    must_push(p, &other, "{'activate': true}");
    struct nbx_value *r = get(p, "recommend", "anna", "{'record': 'none'}");
    must_be(r, "model", "{'name': 'twin', 'version': '1'}");
    struct deeds deeds = {.n = 2, .row = {3, 41}, .weight = {1, 0.3}};
    double x[TASTE_MAX_DIMS];
    taste_fold(x, &twin, &deeds);
    must_rank(r, &twin, &(struct expected){.x = x, .source = "personal"});
    pushed_free(&other);
    model_free(&twin);
}

/* Items put while a model waits for a rollback have their vectors in it. */
Test(models, the_model_gone_back_to_has_the_items_of_now)
{
    must_push(p, &f[0], "{'activate': true}");
    must_push(p, &f[1], "{'activate': true}");
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{'items': [{'id': 'fresh', 'space': 'main', 'vector': [");
    for (size_t d = 0; d < m[1].dims; d++)
        nbx_buf_printf(&b, "%s%.9g", d ? "," : "", (double)m[1].factors[3 * m[1].dims + d] * 9);
    nbx_buf_printf(&b, "]}, {'id': 'i007'}]}");
    nbx_buf_put_u8(&b, '\0');
    get(p, "item.put", "", "%s", (char *)b.p);
    nbx_buf_fini(&b);
    get(p, "item.delete", "", "{'ids': ['i009']}");
    struct nbx_value *r = get(p, "recommend", "anna", "{'record': 'none', 'n': 1}");
    must_be(r, "items[0].id", "'fresh'");
    get(p, "model.rollback", "", "{}");
    struct deeds deeds = {.n = 2, .row = {3, 41}, .weight = {1, 0.3}};
    double x[TASTE_MAX_DIMS];
    size_t without[] = {9};
    taste_fold(x, &m[0], &deeds);
    r = get(p, "recommend", "anna", "{'record': 'none'}");
    must_rank(r, &m[0],
              &(struct expected){.x = x, .source = "personal", .without = without, .n_without = 1});
    must_be(get(p, "model.activate", "", "{'name': 'taste', 'version': '2'}"), "stage", "'active'");
    must_be(get(p, "recommend", "anna", "{'record': 'none', 'n': 1}"), "items[0].id", "'fresh'");
}

/* limits */

static void begin_small(void)
{
    begin("model_max: 1MiB\nmax_message: 64KiB\n");
}

TestSuite(models_small, .init = begin_small, .fini = end, .timeout = 120);

Test(models_small, files_and_chunks_are_bounded)
{
    struct pushed large = f[0];
    large.n = (1 << 20) + 1;
    REFUSED(push(p, &large, (struct pushed_part){0}), "limit", "bytes", "model_max");
    struct answer a = push(p, &f[0], (struct pushed_part){0});
    must_be(a.body, "chunk", "32768");
    must_push(p, &f[1], "{}");
    cr_assert_str_eq(models_on_disk(&s), "taste@2.safetensors");
}

static void begin_hasty(void)
{
    begin("model_push_idle: 2s\n");
}

TestSuite(models_hasty, .init = begin_hasty, .fini = end, .timeout = 120);

Test(models_hasty, an_upload_that_nobody_goes_on_with_is_removed)
{
    size_t half = f[0].n / 2;
    int64_t begun_ns = nbx_clock_mono_ns();
    push(p, &f[0], (struct pushed_part){0, half, NULL});
    while (models_on_disk(&s)[0]) {
        cr_assert(nbx_clock_mono_ns() - begun_ns < ASK_TIMEOUT_MS * INT64_C(1000000));
        get(p, "hello", "", "{}");
    }
    cr_assert_geq(nbx_clock_mono_ns() - begun_ns, 2000000000, "it goes on for as long as that");
    REFUSED(push(p, &f[0], (struct pushed_part){half, 9, NULL}), "conflict", "offset", "0 bytes");
    char *log = server_log(&s);
    cr_assert_not_null(strstr(log, "upload=removed digest="), "%s", log);
    free(log);
    must_push(p, &f[0], "{}");
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
}

/* the folder */

Test(models, a_version_without_its_file_is_damage)
{
    char path[160], aside[160];
    must_push(p, &f[0], "{'activate': true}");
    must_push(p, &f[1], "{}");
    server_end(&s);
    for (int i = 1; i <= 2; i++) {
        char out[2048];
        snprintf(path, sizeof path, "%s/models/taste@%d.safetensors", s.data, i);
        snprintf(aside, sizeof aside, "%s/aside", s.folder);
        cr_assert_eq(rename(path, aside), 0);
        char command[400];
        snprintf(command, sizeof command, NBX_BIN_DIR "/nbxd --config %s 2>&1", s.config);
        FILE *out_of = popen(command, "r");
        out[fread(out, 1, sizeof out - 1, out_of)] = '\0';
        int status = pclose(out_of);
        cr_assert_eq(WEXITSTATUS(status), 3, "%s", out);
        cr_assert(strstr(out, path), "%s", out);
        cr_assert_neq(server_nbx(&s, "verify", out, sizeof out), 0);
        cr_assert(strstr(out, "its file is missing"), "%s", out);
        cr_assert_eq(rename(aside, path), 0);
        cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), 0, "%s", out);
    }
    server_begin(&s);
    must_answer("1");
}

Test(models, a_damaged_file_is_found)
{
    char path[160], out[4096];
    must_push(p, &f[0], "{}");
    snprintf(path, sizeof path, "%s/models/taste@1.safetensors", s.data);
    FILE *file = fopen(path, "r+");
    cr_assert_not_null(file);
    fseek(file, -1, SEEK_END);
    int c = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(c ^ 1, file);
    fclose(file);
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), 3, "%s", out);
    cr_assert(strstr(out, "another digest"), "%s", out);
}

Test(models, backup_restore_rebuild_doctor_and_replay_know_them)
{
    char out[8192], words[400];
    must_push(p, &f[0], "{'activate': true}");
    struct nbx_value *r = get(p, "recommend", "anna", "{}");
    char decision[33];
    snprintf(decision, sizeof decision, "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    must_push(p, &f[1], "{'activate': true}");
    cr_assert_eq(server_replay(&s, decision, out, sizeof out), 0, "%s", out);
    cr_assert_eq(server_nbx(&s, "doctor", out, sizeof out), 0, "%s", out);
    cr_assert(strstr(out, "2, the active version"), "%s", out);
    cr_assert(strstr(out, "2 versions, 2 of taste is active"), "%s", out);
    get(p, "backup", "", "{'dir': '%s/saved'}", s.folder);
    server_end(&s);
    snprintf(words, sizeof words, "rebuild %s/again", s.folder);
    cr_assert_eq(server_nbx(&s, words, out, sizeof out), 0, "%s", out);
    char data[sizeof s.data];
    memcpy(data, s.data, sizeof data);
    snprintf(s.data, sizeof s.data, "%s/again", s.folder);
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors taste@2.safetensors");
    server_begin(&s);
    must_answer("2");
    server_end(&s);
    memcpy(s.data, data, sizeof data);
    server_configure(&s, NULL);
    snprintf(words, sizeof words, "mv %s %s/old", s.data, s.folder);
    cr_assert_eq(system(words), 0);
    snprintf(words, sizeof words, "restore %s/saved", s.folder);
    cr_assert_eq(server_nbx(&s, words, out, sizeof out), 0, "%s", out);
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors taste@2.safetensors");
    server_begin(&s);
    must_answer("2");
    must_be(get(p, "model.rollback", "", "{}"), "version", "'1'");
    must_answer("1");
    cr_assert_eq(server_nbx(&s, "verify", out, sizeof out), 0, "%s", out);
}
