/* SPDX-License-Identifier: MIT
 * Event types that get a ttl, and lose it again, while the daemon serves.
 */
#include "tests/daemon/harness_taste.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_ITEMS 60
#define DIMS    8
#define SEED    20261126
#define HOUR_MS INT64_C(3600000)

#define EVENTS(view, dismiss)                                                                      \
    "events: [{type: purchase, class: positive, weight: 1},"                                       \
    " {type: view, class: positive, weight: 0.5" view "},"                                         \
    " {type: dismiss, class: negative" dismiss "}]\n"

static struct server s;
static struct peer *p;
static struct model m;
static int64_t now_ms, old_ms; /* of the requests; two days before */

static void begin(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    now_ms = (int64_t)t.tv_sec * 1000;
    old_ms = now_ms - 48 * HOUR_MS;
    server_start(&s, &(struct server_options){.settings = EVENTS("", "")});
    p = &s.peer;
    model_make(&m, N_ITEMS, DIMS, SEED);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

TestSuite(ttl_reload, .init = begin, .fini = end, .timeout = 120);

static void use(const char *settings)
{
    server_configure(&s, settings);
    server_reload(&s);
}

/* Two lists, one without what was seen, as they came. */
static struct nbx_str answers(const char *customer, int64_t at_ms)
{
    struct nbx_buf b = {0};
    for (int seen = 0; seen < 2; seen++) {
        struct answer a = ask(p, "recommend", customer,
                              "{'n': %d, 'record': 'none', 'now': %lld, 'exclude_seen': %s}",
                              N_ITEMS, (long long)at_ms, seen ? "true" : "false");
        cr_assert_str_eq(a.status, "ok");
        nbx_buf_put(&b, a.raw.p, a.raw.len);
    }
    struct nbx_str out =
        nbx_arena_str(p->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return out;
}

/* anna did more than bert, two days ago: a view, and a dislike. */
static void observe_both(void)
{
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'i003', 'time': %lld},"
        " {'type': 'view', 'item': 'i009', 'time': %lld},"
        " {'type': 'dismiss', 'item': 'i020', 'time': %lld}]}",
        (long long)old_ms, (long long)old_ms, (long long)old_ms);
    get(p, "observe", "bert", "{'events': [{'type': 'purchase', 'item': 'i003', 'time': %lld}]}",
        (long long)old_ms);
}

static void must_rank_both(void)
{
    struct deeds d = {.n = 2, .row = {3, 9}, .weight = {1, 0.5}};
    size_t without[] = {20};
    double x[DIMS];
    taste_fold(x, &m, &d);
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': %d}", N_ITEMS);
    cr_assert_eq(count_at(reply, "items"), N_ITEMS - 1);
    must_rank(reply, &m,
              &(struct expected){.x = x, .without = without, .n_without = 1, .source = "personal"});
}

Test(ttl_reload, what_expires_is_gone_from_answers_and_comes_back)
{
    observe_both();
    struct nbx_str both = answers("anna", now_ms), one = answers("bert", now_ms);
    must_rank_both(); /* and keeps the vector */
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "3");

    use(EVENTS(", ttl: 1d", ", ttl: 24h"));
    for (int again = 0; again < 2; again++) { /* the second time a vector may be cached */
        cr_assert(nbx_str_eq(answers("anna", now_ms), one));
        struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
        struct nbx_value *bert = get(p, "customer.get", "bert", "{}");
        must_be(anna, "seen", "1");
        cr_assert_eq(count_at(anna, "history"), 3, "what is kept is shown");
        for (uint32_t i = 0; i < DIMS; i++)
            cr_assert(at(anna, "vector")->list[i].f == at(bert, "vector")->list[i].f);
        cr_assert_eq(count_at(get(p, "recommend", "anna", "{'n': 100}"), "items"), N_ITEMS);
    }
    cr_assert(nbx_str_eq(answers("anna", old_ms + HOUR_MS), both), "by the request's clock");
    cr_assert_eq(count_at(get(p, "customer.export", "anna", "{}"), "seen"), 3);

    use(EVENTS(", ttl: 1d", "")); /* each by itself */
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "2");
    cr_assert_eq(count_at(get(p, "recommend", "anna", "{'n': 100}"), "items"), N_ITEMS - 1);

    use(EVENTS(", ttl: 100h", ", ttl: 100h"));
    cr_assert(nbx_str_eq(answers("anna", now_ms), both));
    must_rank_both();
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "3");
}

Test(ttl_reload, a_restart_makes_no_difference)
{
    observe_both();
    get(p, "recommend", "anna", "{}");
    cr_assert_not(nbx_str_eq(answers("anna", now_ms), answers("bert", now_ms)));
    server_end(&s); /* what it answered goes with the peer */
    s.options.settings = EVENTS(", ttl: 1d", ", ttl: 1d");
    server_begin(&s);
    cr_assert(nbx_str_eq(answers("anna", now_ms), answers("bert", now_ms)));
}

Test(ttl_reload, a_bad_ttl_changes_nothing_and_is_named)
{
    observe_both();
    struct nbx_str both = answers("anna", now_ms);
    use(EVENTS(", ttl: soon", ""));
    char *log = server_log(&s);
    cr_assert_not_null(strstr(log, "events[1].ttl: must be a duration such as"), "%s", log);
    free(log);
    cr_assert(nbx_str_eq(answers("anna", now_ms), both));
    server_configure(&s, EVENTS("", ""));
}
