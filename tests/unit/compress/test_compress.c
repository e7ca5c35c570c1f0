/* SPDX-License-Identifier: MIT */
#include "models/compress/compress.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"
#include "engine/score/dot.h"
#include "engine/score/fold_in.h"
#include "models/compress/folded.h"
#include "models/compress/joint.h"
#include "models/compress/linear.h"
#include "models/compress/rest.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED      20261126
#define CUSTOMERS 80
#define ITEMS     30
#define TASTE     5
#define SPECTRUM  7
#define ARENA     ((size_t)4 << 20)

static struct nbx_fault fault;
static struct nbx_random rng;
static struct nbx_dataset shop; /* the matrices alone */
static float taste[ITEMS * TASTE], spectrum[ITEMS * SPECTRUM], history[ITEMS * SPECTRUM];
static float alike[] = {1}, paces[] = {1, 0.5F};
static struct nbx_csr rows;
static struct nbx_part parts[3];
static const double weights[3] = {1.5, 1, 0.5};
static const struct nbx_weighed all_parts = {parts, weights, 3};

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)nbx_random_normal(&rng);
}

static void make_rows(void)
{
    struct nbx_triple t[ITEMS * ITEMS];
    size_t n = 0;
    for (uint32_t h = 0; h < ITEMS; h++)
        for (uint32_t i = 0; i < ITEMS; i++)
            if (nbx_random_unit(&rng) < 0.2)
                t[n++] = (struct nbx_triple){h, i, (float)nbx_random_unit(&rng)};
    cr_assert_eq(nbx_csr_from_triples(&rows, t, n, ITEMS, ITEMS, true), NBX_OK);
}

static void make_parts(void)
{
    parts[0] = (struct nbx_part){.space = {.name = NBX_STR("taste"),
                                           .dims = TASTE,
                                           .customer = NBX_CUSTOMER_FOLDED,
                                           .item_factors = taste,
                                           .alpha0 = 0.1F,
                                           .lambda = 0.2F,
                                           .nu = 0.8F}};
    parts[1] = (struct nbx_part){.space = {.name = NBX_STR("spectrum"),
                                           .dims = SPECTRUM,
                                           .customer = NBX_CUSTOMER_SUMMED,
                                           .item_factors = spectrum,
                                           .history_factors = history,
                                           .positions = alike,
                                           .n_positions = 1,
                                           .n_groups = 1}};
    parts[2] = (struct nbx_part){.sparse = true,
                                 .rows = rows,
                                 .neighbours = {.name = NBX_STR("near"),
                                                .start = rows.start,
                                                .items = rows.col,
                                                .weights = rows.weight,
                                                .positions = alike,
                                                .n_positions = 1}};
}

/* Each customer has items with a chance of their own; nobody has all. */
static void make_shop(void)
{
    struct nbx_triple t[CUSTOMERS * ITEMS];
    size_t n = 0;
    nbx_blas_init();
    nbx_random_init(&rng, SEED);
    for (uint32_t c = 0; c < CUSTOMERS; c++)
        for (uint32_t i = 0; i < ITEMS; i++)
            if (nbx_random_unit(&rng) < 0.15 + 0.2 * ((c + i) % 3 == 0))
                t[n++] = (struct nbx_triple){c, i, 1};
    shop = (struct nbx_dataset){.n_customers = CUSTOMERS, .n_items = ITEMS};
    cr_assert_eq(nbx_csr_from_triples(&shop.by_customer, t, n, CUSTOMERS, ITEMS, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&shop.by_item, &shop.by_customer), NBX_OK);
    fill(taste, ITEMS * TASTE);
    fill(spectrum, ITEMS * SPECTRUM);
    fill(history, ITEMS * SPECTRUM);
    make_rows();
    make_parts();
}

static void free_shop(void)
{
    nbx_csr_fini(&shop.by_customer);
    nbx_csr_fini(&shop.by_item);
    nbx_csr_fini(&rows);
}

TestSuite(compress, .init = make_shop, .fini = free_shop);

static struct nbx_compress_options with(size_t dim, size_t keep, unsigned threads)
{
    return (struct nbx_compress_options){{dim, keep}, threads, -1};
}

/* What item h of a history gives to item i. */
static double linear_entry(const struct nbx_linear *l, size_t h, size_t i)
{
    double sum = 0;
    for (size_t d = 0; d < l->dims; d++)
        sum += (double)l->history[h * l->dims + d] * (double)l->items[i * l->dims + d];
    for (size_t s = 0; s < l->n_sparse; s++)
        for (uint64_t e = l->rows[s]->start[h]; e < l->rows[s]->start[h + 1]; e++)
            if (l->rows[s]->col[e] == i)
                sum += (double)l->scales[s] * (double)l->rows[s]->weight[e];
    return sum;
}

static double pair_entry(const struct nbx_part *pair, size_t h, size_t i)
{
    double sum = 0;
    size_t dims = pair->space.dims;
    for (size_t d = 0; d < dims; d++)
        sum +=
            (double)pair->history_factors[h * dims + d] * (double)pair->item_factors[i * dims + d];
    for (uint64_t e = pair->rows.start[h]; e < pair->rows.start[h + 1]; e++)
        if (pair->rows.col[e] == i)
            sum += (double)pair->rows.weight[e];
    return sum;
}

/* Whatever the space leaves out, all entries kept put it back. */
Test(compress, with_all_entries_kept_nothing_is_lost)
{
    struct nbx_linear linear;
    cr_assert_eq(nbx_linear_init(&linear, parts, weights, 3, &shop, 2), NBX_OK);
    cr_assert_eq(linear.dims, TASTE + SPECTRUM);
    for (size_t dim = 1; dim <= 16; dim += 5) {
        struct nbx_compressed out;
        struct nbx_compress_options options = with(dim, ITEMS, 2);
        cr_assert_eq(nbx_compress(&out, &all_parts, &shop, &options, &fault), NBX_OK, "%s",
                     fault.message);
        cr_assert_eq(out.n, 1);
        cr_assert_eq(out.parts[0].space.dims, dim < linear.dims ? dim : linear.dims);
        cr_assert(out.weights[0] > 0);
        for (size_t h = 0; h < ITEMS; h++)
            for (size_t i = 0; i < ITEMS; i++)
                cr_assert_float_eq(pair_entry(&out.parts[0], h, i), linear_entry(&linear, h, i),
                                   1e-4);
        nbx_compressed_fini(&out);
    }
    nbx_linear_fini(&linear);
}

/* Squared error of customers' scores by the joint space, or by any other of its dimensions. */
static double error_of(const struct nbx_linear *l, const float *from, const float *to, size_t dims)
{
    double error = 0, x[TASTE + SPECTRUM], low[TASTE + SPECTRUM];
    for (size_t c = 0; c < CUSTOMERS; c++) {
        memset(x, 0, sizeof x);
        memset(low, 0, sizeof low);
        for (uint64_t e = shop.by_customer.start[c]; e < shop.by_customer.start[c + 1]; e++) {
            for (size_t d = 0; d < l->dims; d++)
                x[d] += (double)l->history[shop.by_customer.col[e] * l->dims + d];
            for (size_t d = 0; d < dims; d++)
                low[d] += (double)from[shop.by_customer.col[e] * dims + d];
        }
        for (size_t i = 0; i < ITEMS; i++) {
            double s = 0;
            for (size_t d = 0; d < l->dims; d++)
                s += x[d] * (double)l->items[i * l->dims + d];
            for (size_t d = 0; d < dims; d++)
                s -= low[d] * (double)to[i * dims + d];
            error += s * s;
        }
    }
    return error;
}

/* Of the first k columns of both matrices; the same k columns turned at random are worse. */
Test(compress, no_space_near_the_joint_one_is_better)
{
    struct nbx_linear linear;
    struct nbx_joint joint;
    size_t k = 4, n = ITEMS * k;
    float *from = malloc(n * sizeof *from), *to = malloc(n * sizeof *to);
    cr_assert_eq(nbx_linear_init(&linear, parts, weights, 2, &shop, 1), NBX_OK);
    cr_assert_eq(nbx_joint_make(&joint, &linear, &shop, k), NBX_OK);
    double least = error_of(&linear, joint.history, joint.items, k);
    cr_assert(least < error_of(&linear, joint.history, joint.items, 0));
    for (int trial = 0; trial < 200; trial++) {
        for (size_t i = 0; i < n; i++) {
            float step = trial % 2 ? 0.01F : 0.1F;
            from[i] = joint.history[i] * (1 + step * (float)nbx_random_normal(&rng));
            to[i] = joint.items[i] * (1 + step * (float)nbx_random_normal(&rng));
        }
        cr_assert(error_of(&linear, from, to, k) > least * (1 - 1e-5), "trial %d seed %d", trial,
                  SEED);
    }
    free(from);
    free(to);
    free(joint.history);
    free(joint.items);
    nbx_linear_fini(&linear);
}

/* Where each item has one customer there is no mean to take. */
Test(compress, what_folded_items_give_sums_to_the_vector)
{
    struct nbx_triple t[ITEMS];
    struct nbx_dataset own = {.n_customers = 4, .n_items = ITEMS};
    static float gives[ITEMS * TASTE], gram[TASTE * TASTE], x[TASTE];
    static _Alignas(64) float folded[64];
    struct nbx_arena *arena = nbx_arena_new(ARENA);
    struct nbx_fold_in *fold;
    for (uint32_t i = 0; i < ITEMS; i++)
        t[i] = (struct nbx_triple){i * i % 4, i, 0.5F + (float)nbx_random_unit(&rng)};
    cr_assert_eq(nbx_csr_from_triples(&own.by_customer, t, ITEMS, 4, ITEMS, true), NBX_OK);
    cr_assert_eq(nbx_folded_history(gives, &parts[0].space, &own, 2), NBX_OK);
    nbx_blas_gram(gram, taste, ITEMS, TASTE, 1);
    cr_assert_eq(
        nbx_fold_in_new(&fold, gram, TASTE, ITEMS, (struct nbx_fold_in_options){0.1F, 0.2F, 0.8F}),
        NBX_OK);
    for (size_t c = 0; c < 4; c++) {
        const float *factors[ITEMS];
        size_t first = own.by_customer.start[c], n = nbx_csr_row_entries(&own.by_customer, c);
        struct nbx_history h = {factors, own.by_customer.weight + first, n};
        for (size_t i = 0; i < n; i++)
            factors[i] = taste + (size_t)own.by_customer.col[first + i] * TASTE;
        cr_assert_eq(nbx_fold_in_customer(fold, &h, arena, folded), NBX_OK);
        nbx_linear_sum(x, &own, c, gives, TASTE);
        for (size_t d = 0; d < TASTE; d++)
            cr_assert_float_eq(x[d], folded[d], 1e-4, "customer %zu", c);
    }
    nbx_fold_in_destroy(&fold);
    nbx_arena_destroy(&arena);
    nbx_csr_fini(&own.by_customer);
}

Test(compress, keeps_the_largest_of_each_row)
{
    struct nbx_linear linear;
    struct nbx_joint joint;
    struct nbx_csr all, few;
    struct nbx_compress_options everything = with(3, ITEMS, 1), some = with(3, 6, 2);
    cr_assert_eq(nbx_linear_init(&linear, parts, weights, 3, &shop, 1), NBX_OK);
    cr_assert_eq(nbx_joint_make(&joint, &linear, &shop, 3), NBX_OK);
    cr_assert_eq(nbx_rest_find(&all, &linear, &joint, &everything), NBX_OK);
    cr_assert_eq(nbx_rest_find(&few, &linear, &joint, &some), NBX_OK);
    for (size_t h = 0; h < ITEMS; h++) {
        float least = INFINITY;
        cr_assert_eq(nbx_csr_row_entries(&few, h), 6);
        for (uint64_t e = few.start[h]; e < few.start[h + 1]; e++) {
            least = fminf(least, fabsf(few.weight[e]));
            cr_assert(few.weight[e] == nbx_csr_weight(&all, h, few.col[e]));
        }
        size_t larger = 0;
        for (uint64_t e = all.start[h]; e < all.start[h + 1]; e++)
            larger += fabsf(all.weight[e]) > least;
        cr_assert_eq(larger, 5);
    }
    nbx_csr_fini(&all);
    nbx_csr_fini(&few);
    free(joint.history);
    free(joint.items);
    nbx_linear_fini(&linear);
}

Test(compress, the_same_on_any_number_of_threads)
{
    struct nbx_compressed first, second;
    struct nbx_compress_options single = with(4, 7, 1), several = with(4, 7, 5);
    cr_assert_eq(nbx_compress(&first, &all_parts, &shop, &single, &fault), NBX_OK);
    cr_assert_eq(nbx_compress(&second, &all_parts, &shop, &several, &fault), NBX_OK);
    const struct nbx_part *one = first.parts, *many = second.parts;
    cr_expect(first.weights[0] == second.weights[0]);
    cr_expect_arr_eq(one->item_factors, many->item_factors, ITEMS * 4 * sizeof(float));
    cr_expect_arr_eq(one->history_factors, many->history_factors, ITEMS * 4 * sizeof(float));
    cr_expect_arr_eq(one->rows.col, many->rows.col, ITEMS * 7 * sizeof(uint32_t));
    cr_expect_arr_eq(one->rows.weight, many->rows.weight, ITEMS * 7 * sizeof(float));
    nbx_compressed_fini(&first);
    nbx_compressed_fini(&second);
}

Test(compress, takes_what_counts_a_whole_history_alike)
{
    struct nbx_part p;
    for (size_t i = 0; i < 3; i++)
        cr_expect(nbx_compress_takes(&parts[i]), "part %zu", i);
    cr_expect_eq(nbx_compress_dims(parts, 3), TASTE + SPECTRUM);
    p = parts[1];
    p.space.positions = paces;
    p.space.n_positions = 2;
    cr_expect(!nbx_compress_takes(&p), "the last ones count more");
    p = parts[1];
    p.space.n_groups = 7;
    cr_expect(!nbx_compress_takes(&p), "at several paces");
    p = parts[1];
    p.space.bias = true;
    cr_expect(!nbx_compress_takes(&p), "a bias is no history's");
    p = parts[1];
    p.space.customer = NBX_CUSTOMER_CONSTANT;
    cr_expect(!nbx_compress_takes(&p), "the same for everybody");
    p = parts[2];
    p.neighbours.positions = paces;
    p.neighbours.n_positions = 2;
    cr_expect(!nbx_compress_takes(&p), "neighbours of the last ones");
}

/* The pair comes first, then what cannot be joined; a bundle says that they are one score. */
Test(compress, leaves_the_other_parts_as_they_are)
{
    struct nbx_part mixed[3] = {parts[2], parts[0], parts[1]};
    struct nbx_weighed in = {mixed, weights, 3};
    struct nbx_compressed out;
    struct nbx_bundle_info info = {0};
    struct nbx_compress_options options = with(4, 7, 2);
    mixed[2].space.positions = paces;
    mixed[2].space.n_positions = 2;
    cr_assert_eq(nbx_compress(&out, &in, &shop, &options, &fault), NBX_OK);
    cr_assert_eq(out.n, 2);
    cr_expect(out.parts[0].paired);
    cr_expect(out.parts[1].space.item_factors == spectrum && out.weights[1] == 0.5);
    nbx_parts_describe(&info, out.parts, out.weights, out.n);
    cr_expect(nbx_bundle_is_blend(&info));
    cr_assert(info.n_spaces == 2 && info.n_neighbours == 1);
    cr_expect_eq(info.neighbours[0].scaled_by, 1);
    cr_expect(info.neighbours[0].weight == info.spaces[0].weight);
    nbx_compressed_fini(&out);
}

Test(compress, neighbours_alone_are_refused)
{
    struct nbx_compressed out;
    struct nbx_weighed in = {parts + 2, weights, 1};
    struct nbx_compress_options options = with(4, 7, 2);
    cr_assert_eq(nbx_compress(&out, &in, &shop, &options, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "compress");
}
