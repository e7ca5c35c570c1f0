/* SPDX-License-Identifier: MIT
 * retract: what was taken back has never been, for the customer and for everybody else.
 */
#include "tests/daemon/harness_taste.h"

#define N_ITEMS 120
#define DIMS    8
#define SEED    20261126

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(retraction, .init = begin, .fini = end, .timeout = 120);

/* What anna does; bert does the first three and nothing else. */
static const char *const deeds[] = {
    "{'id': 'e0', 'type': 'view', 'item': 'i003', 'time': 1000}",
    "{'id': 'e1', 'type': 'purchase', 'item': 'i017', 'time': 2000, 'channel': 'web'}",
    "{'id': 'e2', 'type': 'dismiss', 'item': 'i040', 'time': 3000}",
    "{'id': 'e3', 'type': 'view', 'item': 'i003', 'time': 4000}",
    "{'id': 'e4', 'type': 'purchase', 'item': 'i099', 'time': 1500}",
    "{'id': 'e5', 'type': 'dismiss', 'item': 'i017', 'time': 5000}",
};
#define N_KEPT 3
#define N_ALL  6

static void observe(const char *customer, int n)
{
    for (int i = 0; i < n; i++)
        must_be(get(p, "observe", customer, "{'events': [%s]}", deeds[i]), "applied", "1");
}

static void same_at(const struct nbx_value *a, const struct nbx_value *b, const char *path)
{
    cr_assert(at(a, path) && at(b, path), "%s", path);
    cr_assert(nbx_value_eq(at(a, path), at(b, path)), "%s", path);
}

/* Both get the same answers, by every road. */
static void must_equal(const char *a, const char *b)
{
    static const char *const bodies[] = {"{'n': 50, 'now': 1700000000000, 'explain': true}",
                                         "{'n': 50, 'exclude_seen': true}",
                                         "{'n': 50, 'personal': false}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct nbx_value *x = get(p, "recommend", a, "%s", bodies[i]);
        struct nbx_value *y = get(p, "recommend", b, "%s", bodies[i]);
        same_at(x, y, "items");
    }
    struct nbx_value *x = get(p, "customer.get", a, "{}"), *y = get(p, "customer.get", b, "{}");
    same_at(x, y, "seen");
    same_at(x, y, "vector");
    same_at(x, y, "history");
}

static void serve_model(struct model *m)
{
    model_make(m, N_ITEMS, DIMS, SEED);
    server_bundle(&s, "taste", &m->info);
    model_put_items(m, p);
    server_reload(&s);
}

Test(retraction, the_next_answer_is_that_of_never_having_received_it)
{
    struct model m;
    serve_model(&m);
    observe("anna", N_ALL);
    observe("bert", N_KEPT);
    get(p, "recommend", "anna", "{'n': 50}"); /* her vector is kept for the next time */
    get(p, "recommend", "bert", "{'n': 50}");
    struct nbx_value *r = get(p, "retract", "anna", "{'events': ['e5', 'e3', 'e4', 'e9']}");
    must_be(r, "retracted", "3");
    must_be(r, "unknown", "1");
    must_be(r, "seq", "7");
    must_equal("anna", "bert");
    r = get(p, "observe", "anna", "{'events': [%s, {'id': 'e9', 'type': 'view', 'item': 'i001'}]}",
            deeds[4]);
    must_be(r, "duplicates", "2");
    must_equal("anna", "bert");
    server_kill(&s);
    server_begin(&s);
    must_equal("anna", "bert");
    must_be(get(p, "retract", "anna", "{'all': true, 'id': 4}"), "",
            "{'retracted': 3, 'unknown': 0, 'seq': 8, 'id': 4}");
    must_be(get(p, "customer.get", "anna", "{}"), "",
            "{'id': 'anna', 'known': false, 'attributes': {}, 'consent': {}, 'identities': {},"
            " 'timezone': '', 'locale': '', 'channels': [], 'seen': 0, 'history': []}");
    model_free(&m);
}

Test(retraction, by_item_brand_and_category)
{
    get(p, "item.put", "",
        "{'items': [{'id': 'a', 'brand': 'x', 'categories': ['c', 'd']}, {'id': 'b', 'brand': 'x'},"
        " {'id': 'c', 'categories': ['d']}, {'id': 'e'}, {'id': 'x'}]}");
    get(p, "observe", "anna",
        "{'events': [{'type': 'view', 'item': 'a', 'id': 'a'}, {'type': 'view', 'item': 'b'},"
        " {'type': 'view', 'item': 'c'}, {'type': 'dismiss', 'item': 'e'},"
        " {'type': 'view', 'item': 'x', 'id': 'x'}, {'type': 'view'}]}");
    must_be(get(p, "retract", "anna", "{'item': 'nowhere'}"), "retracted", "0");
    must_be(get(p, "retract", "anna", "{'brand': 'c'}"), "retracted", "0");
    must_be(get(p, "retract", "anna", "{'category': 'd'}"), "retracted", "2");
    must_be(get(p, "retract", "anna", "{'brand': 'x', 'ack': 'memory'}"), "retracted", "1");
    must_be(get(p, "retract", "anna", "{'item': 'e'}"), "retracted", "1");
    struct nbx_value *r = get(p, "customer.get", "anna", "{}");
    must_be(r, "seen", "1");
    cr_assert_eq(count_at(r, "history"), 2, "x, and the event without an item");
}

Test(retraction, trends_are_what_they_would_be)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'b'}]}");
    for (int i = 0; i < 3; i++)
        get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e%d'}]}",
            i);
    get_until(p, "", "{'n': 2}", "a b");
    must_be(get(p, "retract", "anna", "{'item': 'a'}"), "retracted", "3");
    struct nbx_value *r = get_until(p, "", "{'n': 2}", "b a");
    cr_assert_str_eq(joined(r, "items", "source"), "trend newest");
    server_end(&s);
    server_begin(&s);
    get_until(p, "", "{'n': 2}", "b a");
}

Test(retraction, requests_that_say_too_little_or_too_much_change_nothing)
{
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a', 'id': 'e'}]}");
    REFUSED(ask(p, "retract", "anna", "{}"), "bad_request", "events", "just one of");
    REFUSED(ask(p, "retract", "anna", "{'all': true, 'events': ['e']}"), "bad_request", "events",
            "got 2");
    REFUSED(ask(p, "retract", "anna", "{'events': []}"), "bad_request", "events", NULL);
    REFUSED(ask(p, "retract", "anna", "{'events': ['e', 5]}"), "bad_request", "events[1]", NULL);
    REFUSED(ask(p, "retract", "", "{'all': true}"), "bad_request", NULL, "key");
    must_be(get(p, "retract", "bert", "{'all': true}"), "",
            "{'retracted': 0, 'unknown': 0, 'seq': 0}");
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "1");
}
