/* SPDX-License-Identifier: MIT
 * customer.get, customer.put, customer.forget.
 */
#include "tests/daemon/harness_taste.h"

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

TestSuite(customer_records, .init = begin, .fini = end, .timeout = 120);

Test(customer_records, stranger_is_an_answer_not_an_error)
{
    must_be(get(p, "customer.get", "anna", "{'id': 5}"), "",
            "{'id': 'anna', 'known': false, 'attributes': {}, 'consent': {}, 'identities': {},"
            " 'timezone': '', 'locale': '', 'channels': [], 'seen': 0, 'history': []}");
}

Test(customer_records, put_merges_by_key)
{
    struct nbx_value *r = get(p, "customer.put", "anna",
                              "{'attributes': {'age': 30, 'city': 'Ulm', 'vip': true},"
                              " 'consent': {'email': true}, 'identities': {'card': '17'},"
                              " 'timezone': 'Europe/Berlin', 'locale': 'de-DE',"
                              " 'channels': ['web', 'app']}");
    must_be(r, "applied", "true");
    must_be(r, "seq", "1");
    get(p, "customer.put", "anna",
        "{'attributes': {'age': 31, 'city': null, 'tags': ['a', 'b'], 'score': 0.5},"
        " 'consent': {'push': false}, 'identities': {'till': '4'}, 'channels': ['email']}");
    r = get(p, "customer.get", "anna", "{}");
    must_be(r, "known", "true");
    must_be(r, "attributes", "{'age': 31, 'vip': true, 'tags': ['a', 'b'], 'score': 0.5}");
    must_be(r, "consent", "{'email': true, 'push': false}");
    must_be(r, "identities", "{'card': '17', 'till': '4'}");
    must_be(r, "timezone", "'Europe/Berlin'");
    must_be(r, "locale", "'de-DE'");
    must_be(r, "channels", "['email']");
    must_be(get(p, "customer.put", "anna", "{}"), "applied", "true");
    must_be(get(p, "customer.get", "anna", "{}"), "attributes.age", "31");
}

Test(customer_records, put_refuses_what_it_does_not_know)
{
    REFUSED(ask(p, "customer.put", "anna", "{'channels': ['web', 'fax'], 'locale': 'de'}"),
            "bad_request", "channels", "known: web");
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    REFUSED(ask(p, "customer.put", "anna", "{'space': 'main'}"), "bad_request", "space", NULL);
}

Test(customer_records, put_bounds_what_is_kept_in_all)
{
    for (int half = 0; half < 2; half++) {
        struct nbx_buf b = {0};
        for (int i = 0; i < 40; i++)
            nbx_buf_printf(&b, "%s'a%d': %d", i ? "," : "", half * 40 + i, i);
        nbx_buf_put_u8(&b, '\0');
        struct answer a = ask(p, "customer.put", "anna", "{'attributes': {%s}}", (char *)b.p);
        if (half)
            REFUSED(a, "limit", "attributes", "64");
        else
            cr_assert_str_eq(a.status, "ok");
        nbx_buf_fini(&b);
    }
    cr_assert_eq(count_at(get(p, "customer.get", "anna", "{}"), "attributes"), 40);
}

Test(customer_records, history_is_the_newest_hundred)
{
    for (int i = 0; i < 150; i++)
        get(p, "observe", "anna",
            "{'ack': 'memory', 'events': [{'type': 'view', 'item': 'i%d', 'time': %d}]}", i % 60,
            1000 + i);
    get(p, "observe", "anna", "{'events': [{'type': 'dismiss', 'item': 'x', 'time': 1}]}");
    struct nbx_value *r = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(count_at(r, "history"), 100);
    cr_assert_eq(int_at(r, "history[0].time"), 1149);
    cr_assert_eq(int_at(r, "history[99].time"), 1050);
    must_be(r, "seen", "61");
}

Test(customer_records, ids_may_be_any_text)
{
    static const char *const names[] = {"\xe2\x82\xac 5", "a b\tc", "-", "%s%n", "../..", "NBX1"};
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        get(p, "customer.put", names[i], "{'attributes': {'n': %zu}}", i);
        cr_assert_eq(int_at(get(p, "customer.get", names[i], "{}"), "attributes.n"), (int64_t)i);
    }
    get(p, "customer.put", longest, "{'attributes': {'n': 99}}");
    longest[254] = '\0';
    must_be(get(p, "customer.get", longest, "{}"), "known", "false");
}

Test(customer_records, forget_leaves_nothing)
{
    struct model m;
    model_make(&m, 30, 4, 20240617);
    model_put_items(&m, p);
    server_bundle(&s, "taste", &m.info);
    server_reload(&s);
    struct answer stranger =
        ask(p, "recommend", "anna", "{'now': 1700000000000, 'record': 'none'}");
    get(p, "customer.put", "anna",
        "{'attributes': {'age': 30}, 'identities': {'card': '1'}, 'vector': [1, 2, 3, 4]}");
    get(p, "observe", "anna",
        "{'events': [{'type': 'dismiss', 'item': 'i001', 'id': 'e1', 'time': 5}]}");
    get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'i001', 'id': 'e1'}]}");
    struct nbx_value *r = get(p, "customer.forget", "anna", "{}");
    must_be(r, "forgotten", "true");
    must_be(r, "seq", "3");
    must_be(get(p, "customer.get", "anna", "{}"), "",
            "{'id': 'anna', 'known': false, 'attributes': {}, 'consent': {}, 'identities': {},"
            " 'timezone': '', 'locale': '', 'channels': [], 'seen': 0, 'history': []}");
    struct answer again = ask(p, "recommend", "anna",
                              "{'now': 1700000000000, 'record': 'none', 'personal': true,"
                              " 'exclude_seen': true}");
    cr_assert_eq(count_at(again.body, "items"), count_at(stranger.body, "items"));
    must_be(get(p, "customer.forget", "anna", "{}"), "forgotten", "false");
    must_be(get(p, "customer.get", "bert", "{}"), "seen", "1");
    r = get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'i001', 'id': 'e1'}]}");
    must_be(r, "applied", "1"); /* a new customer: the id is free again */
    server_end(&s);
    server_begin(&s);
    r = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(count_at(r, "history"), 1);
    must_be(r, "attributes", "{}");
    model_free(&m);
}

Test(customer_records, survive_a_restart)
{
    get(p, "customer.put", "anna", "{'attributes': {'age': 30}, 'channels': ['web']}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a', 'id': 'e', 'time': 7}]}");
    struct answer before = ask(p, "customer.get", "anna", "{}");
    struct nbx_buf kept = {0};
    nbx_buf_put(&kept, before.raw.p, before.raw.len);
    server_end(&s);
    server_begin(&s);
    struct answer after = ask(p, "customer.get", "anna", "{}");
    cr_assert(nbx_str_eq(after.raw, (struct nbx_str){(char *)kept.p, (uint32_t)kept.len}));
    nbx_buf_fini(&kept);
}
