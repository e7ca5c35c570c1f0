/* SPDX-License-Identifier: MIT */
#include "engine/score/tally.h"

#include "engine/base/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SEED 77
#define MANY 50000

static struct nbx_random rng;
static struct nbx_arena *arena;

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new((size_t)64 << 20);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(tally, .init = setup, .fini = teardown);

Test(tally, sums_by_key_in_the_order_of_arrival)
{
    struct nbx_tally t;
    static const uint32_t keys[] = {7, UINT32_MAX, 0, 7, 0, 9};
    cr_assert_eq(nbx_tally_init(&t, 4, SIZE_MAX, arena), NBX_OK);
    for (size_t i = 0; i < 6; i++)
        nbx_tally_add(&t, keys[i], (float)(i + 1));
    cr_assert_eq(t.n, 4);
    cr_expect(t.keys[0] == 7 && t.keys[1] == UINT32_MAX && t.keys[2] == 0 && t.keys[3] == 9);
    cr_expect(t.values[0] == 1 + 4 && t.values[1] == 2 && t.values[2] == 3 + 5 && t.values[3] == 6);
    cr_expect(nbx_tally_get(&t, 7) == 5 && nbx_tally_get(&t, UINT32_MAX) == 2);
    cr_expect(nbx_tally_get(&t, 8) == 0 && nbx_tally_get(&t, 1) == 0);
}

/* The same sums in the same order, whether keys are hashed or are their own places. */
Test(tally, where_keys_are_dense_they_are_their_places)
{
    enum { KEYS = 1000 };
    struct nbx_tally hashed, direct;
    cr_assert_eq(nbx_tally_init(&hashed, KEYS, SIZE_MAX, arena), NBX_OK);
    cr_assert_eq(nbx_tally_init(&direct, KEYS, KEYS, arena), NBX_OK);
    cr_assert(direct.direct && !hashed.direct);
    for (int i = 0; i < 5 * KEYS; i++) {
        uint32_t key = (uint32_t)nbx_random_below(&rng, KEYS);
        float value = (float)nbx_random_unit(&rng);
        nbx_tally_add(&hashed, key, value);
        nbx_tally_add(&direct, key, value);
    }
    cr_assert_eq(direct.n, hashed.n);
    cr_expect_arr_eq(direct.keys, hashed.keys, hashed.n * sizeof(uint32_t));
    cr_expect_arr_eq(direct.values, hashed.values, hashed.n * sizeof(float));
    for (uint32_t key = 0; key < KEYS; key++)
        cr_expect_eq(nbx_tally_get(&direct, key), nbx_tally_get(&hashed, key));
}

Test(tally, without_room_it_is_empty)
{
    struct nbx_tally t;
    cr_assert_eq(nbx_tally_init(&t, 0, SIZE_MAX, arena), NBX_OK);
    cr_expect(t.n == 0 && nbx_tally_get(&t, 0) == 0 && nbx_tally_get(&t, 5) == 0);
}

/* As many keys as there is room for, all of which want the last slot, so that they go on at the
 * first. */
Test(tally, keys_that_collide_are_kept_apart)
{
    enum { ROOM = 8 };
    struct nbx_tally t;
    uint32_t keys[ROOM], n = 0;
    cr_assert_eq(nbx_tally_init(&t, ROOM, SIZE_MAX, arena), NBX_OK);
    for (uint32_t key = 0; n < ROOM; key++)
        if (nbx_tally_slot(&t, key) == t.mask)
            keys[n++] = key;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < ROOM; i++)
            nbx_tally_add(&t, keys[i], (float)(i + 1));
    cr_assert_eq(t.n, ROOM);
    for (size_t i = 0; i < ROOM; i++)
        cr_expect(t.keys[i] == keys[i] && nbx_tally_get(&t, keys[i]) == (float)(3 * (i + 1)));
}

/* Keys as item numbers are, side by side, and as hashes are; each comes four times or so. */
Test(tally, many_keys_are_summed_as_in_an_array)
{
    static float want[MANY];
    static uint32_t key_of[MANY];
    for (int spread = 0; spread < 2; spread++) {
        struct nbx_tally t;
        size_t distinct = 0;
        memset(want, 0, sizeof want);
        for (uint32_t i = 0; i < MANY; i++)
            key_of[i] = spread ? i * UINT32_C(2654435761) : i; /* odd: no two are the same */
        cr_assert_eq(nbx_tally_init(&t, MANY, SIZE_MAX, arena), NBX_OK);
        for (size_t i = 0; i < (size_t)4 * MANY; i++) {
            size_t k = (size_t)nbx_random_below(&rng, MANY);
            distinct += want[k] == 0;
            want[k] += 1 + (float)(i % 3);
            nbx_tally_add(&t, key_of[k], 1 + (float)(i % 3));
        }
        cr_assert_eq(t.n, distinct);
        for (size_t k = 0; k < MANY; k++)
            cr_assert(nbx_tally_get(&t, key_of[k]) == want[k], "key %zu seed %d", k, SEED);
        nbx_arena_reset(arena);
    }
}

Test(tally, more_than_there_is_memory_for_is_refused)
{
    static const size_t rooms[] = {(size_t)1 << 24, (size_t)1 << 30, ((size_t)1 << 31) - 1,
                                   (size_t)1 << 31, SIZE_MAX / 2,    SIZE_MAX};
    struct nbx_tally t;
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        cr_expect_eq(nbx_tally_init(&t, rooms[i], SIZE_MAX, arena), NBX_ELIMIT, "%zu", rooms[i]);
}
