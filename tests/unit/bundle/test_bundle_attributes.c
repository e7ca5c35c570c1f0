/* SPDX-License-Identifier: MIT
 * What a bundle says of attributes: written and read back, its bytes in format 2, and spoilt.
 */
#include "tests/unit/bundle/spoil.h"

#include <math.h>

TestSuite(bundle_attributes, .init = spoil_begin, .fini = spoil_end);

static const struct nbx_str ids[] = {{"a", 1}, {"b", 1}};
static const struct nbx_str names[] = {{"item", 4}, {"brand=\xC3\xA9", 8}};
static const float factors[] = {1, 2, 3, 4};       /* (2, 2) */
static const float other[] = {5, 6};               /* (2, 1) */
static const float vectors[] = {1, 2, 3, 4, 5, 6}; /* (2, 3) */
static const int64_t bounds[] = {-5, 0, INT64_C(1) << 40};

static struct nbx_bundle_info sample(void)
{
    return (struct nbx_bundle_info){
        .name = NBX_STR("taste"),
        .version = NBX_STR("v1"),
        .family = NBX_STR("factors"),
        .created_ms = 5,
        .n_items = 2,
        .item_ids = ids,
        .n_spaces = 2,
        .spaces = {{.name = NBX_STR("s"),
                    .dims = 2,
                    .item_factors = factors,
                    .alpha0 = 0.5f,
                    .lambda = 0.25f,
                    .nu = 1},
                   {.name = NBX_STR("t"),
                    .dims = 1,
                    .customer = NBX_CUSTOMER_GIVEN,
                    .item_factors = other}},
        .features = {names, 2, vectors, bounds, 3},
    };
}

static void must_read_back(const struct nbx_bundle_info *in)
{
    struct nbx_bundle *b = NULL;
    must_write(in);
    cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK, "%s %s", fault.field, fault.message);
    const struct nbx_features *f = &nbx_bundle_get(b)->features;
    cr_assert_eq(f->n, in->features.n);
    for (size_t i = 0; i < f->n; i++)
        cr_expect(nbx_str_eq(f->names[i], in->features.names[i]));
    for (size_t i = 0; i < f->n * nbx_bundle_dims(in); i++)
        cr_expect(f->vectors[i] == in->features.vectors[i]);
    cr_assert_eq(f->n_price_bounds, in->features.n_price_bounds);
    for (size_t i = 0; i < f->n_price_bounds; i++)
        cr_expect_eq(f->price_bounds[i], in->features.price_bounds[i]);
    nbx_bundle_close(&b);
}

Test(bundle_attributes, are_read_back_whole)
{
    struct nbx_bundle_info info = sample();
    must_read_back(&info);
    info.features.n_price_bounds = 0;
    must_read_back(&info);
    info = sample();
    info.family = NBX_STR("blend");
    info.n_spaces = 1;
    info.spaces[0].weight = 2;
    must_read_back(&info);
    info.features = (struct nbx_features){0};
    must_read_back(&info);
}

/* A bundle of format 2 as it is written, and as every case below spoils it. */
static const char sound[] =
    "{\"__metadata__\":{\"nbx_format\":\"2\",\"name\":\"taste\",\"version\":\"v1\","
    "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"s\\\","
    "\\\"dims\\\":2,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\","
    "\\\"alpha0\\\":0.5,\\\"lambda\\\":0.25,\\\"nu\\\":1.0},{\\\"name\\\":\\\"t\\\","
    "\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"given\\\"}]\"},"
    "\"attributes.price_bounds\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[3],\"data_offsets\":[24,36]},"
    "\"space.s.item_factors\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[36,52]},"
    "\"space.t.item_factors\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[52,60]},"
    "\"attributes.names.offsets\":{\"dtype\":\"U32\",\"shape\":[3],\"data_offsets\":[60,72]},"
    "\"attributes.vectors\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[72,96]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[96,98]},"
    "\"attributes.names.bytes\":{\"dtype\":\"U8\",\"shape\":[12],\"data_offsets\":[98,110]}}";
#define DATA_BYTES 110

struct data {
    int64_t bounds[3];
    uint32_t offsets[3];
    float factors[4], other[2];
    uint32_t name_offsets[3];
    float vectors[6];
    char ids[2], names[12], more[2];
};

static const struct data sound_data = {
    {-5, 0, INT64_C(1) << 40},
    {0, 1, 2},
    {1, 2, 3, 4},
    {5, 6},
    {0, 4, 12},
    {1, 2, 3, 4, 5, 6},
    {'a', 'b'},
    {'i', 't', 'e', 'm', 'b', 'r', 'a', 'n', 'd', '=', (char)0xC3, (char)0xA9},
    {0}};

Test(bundle_attributes, have_the_bytes_of_format_2)
{
    struct nbx_bundle_info info = sample();
    must_have_bytes(&info, sound, &sound_data, DATA_BYTES);
}

#define BOUNDS  "attributes.price_bounds"
#define VECTORS "attributes.vectors"
#define OFFSETS "attributes.names.offsets"
#define BYTES   "attributes.names.bytes"

static const struct spoilt headers[] = {
    {"\"nbx_format\":\"2\"", "\"nbx_format\":\"1\"", NBX_EBAD, META ".family",
     "factors with attributes is of nbx_format 2"},
    {BOUNDS, "attributes.x", NBX_EBAD, "attributes.x", "belongs to no space"},
    {"\"I64\"", "\"U64\"", NBX_EBAD, BOUNDS, "must be I64"},
    {"\"shape\":[3],\"data_offsets\":[0,24]", "\"shape\":[3,1],\"data_offsets\":[0,24]", NBX_EBAD,
     BOUNDS, "one dimension"},
    {"[2,3],\"data", "[3,2],\"data", NBX_EBAD, VECTORS, "must be F32 [2, 3]"},
    {"[2,3],\"data", "[6],\"data", NBX_EBAD, VECTORS, "must be F32 [2, 3]"},
    {"\"F32\",\"shape\":[2,3]", "\"I32\",\"shape\":[2,3]", NBX_EBAD, VECTORS, "must be F32"},
    {"\"U32\",\"shape\":[3],\"data_offsets\":[60", "\"I32\",\"shape\":[3],\"data_offsets\":[60",
     NBX_EBAD, OFFSETS, "U32 or U64"},
    {"\"U8\",\"shape\":[12]", "\"I8\",\"shape\":[12]", NBX_EBAD, BYTES, "must be U8"},
};

Test(bundle_attributes, spoilt_headers_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        check_spoilt(sound, &headers[i], &sound_data, DATA_BYTES);
}

static void expect_data(const struct data *d, const char *field, const char *message)
{
    check_data(sound, d, DATA_BYTES, field, message);
}

Test(bundle_attributes, spoilt_data_are_refused_by_place)
{
    struct data d = sound_data;
    d.bounds[1] = -5;
    expect_data(&d, BOUNDS, "bound 1 is not above");
    d = sound_data;
    d.bounds[2] = INT64_MIN;
    expect_data(&d, BOUNDS, "bound 2 is not above");
    d = sound_data;
    d.name_offsets[0] = 1;
    expect_data(&d, OFFSETS, "from 0 to 12");
    d = sound_data;
    d.name_offsets[1] = 0;
    expect_data(&d, OFFSETS, "feature 0");
    d.name_offsets[1] = 13;
    expect_data(&d, OFFSETS, "feature 0");
    d = sound_data;
    d.names[10] = 'x';
    expect_data(&d, BYTES, "feature 1: an id is UTF-8");
    d = sound_data;
    d.vectors[4] = NAN;
    expect_data(&d, VECTORS, "feature 1, dimension 1 is NaN");
    d.vectors[4] = -INFINITY;
    expect_data(&d, VECTORS, "feature 1, dimension 1 is NaN or infinite");
}

static const struct laid tensors[] = {
    {BOUNDS, "\"dtype\":\"I64\",\"shape\":[3]", 0, 24},
    {"item_ids.offsets", "\"dtype\":\"U32\",\"shape\":[3]", 24, 36},
    {"space.s.item_factors", "\"dtype\":\"F32\",\"shape\":[2,2]", 36, 52},
    {"space.t.item_factors", "\"dtype\":\"F32\",\"shape\":[2,1]", 52, 60},
    {OFFSETS, "\"dtype\":\"U32\",\"shape\":[3]", 60, 72},
    {VECTORS, "\"dtype\":\"F32\",\"shape\":[2,3]", 72, 96},
    {"item_ids.bytes", "\"dtype\":\"U8\",\"shape\":[2]", 96, 98},
    {BYTES, "\"dtype\":\"U8\",\"shape\":[12]", 98, 110},
};

Test(bundle_attributes, are_there_whole_or_not_at_all)
{
    static const char *const all[] = {BOUNDS, OFFSETS, VECTORS, BYTES};
    check_missing(all, sizeof all / sizeof *all, sound, &sound_data, tensors,
                  sizeof tensors / sizeof *tensors);
}

Test(bundle_attributes, the_writer_refuses_what_has_no_space)
{
    static const uint64_t start[] = {0, 0, 0};
    static const float alike[] = {1};
    struct nbx_bundle_info info = sample();
    unlink(path);
    info.family = NBX_STR("blend");
    info.n_spaces = 0;
    info.n_neighbours = 1;
    info.neighbours[0] = (struct nbx_neighbours){.name = NBX_STR("n"),
                                                 .start = start,
                                                 .items = (const uint32_t[]){0},
                                                 .weights = alike,
                                                 .positions = alike,
                                                 .n_positions = 1,
                                                 .weight = 1};
    cr_expect_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, VECTORS);
    info.features = (struct nbx_features){0};
    must_write(&info);
    info = sample();
    info.features.n_price_bounds = 2;
    info.features.price_bounds = (const int64_t[]){7, 7};
    unlink(path);
    cr_expect_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, BOUNDS);
}

/* Any single byte changed: either refused or still a bundle, never a crash. */
Test(bundle_attributes, every_byte_may_be_wrong)
{
    static char file[MAX_FILE];
    size_t n = assemble(file, sound, &sound_data, DATA_BYTES);
    static const unsigned char masks[] = {0x01, 0x80, 0xFF};
    for (size_t i = 0; i < n * 3; i++) {
        file[i / 3] ^= (char)masks[i % 3];
        (void)open_bytes(file, n);
        file[i / 3] ^= (char)masks[i % 3];
    }
    cr_expect_eq(open_bytes(file, n), NBX_OK);
}
