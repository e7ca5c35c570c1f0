/* SPDX-License-Identifier: MIT
 * Customers without history: a list by their attributes, from customer.put to the first event.
 */
#include "tests/daemon/harness_blend.h"
#include "tests/daemon/harness_taste.h"

#define SEED    20241011
#define N_ITEMS 60
#define DIMS    6
#define BODY    "'n': 10, 'record': 'none', 'explain': true"

static struct server s;
static struct peer *p;
static struct model m;

TestSuite(cold_customers, .timeout = 120);

static const struct nbx_str names[] = {{"taste=first", 11}, {"taste=second", 12}};

/* Who has the first taste wants what i000 is, the second what i001 is. */
static void begin_with(bool blend)
{
    static float vectors[2 * DIMS];
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    p = &s.peer;
    model_make(&m, N_ITEMS, DIMS, SEED);
    for (size_t d = 0; d < 2 * DIMS; d++)
        vectors[d] = m.factors[d];
    if (blend) {
        m.info.family = NBX_STR("blend");
        m.info.spaces[0].weight = 3;
    }
    m.info.customer_features = (struct nbx_features){.names = names, .n = 2, .vectors = vectors};
    model_put_items(&m, p);
    server_bundle(&s, "taste", &m.info);
    server_reload(&s);
}

static void begin(void)
{
    begin_with(false);
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

static struct nbx_value *list_of(const char *customer, const char *more)
{
    return get(p, "recommend", customer, "{%s%s}", BODY, more);
}

/* The items as by a request with that item's vector. */
static void must_be_as_of(const char *customer, size_t item)
{
    struct nbx_buf vector = {0};
    char want[512];
    for (size_t d = 0; d < DIMS; d++)
        nbx_buf_printf(&vector, "%s%.9g", d ? ", " : "", (double)m.factors[item * DIMS + d]);
    nbx_buf_printf(&vector, "%c", 0);
    snprintf(want, sizeof want, "%s",
             joined(get(p, "recommend", "", "{%s, 'vector': [%s]}", BODY, (char *)vector.p),
                    "items", "id"));
    nbx_buf_fini(&vector);
    struct nbx_value *r = list_of(customer, "");
    cr_assert(nbx_str_is(text_at(r, "items[0].source"), "personal"));
    cr_assert(nbx_str_is(text_at(r, "items[0].explain.reason.code"), "because_of_attributes"));
    cr_assert_str_eq(joined(r, "items", "id"), want);
}

Test(cold_customers, have_a_list_by_their_attributes)
{
    begin();
    get(p, "customer.put", "anna", "{'attributes': {'taste': 'first'}}");
    must_be_as_of("anna", 0);
    get(p, "customer.put", "anna", "{'attributes': {'taste': ['other', 'second']}}");
    must_be_as_of("anna", 1);
    server_end(&s);
    server_begin(&s);
    p = &s.peer;
    must_be_as_of("anna", 1);
    struct nbx_value *r = list_of("anna", ", 'personal': false");
    cr_assert(!nbx_str_is(text_at(r, "items[0].source"), "personal"));
    get(p, "customer.put", "anna", "{'attributes': {'taste': null}}");
    r = list_of("anna", "");
    cr_assert(!nbx_str_is(text_at(r, "items[0].source"), "personal"));
    end();
}

Test(cold_customers, decisions_are_the_same_when_made_again)
{
    char id[33], out[1024];
    begin();
    get(p, "customer.put", "anna", "{'attributes': {'taste': 'first'}}");
    struct nbx_value *r = get(p, "recommend", "anna", "{'n': 9}");
    snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(text_at(r, "decision")));
    must_be(get(p, "decision.get", id, "{}"), "vector", "'described'");
    get(p, "customer.put", "anna", "{'attributes': {'taste': 'second'}}");
    cr_assert_eq(server_replay(&s, id, out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, "9 found and scored"), "%s", out);
    end();
}

Test(cold_customers, are_asked_for_by_their_history_once_there_is_one)
{
    begin();
    get(p, "customer.put", "anna", "{'attributes': {'taste': 'first'}}");
    must_be_as_of("anna", 0);
    static const char event[] = "{'events': [{'type': 'cart', 'item': 'i007'}]}";
    get(p, "observe", "anna", event);
    get(p, "observe", "bert", event);
    char with[512];
    struct nbx_value *r = list_of("anna", "");
    cr_assert(nbx_str_is(text_at(r, "items[0].explain.reason.code"), "because_of_items"));
    snprintf(with, sizeof with, "%s", joined(r, "items", "id"));
    cr_assert_str_eq(with, joined(list_of("bert", ""), "items", "id"));
    end();
}

/* What is learnt for a blend is learnt for its scores: neither weight nor deviation comes to it. */
Test(cold_customers, of_a_blend_are_asked_for_as_it_says)
{
    begin_with(true);
    get(p, "customer.put", "anna", "{'attributes': {'taste': 'second'}}");
    must_be_as_of("anna", 1);
    struct nbx_value *r =
        get(p, "recommend", "", "{'n': 1, 'record': 'none', 'customers': ['anna', 'bert']}");
    cr_assert(nbx_str_is(text_at(r, "results[0].items[0].source"), "personal"));
    end();
}
