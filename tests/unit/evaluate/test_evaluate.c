/* SPDX-License-Identifier: MIT */
#include "models/evaluate/evaluate.h"

#include "engine/base/buf.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "models/dataset/split.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEED      11
#define DIM       6
#define ITEMS     60
#define CUSTOMERS 40
#define K         5

static struct nbx_fault fault;
static float factors[ITEMS * DIM];
static char id_text[ITEMS][8];
static struct nbx_str ids[ITEMS];

/* Ids fall while rows rise, so that ties by row and ties by id differ. */
static struct nbx_bundle_info make_bundle(void)
{
    struct nbx_random random;
    nbx_blas_init();
    nbx_random_init(&random, SEED);
    for (size_t i = 0; i < ITEMS * DIM; i++)
        factors[i] = (float)(nbx_random_normal(&random) * 0.3);
    for (size_t i = 0; i < ITEMS; i++) {
        snprintf(id_text[i], sizeof id_text[i], "i%03zu", ITEMS - 1 - i);
        ids[i] = nbx_str_c(id_text[i]);
    }
    struct nbx_bundle_info info = {.n_items = ITEMS, .item_ids = ids, .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("s"),
                                        .dims = DIM,
                                        .metric = NBX_METRIC_DOT,
                                        .customer = NBX_CUSTOMER_FOLDED,
                                        .item_factors = factors,
                                        .alpha0 = 0.05f,
                                        .lambda = 0.02f,
                                        .nu = 0.8f};
    return info;
}

static struct nbx_dataset *read_text(const char *text)
{
    char path[] = P_tmpdir "/nbx-evaluate-XXXXXX";
    struct nbx_dataset *d;
    struct nbx_dataset_options options = {.progress_fd = -1};
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    unlink(path);
    return d;
}

static struct nbx_evaluate_options some_options(unsigned threads)
{
    return (struct nbx_evaluate_options){
        .protocol = "lightgcn", .k = {K}, .n_k = 1, .threads = threads, .progress_fd = -1};
}

static struct nbx_evaluation must_evaluate(const struct nbx_bundle_info *bundle, const char *events,
                                           const char *test, struct nbx_evaluate_options options)
{
    struct nbx_evaluation e;
    struct nbx_dataset *a = read_text(events), *b = read_text(test);
    cr_assert_eq(nbx_evaluate(&e, bundle, a, b, &options, &fault), NBX_OK, "%s", fault.message);
    nbx_dataset_destroy(&a);
    nbx_dataset_destroy(&b);
    return e;
}

struct texts {
    struct nbx_buf events, test, problem; /* CSV, CSV, the same pairs without header */
    int n_events, n_test;
};

/* Random pairs without repetition; item 60 to 69 are not in the bundle, customer 0 has no event. */
static void make_pairs(struct texts *t)
{
    struct nbx_random random;
    struct nbx_buf tests = {0};
    nbx_random_init(&random, SEED + 1);
    nbx_buf_printf(&t->events, "customer,item\n");
    nbx_buf_printf(&t->test, "customer,item\n");
    for (int c = 0; c < CUSTOMERS; c++)
        for (int i = 0; i < ITEMS + 10; i++) {
            double u = nbx_random_unit(&random);
            if (u < 0.15 && c > 0) {
                nbx_buf_printf(&t->events, "c%d,i%03d\n", c, i);
                nbx_buf_printf(&t->problem, "c%d i%03d\n", c, i);
                t->n_events++;
            } else if (u > 0.9) {
                nbx_buf_printf(&t->test, "c%d,i%03d\n", c, i);
                nbx_buf_printf(&tests, "c%d i%03d\n", c, i);
                t->n_test++;
            }
        }
    nbx_buf_put(&t->problem, tests.p, tests.len);
    nbx_buf_put_u8(&t->events, 0);
    nbx_buf_put_u8(&t->test, 0);
    nbx_buf_fini(&tests);
}

static void free_texts(struct texts *t)
{
    nbx_buf_fini(&t->events);
    nbx_buf_fini(&t->test);
    nbx_buf_fini(&t->problem);
}

static struct nbx_metrics ask_reference(const struct nbx_bundle_info *bundle, const struct texts *t)
{
    char path[] = P_tmpdir "/nbx-metrics-XXXXXX", command[1024];
    const struct nbx_space *s = &bundle->spaces[0];
    struct nbx_metrics m;
    FILE *f = fdopen(mkstemp(path), "w");
    cr_assert_not_null(f);
    fprintf(f, "%d %d %.9g %.9g %.9g %d %d %d\n", K, DIM, (double)s->alpha0, (double)s->lambda,
            (double)s->nu, ITEMS, t->n_events, t->n_test);
    for (size_t i = 0; i < ITEMS; i++) {
        fprintf(f, "%s", id_text[i]);
        for (size_t j = 0; j < DIM; j++)
            fprintf(f, " %.9g", (double)factors[i * DIM + j]);
        fprintf(f, "\n");
    }
    fwrite(t->problem.p, 1, t->problem.len, f);
    fclose(f);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/reference/metrics.py < %s",
             NBX_SOURCE_DIR, path);
    FILE *reference = popen(command, "r");
    cr_assert_eq(fscanf(reference, "%lf %lf %lf %lf %lf %lf", &m.recall, &m.ndcg, &m.precision,
                        &m.hit, &m.mrr, &m.map),
                 6, "the reference did not answer");
    cr_expect_eq(pclose(reference), 0);
    unlink(path);
    return m;
}

Test(evaluate, agrees_with_the_definition)
{
    struct texts t = {0};
    make_pairs(&t);
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluation e =
        must_evaluate(&bundle, (char *)t.events.p, (char *)t.test.p, some_options(2));
    struct nbx_metrics wanted = ask_reference(&bundle, &t);
    cr_expect_float_eq(e.at[0].metrics.recall, wanted.recall, 1e-9,
                       "seed %d: %g, the reference has %g", SEED, e.at[0].metrics.recall,
                       wanted.recall);
    cr_expect_float_eq(e.at[0].metrics.ndcg, wanted.ndcg, 1e-9);
    cr_expect_float_eq(e.at[0].metrics.precision, wanted.precision, 1e-9);
    cr_expect_float_eq(e.at[0].metrics.hit, wanted.hit, 1e-9);
    cr_expect_float_eq(e.at[0].metrics.mrr, wanted.mrr, 1e-9);
    cr_expect_float_eq(e.at[0].metrics.map, wanted.map, 1e-9);
    cr_expect_gt(e.at[0].metrics.recall, 0);
    cr_expect_eq(e.test_pairs, (size_t)t.n_test);
    cr_expect_gt(e.unknown_pairs, 0);
    cr_expect_eq(e.cold, 1);
    free_texts(&t);
}

Test(evaluate, threads_do_not_change_a_bit)
{
    struct texts t = {0};
    make_pairs(&t);
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluation one =
        must_evaluate(&bundle, (char *)t.events.p, (char *)t.test.p, some_options(1));
    struct nbx_evaluation three =
        must_evaluate(&bundle, (char *)t.events.p, (char *)t.test.p, some_options(3));
    cr_expect_arr_eq(one.at, three.at, sizeof one.at);
    free_texts(&t);
}

Test(evaluate, ties_break_by_id_in_byte_order)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluate_options options = some_options(1);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < DIM; j++)
            factors[i * DIM + j] = 0.5f;
    options.k[0] = 1;
    /* i000 is the customer's own, so i001 is the first of the equal rest */
    struct nbx_evaluation e =
        must_evaluate(&bundle, "customer,item\nc,i000\n", "customer,item\nc,i001\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 1);
    e = must_evaluate(&bundle, "customer,item\nc,i000\n", "customer,item\nc,i059\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 0);
    e = must_evaluate(&bundle, "customer,item\nc,i000\n", "customer,item\nc,i000\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 0, "the customer's own items are left out");
}

Test(evaluate, the_last_of_many_items_is_found)
{
    enum { MANY = 2500 };
    static float many[MANY];
    static char text[MANY][8];
    static struct nbx_str many_ids[MANY];
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluate_options options = some_options(1);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "m%04zu", i);
        many_ids[i] = nbx_str_c(text[i]);
        many[i] = i == MANY - 1 ? 2.0f : 1.0f;
    }
    bundle.n_items = MANY;
    bundle.item_ids = many_ids;
    bundle.spaces[0].dims = 1;
    bundle.spaces[0].item_factors = many;
    options.k[0] = 1;
    struct nbx_evaluation e =
        must_evaluate(&bundle, "customer,item\nc,m1500\n", "customer,item\nc,m2499\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 1);
}

Test(evaluate, popularity_ranks_what_most_customers_have)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluate_options options = some_options(2);
    options.k[0] = 2;
    /* i007: 3 customers, i003: 2, i005 and i009: 1. c has i007, so its list is i003, i005. */
    struct nbx_evaluation e = must_evaluate(
        &bundle, "customer,item\na,i007\nb,i007\nc,i007\na,i003\nb,i003\na,i009\nb,i005\n",
        "customer,item\nc,i005\nc,i009\n", options);
    cr_expect_float_eq(e.at[0].popularity.recall, 0.5, 1e-12);
    cr_expect_float_eq(e.at[0].popularity.mrr, 0.5, 1e-12);
}

Test(evaluate, who_is_unknown_gets_no_list_and_still_counts)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluation e =
        must_evaluate(&bundle, "customer,item\na,zzz\n", "customer,item\na,i001\nb,i002\nb,nope\n",
                      some_options(2));
    cr_expect_eq(e.customers, 2);
    cr_expect_eq(e.cold, 2);
    cr_expect_eq(e.unknown_pairs, 1);
    cr_expect_eq(e.at[0].metrics.recall, 0);
}

Test(evaluate, own_items_may_come_again)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluate_options options = some_options(1);
    for (size_t i = 0; i < ITEMS * DIM; i++)
        factors[i] = i == 0 ? 2.0f : 0.5f; /* the first is i059 */
    options.k[0] = 1;
    options.repeat = true;
    struct nbx_evaluation e =
        must_evaluate(&bundle, "customer,item\nc,i059\n", "customer,item\nc,i059\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 1);
    cr_expect_eq(e.at[0].popularity.hit, 1);
    options.repeat = false;
    e = must_evaluate(&bundle, "customer,item\nc,i059\n", "customer,item\nc,i059\n", options);
    cr_expect_eq(e.at[0].metrics.hit, 0);
}

Test(evaluate, segments_are_counted)
{
    struct nbx_bundle_info bundle = make_bundle();
    char events[1024] = "customer,item\n";
    struct nbx_evaluate_options options = some_options(2);
    for (int i = 0; i < 20; i++) { /* a has 20, b 19, c 5, d 4 */
        static const char *const who[] = {"a", "b", "c", "d"};
        static const int counts[] = {20, 19, 5, 4};
        for (int c = 0; c < 4; c++)
            if (i < counts[c])
                snprintf(events + strlen(events), sizeof events - strlen(events), "%s,i%03d\n",
                         who[c], i);
    }
    options.n_k = 2;
    options.k[1] = ITEMS;
    struct nbx_evaluation e = must_evaluate(
        &bundle, events, "customer,item\na,i058\nb,i058\nc,i008\nd,i006\nd,i058\ne,i000\ne,nope\n",
        options);
    /* i000 to i003 four each, i004 three, then 14 of two and i019: half of 48 is reached at 8 */
    cr_expect_eq(e.head_items, 8);
    cr_expect_eq(e.segment_customers[NBX_SEGMENT_NEW], 2, "d and the stranger e");
    cr_expect_eq(e.segment_customers[NBX_SEGMENT_REGULAR], 2);
    cr_expect_eq(e.segment_customers[NBX_SEGMENT_LOYAL], 1);
    cr_expect_eq(e.segment_customers[NBX_SEGMENT_HEAD], 2, "d and e");
    cr_expect_eq(e.segment_customers[NBX_SEGMENT_TAIL], 5);
    cr_expect_eq(e.at[1].k, ITEMS);
    cr_expect_float_eq(e.at[1].segments[NBX_SEGMENT_HEAD].recall, 0.5, 1e-12, "e has no list");
    cr_expect_float_eq(e.at[1].segments[NBX_SEGMENT_TAIL].recall, 0.8, 1e-12);
    cr_expect_float_eq(e.at[1].segments[NBX_SEGMENT_LOYAL].recall, 1, 1e-12);
    cr_expect_float_eq(e.at[1].segments[NBX_SEGMENT_NEW].recall, 0.5, 1e-12);
    cr_expect_float_eq(e.at[1].metrics.recall, 0.8, 1e-12);
}

Test(evaluate, one_item_is_enough)
{
    struct nbx_bundle_info bundle = make_bundle();
    bundle.n_items = 1;
    struct nbx_evaluation e = must_evaluate(&bundle, "customer,item\nc,i059\n",
                                            "customer,item\nc,i059\nd,i059\n", some_options(1));
    cr_expect_eq(e.customers, 2);
    cr_expect_eq(e.at[0].metrics.recall, 0);
    cr_expect_eq(e.at[0].exposure.coverage, 0);
}

Test(evaluate, a_split_can_be_evaluated_as_it_is)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_dataset *all = read_text("customer,item\na,i001\na,i002\nb,i003\nc,i001\nc,i004\n");
    struct nbx_dataset *train, *held;
    struct nbx_evaluation e;
    struct nbx_evaluate_options options = some_options(1);
    struct nbx_split_options last = {.kind = NBX_SPLIT_LAST};
    options.protocol = "leave-one-out";
    cr_assert_eq(nbx_dataset_split(&train, &held, all, &last), NBX_OK);
    cr_assert_eq(nbx_evaluate(&e, &bundle, train, held, &options, &fault), NBX_OK);
    cr_expect_eq(e.customers, 2, "b has nothing held out");
    cr_expect_eq(e.test_pairs, 2);
    nbx_dataset_destroy(&train);
    nbx_dataset_destroy(&held);
    nbx_dataset_destroy(&all);
}

static void expect_refused(struct nbx_bundle_info bundle, struct nbx_evaluate_options options,
                           const char *test, const char *field)
{
    struct nbx_evaluation e;
    struct nbx_dataset *a = read_text("customer,item\nc,i000\n"), *b = read_text(test);
    cr_expect_eq(nbx_evaluate(&e, &bundle, a, b, &options, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, field);
    nbx_dataset_destroy(&a);
    nbx_dataset_destroy(&b);
}

Test(evaluate, refusals_name_the_field)
{
    static const char one_pair[] = "customer,item\nc,i001\n";
    struct nbx_bundle_info good = make_bundle(), bad = good;
    struct nbx_evaluate_options options = some_options(1);
    options.protocol = "sampled";
    expect_refused(good, options, one_pair, "protocol");
    cr_expect_not_null(strstr(fault.message, "known are lightgcn"));
    options = some_options(1);
    options.k[0] = 0;
    expect_refused(good, options, one_pair, "k");
    options.k[0] = NBX_EVALUATE_MAX_K + 1;
    expect_refused(good, options, one_pair, "k");
    options = some_options(1);
    options.n_k = 0;
    expect_refused(good, options, one_pair, "k");
    options.n_k = 2;
    options.k[1] = K;
    expect_refused(good, options, one_pair, "k");
    cr_expect_not_null(strstr(fault.message, "5 is there twice"));
    options = some_options(1);
    options.protocol = "leave-one-out";
    expect_refused(good, options, "customer,item\nc,i001\nc,i002\n", "test");
    expect_refused(good, some_options(0), one_pair, "threads");
    expect_refused(good, some_options(1), "customer,item\n", "test");
    bad.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    expect_refused(bad, some_options(1), one_pair, "spaces[0].customer");
    bad = good;
    bad.spaces[0].metric = NBX_METRIC_COSINE;
    expect_refused(bad, some_options(1), one_pair, "spaces[0].metric");
    bad = good;
    bad.family = NBX_STR("blend");
    bad.n_spaces = 0;
    expect_refused(bad, some_options(1), one_pair, "spaces");
    bad = good;
    bad.n_spaces = 2;
    expect_refused(bad, some_options(1), one_pair, "spaces");
}

Test(evaluate, the_bound_covers_the_items)
{
    struct nbx_bundle_info bundle = make_bundle();
    struct nbx_evaluate_options options = some_options(1);
    cr_expect_gt(nbx_evaluate_bound_bytes(&bundle, 10, &options), sizeof factors);
}
