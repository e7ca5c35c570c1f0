/* SPDX-License-Identifier: MIT
 * similar: cosines between items, against the bundle's own factors.
 */
#include "tests/daemon/harness_taste.h"

#include <math.h>

#define SEED    20240616
#define N_ITEMS 120
#define DIMS    20

static struct server s;
static struct peer *p;
static struct model m;

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

TestSuite(similar, .init = begin, .fini = end, .timeout = 120);

static void serve_model(void)
{
    model_put_items(&m, p);
    server_bundle(&s, "taste", &m.info);
    server_reload(&s);
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < DIMS; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return ab / sqrt(aa * bb);
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The answer is the nearest by angle to q, all of them similar; row `self` is not among them. */
static void must_be_nearest(const struct nbx_value *r, const float *q, size_t self)
{
    double best[N_ITEMS];
    size_t n = 0;
    for (size_t i = 0; i < N_ITEMS; i++)
        if (i != self)
            best[n++] = cosine(q, m.factors + i * DIMS);
    qsort(best, n, sizeof *best, falling);
    for (uint32_t i = 0; i < count_at(r, "items"); i++) {
        const struct nbx_value *item = &at(r, "items")->list[i];
        size_t row = strtoul(text_at(item, "id").p + 1, NULL, 10);
        cr_assert_neq(row, self);
        cr_assert_float_eq(number_at(item, "score"), cosine(q, m.factors + row * DIMS), 1e-5);
        cr_assert_float_eq(number_at(item, "score"), best[i], 1e-5);
        must_be(item, "source", "'similar'");
    }
}

Test(similar, nearest_by_angle)
{
    serve_model();
    for (size_t row = 0; row < N_ITEMS; row += 7) {
        struct nbx_value *r = get(p, "similar", "", "{'item': '%s', 'n': 30}", m.ids[row].p);
        cr_assert_eq(count_at(r, "items"), 30);
        must_be_nearest(r, m.factors + row * DIMS, row);
        must_be(r, "model", "{'name': 'taste', 'version': '1'}");
        cr_assert_null(at(r, "decision"), "nothing is recorded");
    }
    cr_assert_eq(count_at(get(p, "similar", "", "{'item': 'i000'}"), "items"), 20);
    cr_assert_eq(count_at(get(p, "similar", "", "{'item': 'i000', 'n': 1000}"), "items"),
                 N_ITEMS - 1);
}

Test(similar, near_a_vector)
{
    float q[DIMS] = {[3] = 2, [19] = -1};
    serve_model();
    const char *vector = "[0,0,0,2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,-1]";
    struct nbx_value *r = get(p, "similar", "", "{'vector': %s, 'n': 30}", vector);
    must_be_nearest(r, q, N_ITEMS);
    r = get(p, "similar", "", "{'vector': %s, 'space': 'main', 'n': 30}", vector);
    must_be_nearest(r, q, N_ITEMS);
    REFUSED(ask(p, "similar", "", "{'vector': [1]}"), "bad_request", "vector", "20");
    REFUSED(ask(p, "similar", "", "{'vector': %s, 'space': 'other'}", vector), "bad_request",
            "space", "main");
    REFUSED(ask(p, "similar", "", "{'item': 'i000', 'space': 'main'}"), "bad_request", "space",
            NULL);
}

Test(similar, obeys_filters_fields_and_the_clock)
{
    serve_model();
    get(p, "item.patch", "",
        "{'items': [{'id': 'i001', 'price': 5}, {'id': 'i002', 'price': 6},"
        " {'id': 'i003', 'price': 7, 'valid_to': 1000}, {'id': 'i000', 'price': 1}]}");
    struct nbx_value *r = get(p, "similar", "",
                              "{'item': 'i000', 'now': 999, 'fields': ['price', 'title'],"
                              " 'filter': {'field': 'price', 'ge': 1}}");
    cr_assert_eq(count_at(r, "items"), 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert_eq(count_at(&at(r, "items")->list[i], "fields"), 1);
    r = get(p, "similar", "",
            "{'item': 'i000', 'now': 1000, 'filter': {'field': 'price', 'ge': 1}}");
    cr_assert_eq(count_at(r, "items"), 2);
    REFUSED(ask(p, "similar", "", "{'item': 'i000', 'fields': ['prize']}"), "bad_request", "fields",
            "price");
}

Test(similar, unknown_item_is_not_found)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'heard of'}]}");
    REFUSED(ask(p, "similar", "", "{'item': 'never heard of'}"), "not_found", "item", NULL);
    REFUSED(ask(p, "similar", "", "{'item': 'heard of'}"), "not_found", "item", NULL);
    get(p, "item.delete", "", "{'ids': ['b']}");
    REFUSED(ask(p, "similar", "", "{'item': 'b'}"), "not_found", "item", NULL);
}

Test(similar, item_without_a_vector_gets_the_fallbacks)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}, {'id': 'c'}]}");
    struct nbx_value *r = get(p, "similar", "", "{'item': 'b'}");
    MUST_LIST(r, "items", "id", "a c");
    MUST_LIST(r, "items", "source", "newest newest");
    REFUSED(ask(p, "similar", "", "{'vector': [1, 2]}"), "bad_request", "vector", "no model");
    serve_model();
    r = get(p, "similar", "", "{'item': 'b', 'n': 1000}");
    cr_assert_eq(count_at(r, "items"), N_ITEMS + 2);
}

Test(similar, items_own_vectors_count)
{
    serve_model();
    get(p, "item.put", "",
        "{'items': [{'id': 'p', 'vector': [1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},"
        " {'id': 'q', 'vector': [9,0.1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0], 'space': 'main'},"
        " {'id': 'short', 'vector': [1, 2, 3]}]}");
    struct nbx_value *r = get(p, "similar", "", "{'item': 'p', 'n': 1}");
    MUST_LIST(r, "items", "id", "q");
    cr_assert_float_eq(number_at(r, "items[0].score"), 9 / sqrt(81.01), 1e-5);
    r = get(p, "similar", "", "{'item': 'short', 'n': 1}");
    cr_assert(!nbx_str_is(text_at(r, "items[0].source"), "similar"));
}
