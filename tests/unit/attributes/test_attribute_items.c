/* SPDX-License-Identifier: MIT */
#include "models/attributes/items.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct nbx_str ids[] = {{"a", 1}, {"b", 1}, {"c", 1}};
static char path[] = P_tmpdir "/nbx-items-XXXXXX";
static struct nbx_item_table t;
static struct nbx_fault fault;

static void begin(void)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}
static void end(void)
{
    nbx_item_table_fini(&t);
    unlink(path);
}
TestSuite(attribute_items, .init = begin, .fini = end);

static enum nbx_err read_text(const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return nbx_item_table_read(&t, path, ids, 3, &fault);
}

Test(attribute_items, are_read_by_column_name)
{
    cr_assert_eq(read_text("group,title,id,price,url,categories,brand\n"
                           "g,Red shoe,b,1999,,shoes| for men ||sale,Acme\n"
                           ",,a,,,,\n"
                           "g,\"Unknown, new\",z,5,,x,y\n"),
                 NBX_OK, "%s", fault.message);
    cr_assert_eq(t.n_known, 2);
    cr_assert(t.known[0] && t.known[1] && !t.known[2]);
    const struct nbx_item_facts *b = &t.facts[1];
    cr_expect(nbx_str_is(b->title, "Red shoe") && nbx_str_is(b->brand, "Acme"));
    cr_expect(b->has_price && b->price == 1999);
    cr_assert_eq(b->n_categories, 3);
    cr_expect(nbx_str_is(b->categories[0], "shoes"));
    cr_expect(nbx_str_is(b->categories[1], "for men"));
    cr_expect(nbx_str_is(b->categories[2], "sale"));
    cr_expect(!t.facts[0].has_price && !t.facts[0].n_categories && !t.facts[0].title.len);
}

Test(attribute_items, may_lack_columns_and_the_last_line_counts)
{
    cr_assert_eq(read_text("id,title\na,one\na,two\n"), NBX_OK);
    cr_assert_eq(t.n_known, 1);
    cr_expect(nbx_str_is(t.facts[0].title, "two"));
}

Test(attribute_items, mistakes_are_named_by_place)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {{"title\nx\n", "", "no column \"id\""},
                 {"id,price\na,1\nb,1.50\n", ":3:3", "\"1.50\" is not a price"},
                 {"id,price\na,-1\n", ":2:3", "not a price"},
                 {"id,price\na,1234567890123456\n", ":2:3", "1 to 15 digits"},
                 {"id,price\na\n", ":2:", "field"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(read_text(cases[i].text), NBX_EBAD, "%s", cases[i].text);
        cr_expect(strstr(fault.field, path) && strstr(fault.field, cases[i].field), "%s",
                  fault.field);
        cr_expect(strstr(fault.message, cases[i].message), "%s", fault.message);
        cr_expect_null(t.facts);
    }
    cr_expect_eq(nbx_item_table_read(&t, "/no/such/file", ids, 3, &fault), NBX_ENOTFOUND);
}
