/* SPDX-License-Identifier: MIT
 * A model under changes of its items' own vectors, and while it is packed anew: inner products and
 * cosines are what brute force over the vectors of that moment says.
 */
#include "engine/base/random.h"
#include "engine/model/model.h"
#include "engine/score/dot.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>
#include <stdlib.h>

#define SEED    20240702
#define N_ITEMS 1200
#define DIMS    6
#define K       30
#define STEPS   400

static struct shop s;
static struct nbx_model *m;
static float factors[N_ITEMS * DIMS]; /* (N_ITEMS, DIMS) of the bundle */
static float now[N_ITEMS][DIMS];      /* what must be served */
static char texts[N_ITEMS][8];
static struct nbx_str ids[N_ITEMS];
static struct nbx_budget budget;
static struct nbx_random rng;
static struct nbx_arena *arena;

static struct nbx_model *load(const char *version)
{
    struct nbx_fault fault = {0};
    struct nbx_model *model;
    char path[128];
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1700000000000,
                                   .n_items = N_ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("dot"),
                                        .dims = DIMS,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = factors};
    snprintf(path, sizeof path, "%s/taste.safetensors", s.f.root);
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_model_load(&model, path, s.ids, &budget, &fault), NBX_OK, "%s", fault.message);
    return model;
}

static void begin(void)
{
    printf("seed %d\n", SEED);
    shop_begin(&s);
    nbx_random_init(&rng, SEED);
    for (size_t i = 0; i < N_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%04zu", i);
        ids[i] = nbx_str_c(texts[i]);
        for (size_t d = 0; d < DIMS; d++)
            now[i][d] = factors[i * DIMS + d] = (float)nbx_random_normal(&rng);
    }
    budget = (struct nbx_budget){.limit = (size_t)1 << 30};
    arena = nbx_arena_new((size_t)64 << 20);
    m = load("1");
}

static void end(void)
{
    nbx_model_release(&m);
    cr_assert_eq(atomic_load(&budget.used), 0, "memory is still charged");
    nbx_arena_destroy(&arena);
    shop_end(&s);
}

TestSuite(model_updates, .init = begin, .fini = end, .timeout = 120);

/* The model follows one item's own vector, put or taken away: then the bundle's counts again. */
static void change_vector(size_t item)
{
    char fields[200] = "{}";
    bool own = nbx_random_below(&rng, 4) > 0;
    for (size_t d = 0; d < DIMS; d++)
        now[item][d] = own ? (float)((int)nbx_random_below(&rng, 2001) - 1000) / 256
                           : factors[item * DIMS + d];
    if (own)
        snprintf(fields, sizeof fields, "{vector: [%.9g,%.9g,%.9g,%.9g,%.9g,%.9g]}",
                 (double)now[item][0], (double)now[item][1], (double)now[item][2],
                 (double)now[item][3], (double)now[item][4], (double)now[item][5]);
    struct nbx_change change = {.id = ids[item], .fields = shop_value(&s, fields)};
    struct nbx_catalog *before;
    struct nbx_model *fresh;
    shop_apply(&s, &change, 1, &before);
    shop_takes(change.fault);
    cr_assert_eq(nbx_model_refresh(&fresh, m, before, s.c), NBX_OK);
    nbx_catalog_release(&before);
    nbx_model_release(&m);
    m = fresh;
    nbx_arena_reset(s.arena);
}

static double score_of(const float *q, const float *x, bool by_angle)
{
    double dot = 0, square = 0;
    for (size_t d = 0; d < DIMS; d++) {
        dot += (double)q[d] * x[d];
        square += (double)x[d] * x[d];
    }
    return by_angle ? (square > 0 ? dot / sqrt(square) : 0) : dot;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void must_rank(bool by_angle)
{
    static double want[N_ITEMS];
    _Alignas(64) float q[16] = {0};
    struct nbx_hit hits[K];
    size_t n;
    const struct nbx_model_space *space = nbx_model_space_at(m, 0);
    for (size_t d = 0; d < DIMS; d++)
        q[d] = (float)nbx_random_normal(&rng);
    for (size_t i = 0; i < N_ITEMS; i++)
        want[i] = score_of(q, now[i], by_angle);
    qsort(want, N_ITEMS, sizeof *want, falling);
    struct nbx_query query = {.vector = q, .k = K, .weights = by_angle ? space->by_angle : NULL};
    nbx_arena_reset(arena);
    cr_assert_eq(nbx_search(space->index, &query, arena, hits, &n, NULL), NBX_OK);
    cr_assert_eq(n, K);
    for (size_t i = 0; i < K; i++) {
        size_t item = strtoul(nbx_ids_name(s.ids, hits[i].row).p + 1, NULL, 10);
        cr_assert_float_eq(hits[i].score, want[i], 1e-4, "place %zu", i);
        cr_assert_float_eq(score_of(q, now[item], by_angle), want[i], 1e-4, "place %zu", i);
    }
}

Test(model_updates, are_what_brute_force_says_through_repacks)
{
    struct nbx_repack *repack = NULL;
    size_t repacks = 0;
    for (size_t i = 0; i < STEPS || repacks < 2; i++) {
        cr_assert(i < 20 * STEPS, "only %zu repacks", repacks);
        change_vector(nbx_random_below(&rng, N_ITEMS));
        must_rank(false);
        must_rank(true);
        if (!repack) {
            cr_assert_eq(nbx_repack_begin(&repack, m), NBX_OK);
            if (repack)
                nbx_repack_run(repack);
        } else if (nbx_random_below(&rng, 10) == 0) {
            struct nbx_model *fresh;
            cr_assert_eq(nbx_repack_end(&fresh, m, &repack), NBX_OK);
            cr_assert_null(repack);
            nbx_model_release(&m);
            m = fresh;
            must_rank(false);
            must_rank(true);
            repacks++;
        }
    }
    nbx_repack_discard(&repack);
}

static struct nbx_repack *scattered(void)
{
    struct nbx_repack *repack = NULL;
    for (size_t i = 0; !repack; i++) {
        cr_assert(i < N_ITEMS);
        change_vector(i);
        cr_assert_eq(nbx_repack_begin(&repack, m), NBX_OK);
    }
    return repack;
}

Test(model_updates, a_packing_of_another_bundle_is_thrown_away)
{
    struct nbx_repack *repack = scattered();
    struct nbx_model *bare = load("2"), *other, *fresh;
    cr_assert_eq(nbx_model_refresh(&other, bare, NULL, s.c), NBX_OK);
    nbx_model_release(&bare);
    nbx_model_release(&m);
    m = other;
    nbx_repack_run(repack);
    cr_assert_eq(nbx_repack_end(&fresh, m, &repack), NBX_ECONFLICT);
    cr_assert_null(fresh);
    cr_assert_null(repack);
    must_rank(false);
}

Test(model_updates, past_the_budget_the_scattered_index_stays)
{
    struct nbx_repack *repack = scattered();
    struct nbx_model *fresh;
    budget.limit = atomic_load(&budget.used);
    nbx_repack_run(repack);
    cr_assert_eq(nbx_repack_end(&fresh, m, &repack), NBX_ELIMIT);
    cr_assert_null(fresh);
    must_rank(true);
    shop_takes(shop_put(&s, "one more", "{vector: [1,2,3,4,5,6]}"));
    size_t used = atomic_load(&budget.used);
    cr_assert_eq(nbx_model_refresh(&fresh, m, NULL, s.c), NBX_ELIMIT);
    cr_assert_null(fresh);
    cr_assert_eq(atomic_load(&budget.used), used);
}
