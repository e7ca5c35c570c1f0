/* SPDX-License-Identifier: MIT */
#include "proto/wire.h"

#include "tests/unit/proto/notation.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define CAP (64u << 20)

static struct nbx_arena *arena;
static struct nbx_fault fault;

static void set_up(void)
{
    arena = nbx_arena_new(CAP);
    fault = (struct nbx_fault){0};
}

static void tear_down(void)
{
    nbx_arena_destroy(&arena);
}

TestSuite(wire, .init = set_up, .fini = tear_down);

static enum nbx_err decode(struct nbx_value *out, const void *p, size_t len)
{
    nbx_arena_reset(arena);
    fault = (struct nbx_fault){0};
    return nbx_wire_decode(out, p, len, arena, &fault);
}

/* Bytes in quotes decode with `err`, and the message contains `words`. */
static void refused(const char *p, size_t len, const char *field, const char *words)
{
    struct nbx_value v;
    cr_assert_eq(decode(&v, p, len), NBX_EBAD, "%zu bytes passed, wanted: %s", len, words);
    cr_assert(strstr(fault.message, words), "\"%s\" lacks \"%s\"", fault.message, words);
    cr_assert_str_eq(fault.field, field);
    cr_assert_eq(v.type, NBX_NIL);
}
#define REFUSED(bytes, field, words) refused(bytes, sizeof(bytes) - 1, field, words)

/* A value survives writing and reading, and is written in exactly these bytes. */
static void written(const char *text, const char *bytes, size_t len)
{
    struct nbx_buf b = {0};
    notation(&b, text);
    cr_assert_eq(b.len, len, "%s: %zu bytes, wanted %zu", text, b.len, len);
    cr_assert_arr_eq(b.p, bytes, len, "%s", text);
    struct nbx_value v;
    cr_assert_eq(decode(&v, b.p, b.len), NBX_OK, "%s: %s", text, fault.message);
    struct nbx_buf again = {0};
    nbx_wire_value(&again, &v);
    cr_assert_eq(again.len, len);
    cr_assert_arr_eq(again.p, bytes, len, "%s", text);
    nbx_buf_fini(&b);
    nbx_buf_fini(&again);
}
#define WRITTEN(text, bytes) written(text, bytes, sizeof(bytes) - 1)

Test(wire, integers_take_the_fewest_bytes)
{
    WRITTEN("0", "\x00");
    WRITTEN("127", "\x7f");
    WRITTEN("128", "\xcc\x80");
    WRITTEN("255", "\xcc\xff");
    WRITTEN("256", "\xcd\x01\x00");
    WRITTEN("65536", "\xce\x00\x01\x00\x00");
    WRITTEN("4294967296", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
    WRITTEN("9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    WRITTEN("-1", "\xff");
    WRITTEN("-32", "\xe0");
    WRITTEN("-33", "\xd0\xdf");
    WRITTEN("-129", "\xd1\xff\x7f");
    WRITTEN("-32769", "\xd2\xff\xff\x7f\xff");
    WRITTEN("-2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
}

Test(wire, the_rest_is_written_one_way)
{
    WRITTEN("nil", "\xc0");
    WRITTEN("true", "\xc3");
    WRITTEN("false", "\xc2");
    WRITTEN("1.5", "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
    WRITTEN("'abc'", "\xa3"
                     "abc");
    WRITTEN("''", "\xa0");
    WRITTEN("x'00ff'", "\xc4\x02\x00\xff");
    WRITTEN("[1, 'a', []]", "\x93\x01\xa1\x61\x90");
    WRITTEN("{a:1, b:{c:nil}}", "\x82\xa1\x61\x01\xa1\x62\x81\xa1\x63\xc0");
}

Test(wire, long_forms_of_a_peer_are_read)
{
    struct nbx_value v;
    cr_assert_eq(decode(&v, "\xd3\x00\x00\x00\x00\x00\x00\x00\x05", 9), NBX_OK);
    cr_assert_eq(v.i, 5);
    cr_assert_eq(decode(&v, "\xca\x3f\x80\x00\x00", 5), NBX_OK);
    cr_assert_eq(v.type, NBX_FLOAT);
    cr_assert_eq(v.f, 1.0);
    cr_assert_eq(decode(&v, "\xdb\x00\x00\x00\x01z", 6), NBX_OK);
    cr_assert(nbx_str_is(v.s, "z"));
    cr_assert_eq(decode(&v, "\xdd\x00\x00\x00\x01\x07", 6), NBX_OK);
    cr_assert_eq(v.list[0].i, 7);
    cr_assert_eq(decode(&v, "\xdf\x00\x00\x00\x01\xa1k\x07", 8), NBX_OK);
    cr_assert_eq(nbx_value_get(&v, "k")->i, 7);
}

Test(wire, strings_point_into_the_message)
{
    const char message[] = "\x81\xa1k\xa3xyz";
    struct nbx_value v;
    cr_assert_eq(decode(&v, message, sizeof message - 1), NBX_OK);
    cr_assert_eq(v.members[0].key.p, message + 2);
    cr_assert_eq(v.members[0].value.s.p, message + 4);
}

Test(wire, refuses_what_is_not_one_whole_value)
{
    REFUSED("", "", "too early");
    REFUSED("\xc1", "", "0xc1");
    REFUSED("\x01\x02", "", "1 bytes behind the end");
    REFUSED("\xa5"
            "abc",
            "", "5 bytes where 3 remain");
    REFUSED("\xcf\x00", "", "cut short");
    REFUSED("\xd9", "", "too early");
    REFUSED("\x92\x01", "", "cut short");
    REFUSED("\xd4\x01\x02", "", "extension");
    REFUSED("\xc7\x01\x02\x03", "", "extension");
}

Test(wire, huge_counts_are_not_believed)
{
    REFUSED("\xdd\x10\x00\x00\x00", "", "268435456 values where 0 bytes remain");
    REFUSED("\xdd\xff\xff\xff\xff", "", "4294967295 values");
    REFUSED("\xdf\x10\x00\x00\x00\xa1k", "", "536870912 values where 2 bytes remain");
    REFUSED("\xdb\xff\xff\xff\xff", "", "4294967295 bytes");
    REFUSED("\xc6\x10\x00\x00\x00", "", "268435456 bytes");
    REFUSED("\x81\xa1k\xdd\x10\x00\x00\x00", "", "268435456 values");
    cr_assert_lt(nbx_arena_used(arena), 64, "memory was reserved for a count");
}

/* 30 lists, each of which claims all the bytes that remain. */
Test(wire, huge_counts_inside_each_other_are_not_believed)
{
    char bytes[151];
    for (int i = 0; i < 30; i++)
        memcpy(bytes + 5 * i, "\xdd\x00\x00\x00\x79", 5);
    refused(bytes, 150, "", "cut short");
    memset(bytes, '\x91', 150);
    refused(bytes, 150, "", "deeper than 16");
}

Test(wire, depth_of_16_passes_and_17_does_not)
{
    char bytes[17];
    memset(bytes, '\x91', sizeof bytes);
    bytes[15] = 1;
    struct nbx_value v;
    cr_assert_eq(decode(&v, bytes, 16), NBX_OK);
    bytes[15] = '\x91';
    bytes[16] = 1;
    refused(bytes, 17, "", "deeper than 16");
    for (int i = 0; i < 15; i++)
        bytes[i] = '\x91';
    bytes[15] = '\x90';
    cr_assert_eq(decode(&v, bytes, 16), NBX_OK, "an empty list is a leaf");
}

Test(wire, refusals_name_the_place)
{
    REFUSED("\x81\xa1k\xa1\xff", "k", "UTF-8");
    REFUSED("\x81\xa1k\x92\x01\x81\xa1z\xa2\xc0\x80", "k[1].z", "UTF-8");
    REFUSED("\x81\xa1\xff\x01", "", "a key is not UTF-8");
    REFUSED("\x81\x01\x01", "", "keys of a map must be strings");
    REFUSED("\x81\xa1k\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "k", "9223372036854775808");
    REFUSED("\x81\xa1k\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "k", "NaN");
    REFUSED("\x81\xa1k\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "k", "infinite");
    REFUSED("\x81\xa1k\xca\x7f\x80\x00\x00", "k", "infinite");
    REFUSED("\x82\xa1k\x01\xa1k\x02", "k", "twice");
    REFUSED("\x81\xa1m\x82\xa1k\x01\xa1k\x02", "m.k", "twice");
}

Test(wire, doubled_keys_are_found_in_large_maps_too)
{
    enum { N = 20000 };
    struct nbx_buf b = {0};
    nbx_wire_map(&b, N);
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%05d", i);
        nbx_wire_kv_int(&b, key, i);
    }
    struct nbx_value v;
    cr_assert_eq(decode(&v, b.p, b.len), NBX_OK, "%s", fault.message);
    cr_assert_eq(v.n, N);
    memcpy(b.p + 4, "k19999", 6);
    refused((char *)b.p, b.len, "k19999", "twice");
    nbx_buf_fini(&b);
}

Test(wire, every_truncation_is_refused)
{
    struct nbx_buf b = {0};
    notation(&b, "{a:[1,300,-70000,1.5,'text',x'0102',nil,true,{b:{c:['d']}}], e:#300}");
    struct nbx_value v;
    cr_assert_eq(decode(&v, b.p, b.len), NBX_OK);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* its own block, so that ASan sees a byte too far */
        memcpy(cut, b.p, len);
        cr_assert_eq(decode(&v, cut, len), NBX_EBAD, "the first %zu bytes passed", len);
        free(cut);
    }
    nbx_buf_fini(&b);
}

Test(wire, a_small_arena_answers_limit)
{
    struct nbx_buf b = {0};
    nbx_wire_list(&b, 60000);
    for (int i = 0; i < 60000; i++)
        nbx_wire_nil(&b);
    struct nbx_arena *small = nbx_arena_new(65536);
    struct nbx_value v;
    cr_assert_eq(nbx_wire_decode(&v, b.p, b.len, small, &fault), NBX_ELIMIT);
    cr_assert(strstr(fault.message, "memory"));
    nbx_arena_destroy(&small);
    nbx_buf_fini(&b);
}

Test(wire, members_are_written_with_their_keys)
{
    struct nbx_buf b = {0}, want = {0};
    struct nbx_value nil = nbx_value_nil();
    nbx_wire_map(&b, 6);
    nbx_wire_kv_int(&b, "i", -5);
    nbx_wire_kv_float(&b, "f", 0.5);
    nbx_wire_kv_bool(&b, "b", true);
    nbx_wire_kv_text(&b, "t", "text");
    nbx_wire_kv_str(&b, "s", NBX_STR("str"));
    nbx_wire_kv_value(&b, "v", &nil);
    notation(&want, "{i:-5, f:0.5, b:true, t:'text', s:'str', v:nil}");
    cr_assert_eq(b.len, want.len);
    cr_assert_arr_eq(b.p, want.p, want.len);
    nbx_buf_fini(&b);
    nbx_buf_fini(&want);
}

Test(wire, fault_bodies_carry_what_is_known)
{
    struct nbx_buf b = {0}, want = {0};
    struct nbx_value id = nbx_value_int(7);
    nbx_fault_set(&fault, NBX_EBAD, "n", "must be less");
    nbx_wire_fault(&b, &fault, &id);
    notation(&want, "{message:'must be less', field:'n', id:7}");
    nbx_fault_set(&fault, NBX_EBUSY, NULL, "later");
    nbx_wire_fault(&b, &fault, NULL);
    notation(&want, "{message:'later'}");
    cr_assert_eq(b.len, want.len);
    cr_assert_arr_eq(b.p, want.p, want.len);
    nbx_buf_fini(&b);
    nbx_buf_fini(&want);
}
