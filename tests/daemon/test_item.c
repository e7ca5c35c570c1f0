/* SPDX-License-Identifier: MIT
 * item.put, item.patch, item.get, item.delete.
 */
#include "tests/daemon/harness.h"

#define ALL                                                                                        \
    "{'id': 'a', 'group': 'g', 'kind': 'product', 'title': 'A', 'url': 'u', 'image': 'i',"         \
    " 'brand': 'b', 'categories': ['x', 'y'], 'price': 1999, 'sale_price': 999, 'margin': -5,"     \
    " 'currency': 'EUR', 'channels': ['web'], 'available': true, 'stock': {'north': 3},"           \
    " 'valid_from': 5, 'valid_to': 4000000000000,"                                                 \
    " 'attributes': {'colour': 'red', 'sizes': ['s'], 'kg': 1.5, 'n': 3, 'new': false}}"

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

TestSuite(item, .init = begin, .fini = end, .timeout = 120);

static void put(const char *items)
{
    struct nbx_value *r = get(p, "item.put", "", "{'items': [%s]}", items);
    cr_assert_eq(count_at(r, "errors"), 0, "%s", joined(r, "errors", "message"));
}

static void is(const char *id, const char *want)
{
    must_be(get(p, "item.get", "", "{'ids': ['%s']}", id), "items[0]", want);
}

Test(item, comes_back_as_it_was_put)
{
    struct nbx_value *r = get(p, "item.put", "", "{'id': 'q', 'items': [" ALL "]}");
    must_be(r, "applied", "1");
    must_be(r, "seq", "1");
    must_be(r, "errors", "[]");
    must_be(r, "id", "'q'");
    is("a", ALL);
    put("{'id': 'b'}");
    is("b", "{'id': 'b'}");
    r = get(p, "item.get", "", "{'ids': ['b', 'none', 'a', 'b', 'nor this']}");
    MUST_LIST(r, "items", "id", "b a b");
    must_be(r, "unknown", "['none', 'nor this']");
    server_end(&s);
    server_begin(&s);
    is("a", ALL);
}

Test(item, put_replaces_whole)
{
    put(ALL);
    put("{'id': 'a', 'title': 'B'}");
    is("a", "{'id': 'a', 'title': 'B'}");
}

Test(item, patch_changes_only_what_it_names)
{
    put(ALL);
    struct nbx_value *r = get(
        p, "item.patch", "",
        "{'items': [{'id': 'a', 'price': 5, 'title': null, 'categories': ['z'],"
        " 'stock': {'south': 1, 'north': null},"
        " 'attributes': {'colour': null, 'n': 4, 'extra': true}}, {'id': 'none', 'price': 1}]}");
    must_be(r, "applied", "1");
    MUST_LIST(r, "errors", "field", "items[1].id");
    must_be(r, "errors[0].index", "1");
    is("a", "{'id': 'a', 'group': 'g', 'kind': 'product', 'url': 'u', 'image': 'i', 'brand': 'b',"
            " 'categories': ['z'], 'price': 5, 'sale_price': 999, 'margin': -5, 'currency': 'EUR',"
            " 'channels': ['web'], 'available': true, 'stock': {'south': 1}, 'valid_from': 5,"
            " 'valid_to': 4000000000000,"
            " 'attributes': {'sizes': ['s'], 'kg': 1.5, 'n': 4, 'new': false, 'extra': true}}");
    must_be(get(p, "item.get", "", "{'ids': ['none']}"), "unknown", "['none']");
}

Test(item, bad_entries_do_not_refuse_the_good_ones)
{
    struct nbx_value *r =
        get(p, "item.put", "",
            "{'items': [{'id': 'a'}, {'id': 'b', 'price': -1}, {'title': 'no id'}, {'id': 'c',"
            " 'currency': 'USD'}, {'id': 'd', 'channels': ['fax']}, {'id': 'e', 'valid_from': 9,"
            " 'valid_to': 8}, {'id': 'f', 'colour': 'red'}, {'id': 'g', 'space': 'x'}, {'id': 'h'},"
            " {'id': 'i', 'kind': 'no kind'}]}");
    must_be(r, "applied", "2");
    MUST_LIST(r, "errors", "field",
              "items[1].price items[2].id items[3].currency items[4].channels[0] items[5].valid_to "
              "items[6].colour items[7].space items[9].kind");
    r = get(p, "item.get", "", "{'ids': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']}");
    MUST_LIST(r, "items", "id", "a h");
}

Test(item, later_entries_see_earlier_ones)
{
    put("{'id': 'a', 'title': 'first'}, {'id': 'a', 'title': 'second', 'price': 5}");
    is("a", "{'id': 'a', 'title': 'second', 'price': 5}");
    struct nbx_value *r = get(p, "item.patch", "",
                              "{'items': [{'id': 'a', 'price': 6}, {'id': 'a', 'title': null}]}");
    must_be(r, "applied", "2");
    must_be(get(p, "item.get", "", "{'ids': ['a']}"), "items[0].price", "6");
    cr_assert_null(at(get(p, "item.get", "", "{'ids': ['a']}"), "items[0].title"));
    r = get(p, "item.put", "",
            "{'items': [{'id': 'b', 'attributes': {'w': 1}}, {'id': 'c', 'attributes':"
            " {'w': 'x'}}]}");
    must_be(r, "applied", "1");
    MUST_LIST(r, "errors", "field", "items[1].attributes.w");
}

Test(item, attribute_keeps_the_type_of_its_first_write)
{
    put("{'id': 'a', 'attributes': {'w': 1, 'c': 'x', 'l': ['x'], 'f': 1.5, 'b': true}}");
    static const char *const wrong[] = {"'w': 'x'", "'c': 5",   "'l': 'x'",  "'f': 'x'",
                                        "'b': 1",   "'w': [1]", "'c': ['x']"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0] - 2; i++) {
        struct nbx_value *r =
            get(p, "item.put", "", "{'items': [{'id': 'b', 'attributes': {%s}}]}", wrong[i]);
        must_be(r, "applied", "0");
        cr_assert_eq(count_at(r, "errors"), 1, "%s", wrong[i]);
    }
    struct nbx_value *r =
        get(p, "item.patch", "", "{'items': [{'id': 'a', 'attributes': {'w': 'x'}}]}");
    MUST_LIST(r, "errors", "field", "items[0].attributes.w");
    const char *message = joined(r, "errors", "message");
    cr_assert(strstr(message, "int") && strstr(message, "string"), "both are named: %s", message);
    server_end(&s);
    server_begin(&s);
    r = get(p, "item.put", "", "{'items': [{'id': 'b', 'attributes': {'w': 'x'}}]}");
    must_be(r, "applied", "0");
}

Test(item, attribute_types_may_be_configured)
{
    server_end(&s);
    server_configure(&s,
                     "attributes: [{name: colour, type: string}, {name: tags, type: strings}]\n");
    server_begin(&s);
    struct nbx_value *r = get(p, "item.put", "",
                              "{'items': [{'id': 'a', 'attributes': {'colour': 5}},"
                              " {'id': 'b', 'attributes': {'tags': 'x'}},"
                              " {'id': 'c', 'attributes': {'tags': ['x'], 'colour': 'red'}}]}");
    must_be(r, "applied", "1");
    MUST_LIST(r, "errors", "field", "items[0].attributes.colour items[1].attributes.tags");
    must_be(get(p, "recommend", "", "{'filter': {'field': 'tags', 'in': ['x']}}"), "items[0].id",
            "'c'");
}

Test(item, delete_takes_it_away_at_once)
{
    put("{'id': 'a'}, {'id': 'b'}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    struct nbx_value *r = get(p, "item.delete", "", "{'ids': ['a', 'none']}");
    must_be(r, "applied", "1");
    MUST_LIST(r, "errors", "field", "ids[1]");
    MUST_LIST(get(p, "recommend", "", "{}"), "items", "id", "b");
    must_be(get(p, "item.get", "", "{'ids': ['a']}"), "unknown", "['a']");
    must_be(get(p, "rank", "", "{'items': ['a', 'b']}"), "unknown", "['a']");
    r = get(p, "item.delete", "", "{'ids': ['a']}");
    must_be(r, "applied", "0");
    put("{'id': 'a', 'title': 'again'}");
    is("a", "{'id': 'a', 'title': 'again'}");
    get_until(p, "", "{}", "a b"); /* its events still count */
    server_end(&s);
    server_begin(&s);
    is("a", "{'id': 'a', 'title': 'again'}");
}

Test(item, vectors_come_back_too)
{
    put("{'id': 'a', 'vector': [1, -2.5], 'space': 'main'}");
    struct nbx_value *r = get(p, "item.get", "", "{'ids': ['a']}");
    must_be(r, "items[0].vector", "[1, -2.5]");
    must_be(r, "items[0].space", "'main'");
}

Test(item, ten_thousand_in_one_request)
{
    struct nbx_buf b = {0};
    for (int i = 0; i < 10000; i++)
        nbx_buf_printf(&b, "%s{'id': 'i%05d', 'price': %d}", i ? "," : "", i, i);
    nbx_buf_put_u8(&b, '\0');
    struct nbx_value *r = get(p, "item.put", "", "{'items': [%s]}", (char *)b.p);
    must_be(r, "applied", "10000");
    r = get(p, "recommend", "",
            "{'n': 1000, 'filter': {'field': 'price', 'ge': 9990}, 'fields': ['price']}");
    cr_assert_eq(count_at(r, "items"), 10);
    must_be(get(p, "stats", "", "{}"), "items", "10000");
    nbx_buf_fini(&b);
}
