/* SPDX-License-Identifier: MIT */
#include "models/dataset/dataset.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct nbx_fault fault;

static enum nbx_err read_text(struct nbx_dataset **out, const char *text,
                              struct nbx_dataset_options options)
{
    char path[] = P_tmpdir "/nbx-dataset-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    options.progress_fd = -1;
    enum nbx_err err = nbx_dataset_read(out, path, &options, &fault);
    cr_expect_gt(nbx_dataset_bound_bytes(path), strlen(text));
    unlink(path);
    return err;
}

static struct nbx_dataset *must_read(const char *text, struct nbx_dataset_options options)
{
    struct nbx_dataset *d;
    cr_assert_eq(read_text(&d, text, options), NBX_OK, "%s: %s", fault.field, fault.message);
    return d;
}

static size_t customer(const struct nbx_dataset *d, const char *id)
{
    return nbx_dataset_find(d->customer_ids, d->n_customers, nbx_str_c(id));
}

static bool has(const struct nbx_dataset *d, const char *customer_id, const char *item_id,
                float weight)
{
    size_t row = customer(d, customer_id);
    size_t col = nbx_dataset_find(d->item_ids, d->n_items, nbx_str_c(item_id));
    if (row == NBX_DATASET_NO_ROW || col == NBX_DATASET_NO_ROW)
        return false;
    for (uint64_t i = d->by_customer.start[row]; i < d->by_customer.start[row + 1]; i++)
        if (d->by_customer.col[i] == col)
            return (d->by_customer.weight ? d->by_customer.weight[i] : 1.0f) == weight;
    return false;
}

Test(dataset, pairs_are_distinct_and_ids_ordered)
{
    struct nbx_dataset *d =
        must_read("item,customer\nb,u2\na,u10\nb,u2\na,u2\n", (struct nbx_dataset_options){0});
    cr_expect_eq(d->n_customers, 2);
    cr_expect_eq(d->n_items, 2);
    cr_expect(nbx_str_is(d->customer_ids[0], "u10"));
    cr_expect(nbx_str_is(d->item_ids[0], "a"));
    cr_expect_eq(nbx_csr_entries(&d->by_customer), 3);
    cr_expect(has(d, "u2", "a", 1) && has(d, "u2", "b", 1) && has(d, "u10", "a", 1));
    cr_expect_null(d->by_customer.weight);
    cr_expect_eq(d->first_ms, NBX_DATASET_NO_TIME);
    cr_expect_eq(d->counts.rows, 4);
    nbx_dataset_destroy(&d);
    cr_expect_null(d);
}

Test(dataset, the_last_event_in_time_decides)
{
    struct nbx_dataset *d = must_read("customer,type,item,time\n"
                                      "kept,purchase,x,30\n"
                                      "kept,return,x,20\n"
                                      "gone,return,x,30\n"
                                      "gone,purchase,x,20\n"
                                      "same,purchase,x,20\n"
                                      "same,dismiss,x,20\n"
                                      "same,view,y,\n"
                                      "quiet,impression,x,5\n",
                                      (struct nbx_dataset_options){0});
    cr_expect(has(d, "kept", "x", 1));
    cr_expect(has(d, "same", "y", 1));
    cr_expect_eq(nbx_csr_entries(&d->by_customer), 2);
    cr_expect_eq(customer(d, "gone"), NBX_DATASET_NO_ROW);
    cr_expect_eq(customer(d, "quiet"), NBX_DATASET_NO_ROW);
    cr_expect_eq(d->counts.negative, 3);
    cr_expect_eq(d->counts.neutral, 1);
    cr_expect_eq(d->first_ms, 5);
    cr_expect_eq(d->last_ms, 30);
    nbx_dataset_destroy(&d);
}

Test(dataset, what_nbxd_says_of_an_event_counts)
{
    struct nbx_dataset *d = must_read("customer,item,type,time,effect\n"
                                      "a,x,rating,1,positive\n"
                                      "a,y,rating,1,positive\n"
                                      "a,y,rating,2,negative\n"
                                      "a,z,gift,1,positive\n"
                                      "a,u,gift,1,negative\n"
                                      "a,v,glance,1,neutral\n"
                                      "a,w,view,1,\n"
                                      "a,w,impression,2,positive\n",
                                      (struct nbx_dataset_options){.weighted = true});
    cr_expect(has(d, "a", "x", 1) && has(d, "a", "z", 1) && has(d, "a", "w", 1));
    cr_expect_eq(nbx_csr_entries(&d->by_customer), 3);
    cr_expect_eq(d->counts.negative, 2);
    cr_expect_eq(d->counts.neutral, 2, "a type that is known weighs what it weighs");
    nbx_dataset_destroy(&d);
    cr_expect_eq(
        read_text(&d, "customer,item,type,effect\na,x,gift,\n", (struct nbx_dataset_options){0}),
        NBX_EBAD);
    cr_expect(strstr(fault.message, "unknown type \"gift\""), "%s", fault.message);
}

/* Of customers who have a pair; an item that nobody has is none of the data set's, but refused. */
Test(dataset, refused_items_are_kept_by_id)
{
    struct nbx_dataset *d = must_read("customer,type,item\n"
                                      "b,view,x\n"
                                      "b,dismiss,y\n"
                                      "b,dismiss,x\n"
                                      "b,dismiss,y\n"
                                      "b,view,z\n"
                                      "gone,dismiss,x\n"
                                      "a,dismiss,z\n"
                                      "a,view,z\n"
                                      "c,view,z\n"
                                      "c,dismiss,u\n",
                                      (struct nbx_dataset_options){0});
    cr_assert_eq(d->n_customers, 3);
    cr_expect_eq(d->n_items, 1);
    const uint64_t starts[] = {0, 0, 2, 3};
    cr_expect_arr_eq(d->refused_start, starts, sizeof starts);
    cr_expect(nbx_str_is(d->refused[0], "x"));
    cr_expect(nbx_str_is(d->refused[1], "y"));
    cr_expect(nbx_str_is(d->refused[2], "u"));
    nbx_dataset_destroy(&d);
}

Test(dataset, weights_are_the_largest_since_the_last_refusal)
{
    struct nbx_types types;
    nbx_types_default(&types);
    cr_assert_eq(nbx_types_parse(&types, "purchase=3,view=0.5,gift=2", &fault), NBX_OK);
    struct nbx_dataset *d =
        must_read("customer,type,item,time\n"
                  "u,view,x,1\nu,purchase,x,2\nu,view,x,3\n"
                  "u,purchase,y,1\nu,return,y,2\nu,view,y,3\n"
                  "u,gift,z,1\n",
                  (struct nbx_dataset_options){.types = &types, .weighted = true});
    cr_expect(has(d, "u", "x", 3));
    cr_expect(has(d, "u", "y", 0.5f));
    cr_expect(has(d, "u", "z", 2));
    cr_expect_eq(d->by_item.weight[d->by_item.start[0]], 3);
    nbx_dataset_destroy(&d);
}

Test(dataset, rows_without_a_type_have_the_one_that_is_given)
{
    static const char text[] = "customer,item,type\nu,x,\nu,y,view\nu,z,purchase\n";
    struct nbx_types types;
    struct nbx_dataset_options options = {.types = &types, .untyped = "purchase"};
    struct nbx_dataset *d;
    nbx_types_default(&types);
    cr_assert_eq(nbx_types_parse(&types, "view=0,purchase=3", &fault), NBX_OK);
    options.weighted = true;
    d = must_read(text, options);
    cr_expect(has(d, "u", "x", 3) && has(d, "u", "z", 3));
    cr_expect_eq(d->n_items, 2);
    nbx_dataset_destroy(&d);
    options.untyped = "view";
    d = must_read(text, options);
    cr_expect_eq(d->n_items, 1);
    nbx_dataset_destroy(&d);
    options.untyped = "unheard";
    cr_expect_eq(read_text(&d, text, options), NBX_EBAD);
    cr_expect_str_eq(fault.field, "types");
}

Test(dataset, what_has_no_customer_or_item_is_counted)
{
    struct nbx_dataset *d = must_read("customer,type,item\n,view,x\nu,search,\nu,view,\nu,,x\n",
                                      (struct nbx_dataset_options){0});
    cr_expect_eq(d->counts.anonymous, 1);
    cr_expect_eq(d->counts.no_item, 2);
    cr_expect_eq(d->counts.rows, 4);
    cr_expect(has(d, "u", "x", 1));
    nbx_dataset_destroy(&d);
}

Test(dataset, nothing_at_all)
{
    struct nbx_dataset *d = must_read("customer,item\n", (struct nbx_dataset_options){0});
    cr_expect_eq(d->n_customers, 0);
    cr_expect_eq(nbx_csr_entries(&d->by_item), 0);
    nbx_dataset_destroy(&d);
}

Test(dataset, refusals_name_line_column_and_reason)
{
    static const struct {
        const char *text, *where, *why;
    } cases[] = {
        {"customer,thing\n", ":1:1", "no column \"item\""},
        {"user,item\n", ":1:1", "no column \"customer\""},
        {"customer,item,type\nu,x,view\nu,x,zap\n", ":3:5",
         "unknown type \"zap\", known are purch"},
        {"customer,item,time\nu,x,1.5\n", ":2:5", "\"1.5\" is not a time"},
        {"customer,item,time\nu,x,-1\n", ":2:5", "is not a time"},
        {"customer,item,time\nu,x,9999999999999999\n", ":2:5", "is not a time"},
        {"customer,item\nu,x\nu,\"x\n", ":3:3", "never closed"},
        {"customer,item\nu\n", ":2:1", "1 fields"},
        {"customer,item,time\nu,x,5\nu,y", ":3:1", "2 fields"}, /* cut in the middle */
        {"customer,item,time\nu,x,5\nu,\"y", ":3:3", "never closed"},
        {"customer,item,time\nu,x,1700000000\nu,y,1700000001\n", ":2:5",
         "looks like seconds since 1970, nbx takes milliseconds"},
        {"customer,item,time\nu,x,\nu,x,1700000000000\nu,z,7\nu,y,1700000001\n", ":5:5",
         "1700000001 looks like seconds since 1970, but line 3 has milliseconds"},
        {"customer,item,time\nu,x,1700000000\nu,y,1700000001000\n", ":3:5",
         "1700000001000 looks like milliseconds since 1970, but line 2 has seconds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nbx_dataset *d;
        cr_expect_eq(read_text(&d, cases[i].text, (struct nbx_dataset_options){0}), NBX_EBAD);
        cr_expect_null(d);
        cr_expect_not_null(strstr(fault.field, cases[i].where), "%s", fault.field);
        cr_expect_not_null(strstr(fault.message, cases[i].why), "%s", fault.message);
    }
}

/* "b a c" for the customer's items, oldest first; valid until the next call. */
static const char *sequence_of(const struct nbx_dataset *d, const char *id)
{
    static char text[256];
    size_t row = customer(d, id);
    text[0] = '\0';
    cr_assert_neq(row, NBX_DATASET_NO_ROW);
    for (uint64_t i = d->by_customer.start[row]; i < d->by_customer.start[row + 1]; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", text[0] ? " " : "",
                 NBX_STR_ARG(d->item_ids[d->sequence[i]]));
    return text;
}

Test(dataset, a_sequence_is_in_order_of_the_last_event_that_counts)
{
    struct nbx_dataset *d = must_read("customer,type,item,time\n"
                                      "u,view,b,10\nu,view,c,5\nu,view,a,20\n"
                                      "u,view,c,30\n"       /* moves c to the end */
                                      "u,impression,b,99\n" /* says nothing */
                                      "v,view,z,7\nv,view,y,7\nv,view,x,7\nv,view,w,\n"
                                      "u,view,gone,1\nu,return,gone,2\n",
                                      (struct nbx_dataset_options){0});
    cr_expect_str_eq(sequence_of(d, "u"), "b a c");
    cr_expect_str_eq(sequence_of(d, "v"), "w z y x", "no time first, equal times as in the file");
    size_t u = d->by_customer.start[customer(d, "u")], v = d->by_customer.start[customer(d, "v")];
    cr_expect_arr_eq(d->times_ms + u, ((int64_t[]){10, 20, 30}), 3 * sizeof(int64_t));
    cr_expect_arr_eq(d->times_ms + v, ((int64_t[]){NBX_DATASET_NO_TIME, 7, 7, 7}),
                     4 * sizeof(int64_t));
    nbx_dataset_destroy(&d);
}

Test(dataset, without_times_a_sequence_is_in_the_order_of_the_file)
{
    struct nbx_dataset *d =
        must_read("customer,item\nu,b\nw,q\nu,a\nu,c\nu,b\nu,d", (struct nbx_dataset_options){0});
    cr_expect_str_eq(sequence_of(d, "u"), "a c b d", "b came again; the last line has no end");
    cr_expect_str_eq(sequence_of(d, "w"), "q");
    cr_expect_eq(d->times_ms[0], NBX_DATASET_NO_TIME);
    nbx_dataset_destroy(&d);
}

Test(dataset, weights_halve_with_age)
{
    struct nbx_types types;
    nbx_types_default(&types);
    cr_assert_eq(nbx_types_parse(&types, "purchase=4", &fault), NBX_OK);
    struct nbx_dataset_options options = {.types = &types, .half_life_ms = 100};
    struct nbx_dataset *d = must_read("customer,type,item,time\n"
                                      "u,view,new,1000\nu,view,old,900\nu,view,older,800\n"
                                      "u,purchase,both,700\nu,view,both,950\n"
                                      "u,purchase,back,900\nu,return,back,950\nu,view,back,1000\n"
                                      "u,view,timeless,\nu,view,ancient,0\n",
                                      options);
    cr_expect(has(d, "u", "new", 1));
    cr_expect(has(d, "u", "old", 0.5f));
    cr_expect(has(d, "u", "older", 0.25f));
    cr_expect(has(d, "u", "both", (float)exp2(-0.5)), "4 / 8 is less");
    cr_expect(has(d, "u", "back", 1));
    cr_expect(has(d, "u", "ancient", (float)exp2(-10)));
    cr_expect(has(d, "u", "timeless", (float)exp2(-10)), "as old as the oldest");
    nbx_dataset_destroy(&d);
    d = must_read("customer,item,time\nu,x,0\nu,y,90000\n", options);
    cr_expect(has(d, "u", "x", 0x1p-40f), "900 half-lives leave something");
    nbx_dataset_destroy(&d);
    d = must_read("customer,item\nu,x\n", options);
    cr_expect(has(d, "u", "x", 1), "no time, no age");
    nbx_dataset_destroy(&d);
    options.half_life_ms = -1;
    cr_expect_eq(read_text(&d, "customer,item\n", options), NBX_EBAD);
    cr_expect_str_eq(fault.field, "half_life_ms");
}

Test(dataset, duplicates_are_counted)
{
    struct nbx_dataset *d = must_read("customer,type,item,time\n"
                                      "u,view,x,5\nu,purchase,x,5\nu,view,x,5\nu,view,x,6\n"
                                      "u,,y,\nv,,y,\nu,,y,\nu,,y,\nu,view,y,\n"
                                      "u,search,x,5\nu,search,x,5\n",
                                      (struct nbx_dataset_options){0});
    cr_expect_eq(d->counts.duplicates, 3);
    cr_expect_eq(nbx_csr_entries(&d->by_customer), 3);
    nbx_dataset_destroy(&d);
}

Test(dataset, an_id_too_long_and_a_missing_file)
{
    char text[400] = "customer,item\nu,";
    struct nbx_dataset *d;
    memset(text + strlen(text), 'x', 256);
    strcat(text, "\n");
    cr_expect_eq(read_text(&d, text, (struct nbx_dataset_options){0}), NBX_EBAD);
    cr_expect_not_null(strstr(fault.message, "this has 256"));
    struct nbx_dataset_options options = {.progress_fd = -1};
    cr_expect_eq(nbx_dataset_read(&d, "/nonexistent.csv", &options, &fault), NBX_ENOTFOUND);
    cr_expect_eq(nbx_dataset_bound_bytes("/nonexistent.csv"), 0);
}

Test(dataset, the_order_of_lines_changes_nothing)
{
    enum { ROWS = 500 };
    static char lines[ROWS][32], text[2][ROWS * 32 + 64];
    struct nbx_random random;
    nbx_random_init(&random, 7);
    for (size_t i = 0; i < ROWS; i++)
        snprintf(lines[i], sizeof lines[i], "u%u,i%u\n", (unsigned)nbx_random_below(&random, 40),
                 (unsigned)nbx_random_below(&random, 60));
    strcpy(text[0], "customer,item\n");
    strcpy(text[1], "customer,item\n");
    for (size_t i = 0; i < ROWS; i++) {
        strcat(text[0], lines[i]);
        strcat(text[1], lines[ROWS - 1 - i]);
    }
    struct nbx_dataset *a = must_read(text[0], (struct nbx_dataset_options){0});
    struct nbx_dataset *b = must_read(text[1], (struct nbx_dataset_options){0});
    size_t n = nbx_csr_entries(&a->by_customer);
    cr_assert_eq(a->n_customers, b->n_customers);
    cr_assert_eq(a->n_items, b->n_items);
    cr_assert_eq(n, nbx_csr_entries(&b->by_customer));
    cr_expect_arr_eq(a->by_customer.start, b->by_customer.start,
                     (a->n_customers + 1) * sizeof(uint64_t));
    cr_expect_arr_eq(a->by_customer.col, b->by_customer.col, n * sizeof(uint32_t));
    cr_expect_arr_eq(a->by_item.col, b->by_item.col, n * sizeof(uint32_t));
    cr_expect_neq(memcmp(a->sequence, b->sequence, n * sizeof(uint32_t)), 0,
                  "but the sequence, where there are no times");
    for (size_t i = 0; i < a->n_items; i++)
        cr_expect(nbx_str_eq(a->item_ids[i], b->item_ids[i]));
    nbx_dataset_destroy(&a);
    nbx_dataset_destroy(&b);
}

Test(types, parse_refuses_by_entry)
{
    struct nbx_types types;
    char list[40];
    nbx_types_default(&types);
    cr_expect_eq(nbx_types_find(&types, NBX_STR("purchase"))->weight, 1);
    cr_expect_lt(nbx_types_find(&types, NBX_STR("return"))->weight, 0);
    cr_expect_null(nbx_types_find(&types, NBX_STR("purch")));
    cr_expect_eq(nbx_types_parse(&types, "view", &fault), NBX_EBAD);
    cr_expect_eq(nbx_types_parse(&types, "view=1,=2", &fault), NBX_EBAD);
    cr_expect_eq(nbx_types_parse(&types, "view=", &fault), NBX_EBAD);
    cr_expect_eq(nbx_types_parse(&types, "view=1x", &fault), NBX_EBAD);
    cr_expect_eq(nbx_types_parse(&types, "purchase=nan", &fault), NBX_EBAD);
    cr_expect_not_null(strstr(fault.message, "the weight of \"purchase=nan\" is not a number"));
    cr_expect_eq(nbx_types_parse(&types, "view=inf", &fault), NBX_EBAD);
    cr_expect_eq(nbx_types_parse(&types, "view=1e39", &fault), NBX_EBAD, "beyond fp32");
    cr_expect_eq(nbx_types_parse(&types, "", &fault), NBX_EBAD);
    nbx_types_list(&types, list, sizeof list);
    cr_expect_eq(strncmp(list, "purchase, cart", 14), 0);
    for (int i = 0; i < NBX_TYPES_MAX; i++) {
        char entry[16];
        snprintf(entry, sizeof entry, "t%d=1", i);
        if (nbx_types_parse(&types, entry, &fault) != NBX_OK)
            break;
    }
    cr_expect_eq(types.n, NBX_TYPES_MAX);
    cr_expect_not_null(strstr(fault.message, "more than 64"));
}
