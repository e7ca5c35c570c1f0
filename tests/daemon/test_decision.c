/* SPDX-License-Identifier: MIT
 * Decision records: what is kept of an answer, for how long and for whom.
 */
#include "tests/daemon/harness_taste.h"

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}, {'id': 'c'}]}");
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(decision, .init = begin, .fini = end, .timeout = 120);

static const char *id_of(const struct nbx_value *reply)
{
    return nbx_arena_str(p->arena, text_at(reply, "decision")).p;
}

Test(decision, keeps_what_was_answered)
{
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'c'}]}");
    struct nbx_value *r = get(p, "recommend", "anna",
                              "{'placement': 'home', 'channel': 'web', 'store': 'north',"
                              " 'context': {'page': 3, 'tags': ['x', {'y': 1.5}]}, 'n': 2,"
                              " 'now': 1700000000000}");
    struct nbx_value *d = get(p, "decision.get", id_of(r), "{'id': 9}");
    must_be(d, "customer", "'anna'");
    must_be(d, "operation", "'recommend'");
    must_be(d, "placement", "'home'");
    must_be(d, "channel", "'web'");
    must_be(d, "store", "'north'");
    must_be(d, "context", "{'page': 3, 'tags': ['x', {'y': 1.5}]}");
    must_be(d, "now", "1700000000000");
    must_be(d, "personal", "true");
    must_be(d, "shown", "false");
    must_be(d, "model", "{'name': '', 'version': ''}");
    must_be(d, "seq", "1");
    must_be(d, "catalogue_seq", "1");
    cr_assert(int_at(d, "time") > 1700000000000);
    cr_assert_str_eq(nbx_arena_str(p->arena, text_at(d, "id")).p, id_of(r));
    MUST_LIST(d, "items", "id", joined(r, "items", "id"));
    MUST_LIST(d, "items", "source", joined(r, "items", "source"));
    for (uint32_t i = 0; i < 2; i++) {
        const struct nbx_value *kept = &at(d, "items")->list[i];
        cr_assert_eq(int_at(kept, "position"), i);
        cr_assert(number_at(kept, "score") == number_at(&at(r, "items")->list[i], "score"));
    }
}

Test(decision, keeps_what_was_asked_for)
{
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'c'}]}");
    struct nbx_value *r = get(p, "recommend", "anna",
                              "{'n': 7, 'filter': {'field': 'brand', 'eq': 'x'},"
                              " 'exclude': ['b', 'nobody knows it', 'a'], 'exclude_seen': true,"
                              " 'distinct': 'group', 'recall': 0.9}");
    struct nbx_value *d = get(p, "decision.get", id_of(r), "{}");
    must_be(d, "n", "7");
    must_be(d, "filter", "{'field': 'brand', 'eq': 'x'}");
    must_be(d, "exclude", "['b', 'a']");
    must_be(d, "exclude_seen", "true");
    must_be(d, "distinct", "'group'");
    must_be(d, "recall", "1.0");
    must_be(d, "vector", "'none'");
    must_be(d, "policy", "0");
    must_be(d, "variant", "0");
    must_be(d, "propensity", "1.0");
    cr_assert_null(at(d, "ranked"));
    d = get(p, "decision.get", id_of(get(p, "recommend", "anna", "{}")), "{}");
    must_be(d, "n", "20");
    must_be(d, "exclude", "[]");
    must_be(d, "exclude_seen", "false");
    cr_assert_null(at(d, "filter"));
    cr_assert_null(at(d, "distinct"));
    cr_assert_null(at(d, "recall"));
    cr_assert_eq(count_at(d, "items"), 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct nbx_value *item = &at(d, "items")->list[i];
        cr_assert(number_at(item, "factors.p") == number_at(item, "score"));
        must_be(item, "factors.v", "1.0");
    }
}

Test(decision, of_nobody_in_particular_names_no_customer)
{
    struct nbx_value *r = get(p, "recommend", "", "{'personal': false}");
    struct nbx_value *d = get(p, "decision.get", id_of(r), "{}");
    cr_assert_null(at(d, "customer"));
    cr_assert_null(at(d, "context"));
    must_be(d, "personal", "false");
    must_be(d, "placement", "''");
    r = get(p, "recommend", "a stranger", "{}");
    cr_assert_null(at(get(p, "decision.get", id_of(r), "{}"), "customer"));
}

Test(decision, of_rank_says_so)
{
    struct nbx_value *r = get(p, "rank", "anna", "{'items': ['c', 'a'], 'record': 'shown'}");
    struct nbx_value *d = get(p, "decision.get", id_of(r), "{}");
    must_be(d, "operation", "'rank'");
    must_be(d, "shown", "true");
    MUST_LIST(d, "items", "id", "a c");
    must_be(d, "ranked", "['c', 'a']");
}

Test(decision, record_says_whether_it_is_kept)
{
    struct nbx_value *before = get(p, "stats", "", "{}");
    cr_assert_null(at(get(p, "recommend", "anna", "{'record': 'none'}"), "decision"));
    struct nbx_value *r = get(p, "recommend", "anna", "{'record': 'shown'}");
    must_be(get(p, "decision.get", id_of(r), "{}"), "shown", "true");
    get(p, "recommend", "anna", "{'record': 'decision'}");
    struct nbx_value *after = get(p, "stats", "", "{}");
#define GREW(name) (nbx_value_get(after, name)->i - nbx_value_get(before, name)->i)
    cr_assert_eq(GREW("decisions.recorded"), 2);
    cr_assert_eq(GREW("impressions"), 3);
    cr_assert_eq(GREW("decisions.lost"), 0);
}

Test(decision, unknown_ones_are_not_found)
{
    REFUSED(ask(p, "decision.get", "00000000000000000000000000000000", "{}"), "not_found", NULL,
            NULL);
    REFUSED(ask(p, "decision.get", "ffffffffffffffffffffffffffffffff", "{}"), "not_found", NULL,
            NULL);
    REFUSED(ask(p, "decision.get", "nonsense", "{}"), "bad_request", NULL, "32 hex");
}

Test(decision, ids_differ_and_survive_a_restart)
{
    char seen[64][33];
    for (int i = 0; i < 64; i++) {
        snprintf(seen[i], sizeof seen[i], "%s",
                 id_of(get(p, "recommend", i % 2 ? "anna" : "", "{'n': 1}")));
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(seen[i], seen[j]);
    }
    server_end(&s);
    server_begin(&s);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(count_at(get(p, "decision.get", seen[i], "{}"), "items"), 1);
}

Test(decision, forgotten_with_the_customer)
{
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'c'}]}");
    const char *anna = id_of(get(p, "recommend", "anna", "{}"));
    const char *nobody = id_of(get(p, "recommend", "", "{}"));
    get(p, "decision.get", anna, "{}");
    must_be(get(p, "customer.forget", "anna", "{}"), "forgotten", "true");
    REFUSED(ask(p, "decision.get", anna, "{}"), "not_found", NULL, NULL);
    get(p, "decision.get", nobody, "{}");
}

Test(decision, outcomes_are_the_events_that_name_it)
{
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'c'}]}");
    const char *first = id_of(get(p, "recommend", "anna", "{}"));
    const char *second = id_of(get(p, "recommend", "anna", "{}"));
    struct nbx_value *d = get(p, "decision.get", first, "{}");
    long long made_ms = int_at(d, "time");
    must_be(d, "outcomes", "[]");
    get(p, "observe", "anna",
        "{'events': [{'type': 'click', 'item': 'a', 'decision': '%s', 'id': 'e1', 'time': %lld},"
        " {'type': 'click', 'item': 'b', 'decision': '%s', 'id': 'e2'},"
        " {'type': 'view', 'item': 'a', 'id': 'e3'}]}",
        first, made_ms + 1000, second);
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'a', 'decision': '%s', 'id': 'e4',"
        " 'time': %lld}]}",
        first, made_ms + 2000);
    get(p, "observe", "bert",
        "{'events': [{'type': 'click', 'item': 'c', 'decision': '%s', 'id': 'e5'}]}", first);
    d = get(p, "decision.get", first, "{}");
    MUST_LIST(d, "outcomes", "id", "e1 e4");
    MUST_LIST(d, "outcomes", "type", "click purchase");
    MUST_LIST(d, "outcomes", "item", "a a");
    MUST_LIST(get(p, "decision.get", second, "{}"), "outcomes", "id", "e2");
    get(p, "retract", "anna", "{'events': ['e1']}");
    MUST_LIST(get(p, "decision.get", first, "{}"), "outcomes", "id", "e4");
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    cr_assert_str_eq(nbx_arena_str(p->arena, text_at(anna, "history[0].decision")).p, first);
}
