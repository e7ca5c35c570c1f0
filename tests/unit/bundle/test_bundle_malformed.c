/* SPDX-License-Identifier: MIT */
#include "tests/unit/bundle/spoil.h"

#include <math.h>

/* A sound bundle of two items, written by hand; every case spoils one thing. */
static const char sound[] =
    "{\"__metadata__\":{\"nbx_format\":\"1\",\"name\":\"n\",\"version\":\"v1\","
    "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"main\\\","
    "\\\"dims\\\":2,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\",\\\"alpha0\\\":0.1,"
    "\\\"lambda\\\":0.2,\\\"nu\\\":1}]\"},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[3],\"data_offsets\":[0,12]},"
    "\"space.main.item_factors\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[12,28]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[28,31]}}";

struct data {
    uint32_t offsets[3];
    float factors[4]; /* (2, 2) */
    char ids[3];
    char more[9];
};
#define DATA_BYTES 31

static const struct data sound_data = {{0, 1, 3}, {1, 2, 3, 4}, {'a', 'b', 'c'}, {0}};

TestSuite(bundle_malformed, .init = spoil_begin, .fini = spoil_end);

Test(bundle_malformed, the_sound_one_opens)
{
    cr_assert_eq(open_parts(sound, &sound_data, DATA_BYTES), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

Test(bundle_malformed, truncation_at_every_byte_is_refused)
{
    static char file[MAX_FILE];
    size_t n = assemble(file, sound, &sound_data, DATA_BYTES);
    for (size_t cut = 0; cut < n; cut++)
        cr_assert_eq(open_bytes(file, cut), NBX_EBAD, "cut at %zu of %zu was read", cut, n);
    cr_assert_eq(open_bytes(file, n), NBX_OK);
}

#define OFFSETS "item_ids.offsets"
#define BYTES   "item_ids.bytes"
#define FACTORS "space.main.item_factors"
#define SPACE   META ".spaces[0]"

static const struct spoilt containers[] = {
    {"[12,28]", "[8,24]", NBX_EBAD, FACTORS, "overlaps"},
    {"[12,28]", "[13,28]", NBX_EBAD, FACTORS, "hole"},
    {"[28,31]", "[27,30]", NBX_EBAD, BYTES, "overlaps"},
    {"[28,31]", "[28,99]", NBX_EBAD, BYTES, "truncated"},
    {"[28,31]", "[31,28]", NBX_EBAD, BYTES, "[begin, end]"},
    {"[28,31]", "[-1,31]", NBX_EBAD, BYTES, "[begin, end]"},
    {"[28,31]", "[28]", NBX_EBAD, BYTES, "[begin, end]"},
    {"[28,31]", "[28.0,31.0]", NBX_EBAD, BYTES, "[begin, end]"},
    {"[28,31]", "\"28\"", NBX_EBAD, BYTES, "[begin, end]"},
    {"\"shape\":[3],\"data_offsets\":[28,31]", "\"shape\":[2],\"data_offsets\":[28,30]", NBX_EBAD,
     "", "1 bytes lie after"},
    {"[2,2]", "[9223372036854775808,2]", NBX_EBAD, "header", "too big"},
    {"[2,2]", "[9223372036854775807,2]", NBX_EBAD, FACTORS, "larger than any file"},
    {"[2,2]", "[4611686018427387904,4]", NBX_EBAD, FACTORS, "larger than any file"},
    {"[2,2]", "[4294967296,4294967296]", NBX_EBAD, FACTORS, "larger than any file"},
    {"[2,2]", "[-2,-2]", NBX_EBAD, FACTORS, "at least 0"},
    {"[2,2]", "[2.0,2]", NBX_EBAD, FACTORS, "integers"},
    {"[2,2]", "[1,1,1,1,1,1,1,2,2]", NBX_EBAD, FACTORS, "at most 8"},
    {"[2,2]", "4", NBX_EBAD, FACTORS, "list"},
    {"[2,2]", "[2,3]", NBX_EBAD, FACTORS, "do not fit"},
    {"\"F32\"", "\"F33\"", NBX_EBAD, FACTORS, "unknown dtype"},
    {"\"F32\"", "32", NBX_EBAD, FACTORS, "string"},
    {"\"F32\",\"shape\":[2,2]", "\"F64\",\"shape\":[2]", NBX_EBAD, FACTORS, "aligned"},
    {"{\"dtype\":\"F32\",", "{", NBX_EBAD, FACTORS, "{dtype, shape, data_offsets}"},
    {"{\"dtype\":\"F32\",", "{\"dtype\":\"F32\",\"x\":1,", NBX_EBAD, FACTORS, "data_offsets}"},
    {"\"item_ids.bytes\"", "\"item_ids.offsets\"", NBX_EBAD, "header", "duplicate"},
    {"\"nbx_format\":\"1\"", "\"nbx_format\":1", NBX_EBAD, META, "strings"},
    {"{\"__metadata__\"", "[\"__metadata__\"", NBX_EBAD, "header", "line 1"},
    {"{\"__metadata__\"", " {\"__metadata__\"", NBX_EBAD, "header", "first byte"},
    {"}}", "}},", NBX_EBAD, "header", "line 1"},
};

static const struct spoilt meanings[] = {
    {"\"__metadata__\"", "\"__metadata_\"", NBX_EBAD, "__metadata_", "dtype"},
    {"\"nbx_format\":\"1\"", "\"nbx_format\":\"3\"", NBX_EVERSION, META ".nbx_format", "is 3"},
    {"\"nbx_format\":\"1\"", "\"nbx_format\":\"0\"", NBX_EBAD, META ".nbx_format", "must be 1"},
    {"\"nbx_format\":\"1\"", "\"nbx_format\":\"one\"", NBX_EBAD, META ".nbx_format", "digits"},
    {"\"nbx_format\":\"1\",", "", NBX_EBAD, META ".nbx_format", "missing"},
    {"\"name\":\"n\",", "", NBX_EBAD, META ".name", "missing"},
    {"\"name\":\"n\"", "\"name\":\"\"", NBX_EBAD, META ".name", "1 to 64"},
    {"\"name\":\"n\"", "\"name\":\"a/b\"", NBX_EBAD, META ".name", "1 to 64"},
    {"\"name\":\"n\"", "\"name\":\"..\"", NBX_EBAD, META ".name", "no point"},
    {"\"version\":\"v1\",", "", NBX_EBAD, META ".version", "missing"},
    {"\"family\":\"factors\"", "\"family\":\"forest\"", NBX_EBAD, META ".family", "forest"},
    {"\"created_ms\":\"5\"", "\"created_ms\":\"-5\"", NBX_EBAD, META ".created_ms", "digits"},
    {"\"created_ms\":\"5\"", "\"created_ms\":\"1234567890123456\"", NBX_EBAD, META ".created_ms",
     "15 digits"},
    {"\"[{", "\"[", NBX_EBAD, META ".spaces", "line 1"},
    {"\"[{", "\"[],[{", NBX_EBAD, META ".spaces", "line 1"},
    {"\"spaces\":\"[{", "\"spaces\":\"[]\",\"x\":\"[{", NBX_EBAD, META ".spaces", "1 to 8"},
    {"\"spaces\":\"[{", "\"spaces\":\"[7]\",\"x\":\"[{", NBX_EBAD, SPACE, "object"},
    {"\\\"nu\\\":1", "\\\"nu\\\":1,\\\"bias\\\":1", NBX_EBAD, SPACE, "unknown key bias"},
    {"\\\"nu\\\":1", "\\\"nu\\\":\\\"1\\\"", NBX_EBAD, SPACE ".nu", "number"},
    {",\\\"nu\\\":1", "", NBX_EBAD, SPACE ".nu", "missing"},
    {"\\\"lambda\\\":0.2", "\\\"lambda\\\":0", NBX_EBAD, SPACE ".lambda", "above 0"},
    {"\\\"alpha0\\\":0.1", "\\\"alpha0\\\":-1", NBX_EBAD, SPACE ".alpha0", "from 0"},
    {"\\\"dims\\\":2", "\\\"dims\\\":0", NBX_EBAD, SPACE ".dims", "4096"},
    {"\\\"dims\\\":2", "\\\"dims\\\":3", NBX_EBAD, FACTORS, "must be [2, 3]"},
    {"\\\"dot\\\"", "\\\"l2\\\"", NBX_EBAD, SPACE ".metric", "dot or cosine"},
    {"\\\"folded\\\"", "\\\"known\\\"", NBX_EBAD, SPACE ".customer", "folded or given"},
    {"\\\"main\\\"", "\\\"other\\\"", NBX_EBAD, FACTORS, "belongs to no space"},
    {"}]\"}",
     "},{\\\"name\\\":\\\"b\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
     "\\\"customer\\\":\\\"given\\\"}]\"}",
     NBX_EBAD, "space.b.item_factors", "missing"},
    {"}]\"}",
     "},{\\\"name\\\":\\\"main\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
     "\\\"customer\\\":\\\"given\\\"}]\"}",
     NBX_EBAD, META ".spaces", "twice"},
    {"\"U32\"", "\"F32\"", NBX_EBAD, OFFSETS, "U32 or U64"},
    {"\"shape\":[3],\"data_offsets\":[0,12]", "\"shape\":[3,1],\"data_offsets\":[0,12]", NBX_EBAD,
     OFFSETS, "one dimension"},
    {"\"F32\"", "\"I32\"", NBX_EBAD, FACTORS, "must be F32"},
    {"[2,2]", "[4]", NBX_EBAD, FACTORS, "two dimensions"},
    {"[2,2]", "[4,1]", NBX_EBAD, FACTORS, "must be [2, 2]"},
    {"\"U8\"", "\"I8\"", NBX_EBAD, BYTES, "must be U8"},
    {"\"item_ids.bytes\"", "\"item_ids.byte\"", NBX_EBAD, "item_ids.byte", "belongs to no space"},
};

Test(bundle_malformed, spoilt_containers_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++)
        check_spoilt(sound, &containers[i], &sound_data, DATA_BYTES);
}

Test(bundle_malformed, spoilt_meanings_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        check_spoilt(sound, &meanings[i], &sound_data, DATA_BYTES);
}

Test(bundle_malformed, missing_parts_are_named)
{
    cr_expect_eq(open_parts("{}", "", 0), NBX_EBAD);
    cr_expect_str_eq(fault.field, META);
    const char *comma = strstr(sound, ",\"item_ids.offsets\"");
    char header[MAX_FILE / 2];
    snprintf(header, sizeof header, "%.*s}", (int)(comma - sound), sound);
    cr_expect_eq(open_parts(header, "", 0), NBX_EBAD);
    cr_expect_str_eq(fault.field, OFFSETS);
}

static void expect_data(const struct data *d, const char *field, const char *message)
{
    cr_expect_eq(open_parts(sound, d, DATA_BYTES), NBX_EBAD, "%s", message);
    cr_expect_str_eq(fault.field, field);
    cr_expect(strstr(fault.message, message), "'%s' lacks '%s'", fault.message, message);
}

Test(bundle_malformed, spoilt_ids_are_refused)
{
    struct data d = sound_data;
    d.offsets[0] = 1;
    expect_data(&d, OFFSETS, "from 0 to 3");
    d = sound_data;
    d.offsets[2] = 2;
    expect_data(&d, OFFSETS, "from 0 to 3");
    d = sound_data;
    d.offsets[1] = 0;
    expect_data(&d, OFFSETS, "item 0");
    d.offsets[1] = 3;
    expect_data(&d, OFFSETS, "item 1");
    d.offsets[1] = 0xFFFFFFFF;
    expect_data(&d, OFFSETS, "item 0");
    d.offsets[1] = 4;
    expect_data(&d, OFFSETS, "item 0");
    d = sound_data;
    d.ids[1] = (char)0xC3;
    expect_data(&d, BYTES, "item 1: an id is UTF-8");
    d.ids[1] = '\0';
    expect_data(&d, BYTES, "item 1: an id is UTF-8 without NUL");
}

Test(bundle_malformed, values_that_are_not_finite_are_refused)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 4; i++) {
        struct data d = sound_data;
        d.factors[i] = bad[i];
        char where[64];
        snprintf(where, sizeof where, "item %zu, dimension %zu is NaN or infinite", i / 2, i % 2);
        expect_data(&d, FACTORS, where);
    }
    struct data d = sound_data;
    d.factors[0] = 3.4028235e38f;
    d.factors[1] = 1e-45f;
    cr_expect_eq(open_parts(sound, &d, DATA_BYTES), NBX_OK);
}

/* ids: n of one byte each; factors: n ones. */
static size_t many_items(char *data, size_t n, const char *ids)
{
    for (size_t i = 0; i <= n; i++)
        memcpy(data + 4 * i, &(uint32_t){(uint32_t)i}, 4);
    for (size_t i = 0; i < 2 * n; i++)
        memcpy(data + 4 * (n + 1 + i), &(float){1}, 4);
    memcpy(data + 4 * (3 * n + 1), ids, n);
    return 4 * (3 * n + 1) + n;
}

static const char many_header[] =
    "{\"__metadata__\":{\"nbx_format\":\"1\",\"name\":\"n\",\"version\":\"v1\","
    "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"main\\\","
    "\\\"dims\\\":2,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"given\\\"}]\"},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[6],\"data_offsets\":[0,24]},"
    "\"space.main.item_factors\":{\"dtype\":\"F32\",\"shape\":[5,2],\"data_offsets\":[24,64]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[64,69]}}";

Test(bundle_malformed, duplicate_ids_are_refused_with_both_rows)
{
    char data[128];
    cr_expect_eq(open_parts(many_header, data, many_items(data, 5, "abcde")), NBX_OK, "%s: %s",
                 fault.field, fault.message);
    cr_expect_eq(open_parts(many_header, data, many_items(data, 5, "abcdb")), NBX_EBAD);
    cr_expect_str_eq(fault.field, BYTES);
    cr_expect(strstr(fault.message, "items 1 and 4 have the same id b"), "%s", fault.message);
}

/* Bad values behind the blocks that are tested at once. */
Test(bundle_malformed, the_last_of_many_values_is_tested_too)
{
    enum { DIMS = 600 };
    static float row[DIMS];
    static char data[8 + 4 * DIMS + 1];
    char header[1024];
    snprintf(
        header, sizeof header,
        "{\"__metadata__\":{\"nbx_format\":\"1\",\"name\":\"n\",\"version\":\"v1\","
        "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"m\\\","
        "\\\"dims\\\":%d,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"given\\\"}]\"},"
        "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"space.m.item_factors\":{\"dtype\":\"F32\",\"shape\":[1,%d],\"data_offsets\":[8,%d]},"
        "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}}",
        DIMS, DIMS, 8 + 4 * DIMS, 8 + 4 * DIMS, 9 + 4 * DIMS);
    memcpy(data, (uint32_t[]){0, 1}, 8);
    data[sizeof data - 1] = 'x';
    cr_assert_eq(open_parts(header, data, sizeof data), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    for (size_t at = 0; at < DIMS; at++) {
        row[at] = INFINITY;
        memcpy(data + 8, row, sizeof row);
        row[at] = 0;
        char where[32];
        snprintf(where, sizeof where, "dimension %zu is", at);
        cr_assert_eq(open_parts(header, data, sizeof data), NBX_EBAD);
        cr_assert(strstr(fault.message, where), "%zu: %s", at, fault.message);
    }
}

Test(bundle_malformed, declared_lengths_are_bounded)
{
    char file[64] = {0};
    uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, 1ull << 63, (16u << 20) + 1, 57};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(file, &lengths[i], 8);
        cr_expect_eq(open_bytes(file, sizeof file), NBX_EBAD);
        cr_expect_str_eq(fault.field, "header");
    }
}

Test(bundle_malformed, too_many_tensors_are_refused)
{
    enum { N = 1026 };
    char *header = calloc(N, 80), *file = calloc(N, 96), *at = header;
    for (int i = 0; i < N; i++)
        at += sprintf(at, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                      i ? ',' : '{', i);
    sprintf(at, "}");
    cr_expect_eq(open_bytes(file, assemble(file, header, "", 0)), NBX_EBAD);
    cr_expect(strstr(fault.message, "more than 1024"), "%s", fault.message);
    free(header);
    free(file);
}

Test(bundle_malformed, deep_nesting_is_refused)
{
    char header[512] = "{\"a\":";
    memset(header + 5, '[', 400);
    cr_expect_eq(open_parts(header, "", 0), NBX_EBAD);
    cr_expect(strstr(fault.message, "nested deeper"), "%s", fault.message);
}

Test(bundle_malformed, what_is_not_there_is_not_found)
{
    struct nbx_bundle *b = NULL;
    cr_expect_eq(nbx_bundle_open(&b, "/nowhere/at/all.safetensors", &fault), NBX_ENOTFOUND);
    cr_expect_eq(nbx_bundle_open(&b, P_tmpdir, &fault), NBX_EBAD);
    cr_expect_null(b);
    nbx_bundle_close(&b);
    nbx_bundle_close(NULL);
}

/* Any single byte changed: either refused or still a bundle, never a crash. */
Test(bundle_malformed, every_byte_may_be_wrong)
{
    static char file[MAX_FILE];
    size_t n = assemble(file, sound, &sound_data, DATA_BYTES), refused = 0;
    static const unsigned char masks[] = {0x01, 0x80, 0xFF};
    for (size_t i = 0; i < n * 3; i++) {
        file[i / 3] ^= (char)masks[i % 3];
        refused += open_bytes(file, n) != NBX_OK;
        file[i / 3] ^= (char)masks[i % 3];
    }
    cr_expect_gt(refused, n);
    cr_expect_eq(open_bytes(file, n), NBX_OK);
}
