/* SPDX-License-Identifier: MIT
 * The HTTP door of the real daemon: the same fields, the same answers, the same errors.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"
#include "tests/daemon/harness_tcp.h"

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, &(struct server_options){.http = true});
    p = &s.peer;
    must_be(http_call(&s, "POST", "/v1/items",
                      "{'items': [{'id': 'a', 'title': 'A'}, {'id': 'b', 'vector': [1, 2]}]}")
                .body,
            "applied", "2");
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(http_door, .init = begin, .fini = end, .timeout = 120);

Test(http_door, answers_as_the_other_one_does)
{
    struct http_reply r = http_call(&s, "POST", "/v1/recommend",
                                    "{'customer': 'anna', 'n': 5, 'now': 1700000000000,"
                                    " 'fields': ['title'], 'explain': true, 'record': 'none'}");
    struct nbx_value *same = get(p, "recommend", "anna",
                                 "{'n': 5, 'now': 1700000000000, 'fields': ['title'],"
                                 " 'explain': true, 'record': 'none'}");
    cr_assert_eq(r.code, 200);
    MUST_LIST(r.body, "items", "id", joined(same, "items", "id"));
    MUST_LIST(r.body, "items", "source", joined(same, "items", "source"));
    cr_assert(
        nbx_value_eq(at(r.body, "items[0].explain.reason"), at(same, "items[0].explain.reason")));
    must_be(r.body, "customer", "{'known': false}");
}

Test(http_door, events_are_in_the_next_answer_of_either)
{
    struct http_reply r =
        http_call(&s, "POST", "/v1/observe",
                  "{'customer': 'anna', 'events': [{'type': 'dismiss', 'item': 'a', 'id': 'e'}]}");
    cr_assert_eq(r.code, 200);
    must_be(r.body, "applied", "1");
    must_be(r.body, "ids", "['e']");
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b");
    get(p, "observe", "bert", "{'events': [{'type': 'dismiss', 'item': 'b'}]}");
    r = http_call(&s, "POST", "/v1/recommend", "{'customer': 'bert'}");
    MUST_LIST(r.body, "items", "id", "a");
    r = http_call(&s, "POST", "/v1/observe",
                  "{'events': [{'customer': 'carl', 'type': 'dismiss', 'item': 'b'}]}");
    must_be(r.body, "applied", "1");
    MUST_LIST(get(p, "recommend", "carl", "{}"), "items", "id", "a");
}

Test(http_door, many_customers_at_once)
{
    struct http_reply r =
        http_call(&s, "POST", "/v1/recommend", "{'customers': ['anna', 5, 'bert'], 'n': 1}");
    cr_assert_eq(r.code, 200);
    MUST_LIST(r.body, "results", "customer", "anna bert");
    cr_assert_eq(count_at(r.body, "results[0].items"), 1);
    MUST_LIST(r.body, "errors", "field", "customers[1]");
    r = http_call(&s, "POST", "/v1/recommend", "{'customer': 'anna', 'customers': ['anna']}");
    cr_assert_eq(r.code, 400);
    must_be(r.body, "field", "'customers'");
}

Test(http_door, rank_and_similar)
{
    struct http_reply r =
        http_call(&s, "POST", "/v1/rank", "{'customer': 'anna', 'items': ['b', 'none', 'a']}");
    cr_assert_eq(r.code, 200);
    must_be(r.body, "unknown", "['none']");
    cr_assert_eq(count_at(r.body, "items"), 2);
    r = http_call(&s, "POST", "/v1/similar", "{'item': 'a'}");
    MUST_LIST(r.body, "items", "id", "b");
    r = http_call(&s, "POST", "/v1/similar", "{'item': 'none'}");
    cr_assert_eq(r.code, 404);
    must_be(r.body, "status", "'not_found'");
}

/* models */

static const char two[] = "{'name': 'taste', 'version': '2'}";

static void must_call(const char *what, const char *body, int code, const char *path,
                      const char *want)
{
    char url[64];
    snprintf(url, sizeof url, "/v1/models/%s", what);
    struct http_reply r = http_call(&s, "POST", url, body);
    cr_assert_eq(r.code, code, "%s: %d", what, r.code);
    must_be(r.body, path, want);
}

static void push_two(void)
{
    struct model m;
    struct pushed f;
    model_make(&m, 300, 8, 20261126);
    model_put_items(&m, p);
    for (int i = 1; i <= 2; i++) {
        m.info.version = i == 1 ? NBX_STR("1") : NBX_STR("2");
        pushed_make(&f, &s, &m.info);
        must_push(p, &f, i == 1 ? "{'activate': true}" : "{'notes': 'second'}");
        pushed_free(&f);
    }
    model_free(&m);
}

Test(http_door, models)
{
    push_two();
    must_call("list", "{}", 200, "active", "{'name': 'taste', 'version': '1'}");
    must_call("get", two, 200, "notes", "'second'");
    must_call("activate", two, 200, "stage", "'active'");
    must_be(get(p, "hello", "", "{}"), "model", two);
    must_call("rollback", "{}", 200, "version", "'1'");
    must_be(get(p, "hello", "", "{}"), "model.version", "'1'");
    must_call("stage", "{'name': 'taste', 'version': '2', 'stage': 'archived'}", 200, "stage",
              "'archived'");
    must_call("activate", two, 409, "field", "'version'");
    must_call("stage", "{'name': 'taste', 'version': '2', 'stage': 'gone'}", 400, "field",
              "'stage'");
    must_call("delete", two, 200, "", two);
    must_call("get", two, 404, "status", "'not_found'");
    must_call("get", "{'name': 'taste'}", 400, "field", "'version'");
    must_call("delete", "{'name': 'taste', 'version': '1'}", 409, "status", "'conflict'");
    cr_assert_eq(http_call(&s, "POST", "/v1/models/push", "{}").code, 404);
}

Test(http_door, errors_name_the_field_and_change_nothing)
{
    struct http_reply r = http_call(&s, "POST", "/v1/recommend", "{'n': 0}");
    cr_assert_eq(r.code, 400);
    must_be(r.body, "status", "'bad_request'");
    must_be(r.body, "field", "'n'");
    r = http_call(&s, "POST", "/v1/recommend", "{'nonsense': 1}");
    must_be(r.body, "field", "'nonsense'");
    r = http_call(&s, "POST", "/v1/recommend", "{'customer': 5}");
    must_be(r.body, "field", "'customer'");
    r = http_call(&s, "POST", "/v1/observe",
                  "{'customer': 'anna', 'atomic': true, 'events': [{'type': 'nope'}]}");
    cr_assert_eq(r.code, 400);
    must_be(r.body, "field", "'events[0].type'");
    r = http_call(&s, "POST", "/v1/recommend", "[1]");
    cr_assert_eq(r.code, 400);
    r = http_call(&s, "POST", "/v1/recommend", "{'n': }");
    cr_assert_eq(r.code, 400);
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
}

Test(http_door, health_and_readiness)
{
    cr_assert_eq(http_call(&s, "GET", "/healthz", "").code, 200);
    cr_assert_eq(http_call(&s, "GET", "/readyz", "").code, 200);
    cr_assert_eq(http_call(&s, "GET", "/v1/recommend", "").code, 405);
    cr_assert_eq(http_call(&s, "POST", "/v1/nowhere", "{}").code, 404);
}
