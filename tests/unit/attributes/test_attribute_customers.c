/* SPDX-License-Identifier: MIT
 * Customers' attributes: as a file says them, as they are named, summed and learnt.
 */
#include "models/attributes/customers.h"
#include "models/attributes/learn.h"
#include "models/attributes/vector.h"

#include "engine/base/buf.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct nbx_str ids[] = {{"a", 1}, {"b", 1}, {"c", 1}};
static char path[] = P_tmpdir "/nbx-customers-XXXXXX";
static struct nbx_customer_table t;
static struct nbx_fault fault;

static void begin(void)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}
static void end(void)
{
    nbx_customer_table_fini(&t);
    unlink(path);
}
TestSuite(attribute_customers, .init = begin, .fini = end);

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static enum nbx_err read_text(const char *text)
{
    write_text(text);
    return nbx_customer_table_read(&t, path, ids, 3, &fault);
}

static char told[1024];

static void add(void *ctx, struct nbx_str name)
{
    (void)ctx;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s%.*s", told[0] ? " " : "",
             NBX_STR_ARG(name));
}

static const char *names_of(const struct nbx_customer_facts *facts)
{
    told[0] = 0;
    nbx_customer_features_name(facts, add, NULL);
    return told;
}

Test(attribute_customers, every_column_but_id_is_an_attribute)
{
    cr_assert_eq(read_text("age,id,likes\n"
                           "25,b,tea| coffee ||tea\n"
                           ",a,\n"
                           "9,z,never asked for\n"),
                 NBX_OK, "%s", fault.message);
    cr_expect_eq(t.n_known, 2);
    cr_expect(t.known[0] && t.known[1] && !t.known[2]);
    cr_expect_str_eq(names_of(&t.facts[1]), "customer age=25 likes=tea likes=coffee likes=tea");
    cr_expect_str_eq(names_of(&t.facts[0]), "customer");
    cr_expect_str_eq(names_of(&t.facts[2]), "customer");
}

Test(attribute_customers, the_last_line_counts)
{
    cr_assert_eq(read_text("id,age\na,1\na,2\n"), NBX_OK);
    cr_expect_eq(t.n_known, 1);
    cr_expect_str_eq(names_of(&t.facts[0]), "customer age=2");
}

Test(attribute_customers, mistakes_are_named_by_place)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {{"name\nx\n", "", "no column \"id\""},
                 {"id,home town\na,x\n", ":1:4", "\"home town\" is no name for an attribute"},
                 {"id,a=b\na,x\n", ":1:4", "no name"},
                 {"id,\na,x\n", ":1:4", "no name"},
                 {"id,age\na\n", ":2:", "field"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(read_text(cases[i].text), NBX_EBAD, "%s", cases[i].text);
        cr_expect(strstr(fault.field, path) && strstr(fault.field, cases[i].field), "%s",
                  fault.field);
        cr_expect(strstr(fault.message, cases[i].message), "%s", fault.message);
        cr_expect_null(t.facts);
    }
    cr_expect_eq(nbx_customer_table_read(&t, "/no/such/file", ids, 3, &fault), NBX_ENOTFOUND);
}

Test(attribute_customers, have_64_attributes_of_64_values_at_most)
{
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "id");
    for (int i = 0; i < 65; i++)
        nbx_buf_printf(&text, ",a%d", i);
    nbx_buf_printf(&text, "\n%c", 0);
    cr_expect_eq(read_text((const char *)text.p), NBX_EBAD);
    cr_expect(strstr(fault.message, "at most 64 attributes"), "%s", fault.message);
    cr_expect(strstr(fault.field, ":1:"), "%s", fault.field);
    nbx_buf_fini(&text);
    nbx_buf_printf(&text, "id,a\na,");
    for (int i = 0; i < 65; i++)
        nbx_buf_printf(&text, "v%d|", i);
    nbx_buf_printf(&text, "\n%c", 0);
    cr_assert_eq(read_text((const char *)text.p), NBX_OK, "%s", fault.message);
    cr_expect_eq(t.facts[0].n, 64);
    nbx_buf_fini(&text);
}

/* A name longer than 255 bytes is none, and a text ends at no NUL. */
Test(attribute_customers, what_has_no_name_is_left_out)
{
    static char longest[256];
    memset(longest, 'x', sizeof longest);
    struct nbx_customer_fact list[] = {{{"a", 1}, {longest, 253}},
                                       {{"a", 1}, {longest, 254}},
                                       {{"a", 1}, {"", 0}},
                                       {{"a", 1}, {"x\0y", 3}}};
    cr_expect_eq(strlen(names_of(&(struct nbx_customer_facts){list, 4})),
                 strlen("customer ") + 255);
}

Test(attribute_customers, vectors_are_summed)
{
    static const struct nbx_str names[] = {{"a=x", 3}, {"a=y", 3}, {"customer", 8}, {"item", 4}};
    static const float vectors[] = {1, 2, 4, 8, 16, 32, 64, 128};
    static const struct nbx_features features = {.names = names, .n = 4, .vectors = vectors};
    struct nbx_customer_fact list[] = {
        {{"a", 1}, {"y", 1}}, {{"b", 1}, {"x", 1}}, {{"a", 1}, {"x", 1}}, {{"a", 1}, {"y", 1}}};
    struct nbx_describer *d;
    float out[2];
    cr_assert_eq(nbx_describer_new(&d, &features, 2), NBX_OK);
    cr_expect(nbx_describe_customer(out, d, &(struct nbx_customer_facts){list, 4}));
    cr_expect(out[0] == 21 && out[1] == 42, "each once");
    cr_expect_not(nbx_describe_customer(out, d, &(struct nbx_customer_facts){list + 1, 1}));
    cr_expect(out[0] == 0 && out[1] == 0, "a customer like any other");
    nbx_describer_destroy(&d);
}

/* Learning: as many customers of each kind, the red ones take the first items and the blue ones the
 * last; space of the items as wide as they are many, so that nothing is lost in it. */
#define N_ITEMS     6
#define N_CUSTOMERS 40
#define DIM_A       4
#define DIM_B       2

static struct nbx_dataset *events;
static struct nbx_learnt learnt;
static float first[N_ITEMS * DIM_A], second[N_ITEMS * DIM_B];

static bool takes(int customer, int item)
{
    bool red = customer % 2 == 0;
    return red ? item < 3 && (item > 0 || customer % 4 == 0) : item >= 2;
}

static void make_events(void)
{
    struct nbx_dataset_options options = {.progress_fd = -1};
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "customer,item\n");
    for (int c = 0; c < N_CUSTOMERS; c++)
        for (int i = 0; i < N_ITEMS; i++)
            if (takes(c, i))
                nbx_buf_printf(&text, "c%02d,i%d\n", c, i);
    nbx_buf_printf(&text, "%c", 0);
    write_text((const char *)text.p);
    nbx_buf_fini(&text);
    cr_assert_eq(nbx_dataset_read(&events, path, &options, &fault), NBX_OK, "%s", fault.message);
}

static void make_table(void)
{
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "id,colour,own\n");
    for (int c = 0; c < N_CUSTOMERS; c++)
        nbx_buf_printf(&text, "c%02d,%s,%d\n", c, c % 2 ? "blue" : "red", c);
    nbx_buf_printf(&text, "%c", 0);
    write_text((const char *)text.p);
    nbx_buf_fini(&text);
    cr_assert_eq(
        nbx_customer_table_read(&t, path, events->customer_ids, events->n_customers, &fault),
        NBX_OK, "%s", fault.message);
}

static struct nbx_bundle_info make_info(void)
{
    struct nbx_bundle_info info = {
        .n_items = N_ITEMS,
        .item_ids = events->item_ids,
        .n_spaces = 2,
        .spaces = {{.name = NBX_STR("a"), .dims = DIM_A, .item_factors = first},
                   {.name = NBX_STR("b"), .dims = DIM_B, .item_factors = second}}};
    for (size_t i = 0; i < N_ITEMS; i++)
        for (size_t d = 0; d < N_ITEMS; d++) {
            float y = (float)((i * 7 + d * d * 3 + i * d) % 11) - 5;
            *(d < DIM_A ? &first[i * DIM_A + d] : &second[i * DIM_B + d - DIM_A]) = y;
        }
    return info;
}

static enum nbx_err learn(void)
{
    make_events();
    make_table();
    struct nbx_bundle_info info = make_info();
    struct nbx_learn_customers_options o = {
        .table = &t, .info = &info, .events = events, .lambda = 0.01F};
    return nbx_learn_customers(&learnt, &o, &fault);
}

static float score(const float *x, size_t item)
{
    float sum = 0;
    for (size_t d = 0; d < N_ITEMS; d++)
        sum += x[d] * (d < DIM_A ? first[item * DIM_A + d] : second[item * DIM_B + d - DIM_A]);
    return sum;
}

Test(attribute_customers, a_score_is_the_share_of_such_customers_who_take_it)
{
    struct nbx_describer *d;
    float x[N_ITEMS];
    cr_assert_eq(learn(), NBX_OK, "%s", fault.message);
    cr_assert_eq(learnt.features.n, 3, "what one customer has is left out");
    cr_expect(nbx_str_is(learnt.features.names[0], "colour=blue"));
    cr_expect(nbx_str_is(learnt.features.names[2], "customer"));
    cr_assert_eq(nbx_describer_new(&d, &learnt.features, N_ITEMS), NBX_OK);
    for (int red = 0; red < 2; red++) {
        struct nbx_customer_fact colour = {NBX_STR("colour"),
                                           red ? NBX_STR("red") : NBX_STR("blue")};
        cr_assert(nbx_describe_customer(x, d, &(struct nbx_customer_facts){&colour, 1}));
        for (int i = 0; i < N_ITEMS; i++) {
            float want = red ? (i == 0 ? 0.5F : i < 3) : i >= 2;
            cr_expect(fabsf(score(x, (size_t)i) - want) < 0.05F, "%d %d: %g not %g", red, i,
                      (double)score(x, (size_t)i), (double)want);
        }
    }
    nbx_describer_destroy(&d);
    nbx_learnt_fini(&learnt);
    nbx_dataset_destroy(&events);
}

Test(attribute_customers, nobody_known_is_nothing_to_learn_from)
{
    make_events();
    cr_assert_eq(
        nbx_customer_table_read(&t, path, events->customer_ids, events->n_customers, &fault),
        NBX_EBAD, "an events file has no column id");
    write_text("id,colour\nstranger,red\n");
    cr_assert_eq(
        nbx_customer_table_read(&t, path, events->customer_ids, events->n_customers, &fault),
        NBX_OK);
    struct nbx_bundle_info info = make_info();
    struct nbx_learn_customers_options o = {
        .table = &t, .info = &info, .events = events, .lambda = 1};
    cr_expect_eq(nbx_learn_customers(&learnt, &o, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.message, "no two customers of the model are in the file");
    cr_expect_null(learnt.names);
    nbx_dataset_destroy(&events);
}
