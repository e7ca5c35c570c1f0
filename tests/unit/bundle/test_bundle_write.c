/* SPDX-License-Identifier: MIT */
#include "models/bundle/bundle.h"
#include "tests/unit/bundle/undigest.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = P_tmpdir "/nbx-bundle-XXXXXX";
static char path[128];
static struct nbx_fault fault;

static void setup(void)
{
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.safetensors", folder);
}
static void teardown(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_expect_eq(system(command), 0); /* NOLINT(cert-env33-c): a fixed command */
}
TestSuite(bundle_write, .init = setup, .fini = teardown);

static const struct nbx_str ids[] = {{"b", 1}, {"\xC3\xA9", 2}, {"a-long-id", 9}};
static const float factors[] = {1, 2, -3, 4, 5e-40f, 6}; /* (3, 2) */
static const float other[] = {7, 8, 9};                  /* (3, 1) */

static struct nbx_bundle_info sample(void)
{
    return (struct nbx_bundle_info){
        .name = NBX_STR("taste"),
        .version = NBX_STR("20260131T235959-1a2b"),
        .family = NBX_STR("factors"),
        .created_ms = 1769903999000,
        .n_items = 3,
        .item_ids = ids,
        .n_spaces = 2,
        .spaces = {{.name = NBX_STR("main"),
                    .dims = 2,
                    .item_factors = factors,
                    .alpha0 = 0.01f,
                    .lambda = 0.003f,
                    .nu = 1},
                   {.name = NBX_STR("tower"),
                    .dims = 1,
                    .metric = NBX_METRIC_COSINE,
                    .customer = NBX_CUSTOMER_GIVEN,
                    .item_factors = other}},
    };
}

static char *slurp(const char *file, size_t *n)
{
    FILE *f = fopen(file, "rb");
    cr_assert(f);
    char *bytes = calloc(1, 1 << 16);
    *n = fread(bytes, 1, 1 << 16, f);
    fclose(f);
    return bytes;
}

Test(bundle_write, is_read_back_whole)
{
    struct nbx_bundle_info in = sample();
    struct nbx_bundle *b = NULL;
    cr_assert_eq(nbx_bundle_write(path, &in,
                                  "{\"method\":\"ials\",\"metrics\":{\"recall@20\":0.15}}", &fault),
                 NBX_OK, "%s %s", fault.field, fault.message);
    cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK, "%s %s", fault.field, fault.message);
    const struct nbx_bundle_info *out = nbx_bundle_get(b);
    cr_expect(nbx_str_is(out->name, "taste"));
    cr_expect(nbx_str_eq(out->version, in.version));
    cr_expect(nbx_str_is(out->family, "factors"));
    cr_expect_eq(out->created_ms, in.created_ms);
    cr_assert_eq(out->n_items, 3);
    for (int i = 0; i < 3; i++)
        cr_expect(nbx_str_eq(out->item_ids[i], ids[i]));
    cr_assert_eq(out->n_spaces, 2);
    cr_expect_arr_eq(out->spaces[0].item_factors, factors, sizeof factors);
    cr_expect_arr_eq(out->spaces[1].item_factors, other, sizeof other);
    cr_expect(out->spaces[0].alpha0 == 0.01f && out->spaces[0].lambda == 0.003f);
    cr_expect_eq(out->spaces[0].customer, NBX_CUSTOMER_FOLDED);
    cr_expect_eq(out->spaces[1].customer, NBX_CUSTOMER_GIVEN);
    cr_expect_eq(out->spaces[1].metric, NBX_METRIC_COSINE);
    cr_expect(strstr(out->metadata_json, "\"method\":\"ials\""));
    cr_expect(strstr(out->metadata_json, "\"metrics\":\"{\\\"recall@20\\\":0.15}\""));
    nbx_bundle_close(&b);
    cr_expect_null(b);
}

/* The bytes of format 1. If this fails the format changed: follow FORMAT.md's procedure. */
Test(bundle_write, has_the_bytes_of_format_1)
{
    struct nbx_bundle_info in = sample();
    cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
    static const char header[] =
        "{\"__metadata__\":{\"nbx_format\":\"1\",\"name\":\"taste\","
        "\"version\":\"20260131T235959-1a2b\",\"family\":\"factors\","
        "\"created_ms\":\"1769903999000\",\"spaces\":\"[{\\\"name\\\":\\\"main\\\",\\\"dims\\\":2,"
        "\\\"metric\\\":\\\"dot\\\",\\\"customer\\\":\\\"folded\\\",\\\"alpha0\\\":0.01,"
        "\\\"lambda\\\":0.003,\\\"nu\\\":1.0},{\\\"name\\\":\\\"tower\\\",\\\"dims\\\":1,"
        "\\\"metric\\\":\\\"cosine\\\",\\\"customer\\\":\\\"given\\\"}]\"},"
        "\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[4],\"data_offsets\":[0,16]},"
        "\"space.main.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[16,40]},"
        "\"space.tower.item_factors\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[40,52]},"
        "\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[12],\"data_offsets\":[52,64]}}";
    static const uint32_t offsets[] = {0, 1, 3, 12};
    size_t n, at = 8 + sizeof header - 1;
    char *bytes = slurp(path, &n);
    uint64_t length;
    memcpy(&length, bytes, 8);
    cr_expect_eq((length + 8) % 64, 0);
    size_t cut = undigest(bytes, n);
    length -= cut;
    n -= cut;
    cr_assert_eq(n, 8 + length + 64);
    cr_expect_eq(memcmp(bytes + 8, header, sizeof header - 1), 0);
    for (; at < 8 + length; at++)
        cr_assert_eq(bytes[at], ' ');
    cr_expect_eq(memcmp(bytes + at, offsets, 16), 0);
    cr_expect_eq(memcmp(bytes + at + 16, (const char *)factors, 24), 0);
    cr_expect_eq(memcmp(bytes + at + 40, (const char *)other, 12), 0);
    cr_expect_eq(memcmp(bytes + at + 52,
                        "b\xC3\xA9"
                        "a-long-id",
                        12),
                 0);
    free(bytes);
}

Test(bundle_write, same_input_same_bytes_and_nothing_left_beside)
{
    struct nbx_bundle_info in = sample();
    size_t n, m;
    cr_assert_eq(nbx_bundle_write(path, &in, "{\"x\":[1,2.5]}", &fault), NBX_OK);
    char *first = slurp(path, &n);
    cr_assert_eq(nbx_bundle_write(path, &in, "{\"x\":[1,2.5]}", &fault), NBX_OK);
    char *second = slurp(path, &m);
    cr_expect_eq(n, m);
    cr_expect_arr_eq(first, second, n);
    free(first);
    free(second);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0644);
    char command[96];
    snprintf(command, sizeof command, "test $(ls -A %s | wc -l) = 1", folder);
    cr_expect_eq(system(command), 0); /* NOLINT(cert-env33-c): a fixed command */
}

static void expect_write(const struct nbx_bundle_info *info, const char *extra, enum nbx_err code,
                         const char *field)
{
    fault = (struct nbx_fault){0};
    cr_expect_eq(nbx_bundle_write(path, info, extra, &fault), code, "field %s: %s", fault.field,
                 fault.message);
    cr_expect_str_eq(fault.field, field);
    cr_expect_neq(access(path, F_OK), 0, "a refused bundle was written");
}

Test(bundle_write, refuses_what_it_would_not_read)
{
    struct nbx_bundle_info in = sample();
    float bad[] = {1, 2, 3, NAN, 5, 6};
    in.spaces[0].item_factors = bad;
    expect_write(&in, NULL, NBX_EBAD, "space.main.item_factors");
    in = sample();
    struct nbx_str twice[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    in.item_ids = twice;
    expect_write(&in, NULL, NBX_EBAD, "item_ids.bytes");
    in = sample();
    in.n_items = 0;
    expect_write(&in, NULL, NBX_EBAD, "item_ids.offsets");
    in = sample();
    in.n_spaces = 0;
    expect_write(&in, NULL, NBX_EBAD, "__metadata__.spaces");
    in.n_spaces = NBX_BUNDLE_MAX_SPACES + 1;
    expect_write(&in, NULL, NBX_EBAD, "spaces");
    in = sample();
    in.spaces[1].name = NBX_STR("main");
    expect_write(&in, NULL, NBX_EBAD, "header");
    in = sample();
    in.spaces[0].lambda = 0;
    expect_write(&in, NULL, NBX_EBAD, "__metadata__.spaces[0].lambda");
    in.spaces[0].lambda = NAN;
    expect_write(&in, NULL, NBX_EBAD, "spaces");
    in = sample();
    in.version = NBX_STR("../x");
    expect_write(&in, NULL, NBX_EBAD, "__metadata__.version");
    in = sample();
    in.family = NBX_STR("magic");
    expect_write(&in, NULL, NBX_EBAD, "__metadata__.family");
}

Test(bundle_write, extra_members_may_not_shadow_the_format)
{
    struct nbx_bundle_info in = sample();
    expect_write(&in, "{\"family\":\"x\"}", NBX_EBAD, "extra_json");
    expect_write(&in, "[1]", NBX_EBAD, "extra_json");
    expect_write(&in, "{\"a\":", NBX_EBAD, "extra_json");
}

Test(bundle_write, a_folder_that_is_not_there_is_a_storage_error)
{
    struct nbx_bundle_info in = sample();
    cr_expect_eq(nbx_bundle_write("/nowhere/at/all.safetensors", &in, NULL, &fault), NBX_ESTORAGE);
}

static void write_as(const char *file, int64_t created_ms, const char *version)
{
    struct nbx_bundle_info in = sample();
    in.created_ms = created_ms;
    in.version = nbx_str_c(version);
    snprintf(path, sizeof path, "%s/%s", folder, file);
    cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
}

static void expect_newest(const char *file)
{
    char got[256], want[256];
    snprintf(want, sizeof want, "%s/%s", folder, file);
    cr_assert_eq(nbx_bundle_newest(folder, got, sizeof got), NBX_OK);
    cr_expect_str_eq(got, want);
}

Test(bundle_write, the_newest_sound_one_wins)
{
    char got[256];
    cr_expect_eq(nbx_bundle_newest(folder, got, sizeof got), NBX_ENOTFOUND);
    cr_expect_eq(nbx_bundle_newest("/nowhere", got, sizeof got), NBX_ENOTFOUND);
    write_as("z.safetensors", 100, "a");
    write_as("y.safetensors", 200, "a");
    write_as("x.safetensors", 200, "b");
    expect_newest("x.safetensors");
    write_as("w.safetensors", 300, "a");
    cr_assert_eq(truncate(path, 700), 0);
    expect_newest("x.safetensors");
    write_as("v.safetensors", 400, "a"); /* a sound head on a spoilt body */
    FILE *f = fopen(path, "r+b");
    cr_assert(f && fseek(f, -28, SEEK_END) == 0);
    cr_assert_eq(fwrite(&(float){NAN}, sizeof(float), 1, f), 1);
    cr_assert_eq(fclose(f), 0);
    expect_newest("x.safetensors");
    cr_expect_eq(nbx_bundle_newest(folder, got, 10), NBX_ELIMIT);
}

Test(bundle_write, one_is_found_by_name_and_version)
{
    char got[256], want[256];
    struct nbx_str name = sample().name;
    write_as("z.safetensors", 100, "a");
    write_as("y.safetensors", 300, "b");
    write_as("x.safetensors", 200, "a");
    snprintf(want, sizeof want, "%s/x.safetensors", folder);
    cr_assert_eq(nbx_bundle_find(folder, name, NBX_STR("a"), got, sizeof got), NBX_OK);
    cr_expect_str_eq(got, want);
    cr_expect_eq(nbx_bundle_find(folder, name, NBX_STR("c"), got, sizeof got), NBX_ENOTFOUND);
    cr_expect_eq(nbx_bundle_find(folder, NBX_STR("other"), NBX_STR("a"), got, sizeof got),
                 NBX_ENOTFOUND);
}

/* Made by Python's hashlib from the same bytes. */
Test(bundle_write, has_the_digest_of_the_whole_file)
{
    struct nbx_bundle_info in = sample();
    cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
    size_t n;
    char *bytes = slurp(path, &n);
    const char *at = memmem(bytes, n, DIGEST_KEY, sizeof DIGEST_KEY - 1);
    cr_assert(at);
    cr_expect_arr_eq(at + sizeof DIGEST_KEY - 1,
                     "b4da7da739309e02d751d9225c80daacb2cacad3c0e33a4e99bb11b67250f1dd", 64,
                     "%.64s", at + sizeof DIGEST_KEY - 1);
    free(bytes);
}

static enum nbx_err open_bytes(const char *bytes, size_t n)
{
    struct nbx_bundle *b = NULL;
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
    enum nbx_err err = nbx_bundle_open(&b, path, &fault);
    nbx_bundle_close(&b);
    return err;
}

/* But for the key's own letters: without the key nothing is promised, and nothing is changed. */
Test(bundle_write, any_flipped_bit_is_refused)
{
    struct nbx_bundle_info in = sample();
    cr_assert_eq(nbx_bundle_write(path, &in, NULL, &fault), NBX_OK);
    size_t n;
    char *bytes = slurp(path, &n);
    const char *key = memmem(bytes, n, DIGEST_KEY, sizeof DIGEST_KEY - 1);
    cr_assert(key);
    size_t from = (size_t)(key - bytes) + 2, to = from + sizeof "nbx_digest" - 1;
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            if (i < from || i >= to)
                cr_expect_neq(open_bytes(bytes, n), NBX_OK, "bit %d of byte %zu", bit, i);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    }
    cr_expect_eq(open_bytes(bytes, n), NBX_OK);
    free(bytes);
}
