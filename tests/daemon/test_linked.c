/* SPDX-License-Identifier: MIT
 * customer.link and customer.unlink: identities that are linked are one person in every answer,
 * whichever is asked and whoever owns them, and were never one once it is undone.
 */
#include "tests/daemon/harness_files.h"
#include "tests/daemon/harness_people.h"
#include "tests/daemon/harness_taste.h"
#include "tests/daemon/harness_tcp.h"

#include <sys/wait.h>

#define N_ITEMS 120
#define DIMS    8
#define SEED    20261126

static struct server s;
static struct peer *const p = &s.peer;
static struct model m;

static void begin(void)
{
    model_make(&m, N_ITEMS, DIMS, SEED);
}

static void end(void)
{
    model_free(&m);
}

TestSuite(linked, .init = begin, .fini = end, .timeout = 600);

static void serve_model(void)
{
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
}

/* What happened in the shop and on the web; bert did all of it. */
static const char in_shop[] =
    "{'id': 's', 'type': 'purchase', 'item': 'i017', 'time': 2000, 'channel': 'store'}";
static const char on_web[] = "{'id': 'w', 'type': 'view', 'item': 'i003', 'time': 3000},"
                             "{'id': 'v', 'type': 'dismiss', 'item': 'i040', 'time': 1000}";

static void visit(void)
{
    get(p, "observe", people[0], "{'events': [%s]}", in_shop);
    get(p, "observe", people[1], "{'events': [%s]}", on_web);
    get(p, "observe", "bert", "{'events': [%s, %s]}", in_shop, on_web);
}

static void same_history(void)
{
    struct nbx_value *r;
    serve_model();
    visit();
    r = get(p, "customer.link", people[0], "{'identity': '%s', 'type': 'session'}", people[1]);
    must_be(r, "linked", "true");
    must_be(r, "seq", "3"); /* of the identity's group: its events, then the link */
    people_must_agree(p, (const char *const[]){people[0], people[1], "bert"}, 3);
    r = get(p, "customer.get", people[0], "{}");
    must_be(r, "seen", "3");
    MUST_LIST(r, "history", "item", "i003 i017 i040");
    must_be(r, "history[0].identity", "'web-1'");
    cr_assert_null(at(r, "history[1].identity"), "its own");
    must_be(r, "linked[0]", "{'id': 'card-4711'}");
    must_be(r, "linked[1].to", "'card-4711'");
    must_be(r, "linked[1].type", "'session'");
    cr_assert_gt(int_at(r, "linked[1].since"), 1700000000000);
    r = get(p, "customer.get", people[1], "{}");
    must_be(r, "history[1].identity", "'card-4711'");
    cr_assert_null(at(r, "history[0].identity"));
    MUST_LIST(r, "linked", "id", "card-4711 web-1"); /* whom they are linked to first */
    cr_assert(nbx_value_eq(at(r, "vector"), at(get(p, "customer.get", "bert", "{}"), "vector")));
    cr_assert_null(at(get(p, "customer.get", "bert", "{}"), "linked"));
    cr_assert_eq(server_stat(&s, "identities.linked"), 1);
}

Test(linked, a_visit_and_a_session_are_one_history)
{
    people_with_workers(&s, same_history);
}

/* The item is not among what is left for the customer. */
static void must_have_seen(struct peer *by, const char *customer, int item)
{
    char id[8];
    snprintf(id, sizeof id, "i%03d", item);
    struct nbx_value *r =
        get(by, "recommend", customer,
            "{'exclude_seen': true, 'n': 1, 'record': 'none', 'filter': {'field': 'id', 'eq': "
            "'%s'}}",
            id);
    cr_assert_eq(count_at(r, "items"), 0, "%s saw %s", customer, id);
}

static void read_each_others_writes(void)
{
    struct peer other;
    model_put_items(&m, p);
    peer_open(&other, &s);
    people_link(p);
    for (int i = 0; i < 100; i++) {
        const char *writer = people[i % N_PEOPLE];
        get(p, "observe", writer, "{'ack': '%s', 'events': [{'type': 'view', 'item': 'i%03d'}]}",
            i % 10 ? "memory" : "durable", i);
        for (int k = 1; k < 3; k++)
            must_have_seen(&other, people[(i + k) % N_PEOPLE], i);
    }
    get(p, "observe", "", "{'events': [{'customer': 'web-2', 'type': 'dismiss', 'item': 'i110'}]}");
    struct nbx_value *r = get(&other, "recommend", "",
                              "{'customers': ['card-4711', 'device-9', 'bert'], 'exclude_seen': "
                              "true, 'n': 120, 'record': 'none'}");
    cr_assert_eq(count_at(r, "results[0].items"), 19);
    cr_assert(nbx_value_eq(at(r, "results[0].items"), at(r, "results[1].items")));
    cr_assert_eq(count_at(r, "results[2].items"), N_ITEMS);
    peer_close(&other);
}

Test(linked, an_acknowledged_event_of_one_is_in_the_next_answer_of_another)
{
    people_with_workers(&s, read_each_others_writes);
}

static void refusals(void)
{
    char id[16];
    must_be(get(p, "customer.link", "a", "{'identity': 'b', 'id': 7}"), "",
            "{'id': 7, 'linked': true, 'seq': 1}");
    must_be(get(p, "customer.link", "a", "{'identity': 'b', 'type': 'x'}"), "linked", "false");
    must_be(get(p, "customer.link", "b", "{'identity': 'a'}"), "linked", "false");
    must_be(get(p, "customer.link", "b", "{'identity': 'c', 'ack': 'memory'}"), "linked", "true");
    REFUSED(ask(p, "customer.link", "d", "{'identity': 'b'}"), "conflict", "identity",
            "linked to another customer");
    REFUSED(ask(p, "customer.unlink", "c", "{'identity': 'a'}"), "conflict", "identity",
            "whom the others are linked to");
    REFUSED(ask(p, "customer.link", "", "{'identity': 'b'}"), "bad_request", NULL, "key");
    REFUSED(ask(p, "customer.link", "b", "{'identity': 'b'}"), "bad_request", "identity", "itself");
    must_be(get(p, "customer.unlink", "a", "{'identity': 'nobody'}"), "unlinked", "false");
    must_be(get(p, "customer.unlink", "nobody", "{'identity': 'a'}"), "unlinked", "false");
    struct nbx_value *r = get(p, "customer.get", "c", "{}");
    must_be(r, "linked[0]", "{'id': 'a'}"); /* then by number */
    bool b_first = nbx_str_is(text_at(r, "linked[1].id"), "b");
    must_be(r, b_first ? "linked[1].to" : "linked[2].to", "'a'");
    must_be(r, b_first ? "linked[2].to" : "linked[1].to", "'b'");
    for (int i = 3; i < 32; i++) {
        snprintf(id, sizeof id, "x%d", i);
        must_be(get(p, "customer.link", i % 2 ? "a" : "c", "{'identity': '%s'}", id), "linked",
                "true");
    }
    REFUSED(ask(p, "customer.link", "a", "{'identity': 'one-more'}"), "limit", "identity",
            "more than 32");
    cr_assert_null(at(get(p, "customer.get", "one-more", "{}"), "linked"));
    cr_assert_eq(count_at(get(p, "customer.get", "x31", "{}"), "linked"), 32);
    must_be(get(p, "customer.unlink", "x9", "{'identity': 'b'}"), "unlinked", "true");
    must_be(get(p, "customer.unlink", "x9", "{'identity': 'b'}"), "unlinked", "false");
    cr_assert_eq(server_stat(&s, "identities.linked"), 30);
}

Test(linked, links_that_cannot_be_are_refused_and_those_that_are_stay)
{
    people_with_workers(&s, refusals);
}

/* Asks as anybody would of whom nothing is known. */
static struct nbx_str of_nobody(void)
{
    return raw_answer(p, "recommend", "nobody", "{'n': 20, 'record': 'none'}");
}

static void consents(void)
{
    serve_model();
    visit();
    people_link(p);
    get(p, "customer.put", people[3], "{'consent': {'personalise': false, 'train': true}}");
    get(p, "customer.put", people[2], "{'consent': {'personalise': true}}");
    for (int i = 0; i < N_PEOPLE; i++)
        cr_assert(nbx_str_eq(of_nobody(),
                             raw_answer(p, "recommend", people[i], "{'n': 20, 'record': 'none'}")),
                  "%s", people[i]);
    struct nbx_value *r = get(p, "customer.get", people[1], "{}");
    must_be(r, "consent", "{'personalise': false, 'train': true}");
    cr_assert_null(at(r, "vector"));
    get(p, "customer.put", people[3], "{'consent': {'personalise': true, 'profile': false}}");
    people_must_agree(p, people, N_PEOPLE);
    must_be(get(p, "recommend", people[4], "{'record': 'none'}"), "customer.known", "true");
    r = get(p, "observe", people[0], "{'events': [{'type': 'view', 'item': 'i050'}]}");
    must_be(r, "withheld", "1");
    r = get(p, "observe", "",
            "{'events': [{'customer': 'device-9', 'type': 'view', 'item': 'i050'}]}");
    must_be(r, "withheld", "1");
    must_be(get(p, "customer.get", people[2], "{}"), "seen", "3");
    get(p, "customer.unlink", people[0], "{'identity': '%s'}", people[3]);
    r = get(p, "observe", people[0], "{'events': [{'type': 'view', 'item': 'i050'}]}");
    must_be(r, "applied", "1");
}

Test(linked, what_one_withdraws_is_heeded_for_all)
{
    people_with_workers(&s, consents);
}

static const char *const views[][2] = {
    {"recommend", "{'n': 120, 'now': 1700000000000, 'explain': true, 'record': 'none'}"},
    {"recommend", "{'n': 120, 'exclude_seen': true, 'record': 'none'}"},
    {"rank", "{'items': ['i003', 'i017', 'i040', 'i100'], 'record': 'none'}"},
    {"customer.get", "{}"}};
#define N_VIEWS (sizeof views / sizeof views[0])

static void undo(void)
{
    struct nbx_str before[N_PEOPLE][N_VIEWS];
    serve_model();
    visit();
    get(p, "customer.put", people[2], "{'attributes': {'age': 40}, 'locale': 'de'}");
    for (int i = 0; i < N_PEOPLE; i++)
        for (size_t v = 0; v < N_VIEWS; v++)
            before[i][v] = raw_answer(p, views[v][0], people[i], views[v][1]);
    people_link(p);
    people_must_agree(p, people, N_PEOPLE);
    must_be(get(p, "customer.get", people[4], "{}"), "attributes", "{'age': 40}");
    for (int i = N_PEOPLE - 1; i > 0; i--) /* by another's name */
        must_be(get(p, "customer.unlink", people[i - 1], "{'identity': '%s'}", people[i]),
                "unlinked", "true");
    for (int i = 0; i < N_PEOPLE; i++)
        for (size_t v = 0; v < N_VIEWS; v++)
            cr_assert(nbx_str_eq(before[i][v], raw_answer(p, views[v][0], people[i], views[v][1])),
                      "%s of %s", views[v][0], people[i]);
    cr_assert_eq(server_stat(&s, "identities.linked"), 0);
}

Test(linked, unlinked_again_every_answer_is_that_of_before)
{
    people_with_workers(&s, undo);
}

static void restarts(void)
{
    struct nbx_str before[N_VIEWS];
    serve_model();
    visit();
    people_link(p);
    get(p, "customer.unlink", people[0], "{'identity': '%s'}", people[2]);
    for (size_t v = 0; v < N_VIEWS; v++)
        before[v] = raw_answer(p, views[v][0], people[1], views[v][1]);
    for (size_t v = 0; v < N_VIEWS; v++) {
        char *bytes = malloc(before[v].len); /* the peer's arena goes with the daemon */
        memcpy(bytes, before[v].p, before[v].len);
        before[v].p = bytes;
    }
    for (int round = 0; round < 2; round++) {
        if (round)
            server_end(&s);
        else
            server_kill(&s);
        server_begin(&s);
        for (size_t v = 0; v < N_VIEWS; v++)
            cr_assert(nbx_str_eq(before[v], raw_answer(p, views[v][0], people[1], views[v][1])),
                      "%s", views[v][0]);
        cr_assert_eq(server_stat(&s, "identities.linked"), 3);
        cr_assert_null(at(get(p, "customer.get", people[2], "{}"), "linked"));
    }
    for (size_t v = 0; v < N_VIEWS; v++)
        free((char *)before[v].p);
}

Test(linked, links_are_there_after_every_end)
{
    people_with_workers(&s, restarts);
}

static void outcomes(void)
{
    char decision[33];
    serve_model();
    people_link(p);
    struct nbx_value *r = get(p, "recommend", people[1], "{'n': 3}");
    snprintf(decision, sizeof decision, "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    get(p, "observe", people[0],
        "{'events': [{'type': 'purchase', 'item': 'i001', 'decision': '%s'}, {'type': 'view', "
        "'item': 'i001'}]}",
        decision);
    get(p, "observe", people[1],
        "{'events': [{'type': 'view', 'item': 'i002', 'decision': '%s', 'time': %lld}]}", decision,
        (long long)int_at(r = get(p, "decision.get", decision, "{}"), "time") - 1000);
    must_be(r, "customer", "'web-1'"); /* a stranger, but linked */
    r = get(p, "decision.get", decision, "{}");
    MUST_LIST(r, "outcomes", "item", "i002 i001");
    cr_assert_null(at(r, "outcomes[0].identity"));
    must_be(r, "outcomes[1].identity", "'card-4711'");
    get(p, "customer.unlink", people[1], "{'identity': '%s'}", people[1 + 1]);
    get(p, "customer.unlink", people[0], "{'identity': '%s'}", people[1]);
    MUST_LIST(get(p, "decision.get", decision, "{}"), "outcomes", "item", "i002");
}

Test(linked, outcomes_are_of_all_identities)
{
    people_with_workers(&s, outcomes);
}

/* Exit code of nbx with these words; what it said in `out`. */
static int run_nbx(const char *words, char *out, size_t room)
{
    char command[512];
    snprintf(command, sizeof command, "%s/nbx %s --endpoint %s 2>&1", NBX_BIN_DIR, words,
             s.endpoint);
    FILE *f = popen(command, "r");
    cr_assert_not_null(f);
    out[fread(out, 1, room - 1, f)] = '\0';
    return WEXITSTATUS(pclose(f));
}

static void other_doors(void)
{
    char out[4096];
    model_put_items(&m, p);
    get(p, "observe", people[0], "{'events': [{'type': 'dismiss', 'item': 'i000'}]}");
    struct http_reply r =
        http_call(&s, "POST", "/v1/link", "{'customer': 'card-4711', 'identity': 'web-1'}");
    cr_assert_eq(r.code, 200);
    must_be(r.body, "linked", "true");
    must_have_seen(p, people[1], 0);
    r = http_call(&s, "POST", "/v1/link", "{'customer': 'card-4711', 'identity': 'card-4711'}");
    cr_assert_eq(r.code, 400);
    must_be(r.body, "field", "'identity'");
    r = http_call(&s, "POST", "/v1/unlink", "{'customer': 'card-4711', 'identity': 'web-1'}");
    must_be(r.body, "unlinked", "true");
    cr_assert_eq(run_nbx("customer link card-4711 web-2 --type session", out, sizeof out), 0, "%s",
                 out);
    cr_assert(strstr(out, "linked"), "%s", out);
    must_have_seen(p, people[2], 0);
    must_be(get(p, "customer.get", people[2], "{}"), "linked[1].type", "'session'");
    cr_assert_eq(run_nbx("customer unlink web-2 web-2", out, sizeof out), 1);
    cr_assert(strstr(out, "itself"), "%s", out);
    cr_assert_eq(run_nbx("customer unlink card-4711", out, sizeof out), 2);
    cr_assert_eq(run_nbx("customer unlink card-4711 web-2", out, sizeof out), 0, "%s", out);
    cr_assert_null(at(get(p, "customer.get", people[2], "{}"), "linked"));
}

Test(linked, by_http_and_from_the_command_line)
{
    people_with_workers(&s, other_doors);
}
