/* SPDX-License-Identifier: MIT
 * Consent: who withdrew it is answered as somebody never seen, byte for byte, or not observed.
 */
#include "tests/daemon/harness_taste.h"

#define N_ITEMS 120
#define DIMS    8
#define SEED    20261126

#define DEEDS                                                                                      \
    "{'id': 'e0', 'type': 'view', 'item': 'i003', 'time': 1000},"                                  \
    "{'id': 'e1', 'type': 'purchase', 'item': 'i017', 'time': 2000, 'channel': 'web'},"            \
    "{'id': 'e2', 'type': 'dismiss', 'item': 'i040', 'time': 3000, 'scope': 'brand'}"
#define NOW "'now': 1700000000000"

static const struct {
    const char *op, *body;
} requests[] = {
    {"recommend", NOW ", 'record': 'none', 'n': 50"},
    {"recommend", NOW ", 'record': 'none', 'n': 50, 'explain': true, 'channel': 'web'"},
    {"recommend", NOW ", 'record': 'none', 'n': 200, 'exclude_seen': true"},
    {"recommend", NOW ", 'record': 'none', 'n': 9, 'filter': {'field': 'brand', 'eq': 'x'}"},
    {"rank", NOW ", 'record': 'none', 'items': ['i017', 'i040', 'i041', 'i003', 'i001', 'none']"},
    {"rank", NOW ", 'record': 'none', 'items': ['i017', 'i001'], 'exclude_seen': true"},
    {"recommend", NOW ", 'record': 'none', 'vector': [1, 2, 3, 4, 5, 6, 7, 8], 'space': 'main'"},
};
#define N_REQUESTS (sizeof requests / sizeof requests[0])
static size_t n_requests; /* of these; without a model none with a vector of its own */

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
    n_requests = N_REQUESTS;
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(consent, .init = begin, .fini = end, .timeout = 120);

static void serve_model(struct model *m)
{
    model_make(m, N_ITEMS, DIMS, SEED);
    server_bundle(&s, "taste", &m->info);
    model_put_items(m, p);
    get(p, "item.patch", "",
        "{'items': [{'id': 'i040', 'brand': 'x'}, {'id': 'i041', 'brand': 'x'}]}");
    server_reload(&s);
}

/* What strangers get follows what was done: until it has. */
static void settle(void)
{
    get_until(p, "", "{'n': 2}", "i017 i003");
}

/* The reply's bytes, which the caller frees. */
static struct nbx_buf bytes(const char *op, const char *customer, const char *body)
{
    struct answer a = ask(p, op, customer, "%s", body);
    struct nbx_buf b = {0};
    cr_assert_str_eq(a.status, "ok", "%s", body);
    nbx_buf_put(&b, a.raw.p, a.raw.len);
    return b;
}

static bool same(const char *op, const char *a, const char *b, const char *body)
{
    struct nbx_buf x = bytes(op, a, body), y = bytes(op, b, body);
    bool equal = x.p && y.p && x.len == y.len && memcmp(x.p, y.p, x.len) == 0;
    nbx_buf_fini(&x);
    nbx_buf_fini(&y);
    return equal;
}

/* Of all that can be asked: how many answers to `a` are those to `b`. */
static size_t count_same(const char *a, const char *b, const char *more)
{
    size_t n = 0;
    for (size_t i = 0; i < n_requests; i++) {
        char body[512];
        snprintf(body, sizeof body, "{%s%s}", requests[i].body, more);
        n += same(requests[i].op, a, b, body);
    }
    return n;
}

static void must_be_a_stranger(const char *customer)
{
    cr_assert_eq(count_same(customer, "nobody", ""), n_requests);
    cr_assert_eq(count_same(customer, "nobody", ", 'personal': false"), n_requests);
}

static void tell_consent(const char *customer, const char *consent)
{
    get(p, "customer.put", customer, "{'consent': {%s}}", consent);
}

static void withdraw_and_give_again(void)
{
    get(p, "customer.put", "anna", "{'attributes': {'age': 30}, 'consent': {'personalise': true}}");
    get(p, "observe", "anna", "{'events': [" DEEDS "]}");
    settle();
    struct nbx_buf before = bytes("recommend", "anna", "{" NOW ", 'record': 'none', 'n': 50}");
    cr_assert_lt(count_same("anna", "nobody", ""), n_requests, "or nothing is shown by it");
    cr_assert_eq(count_same("anna", "nobody", ", 'personal': false"), n_requests);
    tell_consent("anna", "'personalise': false");
    must_be_a_stranger("anna");
    server_kill(&s);
    server_begin(&s);
    must_be_a_stranger("anna");
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "3");
    cr_assert_null(at(get(p, "customer.get", "anna", "{}"), "vector"));
    tell_consent("anna", "'personalise': true");
    struct nbx_buf after = bytes("recommend", "anna", "{" NOW ", 'record': 'none', 'n': 50}");
    cr_assert(before.len == after.len && memcmp(before.p, after.p, after.len) == 0,
              "what was kept counts again");
    nbx_buf_fini(&before);
    nbx_buf_fini(&after);
}

Test(consent, withdrawn_it_is_the_answer_of_somebody_never_seen)
{
    struct model m;
    serve_model(&m);
    withdraw_and_give_again();
    model_free(&m);
}

Test(consent, likewise_without_a_model)
{
    n_requests = N_REQUESTS - 1;
    get(p, "item.put", "",
        "{'items': [{'id': 'i003'}, {'id': 'i017'}, {'id': 'i040', 'brand': 'x'}]}");
    withdraw_and_give_again();
}

Test(consent, said_by_who_was_never_seen_it_shows_nothing)
{
    struct model m;
    serve_model(&m);
    tell_consent("anna", "'personalise': false, 'profile': false, 'fax': false");
    must_be_a_stranger("anna");
    get(p, "customer.put", "anna", "{'attributes': {'age': 30}}");
    must_be_a_stranger("anna");
    model_free(&m);
}

Test(consent, events_inside_a_recommend_are_kept_and_not_used)
{
    struct model m;
    serve_model(&m);
    tell_consent("anna", "'personalise': false");
    struct nbx_value *r = get(p, "recommend", "anna", "{'observe': [" DEEDS "]}");
    must_be(r, "observed.applied", "3");
    must_be(r, "customer", "{'known': false}");
    settle();
    must_be_a_stranger("anna");
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "3");
    model_free(&m);
}

Test(consent, many_customers_at_once)
{
    struct model m;
    serve_model(&m);
    for (int i = 0; i < 3; i++)
        get(p, "observe", i == 0 ? "anna" : i == 1 ? "bert" : "carl", "{'events': [" DEEDS "]}");
    tell_consent("bert", "'personalise': false");
    settle();
    struct nbx_value *r = get(p, "recommend", "",
                              "{" NOW ", 'n': 30, 'exclude_seen': true, 'customers':"
                              " ['anna', 'bert', 'nobody', 'carl']}");
    must_be(r, "results[0].known", "true");
    must_be(r, "results[1].known", "false");
    cr_assert(nbx_value_eq(at(r, "results[1].items"), at(r, "results[2].items")));
    cr_assert(nbx_value_eq(at(r, "results[0].items"), at(r, "results[3].items")));
    cr_assert(!nbx_value_eq(at(r, "results[0].items"), at(r, "results[1].items")));
    r = get(p, "recommend", "",
            "{" NOW ", 'personal': false, 'customers': ['anna', 'nobody'], 'exclude_seen': true}");
    must_be(r, "results[0].known", "false");
    cr_assert(nbx_value_eq(at(r, "results[0].items"), at(r, "results[1].items")));
    model_free(&m);
}

Test(consent, the_decision_is_a_strangers)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    char id[2][33];
    for (int i = 0; i < 2; i++) {
        struct nbx_value *r = get(p, "recommend", "anna", "{'personal': %s}", i ? "true" : "false");
        snprintf(id[i], sizeof id[i], "%.*s", NBX_STR_ARG(text_at(r, "decision")));
        must_be(get(p, "decision.get", id[i], "{}"), "personal", i ? "true" : "false");
        tell_consent("anna", "'personalise': false");
    }
    for (int i = 0; i < 2; i++)
        cr_assert_null(at(get(p, "decision.get", id[i], "{}"), "customer"));
    tell_consent("anna", "'personalise': true");
    struct nbx_value *r = get(p, "recommend", "anna", "{}");
    snprintf(id[0], sizeof id[0], "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    must_be(get(p, "decision.get", id[0], "{}"), "customer", "'anna'");
}

/* All that a withheld event could leave behind. */
static struct nbx_buf traces(void)
{
    struct nbx_buf b = bytes("customer.get", "anna", "{}"), more;
    static const char *const counters[] = {"items", "events.applied", "events.duplicates"};
    struct nbx_value *r = get(p, "stats", "", "{}");
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        nbx_buf_printf(&b, " %lld", (long long)nbx_value_get(r, counters[i])->i);
    more = bytes("recommend", "", "{" NOW ", 'record': 'none'}");
    nbx_buf_put(&b, more.p, more.len);
    nbx_buf_fini(&more);
    return b;
}

Test(consent, without_profile_nothing_is_kept)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'b'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'b', 'id': 'e0'}]}");
    get_until(p, "", "{'n': 2}", "b a");
    tell_consent("anna", "'profile': false");
    struct nbx_buf before = traces();
    struct nbx_value *r = get(p, "observe", "anna",
                              "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e1'},"
                              " {'type': 'nonsense'}, {'type': 'view', 'item': 'b', 'id': 'e0'}]}");
    must_be(r, "applied", "0");
    must_be(r, "duplicates", "0");
    must_be(r, "withheld", "2");
    must_be(r, "ids", "['', '', '']");
    MUST_LIST(r, "errors", "field", "events[1].type");
    r = get(p, "observe", "",
            "{'events': [{'customer': 'anna', 'type': 'purchase', 'item': 'new'},"
            " {'customer': 'anna', 'type': 'view', 'item': 'a'}]}");
    must_be(r, "withheld", "2");
    r = get(p, "recommend", "anna",
            "{'record': 'none', 'observe': [{'type': 'purchase', 'item': 'a'}]}");
    must_be(r, "observed.withheld", "1");
    struct nbx_buf after = traces();
    cr_assert(before.len == after.len && memcmp(before.p, after.p, after.len) == 0);
    nbx_buf_fini(&before);
    nbx_buf_fini(&after);
}
