/* SPDX-License-Identifier: MIT
 * recommend with `customers`: each answered as alone, in the order asked, for any number of
 * workers; what is refused, what is recorded, what is too much.
 */
#include "proto/wire.h"
#include "tests/daemon/harness_taste.h"

#define SEED      20261125
#define ITEMS     300
#define DIMS      8
#define CUSTOMERS 60 /* c0, c1, ...; every seventh is a stranger */

static struct server s;
static struct peer *p;
static struct model m;

static void begin_with(const char *settings)
{
    server_start(&s, &(struct server_options){.settings = settings});
    p = &s.peer;
}

static void end(void)
{
    server_stop(&s);
    model_free(&m);
}

TestSuite(recommend_many, .fini = end, .timeout = 240);

/* A model, items in groups of three with prices, customers with a few events. */
static void open_shop(const char *settings)
{
    begin_with(settings);
    model_make(&m, ITEMS, DIMS, SEED);
    server_bundle(&s, "taste.safetensors", &m.info);
    server_reload(&s);
    struct nbx_buf b = {0};
    for (int i = 0; i < ITEMS; i++)
        nbx_buf_printf(&b, "%s{'id': 'i%03d', 'group': 'g%d', 'price': %d}", i ? "," : "", i, i / 3,
                       i * 10);
    nbx_buf_put_u8(&b, '\0');
    get(p, "item.put", "", "{'items': [%s]}", (char *)b.p);
    nbx_buf_clear(&b);
    for (int c = 0; c < CUSTOMERS; c++)
        for (int e = 0; e < c % 7; e++)
            nbx_buf_printf(&b, "%s{'customer': 'c%d', 'type': '%s', 'item': 'i%03d'}",
                           b.len ? "," : "", c, e == 3 ? "dismiss" : "purchase",
                           (c * 31 + e * 97) % ITEMS);
    nbx_buf_put_u8(&b, '\0');
    struct nbx_value *r = get(p, "observe", "", "{'events': [%s]}", (char *)b.p);
    cr_assert_eq(count_at(r, "errors"), 0);
    nbx_buf_fini(&b);
}

/* 'c3','c4', ... from `first` on, n of them. */
static const char *names(int first, int n)
{
    static char text[8192];
    size_t used = 0;
    for (int i = 0; i < n; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s'c%d'", i ? "," : "", first + i);
    return text;
}

static void must_be_same_bytes(const struct nbx_value *a, const struct nbx_value *b,
                               const char *what)
{
    struct nbx_buf x = {0}, y = {0};
    nbx_wire_value(&x, a);
    nbx_wire_value(&y, b);
    cr_assert(x.len == y.len && memcmp(x.p, y.p, x.len) == 0, "%s: not what alone gives", what);
    nbx_buf_fini(&x);
    nbx_buf_fini(&y);
}

/* Lists of `size` customers give what each gets alone; rest stands behind the other fields. */
static void check_lists(int size, const char *rest)
{
    for (int first = 0; first < CUSTOMERS; first += size) {
        int n = CUSTOMERS - first < size ? CUSTOMERS - first : size;
        struct nbx_value *many =
            get(p, "recommend", "", "{'customers': [%s], 'now': 1900000000000%s}", names(first, n),
                rest);
        cr_assert_eq(count_at(many, "results"), (uint32_t)n);
        cr_assert_eq(count_at(many, "errors"), 0);
        for (int i = 0; i < n; i++) {
            char key[8];
            const struct nbx_value *result = &at(many, "results")->list[i];
            snprintf(key, sizeof key, "c%d", first + i);
            struct nbx_value *one =
                get(p, "recommend", key, "{'record': 'none', 'now': 1900000000000%s}", rest);
            cr_assert(nbx_str_is(text_at(result, "customer"), key));
            cr_assert_eq(bool_at(result, "known"), bool_at(one, "customer.known"));
            must_be_same_bytes(at(result, "items"), at(one, "items"), key);
            must_be_same_bytes(at(many, "model"), at(one, "model"), key);
        }
    }
}

static void check_all(const char *settings)
{
    static const char *const rests[] = {
        "",
        ", 'n': 50, 'distinct': 'group'",
        ", 'n': 30, 'filter': {'field': 'price', 'lt': 500}, 'fields': ['price', 'group']",
        ", 'n': 1000, 'exclude_seen': true",
        ", 'n': 5, 'exclude': ['i001', 'i002'], 'channel': 'web'",
        ", 'n': 5, 'personal': false"};
    open_shop(settings);
    must_be(get(p, "recommend", "", "{'customers': ['c1']}"), "results[0].items[0].source",
            "'personal'");
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++)
        check_lists(i == 0 ? 7 : 60, rests[i]);
    check_lists(1, "");
}

Test(recommend_many, one_worker_answers_each_as_alone)
{
    check_all("workers: 1\nqueue_time: 30s\n");
}

Test(recommend_many, five_workers_answer_each_as_alone)
{
    check_all("workers: 5\nqueue_time: 30s\n");
}

Test(recommend_many, results_stand_in_the_order_asked_without_the_refused)
{
    open_shop("workers: 3\n");
    struct nbx_value *r = get(p, "recommend", "",
                              "{'customers': ['c9', 5, 'nobody', 'c3', '', 'c9'], 'n': 2,"
                              " 'id': 'mine'}");
    MUST_LIST(r, "results", "customer", "c9 nobody c3 c9");
    must_be(r, "results[0].known", "true");
    must_be(r, "results[1].known", "false");
    cr_assert_eq(count_at(r, "results[1].items"), 2, "a stranger gets the fallbacks");
    must_be_same_bytes(at(r, "results[0]"), at(r, "results[3]"), "the same customer");
    MUST_LIST(r, "errors", "field", "customers[1] customers[4]");
    must_be(r, "errors[0].index", "1");
    must_be(r, "id", "'mine'");
    r = get(p, "recommend", "", "{'customers': [5, '']}");
    cr_assert_eq(count_at(r, "results"), 0);
    cr_assert_eq(count_at(r, "errors"), 2);
    must_be(r, "model", "{'name': '', 'version': ''}");
}

Test(recommend_many, an_acknowledged_event_is_in_the_next_list)
{
    open_shop("workers: 3\n");
    for (int i = 0; i < 20; i++) {
        struct nbx_value *r = get(p, "recommend", "", "{'customers': ['c%d'], 'n': 1}", i);
        struct nbx_str best = text_at(r, "results[0].items[0].id");
        char key[8];
        snprintf(key, sizeof key, "c%d", i);
        get(p, "observe", key, "{'events': [{'type': 'dismiss', 'item': '%.*s'}]}",
            NBX_STR_ARG(best));
        r = get(p, "recommend", "", "{'customers': ['c%d'], 'n': 1000}", i);
        const struct nbx_value *items = at(r, "results[0].items");
        for (uint32_t k = 0; k < items->n; k++)
            cr_assert_not(nbx_str_eq(text_at(&items->list[k], "id"), best), "c%d: dismissed", i);
    }
}

Test(recommend_many, records_only_where_it_is_asked)
{
    open_shop("workers: 3\n");
    get(p, "recommend", "", "{'customers': ['c1', 'c2']}");
    struct nbx_value *stats = get(p, "stats", "", "{}");
    cr_assert_eq(nbx_value_get(stats, "decisions.recorded")->i, 0);
    cr_assert_eq(nbx_value_get(stats, "customers.listed")->i, 2);
    struct nbx_value *r =
        get(p, "recommend", "", "{'customers': ['c1', 'c2'], 'record': 'shown', 'n': 3}");
    stats = get(p, "stats", "", "{}");
    cr_assert_eq(nbx_value_get(stats, "decisions.recorded")->i, 2);
    cr_assert_eq(nbx_value_get(stats, "impressions")->i, 6);
    struct nbx_str id = text_at(r, "results[1].decision");
    struct nbx_value *d = get(p, "decision.get", id.p ? nbx_arena_str(p->arena, id).p : "", "{}");
    must_be(d, "customer", "'c2'");
    must_be(d, "operation", "'recommend'");
    cr_assert(nbx_str_eq(text_at(d, "items[0].id"), text_at(r, "results[1].items[0].id")));
}

Test(recommend_many, whole_requests_are_refused_by_name)
{
    open_shop("workers: 3\n");
    REFUSED(ask(p, "recommend", "c1", "{'customers': ['c1']}"), "bad_request", "customers",
            "empty key");
    REFUSED(ask(p, "recommend", "", "{'customers': ['c1'], 'channel': 'fax'}"), "bad_request",
            "channel", "web");
    REFUSED(ask(p, "recommend", "", "{'customers': ['c1'], 'fields': ['x']}"), "bad_request",
            "fields", "price");
    REFUSED(ask(p, "recommend", "",
                "{'customers': ['c1'], 'filter': {'all': [{'field': 'x', 'eq': 1}]}}"),
            "bad_request", "filter.all[0].field", NULL);
    REFUSED(ask(p, "recommend", "", "{'customers': ['c1'], 'explain': true}"), "bad_request",
            "explain", "customers");
    REFUSED(ask(p, "recommend", "", "{'customers': ['c1'], 'vector': [1]}"), "bad_request",
            "vector", "customers");
    REFUSED(ask(p, "recommend", "", "{'customers': ['c1'], 'observe': [{'type': 'view'}]}"),
            "bad_request", "observe", "customers");
    REFUSED(ask(p, "recommend", "", "{'customers': [], 'id': 7}"), "bad_request", "customers",
            "1 to 1000");
    REFUSED(ask(p, "rank", "", "{'customers': ['c1'], 'items': ['i001']}"), "bad_request",
            "customers", "unknown field");
    REFUSED(ask(p, "similar", "", "{'customers': ['c1'], 'item': 'i001'}"), "bad_request",
            "customers", "unknown field");
    must_be(get(p, "recommend", "", "{'customers': ['c1'], 'n': 1}"), "results[0].known", "true");
}

Test(recommend_many, a_reply_past_its_bound_is_refused_whatever_the_workers)
{
    char title[2001];
    memset(title, 'x', 2000);
    title[2000] = '\0';
    begin_with("workers: 3\nqueue_time: 30s\n");
    for (int i = 0; i < 100; i++)
        get(p, "item.put", "", "{'items': [{'id': 'i%d', 'title': '%s'}]}", i, title);
    REFUSED(ask(p, "recommend", "", "{'customers': [%s], 'n': 100, 'fields': ['title']}",
                names(0, 100)),
            "limit", "customers", "16 MiB");
    struct nbx_value *r =
        get(p, "recommend", "", "{'customers': [%s], 'n': 100, 'fields': ['title']}", names(0, 50));
    cr_assert_eq(count_at(r, "results"), 50);
}

/* More lists at once than may be under way: each is answered in full or told busy, at once. */
Test(recommend_many, lists_past_those_under_way_are_busy)
{
    enum { LISTS = 60 };
    open_shop("workers: 1\nqueue_time: 30s\n");
    struct nbx_reply reply;
    size_t ok = 0, busy = 0;
    struct nbx_str body = peer_body(p, "{'customers': [%s], 'n': 300}", names(0, 300));
    for (uint64_t i = 0; i < LISTS; i++) {
        struct nbx_request request = {.op = "recommend", .body = body, .tag = i};
        cr_assert_eq(nbx_client_send(p->client, &request), NBX_OK);
    }
    for (int i = 0; i < LISTS; i++) {
        struct nbx_arena *arena = nbx_arena_new((size_t)256 << 20);
        cr_assert_eq(nbx_client_recv(p->client, 120000, arena, &reply), NBX_OK, "reply %d", i);
        bool is_ok = nbx_str_is(reply.status, "ok");
        cr_assert(is_ok || nbx_str_is(reply.status, "busy"), "%.*s", NBX_STR_ARG(reply.status));
        if (is_ok)
            cr_assert_eq(count_at(&reply.body, "results"), 300);
        ok += is_ok;
        busy += !is_ok;
        nbx_arena_destroy(&arena);
    }
    cr_assert(ok >= 8 && busy > 0, "%zu ok, %zu busy", ok, busy);
    must_be(get(p, "recommend", "", "{'customers': ['c1'], 'n': 1}"), "results[0].customer",
            "'c1'");
}
