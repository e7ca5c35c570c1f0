/* SPDX-License-Identifier: MIT */
#include "models/sequence/internal.h"

#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20260303

static struct nbx_fault fault;

/* A data set made by hand, with what it borrows. */
struct shop {
    struct nbx_dataset d;
    uint32_t *sequence;
};

/* lengths (n_customers). Customers start at random items. cyclic: item i is followed by i + 1, else
 * by a step of 1 to 3 that nothing foretells. */
static struct shop make_shop(const size_t *lengths, size_t n_customers, size_t n_items, bool cyclic)
{
    struct shop s = {.d = {.n_customers = n_customers, .n_items = n_items}};
    struct nbx_csr unsorted;
    struct nbx_random random;
    size_t n = 0, all = 0;
    for (size_t c = 0; c < n_customers; c++)
        all += lengths[c];
    struct nbx_triple *t = calloc(all + 1, sizeof *t);
    s.sequence = calloc(all + 1, sizeof *s.sequence);
    nbx_random_init(&random, SEED);
    for (size_t c = 0; c < n_customers; c++) {
        size_t item = nbx_random_below(&random, n_items);
        for (size_t k = 0; k < lengths[c]; k++, n++) {
            s.sequence[n] = (uint32_t)(item % n_items);
            t[n] = (struct nbx_triple){(uint32_t)c, s.sequence[n], 1};
            item += cyclic ? 1 : 1 + nbx_random_below(&random, 3);
        }
    }
    cr_assert_eq(nbx_csr_from_triples(&unsorted, t, n, n_customers, n_items, false), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&s.d.by_item, &unsorted), NBX_OK);
    cr_assert_eq(nbx_csr_transpose(&s.d.by_customer, &s.d.by_item), NBX_OK);
    s.d.sequence = s.sequence;
    nbx_csr_fini(&unsorted);
    free(t);
    return s;
}

static void free_shop(struct shop *s)
{
    nbx_csr_fini(&s->d.by_customer);
    nbx_csr_fini(&s->d.by_item);
    free(s->sequence);
}

/* 300 customers of 0 to 13 items; one of 150, which makes several chunks. */
enum { N_CUSTOMERS = 300, N_ITEMS = 500 };
static struct shop some_shop(bool cyclic, size_t n_items)
{
    size_t lengths[N_CUSTOMERS];
    for (size_t c = 0; c < N_CUSTOMERS; c++)
        lengths[c] = c % 14;
    lengths[14] = n_items < 150 ? n_items : 150;
    return make_shop(lengths, N_CUSTOMERS, n_items, cyclic);
}

static struct nbx_sequence_options some_options(void)
{
    struct nbx_sequence_options o;
    nbx_blas_init();
    nbx_sequence_defaults(&o);
    o.dim = 12;
    o.recent = 5;
    o.groups = 3;
    o.epochs = 4;
    o.batch = 150;
    o.rate = 0.02f;
    o.decay = 0.01f;
    o.negatives = 0;
    o.seed = SEED;
    o.threads = 2;
    return o;
}

static struct nbx_sequence *must_new(const struct shop *shop, const struct nbx_sequence_options *o)
{
    struct nbx_sequence *s;
    cr_assert_eq(nbx_sequence_new(&s, &shop->d, o, &fault), NBX_OK, "%s", fault.message);
    return s;
}

static double must_epoch(struct nbx_sequence *s)
{
    double loss;
    cr_assert_eq(nbx_sequence_epoch(s, &loss, &fault), NBX_OK, "%s", fault.message);
    return loss;
}

static void clear(struct nbx_sequence_table *t)
{
    memset(t->gradient, 0, t->capacity * t->width * sizeof *t->gradient);
    nbx_sequence__table_done(t);
}

/* Mean loss of the batch at hand. */
static double batch_loss(struct nbx_sequence *s)
{
    double loss;
    cr_assert_eq(nbx_sequence__gradients(s, &loss), NBX_OK);
    clear(&s->items);
    clear(&s->history);
    clear(&s->positions);
    return loss / (double)s->batch.n_targets;
}

/* The gradient (n, width) of a table by rows. */
static float *copy_gradient(const struct nbx_sequence_table *t)
{
    float *out = calloc(t->n * t->width, sizeof *out);
    for (size_t row = 0; row < t->n; row++) {
        size_t place = t->place ? t->place[row] : row;
        if (place != NBX_SEQUENCE_NO_PLACE)
            memcpy(out + row * t->width, t->gradient + place * t->width, t->width * sizeof *out);
    }
    return out;
}

static void expect_gradient(struct nbx_sequence *s, struct nbx_sequence_table *t,
                            const float *gradient, size_t columns, const char *what)
{
    const float step = 0.01f;
    for (size_t row = 0; row < t->n; row++)
        for (size_t j = 0; j < columns; j++) {
            float *at = t->value + row * t->width + j, was = *at;
            *at = was + step;
            double up = batch_loss(s);
            *at = was - step;
            double down = batch_loss(s), slope = (up - down) / (2 * (double)step);
            *at = was;
            cr_expect_float_eq((double)gradient[row * t->width + j], slope,
                               2e-5 + 2e-3 * fabs(slope), "%s (%zu, %zu): %g, the slope is %g",
                               what, row, j, (double)gradient[row * t->width + j], slope);
        }
}

static void check_gradients(const struct nbx_sequence_options *o)
{
    const size_t lengths[] = {5, 1, 0, 9, 2, 12, 3, 7};
    struct shop shop = make_shop(lengths, sizeof lengths / sizeof *lengths, 30, false);
    struct nbx_sequence *s = must_new(&shop, o);
    double loss;
    nbx_sequence__shuffle(&s->chunks, SEED, 0);
    nbx_sequence__batch_next(&s->batch, &s->chunks, shop.sequence);
    cr_assert_gt(s->batch.n_targets, 10);
    cr_assert_eq(nbx_sequence__gradients(s, &loss), NBX_OK);
    float *items = copy_gradient(&s->items), *history = copy_gradient(&s->history);
    float *positions = copy_gradient(&s->positions);
    clear(&s->items);
    clear(&s->history);
    clear(&s->positions);
    expect_gradient(s, &s->items, items, o->dim + 1, "items");
    expect_gradient(s, &s->history, history, o->dim, "history");
    expect_gradient(s, &s->positions, positions, o->recent, "positions");
    free(items);
    free(history);
    free(positions);
    nbx_sequence_destroy(&s);
    free_shop(&shop);
}

Test(sequence, gradients_are_slopes_of_the_loss)
{
    struct nbx_sequence_options o = some_options();
    o.dim = 6;
    o.recent = 4;
    o.batch = 20;
    check_gradients(&o);
    o.dim = 20;
    o.groups = 1;
    o.history_dropout = o.dropout = 0;
    check_gradients(&o);
}

Test(sequence, gradients_of_a_sample_are_slopes_too)
{
    struct nbx_sequence_options o = some_options();
    o.dim = 6;
    o.batch = 14;
    o.negatives = 8;
    check_gradients(&o);
}

/* The best next item by what is served, the history itself left out. */
static size_t best_next(const struct nbx_sequence *s, const struct nbx_sequence_options *o,
                        size_t n_items, const uint32_t *history, size_t n)
{
    const float *a = nbx_sequence_history(s), *b = nbx_sequence_items(s);
    const float *v = nbx_sequence_positions(s);
    size_t width = o->dim + 1, best = n_items;
    double top = -INFINITY;
    for (size_t j = 0; j < n_items; j++) {
        double score = (double)b[j * width + o->dim];
        for (size_t p = 0; p < n && p < o->recent; p++)
            for (size_t k = 0; k < o->dim; k++)
                score += (double)v[k / (o->dim / o->groups) * (o->recent + 1) + p] *
                         (double)a[history[p] * width + k] * (double)b[j * width + k];
        if (score > top && j != history[0]) {
            top = score;
            best = j;
        }
    }
    return best;
}

static void learn_order(size_t negatives)
{
    enum { ITEMS = 100 };
    struct shop shop = some_shop(true, ITEMS);
    struct nbx_sequence_options o = some_options();
    size_t found = 0;
    o.dim = 24;
    o.epochs = 12;
    o.batch = 50;
    o.negatives = negatives;
    struct nbx_sequence *s = must_new(&shop, &o);
    double first = must_epoch(s), last = first;
    while (nbx_sequence_epochs(s) < o.epochs)
        last = must_epoch(s);
    cr_expect_lt(last, first / 2, "seed %d: %g, at first %g", SEED, last, first);
    for (uint32_t i = 0; i < ITEMS; i++) {
        uint32_t history[3] = {i, (i + ITEMS - 1) % ITEMS, (i + ITEMS - 2) % ITEMS};
        found += best_next(s, &o, ITEMS, history, 3) == (i + 1) % ITEMS;
    }
    cr_expect_geq(found, 98, "seed %d: %zu of %d", SEED, found, ITEMS);
    nbx_sequence_destroy(&s);
    free_shop(&shop);
}

Test(sequence, order_is_learnt)
{
    learn_order(0);
}

Test(sequence, order_is_learnt_from_a_sample)
{
    learn_order(40);
}

Test(sequence, a_sample_loses_nearly_what_all_items_do)
{
    struct shop shop = some_shop(false, N_ITEMS);
    struct nbx_sequence_options o = some_options(), few = o;
    few.negatives = 100;
    struct nbx_sequence *a = must_new(&shop, &o), *b = must_new(&shop, &few);
    for (int epoch = 0; epoch < 2; epoch++) {
        double all = must_epoch(a), sample = must_epoch(b);
        cr_expect_float_eq(all, sample, 0.1 * all, "%g of all, %g of a sample", all, sample);
    }
    nbx_sequence_destroy(&a);
    nbx_sequence_destroy(&b);
    free_shop(&shop);
}

static void expect_same_bits(const struct nbx_sequence *a, const struct nbx_sequence *b,
                             const struct nbx_sequence_options *o, size_t n_items)
{
    size_t bytes = n_items * (o->dim + 1) * sizeof(float);
    cr_expect_arr_eq(nbx_sequence_items(a), nbx_sequence_items(b), bytes);
    cr_expect_arr_eq(nbx_sequence_history(a), nbx_sequence_history(b), bytes);
    cr_expect_arr_eq(nbx_sequence_positions(a), nbx_sequence_positions(b),
                     o->groups * (o->recent + 1) * sizeof(float));
}

static void compare_threads(size_t negatives)
{
    struct shop shop = some_shop(false, N_ITEMS);
    struct nbx_sequence_options o = some_options();
    o.negatives = negatives;
    o.threads = 1;
    struct nbx_sequence *one = must_new(&shop, &o);
    for (unsigned threads = 2; threads <= 3; threads++) {
        o.threads = threads;
        struct nbx_sequence *more = must_new(&shop, &o);
        if (nbx_sequence_epochs(one) == 0) {
            must_epoch(one);
            must_epoch(one);
        }
        must_epoch(more);
        must_epoch(more);
        expect_same_bits(one, more, &o, N_ITEMS);
        nbx_sequence_destroy(&more);
    }
    o.seed++;
    struct nbx_sequence *other = must_new(&shop, &o);
    cr_expect_neq(memcmp(nbx_sequence_items(one), nbx_sequence_items(other), 100), 0);
    nbx_sequence_destroy(&other);
    nbx_sequence_destroy(&one);
    cr_expect_null(one);
    free_shop(&shop);
}

Test(sequence, threads_do_not_change_a_bit_and_seeds_do)
{
    compare_threads(0);
    compare_threads(60);
}

static void must_restore(struct nbx_sequence *s, FILE *from)
{
    rewind(from);
    cr_assert_eq(nbx_sequence_restore(s, from, &fault), NBX_OK, "%s", fault.message);
}

static void interrupt(size_t negatives)
{
    struct shop shop = some_shop(false, N_ITEMS);
    struct nbx_sequence_options o = some_options();
    o.negatives = negatives;
    struct nbx_sequence *through = must_new(&shop, &o), *again = must_new(&shop, &o);
    FILE *state = tmpfile();
    must_epoch(through);
    must_epoch(through);
    cr_assert_eq(nbx_sequence_save(through, state, &fault), NBX_OK, "%s", fault.message);
    must_restore(again, state);
    cr_expect_eq(nbx_sequence_epochs(again), 2);
    cr_expect_eq(must_epoch(through), must_epoch(again));
    cr_expect_eq(must_epoch(through), must_epoch(again));
    expect_same_bits(through, again, &o, N_ITEMS);
    fclose(state);
    nbx_sequence_destroy(&through);
    nbx_sequence_destroy(&again);
    free_shop(&shop);
}

Test(sequence, a_restored_state_goes_on_bit_by_bit)
{
    interrupt(0);
    interrupt(60);
}

Test(sequence, a_state_that_does_not_fit_is_refused)
{
    struct shop shop = some_shop(false, N_ITEMS), other = some_shop(true, N_ITEMS);
    struct nbx_sequence_options o = some_options(), changed = o;
    struct nbx_sequence *s = must_new(&shop, &o);
    FILE *state = tmpfile();
    cr_assert_eq(nbx_sequence_save(s, state, &fault), NBX_OK);
    long end = ftell(state);
    nbx_sequence_destroy(&s);
    changed.dropout = 0.25f;
    s = must_new(&shop, &changed);
    rewind(state);
    cr_expect_eq(nbx_sequence_restore(s, state, &fault), NBX_ECONFLICT);
    nbx_sequence_destroy(&s);
    s = must_new(&other, &o);
    rewind(state);
    cr_expect_eq(nbx_sequence_restore(s, state, &fault), NBX_ECONFLICT);
    nbx_sequence_destroy(&s);
    s = must_new(&shop, &o);
    cr_expect_eq(nbx_sequence_restore(s, state, &fault), NBX_ECORRUPT, "from the middle");
    fseek(state, end / 2, SEEK_SET);
    int byte = fgetc(state);
    fseek(state, end / 2, SEEK_SET);
    fputc(byte ^ 1, state);
    rewind(state);
    cr_expect_eq(nbx_sequence_restore(s, state, &fault), NBX_ECORRUPT);
    nbx_sequence_destroy(&s);
    fclose(state);
    free_shop(&shop);
    free_shop(&other);
}

Test(sequence, bad_options_are_named)
{
    struct shop shop = some_shop(false, 40);
    struct nbx_sequence_options good = some_options(), o[13];
    const char *const names[] = {"dim",     "dim",   "recent", "groups",          "groups",
                                 "epochs",  "batch", "rate",   "history_dropout", "dropout",
                                 "dropout", "decay", "threads"};
    struct nbx_sequence *s;
    for (size_t i = 0; i < 13; i++)
        o[i] = good;
    o[0].dim = 0;
    o[1].dim = NBX_SEQUENCE_MAX_DIM + 1;
    o[2].recent = 0;
    o[3].groups = 5;
    o[4].groups = NBX_SEQUENCE_MAX_GROUPS + 1;
    o[5].epochs = 0;
    o[6].batch = 0;
    o[7].rate = 0;
    o[8].history_dropout = 1;
    o[9].dropout = -0.1f;
    o[10].dropout = NAN;
    o[11].decay = 51;
    o[12].threads = 0;
    for (size_t i = 0; i < 13; i++) {
        cr_expect_eq(nbx_sequence_new(&s, &shop.d, &o[i], &fault), NBX_EBAD);
        cr_expect_str_eq(fault.field, names[i], "case %zu", i);
        cr_expect_null(s);
    }
    free_shop(&shop);
}

Test(sequence, who_has_one_item_teaches_nothing)
{
    const size_t lengths[] = {1, 0, 1, 1};
    struct shop shop = make_shop(lengths, 4, 7, false), empty = make_shop(lengths, 0, 0, false);
    struct nbx_sequence_options o = some_options();
    struct nbx_sequence *s = must_new(&shop, &o), *same = must_new(&shop, &o);
    cr_expect_eq(must_epoch(s), 0);
    cr_expect_eq(nbx_sequence_epochs(s), 1);
    expect_same_bits(s, same, &o, 7);
    nbx_sequence_destroy(&s);
    nbx_sequence_destroy(&same);
    s = must_new(&empty, &o);
    cr_expect_eq(must_epoch(s), 0);
    nbx_sequence_destroy(&s);
    free_shop(&shop);
    free_shop(&empty);
}

Test(sequence, a_target_more_than_a_batch_makes_another_chunk)
{
    struct shop shop = some_shop(true, 40);
    struct nbx_sequence_options o = some_options();
    size_t seen = 0, batches = 0;
    o.batch = 3;
    o.recent = 30;
    struct nbx_sequence *s = must_new(&shop, &o);
    nbx_sequence__shuffle(&s->chunks, SEED, 0);
    for (;; batches++) {
        nbx_sequence__batch_next(&s->batch, &s->chunks, shop.sequence);
        if (s->batch.n == 0)
            break;
        cr_expect_leq(s->batch.n_targets, 3);
        seen += s->batch.n_targets;
    }
    cr_expect_eq(seen, s->chunks.n_targets);
    cr_expect_geq(batches, seen / 3);
    cr_expect(isfinite(must_epoch(s)));
    nbx_sequence_destroy(&s);
    free_shop(&shop);
}

Test(sequence, numbers_that_overflow_are_reported)
{
    struct shop shop = some_shop(false, N_ITEMS);
    struct nbx_sequence_options o = some_options();
    struct nbx_sequence *s = must_new(&shop, &o);
    double loss;
    for (size_t i = 0; i < s->items.n * s->items.width; i++)
        s->items.value[i] = 3e38f;
    cr_expect_eq(nbx_sequence_epoch(s, &loss, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "rate");
    nbx_sequence_destroy(&s);
    free_shop(&shop);
}

Test(sequence, beyond_recent_nothing_counts)
{
    struct shop shop = some_shop(false, N_ITEMS);
    struct nbx_sequence_options o = some_options();
    struct nbx_sequence *s = must_new(&shop, &o);
    must_epoch(s);
    for (size_t g = 0; g < o.groups; g++)
        cr_expect_eq(nbx_sequence_positions(s)[g * (o.recent + 1) + o.recent], 0.0f);
    for (size_t i = 0; i < N_ITEMS; i++)
        cr_expect_eq(nbx_sequence_history(s)[i * (o.dim + 1) + o.dim], 0.0f);
    nbx_sequence_destroy(&s);
    free_shop(&shop);
}

/* One step with gradients of `value` in row 3. */
static void step_with(struct nbx_sequence_table *t, uint32_t number, float value)
{
    nbx_sequence__table_begin(t, number, 0.01f, 0.1f);
    if (value != 0) {
        size_t place = nbx_sequence__table_place(t, 3);
        for (size_t j = 0; j < t->width; j++)
            t->gradient[place * t->width + j] = value * (float)(j + 1);
    }
    for (size_t b = 0; b < nbx_sequence__table_blocks(t); b++)
        nbx_sequence__table_update(t, b);
    nbx_sequence__table_done(t);
}

Test(sequence, rows_that_are_not_met_catch_up)
{
    enum { ROWS = 10, WIDTH = 3 };
    struct nbx_sequence_table all, met;
    cr_assert_eq(nbx_sequence__table_init(&all, ROWS, WIDTH, ROWS), NBX_OK);
    cr_assert_eq(nbx_sequence__table_init(&met, ROWS, WIDTH, 2), NBX_OK);
    all.decaying = met.decaying = WIDTH - 1;
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        all.value[i] = met.value[i] = 1;
    for (uint32_t i = 0; i < ROWS; i++)
        met.last[i] = 999;
    for (uint32_t step = 1000; step < 1040; step++) {
        float value = step == 1000 ? 0.5f : step == 1015 ? -0.1f : 0.0f;
        step_with(&all, step, value);
        step_with(&met, step, value);
    }
    nbx_sequence__table_settle(&met);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        cr_expect_float_eq(all.value[i], met.value[i], 1e-3, "%zu: %g, of a row met %g", i,
                           (double)all.value[i], (double)met.value[i]);
    nbx_sequence__table_fini(&all);
    nbx_sequence__table_fini(&met);
}

Test(sequence, kernels_agree_with_the_library)
{
    enum { N = 83 };
    float x[N], y[N];
    struct nbx_random random;
    nbx_random_init(&random, SEED);
    for (size_t n = 0; n <= N; n++) {
        double sum = 0, dot = 0;
        float largest = -1e30f;
        for (size_t i = 0; i < n; i++) {
            x[i] = y[i] = (float)(nbx_random_unit(&random) * -100 + 5);
            largest = x[i] > largest ? x[i] : largest;
            sum += exp(fmax((double)(x[i] - 5.0f), -87));
            dot += (double)x[i] * (double)x[i];
        }
        cr_expect_eq(nbx_sequence__max(x, n, -1e30f), largest);
        cr_expect_float_eq((double)nbx_sequence__dot(x, y, n), dot, 1e-6 * dot);
        float got = nbx_sequence__exp(y, n, 5);
        cr_expect_float_eq((double)got, sum, 1e-6 * sum);
        for (size_t i = 0; i < n; i++) {
            double right = exp(fmax((double)(x[i] - 5.0f), -87));
            cr_expect_float_eq((double)y[i], right, 3e-7 * right, "e^%g", (double)x[i] - 5);
        }
    }
}
