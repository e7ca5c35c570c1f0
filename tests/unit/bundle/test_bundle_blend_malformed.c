/* SPDX-License-Identifier: MIT
 * Every bound of format 2, broken once.
 */
#include "tests/unit/bundle/spoil.h"

#include <math.h>

#define SPACE   META ".spaces[0]"
#define NEAR    META ".neighbours[0]"
#define START   "neighbours.near.start"
#define ITEMS   "neighbours.near.items"
#define WEIGHTS "neighbours.near.weights"
#define HISTORY "space.s.history_factors"
/* Of the sound header, from dims to positions: */
#define DIMS     "\\\"dims\\\":"
#define CUSTOMER "\\\"customer\\\":\\\""
#define SUMMED   ",\\\"metric\\\":\\\"dot\\\"," CUSTOMER "summed\\\",\\\"positions\\\":"
#define FOLDING  "\\\"alpha0\\\":1,\\\"lambda\\\":1,\\\"nu\\\":1"

TestSuite(bundle_blend_malformed, .init = spoil_begin, .fini = spoil_end);

/* A sound blend of three items, written by hand; every case spoils one thing. */
static const char sound[] =
    "{\"__metadata__\":{\"nbx_format\":\"2\",\"name\":\"n\",\"version\":\"v1\","
    "\"family\":\"blend\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"s\\\","
    "\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\","
    "\\\"positions\\\":[1,0.5],\\\"weight\\\":1}]\","
    "\"neighbours\":\"[{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}]\"},"
    "\"neighbours.near.start\":{\"dtype\":\"U64\",\"shape\":[4],\"data_offsets\":[0,32]},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[4],\"data_offsets\":[32,48]},"
    "\"space.s.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[48,60]},"
    "\"space.s.history_factors\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[60,72]},"
    "\"neighbours.near.items\":{\"dtype\":\"U32\",\"shape\":[4],\"data_offsets\":[72,88]},"
    "\"neighbours.near.weights\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[88,104]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[104,107]}}";

struct data {
    uint64_t start[4];
    uint32_t offsets[4];
    float factors[3], history[3]; /* (3, 1) */
    uint32_t items[4];
    float weights[4];
    char ids[3];
    char more[5];
};
#define DATA_BYTES 107

/* Item 0 has all three as neighbours, item 1 none, item 2 the second. */
static const struct data sound_data = {{0, 3, 3, 4}, {0, 1, 2, 3}, {1, 2, 3}, {4, 5, 6},
                                       {0, 1, 2, 1}, {1, 2, 3, 4}, "abc",     {0}};

Test(bundle_blend_malformed, the_sound_one_opens)
{
    cr_assert_eq(open_parts(sound, &sound_data, DATA_BYTES), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

static const struct spoilt parts[] = {
    {"\\\"customer\\\":\\\"summed\\\"", "\\\"customer\\\":\\\"given\\\"", NBX_EBAD,
     SPACE ".customer", "not for a blend"},
    {"\\\"metric\\\":\\\"dot\\\"", "\\\"metric\\\":\\\"cosine\\\"", NBX_EBAD, SPACE ".metric",
     "must be dot in a blend"},
    {"\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\"",
     "\\\"dims\\\":2,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"constant\\\"", NBX_EBAD,
     SPACE ".dims", "must be 1"},
    {"\\\"customer\\\":\\\"summed\\\"", "\\\"customer\\\":\\\"folded\\\"", NBX_EBAD,
     SPACE ".alpha0", "missing"},
    {"\\\"customer\\\":\\\"summed\\\"", "\\\"customer\\\":\\\"known\\\"", NBX_EBAD,
     SPACE ".customer", "folded, given, summed or constant"},
    {"[1,0.5],\\\"weight\\\":1", "[1,0.5]", NBX_EBAD, SPACE ".weight", "missing"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":0}", NBX_EBAD, SPACE ".weight", "above 0"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":-1}", NBX_EBAD, SPACE ".weight", "from 0"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":1000001}", NBX_EBAD, SPACE ".weight", "1e+06"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":1e-60}", NBX_EBAD, SPACE ".weight", "above 0"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":\\\"1\\\"}", NBX_EBAD, SPACE ".weight", "number"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":NaN}", NBX_EBAD, META ".spaces", "line 1"},
    {",\\\"positions\\\":[1,0.5]", "", NBX_EBAD, SPACE ".positions", "1 to 256"},
    {"[1,0.5]", "[]", NBX_EBAD, SPACE ".positions", "1 to 256"},
    {"[1,0.5]", "[1,-1000001]", NBX_EBAD, SPACE ".positions", "number 1 must be from -1e+06"},
    {"[1,0.5]", "[1,1000001]", NBX_EBAD, SPACE ".positions", "number 1 must"},
    {"[1,0.5]", "[NaN]", NBX_EBAD, META ".spaces", "line 1"},
    {"[1,0.5]", "[\\\"1\\\"]", NBX_EBAD, SPACE ".positions", "number 0 must"},
    {"[1,0.5]", "[null]", NBX_EBAD, SPACE ".positions", "number 0 must"},
    {"[1,0.5]", "[[1]]", NBX_EBAD, SPACE ".positions", "number 0 must"},
    {"[1,0.5]", "1", NBX_EBAD, SPACE ".positions", "list"},
    {"\\\"weight\\\":1}", "\\\"weight\\\":1,\\\"bias_\\\":1}", NBX_EBAD, SPACE,
     "unknown key bias_"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":0", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":17", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":-1", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":1.0", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":\\\"1\\\"", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":null", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":true", NBX_EBAD, SPACE ".groups", "1 to 16"},
    {"[1,0.5]", "[1,0.5],\\\"groups\\\":2", NBX_EBAD, SPACE ".groups", "the 1 summed dim"},
    {"[1,0.5]", "[1,0.5],\\\"bias\\\":1", NBX_EBAD, SPACE ".bias", "true or false"},
    {"[1,0.5]", "[1,0.5],\\\"bias\\\":null", NBX_EBAD, SPACE ".bias", "true or false"},
    {"[1,0.5]", "[1,0.5],\\\"bias\\\":\\\"true\\\"", NBX_EBAD, SPACE ".bias", "true or false"},
    {"[1,0.5]", "[1,0.5],\\\"bias\\\":true", NBX_EBAD, SPACE ".bias", "false where there is 1"},
    {DIMS "1" SUMMED "[1,0.5]", DIMS "4" SUMMED "[1,0.5],\\\"groups\\\":3", NBX_EBAD,
     SPACE ".groups", "the 4 summed dimensions"},
    {DIMS "1" SUMMED "[1,0.5]", DIMS "4" SUMMED "[1,0.5],\\\"groups\\\":2,\\\"bias\\\":true",
     NBX_EBAD, SPACE ".groups", "the 3 summed dimensions"},
    {DIMS "1" SUMMED "[1,0.5]", DIMS "4" SUMMED "[1,0.5,1],\\\"groups\\\":2", NBX_EBAD,
     SPACE ".positions", "for each of 2 groups"},
    {DIMS "1" SUMMED "[1,0.5]", DIMS "4" SUMMED "[1],\\\"groups\\\":2", NBX_EBAD,
     SPACE ".positions", "for each of 2 groups"},
    {DIMS "1" SUMMED "[1,0.5]", DIMS "5" SUMMED "[1,0],\\\"groups\\\":2,\\\"bias\\\":true",
     NBX_EBAD, "space.s.item_factors", "must be [3, 5]"},
    {"[1,0.5]", "[1,0.5],\\\"alpha0\\\":1", NBX_EBAD, SPACE ".alpha0", "folded spaces only"},
    {"[1,0.5]", "[1,0.5],\\\"lambda\\\":1", NBX_EBAD, SPACE ".lambda", "folded spaces only"},
    {"[1,0.5]", "[1,0.5],\\\"nu\\\":1", NBX_EBAD, SPACE ".nu", "folded spaces only"},
    {CUSTOMER "summed\\\"", CUSTOMER "constant\\\"", NBX_EBAD, SPACE ".positions",
     "summed spaces only"},
    {CUSTOMER "summed\\\",\\\"positions\\\":[1,0.5]", CUSTOMER "constant\\\",\\\"groups\\\":1",
     NBX_EBAD, SPACE ".groups", "summed spaces only"},
    {CUSTOMER "summed\\\",\\\"positions\\\":[1,0.5]", CUSTOMER "constant\\\",\\\"bias\\\":false",
     NBX_EBAD, SPACE ".bias", "summed spaces only"},
    {CUSTOMER "summed\\\",\\\"positions\\\":[1,0.5]", CUSTOMER "constant\\\",\\\"nu\\\":1",
     NBX_EBAD, SPACE ".nu", "folded spaces only"},
    {CUSTOMER "summed\\\"", CUSTOMER "folded\\\"," FOLDING, NBX_EBAD, SPACE ".positions",
     "summed spaces only"},
    {CUSTOMER "summed\\\",\\\"positions\\\":[1,0.5]",
     CUSTOMER "folded\\\"," FOLDING ",\\\"groups\\\":1", NBX_EBAD, SPACE ".groups",
     "summed spaces only"},
    {CUSTOMER "summed\\\",\\\"positions\\\":[1,0.5]",
     CUSTOMER "folded\\\"," FOLDING ",\\\"bias\\\":true", NBX_EBAD, SPACE ".bias",
     "summed spaces only"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"groups\\\":1", NBX_EBAD, NEAR, "unknown key groups"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"bias\\\":true", NBX_EBAD, NEAR, "unknown key bias"},
    {"[1],\\\"weight\\\":2", "[1]", NBX_EBAD, NEAR ".weight", "missing"},
    {"\\\"weight\\\":2", "\\\"weight\\\":0", NBX_EBAD, NEAR ".weight", "above 0"},
    {"\\\"weight\\\":2", "\\\"weight\\\":-2", NBX_EBAD, NEAR ".weight", "from 0"},
    {"\\\"weight\\\":2", "\\\"weight\\\":1e300", NBX_EBAD, NEAR ".weight", "1e+06"},
    {"\\\"weight\\\":2", "\\\"weight\\\":true", NBX_EBAD, NEAR ".weight", "number"},
    {"\\\"positions\\\":[1],", "", NBX_EBAD, NEAR ".positions", "1 to 256"},
    {"[1],", "[],", NBX_EBAD, NEAR ".positions", "1 to 256"},
    {"[1],", "[-1e7],", NBX_EBAD, NEAR ".positions", "number 0 must"},
    {"[1],", "[NaN],", NBX_EBAD, META ".neighbours", "line 1"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"scaled_by\\\":1", NBX_EBAD, NEAR ".scaled_by",
     "must be a string"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"scaled_by\\\":\\\"near\\\"", NBX_EBAD,
     NEAR ".scaled_by", "name of a space"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"scaled_by\\\":\\\"\\\"", NBX_EBAD, NEAR ".scaled_by",
     "name of a space"},
    {"\\\"weight\\\":2", "\\\"weight\\\":2,\\\"dims\\\":1", NBX_EBAD, NEAR, "unknown key dims"},
    {"\\\"name\\\":\\\"near\\\",", "", NBX_EBAD, NEAR ".name", "missing"},
    {"\\\"name\\\":\\\"near\\\"", "\\\"name\\\":\\\".near\\\"", NBX_EBAD, NEAR ".name", "no point"},
    {"\\\"name\\\":\\\"near\\\"", "\\\"name\\\":\\\"s\\\"", NBX_EBAD, META ".neighbours",
     "s is there twice"},
    {"{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}",
     "{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2},{\\\"name\\\":"
     "\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}",
     NBX_EBAD, META ".neighbours", "near is there twice"},
    {"{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":"
     "\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1}",
     "{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":"
     "\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\","
     "\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":["
     "1,0.5],\\\"weight\\\":1}",
     NBX_EBAD, META ".spaces", "s is there twice"},
    {"{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}", "7", NBX_EBAD, NEAR,
     "object"},
    {"[{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}]",
     "{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}", NBX_EBAD,
     META ".neighbours", "list of 0 to 4"},
    {"{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}",
     "{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2},{\\\"name\\\":"
     "\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2},{\\\"name\\\":\\\"near\\\","
     "\\\"positions\\\":[1],\\\"weight\\\":2},{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],"
     "\\\"weight\\\":2},{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}",
     NBX_EBAD, META ".neighbours", "list of 0 to 4"},
    {"{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":"
     "\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1}",
     "{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":"
     "\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\","
     "\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":["
     "1,0.5],\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
     "\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":"
     "\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\","
     "\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,"
     "\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1,0.5],"
     "\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
     "\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":"
     "\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\","
     "\\\"positions\\\":[1,0.5],\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,"
     "\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1,0.5],"
     "\\\"weight\\\":1},{\\\"name\\\":\\\"s\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
     "\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1,0.5],\\\"weight\\\":1}",
     NBX_EBAD, META ".spaces", "list of 0 to 8"},
    {"{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2}",
     "{\\\"name\\\":\\\"near\\\",\\\"positions\\\":[1],\\\"weight\\\":2},", NBX_EBAD,
     META ".neighbours", "line 1"},
};

static const struct spoilt headers[] = {
    {"\"family\":\"blend\"", "\"family\":\"factors\"", NBX_EBAD, META ".family",
     "factors is of nbx_format 1"},
    {"\"nbx_format\":\"2\"", "\"nbx_format\":\"1\"", NBX_EBAD, META ".family", "of nbx_format 2"},
    {"space.s.history_factors", "space.s.history", NBX_EBAD, "space.s.history",
     "belongs to no part"},
    {"space.s.history_factors", "space.near.item_factors", NBX_EBAD, "space.near.item_factors",
     "belongs to no part"},
    {"neighbours.near.start", "neighbours.s.start", NBX_EBAD, "neighbours.s.start",
     "belongs to no part"},
    {"\"U64\",\"shape\":[4]", "\"F64\",\"shape\":[4]", NBX_EBAD, START, "U64 [4]"},
    {"\"U64\",\"shape\":[4]", "\"U64\",\"shape\":[2,2]", NBX_EBAD, START, "U64 [4]"},
    {"\"U32\",\"shape\":[4],\"data_offsets\":[72,88]",
     "\"I32\",\"shape\":[4],\"data_offsets\":[72,88]", NBX_EBAD, ITEMS,
     "must be U32 of one dimension"},
    {"\"U32\",\"shape\":[4],\"data_offsets\":[72,88]",
     "\"U32\",\"shape\":[2,2],\"data_offsets\":[72,88]", NBX_EBAD, ITEMS,
     "must be U32 of one dimension"},
    {"\"U32\",\"shape\":[4],\"data_offsets\":[72,88]",
     "\"U16\",\"shape\":[8],\"data_offsets\":[72,88]", NBX_EBAD, ITEMS, "must be U32"},
    {"\"F32\",\"shape\":[4]", "\"I32\",\"shape\":[4]", NBX_EBAD, WEIGHTS, "F32 [4]"},
    {"\"F32\",\"shape\":[4]", "\"F32\",\"shape\":[4,1]", NBX_EBAD, WEIGHTS, "F32 [4]"},
    {"\"F32\",\"shape\":[4]", "\"F16\",\"shape\":[8]", NBX_EBAD, WEIGHTS, "F32 [4]"},
    {"\"F32\",\"shape\":[3,1],\"data_offsets\":[60,72]",
     "\"F32\",\"shape\":[1,3],\"data_offsets\":[60,72]", NBX_EBAD, HISTORY, "must be [3, 1]"},
    {"\"F32\",\"shape\":[3,1],\"data_offsets\":[60,72]",
     "\"F32\",\"shape\":[3],\"data_offsets\":[60,72]", NBX_EBAD, HISTORY, "two dimensions"},
    {"\"F32\",\"shape\":[3,1],\"data_offsets\":[60,72]",
     "\"I32\",\"shape\":[3,1],\"data_offsets\":[60,72]", NBX_EBAD, HISTORY, "F32"},
};

Test(bundle_blend_malformed, spoilt_parts_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        check_spoilt(sound, &parts[i], &sound_data, DATA_BYTES);
}

Test(bundle_blend_malformed, spoilt_tensors_and_families_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        check_spoilt(sound, &headers[i], &sound_data, DATA_BYTES);
}

/* A list of n ones in the place of the sound positions. */
static enum nbx_err open_positions(const char *sound_positions, size_t n)
{
    char header[MAX_FILE / 2], list[1024] = "[", *end = list + 1;
    for (size_t i = 0; i < n; i++)
        end += sprintf(end, "%s1", i ? "," : "");
    sprintf(end, "]");
    replace(header, sound, sound_positions, list);
    return open_parts(header, &sound_data, DATA_BYTES);
}

Test(bundle_blend_malformed, positions_are_at_most_256)
{
    static const char *const lists[] = {"[1,0.5]", "[1]"};
    static const char *const fields[] = {SPACE ".positions", NEAR ".positions"};
    for (size_t i = 0; i < 2; i++) {
        cr_expect_eq(open_positions(lists[i], NBX_BUNDLE_MAX_POSITIONS), NBX_OK, "%s", fault.field);
        cr_expect_eq(open_positions(lists[i], NBX_BUNDLE_MAX_POSITIONS + 1), NBX_EBAD);
        cr_expect_str_eq(fault.field, fields[i]);
    }
}

/* The old header: what it lacked then it still may not have. */
static const char old_sound[] =
    "{\"__metadata__\":{\"nbx_format\":\"1\",\"name\":\"n\",\"version\":\"v1\","
    "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"s\\\","
    "\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\",\\\"alpha0\\\":0.1,"
    "\\\"lambda\\\":0.2,\\\"nu\\\":1}]\"},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"space.s.item_factors\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[8,12]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[12,13]}}";

static const struct spoilt old_ones[] = {
    {"\"nbx_format\":\"1\"", "\"nbx_format\":\"2\"", NBX_EBAD, META ".family", "of nbx_format 1"},
    {"\\\"nu\\\":1", "\\\"nu\\\":1,\\\"weight\\\":1", NBX_EBAD, SPACE, "unknown key weight"},
    {"\\\"nu\\\":1", "\\\"nu\\\":1,\\\"positions\\\":[1]", NBX_EBAD, SPACE, "key positions"},
    {"\\\"nu\\\":1", "\\\"nu\\\":1,\\\"groups\\\":1", NBX_EBAD, SPACE, "unknown key groups"},
    {"\\\"nu\\\":1", "\\\"nu\\\":1,\\\"bias\\\":true", NBX_EBAD, SPACE, "unknown key bias"},
    {"\\\"folded\\\"", "\\\"summed\\\"", NBX_EBAD, SPACE ".customer", "folded or given"},
    {"\\\"folded\\\"", "\\\"constant\\\"", NBX_EBAD, SPACE ".customer", "folded or given"},
    {"\"spaces\":\"[{", "\"spaces\":\"[]\",\"x\":\"[{", NBX_EBAD, META ".spaces", "1 to 8"},
};

static const unsigned char old_data[] = {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x80, 0x3F, 'a'};

/* Keys that said nothing before there were blends say nothing still. */
Test(bundle_blend_malformed, an_old_file_is_read_as_before)
{
    static const char *const changes[][2] = {
        {"\"spaces\"", "\"neighbours\":\"[]\",\"spaces\""},
        {"\"spaces\"", "\"neighbours\":\"20, by cosine\",\"spaces\""},
        {"\"spaces\"", "\"neighbours\":\"[{\\\"name\\\":\\\"s\\\"}]\",\"groups\":\"2\",\"spaces\""},
        {"\\\"folded\\\"", "\\\"given\\\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char header[MAX_FILE / 2];
        replace(header, old_sound, changes[i][0], changes[i][1]);
        cr_expect_eq(open_parts(header, old_data, sizeof old_data), NBX_OK, "%s: %s: %s",
                     changes[i][1], fault.field, fault.message);
    }
}

/* A blend of one folded space, from the same text. */
Test(bundle_blend_malformed, factors_know_nothing_of_blends)
{
    char blend[MAX_FILE / 2], weighted[MAX_FILE / 2];
    cr_expect_eq(open_parts(old_sound, old_data, sizeof old_data), NBX_OK, "%s", fault.message);
    for (size_t i = 0; i < sizeof old_ones / sizeof *old_ones; i++)
        check_spoilt(old_sound, &old_ones[i], old_data, sizeof old_data);
    replace(blend, old_sound, "\"1\",\"name\":\"n\",\"version\":\"v1\",\"family\":\"factors\"",
            "\"2\",\"name\":\"n\",\"version\":\"v1\",\"family\":\"blend\"");
    replace(weighted, blend, "\\\"nu\\\":1", "\\\"nu\\\":1,\\\"weight\\\":1");
    cr_expect_eq(open_parts(weighted, old_data, sizeof old_data), NBX_OK, "%s", fault.message);
    const struct spoilt history = {"space.s.item_factors", "space.s.history_factors", NBX_EBAD,
                                   HISTORY, "belongs to no part"};
    check_spoilt(weighted, &history, old_data, sizeof old_data);
}

/* Spaces and neighbours both empty or not there at all. */
Test(bundle_blend_malformed, a_blend_needs_a_part)
{
    static const char *const ends[] = {"\"spaces\":\"[]\",\"neighbours\":\"[]\"}",
                                       "\"spaces\":\"[]\"}"};
    const char *metadata = strstr(sound, "\"spaces\"");
    for (size_t i = 0; i < 2; i++) {
        char header[MAX_FILE / 2];
        snprintf(header, sizeof header, "%.*s%s}", (int)(metadata - sound), sound, ends[i]);
        cr_expect_eq(open_parts(header, "", 0), NBX_EBAD);
        cr_expect_str_eq(fault.field, META ".spaces");
        cr_expect(strstr(fault.message, "needs a part"), "%s", fault.message);
    }
}

/* What ends on a bound is within it. */
Test(bundle_blend_malformed, the_furthest_is_sound)
{
    static const char *const by[] = {"[-1000000,1000000]", "[-0.5,0]", "[-0.0]",
                                     "[1,0.5],\\\"groups\\\":1,\\\"bias\\\":false"};
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        char header[MAX_FILE / 2];
        replace(header, sound, "[1,0.5]", by[i]);
        cr_expect_eq(open_parts(header, &sound_data, DATA_BYTES), NBX_OK, "%s: %s: %s", by[i],
                     fault.field, fault.message);
    }
}

/* Tensors that the metadata promises, one after the other taken out with its bytes. */
Test(bundle_blend_malformed, missing_tensors_are_named)
{
    static const struct {
        const char *name, *entry;
        size_t begin, bytes;
    } gone[] = {
        {START, "\"U64\",\"shape\":[4],\"data_offsets\":[0,32]", 0, 32},
        {HISTORY, "\"F32\",\"shape\":[3,1],\"data_offsets\":[60,72]", 60, 12},
        {ITEMS, "\"U32\",\"shape\":[4],\"data_offsets\":[72,88]", 72, 16},
        {WEIGHTS, "\"F32\",\"shape\":[4],\"data_offsets\":[88,104]", 88, 16},
    };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        char header[MAX_FILE / 2], entry[256], *at;
        char data[DATA_BYTES];
        snprintf(entry, sizeof entry, "\"%s\":{\"dtype\":%s},", gone[i].name, gone[i].entry);
        replace(header, sound, entry, "");
        memcpy(data, &sound_data, DATA_BYTES);
        memmove(data + gone[i].begin, data + gone[i].begin + gone[i].bytes,
                DATA_BYTES - gone[i].begin - gone[i].bytes);
        for (at = header; (at = strstr(at, "data_offsets\":[")) != NULL;) {
            size_t from, to;
            int n = 0;
            at += strlen("data_offsets\":[");
            cr_assert_eq(sscanf(at, "%zu,%zu%n", &from, &to, &n), 2);
            if (from <= gone[i].begin)
                continue;
            char moved[32], rest[MAX_FILE / 2];
            snprintf(moved, sizeof moved, "%zu,%zu", from - gone[i].bytes, to - gone[i].bytes);
            snprintf(rest, sizeof rest, "%s", at + n);
            sprintf(at, "%s%s", moved, rest);
        }
        cr_expect_eq(open_parts(header, data, DATA_BYTES - gone[i].bytes), NBX_EBAD);
        cr_expect_str_eq(fault.field, gone[i].name, "%s: %s, %s", gone[i].name, fault.field,
                         fault.message);
        cr_expect_str_eq(fault.message, "is missing");
    }
}

/* Weights that are one short of the items. */
Test(bundle_blend_malformed, as_many_weights_as_items)
{
    char shorter[MAX_FILE / 2], header[MAX_FILE / 2], data[DATA_BYTES - 4];
    memcpy(data, &sound_data, sizeof data - 3);
    memcpy(data + sizeof data - 3, sound_data.ids, 3);
    replace(shorter, sound, "\"F32\",\"shape\":[4],\"data_offsets\":[88,104]",
            "\"F32\",\"shape\":[3],\"data_offsets\":[88,100]");
    replace(header, shorter, "[104,107]", "[100,103]");
    cr_expect_eq(open_parts(header, data, sizeof data), NBX_EBAD);
    cr_expect_str_eq(fault.field, WEIGHTS);
    cr_expect(strstr(fault.message, "F32 [4]"), "%s", fault.message);
}

static void expect_data(const struct data *d, const char *field, const char *message)
{
    cr_expect_eq(open_parts(sound, d, DATA_BYTES), NBX_EBAD, "%s", message);
    cr_expect_str_eq(fault.field, field, "%s, not %s", fault.field, field);
    cr_expect(strstr(fault.message, message), "'%s' lacks '%s'", fault.message, message);
}

Test(bundle_blend_malformed, spoilt_rows_are_refused)
{
    static const struct {
        uint64_t start[4];
        const char *message;
    } bad[] = {
        {{1, 3, 3, 4}, "from 0 to 4"},
        {{0, 3, 3, 3}, "from 0 to 4"},
        {{0, 3, 3, 5}, "from 0 to 4"},
        {{0, 3, 3, UINT64_MAX}, "from 0 to 4"},
        {{0, 3, 2, 4}, "item 1: ends before"},
        {{0, 5, 5, 4}, "item 2: ends before"},
        {{0, UINT64_MAX, 3, 4}, "item 1: ends before"},
        {{UINT64_MAX, 0, 3, 4}, "item 0: ends before"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct data d = sound_data;
        memcpy(d.start, bad[i].start, sizeof d.start);
        expect_data(&d, START, bad[i].message);
    }
}

Test(bundle_blend_malformed, spoilt_neighbours_are_refused)
{
    static const struct {
        uint32_t items[4];
        const char *message;
    } bad[] = {
        {{0, 1, 3, 1}, "item 0: its neighbours must ascend and be below 3"},
        {{0, 1, 2, UINT32_MAX}, "item 2: its"},
        {{0, 2, 1, 1}, "item 0: its"},
        {{0, 0, 1, 1}, "item 0: its"},
        {{1, 2, 2, 1}, "item 0: its"},
    };
    struct data d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        d = sound_data;
        memcpy(d.items, bad[i].items, sizeof d.items);
        expect_data(&d, ITEMS, bad[i].message);
    }
    d = sound_data;
    d.items[3] = 0; /* below the row before, which does not matter */
    cr_expect_eq(open_parts(sound, &d, DATA_BYTES), NBX_OK, "%s", fault.message);
}

Test(bundle_blend_malformed, values_that_are_not_finite_are_refused)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    struct data d;
    for (size_t i = 0; i < 4; i++) {
        char where[64];
        d = sound_data;
        d.weights[i] = bad[i];
        snprintf(where, sizeof where, "entry %zu is NaN or infinite", i);
        expect_data(&d, WEIGHTS, where);
    }
    for (size_t i = 0; i < 3; i++) {
        char where[64];
        d = sound_data;
        d.history[i] = bad[i];
        snprintf(where, sizeof where, "item %zu, dimension 0 is NaN or infinite", i);
        expect_data(&d, HISTORY, where);
    }
    d = sound_data;
    d.weights[0] = d.history[0] = 3.4028235e38f;
    cr_expect_eq(open_parts(sound, &d, DATA_BYTES), NBX_OK, "%s", fault.message);
}

/* Any single byte changed: either refused or still a bundle, never a crash. */
Test(bundle_blend_malformed, every_byte_may_be_wrong)
{
    static char file[MAX_FILE];
    static const unsigned char masks[] = {0x01, 0x80, 0xFF};
    size_t n = assemble(file, sound, &sound_data, DATA_BYTES), refused = 0;
    for (size_t i = 0; i < n * 3; i++) {
        file[i / 3] ^= (char)masks[i % 3];
        refused += open_bytes(file, n) != NBX_OK;
        file[i / 3] ^= (char)masks[i % 3];
    }
    cr_expect_gt(refused, n);
    cr_expect_eq(open_bytes(file, n), NBX_OK);
}
