/* SPDX-License-Identifier: MIT */
#include "models/tune/compact.h"
#include "models/tune/mixed.h"
#include "models/tune/pool.h"
#include "models/tune/search.h"
#include "models/tune/trials.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED      811
#define CUSTOMERS 200
#define ITEMS     60
#define TASTES    4

static struct nbx_fault fault;

/* Customers take to items of their taste, one after the other in the order of numbers. */
static struct nbx_dataset *make_shop(void)
{
    char path[] = P_tmpdir "/nbx-tune-XXXXXX";
    struct nbx_dataset *d;
    struct nbx_random random;
    struct nbx_dataset_options options = {.progress_fd = -1};
    FILE *f = fdopen(mkstemp(path), "w");
    nbx_blas_init();
    nbx_random_init(&random, SEED);
    fputs("customer,item\n", f);
    for (unsigned c = 0; c < CUSTOMERS; c++) {
        unsigned at = (unsigned)nbx_random_below(&random, ITEMS / TASTES);
        for (unsigned i = 0; i < 8; i++) {
            at = (at + 1 + (nbx_random_unit(&random) < 0.2)) % (ITEMS / TASTES);
            fprintf(f, "c%03u,i%03u\n", c, at * TASTES + c % TASTES);
        }
    }
    fclose(f);
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s", fault.message);
    unlink(path);
    return d;
}

struct world {
    struct nbx_dataset *all, *train, *held;
    struct nbx_part parts[2]; /* transitions, popularity */
};

static void make_world(struct world *w)
{
    static const enum nbx_family families[2] = {NBX_FAMILY_TRANSITIONS, NBX_FAMILY_POPULARITY};
    struct nbx_fit_run run = {.seed = 1, .threads = 2, .progress_fd = -1, .quiet = true};
    w->all = make_shop();
    cr_assert_eq(nbx_dataset_split(&w->train, &w->held, w->all,
                                   &(struct nbx_split_options){.kind = NBX_SPLIT_LAST}),
                 NBX_OK);
    for (size_t p = 0; p < 2; p++) {
        struct nbx_ingredient i;
        nbx_ingredient_init(&i, families[p]);
        cr_assert_eq(nbx_part_fit(&w->parts[p], &i, w->train, &run, &fault), NBX_OK);
    }
}

static void free_world(struct world *w)
{
    nbx_part_fini(&w->parts[0]);
    nbx_part_fini(&w->parts[1]);
    nbx_dataset_destroy(&w->train);
    nbx_dataset_destroy(&w->held);
    nbx_dataset_destroy(&w->all);
}

static bool has(const struct nbx_csr *pairs, size_t row, uint32_t col)
{
    bool found = false;
    for (uint64_t e = pairs->start[row]; e < pairs->start[row + 1]; e++)
        found = found || pairs->col[e] == col;
    return found;
}

/* NDCG at k of popularity alone from its definition: items by log(1 + customers), own ones left
 * out, ties the lower row. One item of each customer is held out. */
static double popularity_ndcg(const struct world *w, size_t k)
{
    double sum = 0;
    for (size_t c = 0; c < w->all->n_customers; c++) {
        uint32_t want = w->held->sequence[w->held->by_customer.start[c]];
        size_t before = 0, n_want = nbx_csr_row_entries(&w->train->by_item, want);
        for (uint32_t i = 0; i < w->all->n_items; i++) {
            bool own = has(&w->train->by_customer, c, i);
            size_t n = nbx_csr_row_entries(&w->train->by_item, i);
            before += !own && (n > n_want || (n == n_want && i < want));
        }
        sum += before < k ? 1 / log2((double)before + 2) : 0;
    }
    return sum / (double)w->all->n_customers;
}

static struct nbx_pool *must_pool(const struct world *w, unsigned threads, size_t customers)
{
    struct nbx_pool *pool;
    struct nbx_pool_options o = {.train = w->train,
                                 .held = w->held,
                                 .depth = 30,
                                 .customers = customers,
                                 .seed = 7,
                                 .threads = threads,
                                 .progress_fd = -1};
    cr_assert_eq(nbx_pool_new(&pool, w->parts, 2, &o, &fault), NBX_OK, "%s", fault.message);
    return pool;
}

Test(tune, a_pool_scores_by_the_definition)
{
    struct world w;
    make_world(&w);
    struct nbx_pool *pool = must_pool(&w, 2, 0);
    const double popularity[] = {0, 1};
    cr_expect_eq(nbx_pool_customers(pool), w.all->n_customers);
    cr_expect_float_eq(nbx_pool_ndcg(pool, popularity, 10), popularity_ndcg(&w, 10), 1e-12,
                       "seed %d", SEED);
    nbx_pool_destroy(&pool);
    free_world(&w);
}

Test(tune, weights_find_the_part_that_knows)
{
    struct world w;
    double weights[2];
    make_world(&w);
    struct nbx_pool *pool = must_pool(&w, 2, 0);
    double found = nbx_pool_fit(pool, weights, 10, 0.01);
    double alone[2] = {nbx_pool_ndcg(pool, (double[]){1, 0}, 10),
                       nbx_pool_ndcg(pool, (double[]){0, 1}, 10)};
    cr_expect(found >= alone[0] && alone[0] > 2 * alone[1], "%g %g %g seed %d", found, alone[0],
              alone[1], SEED);
    cr_expect(weights[0] > weights[1]);
    cr_expect_float_eq(nbx_pool_ndcg(pool, weights, 10), found, 1e-12);
    nbx_pool_destroy(&pool);
    free_world(&w);
}

Test(tune, a_pool_is_the_same_on_any_number_of_threads)
{
    struct world w;
    const double weights[] = {1, 0.3};
    make_world(&w);
    struct nbx_pool *one = must_pool(&w, 1, 50), *three = must_pool(&w, 3, 50);
    cr_expect_eq(nbx_pool_customers(one), 50);
    cr_expect(nbx_pool_ndcg(one, weights, 5) == nbx_pool_ndcg(three, weights, 5));
    nbx_pool_destroy(&one);
    nbx_pool_destroy(&three);
    free_world(&w);
}

Test(tune, mixed_holds_a_share_of_each_customer)
{
    struct nbx_dataset *d = make_shop();
    size_t n = nbx_csr_entries(&d->by_customer);
    bool *held = calloc(n + 1, sizeof *held), *again = calloc(n + 1, sizeof *again);
    bool *other = calloc(n + 1, sizeof *other);
    cr_assert_eq(nbx_mixed_hold(held, d, 0.25, 3, 2, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_mixed_hold(again, d, 0.25, 3, 1, &fault), NBX_OK);
    cr_assert_eq(nbx_mixed_hold(other, d, 0.25, 4, 1, &fault), NBX_OK);
    cr_expect_arr_eq(held, again, n * sizeof *held);
    cr_expect(memcmp(held, other, n * sizeof *held) != 0);
    for (size_t c = 0; c < d->n_customers; c++) {
        size_t k = 0, rows = nbx_csr_row_entries(&d->by_customer, c);
        for (uint64_t e = d->by_customer.start[c]; e < d->by_customer.start[c + 1]; e++)
            k += held[e];
        size_t want = (size_t)lround((double)rows * 0.25);
        cr_expect_eq(k, want ? want : 1, "customer %zu has %zu", c, rows);
    }
    free(held);
    free(again);
    free(other);
    nbx_dataset_destroy(&d);
}

static char log_path[] = P_tmpdir "/nbx-trials-XXXXXX";

static void make_log(void)
{
    close(mkstemp(log_path));
}

static void free_log(void)
{
    unlink(log_path);
}

TestSuite(trials, .init = make_log, .fini = free_log);

static void append(const char *text)
{
    FILE *f = fopen(log_path, "a");
    fputs(text, f);
    fclose(f);
}

Test(trials, a_log_is_read_again_and_a_cut_line_forgotten)
{
    struct nbx_trials *t;
    struct nbx_ingredient one, two;
    double ndcg, seconds;
    nbx_ingredient_init(&one, NBX_FAMILY_IALS);
    nbx_ingredient_init(&two, NBX_FAMILY_EASE);
    cr_assert_eq(nbx_trials_open(&t, log_path, "shop 1", &fault), NBX_OK, "%s", fault.message);
    cr_expect(!nbx_trials_find(t, &one, &ndcg, &seconds));
    cr_assert_eq(nbx_trials_add(t, &one, 0.1 / 3, 1.5, &fault), NBX_OK);
    nbx_trials_close(&t);
    append("{\"parts\":[{\"family\":\"ease\",\"weig");
    cr_assert_eq(nbx_trials_open(&t, log_path, "shop 1", &fault), NBX_OK, "%s", fault.message);
    cr_expect(nbx_trials_find(t, &one, &ndcg, &seconds));
    cr_expect(ndcg == 0.1 / 3 && seconds == 1.5);
    cr_expect(!nbx_trials_find(t, &two, &ndcg, &seconds));
    cr_assert_eq(nbx_trials_add(t, &two, 0.5, 2, &fault), NBX_OK);
    nbx_trials_close(&t);
    cr_assert_eq(nbx_trials_open(&t, log_path, "shop 1", &fault), NBX_OK);
    cr_expect(nbx_trials_find(t, &two, &ndcg, &seconds));
    nbx_trials_close(&t);
}

Test(trials, another_search_or_another_file_is_refused_by_line)
{
    struct nbx_trials *t;
    char field[64];
    cr_assert_eq(nbx_trials_open(&t, log_path, "shop 1", &fault), NBX_OK);
    nbx_trials_close(&t);
    cr_expect_eq(nbx_trials_open(&t, log_path, "shop 2", &fault), NBX_EBAD);
    snprintf(field, sizeof field, "%s:1.search", log_path);
    cr_expect_str_eq(fault.field, field);
    append("customer,item\n");
    cr_expect_eq(nbx_trials_open(&t, log_path, "shop 1", &fault), NBX_EBAD);
    snprintf(field, sizeof field, "%s:2", log_path);
    cr_expect_eq(strncmp(fault.field, field, strlen(field)), 0, "%s", fault.field);
    cr_expect_null(t);
}

static struct nbx_search_options some_search(const char *log)
{
    return (struct nbx_search_options){.hold_out = NBX_HOLD_LAST,
                                       .share = 0.2,
                                       .ordered = true,
                                       .k = 10,
                                       .max_trials = 12,
                                       .seed = 5,
                                       .threads = 2,
                                       .progress_fd = -1,
                                       .log = log};
}

static void recipe_text(char out[4096], const struct nbx_recipe *recipe)
{
    struct nbx_buf text = {0};
    nbx_recipe_write(&text, recipe);
    snprintf(out, 4096, "%.*s", (int)text.len, (char *)text.p);
    nbx_buf_fini(&text);
}

Test(trials, a_search_goes_on_from_its_log_and_comes_to_the_same)
{
    struct nbx_search_result first, second, third;
    char a[4096], b[4096], c[4096];
    struct nbx_dataset *d = make_shop();
    struct nbx_search_options o = some_search(log_path), half = o, none = some_search(NULL);
    half.max_trials = 5;
    cr_assert_eq(nbx_search_recipe(&first, d, &half, &fault), NBX_OK, "%s", fault.message);
    nbx_search_result_fini(&first);
    cr_assert_eq(nbx_search_recipe(&first, d, &o, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_search_recipe(&second, d, &o, &fault), NBX_OK);
    cr_assert_eq(nbx_search_recipe(&third, d, &none, &fault), NBX_OK);
    recipe_text(a, &first.recipe);
    recipe_text(b, &second.recipe);
    recipe_text(c, &third.recipe);
    cr_expect_str_eq(a, b);
    cr_expect_str_eq(a, c);
    cr_expect(first.trials == 12 && first.repeated == 5);
    cr_expect(second.repeated == 12 && third.repeated == 0);
    cr_expect(first.ndcg == second.ndcg && first.ndcg == third.ndcg);
    /* whom it asked is known where no trial was run, too */
    cr_expect(first.customers > 0 && second.customers == first.customers);
    for (uint64_t i = 0; i < first.trials; i++) {
        cr_expect_eq(first.history[i].repeated, i < 5);
        cr_expect_eq(first.history[i].ndcg, second.history[i].ndcg);
        cr_expect_eq(first.history[i].ndcg, third.history[i].ndcg);
        cr_expect_leq(first.history[i].ndcg, first.best_alone);
    }
    cr_expect(first.ndcg >= first.best_alone - 1e-12 && first.ndcg > 0.5, "%g", first.ndcg);
    nbx_search_result_fini(&first);
    nbx_search_result_fini(&second);
    nbx_search_result_fini(&third);
    nbx_dataset_destroy(&d);
}

/* A space wider than there are items, and neighbours, as a search leaves them. */
static void make_wide(struct nbx_search_result *r, const struct world *w)
{
    struct nbx_fit_run run = {.seed = 1, .threads = 2, .progress_fd = -1, .quiet = true};
    static const enum nbx_family families[2] = {NBX_FAMILY_IALS, NBX_FAMILY_NEIGHBOURS};
    *r = (struct nbx_search_result){.recipe.n_parts = 2};
    for (size_t p = 0; p < 2; p++) {
        nbx_ingredient_init(&r->recipe.parts[p], families[p]);
        if (p == 0)
            cr_assert_eq(nbx_ingredient_set(&r->recipe.parts[p], NBX_STR("dim"), 160, &fault),
                         NBX_OK);
        cr_assert_eq(nbx_part_fit(&r->parts[p], &r->recipe.parts[p], w->train, &run, &fault),
                     NBX_OK);
    }
}

static struct nbx_compact_options compact_options(const struct world *w)
{
    return (struct nbx_compact_options){.pool = {.train = w->train,
                                                 .held = w->held,
                                                 .depth = 30,
                                                 .seed = 7,
                                                 .threads = 2,
                                                 .progress_fd = -1},
                                        .k = 10,
                                        .seconds = INFINITY};
}

Test(compact, wide_parts_are_joined_where_little_is_lost)
{
    struct world w;
    struct nbx_search_result r;
    make_world(&w);
    make_wide(&r, &w);
    struct nbx_compact_options options = compact_options(&w), slow = options, small = options;
    slow.seconds = 0;
    small.memory_bytes = 1;
    options.quick = (size_t)160 * ITEMS;
    cr_assert_eq(nbx_compact(&r, &options, &fault), NBX_OK);
    cr_expect_eq(r.recipe.compress.dim, 0, "it is quick as it is");
    cr_assert_eq(nbx_compact(&r, &slow, &fault), NBX_OK);
    cr_expect_eq(r.recipe.compress.dim, 0, "there is no time");
    cr_assert_eq(nbx_compact(&r, &small, &fault), NBX_OK);
    cr_expect_eq(r.recipe.compress.dim, 0, "there is no memory");
    options.quick = 0;
    r.ndcg = 1; /* which nothing reaches: all that is tried loses too much */
    cr_assert_eq(nbx_compact(&r, &options, &fault), NBX_OK);
    cr_expect(r.recipe.compress.dim == 0 && r.ndcg == 1);
    r.ndcg = 0.2;
    cr_assert_eq(nbx_compact(&r, &options, &fault), NBX_OK);
    cr_expect(r.recipe.compress.dim == 64 && r.recipe.compress.keep == 256);
    cr_expect(r.ndcg > 0.2, "what it is now, %g", r.ndcg);
    nbx_search_result_fini(&r);
    free_world(&w);
}

Test(trials, families_that_learn_from_the_order_need_one)
{
    struct nbx_search_result r;
    struct nbx_dataset *d = make_shop();
    struct nbx_search_options o = some_search(NULL);
    o.ordered = false;
    o.hold_out = NBX_HOLD_MIXED;
    cr_assert_eq(nbx_search_recipe(&r, d, &o, &fault), NBX_OK, "%s", fault.message);
    for (size_t i = 0; i < r.recipe.n_parts; i++)
        cr_expect(!nbx_family_info(r.recipe.parts[i].family)->ordered);
    nbx_search_result_fini(&r);
    o.hold_out = NBX_HOLD_TIME;
    cr_expect_eq(nbx_search_recipe(&r, d, &o, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "split");
    nbx_dataset_destroy(&d);
}
