/* SPDX-License-Identifier: MIT */
#include "engine/catalog/ids.h"

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "tests/unit/store/fixture.h"

#include <pthread.h>

#define N_IDS     2000
#define N_THREADS 4

static struct nbx_budget budget = {.limit = (size_t)1 << 30};

static struct nbx_ids *load(struct fixture *f)
{
    struct nbx_ids *ids = NULL;
    cr_assert_eq(nbx_ids_load(&ids, f->store, &budget), NBX_OK);
    return ids;
}

static uint32_t intern(struct nbx_ids *ids, const char *id)
{
    uint32_t number = 0;
    cr_assert_eq(nbx_ids_intern(ids, nbx_str_c(id), &number), NBX_OK);
    return number;
}

Test(catalog_ids, numbers_are_given_in_order_and_once)
{
    struct fixture f;
    fixture_begin(&f);
    struct nbx_ids *ids = load(&f);
    cr_assert_eq(nbx_ids_end(ids), 1);
    cr_assert_eq(nbx_ids_find(ids, NBX_STR("b")), 0);
    cr_assert_eq(intern(ids, "b"), 1);
    cr_assert_eq(intern(ids, "a"), 2);
    cr_assert_eq(intern(ids, "b"), 1);
    cr_assert_eq(nbx_ids_find(ids, NBX_STR("a")), 2);
    cr_assert_eq(nbx_ids_end(ids), 3);
    cr_assert(nbx_str_is(nbx_ids_name(ids, 1), "b"));
    nbx_ids_destroy(&ids);
    cr_assert_null(ids);
    nbx_ids_destroy(&ids);
    cr_assert_eq(atomic_load(&budget.used), 0);
    fixture_end(&f);
}

Test(catalog_ids, numbers_outlive_a_restart_and_names_stay_in_place)
{
    struct fixture f;
    char id[32];
    fixture_begin(&f);
    struct nbx_ids *ids = load(&f);
    for (uint32_t i = 1; i <= N_IDS; i++) {
        snprintf(id, sizeof id, "item-%u", i * 7919 % 100003);
        cr_assert_eq(intern(ids, id), i);
    }
    const char *first = nbx_ids_name(ids, 1).p;
    snprintf(id, sizeof id, "one more");
    cr_assert_eq(intern(ids, id), N_IDS + 1);
    cr_assert_eq(nbx_ids_name(ids, 1).p, first);
    nbx_ids_destroy(&ids);
    fixture_reopen(&f);
    ids = load(&f);
    cr_assert_eq(nbx_ids_end(ids), N_IDS + 2);
    for (uint32_t i = 1; i <= N_IDS; i++) {
        snprintf(id, sizeof id, "item-%u", i * 7919 % 100003);
        cr_assert_eq(nbx_ids_find(ids, nbx_str_c(id)), i);
        cr_assert(nbx_str_is(nbx_ids_name(ids, i), id));
    }
    cr_assert_eq(intern(ids, "and another"), N_IDS + 2);
    nbx_ids_destroy(&ids);
    fixture_end(&f);
}

struct interner {
    struct nbx_ids *ids;
    uint64_t seed;
    uint32_t numbers[N_IDS];
};

static void *intern_all(void *arg)
{
    struct interner *in = arg;
    struct nbx_random r;
    char id[32];
    nbx_random_init(&r, in->seed);
    for (uint32_t i = 0; i < 4 * N_IDS; i++) {
        uint32_t k = i < 3 * N_IDS ? (uint32_t)nbx_random_below(&r, N_IDS) : i - 3 * N_IDS;
        snprintf(id, sizeof id, "shared-%u", k);
        uint32_t number;
        NBX_ASSERT(nbx_ids_intern(in->ids, nbx_str_c(id), &number) == NBX_OK);
        NBX_ASSERT(nbx_str_is(nbx_ids_name(in->ids, number), id));
        NBX_ASSERT(!in->numbers[k] || in->numbers[k] == number);
        in->numbers[k] = number;
    }
    return NULL;
}

Test(catalog_ids, threads_agree_on_numbers)
{
    static struct interner in[N_THREADS];
    struct fixture f;
    pthread_t threads[N_THREADS];
    fixture_begin(&f);
    struct nbx_ids *ids = load(&f);
    printf("seeds 11 to %d\n", 10 + N_THREADS);
    for (int i = 0; i < N_THREADS; i++) {
        in[i].ids = ids;
        in[i].seed = 11 + (uint64_t)i;
        cr_assert_eq(pthread_create(&threads[i], NULL, intern_all, &in[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < N_THREADS; i++)
        cr_assert_eq(memcmp(in[0].numbers, in[i].numbers, sizeof in[0].numbers), 0);
    cr_assert_eq(nbx_ids_end(ids), N_IDS + 1);
    nbx_ids_destroy(&ids);
    ids = load(&f);
    char id[32];
    for (uint32_t k = 0; k < N_IDS; k++) {
        snprintf(id, sizeof id, "shared-%u", k);
        cr_assert_eq(nbx_ids_find(ids, nbx_str_c(id)), in[0].numbers[k]);
    }
    nbx_ids_destroy(&ids);
    fixture_end(&f);
}

Test(catalog_ids, memory_past_the_budget_is_refused_and_nothing_is_stored)
{
    struct fixture f;
    struct nbx_budget small = {.limit = 16384};
    struct nbx_ids *ids = NULL;
    char id[64];
    uint32_t number, given = 0;
    enum nbx_err err = NBX_OK;
    fixture_begin(&f);
    cr_assert_eq(nbx_ids_load(&ids, f.store, &small), NBX_OK);
    while (!err && given < 10000) {
        snprintf(id, sizeof id, "a rather long id, number %u", given);
        err = nbx_ids_intern(ids, nbx_str_c(id), &number);
        given += !err;
    }
    cr_assert_eq(err, NBX_ELIMIT);
    cr_assert_gt(given, 50);
    cr_assert_eq(nbx_ids_end(ids), given + 1);
    cr_assert_eq(nbx_ids_find(ids, nbx_str_c(id)), 0);
    cr_assert_leq(atomic_load(&small.used), small.limit);
    nbx_ids_destroy(&ids);
    cr_assert_eq(atomic_load(&small.used), 0);
    ids = load(&f);
    cr_assert_eq(nbx_ids_end(ids), given + 1);
    nbx_ids_destroy(&ids);
    fixture_end(&f);
}

Test(catalog_ids, damaged_records_are_refused)
{
    struct fixture f;
    struct nbx_ids *ids = NULL;
    fixture_begin(&f);
    fixture_put(&f, NBX_FAMILY_ITEM_IDS, "gap", "\x05");
    cr_assert_eq(nbx_ids_load(&ids, f.store, &budget), NBX_ECORRUPT, "seven bytes are missing");
    nbx_batch_put(f.batch, NBX_FAMILY_ITEM_IDS, NBX_STR("gap"), 1,
                  (struct nbx_str){"\x05\0\0\0\0\0\0\0", 8});
    fixture_write(&f);
    cr_assert_eq(nbx_ids_load(&ids, f.store, &budget), NBX_ECORRUPT, "number 1 is missing");
    nbx_batch_put(f.batch, NBX_FAMILY_ITEM_IDS, NBX_STR("gap"), 2,
                  (struct nbx_str){"\x01\0\0\0\0\0\0\0", 8});
    fixture_write(&f);
    cr_assert_eq(nbx_ids_load(&ids, f.store, &budget), NBX_EVERSION);
    cr_assert_null(ids);
    cr_assert_eq(atomic_load(&budget.used), 0);
    fixture_end(&f);
}
