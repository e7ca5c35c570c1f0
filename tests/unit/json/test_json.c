/* SPDX-License-Identifier: MIT */
#include "engine/json/json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct nbx_arena *arena;
static struct nbx_fault fault;

static void setup(void)
{
    arena = nbx_arena_new(1 << 20);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(json, .init = setup, .fini = teardown);

static enum nbx_err decode(const char *text, struct nbx_value *v)
{
    fault = (struct nbx_fault){0};
    return nbx_json_decode(v, text, strlen(text), arena, &fault);
}

static void expect_round_trip(const char *text)
{
    struct nbx_value v;
    struct nbx_buf out = {0};
    cr_assert_eq(decode(text, &v), NBX_OK, "%s: %s", text, fault.message);
    cr_assert_eq(nbx_json_encode(&out, &v), NBX_OK);
    nbx_buf_put_u8(&out, 0);
    cr_expect_str_eq((char *)out.p, text);
    nbx_buf_fini(&out);
}

Test(json, writes_what_it_read)
{
    expect_round_trip("null");
    expect_round_trip("true");
    expect_round_trip("[]");
    expect_round_trip("{}");
    expect_round_trip("\"\"");
    expect_round_trip("-9223372036854775808");
    expect_round_trip("9223372036854775807");
    expect_round_trip("[0.1,1.0,-0.0,1e+300,1.5]");
    expect_round_trip(
        "{\"z\":1,\"a\":[{\"b\":null}],\"\xC3\xA9\":\"\\\"\\\\\\n\\t\\u0001/\xF0\x9F\x98\x80\"}");
}

Test(json, keeps_integers_and_floats_apart)
{
    struct nbx_value v;
    cr_assert_eq(decode("[3,3.0,3e0]", &v), NBX_OK);
    cr_expect_eq(v.list[0].type, NBX_INT);
    cr_expect_eq(v.list[1].type, NBX_FLOAT);
    cr_expect_eq(v.list[2].type, NBX_FLOAT);
}

static void expect_refused(const char *text, const char *message_part)
{
    struct nbx_value v;
    cr_expect_eq(decode(text, &v), NBX_EBAD, "%s was read", text);
    cr_expect(strstr(fault.message, message_part), "%s: '%s' lacks '%s'", text, fault.message,
              message_part);
}

Test(json, refuses_with_line_and_column)
{
    expect_refused("{\"a\":1,\n \"a\":2}", "line 2 column");
    expect_refused("{\"a\":1,\n \"a\":2}", "duplicate");
    expect_refused("[1,\n2,\n x]", "line 3 column 2");
    expect_refused("9223372036854775808", "line 1");
    expect_refused("1e999", "line 1");
    expect_refused("NaN", "line 1");
    expect_refused("", "line 1");
    expect_refused("1 2", "line 1");
    expect_refused("\"\xFF\"", "decode byte 0xff");
    expect_refused("\"\xED\xA0\x80\"", "decode byte 0xed");
    expect_refused("\"\\u0000\"", "line 1");
    expect_refused("{\"a\\u0000\":1}", "line 1");
    expect_refused("[1", "line 1");
}

/* levels brackets around `inner`. */
static const char *nested(int levels, const char *inner)
{
    static char text[256];
    char *p = text;
    p += sprintf(p, "\n");
    for (int i = 0; i < levels; i++)
        *p++ = '[';
    p += sprintf(p, "%s", inner);
    for (int i = 0; i < levels; i++)
        *p++ = ']';
    *p = '\0';
    return text;
}

Test(json, bounds_depth)
{
    struct nbx_value v;
    cr_expect_eq(decode(nested(15, "1"), &v), NBX_OK);
    cr_expect_eq(decode(nested(16, " "), &v), NBX_OK);
    expect_refused(nested(16, "1"), "line 2 column 17: nested deeper than 16 levels");
    expect_refused(nested(16, "\"\""), "line 2 column 17");
    expect_refused(nested(17, ""), "line 2 column 17");
    cr_expect_eq(decode("\"\\\\\\\"[[[[[[[[[[[[[[[[[[[[[[\"", &v), NBX_OK, "%s", fault.message);
    cr_expect_eq(decode("[\"\\\\\",[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]", &v), NBX_OK, "%s",
                 fault.message);
    expect_refused("[\"\\\\\",[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "nested");
}

Test(json, a_full_arena_is_a_limit)
{
    struct nbx_arena *small = nbx_arena_new(64);
    struct nbx_value v;
    const char *text = "[1,2,3,4,5,6,7,8,9]";
    cr_expect_eq(nbx_json_decode(&v, text, strlen(text), small, &fault), NBX_ELIMIT);
    text = "\"0123456789012345678901234567890123456789012345678901234567890123456789\"";
    cr_expect_eq(nbx_json_decode(&v, text, strlen(text), small, &fault), NBX_ELIMIT);
    nbx_arena_destroy(&small);
}

Test(json, floats_are_short_and_exact)
{
    double samples[] = {
        0.1, 1.0 / 3, 2.5e-8, 123456789.123, -1e22, 4.9e-324, 1.7976931348623157e308};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct nbx_value v = nbx_value_float(samples[i]), back;
        struct nbx_buf out = {0};
        cr_assert_eq(nbx_json_encode(&out, &v), NBX_OK);
        cr_assert_eq(nbx_json_decode(&back, (char *)out.p, out.len, arena, NULL), NBX_OK);
        cr_expect_eq(back.type, NBX_FLOAT);
        cr_expect_eq(back.f, samples[i]);
        nbx_buf_fini(&out);
    }
}

Test(json, what_json_cannot_say_is_refused_and_leaves_no_trace)
{
    struct nbx_value bad[] = {
        nbx_value_float(NAN), nbx_value_float(INFINITY), {.type = NBX_BIN, .s = {"x", 1}}};
    for (size_t i = 0; i < 3; i++) {
        struct nbx_value list[2] = {nbx_value_int(1), bad[i]};
        struct nbx_value v = {.type = NBX_LIST, .n = 2, .list = list};
        struct nbx_buf out = {0};
        nbx_buf_put(&out, "ab", 2);
        cr_expect_eq(nbx_json_encode(&out, &v), NBX_EBAD);
        cr_expect_eq(out.len, 2);
        nbx_buf_fini(&out);
    }
}

Test(json, encoding_bounds_depth)
{
    struct nbx_value chain[NBX_JSON_MAX_ENCODE_DEPTH + 1];
    for (int i = 0; i < NBX_JSON_MAX_ENCODE_DEPTH; i++)
        chain[i] = (struct nbx_value){.type = NBX_LIST, .n = 1, .list = &chain[i + 1]};
    chain[NBX_JSON_MAX_ENCODE_DEPTH] = nbx_value_nil();
    struct nbx_buf out = {0};
    cr_expect_eq(nbx_json_encode(&out, &chain[0]), NBX_EBAD);
    cr_expect_eq(nbx_json_encode(&out, &chain[1]), NBX_OK);
    nbx_buf_fini(&out);
}

Test(json, indents_for_people)
{
    struct nbx_value v;
    cr_assert_eq(decode("{\"a\":[1,{}],\"b\":[]}", &v), NBX_OK);
    struct nbx_buf out = {0};
    cr_assert_eq(nbx_json_encode_indented(&out, &v), NBX_OK);
    nbx_buf_put_u8(&out, 0);
    cr_expect_str_eq((char *)out.p, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
    nbx_buf_fini(&out);
}
