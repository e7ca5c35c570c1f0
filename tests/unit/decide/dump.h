/* SPDX-License-Identifier: MIT
 * Everything a town's store holds, as bytes to compare.
 *
 * Owns:    nothing: the bytes live in the town's arena.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DECIDE_DUMP_H
#define NBX_TEST_DECIDE_DUMP_H

#include "tests/unit/decide/town.h"

/* Every key and value of the family. Counts that came to nothing are none. */
static inline void dump_family(struct nbx_buf *b, struct town *t, enum nbx_family family)
{
    struct nbx_cursor *cursor;
    struct nbx_str key;
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, t->shop.f.store, family, (struct nbx_str){0},
                                 (struct nbx_str){0}, false),
                 NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK) {
        if (family == NBX_FAMILY_TRENDS && nbx_stored_count(&stored) == 0)
            continue;
        nbx_buf_put_varint(b, key.len);
        nbx_buf_put(b, key.p, key.len);
        nbx_buf_put_varint(b, stored.payload.len);
        nbx_buf_put(b, stored.payload.p, stored.payload.len);
    }
    nbx_cursor_close(&cursor);
}

static inline struct nbx_str dump_store(struct town *t)
{
    struct nbx_buf b = {0};
    for (int family = 0; family < NBX_N_FAMILIES; family++)
        dump_family(&b, t, (enum nbx_family)family);
    struct nbx_str s =
        nbx_arena_str(t->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

#endif
