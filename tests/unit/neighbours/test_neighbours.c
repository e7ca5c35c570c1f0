/* SPDX-License-Identifier: MIT */
#include "models/neighbours/neighbours.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20260202

static struct nbx_fault fault;

/* A data set made by hand, with what it borrows. */
struct shop {
    struct nbx_dataset d;
    uint32_t *sequence;
};

/* lengths (n_customers): each customer takes so many different items in random order. */
static struct shop make_shop(const size_t *lengths, size_t n_customers, size_t n_items)
{
    struct shop s = {.d = {.n_customers = n_customers, .n_items = n_items}};
    struct nbx_random random;
    uint32_t *items = calloc(n_items + 1, sizeof *items);
    struct nbx_triple *t = calloc(n_customers * n_items + 1, sizeof *t);
    struct nbx_csr unsorted;
    size_t n = 0;
    nbx_random_init(&random, SEED);
    s.sequence = calloc(n_customers * n_items + 1, sizeof *s.sequence);
    for (size_t i = 0; i < n_items; i++)
        items[i] = (uint32_t)i;
    for (size_t c = 0; c < n_customers; c++)
        for (size_t k = 0; k < lengths[c]; k++, n++) {
            size_t other = k + nbx_random_below(&random, n_items - k);
            uint32_t item = items[other];
            items[other] = items[k];
            items[k] = s.sequence[n] = item;
            t[n] = (struct nbx_triple){(uint32_t)c, item, 1};
        }
    cr_assert_eq(nbx_csr_from_triples(&unsorted, t, n, n_customers, n_items, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&s.d.by_item, &unsorted), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&s.d.by_customer, &s.d.by_item), NBX_OK);
    s.d.sequence = s.sequence;
    nbx_csr_fini(&unsorted);
    free(items);
    free(t);
    return s;
}

static void free_shop(struct shop *s)
{
    nbx_csr_fini(&s->d.by_customer);
    nbx_csr_fini(&s->d.by_item);
    free(s->sequence);
}

/* 60 customers of 0 to 15 items, one of all of them; 40 items. */
enum { N_CUSTOMERS = 60, N_ITEMS = 40 };

static struct shop some_shop(void)
{
    size_t lengths[N_CUSTOMERS];
    for (size_t c = 0; c < N_CUSTOMERS; c++)
        lengths[c] = c == 7 ? N_ITEMS : c % 16;
    return make_shop(lengths, N_CUSTOMERS, N_ITEMS);
}

static struct nbx_neighbours_options some_options(bool ordered, size_t keep)
{
    return (struct nbx_neighbours_options){.ordered = ordered,
                                           .customer_power = 0.7f,
                                           .row_power = 0.6f,
                                           .column_power = 0.2f,
                                           .keep = keep,
                                           .max_gap = 4,
                                           .gap_decay = 0.6f,
                                           .backward = 0.3f,
                                           .threads = 2};
}

static struct nbx_csr must_fit(const struct nbx_dataset *d, const struct nbx_neighbours_options *o)
{
    struct nbx_csr n;
    cr_assert_eq(nbx_neighbours_fit(&n, d, o, &fault), NBX_OK, "%s", fault.message);
    cr_expect_eq(n.n_rows, d->n_items);
    cr_expect_eq(n.n_cols, d->n_items);
    return n;
}

/* --- from the definition ------------------------------------------------------------------ */

/* What a pair of places in one history, a before b, adds to C. */
static void add_pair(double *c, const struct nbx_dataset *d, const struct nbx_neighbours_options *o,
                     const uint32_t *history, size_t n, size_t a, size_t b)
{
    size_t m = d->n_items, i = history[a], j = history[b], gap = b - a;
    double weight = pow((double)n, -(double)o->customer_power);
    if (!o->ordered) {
        c[i * m + j] += weight;
        c[j * m + i] += weight;
    } else if (gap <= o->max_gap) {
        weight *= pow((double)o->gap_decay, (double)(gap - 1));
        c[i * m + j] += weight;
        c[j * m + i] += weight * (double)o->backward;
    }
}

/* C (n_items, n_items), the diagonal at 0. */
static double *brute_counts(const struct nbx_dataset *d, const struct nbx_neighbours_options *o)
{
    double *c = calloc(d->n_items * d->n_items, sizeof *c);
    for (size_t u = 0; u < d->n_customers; u++) {
        const uint32_t *history = d->sequence + d->by_customer.start[u];
        size_t n = nbx_csr_row_entries(&d->by_customer, u);
        for (size_t a = 0; a < n; a++)
            for (size_t b = a + 1; b < n; b++)
                add_pair(c, d, o, history, n, a, b);
    }
    return c;
}

/* s and t (n_items). */
static void brute_sums(double *s, double *t, const double *c, const struct nbx_dataset *d,
                       bool ordered)
{
    size_t m = d->n_items;
    for (size_t i = 0; i < m; i++) {
        s[i] = t[i] = ordered ? 0 : (double)nbx_csr_row_entries(&d->by_item, i);
        for (size_t j = 0; ordered && j < m; j++) {
            s[i] += c[i * m + j];
            t[i] += c[j * m + i];
        }
    }
}

/* N (n_items, n_items) before any entry is left out. */
static double *brute(const struct nbx_dataset *d, const struct nbx_neighbours_options *o)
{
    size_t m = d->n_items;
    double *c = brute_counts(d, o), s[N_ITEMS], t[N_ITEMS];
    brute_sums(s, t, c, d, o->ordered);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            if (c[i * m + j] > 0)
                c[i * m + j] *=
                    pow(s[i], -(double)o->row_power) * pow(t[j], -(double)o->column_power);
    return c;
}

/* How many entries of a row of N (n) stand before column j: larger, or equal and lower. */
static size_t rank_of(const double *row, size_t n, size_t j)
{
    size_t rank = 0;
    for (size_t k = 0; k < n; k++)
        rank += (float)row[k] > (float)row[j] || ((float)row[k] == (float)row[j] && k < j);
    return rank;
}

static void expect_row(const struct nbx_csr *n, size_t i, const double *wanted, size_t keep)
{
    uint64_t at = n->start[i], end = n->start[i + 1];
    for (size_t j = 0; j < n->n_cols; j++) {
        if (!(wanted[j] > 0) || rank_of(wanted, n->n_cols, j) >= keep)
            continue;
        cr_assert_lt(at, end, "seed %d: row %zu ends before column %zu", SEED, i, j);
        cr_assert_eq(n->col[at], j, "seed %d: row %zu has column %u, not %zu", SEED, i, n->col[at],
                     j);
        cr_expect_float_eq((double)n->weight[at], wanted[j], 1e-6 * wanted[j],
                           "seed %d: (%zu, %zu): %g, not %g", SEED, i, j, (double)n->weight[at],
                           wanted[j]);
        at++;
    }
    cr_expect_eq(at, end, "seed %d: row %zu has too much", SEED, i);
}

static void compare_with_brute(const struct nbx_dataset *d, const struct nbx_neighbours_options *o)
{
    struct nbx_csr n = must_fit(d, o);
    double *wanted = brute(d, o);
    for (size_t i = 0; i < d->n_items; i++)
        expect_row(&n, i, wanted + i * d->n_items, o->keep);
    nbx_csr_fini(&n);
    free(wanted);
}

Test(neighbours, unordered_agrees_with_the_definition)
{
    static const float powers[][3] = {{0, 0, 0}, {.7f, .6f, .2f}, {1, .5f, .5f}, {2, 2, 2}};
    struct shop s = some_shop();
    for (size_t p = 0; p < sizeof powers / sizeof *powers; p++) {
        struct nbx_neighbours_options o = some_options(false, NBX_NEIGHBOURS_MAX_KEEP);
        o.customer_power = powers[p][0];
        o.row_power = powers[p][1];
        o.column_power = powers[p][2];
        compare_with_brute(&s.d, &o);
        o.keep = 7;
        compare_with_brute(&s.d, &o);
    }
    free_shop(&s);
}

Test(neighbours, ordered_agrees_with_the_definition)
{
    static const struct {
        size_t max_gap;
        float gap_decay, backward;
    } cases[] = {{1, 1, 0}, {1, .5f, 1}, {3, .6f, 0}, {4, .6f, .3f}, {1000, .9f, .1f}};
    struct shop s = some_shop();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (size_t keep = 1; keep <= NBX_NEIGHBOURS_MAX_KEEP; keep *= 10) {
            struct nbx_neighbours_options o = some_options(true, keep);
            o.max_gap = cases[k].max_gap;
            o.gap_decay = cases[k].gap_decay;
            o.backward = cases[k].backward;
            compare_with_brute(&s.d, &o);
        }
    free_shop(&s);
}

/* Everybody takes everything: all entries are equal, so each row keeps its lowest columns. */
Test(neighbours, ties_keep_the_lower_columns)
{
    size_t lengths[3] = {9, 9, 9};
    struct shop s = make_shop(lengths, 3, 9);
    struct nbx_neighbours_options o = some_options(false, 4);
    struct nbx_csr n = must_fit(&s.d, &o);
    for (size_t i = 0; i < 9; i++) {
        cr_assert_eq(nbx_csr_row_entries(&n, i), 4);
        for (size_t k = 0; k < 4; k++)
            cr_expect_eq(n.col[n.start[i] + k], k < i ? k : k + 1);
    }
    nbx_csr_fini(&n);
    free_shop(&s);
}

Test(neighbours, an_order_by_hand)
{
    static const uint32_t sequence[] = {2, 0, 1};
    static const struct nbx_triple pairs[] = {{0, 0, 1}, {0, 1, 1}, {0, 2, 1}};
    struct nbx_dataset d = {.n_customers = 1, .n_items = 3, .sequence = sequence};
    struct nbx_neighbours_options o = {.ordered = true,
                                       .customer_power = 1,
                                       .keep = 10,
                                       .max_gap = 2,
                                       .gap_decay = 0.5f,
                                       .backward = 0.25f,
                                       .threads = 1};
    cr_assert_eq(nbx_csr_from_triples(&d.by_customer, pairs, 3, 1, 3, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&d.by_item, &d.by_customer), NBX_OK);
    struct nbx_csr n = must_fit(&d, &o);
    /* thirds: 0 then 1, 2 before 0; 0 and 2 before 1; 0 and 1 after 2 */
    static const double wanted[3][3] = {{0, 1, .25}, {.25, 0, .125}, {1, .5, 0}};
    for (size_t i = 0; i < 3; i++)
        for (uint64_t at = n.start[i]; at < n.start[i + 1]; at++)
            cr_expect_float_eq((double)n.weight[at], wanted[i][n.col[at]] / 3, 1e-7);
    cr_expect_eq(nbx_csr_entries(&n), 6);
    nbx_csr_fini(&n);
    nbx_csr_fini(&d.by_customer);
    nbx_csr_fini(&d.by_item);
}

/* More items than a unit of work has rows. */
Test(neighbours, threads_do_not_change_a_bit)
{
    size_t lengths[400];
    for (size_t c = 0; c < 400; c++)
        lengths[c] = c % 31;
    struct shop s = make_shop(lengths, 400, 150);
    for (int ordered = 0; ordered < 2; ordered++) {
        struct nbx_neighbours_options o = some_options(ordered, 20);
        o.threads = 1;
        struct nbx_csr one = must_fit(&s.d, &o);
        for (o.threads = 2; o.threads <= 5; o.threads++) {
            struct nbx_csr n = must_fit(&s.d, &o);
            size_t entries = nbx_csr_entries(&one);
            cr_assert_arr_eq(n.start, one.start, 151 * sizeof *n.start);
            cr_expect_arr_eq(n.col, one.col, entries * sizeof *n.col);
            cr_expect_arr_eq(n.weight, one.weight, entries * sizeof *n.weight);
            nbx_csr_fini(&n);
        }
        nbx_csr_fini(&one);
    }
    free_shop(&s);
}

Test(neighbours, nothing_to_count)
{
    size_t lengths[2] = {1, 1};
    struct shop none = make_shop(NULL, 0, 0), alone = make_shop(lengths, 2, 5);
    for (int ordered = 0; ordered < 2; ordered++) {
        struct nbx_neighbours_options o = some_options(ordered, 3);
        struct nbx_csr n = must_fit(&none.d, &o);
        cr_expect_eq(nbx_csr_entries(&n), 0);
        nbx_csr_fini(&n);
        n = must_fit(&alone.d, &o);
        cr_expect_eq(nbx_csr_entries(&n), 0);
        cr_expect_not_null(n.weight);
        nbx_csr_fini(&n);
    }
    free_shop(&none);
    free_shop(&alone);
}

/* Long gaps that have faded to nothing leave no entry, nor more of them than there is room for. */
Test(neighbours, what_has_faded_is_left_out)
{
    size_t lengths[3] = {N_ITEMS, N_ITEMS, N_ITEMS};
    struct shop s = make_shop(lengths, 3, N_ITEMS);
    struct nbx_neighbours_options o = some_options(true, 100);
    o.max_gap = 30;
    o.gap_decay = 1e-30f;
    o.row_power = o.column_power = 0;
    struct nbx_csr n = must_fit(&s.d, &o);
    for (size_t k = 0; k < nbx_csr_entries(&n); k++)
        cr_expect_gt(n.weight[k], 0);
    cr_expect_leq(nbx_csr_entries(&n), 3 * 4 * N_ITEMS);
    nbx_csr_fini(&n);
    free_shop(&s);
}

/* Two items in a row: from the second back to the first there is `backward`, and nothing else in
 * that row and that column, so that the entry is backward^-3. */
Test(neighbours, overflow_is_an_error_not_an_infinity)
{
    size_t lengths[1] = {2};
    struct shop s = make_shop(lengths, 1, 2);
    struct nbx_neighbours_options o = some_options(true, 10);
    struct nbx_csr n;
    o.backward = 1e-20f;
    o.row_power = o.column_power = 2;
    cr_expect_eq(nbx_neighbours_fit(&n, &s.d, &o, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "");
    cr_expect_not_null(strstr(fault.message, "overflow"));
    cr_expect_null(n.start);
    free_shop(&s);
}

static void expect_refused(const struct nbx_neighbours_options *o, const char *field)
{
    struct shop s = make_shop(NULL, 0, 0);
    struct nbx_csr n;
    cr_expect_eq(nbx_neighbours_fit(&n, &s.d, o, &fault), NBX_EBAD, "%s", field);
    cr_expect_str_eq(fault.field, field);
    cr_expect_null(n.start);
    free_shop(&s);
}

#define REFUSED(member, value)                                                                     \
    do {                                                                                           \
        struct nbx_neighbours_options refused = some_options(true, 10);                            \
        refused.member = (value);                                                                  \
        expect_refused(&refused, #member);                                                         \
    } while (0)

Test(neighbours, options_are_refused_by_name)
{
    REFUSED(customer_power, -0.1f);
    REFUSED(customer_power, NAN);
    REFUSED(row_power, 2.1f);
    REFUSED(column_power, INFINITY);
    REFUSED(keep, 0);
    REFUSED(keep, NBX_NEIGHBOURS_MAX_KEEP + 1);
    REFUSED(max_gap, 0);
    REFUSED(max_gap, NBX_NEIGHBOURS_MAX_GAP + 1);
    REFUSED(gap_decay, 0);
    REFUSED(gap_decay, 1.1f);
    REFUSED(backward, -0.1f);
    REFUSED(backward, NAN);
    REFUSED(threads, 0);
    REFUSED(threads, 257);
}

Test(neighbours, what_an_order_needs_is_not_asked_of_the_unordered)
{
    struct shop s = some_shop();
    struct nbx_neighbours_options o = some_options(false, 3);
    o.max_gap = 0;
    o.gap_decay = o.backward = -1;
    s.d.sequence = NULL;
    struct nbx_csr n = must_fit(&s.d, &o);
    cr_expect_gt(nbx_csr_entries(&n), 0);
    nbx_csr_fini(&n);
    free_shop(&s);
}

Test(neighbours, the_bound_covers_the_result_and_grows_with_threads)
{
    struct shop s = some_shop();
    for (int ordered = 0; ordered < 2; ordered++) {
        struct nbx_neighbours_options o = some_options(ordered, 10);
        struct nbx_csr n = must_fit(&s.d, &o);
        uint64_t two = nbx_neighbours_bound_bytes(&s.d, &o);
        cr_expect_gt(two, nbx_csr_entries(&n) * 8);
        o.threads = 3;
        cr_expect_gt(nbx_neighbours_bound_bytes(&s.d, &o), two);
        nbx_csr_fini(&n);
    }
    free_shop(&s);
}
