/* SPDX-License-Identifier: MIT
 * Personal answers against a brute force in double precision over the bundle's own factors.
 */
#include "engine/base/random.h"
#include "tests/daemon/harness_taste.h"

#include <math.h>
#include <time.h>

#define N_ITEMS 200
#define DIMS    16
#define SEED    20240611
#define HOUR_MS INT64_C(3600000)

static struct server s;
static struct peer *p;
static struct model m;

/* The types of the default settings that are positive, and their weights. */
static const struct {
    const char *name;
    double weight;
} types[] = {{"view", 0.3}, {"click", 0.4}, {"cart", 0.7}, {"purchase", 1}};

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
    model_make(&m, N_ITEMS, DIMS, SEED);
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

TestSuite(personal, .init = begin, .fini = end, .timeout = 120);

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void serve_model(void)
{
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    server_reload(&s);
    must_be(get(p, "hello", "", "{}"), "model", "{'name': 'taste', 'version': '1'}");
}

static void observe(const char *customer, const char *type, size_t row)
{
    struct nbx_value *r =
        get(p, "observe", customer, "{'ack': 'memory', 'events': [{'type': '%s', 'item': '%s'}]}",
            type, m.ids[row].p);
    cr_assert_eq(int_at(r, "applied"), 1);
}

/* A random deed, told to the daemon too; the same item may be acted on twice. */
static void act(struct deeds *d, const char *customer, struct nbx_random *r)
{
    size_t row = nbx_random_below(r, N_ITEMS), type = nbx_random_below(r, 4), i;
    observe(customer, types[type].name, row);
    for (i = 0; i < d->n && d->row[i] != row; i++)
        continue;
    if (i == d->n)
        d->row[d->n++] = row;
    else
        return; /* another deed on the item: its type may have been counted already */
    d->weight[i] = types[type].weight;
}

static void must_answer(const char *customer, const struct deeds *d, const char *rest)
{
    double x[DIMS];
    taste_fold(x, &m, d);
    struct nbx_value *reply = get(p, "recommend", customer, "{'n': 50%s}", rest);
    cr_assert_eq(count_at(reply, "items"), 50);
    must_be(reply, "model", "{'name': 'taste', 'version': '1'}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
}

Test(personal, equals_the_brute_force_after_every_event)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    cr_log_info("seed %d", SEED);
    serve_model();
    for (int c = 0; c < 8; c++) {
        struct deeds d = {0};
        char name[16];
        snprintf(name, sizeof name, "c%d", c);
        for (int e = 0; e < 24; e++) { /* below and above the number of dimensions */
            size_t before = d.n;
            act(&d, name, &r);
            if (d.n == before)
                break; /* an item twice: the next customer */
            must_answer(name, &d, "");
        }
    }
}

Test(personal, types_of_one_item_add_up_and_repeats_do_not)
{
    serve_model();
    struct deeds d = {.n = 2, .row = {3, 9}, .weight = {0.3 + 1, 0.4}};
    observe("anna", "view", 3);
    observe("anna", "view", 3);
    observe("anna", "purchase", 3);
    observe("anna", "click", 9);
    observe("anna", "impression", 11);
    must_answer("anna", &d, "");
}

Test(personal, what_is_disliked_leaves_list_and_taste)
{
    serve_model();
    struct deeds d = {.n = 1, .row = {3}, .weight = {1}};
    double x[DIMS];
    size_t without[] = {9};
    observe("anna", "purchase", 3);
    observe("anna", "purchase", 9);
    observe("anna", "return", 9);
    taste_fold(x, &m, &d);
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 200}");
    cr_assert_eq(count_at(reply, "items"), N_ITEMS - 1);
    must_rank(reply, &m,
              &(struct expected){.x = x, .without = without, .n_without = 1, .source = "personal"});
}

Test(personal, filters_and_exclusions_leave_the_best_of_the_rest)
{
    serve_model();
    struct deeds d = {.n = 3, .row = {3, 9, 100}, .weight = {1, 0.3, 0.7}};
    double x[DIMS];
    size_t without[] = {3, 9, 100, 17, 18};
    observe("anna", "purchase", 3);
    observe("anna", "view", 9);
    observe("anna", "cart", 100);
    taste_fold(x, &m, &d);
    struct nbx_value *reply = get(p, "recommend", "anna",
                                  "{'n': 1000, 'exclude_seen': true, 'exclude': ['i017'],"
                                  " 'filter': {'not': {'field': 'id', 'eq': 'i018'}}}");
    cr_assert_eq(count_at(reply, "items"), N_ITEMS - 5);
    must_rank(reply, &m,
              &(struct expected){.x = x, .without = without, .n_without = 5, .source = "personal"});
}

Test(personal, equal_scores_go_by_id)
{
    for (size_t i = 1; i < N_ITEMS; i++)
        memcpy(m.factors + i * DIMS, m.factors, DIMS * sizeof *m.factors);
    server_bundle(&s, "taste", &m.info);
    server_end(&s); /* a reload would not accept it */
    server_begin(&s);
    model_put_items(&m, p);
    observe("anna", "purchase", 3);
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 200}");
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char path[32];
        snprintf(path, sizeof path, "items[%u].id", i);
        cr_assert(nbx_str_eq(text_at(reply, path), m.ids[i]), "place %u", i);
    }
}

Test(personal, weights_fade_by_the_hour)
{
    server_end(&s);
    s.options.settings = "events: [{type: purchase, class: positive, weight: 2, half_life: 6h},"
                         " {type: view, class: positive, weight: 1}]\n";
    server_begin(&s);
    serve_model();
    int64_t now = wall_ms() / HOUR_MS * HOUR_MS;
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'i003', 'time': %lld},"
        " {'type': 'view', 'item': 'i009', 'time': %lld}]}",
        (long long)(now - 12 * HOUR_MS), (long long)(now - 12 * HOUR_MS));
    struct deeds d = {.n = 2, .row = {3, 9}, .weight = {0.5, 1}};
    char rest[64];
    for (int later = 0; later < 3; later++) { /* twice within the hour: cached or not */
        snprintf(rest, sizeof rest, ", 'now': %lld", (long long)now + later * 1000LL);
        must_answer("anna", &d, rest);
    }
    d.weight[0] = 0.25;
    snprintf(rest, sizeof rest, ", 'now': %lld", (long long)now + 6LL * HOUR_MS);
    must_answer("anna", &d, rest);
    d.weight[0] = 0.5;
    snprintf(rest, sizeof rest, ", 'now': %lld", (long long)now);
    must_answer("anna", &d, rest);
}

Test(personal, late_events_give_what_order_would_have_given)
{
    serve_model();
    int64_t t = wall_ms() - 100 * HOUR_MS;
    static const int order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};
    static const char *const events[] = {
        "'type': 'purchase', 'item': 'i001'", "'type': 'dismiss', 'item': 'i002'",
        "'type': 'view', 'item': 'i002'", "'type': 'dismiss', 'item': 'i003'"};
    struct nbx_str first = {0};
    for (int o = 0; o < 3; o++) {
        char name[8];
        snprintf(name, sizeof name, "o%d", o);
        for (int e = 0; e < 4; e++)
            get(p, "observe", name,
                "{'ack': 'memory', 'events': [{%s, 'time': %lld, 'id': 'e%d'}]}",
                events[order[o][e]], (long long)t + order[o][e], order[o][e]);
        struct answer a =
            ask(p, "recommend", name, "{'n': 200, 'record': 'none', 'now': %lld, 'explain': true}",
                (long long)t + HOUR_MS);
        first = o ? first : a.raw;
        cr_assert(nbx_str_eq(first, a.raw), "order %d gives another answer", o);
        cr_assert_eq(count_at(a.body, "items"), N_ITEMS - 1);
    }
}

Test(personal, explains_by_shares_of_the_score)
{
    serve_model();
    struct deeds d = {.n = 5, .row = {3, 9, 20, 30, 40}, .weight = {1, 0.3, 0.7, 0.4, 1}};
    static const char *const deed_types[] = {"purchase", "view", "cart", "click", "purchase"};
    double shares[5];
    for (size_t i = 0; i < d.n; i++)
        observe("anna", deed_types[i], d.row[i]);
    struct answer plain = ask(p, "recommend", "anna", "{'n': 10, 'record': 'none'}");
    for (int again = 0; again < 2; again++) { /* then from the cached vector */
        struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 10, 'explain': true}");
        MUST_LIST(reply, "items", "id", joined(plain.body, "items", "id"));
        for (uint32_t i = 0; i < 10; i++) {
            const struct nbx_value *item = &at(reply, "items")->list[i];
            size_t row = strtoul(text_at(item, "id").p + 1, NULL, 10);
            double score = number_at(item, "score"), last = INFINITY;
            cr_assert(number_at(item, "explain.factors.p") == score);
            cr_assert(score == number_at(&at(plain.body, "items")->list[i], "score"));
            taste_shares(shares, &m, &d, m.factors + row * DIMS);
            const struct nbx_value *because = at(item, "explain.because");
            cr_assert(because->n >= 1 && because->n <= 3);
            for (uint32_t b = 0; b < because->n; b++) {
                size_t from = strtoul(text_at(&because->list[b], "item").p + 1, NULL, 10), k = 0;
                double share = number_at(&because->list[b], "share");
                while (k < d.n && d.row[k] != from)
                    k++;
                cr_assert(k < d.n && share > 0 && share <= 1 && share <= last);
                cr_assert_float_eq(share, fmin(shares[k] / score, 1), 1e-3);
                last = share;
            }
            MUST_LIST(item, "explain.reason.args.items", "",
                      joined(item, "explain.because", "item"));
            must_be(item, "explain.reason.code", "'because_of_items'");
        }
    }
}

Test(personal, ranks_by_a_vector_sent_instead)
{
    serve_model();
    double x[DIMS] = {0};
    x[2] = 0.5, x[7] = -1;
    const char *vector = "[0,0,0.5,0,0,0,0,-1,0,0,0,0,0,0,0,0]";
    observe("anna", "purchase", 3);
    for (int space = 0; space < 2; space++) {
        struct nbx_value *reply =
            get(p, "recommend", "anna", "{'n': 50, 'explain': true, 'vector': %s%s}", vector,
                space ? ", 'space': 'main'" : "");
        must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
        must_be(reply, "items[0].explain.reason", "{'code': 'query_vector', 'args': {}}");
        must_be(reply, "items[0].explain.because", "[]");
    }
    struct nbx_value *nobody = get(p, "recommend", "", "{'n': 50, 'vector': %s}", vector);
    must_rank(nobody, &m, &(struct expected){.x = x, .source = "personal"});
    REFUSED(ask(p, "recommend", "", "{'vector': [1, 2]}"), "bad_request", "vector", "16");
    REFUSED(ask(p, "recommend", "", "{'vector': %s, 'space': 'other'}", vector), "bad_request",
            "space", "main");
    REFUSED(ask(p, "recommend", "", "{'space': 'main'}"), "bad_request", "space", "vector");
}

Test(personal, unpersonal_answer_is_the_strangers)
{
    serve_model();
    observe("anna", "purchase", 3);
    struct nbx_value *stranger =
        get(p, "recommend", "nobody knows me", "{'now': 1700000000000, 'record': 'none'}");
    struct nbx_value *anna =
        get(p, "recommend", "anna", "{'now': 1700000000000, 'record': 'none', 'personal': false}");
    MUST_LIST(anna, "items", "id", joined(stranger, "items", "id"));
    cr_assert_str_neq(joined(get(p, "recommend", "anna", "{}"), "items", "id"),
                      joined(anna, "items", "id"));
    cr_assert(!nbx_str_is(text_at(anna, "items[0].source"), "personal"));
}

Test(personal, items_vectors_of_their_own_count_at_once)
{
    serve_model();
    observe("anna", "purchase", 3);
    get(p, "recommend", "anna", "{}"); /* a vector is cached now */
    struct deeds d = {.n = 1, .row = {3}, .weight = {1}};
    double x[DIMS];
    taste_fold(x, &m, &d);
    /* i050 takes a hundred times the customer's vector: nothing can be nearer */
    struct nbx_buf list = {0};
    for (size_t j = 0; j < DIMS; j++) {
        nbx_buf_printf(&list, "%s%.9g", j ? "," : "", 100 * x[j]);
        m.factors[50 * DIMS + j] = (float)(100 * x[j]);
    }
    nbx_buf_put_u8(&list, '\0');
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'vector': [%s]}]}", (char *)list.p);
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 50}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
    must_be(reply, "items[0].id", "'i050'");
    get(p, "item.put", "", "{'items': [{'id': 'fresh', 'vector': [%s]}]}", (char *)list.p);
    reply = get(p, "recommend", "anna", "{'n': 2}");
    MUST_LIST(reply, "items", "id", "fresh i050");
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'vector': null}]}");
    reply = get(p, "recommend", "anna", "{'n': 2}");
    cr_assert(nbx_str_is(text_at(reply, "items[0].id"), "fresh"));
    cr_assert(!nbx_str_is(text_at(reply, "items[1].id"), "i050"));
    get(p, "item.delete", "", "{'ids': ['fresh']}");
    reply = get(p, "recommend", "anna", "{'n': 2}");
    cr_assert(!nbx_str_is(text_at(reply, "items[0].id"), "fresh"));
    nbx_buf_fini(&list);
}

Test(personal, given_vectors_rank_as_they_are)
{
    m.info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    serve_model();
    double x[DIMS] = {0};
    x[0] = 1, x[15] = -2;
    struct nbx_value *reply = get(p, "recommend", "anna", "{}");
    cr_assert(!nbx_str_is(text_at(reply, "items[0].source"), "personal"));
    get(p, "customer.put", "anna", "{'vector': [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-2]}");
    reply = get(p, "recommend", "anna", "{'n': 50, 'explain': true}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
    must_be(reply, "items[0].explain.reason", "{'code': 'customer_vector', 'args': {}}");
    observe("anna", "purchase", 3); /* changes nothing of a given vector */
    reply = get(p, "recommend", "anna", "{'n': 50}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
    get(p, "customer.put", "anna",
        "{'vector': [0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0], 'space': 'main'}");
    memset(x, 0, sizeof x);
    x[3] = 1;
    reply = get(p, "recommend", "anna", "{'n': 50}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
    must_be(get(p, "customer.get", "anna", "{}"), "vector",
            "[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0]");
}

Test(personal, cosine_spaces_compare_angles)
{
    m.info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    m.info.spaces[0].metric = NBX_METRIC_COSINE;
    serve_model();
    for (size_t i = 0; i < N_ITEMS; i++) {
        double norm = 0;
        for (size_t j = 0; j < DIMS; j++)
            norm += (double)m.factors[i * DIMS + j] * (double)m.factors[i * DIMS + j];
        for (size_t j = 0; j < DIMS; j++)
            m.factors[i * DIMS + j] = (float)((double)m.factors[i * DIMS + j] / sqrt(norm));
    }
    double x[DIMS] = {0};
    x[1] = 0.6, x[2] = 0.8;
    get(p, "customer.put", "anna", "{'vector': [0,3,4,0,0,0,0,0,0,0,0,0,0,0,0,0]}");
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 50}");
    must_rank(reply, &m, &(struct expected){.x = x, .source = "personal"});
}

Test(personal, items_beyond_the_model_fill_up)
{
    serve_model();
    get(p, "item.put", "", "{'items': [{'id': 'new1'}, {'id': 'new2'}]}");
    observe("anna", "purchase", 3);
    struct nbx_value *reply = get(p, "recommend", "anna", "{'n': 1000}");
    cr_assert_eq(count_at(reply, "items"), N_ITEMS + 2);
    must_be(reply, "items[199].source", "'personal'");
    must_be(reply, "items[200].source", "'newest'");
    must_be(reply, "items[201].source", "'newest'");
}

Test(personal, vector_in_customer_get_is_the_folded_one)
{
    serve_model();
    struct deeds d = {.n = 2, .row = {3, 9}, .weight = {1, 0.3}};
    double x[DIMS];
    observe("anna", "purchase", 3);
    observe("anna", "view", 9);
    taste_fold(x, &m, &d);
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(count_at(anna, "vector"), DIMS);
    for (uint32_t j = 0; j < DIMS; j++)
        cr_assert_float_eq(at(anna, "vector")->list[j].f, x[j], 1e-4);
}
