/* SPDX-License-Identifier: MIT */
#include "engine/base/value_floats.h"

#include <criterion/criterion.h>
#include <math.h>

static struct nbx_arena *arena;

static void setup(void)
{
    arena = nbx_arena_new(1 << 16);
}

static void teardown(void)
{
    nbx_arena_destroy(&arena);
}

static struct nbx_value bin(const void *p, uint32_t n)
{
    return (struct nbx_value){.type = NBX_BIN, .s = {p, n}};
}

Test(value_floats, a_vector_inside_a_map_becomes_numbers, .init = setup, .fini = teardown)
{
    float vector[3] = {0.5F, -2, NAN};
    struct nbx_member member = {NBX_STR("vector"), bin(vector, sizeof vector)};
    struct nbx_value map = {.type = NBX_MAP, .n = 1, .members = &member};
    struct nbx_value list = {.type = NBX_LIST, .n = 1, .list = &map};
    cr_assert_eq(nbx_value_spread_bins(&list, arena), NBX_OK);
    const struct nbx_value *got = nbx_value_get(&list.list[0], "vector");
    cr_assert_eq(got->type, NBX_LIST);
    cr_assert_eq(got->n, 3);
    cr_expect(got->list[0].type == NBX_FLOAT && got->list[0].f == 0.5);
    cr_expect(got->list[1].type == NBX_FLOAT && got->list[1].f == -2);
    cr_expect_eq(got->list[2].type, NBX_NIL);
}

Test(value_floats, other_bytes_become_integers, .init = setup, .fini = teardown)
{
    struct nbx_value v = bin("\xff\x01", 2);
    cr_assert_eq(nbx_value_spread_bins(&v, arena), NBX_OK);
    cr_assert(v.type == NBX_LIST && v.n == 2);
    cr_expect(v.list[0].i == 255 && v.list[1].i == 1);
}

Test(value_floats, everything_else_stays, .init = setup, .fini = teardown)
{
    struct nbx_value v = nbx_value_string(NBX_STR("text"));
    cr_assert_eq(nbx_value_spread_bins(&v, arena), NBX_OK);
    cr_expect(v.type == NBX_STRING && nbx_str_is(v.s, "text"));
}

Test(value_floats, a_full_arena_is_a_limit)
{
    arena = nbx_arena_new(64);
    static float many[4096];
    struct nbx_value v = bin(many, sizeof many);
    cr_expect_eq(nbx_value_spread_bins(&v, arena), NBX_ELIMIT);
    nbx_arena_destroy(&arena);
}
