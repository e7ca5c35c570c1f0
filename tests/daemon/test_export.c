/* SPDX-License-Identifier: MIT
 * customer.export: everything held of a customer and nothing of anybody else, in pages.
 */
#include "tests/daemon/harness_taste.h"

#define N_ITEMS 40
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

TestSuite(export, .init = begin, .fini = end, .timeout = 120);

Test(export, of_nobody_there_is_nothing)
{
    must_be(get(p, "customer.export", "anna", "{'id': 5}"), "",
            "{'id': 5, 'customer': {'id': 'anna', 'known': false, 'attributes': {}, 'consent': {},"
            " 'identities': {}, 'timezone': '', 'locale': '', 'channels': [], 'totals': []},"
            " 'events': [], 'seen': [], 'vectors': [], 'decisions': [], 'retracted': [],"
            " 'commands': []}");
}

Test(export, holds_what_was_said_and_done)
{
    struct model m;
    model_make(&m, N_ITEMS, DIMS, SEED);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
    get(p, "customer.put", "anna",
        "{'attributes': {'age': 30, 'tags': ['a', 'b']}, 'consent': {'train': false},"
        " 'identities': {'card': '17'}, 'timezone': 'Europe/Berlin', 'locale': 'de-DE',"
        " 'channels': ['web'], 'vector': [1, 2, 3], 'space': 'elsewhere'}");
    get(p, "observe", "anna",
        "{'events': [{'id': 'e2', 'type': 'purchase', 'item': 'i017', 'time': 2000, 'order': 'o1',"
        " 'channel': 'web', 'value': 1999, 'quantity': 2, 'attributes': {'gift': true}},"
        " {'id': 'e1', 'type': 'dismiss', 'item': 'i003', 'time': 1000, 'scope': 'brand'},"
        " {'id': 'e3', 'type': 'view', 'item': 'i004', 'time': 3000}]}");
    get(p, "observe", "bert", "{'events': [{'id': 'b', 'type': 'view', 'item': 'i005'}]}");
    get(p, "retract", "anna", "{'events': ['e3']}");
    struct nbx_value *d = get(p, "recommend", "anna", "{'n': 3, 'context': {'page': 3}}");
    get(p, "recommend", "anna", "{'n': 3, 'personal': false}");
    get(p, "recommend", "bert", "{'n': 3}");
    struct nbx_value *r = get(p, "customer.export", "anna", "{}");
    must_be(r, "customer.attributes", "{'age': 30, 'tags': ['a', 'b']}");
    must_be(r, "customer.consent", "{'train': false}");
    must_be(r, "customer.identities", "{'card': '17'}");
    must_be(r, "customer.channels", "['web']");
    must_be(r, "customer.first_event", "1000");
    MUST_LIST(r, "customer.totals", "type", "purchase dismiss");
    cr_assert_gt(int_at(r, "customer.put"), 1700000000000);
    MUST_LIST(r, "events", "id", "e1 e2");
    must_be(r, "events[0].effect", "'negative'");
    must_be(r, "events[0].scope", "'brand'");
    must_be(r, "events[1].order", "'o1'");
    must_be(r, "events[1].attributes", "{'gift': true}");
    must_be(r, "events[1].seq", "2");
    cr_assert_gt(number_at(r, "events[1].trend"), 0);
    MUST_LIST(r, "seen", "item", "i003 i017");
    must_be(r, "seen[0].negative", "true");
    must_be(r, "seen[1].last", "2000");
    cr_assert_eq(count_at(r, "vectors"), 2, "the one given, and the one made for an answer");
    bool given_first = at(r, "vectors[0].given")->b;
    must_be(r, given_first ? "vectors[0].vector" : "vectors[1].vector", "[1.0, 2.0, 3.0]");
    must_be(r, given_first ? "vectors[1].space" : "vectors[0].space", "'main'");
    cr_assert_eq(count_at(r, "decisions"), 1);
    cr_assert(nbx_value_eq(at(r, "decisions[0].id"), at(d, "decision")));
    must_be(r, "decisions[0].context", "{'page': 3}");
    must_be(r, "decisions[0].scored_by.space", "'main'");
    cr_assert_eq(count_at(r, "decisions[0].scored_by.vector"), DIMS);
    MUST_LIST(r, "decisions[0].items", "id", joined(d, "items", "id"));
    cr_assert_eq(count_at(r, "retracted"), 1);
    MUST_LIST(r, "commands", "kind", "put retract");
    must_be(r, "commands[0].body.timezone", "'Europe/Berlin'");
    cr_assert_null(at(r, "next"));
    must_be(get(p, "retract", "bert", "{'all': true}"), "retracted", "1");
    r = get(p, "customer.export", "bert", "{}");
    must_be(r, "customer.known", "false");
    cr_assert_eq(count_at(r, "retracted"), 1, "the id stays taken");
    cr_assert_eq(count_at(r, "decisions"), 1);
    model_free(&m);
}

#define N_EVENTS 9000

/* Marks the events of the page, "e<n>". */
static void mark(const struct nbx_value *page, bool *seen)
{
    const struct nbx_value *events = at(page, "events");
    for (uint32_t i = 0; i < events->n; i++) {
        struct nbx_str id = text_at(&events->list[i], "id");
        int n = atoi(id.p + 1);
        cr_assert(n >= 0 && n < N_EVENTS && !seen[n], "%.*s", NBX_STR_ARG(id));
        seen[n] = true;
    }
}

Test(export, a_long_history_comes_in_pages_each_entry_once)
{
    static bool seen[N_EVENTS];
    for (int first = 0; first < N_EVENTS; first += 1000) {
        struct nbx_buf b = {0};
        for (int i = first; i < first + 1000; i++)
            nbx_buf_printf(&b,
                           "%s{'id': 'e%d', 'type': 'view', 'item': 'i%d', 'time': %d,"
                           " 'session': 'a session with a rather long name, number %d'}",
                           i > first ? "," : "", i, i % 3000, 5 * i, i);
        nbx_buf_put_u8(&b, '\0');
        get(p, "observe", "anna", "{'ack': 'memory', 'events': [%s]}", (char *)b.p);
        nbx_buf_fini(&b);
        get(p, "recommend", "anna", "{}");
    }
    int n_pages = 0;
    uint32_t n_events = 0, n_seen = 0, n_decisions = 0;
    char after[160] = "";
    do {
        struct answer a = ask(p, "customer.export", "anna", "{%s}", after);
        cr_assert_str_eq(a.status, "ok");
        cr_assert_lt(a.raw.len, 300 << 10);
        cr_assert_eq(at(a.body, "customer") != NULL, n_pages == 0);
        mark(a.body, seen);
        n_events += count_at(a.body, "events");
        n_seen += count_at(a.body, "seen");
        n_decisions += count_at(a.body, "decisions");
        const struct nbx_value *next = at(a.body, "next");
        after[0] = '\0';
        if (next)
            snprintf(after, sizeof after, "'after': '%.*s'", NBX_STR_ARG(next->s));
        n_pages++;
    } while (after[0]);
    cr_assert_eq(n_events, N_EVENTS);
    cr_assert_eq(n_seen, 3000);
    cr_assert_eq(n_decisions, N_EVENTS / 1000);
    cr_assert_gt(n_pages, 5);
}

Test(export, what_no_page_said_is_refused)
{
    static const char *const bad[] = {"events",
                                      "events:0",
                                      "events:zz",
                                      "nowhere:",
                                      "vectors:00ff",
                                      ":",
                                      "seen:ABCDEF0123456789"};
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        REFUSED(ask(p, "customer.export", "anna", "{'after': '%s'}", bad[i]), "bad_request",
                "after", "`next`");
    REFUSED(ask(p, "customer.export", "", "{}"), "bad_request", NULL, "key");
    struct nbx_value *r = get(p, "customer.export", "anna", "{'after': 'seen:'}");
    cr_assert_eq(count_at(r, "events"), 0);
    cr_assert_eq(count_at(r, "seen"), 1);
}
