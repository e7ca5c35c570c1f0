/* SPDX-License-Identifier: MIT
 * Shadows and canaries: versions tried on live requests before they answer all of them.
 */
#include "engine/base/clock.h"
#include "tests/daemon/harness_files.h"
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEED      20261126
#define N_ITEMS   300
#define N_MODELS  4 /* taste@1 to taste@4; 3 is 1 again, 4 gives everybody the same */
#define CUSTOMERS 200
#define SETTINGS  "canary_window: 40\nmodel_min_listed: 0\nmodel_max_loss: 1\nworkers: 2\n"

static struct server s;
static struct peer *p;
static struct model m[N_MODELS];
static struct nbx_value answers[N_MODELS][CUSTOMERS];
static struct nbx_arena *kept;

static const char *id_of(int customer)
{
    static char id[8];
    snprintf(id, sizeof id, "c%d", customer);
    return id;
}

static struct nbx_value *ask_for(int customer)
{
    return get(p, "recommend", id_of(customer), "{'record': 'none', 'n': 10}");
}

/* 1, 2, ... */
static int version_of(const struct nbx_value *reply)
{
    return text_at(reply, "model.version").p[0] - '0';
}

static void activate(int version)
{
    get(p, "model.activate", "", "{'name': 'taste', 'version': '%d'}", version);
}

static struct answer stage(int version, const char *to, const char *more)
{
    return ask(p, "model.stage", "", "{'name': 'taste', 'version': '%d', 'stage': '%s'%s}", version,
               to, more);
}

static struct nbx_value *must_stage(int version, const char *to, const char *more)
{
    struct answer a = stage(version, to, more);
    cr_assert_str_eq(a.status, "ok", "%s: %.*s", a.status,
                     NBX_STR_ARG(text_at(a.body, "error.message")));
    must_be(a.body, "stage",
            to[0] == 's' ? (to[1] == 'h' ? "'shadow'" : "'staged'")
                         : (to[0] == 'c' ? "'canary'" : "'archived'"));
    return a.body;
}

static struct nbx_value *version(int v)
{
    return get(p, "model.get", "", "{'name': 'taste', 'version': '%d'}", v);
}

static void make_models(void)
{
    static const size_t dims[N_MODELS] = {16, 24, 16, 16};
    static const char *const versions[N_MODELS] = {"1", "2", "3", "4"};
    for (size_t i = 0; i < N_MODELS; i++) {
        model_make(&m[i], N_ITEMS, dims[i], SEED + (i == 2 ? 0 : i));
        m[i].info.version = nbx_str_c(versions[i]);
    }
    /* Ten items that everybody is near to. */
    for (size_t row = 0; row < N_ITEMS; row++) {
        float *y = &m[3].factors[row * m[3].dims];
        memset(y, 0, m[3].dims * sizeof *y);
        y[0] = row < 290 ? 1.f : 100.f + (float)row;
        y[1] = (float)(row % 7) * .01f;
    }
}

static void keep_answers(void)
{
    kept = nbx_arena_new((size_t)64 << 20);
    for (int v = N_MODELS; v > 0; v--) {
        activate(v);
        for (int c = 0; c < CUSTOMERS; c++)
            cr_assert(nbx_value_copy(&answers[v - 1][c], at(ask_for(c), "items"), kept));
        nbx_arena_reset(p->arena);
    }
}

static void begin(void)
{
    printf("seed %d\n", SEED);
    server_start(&s, &(struct server_options){.settings = SETTINGS});
    p = &s.peer;
    make_models();
    model_put_items(&m[0], p);
    for (int i = 0; i < N_MODELS; i++) {
        struct pushed f;
        pushed_make(&f, &s, &m[i].info);
        must_push(p, &f, "{}");
        pushed_free(&f);
    }
    for (int c = 0; c < CUSTOMERS; c++)
        get(p, "observe", id_of(c),
            "{'events': [{'type': 'purchase', 'item': 'i%03d'}, {'type': 'view', 'item': "
            "'i%03d'}]}",
            (c * 7) % 290, (c * 11 + 100) % 290);
    keep_answers();
}

static void end(void)
{
    for (int i = 0; i < N_MODELS; i++)
        model_free(&m[i]);
    nbx_arena_destroy(&kept);
    server_stop(&s);
}

TestSuite(trials, .init = begin, .fini = end, .timeout = 120);

/* Who is answered by which version, each as that version answers. Returns how many by `canary`. */
static int look(int by[CUSTOMERS], int canary)
{
    int n = 0;
    for (int c = 0; c < CUSTOMERS; c++) {
        struct nbx_value *r = ask_for(c);
        by[c] = version_of(r);
        n += by[c] == canary;
        cr_assert(nbx_value_eq(at(r, "items"), &answers[by[c] - 1][c]), "c%d, by %d", c, by[c]);
        nbx_arena_reset(p->arena);
    }
    return n;
}

static void must_serve_all(int wanted)
{
    int by[CUSTOMERS];
    cr_assert_eq(look(by, wanted), CUSTOMERS, "not all are answered by %d", wanted);
}

/* canaries */

Test(trials, a_canary_answers_a_stable_share)
{
    int few[CUSTOMERS], again[CUSTOMERS], many[CUSTOMERS];
    activate(1);
    must_stage(2, "canary", ", 'share': 0.2");
    int n = look(few, 2);
    cr_assert(n > CUSTOMERS / 10 && n < CUSTOMERS * 3 / 10, "%d of %d", n, CUSTOMERS);
    cr_assert_eq(look(again, 2), n);
    cr_assert_arr_eq(few, again, sizeof few);
    must_be(must_stage(2, "canary", ", 'share': 0.5"), "trial.share", "0.5");
    cr_assert_gt(look(many, 2), n);
    for (int c = 0; c < CUSTOMERS; c++)
        cr_assert(few[c] == 1 || many[c] == 2, "c%d left the canary as it grew", c);
    server_end(&s);
    server_begin(&s);
    look(again, 2);
    cr_assert_arr_eq(many, again, sizeof many, "a restart changes nobody's model");
    must_stage(2, "staged", "");
    must_serve_all(1);
}

static int first_of(const int *by, int wanted)
{
    int c = 0;
    while (c < CUSTOMERS && by[c] != wanted)
        c++;
    cr_assert_lt(c, CUSTOMERS);
    return c;
}

Test(trials, of_whom_nothing_may_be_used_the_active_model_answers)
{
    int by[CUSTOMERS];
    activate(1);
    must_stage(2, "canary", ", 'share': 0.5");
    look(by, 2);
    const char *id = id_of(first_of(by, 2));
    cr_assert_eq(version_of(get(p, "recommend", id, "{}")), 2);
    cr_assert_eq(version_of(get(p, "rank", id, "{'items': ['i001', 'i002']}")), 2);
    cr_assert_eq(version_of(get(p, "recommend", id, "{'personal': false}")), 1);
    cr_assert_eq(version_of(get(p, "recommend", "", "{}")), 1);
    cr_assert_eq(version_of(get(p, "similar", "", "{'item': 'i001'}")), 1);
    for (int i = 0; i < 50; i++) {
        char stranger[16];
        snprintf(stranger, sizeof stranger, "stranger%d", i);
        cr_assert_eq(version_of(get(p, "recommend", stranger, "{}")), 1);
    }
    REFUSED(ask(p, "recommend", id, "{'vector': [1, 2, 3]}"), "bad_request", "vector", "16");
    get(p, "customer.put", id, "{'consent': {'personalise': false}}");
    cr_assert_eq(version_of(get(p, "recommend", id, "{}")), 1);
}

Test(trials, lists_and_decisions_name_the_same_model)
{
    int by[CUSTOMERS];
    char out[4096];
    activate(1);
    must_stage(2, "canary", ", 'share': 0.5");
    look(by, 2);
    struct nbx_value *r =
        get(p, "recommend", "", "{'n': 10, 'record': 'none', 'customers': ['%s', 'c%d', 'c%d']}",
            id_of(first_of(by, 1)), first_of(by, 2), first_of(by, 1) + 0);
    cr_assert_eq(version_of(r), 1);
    cr_assert_null(at(r, "results[0].model"));
    must_be(r, "results[1].model.version", "'2'");
    cr_assert(nbx_value_eq(at(r, "results[1].items"), &answers[1][first_of(by, 2)]));
    cr_assert(nbx_value_eq(at(r, "results[0].items"), &answers[0][first_of(by, 1)]));
    r = get(p, "recommend", id_of(first_of(by, 2)), "{}");
    char id[64];
    snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    must_be(get(p, "decision.get", id, "{}"), "model.version", "'2'");
    must_stage(2, "staged", "");
    server_end(&s);
    cr_assert_eq(server_replay(&s, id, out, sizeof out), 0, "%s", out);
    server_begin(&s);
}

Test(trials, linked_identities_are_one_customer)
{
    int by[CUSTOMERS];
    activate(1);
    must_stage(2, "canary", ", 'share': 0.5");
    look(by, 2);
    int one = first_of(by, 1), two = first_of(by, 2);
    get(p, "customer.link", id_of(one), "{'identity': 'c%d'}", two);
    int of_one = version_of(ask_for(one));
    cr_assert_eq(version_of(ask_for(two)), of_one, "one person, two models");
    get(p, "customer.unlink", id_of(one), "{'identity': 'c%d'}", two);
    cr_assert_eq(version_of(ask_for(one)), 1);
    cr_assert_eq(version_of(ask_for(two)), 2);
}

/* Until it has been rolled back, or not: what the guard looks at comes from requests. */
static struct nbx_value *ask_until_staged(int v)
{
    int64_t until_ms = nbx_clock_wall_ms() + ASK_TIMEOUT_MS;
    for (int c = 0; nbx_clock_wall_ms() < until_ms; c = (c + 1) % CUSTOMERS) {
        struct nbx_value *r = ask_for(c);
        cr_assert(nbx_value_eq(at(r, "items"), &answers[version_of(r) - 1][c]));
        if (c % 50 == 0 && nbx_str_is(text_at(version(v), "stage"), "staged"))
            return version(v);
        if (c % 50 == 0)
            nbx_arena_reset(p->arena);
    }
    cr_assert_fail("it is not rolled back");
    return NULL;
}

Test(trials, a_canary_that_shows_everybody_the_same_is_rolled_back)
{
    activate(1);
    must_stage(4, "canary", ", 'share': 0.5");
    struct nbx_value *v = ask_until_staged(4);
    struct nbx_str verdict = text_at(v, "verdict");
    cr_assert(strstr(verdict.p, "canary rolled back: of "), "%.*s", NBX_STR_ARG(verdict));
    cr_assert(strstr(verdict.p, "are distinct where"), "%.*s", NBX_STR_ARG(verdict));
    cr_assert_null(at(v, "trial"));
    must_serve_all(1);
    char *log = server_log(&s);
    cr_assert(strstr(log, "by=guard"));
    free(log);
    server_end(&s);
    server_begin(&s);
    must_be(version(4), "stage", "'staged'");
    must_serve_all(1);
}

Test(trials, a_good_canary_stays_and_is_told_of)
{
    int by[CUSTOMERS];
    activate(1);
    must_stage(3, "canary", ", 'share': 0.5");
    int64_t answered = 0;
    for (int round = 0; round < 3; round++)
        answered += look(by, 3);
    struct nbx_value *v = version(3);
    must_be(v, "stage", "'canary'");
    int64_t until_ms = nbx_clock_wall_ms() + ASK_TIMEOUT_MS;
    while (int_at(v, "trial.answered") < answered && nbx_clock_wall_ms() < until_ms)
        v = version(3); /* the keeper takes figures now and then */
    cr_assert_eq(int_at(v, "trial.answered"), answered);
    cr_assert_eq(int_at(v, "trial.active_answered"), 3 * CUSTOMERS - answered);
    must_be(v, "trial.failed", "0");
    cr_assert_gt(number_at(v, "trial.decide_us.p99"), 0);
    cr_assert_gt(number_at(v, "trial.active_decide_us.p50"), 0);
    activate(3);
    must_serve_all(3);
    cr_assert(strstr(text_at(version(3), "verdict").p, "canary: answered "));
    must_be(get(p, "model.rollback", "", "{}"), "version", "'1'");
    must_serve_all(1);
}

Test(trials, a_canary_has_the_items_of_now)
{
    int by[CUSTOMERS];
    activate(1);
    must_stage(2, "canary", ", 'share': 0.5");
    look(by, 2);
    int c = first_of(by, 2);
    struct nbx_value *r = ask_for(c);
    char best[16];
    snprintf(best, sizeof best, "%.*s", NBX_STR_ARG(text_at(r, "items[0].id")));
    get(p, "item.patch", "", "{'items': [{'id': '%s', 'available': false}]}", best);
    r = ask_for(c);
    cr_assert_eq(version_of(r), 2);
    cr_assert_not(nbx_str_is(text_at(r, "items[0].id"), best), "it is not to be had any more");
    get(p, "item.patch", "", "{'items': [{'id': '%s', 'available': true}]}", best);
    cr_assert(nbx_value_eq(at(ask_for(c), "items"), &answers[1][c]));
}

/* shadows */

/* Asks for all until the shadow has been asked as often. */
static struct nbx_value *ask_until_compared(int v, int64_t wanted)
{
    int64_t until_ms = nbx_clock_wall_ms() + ASK_TIMEOUT_MS;
    for (int c = 0; nbx_clock_wall_ms() < until_ms; c = (c + 1) % CUSTOMERS) {
        struct nbx_value *r = ask_for(c);
        cr_assert_eq(version_of(r), 1, "a shadow answers nobody");
        cr_assert(nbx_value_eq(at(r, "items"), &answers[0][c]));
        struct nbx_value *told = c % 20 ? NULL : version(v);
        if (told && int_at(told, "trial.compared") >= wanted)
            return told;
        if (c % 20 == 0)
            nbx_arena_reset(p->arena);
    }
    cr_assert_fail("the shadow is not asked");
    return NULL;
}

Test(trials, a_shadow_is_compared)
{
    activate(1);
    must_stage(3, "shadow", ", 'share': 1");
    struct nbx_value *v = ask_until_compared(3, 300);
    must_be(v, "trial.failed", "0");
    cr_assert_float_eq(number_at(v, "trial.overlap"), 1, 1e-9, "the same model");
    cr_assert_float_eq(number_at(v, "trial.rank_correlation"), 1, 1e-9);
    cr_assert_float_eq(number_at(v, "trial.personal"), 1, 1e-9);
    cr_assert_gt(number_at(v, "trial.decide_us.p50"), 0);
    must_stage(3, "staged", "");
    cr_assert(strstr(text_at(version(3), "verdict").p, "overlap 1.000, rank correlation 1.000"));
    must_stage(2, "shadow", ", 'share': 1");
    v = ask_until_compared(2, 300);
    cr_assert_lt(number_at(v, "trial.overlap"), .5, "another model");
}

static void must_be_asked(const char *share, double expected)
{
    int by[CUSTOMERS];
    must_stage(2, "shadow", share);
    must_be(version(2), "trial.dropped", "0");
    for (int round = 0; round < 5; round++)
        look(by, 1);
    struct nbx_value *v = version(2);
    int64_t asked = (int64_t)(5 * CUSTOMERS * expected),
            until_ms = nbx_clock_wall_ms() + ASK_TIMEOUT_MS;
    while (int_at(v, "trial.compared") + int_at(v, "trial.dropped") < asked - 2 &&
           nbx_clock_wall_ms() < until_ms)
        v = version(2);
    int64_t seen = int_at(v, "trial.compared") + int_at(v, "trial.dropped");
    cr_assert(seen >= asked - 2 && seen <= asked + 2, "%lld of %d requests", (long long)seen,
              5 * CUSTOMERS);
    must_stage(2, "staged", "");
}

Test(trials, a_shadow_is_asked_a_share)
{
    activate(1);
    must_be_asked("", .1);
    must_be_asked(", 'share': 0.7", .7);
    must_be_asked(", 'share': 1e-300", 0);
}

/* Worlds come and go while it is asked: no question is lost unsaid. */
Test(trials, a_shadow_is_asked_while_items_change)
{
    int64_t asked = 0, until_ms = nbx_clock_wall_ms() + ASK_TIMEOUT_MS;
    activate(1);
    must_stage(2, "shadow", ", 'share': 1");
    for (int c = 0; c < CUSTOMERS; c++, asked++) {
        cr_assert_eq(version_of(ask_for(c)), 1);
        if (c % 3 == 0)
            get(p, "item.put", "", "{'items': [{'id': 'other%d', 'available': false}]}", c);
    }
    struct nbx_value *v;
    do
        v = version(2);
    while (int_at(v, "trial.compared") + int_at(v, "trial.failed") + int_at(v, "trial.dropped") <
               asked &&
           nbx_clock_wall_ms() < until_ms);
    cr_assert_eq(int_at(v, "trial.compared") + int_at(v, "trial.dropped"), asked);
    must_be(v, "trial.failed", "0");
    cr_assert_gt(int_at(v, "trial.compared"), 0);
}

/* the log */

/* What the log says of models, as "what stage". */
static const char *logged(void)
{
    static char text[1024];
    text[0] = '\0';
    struct nbx_value *r = get(p, "log.read", "", "{'stream': 256, 'n': 1000}");
    const struct nbx_value *entries = at(r, "entries");
    for (uint32_t i = 0; i < entries->n; i++) {
        const struct nbx_value *said = nbx_value_get(&entries->list[i], "model");
        if (!said)
            continue;
        must_be(&entries->list[i], "kind", "'model'");
        struct nbx_str of[] = {text_at(said, "what"), text_at(said, "version"),
                               at(said, "stage") ? text_at(said, "stage") : NBX_STR("-")};
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s %.*s %.*s",
                 text[0] ? ", " : "", NBX_STR_ARG(of[0]), NBX_STR_ARG(of[1]), NBX_STR_ARG(of[2]));
    }
    return text;
}

Test(trials, what_becomes_of_versions_is_in_the_log)
{
    cr_assert_str_eq(logged(), "push 1 staged, push 2 staged, push 3 staged, push 4 staged, "
                               "activate 4 active, activate 3 active, activate 2 active, "
                               "activate 1 active");
    size_t before = strlen(logged());
    must_stage(2, "shadow", ", 'share': 0.5");
    must_stage(2, "shadow", ", 'share': 0.5"); /* which changes nothing */
    must_stage(2, "canary", "");
    activate(2);
    get(p, "model.rollback", "", "{}");
    must_stage(3, "archived", "");
    get(p, "model.delete", "", "{'name': 'taste', 'version': '3'}");
    cr_assert_str_eq(logged() + before,
                     ", stage 2 shadow, stage 2 canary, activate 2 active, rollback 1 active, "
                     "stage 3 archived, delete 3 -");
    server_end(&s);
    cr_assert_eq(server_run(&s, "--verify", NULL), 0);
    server_begin(&s);
}

/* stages */

Test(trials, what_is_refused)
{
    activate(1);
    REFUSED(stage(1, "shadow", ""), "conflict", "version", "is active");
    REFUSED(stage(1, "canary", ""), "conflict", "version", "is active");
    REFUSED(stage(9, "canary", ""), "not_found", "version", "no version 9");
    REFUSED(stage(2, "canary", ", 'share': 0.51"), "bad_request", "share", "at most 0.5");
    REFUSED(stage(2, "shadow", ", 'share': 0"), "bad_request", "share", "above 0");
    REFUSED(stage(2, "shadow", ", 'share': 1.5"), "bad_request", "share", "at most 1");
    REFUSED(stage(2, "staged", ", 'share': 0.1"), "bad_request", "share", "a shadow or a canary");
    must_stage(2, "canary", "");
    must_stage(3, "shadow", "");
    REFUSED(stage(4, "canary", ""), "conflict", "stage", "version 2 of model taste is the canary");
    REFUSED(stage(4, "shadow", ""), "conflict", "stage", "version 3 of model taste is the shadow");
    REFUSED(ask(p, "model.delete", "", "{'name': 'taste', 'version': '2'}"), "conflict", "version",
            "is the canary");
    REFUSED(ask(p, "model.delete", "", "{'name': 'taste', 'version': '3'}"), "conflict", "version",
            "is the shadow");
    must_stage(3, "archived", "");
    REFUSED(stage(3, "shadow", ""), "conflict", "version", "is archived");
}

Test(trials, a_version_goes_from_stage_to_stage)
{
    activate(1);
    must_stage(2, "shadow", ", 'share': 1");
    ask_until_compared(2, 20);
    must_stage(2, "canary", ", 'share': 0.5");
    int by[CUSTOMERS];
    cr_assert_gt(look(by, 2), 0);
    must_stage(2, "shadow", ", 'share': 1");
    must_serve_all(1);
    ask_until_compared(2, 20);
    must_stage(3, "canary", "");
    activate(2);
    must_be(version(2), "stage", "'active'");
    must_stage(3, "staged", "");
    must_serve_all(2);
    must_stage(1, "canary", ", 'share': 0.5"); /* which is also what a rollback goes to */
    cr_assert_gt(look(by, 1), 0);
    must_be(get(p, "model.rollback", "", "{}"), "version", "'1'");
    must_serve_all(1);
    must_stage(2, "archived", "");
    must_serve_all(1);
}
