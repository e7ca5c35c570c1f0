/* SPDX-License-Identifier: MIT
 * A new model is held against the one in service, by what the daemon's own customers did last.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include <pthread.h>
#include <stdlib.h>

#define SEED    20261126
#define ITEMS   300
#define DIMS    8
#define PEOPLE  60
#define FEW     49 /* one less than may refuse */
#define ROUNDS  6
#define DAY_MS  INT64_C(86400000)
#define BASE_MS INT64_C(1700000000000)

static struct server s;
static struct peer *p;
static struct model m;

static void begin(void)
{
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    p = &s.peer;
    model_make(&m, ITEMS, DIMS, SEED);
    model_put_items(&m, p);
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

TestSuite(model_holdout, .init = begin, .fini = end, .timeout = 120);

/* The items of an axis are i, i + DIMS, ...; this is its last one. */
static size_t last_of(size_t axis)
{
    return (ITEMS - 1 - axis) / DIMS * DIMS + axis;
}

/* Person k took to items of axis k % DIMS, at last to its last one. */
static void observe(size_t n)
{
    for (size_t k = 0; k < n; k++) {
        char key[16];
        size_t axis = k % DIMS;
        snprintf(key, sizeof key, "p%zu", k);
        get(p, "observe", key,
            "{'events': [{'type': 'view', 'item': 'i%03zu', 'time': %lld},"
            " {'type': 'purchase', 'item': 'i%03zu', 'time': %lld},"
            " {'type': 'view', 'item': 'i%03zu', 'time': %lld}]}",
            axis, (long long)BASE_MS, axis + DIMS * (1 + k % 20), (long long)(BASE_MS + DAY_MS),
            last_of(axis), (long long)(BASE_MS + 2 * DAY_MS));
    }
}

/* Item i lies on axis i % DIMS, longer than those before it; of the first `astray` axes the last
 * one lies on another. */
static void make(struct pushed *f, const char *version, size_t astray)
{
    memset(m.factors, 0, (size_t)ITEMS * DIMS * sizeof *m.factors);
    for (size_t i = 0; i < ITEMS; i++) {
        size_t axis = i % DIMS;
        bool moved = axis < astray && i == last_of(axis);
        m.factors[i * DIMS + (axis + moved) % DIMS] = (moved ? 0.5F : 1) + (float)i / ITEMS;
    }
    m.info.version = nbx_str_c(version);
    m.info.created_ms++;
    if (f)
        pushed_make(f, &s, &m.info);
}

static struct nbx_value *must_take(const char *version, size_t astray, const char *commit)
{
    struct pushed f;
    make(&f, version, astray);
    struct nbx_value *v = must_push(p, &f, commit);
    pushed_free(&f);
    return v;
}

static void must_serve(const char *version)
{
    cr_assert(nbx_str_is(text_at(get(p, "recommend", "p0", "{'record': 'none'}"), "model.version"),
                         version));
}

Test(model_holdout, a_worse_model_is_refused_and_leaves_nothing)
{
    struct pushed f;
    observe(PEOPLE);
    struct nbx_value *v = must_take("1", 0, "{'activate': true}");
    cr_assert_null(at(v, "accepted.holdout"), "there was none in service");
    cr_assert_eq(int_at(v, "accepted.items"), ITEMS);
    struct nbx_str before =
        ask(p, "recommend", "p0", "{'record': 'none', 'now': 1800000000000}").raw;
    make(&f, "2", DIMS);
    REFUSED(push_all(p, &f, "{'activate': true}"), "bad_request", "holdout.hit@20",
            "0.0000 on 60 customers, the active model's is 1.0000; at least 0.9000, 10 % less "
            "(model_max_loss)");
    pushed_free(&f);
    cr_assert_str_eq(models_on_disk(&s), "taste@1.safetensors");
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 1);
    struct nbx_str after =
        ask(p, "recommend", "p0", "{'record': 'none', 'now': 1800000000000}").raw;
    cr_assert(nbx_str_eq(before, after), "the answers are another");
    server_configure(&s, "model_max_loss: 1\n");
    server_reload(&s);
    must_be(must_take("2", DIMS, "{}"), "accepted.holdout",
            "{'cases': 60, 'hit': 0.0, 'ndcg': 0.0, 'active_hit': 1.0, 'active_ndcg': 1.0}");
}

Test(model_holdout, a_better_model_says_by_how_much)
{
    observe(PEOPLE);
    must_take("1", 4, "{'activate': true}");
    struct nbx_value *v = must_take("2", 0, "{'activate': true}");
    const struct nbx_value *accepted = at(v, "accepted");
    cr_assert_eq(int_at(accepted, "holdout.cases"), PEOPLE);
    cr_assert_float_eq(number_at(accepted, "holdout.hit"), 1, 1e-9);
    /* of 60 people on eight axes 32 are on the first four */
    cr_assert_float_eq(number_at(accepted, "holdout.active_hit"), 28 / 60.0, 1e-9);
    cr_assert_leq(number_at(accepted, "holdout.active_ndcg"),
                  number_at(accepted, "holdout.active_hit"));
    must_serve("2");
    server_end(&s);
    server_begin(&s);
    struct nbx_value *again = get(p, "model.get", "", "{'name': 'taste', 'version': '2'}");
    must_be(again, "accepted.holdout.cases", "60");
    cr_assert_float_eq(number_at(again, "accepted.holdout.active_hit"), 28 / 60.0, 1e-9);
}

Test(model_holdout, few_customers_refuse_nothing)
{
    observe(FEW);
    must_take("1", 0, "{'activate': true}");
    struct nbx_value *v = must_take("2", DIMS, "{}");
    must_be(v, "accepted.holdout.cases", "49");
    must_be(v, "accepted.holdout.hit", "0.0");
}

Test(model_holdout, who_withdrew_consent_is_not_asked)
{
    observe(PEOPLE);
    must_take("1", 0, "{'activate': true}");
    for (size_t k = 0; k < PEOPLE - FEW; k++) {
        char key[16];
        snprintf(key, sizeof key, "p%zu", k);
        if (k % 3 == 2)
            get(p, "customer.forget", key, "{}");
        else
            get(p, "customer.put", key, "{'consent': {'%s': false}}", k % 3 ? "train" : "profile");
    }
    must_be(must_take("2", DIMS, "{}"), "accepted.holdout.cases", "49");
}

Test(model_holdout, the_folders_bundles_are_held_against_it_too)
{
    observe(PEOPLE);
    make(NULL, "1", 0);
    server_bundle(&s, "1", &m.info);
    server_reload(&s);
    must_serve("1");
    make(NULL, "2", DIMS);
    server_bundle(&s, "2", &m.info);
    server_reload(&s);
    must_serve("1");
    char *log = server_log(&s);
    cr_assert_not_null(strstr(log, "model=kept reason=\"holdout.hit@20: 0.0000 on 60 customers"),
                       "%s", log);
    free(log);
}

/* pushing while models change places */

static void *push_on(void *arg)
{
    struct pushed *files = arg; /* (ROUNDS) */
    struct peer other;
    peer_open(&other, &s);
    for (int i = 0; i < ROUNDS; i++)
        must_push(&other, &files[i], "{}");
    peer_close(&other);
    return NULL;
}

/* The model in service stays for as long as the new one is held against it. */
Test(model_holdout, the_model_in_service_may_go_meanwhile)
{
    static const char *const versions[ROUNDS] = {"a", "b", "c", "d", "e", "f"};
    struct pushed files[ROUNDS];
    pthread_t pushing;
    observe(PEOPLE);
    must_take("1", 0, "{'activate': true}");
    must_take("2", 0, "{'activate': true}");
    for (int i = 0; i < ROUNDS; i++)
        make(&files[i], versions[i], 0);
    cr_assert_eq(pthread_create(&pushing, NULL, push_on, files), 0);
    for (int i = 0; i < 20 * ROUNDS; i++) {
        get(p, "item.patch", "", "{'items': [{'id': 'i%03d', 'price': %d}]}", i, i);
        /* resident: it does not wait for what is looked through */
        get(p, "model.activate", "", "{'name': 'taste', 'version': '%d'}", 1 + i % 2);
    }
    pthread_join(pushing, NULL);
    for (int i = 0; i < ROUNDS; i++)
        pushed_free(&files[i]);
    cr_assert_eq(count_at(get(p, "model.list", "", "{}"), "models"), 2 + ROUNDS);
}
