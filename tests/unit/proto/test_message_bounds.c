/* SPDX-License-Identifier: MIT
 * How long lists and maps may be, and what a body may cost in memory. */
#include "tests/unit/proto/bodies.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(message_bounds, .init = bodies_set_up, .fini = bodies_tear_down);

/* n elements in place of %s; an element's %d is its number. */
static enum nbx_err refusal_of_many(enum nbx_op op, const char *around, const char *element, int n)
{
    struct nbx_buf many = {0}, text = {0};
    for (int i = 0; i < n; i++) {
        char one[64];
        snprintf(one, sizeof one, element, i);
        nbx_buf_printf(&many, "%s,", one);
    }
    nbx_buf_put_u8(&many, 0);
    nbx_buf_printf(&text, around, (char *)many.p);
    nbx_buf_put_u8(&text, 0);
    enum nbx_err err = refusal(op, (char *)text.p);
    nbx_buf_fini(&many);
    nbx_buf_fini(&text);
    return err;
}

Test(message_bounds, lists_have_bounds)
{
    static const struct {
        enum nbx_op op;
        int least, most;
        const char *around, *element, *field;
    } rows[] = {
        {NBX_OP_RECOMMEND, 0, 10000, "{exclude:[%s]}", "'i%d'", "exclude"},
        {NBX_OP_RECOMMEND, 0, 1000, "{observe:[%s]}", "{type:'view'}", "observe"},
        {NBX_OP_RECOMMEND, 0, 128, "{fields:[%s]}", "'f%d'", "fields"},
        {NBX_OP_RECOMMEND, 0, 64, "{context:{%s}}", "k%d:1", "context"},
        {NBX_OP_RECOMMEND, 1, 4096, "{vector:[%s]}", "%d", "vector"},
        {NBX_OP_RANK, 1, 1000, "{items:[%s]}", "'i%d'", "items"},
        {NBX_OP_OBSERVE, 1, 1000, "{events:[%s]}", "{type:'view'}", "events"},
        {NBX_OP_OBSERVE, 0, 64, "{events:[{type:'v', attributes:{%s}}]}", "k%d:1",
         "events[0].attributes"},
        {NBX_OP_RETRACT, 1, 1000, "{events:[%s]}", "'e%d'", "events"},
        {NBX_OP_CUSTOMER_PUT, 0, 64, "{attributes:{%s}}", "k%d:1", "attributes"},
        {NBX_OP_CUSTOMER_PUT, 0, 64, "{consent:{%s}}", "k%d:true", "consent"},
        {NBX_OP_CUSTOMER_PUT, 0, 64, "{identities:{%s}}", "k%d:'v'", "identities"},
        {NBX_OP_CUSTOMER_PUT, 0, 64, "{channels:[%s]}", "'c%d'", "channels"},
        {NBX_OP_ITEM_PUT, 1, 10000, "{items:[%s]}", "{id:'i%d'}", "items"},
        {NBX_OP_ITEM_PATCH, 1, 10000, "{items:[%s]}", "{id:'i%d'}", "items"},
        {NBX_OP_ITEM_PUT, 0, 64, "{items:[{id:'i', categories:[%s]}]}", "'c%d'",
         "items[0].categories"},
        {NBX_OP_ITEM_PUT, 0, 64, "{items:[{id:'i', channels:[%s]}]}", "'c%d'", "items[0].channels"},
        {NBX_OP_ITEM_PUT, 0, 64, "{items:[{id:'i', attributes:{%s}}]}", "k%d:1",
         "items[0].attributes"},
        {NBX_OP_ITEM_PUT, 0, 64, "{items:[{id:'i', attributes:{a:[%s]}}]}", "'v%d'",
         "items[0].attributes.a"},
        {NBX_OP_ITEM_PUT, 0, 10000, "{items:[{id:'i', stock:{%s}}]}", "s%d:1", "items[0].stock"},
        {NBX_OP_ITEM_GET, 1, 10000, "{ids:[%s]}", "'i%d'", "ids"},
        {NBX_OP_ITEM_DELETE, 1, 10000, "{ids:[%s]}", "'i%d'", "ids"},
        {NBX_OP_EVENTS_READ, 1, 64, "{types:[%s]}", "'t%d'", "types"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *around = rows[i].around, *element = rows[i].element;
        cr_expect_eq(refusal_of_many(rows[i].op, around, element, rows[i].most), NBX_OK,
                     "%s of %d: %s %s", around, rows[i].most, fault.field, fault.message);
        cr_expect_eq(refusal_of_many(rows[i].op, around, element, rows[i].least), NBX_OK,
                     "%s of %d", around, rows[i].least);
        cr_expect_eq(refusal_of_many(rows[i].op, around, element, rows[i].most + 1), NBX_EBAD);
        cr_expect_str_eq(fault.field, rows[i].field);
        if (rows[i].least > 0) {
            cr_expect_eq(refusal_of_many(rows[i].op, around, element, 0), NBX_EBAD);
            cr_expect_str_eq(fault.field, rows[i].field);
        }
    }
}

Test(message_bounds, null_bytes_are_refused)
{
    const char body[] = "\x81\xa5"
                        "store\xa3"
                        "a\0b";
    nbx_arena_reset(arena);
    cr_assert_eq(bodies_decode(NBX_OP_RECOMMEND, (struct nbx_body){body, sizeof body - 1}),
                 NBX_EBAD);
    cr_assert_str_eq(fault.field, "store");
    cr_assert(strstr(fault.message, "NUL"));
}

/* What one refused body may cost in memory is bounded by its length, and the next costs no more. */
Test(message_bounds, hostile_bodies_leave_memory_flat)
{
    struct nbx_buf b = {0};
    notation(&b, "{events:[{type:'view'}, {}, 5, [], {x:{y:{z:1}}}], exclude:['a'], n:7}");
    size_t first = 0;
    for (int round = 0; round < 50; round++) {
        size_t most = 0;
        for (size_t i = 0; i < b.len; i++) {
            uint8_t old = b.p[i];
            b.p[i] = (uint8_t)(old ^ 0xdd);
            for (int op = 0; op < NBX_N_OPS; op++) {
                nbx_arena_reset(arena);
                (void)bodies_decode((enum nbx_op)op, (struct nbx_body){b.p, b.len});
                most = nbx_arena_used(arena) > most ? nbx_arena_used(arena) : most;
            }
            b.p[i] = old;
        }
        first = round == 0 ? most : first;
        cr_assert_eq(most, first, "round %d used %zu bytes, the first %zu", round, most, first);
        cr_assert_lt(most, 256 * b.len, "%zu bytes for a body of %zu", most, b.len);
    }
    nbx_buf_fini(&b);
}

Test(message_bounds, too_little_memory_is_limit)
{
    struct nbx_buf b = {0};
    notation(&b, "{observe:[{},{},{},{},{},{type:'v'}], exclude:['a','b'], fields:['x'], "
                 "vector:[1,2,3], filter:{a:[1,2,3]}}");
    enum nbx_err err = NBX_ELIMIT;
    size_t cap = 16;
    for (; err == NBX_ELIMIT; cap += 16) {
        struct nbx_recommend_req r;
        struct nbx_arena *small = nbx_arena_new(cap);
        err = nbx_message_recommend(&r, (struct nbx_body){b.p, b.len}, false, small, &fault);
        if (err)
            cr_assert_eq(fault.code, NBX_ELIMIT);
        nbx_arena_destroy(&small);
    }
    cr_assert_eq(err, NBX_OK, "%s %s", fault.field, fault.message);
    cr_assert_gt(cap, 1000);
    nbx_buf_fini(&b);
}
