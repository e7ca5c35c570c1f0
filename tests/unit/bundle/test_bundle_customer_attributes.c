/* SPDX-License-Identifier: MIT
 * What a bundle says of customers' attributes: written and read back, its bytes, and spoilt.
 */
#include "tests/unit/bundle/spoil.h"

#include <math.h>

TestSuite(bundle_customer_attributes, .init = spoil_begin, .fini = spoil_end);

static const struct nbx_str ids[] = {{"a", 1}, {"b", 1}};
static const struct nbx_str names[] = {{"customer", 8}, {"sex=\xC3\xA9", 6}};
static const float factors[] = {1, 2, 3, 4}; /* (2, 2) */
static const float vectors[] = {1, 2, 3, 4}; /* (2, 2) */
static const float item_vectors[] = {7, 8};  /* (1, 2) */
static const struct nbx_str item_names[] = {{"item", 4}};

static struct nbx_bundle_info sample(void)
{
    return (struct nbx_bundle_info){
        .name = NBX_STR("taste"),
        .version = NBX_STR("v1"),
        .family = NBX_STR("factors"),
        .created_ms = 5,
        .n_items = 2,
        .item_ids = ids,
        .n_spaces = 1,
        .spaces = {{.name = NBX_STR("s"),
                    .dims = 2,
                    .item_factors = factors,
                    .alpha0 = 0.5f,
                    .lambda = 0.25f,
                    .nu = 1}},
        .customer_features = {.names = names, .n = 2, .vectors = vectors},
    };
}

static void must_equal(const struct nbx_features *got, const struct nbx_features *want, size_t dims)
{
    cr_assert_eq(got->n, want->n);
    for (size_t i = 0; i < got->n; i++)
        cr_expect(nbx_str_eq(got->names[i], want->names[i]));
    if (got->n)
        cr_expect_eq(memcmp(got->vectors, want->vectors, got->n * dims * sizeof(float)), 0);
    cr_expect_eq(got->n_price_bounds, want->n_price_bounds);
}

static void must_read_back(const struct nbx_bundle_info *in)
{
    struct nbx_bundle *b = NULL;
    must_write(in);
    cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK, "%s %s", fault.field, fault.message);
    const struct nbx_bundle_info *out = nbx_bundle_get(b);
    must_equal(&out->customer_features, &in->customer_features, nbx_bundle_dims(in));
    must_equal(&out->features, &in->features, nbx_bundle_dims(in));
    nbx_bundle_close(&b);
}

Test(bundle_customer_attributes, are_read_back_whole)
{
    struct nbx_bundle_info info = sample();
    must_read_back(&info);
    info.features = (struct nbx_features){.names = item_names, .n = 1, .vectors = item_vectors};
    must_read_back(&info);
    info.family = NBX_STR("blend");
    info.spaces[0].weight = 2;
    must_read_back(&info);
    info.customer_features = (struct nbx_features){0};
    must_read_back(&info);
}

/* A bundle of format 2 as it is written, and as every case below spoils it. */
static const char sound[] =
    "{\"__metadata__\":{\"nbx_format\":\"2\",\"name\":\"taste\",\"version\":\"v1\","
    "\"family\":\"factors\",\"created_ms\":\"5\",\"spaces\":\"[{\\\"name\\\":\\\"s\\\","
    "\\\"dims\\\":2,\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\","
    "\\\"alpha0\\\":0.5,\\\"lambda\\\":0.25,\\\"nu\\\":1.0}]\"},"
    "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[3],\"data_offsets\":[0,12]},"
    "\"space.s.item_factors\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[12,28]},"
    "\"customer_attributes.names.offsets\":{\"dtype\":\"U32\",\"shape\":[3],"
    "\"data_offsets\":[28,40]},"
    "\"customer_attributes.vectors\":{\"dtype\":\"F32\",\"shape\":[2,2],"
    "\"data_offsets\":[40,56]},"
    "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[56,58]},"
    "\"customer_attributes.names.bytes\":{\"dtype\":\"U8\",\"shape\":[14],"
    "\"data_offsets\":[58,72]}}";
#define DATA_BYTES 72

struct data {
    uint32_t offsets[3];
    float factors[4];
    uint32_t name_offsets[3];
    float vectors[4];
    char ids[2], names[14];
};
_Static_assert(sizeof(struct data) == DATA_BYTES, "as in the file");

static const struct data sound_data = {
    {0, 1, 2},
    {1, 2, 3, 4},
    {0, 8, 14},
    {1, 2, 3, 4},
    {'a', 'b'},
    {'c', 'u', 's', 't', 'o', 'm', 'e', 'r', 's', 'e', 'x', '=', (char)0xC3, (char)0xA9}};

Test(bundle_customer_attributes, have_the_bytes_of_format_2)
{
    struct nbx_bundle_info info = sample();
    must_have_bytes(&info, sound, &sound_data, DATA_BYTES);
}

#define VECTORS "customer_attributes.vectors"
#define OFFSETS "customer_attributes.names.offsets"
#define BYTES   "customer_attributes.names.bytes"

static const struct spoilt headers[] = {
    {"\"nbx_format\":\"2\"", "\"nbx_format\":\"1\"", NBX_EBAD, META ".family",
     "factors with attributes is of nbx_format 2"},
    {VECTORS, "customer_attributes.x", NBX_EBAD, "customer_attributes.x", "belongs to no space"},
    {VECTORS, "customer_attributes.price_bounds", NBX_EBAD, "customer_attributes.price_bounds",
     "belongs to no space"},
    {"[2,2],\"data_offsets\":[40", "[4],\"data_offsets\":[40", NBX_EBAD, VECTORS,
     "must be F32 [2, 2]"},
    {"\"F32\",\"shape\":[2,2],\"data_offsets\":[40", "\"I32\",\"shape\":[2,2],\"data_offsets\":[40",
     NBX_EBAD, VECTORS, "must be F32"},
    {"\"U32\",\"shape\":[3],\"data_offsets\":[28", "\"I32\",\"shape\":[3],\"data_offsets\":[28",
     NBX_EBAD, OFFSETS, "U32 or U64"},
    {"\"U8\",\"shape\":[14]", "\"I8\",\"shape\":[14]", NBX_EBAD, BYTES, "must be U8"},
};

Test(bundle_customer_attributes, spoilt_headers_are_refused_by_name)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        check_spoilt(sound, &headers[i], &sound_data, DATA_BYTES);
}

static void expect_data(const struct data *d, const char *field, const char *message)
{
    check_data(sound, d, DATA_BYTES, field, message);
}

Test(bundle_customer_attributes, spoilt_data_are_refused_by_place)
{
    struct data d = sound_data;
    d.name_offsets[0] = 1;
    expect_data(&d, OFFSETS, "from 0 to 14");
    d = sound_data;
    d.name_offsets[1] = 15;
    expect_data(&d, OFFSETS, "feature 0");
    d = sound_data;
    d.names[12] = 'x';
    expect_data(&d, BYTES, "feature 1: an id is UTF-8");
    d = sound_data;
    d.vectors[3] = NAN;
    expect_data(&d, VECTORS, "feature 1, dimension 1 is NaN");
}

static const struct laid tensors[] = {
    {"item_ids.offsets", "\"dtype\":\"U32\",\"shape\":[3]", 0, 12},
    {"space.s.item_factors", "\"dtype\":\"F32\",\"shape\":[2,2]", 12, 28},
    {OFFSETS, "\"dtype\":\"U32\",\"shape\":[3]", 28, 40},
    {VECTORS, "\"dtype\":\"F32\",\"shape\":[2,2]", 40, 56},
    {"item_ids.bytes", "\"dtype\":\"U8\",\"shape\":[2]", 56, 58},
    {BYTES, "\"dtype\":\"U8\",\"shape\":[14]", 58, 72},
};

Test(bundle_customer_attributes, are_there_whole_or_not_at_all)
{
    static const char *const all[] = {OFFSETS, VECTORS, BYTES};
    check_missing(all, sizeof all / sizeof *all, sound, &sound_data, tensors,
                  sizeof tensors / sizeof *tensors);
}

Test(bundle_customer_attributes, the_writer_refuses_what_has_no_space)
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
}
