/* SPDX-License-Identifier: MIT */
#include "models/dataset/split.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEED 3

static struct nbx_fault fault;

static struct nbx_dataset *read_text(const char *text, struct nbx_dataset_options options)
{
    char path[] = P_tmpdir "/nbx-split-XXXXXX";
    struct nbx_dataset *d;
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    options.progress_fd = -1;
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    unlink(path);
    return d;
}

/* "u:a,b v:c": customers that have items, each with its items in order; valid until the next. */
static const char *show(const struct nbx_dataset *d)
{
    static char text[4096];
    size_t n = 0;
    text[0] = '\0';
    for (size_t c = 0; c < d->n_customers; c++)
        for (uint64_t i = d->by_customer.start[c]; i < d->by_customer.start[c + 1]; i++)
            n += (size_t)(i == d->by_customer.start[c]
                              ? snprintf(text + n, sizeof text - n, "%s%.*s:%.*s", n ? " " : "",
                                         NBX_STR_ARG(d->customer_ids[c]),
                                         NBX_STR_ARG(d->item_ids[d->sequence[i]]))
                              : snprintf(text + n, sizeof text - n, ",%.*s",
                                         NBX_STR_ARG(d->item_ids[d->sequence[i]])));
    return text;
}

static const char shop[] = "customer,type,item,time\n"
                           "u,view,c,10\nu,purchase,a,20\nu,view,b,90\n"
                           "v,view,b,50\n"
                           "w,view,a,30\nw,view,b,\nw,view,c,110\n";

static struct nbx_dataset *all, *train, *held;

static void split(const char *text, struct nbx_split_options options)
{
    all = read_text(text, (struct nbx_dataset_options){0});
    cr_assert_eq(nbx_dataset_split(&train, &held, all, &options), NBX_OK);
}

static void destroy(void)
{
    nbx_dataset_destroy(&train);
    nbx_dataset_destroy(&held);
    nbx_dataset_destroy(&all);
}

Test(split, the_last_item_of_each_customer)
{
    split(shop, (struct nbx_split_options){.kind = NBX_SPLIT_LAST});
    cr_expect_str_eq(show(train), "u:c,a v:b w:b,a");
    cr_expect_str_eq(show(held), "u:b w:c");
    cr_expect_eq(train->n_customers, 3);
    cr_expect_eq(held->n_items, 3, "rows are those of all");
    cr_expect_eq(held->item_ids, all->item_ids);
    cr_expect_eq(held->first_ms, 90);
    cr_expect_eq(held->last_ms, 110);
    cr_expect_eq(train->last_ms, 50);
    cr_expect_eq(nbx_csr_entries(&held->by_item), 2);
    cr_expect_eq(nbx_csr_row_entries(&held->by_item, 0), 0);
    destroy();
    split(shop, (struct nbx_split_options){.kind = NBX_SPLIT_LAST, .min_history = 1});
    cr_expect_str_eq(show(held), "u:b v:b w:c");
    cr_expect_eq(nbx_csr_row_entries(&train->by_customer, 1), 0);
    destroy();
    split(shop, (struct nbx_split_options){.kind = NBX_SPLIT_LAST, .min_history = 4});
    cr_expect_str_eq(show(held), "");
    cr_expect_eq(held->first_ms, NBX_DATASET_NO_TIME);
    destroy();
}

Test(split, the_last_share_of_the_time)
{
    split(shop, (struct nbx_split_options){.kind = NBX_SPLIT_TIME, .share = 0.6});
    cr_expect_str_eq(show(train), "u:c,a w:b,a", "no time stays");
    cr_expect_str_eq(show(held), "u:b v:b w:c", "from 110 - 60 on");
    destroy();
    split("customer,item,time\nu,a,5\n",
          (struct nbx_split_options){.kind = NBX_SPLIT_TIME, .share = 0.1});
    cr_expect_str_eq(show(held), "u:a", "a window of one moment is all late");
    destroy();
}

Test(split, weights_come_along)
{
    struct nbx_types types;
    nbx_types_default(&types);
    cr_assert_eq(nbx_types_parse(&types, "purchase=4,view=2", &fault), NBX_OK);
    all = read_text(shop, (struct nbx_dataset_options){.types = &types, .weighted = true});
    struct nbx_split_options options = {.kind = NBX_SPLIT_LAST};
    cr_assert_eq(nbx_dataset_split(&train, &held, all, &options), NBX_OK);
    cr_expect_eq(train->by_customer.weight[0], 4, "u took a by purchase");
    cr_expect_eq(train->by_customer.weight[1], 2);
    cr_expect_eq(held->by_customer.weight[0], 2);
    destroy();
}

/* 60 customers of 0 to 40 items, in the order of `order`: 1 or -1. */
static const char *many(int order)
{
    static char text[60 * 40 * 16], line[60 * 40][16];
    struct nbx_random random;
    size_t n = 0;
    nbx_random_init(&random, SEED);
    for (unsigned c = 0; c < 60; c++)
        for (unsigned i = 0; i < 40; i++)
            if (i == 0 || nbx_random_unit(&random) < c / 60.0)
                snprintf(line[n++], sizeof line[0], "c%u,i%u\n", c, i);
    strcpy(text, "customer,item\n");
    for (size_t i = 0, end = strlen(text); i < n; i++)
        end +=
            (size_t)snprintf(text + end, sizeof text - end, "%s", line[order > 0 ? i : n - 1 - i]);
    return text;
}

Test(split, random_pairs_do_not_depend_on_the_order_of_lines)
{
    struct nbx_split_options options = {.kind = NBX_SPLIT_RANDOM, .share = 0.3, .seed = SEED};
    split(many(1), options);
    size_t n = nbx_csr_entries(&all->by_customer), n_held = nbx_csr_entries(&held->by_customer);
    cr_expect_eq(n_held + nbx_csr_entries(&train->by_customer), n);
    cr_expect(n_held > n / 4 && n_held < n * 35 / 100, "%zu of %zu", n_held, n);
    for (size_t c = 0; c < train->n_customers; c++)
        cr_expect_geq(nbx_csr_row_entries(&train->by_customer, c), 1);
    uint32_t *columns = malloc((n_held + 1) * sizeof *columns);
    memcpy(columns, held->by_customer.col, n_held * sizeof *columns);
    destroy();
    split(many(-1), options);
    cr_assert_eq(nbx_csr_entries(&held->by_customer), n_held);
    cr_expect_arr_eq(held->by_customer.col, columns, n_held * sizeof *columns);
    destroy();
    options.seed++;
    split(many(1), options);
    cr_expect(nbx_csr_entries(&held->by_customer) != n_held ||
              memcmp(held->by_customer.col, columns, n_held * sizeof *columns) != 0);
    destroy();
    options.share = 0.999999;
    split(many(1), options);
    for (size_t c = 0; c < train->n_customers; c++)
        cr_expect_eq(nbx_csr_row_entries(&train->by_customer, c), 1, "all but the one that stays");
    destroy();
    free(columns);
}

Test(split, refusals)
{
    all = read_text("customer,item\nu,x\n", (struct nbx_dataset_options){0});
    static const struct nbx_split_options bad[] = {
        {.kind = NBX_SPLIT_TIME, .share = 0.5}, /* no times */
        {.kind = NBX_SPLIT_RANDOM},
        {.kind = NBX_SPLIT_RANDOM, .share = 1},
        {.kind = NBX_SPLIT_RANDOM, .share = -0.5},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(nbx_dataset_split(&train, &held, all, &bad[i]), NBX_EBAD);
        cr_expect_null(train);
        cr_expect_null(held);
    }
    nbx_dataset_destroy(&all);
    split("customer,item\n", (struct nbx_split_options){.kind = NBX_SPLIT_LAST});
    cr_expect_eq(train->n_customers, 0);
    destroy();
}
