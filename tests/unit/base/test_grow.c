/* SPDX-License-Identifier: MIT */
#include "engine/base/grow.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

Test(grow, keeps_what_is_there_and_doubles)
{
    uint32_t *p = NULL;
    size_t room = 0, moves = 0;
    for (size_t n = 0; n < 1000; n++) {
        size_t before = room;
        p = nbx_grow(p, n, &room, sizeof *p);
        cr_assert_not_null(p);
        moves += room != before;
        p[n] = (uint32_t)(n * 3);
    }
    cr_assert_eq(room, 1024);
    cr_assert_eq(moves, 5);
    for (size_t n = 0; n < 1000; n++)
        cr_assert_eq(p[n], n * 3);
    free(p);
}

Test(grow, what_cannot_be_is_refused_and_changes_nothing)
{
    size_t room = SIZE_MAX / 16;
    char kept[4] = "abc";
    cr_assert_null(nbx_grow(kept, room, &room, 64));
    cr_assert_eq(room, SIZE_MAX / 16);
    cr_assert_str_eq(kept, "abc");
}
