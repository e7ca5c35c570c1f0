/* SPDX-License-Identifier: MIT
 * rank: a list the caller brings; everything else as recommend.
 */
#include "tests/daemon/harness_taste.h"

#define SEED 20240615

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

TestSuite(rank, .init = begin, .fini = end, .timeout = 120);

Test(rank, unknown_ids_come_back_in_the_order_sent)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    get(p, "observe", "", "{'events': [{'type': 'view', 'item': 'heard of'}]}");
    struct nbx_value *r = get(p, "rank", "anna", "{'items': ['zz', 'b', 'heard of', 'a', 'aa']}");
    must_be(r, "unknown", "['zz', 'heard of', 'aa']");
    cr_assert_eq(count_at(r, "items"), 2);
    must_be(r, "customer", "{'known': false}");
    cr_assert_eq(text_at(r, "decision").len, 32);
    r = get(p, "rank", "", "{'items': ['nobody', 'knows', 'these']}");
    cr_assert_eq(count_at(r, "items"), 0);
    must_be(r, "unknown", "['nobody', 'knows', 'these']");
}

Test(rank, each_eligible_item_once_up_to_n)
{
    get(p, "item.put", "",
        "{'items': [{'id': 'a'}, {'id': 'b', 'available': false}, {'id': 'c', 'price': 5},"
        " {'id': 'd', 'group': 'g'}, {'id': 'e', 'group': 'g'}]}");
    const char *all = "'items': ['e', 'd', 'c', 'b', 'a', 'a', 'c']";
    MUST_LIST(get(p, "rank", "", "{%s}", all), "items", "id", "a c d e");
    MUST_LIST(get(p, "rank", "", "{%s, 'n': 2}", all), "items", "id", "a c");
    MUST_LIST(get(p, "rank", "", "{%s, 'exclude': ['a']}", all), "items", "id", "c d e");
    MUST_LIST(get(p, "rank", "", "{%s, 'distinct': 'group'}", all), "items", "id", "a c d");
    MUST_LIST(get(p, "rank", "", "{%s, 'filter': {'field': 'price', 'exists': true}}", all),
              "items", "id", "c");
    struct nbx_value *r =
        get(p, "rank", "anna", "{%s, 'observe': [{'type': 'dismiss', 'item': 'a'}]}", all);
    MUST_LIST(r, "items", "id", "c d e");
    must_be(r, "observed.applied", "1");
}

Test(rank, finds_an_item_as_soon_as_it_is_acknowledged)
{
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%d", i);
        get(p, "item.put", "", "{'items': [{'id': '%s'}]}", id);
        MUST_LIST(get(p, "rank", "", "{'items': ['%s']}", id), "items", "id", id);
    }
}

Test(rank, fallbacks_order_what_no_vector_does)
{
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}, {'id': 'c'}, {'id': 'd'}]}");
    get(p, "observe", "",
        "{'events': [{'type': 'purchase', 'item': 'd'}, {'type': 'view', 'item': 'c'},"
        " {'type': 'purchase', 'item': 'b', 'channel': 'web'}]}");
    get_until(p, "", "{'channel': 'web'}", "b d c a");
    struct nbx_value *r =
        get(p, "rank", "", "{'items': ['a', 'c', 'd', 'b'], 'channel': 'web', 'explain': true}");
    MUST_LIST(r, "items", "id", "b d c a");
    MUST_LIST(r, "items", "source", "trend trend trend newest");
    must_be(r, "items[0].explain.reason.code", "'trending_in_channel'");
}

Test(rank, personal_order_is_the_brute_forces)
{
    struct model m;
    struct deeds d = {.n = 2, .row = {5, 8}, .weight = {1, 0.4}};
    double x[TASTE_MAX_DIMS], best = 0;
    model_make(&m, 100, 24, SEED);
    server_bundle(&s, "taste", &m.info);
    model_put_items(&m, p);
    get(p, "item.put", "", "{'items': [{'id': 'beyond'}]}");
    server_reload(&s);
    get(p, "observe", "anna",
        "{'events': [{'type': 'purchase', 'item': 'i005'}, {'type': 'click', 'item': 'i008'}]}");
    taste_fold(x, &m, &d);
    struct nbx_value *r = get(
        p, "rank", "anna",
        "{'items': ['beyond', 'i001', 'i050', 'i050', 'i099', 'i020', 'i005', 'i031', 'none']}");
    cr_assert_eq(count_at(r, "items"), 7);
    must_be(r, "items[6].id", "'beyond'");
    must_be(r, "items[6].source", "'newest'");
    for (uint32_t i = 0; i < 6; i++) {
        const struct nbx_value *item = &at(r, "items")->list[i];
        size_t row = strtoul(text_at(item, "id").p + 1, NULL, 10);
        double score = number_at(item, "score");
        cr_assert_float_eq(score, taste_score(x, &m, row), 1e-4);
        cr_assert(i == 0 || score <= best);
        must_be(item, "source", "'personal'");
        best = score;
    }
    r = get(p, "rank", "anna", "{'items': ['i001', 'i050'], 'n': 1, 'vector': [%s1]}",
            "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,");
    cr_assert_eq(count_at(r, "items"), 1);
    model_free(&m);
}

Test(rank, takes_a_thousand)
{
    struct model m;
    struct nbx_buf ids = {0};
    model_make(&m, 1000, 1, SEED);
    model_put_items(&m, p);
    for (int i = 999; i >= 0; i--)
        nbx_buf_printf(&ids, "'i%03d'%s", i, i ? "," : "");
    nbx_buf_put_u8(&ids, '\0');
    struct nbx_value *r = get(p, "rank", "", "{'n': 1000, 'items': [%s]}", (char *)ids.p);
    cr_assert_eq(count_at(r, "items"), 1000);
    cr_assert_eq(count_at(get(p, "rank", "", "{'items': [%s]}", (char *)ids.p), "items"), 20);
    nbx_buf_fini(&ids);
    model_free(&m);
}
