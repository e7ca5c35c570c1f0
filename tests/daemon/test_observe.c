/* SPDX-License-Identifier: MIT
 * observe: what happened, to whom, when; once and in any order.
 */
#include "tests/daemon/harness.h"

#include <time.h>

static struct server s;
static struct peer *p;

static void begin(void)
{
    server_start(&s, &(struct server_options){.settings = "workers: 3\n"});
    p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(observe, .init = begin, .fini = end, .timeout = 120);

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Test(observe, replies_with_what_became_of_each_event)
{
    struct nbx_value *r = get(p, "observe", "anna",
                              "{'id': 'q', 'events': [{'type': 'view', 'item': 'a', 'id': 'e1'},"
                              " {'type': 'nonsense'}, {'type': 'view', 'item': 'a', 'id': 'e1'},"
                              " {'type': 'cart', 'channel': 'fax'}, 5, {'type': 'search'}]}");
    must_be(r, "id", "'q'");
    must_be(r, "applied", "2");
    must_be(r, "duplicates", "1");
    must_be(r, "seq", "2");
    cr_assert_eq(count_at(r, "ids"), 6);
    must_be(r, "ids[0]", "'e1'");
    must_be(r, "ids[1]", "''");
    must_be(r, "ids[2]", "'e1'");
    must_be(r, "ids[3]", "''");
    must_be(r, "ids[4]", "''");
    cr_assert(text_at(r, "ids[5]").len > 0, "an event without an id is given one");
    MUST_LIST(r, "errors", "field", "events[1].type events[3].channel events[4]");
    must_be(r, "errors[0].index", "1");
    must_be(r, "errors[1].index", "3");
    must_be(r, "errors[2].index", "4");
    cr_assert_not_null(strstr(joined(r, "errors", "message"), "view"), "the known types are named");
    cr_assert_not_null(strstr(joined(r, "errors", "message"), "kiosk"), "and the known channels");
}

Test(observe, creates_the_customer_at_its_first_event)
{
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    struct nbx_value *r = get(p, "observe", "anna", "{'events': [{'type': 'nonsense'}]}");
    must_be(r, "applied", "0");
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    get(p, "observe", "anna", "{'events': [{'type': 'visit'}]}");
    must_be(get(p, "customer.get", "anna", "{}"), "known", "true");
}

Test(observe, an_id_seen_before_changes_nothing)
{
    get(p, "observe", "anna", "{'events': [{'type': 'dismiss', 'item': 'a', 'id': 'x'}]}");
    for (int i = 0; i < 3; i++) {
        struct nbx_value *r =
            get(p, "observe", "anna",
                "{'ack': 'memory', 'events': [{'type': 'purchase', 'item': 'a', 'id': 'x'}]}");
        must_be(r, "applied", "0");
        must_be(r, "duplicates", "1");
        must_be(r, "seq", "1");
        must_be(r, "ids", "['x']");
    }
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b");
    struct nbx_value *r =
        get(p, "observe", "bert", "{'events': [{'type': 'view', 'item': 'a', 'id': 'x'}]}");
    must_be(r, "applied", "1"); /* unique per customer */
    server_end(&s);
    server_begin(&s);
    r = get(p, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'x'}]}");
    must_be(r, "duplicates", "1");
}

Test(observe, a_strangers_first_id_is_not_held_against_anonymous_ones)
{
    char name[16];
    for (int i = 0; i < 600; i++) { /* of every group there is */
        snprintf(name, sizeof name, "c%d", i);
        get(p, "observe", "", "{'ack': 'memory', 'events': [{'type': 'view', 'id': '%s'}]}", name);
    }
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "c%d", i);
        struct nbx_value *r =
            get(p, "observe", name, "{'ack': 'memory', 'events': [{'type': 'view', 'id': '%s'}]}",
                name);
        must_be(r, "applied", "1");
    }
}

Test(observe, atomic_takes_all_or_none)
{
    REFUSED(
        ask(p, "observe", "anna",
            "{'atomic': true, 'events': [{'type': 'view', 'item': 'a'}, {'type': 'nonsense'}]}"),
        "bad_request", "events[1].type", "view");
    REFUSED(ask(p, "observe", "anna",
                "{'atomic': true, 'events': [{'type': 'view', 'item': 5}, {'type': 'view'}]}"),
            "bad_request", "events[0].item", NULL);
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    struct nbx_value *r = get(p, "observe", "anna",
                              "{'atomic': true, 'events': [{'type': 'view', 'item': 'a'},"
                              " {'type': 'view', 'item': 'b', 'id': 'e'}]}");
    must_be(r, "applied", "2");
    r = get(p, "observe", "anna",
            "{'atomic': true, 'events': [{'type': 'view', 'item': 'a', 'id': 'e'}]}");
    must_be(r, "duplicates", "1");
    REFUSED(ask(p, "observe", "", "{'atomic': true, 'events': [{'type': 'view'}]}"), "bad_request",
            "atomic", NULL);
}

#define AHEAD_MS INT64_C(300000)

Test(observe, time_far_ahead_is_refused_and_any_time_behind_taken)
{
    int64_t now = wall_ms();
    struct nbx_value *r =
        get(p, "observe", "anna",
            "{'events': [{'type': 'view', 'time': %lld},"
            " {'type': 'view', 'time': %lld}, {'type': 'view', 'time': 0},"
            " {'type': 'view', 'time': %lld}]}",
            (long long)now + 240000, (long long)now + 40000000000, (long long)now + 3600000);
    must_be(r, "applied", "2");
    must_be(r, "held", "1");
    must_be(r, "seq", "3");
    MUST_LIST(r, "errors", "field", "events[1].time");
    cr_assert_not_null(strstr(joined(r, "errors", "message"), "366 days"));
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(int_at(anna, "history[0].time"), now + 240000);
    cr_assert_eq(int_at(anna, "history[1].time"), 0);
}

/* Until the customer's history has so many events. */
static void wait_for_events(const char *customer, uint32_t n)
{
    int64_t until_ms = wall_ms() + ASK_TIMEOUT_MS;
    while (count_at(get(p, "customer.get", customer, "{}"), "history") != n)
        cr_assert_lt(wall_ms(), until_ms, "%s", customer);
}

Test(observe, what_is_ahead_is_held_and_counts_by_itself)
{
    MUST_LIST(get(p, "recommend", "", "{'n': 1}"), "items", "id", "a");
    int64_t at = wall_ms() + AHEAD_MS + 5000; /* all below is asked before it is due */
    for (int i = 0; i < 2; i++) {
        struct nbx_value *r =
            get(p, "observe", "anna",
                "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e', 'time': %lld}]}",
                (long long)at);
        must_be(r, "held", i ? "0" : "1");
        must_be(r, "duplicates", i ? "1" : "0");
        must_be(r, "applied", "0");
    }
    get(p, "observe", "",
        "{'events': [{'type': 'purchase', 'item': 'b', 'time': %lld},"
        " {'type': 'purchase', 'item': 'b', 'customer': 'bert', 'time': %lld}]}",
        (long long)at, (long long)at);
    struct nbx_value *r =
        get(p, "recommend", "cleo", "{'observe': [{'type': 'view', 'item': 'a', 'time': %lld}]}",
            (long long)at);
    must_be(r, "observed.held", "1");
    must_be(r, "customer.known", "false");
    if (wall_ms() < at - AHEAD_MS - 500)
        must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    /* Asking nobody in particular: the ranking follows what the workers do by themselves. */
    get_until(p, "", "{'n': 1}", "b");
    wait_for_events("anna", 1);
    wait_for_events("bert", 1);
    wait_for_events("cleo", 1);
    MUST_LIST(get(p, "recommend", "anna", "{'exclude_seen': true}"), "items", "id", "b");
}

Test(observe, what_is_held_outlives_the_daemon)
{
    int64_t at = wall_ms() + AHEAD_MS + 1000;
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e', 'time': %lld},"
        " {'type': 'view', 'item': 'a', 'id': 'f', 'time': %lld}]}",
        (long long)at, (long long)at + 3600000);
    server_kill(&s);
    server_begin(&s);
    wait_for_events("anna", 1);
    cr_assert_geq(wall_ms(), at - AHEAD_MS);
    server_end(&s);
    server_begin(&s);
    struct nbx_value *r = get(p, "observe", "anna",
                              "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e'},"
                              " {'type': 'view', 'item': 'a', 'id': 'f'}]}");
    must_be(r, "duplicates", "2");
    must_be(r, "seq", "3");
    must_be(get(p, "retract", "anna", "{'events': ['f']}"), "retracted", "1");
}

/* 150 views and a purchase before them: what is past the bound counts on, but is not there. */
Test(observe, a_history_is_bounded_by_type)
{
    server_configure(&s, "workers: 3\nhistory_max: 100\n");
    server_end(&s);
    server_begin(&s);
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'a', 'id': 'e', 'time': 1700000000000}]}");
    for (int i = 0; i < 150; i++)
        get(p, "observe", "anna",
            "{'ack': 'memory', 'events': [{'type': 'view', 'item': 'x%d', 'id': 'v%d'}]}", i, i);
    must_be(get(p, "retract", "anna", "{'events': ['v0']}"), "unknown", "1");
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "151");
    must_be(get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'x0', 'id': 'v0'}]}"),
            "duplicates", "1");
    server_end(&s);
    server_begin(&s);
    must_be(get(p, "customer.get", "anna", "{}"), "seen", "151");
    must_be(get(p, "retract", "anna", "{'all': true}"), "retracted", "101");
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    must_be(anna, "seen", "50");
    cr_assert_eq(count_at(anna, "history"), 0);
}

Test(observe, time_defaults_to_arrival)
{
    int64_t from = wall_ms();
    get(p, "observe", "anna", "{'events': [{'type': 'view'}]}");
    int64_t time = int_at(get(p, "customer.get", "anna", "{}"), "history[0].time");
    cr_assert(time >= from && time <= wall_ms());
}

Test(observe, late_events_take_their_place_in_the_history)
{
    static const char *const order[] = {"c", "a", "d", "b"};
    for (int i = 0; i < 4; i++)
        get(p, "observe", "anna", "{'events': [{'type': 'view', 'id': '%s', 'time': %d}]}",
            order[i], order[i][0]);
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'id': 'e', 'time': 100}]}");
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(count_at(anna, "history"), 5);
    for (uint32_t i = 1; i < 5; i++)
        cr_assert(at(anna, "history")->list[i - 1].n >= 3 &&
                  int_at(&at(anna, "history")->list[i - 1], "time") >=
                      int_at(&at(anna, "history")->list[i], "time"));
    must_be(anna, "history[4].id", "'a'");
    must_be(anna, "history[2].id", "'c'");
}

Test(observe, events_on_unknown_items_count_once_the_item_exists)
{
    get(p, "observe", "anna", "{'events': [{'type': 'dismiss', 'item': 'later'}]}");
    get(p, "observe", "",
        "{'events': [{'type': 'purchase', 'item': 'later'}, {'type': 'view', 'item': 'b'}]}");
    must_be(get(p, "customer.get", "anna", "{}"), "history[0].item", "'later'");
    get_until(p, "", "{}", "b a");
    get(p, "item.put", "", "{'items': [{'id': 'later'}]}");
    get_until(p, "", "{}", "later b a");
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b a");
}

Test(observe, money_is_in_the_one_currency)
{
    struct nbx_value *r = get(p, "observe", "anna",
                              "{'events': [{'type': 'purchase', 'value': 1999, 'currency': 'EUR'},"
                              " {'type': 'purchase', 'value': 1999, 'currency': 'USD'},"
                              " {'type': 'return', 'value': -1999}]}");
    must_be(r, "applied", "2");
    MUST_LIST(r, "errors", "field", "events[1].currency");
    cr_assert_not_null(strstr(joined(r, "errors", "message"), "EUR"));
    cr_assert_not_null(strstr(joined(r, "errors", "message"), "USD"));
}

Test(observe, keeps_every_field)
{
    get(p, "observe", "anna",
        "{'events': [{'type': 'return', 'id': 'e', 'item': 'a', 'time': 7, 'channel': 'store',"
        " 'placement': 'till 3', 'store': 'north', 'session': 's', 'order': 'o', 'quantity': 2.5,"
        " 'value': -5, 'currency': 'EUR', 'rating': 1.5, 'scope': 'brand', 'actor': 'clerk',"
        " 'decision': '0123456789abcdef0123456789abcdef',"
        " 'attributes': {'size': 'xl', 'n': 3, 'tags': ['p', 'q'], 'ok': true, 'f': 0.5}}]}");
    must_be(get(p, "customer.get", "anna", "{}"), "history",
            "[{'type': 'return', 'id': 'e', 'item': 'a', 'time': 7, 'channel': 'store',"
            " 'placement': 'till 3', 'store': 'north', 'session': 's', 'order': 'o',"
            " 'quantity': 2.5, 'value': -5, 'currency': 'EUR', 'rating': 1.5, 'scope': 'brand',"
            " 'actor': 'clerk', 'decision': '0123456789abcdef0123456789abcdef',"
            " 'attributes': {'size': 'xl', 'n': 3, 'tags': ['p', 'q'], 'ok': true, 'f': 0.5}}]");
    get(p, "observe", "bare", "{'events': [{'type': 'visit', 'id': 'e', 'time': 7}]}");
    must_be(get(p, "customer.get", "bare", "{}"), "history",
            "[{'type': 'visit', 'id': 'e', 'time': 7}]");
}

Test(observe, fan_out_gives_each_customer_its_own)
{
    struct nbx_value *r = get(p, "observe", "",
                              "{'events': [{'type': 'dismiss', 'item': 'a', 'customer': 'anna'},"
                              " {'type': 'dismiss', 'item': 'b', 'customer': 'bert', 'id': 'e'},"
                              " {'type': 'view', 'item': 'a'}, {'type': 'nonsense'},"
                              " {'type': 'dismiss', 'item': 'b', 'customer': 'bert', 'id': 'e'},"
                              " {'type': 'nonsense', 'customer': 'carl'}, 7,"
                              " {'type': 'dismiss', 'item': 'a', 'customer': 'dora'}]}");
    must_be(r, "applied", "4");
    must_be(r, "duplicates", "1");
    must_be(r, "seq", "0");
    cr_assert_eq(count_at(r, "ids"), 8);
    must_be(r, "ids[1]", "'e'");
    must_be(r, "ids[3]", "''");
    must_be(r, "ids[4]", "'e'");
    MUST_LIST(r, "errors", "field", "events[3].type events[5].type events[6]");
    MUST_LIST(get(p, "recommend", "anna", "{}"), "items", "id", "b");
    MUST_LIST(get(p, "recommend", "bert", "{}"), "items", "id", "a");
    MUST_LIST(get(p, "recommend", "dora", "{}"), "items", "id", "b");
    must_be(get(p, "customer.get", "carl", "{}"), "known", "false");
    r = get(p, "observe", "anna", "{'events': [{'type': 'view', 'customer': 'bert'}]}");
    MUST_LIST(r, "errors", "field", "events[0].customer");
}

Test(observe, fan_out_of_a_thousand)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{'ack': 'memory', 'events': [");
    for (int i = 0; i < 1000; i++)
        nbx_buf_printf(&b, "%s{'type': 'dismiss', 'item': '%c', 'customer': 'c%d', 'id': 'e%d'}",
                       i ? "," : "", i % 2 ? 'a' : 'b', i % 250, i);
    nbx_buf_printf(&b, "]}");
    nbx_buf_put_u8(&b, '\0');
    struct nbx_value *r = get(p, "observe", "", "%s", (char *)b.p);
    must_be(r, "applied", "1000");
    for (int i = 0; i < 1000; i += 111) {
        char path[32], want[16];
        snprintf(path, sizeof path, "ids[%d]", i);
        snprintf(want, sizeof want, "'e%d'", i);
        must_be(r, path, want);
    }
    r = get(p, "observe", "", "%s", (char *)b.p);
    must_be(r, "applied", "0");
    must_be(r, "duplicates", "1000");
    for (int i = 0; i < 250; i += 17) {
        char key[16];
        snprintf(key, sizeof key, "c%d", i);
        MUST_LIST(get(p, "recommend", key, "{}"), "items", "id", i % 2 ? "b" : "a");
    }
    nbx_buf_fini(&b);
}

Test(observe, anonymous_events_count_for_trends_alone)
{
    for (int i = 0; i < 3; i++) {
        struct nbx_value *r =
            get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'b', 'id': 'x%d'}]}", i);
        must_be(r, "applied", "1");
        r = get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'a', 'id': 'same'}]}");
        must_be(r, "duplicates", i ? "1" : "0");
    }
    struct nbx_value *r = get_until(p, "", "{}", "b a");
    MUST_LIST(r, "items", "source", "trend trend");
    cr_assert_float_eq(number_at(r, "items[0].score"), 3 * number_at(r, "items[1].score"), 1e-6);
    must_be(get(p, "customer.get", "x0", "{}"), "known", "false");
}

Test(observe, negative_and_neutral_events_are_no_trend)
{
    get(p, "observe", "",
        "{'events': [{'type': 'impression', 'item': 'a'}, {'type': 'dismiss', 'item': 'a'},"
        " {'type': 'rating', 'item': 'a', 'rating': 1}, {'type': 'rating', 'item': 'b',"
        " 'rating': 5}]}");
    struct nbx_value *r = get_until(p, "", "{}", "b a");
    MUST_LIST(r, "items", "source", "trend newest");
}

Test(observe, sequence_numbers_rise_by_one_for_each_event)
{
    int64_t last = 0;
    for (int i = 1; i <= 5; i++) {
        struct nbx_value *r =
            get(p, "observe", "anna", "{'events': [{'type': 'view'}, {'type': 'view'}]}");
        cr_assert_eq(int_at(r, "seq"), last + 2);
        last = int_at(r, "seq");
    }
    server_end(&s);
    server_begin(&s);
    cr_assert_eq(int_at(get(p, "observe", "anna", "{'events': [{'type': 'view'}]}"), "seq"),
                 last + 1);
}
