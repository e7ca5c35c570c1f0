/* SPDX-License-Identifier: MIT
 * recommend without a model: fallbacks and their order, what may be shown, what is told of it.
 */
#include "tests/daemon/harness.h"

#include <time.h>

#define DAY_MS INT64_C(86400000)

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

TestSuite(recommend, .init = begin, .fini = end, .timeout = 120);

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the clock has moved, so that what comes next is newer. */
static void tick(void)
{
    for (int64_t from = wall_ms(); wall_ms() < from + 2;)
        continue;
}

/* One item with what stands behind its id, newer than those before. */
static void put(const char *id, const char *rest)
{
    tick();
    struct nbx_value *r = get(p, "item.put", "", "{'items': [{'id': '%s'%s}]}", id, rest);
    cr_assert_eq(int_at(r, "applied"), 1, "%s was refused: %s", id, joined(r, "errors", "message"));
}

/* Items named by single letters. */
static void put_all(const char *letters)
{
    for (const char *c = letters; *c; c++)
        put((char[]){*c, '\0'}, "");
}

static void see(const char *customer, const char *event)
{
    struct nbx_value *r = get(p, "observe", customer, "{'ack': 'memory', 'events': [%s]}", event);
    cr_assert_eq(int_at(r, "applied"), 1, "%s", joined(r, "errors", "message"));
}

/* The ids of an answer, `rest` standing behind n and record. */
static const char *list(const char *customer, const char *rest)
{
    struct nbx_value *r = get(p, "recommend", customer, "{'n': 50, 'record': 'none'%s}", rest);
    return joined(r, "items", "id");
}

#define IS(customer, rest, want) cr_assert_str_eq(list(customer, rest), want)

Test(recommend, empty_catalogue_gives_an_empty_list)
{
    struct nbx_value *r = get(p, "recommend", "anna", "{}");
    cr_assert_eq(count_at(r, "items"), 0);
    must_be(r, "customer", "{'known': false}");
    must_be(r, "model", "{'name': '', 'version': ''}");
    cr_assert_eq(text_at(r, "decision").len, 32);
    cr_assert_null(at(r, "observed"), "nothing was observed");
    cr_assert_null(at(r, "unknown"), "nothing was ranked");
}

Test(recommend, newest_fill_up_where_nothing_happened)
{
    put("c", "");
    put("b", "");
    put("a", "");
    struct nbx_value *r = get_until(p, "", "{'explain': true}", "a b c");
    MUST_LIST(r, "items", "source", "newest newest newest");
    must_be(r, "items[0].explain.reason", "{'code': 'newest', 'args': {}}");
    must_be(r, "items[0].explain.because", "[]");
}

Test(recommend, sources_come_in_order)
{
    put_all("wspz");
    int64_t old = wall_ms() - 30 * DAY_MS;
    get(p, "observe", "",
        "{'events': [{'type': 'view', 'item': 'w', 'channel': 'web'},"
        " {'type': 'purchase', 'item': 's', 'channel': 'store'},"
        " {'type': 'view', 'item': 'p', 'channel': 'web', 'time': %lld}]}",
        (long long)old);
    struct nbx_value *r = get_until(p, "anna", "{'channel': 'web', 'explain': true}", "w s p z");
    MUST_LIST(r, "items", "source", "trend trend popular newest");
    must_be(r, "items[0].explain.reason",
            "{'code': 'trending_in_channel', 'args': {'channel': 'web'}}");
    must_be(r, "items[1].explain.reason", "{'code': 'trending', 'args': {}}");
    must_be(r, "items[2].explain.reason", "{'code': 'popular', 'args': {}}");
    must_be(r, "items[3].explain.reason", "{'code': 'newest', 'args': {}}");
    IS("anna", ", 'channel': 'store'", "s w p z");
    IS("anna", "", "s w p z"); /* a purchase weighs more than a view */
    must_be(r, "customer.known", "false");
}

Test(recommend, trend_on_a_channel_counts_that_channel_only)
{
    put_all("ab");
    get(p, "observe", "",
        "{'events': [{'type': 'view', 'item': 'a', 'channel': 'web'},"
        " {'type': 'purchase', 'item': 'b', 'channel': 'app'},"
        " {'type': 'purchase', 'item': 'b', 'channel': 'app'}]}");
    get_until(p, "", "{'channel': 'web'}", "a b");
    IS("", ", 'channel': 'app'", "b a");
    IS("", ", 'channel': 'kiosk'", "b a");
}

Test(recommend, ties_go_by_id_in_byte_order)
{
    put_all("zBa");
    put("\xc3\xa4", "");
    put("aa", "");
    get(p, "observe", "",
        "{'events': [{'type': 'view', 'item': 'z'}, {'type': 'view', 'item': 'B'},"
        " {'type': 'view', 'item': 'a'}, {'type': 'view', 'item': 'aa'},"
        " {'type': 'view', 'item': '\xc3\xa4'}]}");
    struct nbx_value *r = get_until(p, "", "{}", "B a aa z \xc3\xa4");
    MUST_LIST(r, "items", "source", "trend trend trend trend trend");
}

Test(recommend, n_bounds_the_list)
{
    char id[8];
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof id, "i%d", i);
        put(id, "");
    }
    cr_assert_eq(count_at(get(p, "recommend", "", "{}"), "items"), 20);
    cr_assert_eq(count_at(get(p, "recommend", "", "{'n': 1}"), "items"), 1);
    cr_assert_eq(count_at(get(p, "recommend", "", "{'n': 1000}"), "items"), 30);
    REFUSED(ask(p, "recommend", "", "{'n': 0}"), "bad_request", "n", "1 to 1000");
    REFUSED(ask(p, "recommend", "", "{'n': 1001}"), "bad_request", "n", "1 to 1000");
    REFUSED(ask(p, "recommend", "", "{'n': 20.0}"), "bad_request", "n", "int");
}

Test(recommend, obeys_an_item_as_soon_as_it_is_acknowledged)
{
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%02d", i);
        put(id, "");
        struct nbx_value *r = get(p, "recommend", "", "{'n': 1000, 'record': 'none'}");
        cr_assert_eq(count_at(r, "items"), (uint32_t)i + 1, "%s is not offered yet", id);
    }
    get(p, "item.delete", "", "{'ids': ['i00']}");
    cr_assert_eq(count_at(get(p, "recommend", "", "{'n': 1000}"), "items"), 19);
}

Test(recommend, gives_the_fields_asked_for)
{
    put("a", ", 'title': 'A thing', 'price': 1999, 'categories': ['x', 'y'], 'stock': {'m': 3},"
             " 'attributes': {'colour': 'red', 'sizes': ['s', 'l'], 'weight': 1.5, 'new': true}");
    put("b", "");
    struct nbx_value *r = get_until(
        p, "",
        "{'fields': ['title', 'price', 'categories', 'colour', 'sizes', 'weight', 'new', 'stock',"
        " 'id', 'brand']}",
        "b a");
    must_be(r, "items[1].fields",
            "{'title': 'A thing', 'price': 1999, 'categories': ['x', 'y'], 'colour': 'red',"
            " 'sizes': ['s', 'l'], 'weight': 1.5, 'new': true, 'stock': {'m': 3}, 'id': 'a'}");
    must_be(r, "items[0].fields", "{'id': 'b'}");
    REFUSED(ask(p, "recommend", "", "{'fields': ['title', 'color']}"), "bad_request", NULL,
            "colour");
    cr_assert_null(at(get(p, "recommend", "", "{}"), "items[0].fields"));
}

Test(recommend, never_shows_what_is_excluded)
{
    put_all("abc");
    get_until(p, "", "{}", list("", ""));
    IS("", ", 'exclude': ['a', 'c', 'nobody knows it']", "b");
    IS("", ", 'exclude': ['a', 'b', 'c']", "");
}

Test(recommend, seen_items_stay_unless_told_otherwise)
{
    put_all("vind");
    see("anna", "{'type': 'view', 'item': 'v'}");
    see("anna", "{'type': 'impression', 'item': 'i'}");
    see("anna", "{'type': 'dismiss', 'item': 'n'}");
    tick();
    see("anna", "{'type': 'view', 'item': 'n'}");
    get_until(p, "", "{'exclude': ['v', 'n']}", list("", ", 'exclude': ['v', 'n']"));
    cr_assert_eq(count_at(get(p, "recommend", "anna", "{}"), "items"), 4);
    struct nbx_value *r = get(p, "recommend", "anna", "{'exclude_seen': true}");
    cr_assert_eq(count_at(r, "items"), 2, "%s", joined(r, "items", "id"));
    cr_assert_null(strchr(joined(r, "items", "id"), 'v'));
    cr_assert_null(strchr(joined(r, "items", "id"), 'n'));
    must_be(r, "customer.known", "true");
}

Test(recommend, negatives_stay_out_until_a_later_positive_event)
{
    put_all("ab");
    int64_t t = wall_ms() - 1000;
    char event[160];
    see("anna", "{'type': 'visit'}");
#define AT(type, offset)                                                                           \
    (snprintf(event, sizeof event, "{'type': '%s', 'item': 'a', 'time': %lld}", type,              \
              (long long)(t + (offset))),                                                          \
     see("anna", event))
    AT("dismiss", 10);
    IS("anna", "", "b");
    IS("anna", ", 'exclude_seen': false", "b");
    AT("view", 5); /* arrives later but happened before */
    IS("anna", "", "b");
    AT("impression", 15); /* neutral: says nothing */
    IS("anna", "", "b");
    AT("view", 20);
    cr_assert_eq(strlen(list("anna", "")), 3);
    AT("return", 30);
    IS("anna", "", "b");
    cr_assert_eq(strlen(list("anna", ", 'personal': false")), 3);
    cr_assert_eq(strlen(list("bert", "")), 3);
}

Test(recommend, poor_rating_is_negative)
{
    put_all("ab");
    int64_t t = wall_ms() - 1000;
    char event[160];
    snprintf(event, sizeof event, "{'type': 'rating', 'item': 'a', 'rating': 2, 'time': %lld}",
             (long long)t);
    see("anna", event);
    IS("anna", "", "b");
    snprintf(event, sizeof event, "{'type': 'rating', 'item': 'a', 'rating': 2.5, 'time': %lld}",
             (long long)t + 1);
    see("anna", event);
    cr_assert_eq(strlen(list("anna", "")), 3);
    snprintf(event, sizeof event, "{'type': 'rating', 'item': 'a', 'rating': -1, 'time': %lld}",
             (long long)t + 2);
    see("anna", event);
    IS("anna", "", "b");
}

Test(recommend, dislike_reaches_as_far_as_its_scope)
{
    put("a", ", 'brand': 'x', 'categories': ['shoes', 'red']");
    put("b", ", 'brand': 'x', 'categories': ['bags']");
    put("c", ", 'brand': 'y', 'categories': ['red', 'hats']");
    put("d", "");
    get_until(p, "", "{}", "d c b a");
    see("item", "{'type': 'dismiss', 'item': 'a'}");
    IS("item", "", "d c b");
    see("brand", "{'type': 'dismiss', 'item': 'a', 'scope': 'brand'}");
    IS("brand", "", "d c");
    see("category", "{'type': 'dismiss', 'item': 'a', 'scope': 'category'}");
    IS("category", "", "d b");
    see("bare", "{'type': 'dismiss', 'item': 'd', 'scope': 'brand'}");
    IS("bare", "", "c b a");
    IS("brand", ", 'personal': false", "d c b a");
    tick();
    see("brand", "{'type': 'view', 'item': 'a'}");
    IS("brand", "", "d c b a");
}

Test(recommend, shows_one_variant_of_each_group)
{
    put("a1", ", 'group': 'a'");
    put("a2", ", 'group': 'a'");
    put("b1", ", 'group': 'b'");
    put("x", "");
    put("y", "");
    get_until(p, "", "{}", "y x b1 a2 a1");
    IS("", ", 'distinct': 'group'", "y x b1 a2");
    IS("", ", 'distinct': 'group', 'exclude': ['a2']", "y x b1 a1");
    REFUSED(ask(p, "recommend", "", "{'distinct': 'brand'}"), "bad_request", "distinct", "group");
}

Test(recommend, offers_only_what_is_available_in_stock_and_valid)
{
    put("always", "");
    put("hidden", ", 'available': false");
    put("empty", ", 'stock': {'north': 0, 'south': 0}");
    put("north", ", 'stock': {'north': 2, 'south': 0}");
    put("window", ", 'valid_from': 1000, 'valid_to': 2000");
    IS("", ", 'now': 999", "north always");
    IS("", ", 'now': 1000", "window north always");
    IS("", ", 'now': 1999", "window north always");
    IS("", ", 'now': 2000", "north always");
    IS("", ", 'now': 1500, 'store': 'north'", "window north always");
    IS("", ", 'now': 1500, 'store': 'south'", "window always");
    IS("", ", 'now': 1500, 'store': 'nobody heard of it'", "window always");
    get(p, "item.patch", "", "{'items': [{'id': 'north', 'stock': {'north': 0, 'south': 1}}]}");
    IS("", ", 'store': 'north'", "always");
    IS("", ", 'store': 'south'", "north always");
    get(p, "item.patch", "", "{'items': [{'id': 'north', 'stock': {'south': null}}]}");
    IS("", "", "always");
    get(p, "item.patch", "", "{'items': [{'id': 'hidden', 'available': true}]}");
    cr_assert_eq(count_at(get(p, "recommend", "", "{}"), "items"), 2);
}

Test(recommend, offers_only_what_the_channel_sells)
{
    put("all", "");
    put("web", ", 'channels': ['web', 'app']");
    put("till", ", 'channels': ['store']");
    IS("", ", 'channel': 'web'", "web all");
    IS("", ", 'channel': 'store'", "till all");
    IS("", ", 'channel': 'email'", "all");
    IS("", "", "till web all");
    REFUSED(ask(p, "recommend", "", "{'channel': 'fax'}"), "bad_request", "channel",
            "known: web, app, email, store, kiosk, agent, chat");
}

Test(recommend, obeys_filters)
{
    put("a", ", 'price': 1000, 'brand': 'x', 'categories': ['s', 't'], 'attributes': {'kg': 1.5}");
    put("b", ", 'price': 2000, 'brand': 'y', 'categories': ['t']");
    put("c", ", 'price': 3000, 'kind': 'service'");
    get_until(p, "", "{}", "c b a");
    IS("", ", 'filter': {'field': 'price', 'ge': 1000, 'lt': 3000}", "b a");
    IS("", ", 'filter': {'field': 'brand', 'eq': 'x'}", "a");
    IS("", ", 'filter': {'not': {'field': 'brand', 'eq': 'x'}}", "c b");
    IS("", ", 'filter': {'field': 'brand', 'none': ['x']}", "b");
    IS("", ", 'filter': {'field': 'categories', 'in': ['s', 'q']}", "a");
    IS("", ", 'filter': {'field': 'categories', 'all': ['t', 's']}", "a");
    IS("", ", 'filter': {'field': 'categories', 'none': ['s']}", "b");
    IS("", ", 'filter': {'field': 'brand', 'exists': false}", "c");
    IS("", ", 'filter': {'field': 'kg', 'gt': 1}", "a");
    IS("", ", 'filter': {'any': [{'field': 'id', 'eq': 'a'}, {'field': 'kind', 'eq': 'service'}]}",
       "c a");
    IS("", ", 'filter': {'all': []}", "c b a");
    IS("", ", 'filter': {'any': []}", "");
    REFUSED(ask(p, "recommend", "", "{'filter': {'field': 'prize', 'lt': 5}}"), "bad_request",
            "filter.field", "price");
    REFUSED(ask(p, "recommend", "", "{'filter': {'all': [{'field': 'price', 'lt': 'a'}]}}"),
            "bad_request", "filter.all[0].lt", NULL);
    REFUSED(ask(p, "recommend", "", "{'filter': {'field': 'price', 'like': 5}}"), "bad_request",
            "filter.like", "known: eq");
}

Test(recommend, strangers_answer_is_everybodys)
{
    put_all("abcdef");
    see("anna", "{'type': 'purchase', 'item': 'b'}");
    see("anna", "{'type': 'dismiss', 'item': 'c'}");
    get_until(p, "", "{'n': 1}", "b");
    int64_t now = wall_ms();
    struct nbx_value *stranger =
        get(p, "recommend", "", "{'now': %lld, 'record': 'none'}", (long long)now);
    struct nbx_value *anna =
        get(p, "recommend", "anna", "{'now': %lld, 'personal': false, 'record': 'none'}",
            (long long)now);
    cr_assert(nbx_value_eq(at(stranger, "items"), at(anna, "items")));
    cr_assert_eq(count_at(anna, "items"), 6);
    must_be(anna, "customer.known", "false");
}

Test(recommend, same_request_same_bytes)
{
    put_all("abcdef");
    see("anna", "{'type': 'purchase', 'item': 'b'}");
    get_until(p, "", "{'n': 1}", "b");
    const char *body = "{'now': 1700000000000, 'record': 'none', 'explain': true}";
    struct answer first = ask(p, "recommend", "anna", "%s", body);
    for (int i = 0; i < 5; i++) {
        struct answer again = ask(p, "recommend", "anna", "%s", body);
        cr_assert(nbx_str_eq(first.raw, again.raw));
    }
}

Test(recommend, explaining_changes_nothing_and_factors_make_the_score)
{
    put_all("abc");
    see("anna", "{'type': 'purchase', 'item': 'b'}");
    get_until(p, "", "{'n': 1}", "b");
    struct nbx_value *plain = get(p, "recommend", "anna", "{'now': 1700000000000}");
    struct nbx_value *told = get(p, "recommend", "anna", "{'now': 1700000000000, 'explain': true}");
    cr_assert_null(at(plain, "items[0].explain"));
    cr_assert_eq(count_at(plain, "items"), count_at(told, "items"));
    for (uint32_t i = 0; i < count_at(told, "items"); i++) {
        const struct nbx_value *a = &at(plain, "items")->list[i], *b = &at(told, "items")->list[i];
        cr_assert(nbx_str_eq(text_at(a, "id"), text_at(b, "id")));
        cr_assert(number_at(a, "score") == number_at(b, "score"));
        double product = number_at(b, "explain.factors.p") * number_at(b, "explain.factors.c") *
                         number_at(b, "explain.factors.v") * number_at(b, "explain.factors.l");
        cr_assert(product == number_at(b, "score"));
        cr_assert_eq(count_at(b, "explain.factors"), 4);
    }
}

Test(recommend, events_inside_are_applied_first)
{
    put_all("ab");
    struct nbx_value *r = get(p, "recommend", "anna",
                              "{'n': 50, 'observe': [{'type': 'dismiss', 'item': 'a', 'id': 'e1'},"
                              " {'type': 'nonsense'}, {'type': 'view', 'n': 3}]}");
    MUST_LIST(r, "items", "id", "b");
    must_be(r, "customer.known", "true");
    must_be(r, "observed.applied", "1");
    must_be(r, "observed.duplicates", "0");
    must_be(r, "observed.ids", "['e1', '', '']");
    must_be(r, "observed.errors[0].index", "1");
    must_be(r, "observed.errors[0].field", "'observe[1].type'");
    must_be(r, "observed.errors[1].field", "'observe[2].n'");
    r = get(p, "recommend", "anna",
            "{'ack': 'durable', 'observe': [{'type': 'view', 'item': 'a', 'id': 'e1'}]}");
    must_be(r, "observed.duplicates", "1");
    must_be(r, "observed.applied", "0");
    MUST_LIST(r, "items", "id", "b");
    REFUSED(
        ask(p, "recommend", "anna", "{'observe': [{'type': 'view', 'customer': 'bert'}], 'n': 0}"),
        "bad_request", "n", NULL);
    r = get(p, "recommend", "anna", "{'observe': [{'type': 'view', 'customer': 'bert'}]}");
    must_be(r, "observed.errors[0].field", "'observe[0].customer'");
}

Test(recommend, anonymous_events_inside_count_once)
{
    put_all("ab");
    for (int i = 0; i < 4; i++) {
        struct nbx_value *r = get(p, "recommend", "",
                                  "{'observe': [{'type': 'purchase', 'item': 'b', 'id': 'x1'},"
                                  " {'type': 'view', 'item': 'a', 'id': 'x2'}]}");
        must_be(r, "observed.applied", i ? "0" : "2");
        must_be(r, "observed.duplicates", i ? "2" : "0");
        must_be(r, "customer.known", "false");
    }
    struct nbx_value *r =
        get(p, "observe", "", "{'events': [{'type': 'purchase', 'item': 'b', 'id': 'x1'}]}");
    must_be(r, "duplicates", "1");
    get_until(p, "", "{}", "b a");
}

Test(recommend, refused_request_has_observed_nothing)
{
    static const char *const wrong[] = {"'filter': {'field': 'nonsense', 'eq': 1}",
                                        "'channel': 'fax'",
                                        "'fields': ['nonsense']",
                                        "'vector': [1, 2]",
                                        "'vector': [1, 2], 'space': 'nonsense'",
                                        "'n': 0",
                                        "'nonsense': 1",
                                        "'filter': {'field': 'price', 'like': 1}"};
    put_all("ab");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct answer a = ask(p, "recommend", "anna",
                              "{'observe': [{'type': 'view', 'item': 'a'}], %s}", wrong[i]);
        REFUSED(a, "bad_request", NULL, NULL);
        must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
    }
}

Test(recommend, echoes_the_id)
{
    must_be(get(p, "recommend", "", "{'id': 12345678901}"), "id", "12345678901");
    must_be(get(p, "recommend", "", "{'id': 'abc'}"), "id", "'abc'");
    struct answer a = ask(p, "recommend", "", "{'id': 'abc', 'n': 0}");
    REFUSED(a, "bad_request", "n", NULL);
    must_be(a.body, "id", "'abc'");
}

Test(recommend, many_customers_do_not_mix)
{
    put_all("ab");
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "c%d", i);
        if (i % 2)
            see(name, "{'type': 'dismiss', 'item': 'a'}");
    }
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "c%d", i);
        cr_assert_eq(strlen(list(name, "")), i % 2 ? 1 : 3, "%s", name);
    }
}
