/* SPDX-License-Identifier: MIT */
#include "models/ials/ials.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED 20260101

static struct nbx_fault fault;

struct pairs {
    struct nbx_csr by_customer, by_item;
};

/* Each pair with the given chance; customer 0 takes nearly everything (a row longer than a block
 * of the solver), customer 1 nothing. */
static struct pairs make_pairs(size_t n_customers, size_t n_items, double chance, bool weighted)
{
    struct pairs p;
    struct nbx_random random;
    struct nbx_triple *t = calloc(n_customers * n_items, sizeof *t);
    size_t n = 0;
    nbx_random_init(&random, SEED);
    for (size_t c = 0; c < n_customers; c++)
        for (size_t i = 0; i < n_items; i++)
            if (c != 1 && nbx_random_unit(&random) < (c == 0 ? 0.95 : chance))
                t[n++] = (struct nbx_triple){(uint32_t)c, (uint32_t)i,
                                             (float)(0.25 + nbx_random_unit(&random))};
    cr_assert_eq(nbx_csr_from_triples(&p.by_customer, t, n, n_customers, n_items, weighted),
                 NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&p.by_item, &p.by_customer), NBX_OK);
    free(t);
    return p;
}

static void free_pairs(struct pairs *p)
{
    nbx_csr_fini(&p->by_customer);
    nbx_csr_fini(&p->by_item);
}

static struct nbx_ials_options some_options(size_t dim, unsigned threads)
{
    struct nbx_ials_options o;
    nbx_blas_init();
    nbx_ials_defaults(&o);
    o.dim = dim;
    o.threads = threads;
    o.seed = SEED;
    return o;
}

static struct nbx_ials *must_new(const struct pairs *p, const struct nbx_ials_options *o)
{
    struct nbx_ials *ials;
    cr_assert_eq(nbx_ials_new(&ials, &p->by_customer, &p->by_item, o, &fault), NBX_OK, "%s",
                 fault.message);
    return ials;
}

/* Exactly solved, by steps, and by steps that go much too far. 21 dimensions fill no vector. */
Test(ials, loss_falls_every_epoch)
{
    static const float relaxations[] = {0, 1, NBX_IALS_DEFAULT_RELAXATION, 1.9f};
    for (size_t i = 0; i < 8; i++) {
        bool weighted = i % 2;
        struct pairs p = make_pairs(300, 200, 0.05, weighted);
        struct nbx_ials_options o = some_options(weighted ? 16 : 21, 2);
        o.relaxation = relaxations[i / 2];
        o.steps = o.relaxation > 0 ? NBX_IALS_DEFAULT_STEPS : 0;
        struct nbx_ials *ials = must_new(&p, &o);
        double before = INFINITY, loss;
        for (int epoch = 0; epoch < 10; epoch++) {
            cr_assert_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
            cr_assert_eq(nbx_ials_loss(ials, &loss, &fault), NBX_OK);
            cr_expect_lt(loss, before, "seed %d, case %zu, epoch %d: %g, before %g", SEED, i, epoch,
                         loss, before);
            before = loss;
        }
        nbx_ials_destroy(&ials);
        cr_expect_null(ials);
        free_pairs(&p);
    }
}

static void expect_same_bits(const struct nbx_ials *a, const struct nbx_ials *b,
                             const struct pairs *p, size_t dim)
{
    cr_expect_arr_eq(nbx_ials_items(a), nbx_ials_items(b), p->by_item.n_rows * dim * sizeof(float));
    cr_expect_arr_eq(nbx_ials_customers(a), nbx_ials_customers(b),
                     p->by_customer.n_rows * dim * sizeof(float));
}

static void same_on_any_number_of_threads(unsigned steps)
{
    struct pairs p = make_pairs(2500, 150, 0.04, false);
    struct nbx_ials_options o = some_options(8, 1), three = some_options(8, 3);
    o.steps = three.steps = steps;
    struct nbx_ials *a = must_new(&p, &o), *b = must_new(&p, &three);
    for (int epoch = 0; epoch < 3; epoch++) {
        cr_assert_eq(nbx_ials_epoch(a, &fault), NBX_OK);
        cr_assert_eq(nbx_ials_epoch(b, &fault), NBX_OK);
    }
    expect_same_bits(a, b, &p, 8);
    double loss_a, loss_b;
    cr_assert_eq(nbx_ials_loss(a, &loss_a, &fault), NBX_OK);
    cr_assert_eq(nbx_ials_loss(b, &loss_b, &fault), NBX_OK);
    cr_expect_eq(loss_a, loss_b);
    nbx_ials_destroy(&b);
    o.seed++;
    b = must_new(&p, &o);
    cr_expect_neq(memcmp(nbx_ials_items(a), nbx_ials_items(b), 150 * 8 * sizeof(float)), 0);
    nbx_ials_destroy(&a);
    nbx_ials_destroy(&b);
    free_pairs(&p);
}

Test(ials, threads_do_not_change_a_bit_and_seeds_do)
{
    same_on_any_number_of_threads(0);
    same_on_any_number_of_threads(3);
}

/* The largest difference between what two models score, over all customers and items. */
static double largest_difference(const struct nbx_ials *a, const struct nbx_ials *b,
                                 const struct pairs *p, size_t dim)
{
    double largest = 0;
    for (size_t c = 0; c < p->by_customer.n_rows; c++)
        for (size_t i = 0; i < p->by_item.n_rows; i++) {
            double difference = 0;
            for (size_t j = 0; j < dim; j++)
                difference += (double)nbx_ials_customers(a)[c * dim + j] *
                                  (double)nbx_ials_items(a)[i * dim + j] -
                              (double)nbx_ials_customers(b)[c * dim + j] *
                                  (double)nbx_ials_items(b)[i * dim + j];
            largest = fmax(largest, fabs(difference));
        }
    return largest;
}

/* As many steps as there are unknowns solve a row: the same scores, in other axes. 37 dimensions:
 * two vectors and five over. */
Test(ials, enough_steps_are_the_exact_solution)
{
    for (int weighted = 0; weighted < 2; weighted++) {
        struct pairs p = make_pairs(120, 90, 0.1, weighted);
        struct nbx_ials_options exact = some_options(37, 2), steps = exact;
        exact.steps = 0;
        steps.steps = 60;
        steps.relaxation = 1;
        struct nbx_ials *a = must_new(&p, &exact), *b = must_new(&p, &steps);
        for (int epoch = 0; epoch < 3; epoch++) {
            cr_assert_eq(nbx_ials_epoch(a, &fault), NBX_OK);
            cr_assert_eq(nbx_ials_epoch(b, &fault), NBX_OK);
        }
        cr_expect_lt(largest_difference(a, b, &p, 37), 1e-4, "seed %d, weighted %d: %g", SEED,
                     weighted, largest_difference(a, b, &p, 37));
        nbx_ials_destroy(&a);
        nbx_ials_destroy(&b);
        free_pairs(&p);
    }
}

static double loss_after(const struct pairs *p, const struct nbx_ials_options *o, int epochs)
{
    struct nbx_ials *ials = must_new(p, o);
    double loss;
    for (int epoch = 0; epoch < epochs; epoch++)
        cr_assert_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
    cr_assert_eq(nbx_ials_loss(ials, &loss, &fault), NBX_OK);
    nbx_ials_destroy(&ials);
    return loss;
}

Test(ials, going_farther_saves_epochs)
{
    struct pairs p = make_pairs(400, 300, 0.04, false);
    struct nbx_ials_options o = some_options(16, 2), plain = o;
    plain.relaxation = 1;
    double far = loss_after(&p, &o, 12), near = loss_after(&p, &plain, 18);
    cr_expect_lt(far, near, "seed %d: %g after 12 epochs, %g after 18 plain ones", SEED, far, near);
    free_pairs(&p);
}

Test(ials, starts_small_and_a_row_without_pairs_is_zero)
{
    struct pairs p = make_pairs(400, 300, 0.03, false);
    struct nbx_ials_options o = some_options(25, 2);
    struct nbx_ials *ials = must_new(&p, &o);
    double square = 0;
    for (size_t i = 0; i < 300 * 25; i++)
        square += pow((double)nbx_ials_items(ials)[i], 2);
    cr_expect_float_eq(sqrt(square / (300 * 25)), 0.1 / 5, 0.001);
    cr_assert_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
    for (size_t j = 0; j < 25; j++)
        cr_expect_eq(nbx_ials_customers(ials)[25 + j], 0.0f);
    nbx_ials_destroy(&ials);
    free_pairs(&p);
}

Test(ials, nothing_to_learn_from)
{
    struct pairs p = make_pairs(0, 0, 0, false);
    struct nbx_ials_options o = some_options(4, 2);
    struct nbx_ials *ials = must_new(&p, &o);
    double loss = 1;
    cr_expect_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
    cr_expect_eq(nbx_ials_loss(ials, &loss, &fault), NBX_OK);
    cr_expect_eq(loss, 0);
    nbx_ials_destroy(&ials);
    free_pairs(&p);
}

Test(ials, options_are_refused_by_name)
{
    static const struct {
        struct nbx_ials_options o;
        const char *field;
    } cases[] = {
        {{0, .01f, .003f, 1, 1, 1}, "dim"},
        {{4097, .01f, .003f, 1, 1, 1}, "dim"},
        {{8, -1, .003f, 1, 1, 1}, "alpha0"},
        {{8, NAN, .003f, 1, 1, 1}, "alpha0"},
        {{8, .01f, 0, 1, 1, 1}, "lambda"},
        {{8, .01f, INFINITY, 1, 1, 1}, "lambda"},
        {{8, .01f, .003f, -1, 1, 1}, "nu"},
        {{8, .01f, .003f, NAN, 1, 1}, "nu"},
        {{8, .01f, .003f, 1, 1, 0}, "threads"},
        {{8, .01f, .003f, 1, 1, 257}, "threads"},
        {{8, .01f, .003f, 1, 1, 1, 3, 2}, "relaxation"},
        {{8, .01f, .003f, 1, 1, 1, 3, NAN}, "relaxation"},
    };
    struct pairs p = make_pairs(5, 5, 0.5, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nbx_ials *ials;
        cr_expect_eq(nbx_ials_new(&ials, &p.by_customer, &p.by_item, &cases[i].o, &fault),
                     NBX_EBAD);
        cr_expect_null(ials);
        cr_expect_str_eq(fault.field, cases[i].field);
    }
    free_pairs(&p);
}

static void overflows(unsigned steps)
{
    struct pairs p = make_pairs(20, 20, 0.5, true);
    struct nbx_ials_options o = some_options(4, 1);
    o.steps = steps;
    p.by_item.weight[0] = INFINITY;
    p.by_customer.weight[0] = INFINITY;
    struct nbx_ials *ials = must_new(&p, &o);
    cr_expect_eq(nbx_ials_epoch(ials, &fault), NBX_EBAD);
    cr_expect_not_null(strstr(fault.message, "overflow"));
    nbx_ials_destroy(&ials);
    free_pairs(&p);
}

Test(ials, overflow_is_an_error_not_a_nan)
{
    overflows(0);
    overflows(1);
    overflows(3);
}

Test(ials, the_bound_covers_the_factors_and_grows_with_threads)
{
    struct nbx_ials_options o = some_options(64, 1);
    uint64_t one = nbx_ials_bound_bytes(1000, 500, &o);
    o.threads = 2;
    cr_expect_gt(one, 2500 * 64 * sizeof(float));
    cr_expect_gt(nbx_ials_bound_bytes(1000, 500, &o), one);
}

/* --- against the definition -------------------------------------------------------------- */

static void write_problem(FILE *f, const struct pairs *p, const struct nbx_ials_options *o,
                          const float *items, int epochs)
{
    const struct nbx_csr *m = &p->by_customer;
    fprintf(f, "%zu %zu %zu %.9g %.9g %.9g %d %zu\n", m->n_rows, m->n_cols, o->dim,
            (double)o->alpha0, (double)o->lambda, (double)o->nu, epochs, nbx_csr_entries(m));
    for (size_t r = 0; r < m->n_rows; r++)
        for (uint64_t i = m->start[r]; i < m->start[r + 1]; i++)
            fprintf(f, "%zu %u %.9g\n", r, m->col[i], m->weight ? (double)m->weight[i] : 1.0);
    for (size_t i = 0; i < m->n_cols * o->dim; i++)
        fprintf(f, "%.9g ", (double)items[i]);
}

static void expect_factors(FILE *from, const float *factors, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        double wanted;
        cr_assert_eq(fscanf(from, "%lf", &wanted), 1, "%s: the reference stopped at %zu", what, i);
        cr_expect_float_eq((double)factors[i], wanted, 1e-4 + 1e-4 * fabs(wanted),
                           "%s %zu: %g, the reference has %g", what, i, (double)factors[i], wanted);
    }
}

static void compare_with_reference(const struct pairs *p, const struct nbx_ials_options *o)
{
    enum { EPOCHS = 2 };
    char path[] = P_tmpdir "/nbx-ials-XXXXXX", command[1024];
    FILE *problem = fdopen(mkstemp(path), "w");
    struct nbx_ials *ials = must_new(p, o);
    double loss, wanted;
    cr_assert_not_null(problem);
    write_problem(problem, p, o, nbx_ials_items(ials), EPOCHS);
    fclose(problem);
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/reference/ials.py < %s",
             NBX_SOURCE_DIR, path);
    FILE *reference = popen(command, "r");
    cr_assert_not_null(reference);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        cr_assert_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
        cr_assert_eq(nbx_ials_loss(ials, &loss, &fault), NBX_OK);
        cr_assert_eq(fscanf(reference, "%lf", &wanted), 1);
        cr_expect_float_eq(loss, wanted, 1e-4 * wanted, "loss %g, the reference has %g", loss,
                           wanted);
    }
    expect_factors(reference, nbx_ials_customers(ials), p->by_customer.n_rows * o->dim, "customer");
    expect_factors(reference, nbx_ials_items(ials), p->by_item.n_rows * o->dim, "item");
    cr_expect_eq(pclose(reference), 0);
    unlink(path);
    nbx_ials_destroy(&ials);
}

static double score(const struct nbx_ials *ials, size_t customer, size_t item, size_t dim)
{
    const float *x = nbx_ials_customers(ials) + customer * dim;
    const float *y = nbx_ials_items(ials) + item * dim;
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * (double)y[d];
    return sum;
}

Test(ials, aligned_factors_score_the_same_and_have_a_diagonal_gram)
{
    enum { DIM = 12, CUSTOMERS = 80, ITEMS = 60 };
    static double before[CUSTOMERS * ITEMS];
    struct pairs p = make_pairs(CUSTOMERS, ITEMS, 0.1, false);
    struct nbx_ials_options o = some_options(DIM, 2);
    struct nbx_ials *ials = must_new(&p, &o);
    for (int epoch = 0; epoch < 3; epoch++)
        cr_assert_eq(nbx_ials_epoch(ials, &fault), NBX_OK);
    for (size_t i = 0; i < CUSTOMERS * ITEMS; i++)
        before[i] = score(ials, i / ITEMS, i % ITEMS, DIM);
    cr_assert_eq(nbx_ials_align(ials, &fault), NBX_OK);
    for (size_t i = 0; i < CUSTOMERS * ITEMS; i++)
        cr_expect_float_eq(score(ials, i / ITEMS, i % ITEMS, DIM), before[i], 1e-5);
    double largest = 0, beside = 0;
    for (size_t a = 0; a < DIM; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = 0;
            for (size_t i = 0; i < ITEMS; i++)
                sum += (double)nbx_ials_items(ials)[i * DIM + a] *
                       (double)nbx_ials_items(ials)[i * DIM + b];
            largest = fmax(largest, a == b ? sum : 0);
            beside = fmax(beside, a == b ? 0 : fabs(sum));
        }
    cr_expect_lt(beside, 1e-6 * largest, "seed %d", SEED);
    nbx_ials_destroy(&ials);
    free_pairs(&p);
}

Test(ials, goes_on_from_its_items_to_the_same_bits)
{
    struct pairs p = make_pairs(90, 70, 0.1, false);
    struct nbx_ials_options o = some_options(8, 2);
    struct nbx_ials *whole = must_new(&p, &o), *second = must_new(&p, &o);
    for (int epoch = 0; epoch < 2; epoch++)
        cr_assert_eq(nbx_ials_epoch(whole, &fault), NBX_OK);
    nbx_ials_restart(second, nbx_ials_customers(whole), nbx_ials_items(whole), 2);
    cr_assert_eq(nbx_ials_epoch(whole, &fault), NBX_OK);
    cr_assert_eq(nbx_ials_epoch(second, &fault), NBX_OK);
    expect_same_bits(whole, second, &p, 8);
    nbx_ials_destroy(&whole);
    nbx_ials_destroy(&second);
    free_pairs(&p);
}

/* 320 items: customer 0's row takes two blocks; others lie on both sides of the dimension. */
Test(ials, agrees_with_the_definition)
{
    for (int weighted = 0; weighted < 2; weighted++) {
        struct pairs p = make_pairs(14, 320, 0.02, weighted);
        struct nbx_ials_options o = some_options(6, 2);
        o.steps = 0;
        compare_with_reference(&p, &o);
        o.nu = 0.5f;
        o.alpha0 = 0.2f;
        o.lambda = 0.05f;
        compare_with_reference(&p, &o);
        o.alpha0 = 0;
        compare_with_reference(&p, &o);
        free_pairs(&p);
    }
}
