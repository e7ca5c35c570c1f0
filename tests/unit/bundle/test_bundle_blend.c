/* SPDX-License-Identifier: MIT
 * A blend written and read back, and the bytes that it has in format 2.
 */
#include "models/bundle/bundle.h"
#include "tests/unit/bundle/undigest.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = P_tmpdir "/nbx-blend-XXXXXX";
static struct nbx_fault fault;

static void setup(void)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    unlink(path);
}
static void teardown(void)
{
    unlink(path);
}
TestSuite(bundle_blend, .init = setup, .fini = teardown);

static const struct nbx_str ids[] = {{"b", 1}, {"\xC3\xA9", 2}, {"a-long-id", 9}};
static const float taste[] = {1, 2, -3, 4, 5e-40f, 6};              /* (3, 2) */
static const float next[] = {7, 8, 9, 10, 11, 12, 13, 14, 15};      /* (3, 3) */
static const float history[] = {-1, 0.5f, 0, -0.0f, 3, 4, 5, 6, 7}; /* (3, 3) */
static const float popular[] = {0.25f, 0.5f, 1};                    /* (3, 1) */
static const uint64_t start[] = {0, 3, 3, 4};
static const uint32_t items[] = {0, 1, 2, 1};
static const float weights[] = {1, 0.5f, -0.25f, 2};
static const float paces[] = {1, 0.8f, -0.64f, 0}, alike[] = {1};

static struct nbx_space summed_space(void)
{
    return (struct nbx_space){.name = NBX_STR("next"),
                              .dims = 3,
                              .customer = NBX_CUSTOMER_SUMMED,
                              .item_factors = next,
                              .history_factors = history,
                              .positions = paces,
                              .n_positions = 2,
                              .n_groups = 2,
                              .bias = true,
                              .weight = 0.7f};
}
#define SUMMED_JSON                                                                                \
    "{\\\"name\\\":\\\"next\\\",\\\"dims\\\":3,\\\"metric\\\":\\\"dot\\\","                        \
    "\\\"customer\\\":\\\"summed\\\",\\\"positions\\\":[1.0,0.8,-0.64,0.0],\\\"groups\\\":2,"      \
    "\\\"bias\\\":true,\\\"weight\\\":0.7}"

static struct nbx_bundle_info sample(void)
{
    return (struct nbx_bundle_info){
        .name = NBX_STR("mix"),
        .version = NBX_STR("20260131T235959-1a2b"),
        .family = NBX_STR("blend"),
        .created_ms = 1769903999000,
        .n_items = 3,
        .item_ids = ids,
        .n_spaces = 3,
        .spaces = {{.name = NBX_STR("taste"),
                    .dims = 2,
                    .item_factors = taste,
                    .alpha0 = 0.01f,
                    .lambda = 0.003f,
                    .nu = 1,
                    .weight = 1},
                   summed_space(),
                   {.name = NBX_STR("popular"),
                    .dims = 1,
                    .customer = NBX_CUSTOMER_CONSTANT,
                    .item_factors = popular,
                    .weight = 0.125f}},
        .n_neighbours = 1,
        .neighbours = {{.name = NBX_STR("together"),
                        .start = start,
                        .items = items,
                        .weights = weights,
                        .positions = alike,
                        .n_positions = 1,
                        .weight = 2}},
    };
}

static void same_floats(const float *is, const float *was, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_expect(is[i] == was[i] && signbit(is[i]) == signbit(was[i]), "number %zu", i);
}

static void expect_space(const struct nbx_space *is, const struct nbx_space *was)
{
    cr_expect(nbx_str_eq(is->name, was->name));
    cr_expect_eq(is->dims, was->dims);
    cr_expect_eq(is->customer, was->customer);
    cr_expect_eq(is->metric, NBX_METRIC_DOT);
    cr_expect(is->weight == was->weight);
    same_floats(is->item_factors, was->item_factors, 3 * was->dims);
    cr_expect_eq(is->history_factors != NULL, was->history_factors != NULL);
    if (was->history_factors)
        same_floats(is->history_factors, was->history_factors, 3 * was->dims);
    cr_assert_eq(is->n_positions, was->n_positions);
    cr_assert_eq(is->n_groups, was->n_groups);
    cr_expect_eq(is->bias, was->bias);
    same_floats(is->positions, was->positions, was->n_groups * was->n_positions);
}

Test(bundle_blend, is_read_back_whole)
{
    struct nbx_bundle_info in = sample();
    struct nbx_bundle *b = NULL;
    cr_assert_eq(nbx_bundle_write(path, &in, "{\"recall\":0.2}", &fault), NBX_OK, "%s %s",
                 fault.field, fault.message);
    cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK, "%s %s", fault.field, fault.message);
    const struct nbx_bundle_info *out = nbx_bundle_get(b);
    cr_expect(nbx_bundle_is_blend(out));
    cr_assert_eq(out->n_spaces, 3);
    for (size_t s = 0; s < 3; s++)
        expect_space(&out->spaces[s], &in.spaces[s]);
    cr_expect(out->spaces[0].lambda == 0.003f && out->spaces[0].alpha0 == 0.01f);
    cr_assert_eq(out->n_neighbours, 1);
    const struct nbx_neighbours *n = &out->neighbours[0];
    cr_expect(nbx_str_is(n->name, "together"));
    cr_expect_arr_eq(n->start, start, sizeof start);
    cr_expect_arr_eq(n->items, items, sizeof items);
    same_floats(n->weights, weights, 4);
    cr_expect(n->n_positions == 1 && n->positions[0] == 1 && n->weight == 2);
    cr_expect(strstr(out->metadata_json, "\"recall\":\"0.2\""));
    nbx_bundle_close(&b);
}

/* What is compared behind the header: name, offset and bytes of each tensor. */
static const struct {
    const void *data;
    size_t begin, bytes;
} tensors[] = {
    {start, 0, 32},
    {(uint32_t[]){0, 1, 3, 12}, 32, 16},
    {taste, 48, 24},
    {next, 72, 36},
    {history, 108, 36},
    {popular, 144, 12},
    {items, 156, 16},
    {weights, 172, 16},
    {"b\xC3\xA9"
     "a-long-id",
     188, 12},
};

/* The bytes of format 2. If this fails the format changed: follow FORMAT.md's procedure. */
Test(bundle_blend, has_the_bytes_of_format_2)
{
    static const char header[] =
        "{\"__metadata__\":{\"nbx_format\":\"2\",\"name\":\"mix\","
        "\"version\":\"20260131T235959-1a2b\",\"family\":\"blend\","
        "\"created_ms\":\"1769903999000\",\"spaces\":\"[{\\\"name\\\":\\\"taste\\\",\\\"dims\\\":2,"
        "\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\",\\\"alpha0\\\":0.01,"
        "\\\"lambda\\\":0.003,\\\"nu\\\":1.0,\\\"weight\\\":1.0}," SUMMED_JSON ","
        "{\\\"name\\\":\\\"popular\\\",\\\"dims\\\":1,\\\"metric\\\":\\\"dot\\\","
        "\\\"customer\\\":\\\"constant\\\",\\\"weight\\\":0.125}]\","
        "\"neighbours\":\"[{\\\"name\\\":\\\"together\\\",\\\"positions\\\":[1.0],"
        "\\\"weight\\\":2.0}]\"},"
        "\"neighbours.together.start\":{\"dtype\":\"U64\",\"shape\":[4],\"data_offsets\":[0,32]},"
        "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[4],\"data_offsets\":[32,48]},"
        "\"space.taste.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[48,72]},"
        "\"space.next.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,3],\"data_offsets\":[72,108]},"
        "\"space.next.history_factors\":{\"dtype\":\"F32\",\"shape\":[3,3],"
        "\"data_offsets\":[108,144]},"
        "\"space.popular.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,1],"
        "\"data_offsets\":[144,156]},"
        "\"neighbours.together.items\":{\"dtype\":\"U32\",\"shape\":[4],"
        "\"data_offsets\":[156,172]},"
        "\"neighbours.together.weights\":{\"dtype\":\"F32\",\"shape\":[4],"
        "\"data_offsets\":[172,188]},"
        "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[12],\"data_offsets\":[188,200]}}";
    static char bytes[1 << 14];
    struct nbx_bundle_info in = sample();
    cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
    FILE *f = fopen(path, "rb");
    cr_assert(f);
    size_t n = fread(bytes, 1, sizeof bytes, f), at = 8 + sizeof header - 1;
    fclose(f);
    uint64_t length;
    memcpy(&length, bytes, 8);
    cr_expect_eq((length + 8) % 64, 0);
    size_t cut = undigest(bytes, n);
    length -= cut;
    n -= cut;
    cr_assert_eq(n, 8 + length + 200);
    cr_expect_eq(memcmp(bytes + 8, header, sizeof header - 1), 0, "%.*s", (int)length, bytes + 8);
    for (; at < 8 + length; at++)
        cr_assert_eq(bytes[at], ' ');
    for (size_t t = 0; t < sizeof tensors / sizeof *tensors; t++)
        cr_expect_eq(memcmp(bytes + at + tensors[t].begin, tensors[t].data, tensors[t].bytes), 0,
                     "tensor %zu", t);
}

static void expect_write(const struct nbx_bundle_info *info, enum nbx_err code, const char *field)
{
    fault = (struct nbx_fault){0};
    cr_expect_eq(nbx_bundle_write(path, info, NULL, &fault), code, "field %s: %s", fault.field,
                 fault.message);
    cr_expect_str_eq(fault.field, field);
    cr_expect_eq(access(path, F_OK) == 0, code == NBX_OK);
    unlink(path);
}

/* The only space of which neighbours may not be a piece is a constant one. */
Test(bundle_blend, neighbours_may_be_scaled_by_a_space)
{
    for (size_t by = 1; by <= 2; by++) {
        struct nbx_bundle_info in = sample();
        struct nbx_bundle *b = NULL;
        in.neighbours[0].scaled_by = by;
        cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
        cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK);
        cr_expect_eq(nbx_bundle_get(b)->neighbours[0].scaled_by, by);
        cr_expect(strstr(nbx_bundle_get(b)->metadata_json,
                         by == 1 ? "\\\"scaled_by\\\":\\\"taste\\\"" : "\\\"next\\\""));
        nbx_bundle_close(&b);
    }
}

Test(bundle_blend, any_part_may_stand_alone)
{
    struct nbx_bundle_info in = sample();
    in.n_spaces = 0;
    expect_write(&in, NBX_OK, "");
    static const uint64_t none[4] = {0};
    in.neighbours[0].start = none;
    expect_write(&in, NBX_OK, "");
    in.n_neighbours = 0;
    expect_write(&in, NBX_EBAD, "__metadata__.spaces");
    for (size_t s = 0; s < 3; s++) {
        in = sample();
        in.spaces[0] = in.spaces[s];
        in.n_spaces = 1;
        in.n_neighbours = 0;
        expect_write(&in, NBX_OK, "");
    }
}

Test(bundle_blend, as_many_parts_as_there_may_be)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    static float positions[NBX_BUNDLE_MAX_POSITIONS + 1];
    struct nbx_bundle_info in = sample();
    for (size_t s = 0; s < NBX_BUNDLE_MAX_SPACES; s++) {
        in.spaces[s] = summed_space();
        in.spaces[s].name = nbx_str_c(names[s]);
        in.spaces[s].positions = positions;
        in.spaces[s].n_positions = NBX_BUNDLE_MAX_POSITIONS / 2;
    }
    for (size_t i = 0; i < NBX_BUNDLE_MAX_NEIGHBOURS; i++) {
        in.neighbours[i] = in.neighbours[0];
        in.neighbours[i].name = nbx_str_c(names[NBX_BUNDLE_MAX_SPACES + i]);
    }
    in.n_spaces = NBX_BUNDLE_MAX_SPACES;
    in.n_neighbours = NBX_BUNDLE_MAX_NEIGHBOURS;
    expect_write(&in, NBX_OK, "");
    in.neighbours[1].positions = positions;
    in.neighbours[1].n_positions = NBX_BUNDLE_MAX_POSITIONS + 1;
    expect_write(&in, NBX_EBAD, "__metadata__.neighbours[1].positions");
    in.n_neighbours++;
    expect_write(&in, NBX_EBAD, "neighbours");
}

/* Each dimension a group of its own, with and without a bias behind them. */
Test(bundle_blend, as_many_groups_as_there_may_be)
{
    static float factors[3 * (NBX_BUNDLE_MAX_GROUPS + 2)], positions[NBX_BUNDLE_MAX_POSITIONS];
    struct nbx_bundle_info in = sample();
    struct nbx_space *space = &in.spaces[1];
    space->item_factors = space->history_factors = factors;
    space->positions = positions;
    space->n_groups = NBX_BUNDLE_MAX_GROUPS;
    space->n_positions = NBX_BUNDLE_MAX_POSITIONS / NBX_BUNDLE_MAX_GROUPS;
    for (size_t bias = 0; bias < 2; bias++) {
        space->bias = bias;
        space->dims = NBX_BUNDLE_MAX_GROUPS + bias;
        expect_write(&in, NBX_OK, "");
        space->dims++;
        expect_write(&in, NBX_EBAD, "__metadata__.spaces[1].groups");
    }
    space->n_groups = space->dims = NBX_BUNDLE_MAX_GROUPS + 1;
    space->n_positions = 1;
    space->bias = false;
    expect_write(&in, NBX_EBAD, "__metadata__.spaces[1].groups");
    space->n_groups = space->dims = 1;
    expect_write(&in, NBX_OK, "");
    space->bias = true;
    expect_write(&in, NBX_EBAD, "__metadata__.spaces[1].bias");
}

Test(bundle_blend, refuses_to_write_what_it_would_not_read)
{
    static const float bad[] = {1, NAN, 3, 4, 5, 6, 7, 8, 9};
    static const uint32_t far[] = {0, 1, 3, 1};
    struct nbx_bundle_info in = sample();
    in.spaces[1].history_factors = bad;
    expect_write(&in, NBX_EBAD, "space.next.history_factors");
    in = sample();
    in.spaces[2].weight = 0;
    expect_write(&in, NBX_EBAD, "__metadata__.spaces[2].weight");
    in = sample();
    in.neighbours[0].items = far;
    expect_write(&in, NBX_EBAD, "neighbours.together.items");
    in = sample();
    in.neighbours[0].weights = bad;
    expect_write(&in, NBX_EBAD, "neighbours.together.weights");
    in = sample();
    in.neighbours[0].scaled_by = 3;
    expect_write(&in, NBX_EBAD, "__metadata__.neighbours[0].scaled_by");
    in = sample();
    in.neighbours[0].name = NBX_STR("taste");
    expect_write(&in, NBX_EBAD, "__metadata__.neighbours");
}
