/* SPDX-License-Identifier: MIT
 * Every kind of bad bundle there is, each refused within a second and with words of its own.
 */
#include "tests/unit/model/fit.h"

#include <stdlib.h>

TestSuite(accept_bad, .init = fit_begin, .fini = fit_end);

/* The sound file as bytes, to be spoilt. */
static struct {
    char *p;
    size_t n, header; /* the header is bytes 8 to 8 + header */
} raw;

static void raw_read(void)
{
    fit_write();
    FILE *f = fopen(file, "rb");
    cr_assert(f);
    raw.p = malloc((size_t)1 << 20);
    cr_assert(raw.p);
    raw.n = fread(raw.p, 1, (size_t)1 << 20, f);
    fclose(f);
    uint64_t header;
    memcpy(&header, raw.p, sizeof header);
    raw.header = header;
}

static void raw_write(void)
{
    FILE *f = fopen(file, "wb");
    cr_assert(f && fwrite(raw.p, 1, raw.n, f) == raw.n && fclose(f) == 0);
    free(raw.p);
}

static char *raw_data(void)
{
    return raw.p + 8 + raw.header;
}

static char *raw_find(const char *text)
{
    char *at = memmem(raw.p, raw.n, text, strlen(text));
    cr_assert(at, "the sound file has no %s", text);
    return at;
}

/* The digest would be the first to complain: it becomes a key of nobody. */
static void raw_unsign(void)
{
    memcpy(raw_find("nbx_digest"), "x", 1);
}

/* The header's first `find` becomes `by`, which may be shorter. */
static void header_swap(const char *find, const char *by)
{
    char *at = raw_find(find);
    size_t n = strlen(find), m = strlen(by);
    cr_assert(m <= n);
    memcpy(at, by, m);
    memmove(at + m, at + n, (size_t)(raw.p + 8 + raw.header - at) - n);
    memset(raw.p + 8 + raw.header - (n - m), ' ', n - m);
}

struct swap {
    const char *what, *find, *by;
};

/* Offsets (400 + 1) U32 begin at 0, factors at 1604, ids at 14404 to 16004. */
static const struct swap swaps[] = {
    {"overlapping tensors", "[1604,14404]", "[1600,14400]"},
    {"a hole between tensors", "[1604,14404]", "[1608,14408]"},
    {"a tensor beyond the end", "[14404,16004]", "[14404,99999]"},
    {"a tensor that ends before it begins", "[14404,16004]", "[16004,14404]"},
    {"a tensor that begins below 0", "[1604,14404]", "[-604,14404]"},
    {"a shape of 2^63", "[400,8]", "[9223372036854775808,8]"},
    {"a shape whose product overflows", "[400,8]", "[4611686018427387904,8]"},
    {"a shape below 0", "[400,8]", "[-400,-8]"},
    {"a shape that is not a whole number", "[400,8]", "[400.0,8]"},
    {"a shape that does not fit the bytes", "[400,8]", "[400,9]"},
    {"a shape of other dimensions", "[400,8]", "[800,4]"},
    {"a shape of one dimension", "[400,8]", "[3200]"},
    {"an unknown dtype", "\"F32\"", "\"F31\""},
    {"factors of another dtype", "\"F32\"", "\"I32\""},
    {"ids of another dtype", "\"U8\"", "\"I8\""},
    {"offsets of another dtype", "\"U32\"", "\"I32\""},
    {"a tensor that nobody knows", "space.main.item_factors\"", "space.mian.item_factors\""},
    {"a tensor twice", "\"item_ids.bytes\"", "\"item_ids.offsets\""},
    {"a header that is not JSON", "{\"__metadata__\"", "{'__metadata__'"},
    {"a format that is newer", "\"nbx_format\":\"1\"", "\"nbx_format\":\"9\""},
    {"no name", "\"name\":\"taste\"", "\"name\":\"\""},
    {"a version that is no word", "\"version\":\"1\"", "\"version\":\"/\""},
    {"an unknown family", "\"factors\",", "\"forest\","},
    {"a time that is none", "\"created_ms\":\"17", "\"created_ms\":\"-7"},
    {"an unknown metric", "\\\"dot\\\"", "\\\"l2\\\""},
    {"an unknown kind of customers", "\\\"folded\\\"", "\\\"fooled\\\""},
    {"no regularisation", "\\\"lambda\\\":0.1", "\\\"lambda\\\":0.0"},
    {"dims beyond the bound", "\\\"dims\\\":8", "\\\"dims\\\":0"},
};

/* The header has room for longer texts where the sound one ends in spaces: a swap may need it. */
static void spoil_header(const struct swap *swap)
{
    raw_read();
    raw_unsign();
    size_t n = strlen(swap->find), m = strlen(swap->by);
    if (m > n) { /* room from the spaces behind the header */
        char *at = raw_find(swap->find), *end = raw.p + 8 + raw.header;
        size_t spaces = 0;
        while (end[-1 - (long)spaces] == ' ')
            spaces++;
        size_t more = m - n > spaces ? (m - n - spaces + 63) / 64 * 64 : 0;
        memmove(end + more, end, raw.n - 8 - raw.header);
        memset(end, ' ', more);
        raw.n += more;
        raw.header += more;
        memcpy(raw.p, &(uint64_t){raw.header}, 8);
        memmove(at + m, at + n, (size_t)(raw.p + 8 + raw.header - at) - m);
        memcpy(at, swap->by, m);
    } else {
        header_swap(swap->find, swap->by);
    }
    raw_write();
}

static void cut(void)
{
    raw_read();
    raw.n -= 5;
    raw_write();
}
static void cut_in_the_header(void)
{
    raw_read();
    raw.n = 100;
    raw_write();
}
static void grow(void)
{
    raw_read();
    raw_unsign();
    memcpy(raw.p + raw.n, "more", 4);
    raw.n += 4;
    raw_write();
}
static void empty(void)
{
    raw_read();
    raw.n = 0;
    raw_write();
}
static void flip(void)
{
    raw_read();
    raw.p[raw.n / 2] ^= 1;
    raw_write();
}
static void length_of_2_63(void)
{
    raw_read();
    memcpy(raw.p, &(uint64_t){UINT64_C(1) << 63}, 8);
    raw_write();
}
static void set_factor(size_t row, float value)
{
    raw_read();
    raw_unsign();
    memcpy(raw_data() + 1604 + (row * FIT_DIMS + 3) * sizeof value, &value, sizeof value);
    raw_write();
}
static void not_a_number(void)
{
    set_factor(17, NAN);
}
static void infinite(void)
{
    set_factor(18, -INFINITY);
}
static void ids_twice(void)
{
    raw_read();
    raw_unsign();
    memcpy(raw_data() + 14404, "i001", 4);
    raw_write();
}
static void id_without_letters(void)
{
    raw_read();
    raw_unsign();
    memcpy(raw_data() + 4, &(uint32_t){0}, 4);
    raw_write();
}
static void id_no_utf8(void)
{
    raw_read();
    raw_unsign();
    raw_data()[14404 + 9] = (char)0xFF;
    raw_write();
}

static void zeros(void)
{
    memset(factors, 0, (size_t)40 * FIT_DIMS * sizeof *factors);
}
static void all_zero(void)
{
    memset(factors, 0, sizeof factors);
}
static void far_longer(void)
{
    factors[9] = 1e7F;
}
static void too_long(void)
{
    factors[0] = 1e20F;
}
static void too_short(void)
{
    for (size_t i = 0; i < FIT_ITEMS * FIT_DIMS; i++)
        factors[i] *= 1e-30F;
}
static void the_same(void)
{
    for (size_t i = 1; i < FIT_ITEMS; i++)
        memcpy(factors + i * FIT_DIMS, factors, FIT_DIMS * sizeof *factors);
}
static void multiples(void)
{
    for (size_t i = 1; i < FIT_ITEMS; i++)
        for (size_t j = 0; j < FIT_DIMS; j++)
            factors[i * FIT_DIMS + j] = factors[j] * (float)i;
}
static void large_together(void)
{
    for (size_t i = 0; i < FIT_ITEMS * FIT_DIMS; i++)
        factors[i] *= 2e18F;
}
static void long_histories(void)
{
    fit_blend();
    history_factors[0] = 1e20F;
}
static void equal_histories(void)
{
    fit_blend();
    for (size_t i = 0; i < FIT_ITEMS * FIT_DIMS; i++)
        history_factors[i] = 1;
}
static void long_neighbours(void)
{
    fit_blend();
    weights[3] = -1e20F;
}
static void short_neighbours(void)
{
    fit_blend();
    for (size_t i = 0; i < FIT_ITEMS; i++)
        weights[i] = 1e-40F;
}
static const struct nbx_str feature_names[] = {NBX_STR("item")};
static float feature[FIT_DIMS] = {1e20F};
static void long_attribute(void)
{
    info.features = (struct nbx_features){.names = feature_names, .n = 1, .vectors = feature};
}
static void long_customer_attribute(void)
{
    info.customer_features =
        (struct nbx_features){.names = feature_names, .n = 1, .vectors = feature};
}
static void popular_only(void)
{
    struct nbx_random r;
    nbx_random_init(&r, FIT_SEED);
    for (size_t i = 0; i < FIT_ITEMS; i++)
        for (size_t j = 0; j < FIT_DIMS; j++)
            factors[i * FIT_DIMS + j] =
                (float)(FIT_ITEMS - i) + 0.01F * (float)nbx_random_normal(&r);
}
static void foreign(void)
{
    fit_put(0, 100);
}
static void hardly_any(void)
{
    char name[16];
    info.n_items = 4;
    fit_put(0, 4);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "new%d", i);
        shop_takes(shop_put(&s, name, "{}"));
    }
    options.catalog = s.c;
}
static void given(void)
{
    info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
}
static void blend(void)
{
    fit_blend();
}

struct kind {
    const char *what;
    void (*spoil)(void); /* the bundle's contents, or NULL */
    const char *extra;
};

#define QUERIES(text)   "{\"golden\":" text "}"
#define QUERY(text)     QUERIES("[{" text "}]")
#define EXPECT          "\"expect\":[\"i001\"]"
#define HISTORY         "\"history\":[\"i002\"],"
#define VECTOR_OF_EIGHT "\"vector\":[1,2,3,4,5,6,7,8],"

static const struct kind files[] = {
    {"cut short", cut, NULL},
    {"cut in the header", cut_in_the_header, NULL},
    {"bytes behind the end", grow, NULL},
    {"an empty file", empty, NULL},
    {"another checksum", flip, NULL},
    {"a header of 2^63 bytes", length_of_2_63, NULL},
    {"not a number", not_a_number, NULL},
    {"infinite", infinite, NULL},
    {"an id twice", ids_twice, NULL},
    {"an empty id", id_without_letters, NULL},
    {"an id that is no UTF-8", id_no_utf8, NULL},
};

static const struct kind models[] = {
    {"items without a vector", zeros, NULL},
    {"no item with a vector", all_zero, NULL},
    {"a vector far longer than others", far_longer, NULL},
    {"a vector whose square overflows", too_long, NULL},
    {"vectors whose squares vanish", too_short, NULL},
    {"all vectors the same", the_same, NULL},
    {"all vectors multiples of one", multiples, NULL},
    {"vectors too large together", large_together, NULL},
    {"a history vector whose square overflows", long_histories, NULL},
    {"all history vectors the same", equal_histories, NULL},
    {"a neighbour whose square overflows", long_neighbours, NULL},
    {"neighbours that vanish", short_neighbours, NULL},
    {"an attribute whose square overflows", long_attribute, NULL},
    {"a customer's attribute whose square overflows", long_customer_attribute, NULL},
    {"popular items only", popular_only, NULL},
    {"items of another shop", foreign, NULL},
    {"hardly any of the catalogue", hardly_any, NULL},
    {"golden: no JSON", NULL, QUERIES("\"[\"")},
    {"golden: no list", NULL, QUERIES("{\"a\":1}")},
    {"golden: no object", NULL, QUERIES("[1]")},
    {"golden: an unknown key", NULL, QUERY("\"top\":3," HISTORY EXPECT)},
    {"golden: nobody asks", NULL, QUERY(EXPECT)},
    {"golden: an empty history", NULL, QUERY("\"history\":[]," EXPECT)},
    {"golden: an item of no bundle", NULL, QUERY("\"history\":[\"x\"]," EXPECT)},
    {"golden: an item that is no id", NULL, QUERY("\"history\":[7]," EXPECT)},
    {"golden: no weight", NULL, QUERY("\"history\":[[\"i002\",0]]," EXPECT)},
    {"golden: an item twice", NULL, QUERY("\"history\":[\"i002\",\"i002\"]," EXPECT)},
    {"golden: nothing expected", NULL, QUERY(HISTORY "\"expect\":[]")},
    {"golden: what no bundle has is expected", NULL, QUERY(HISTORY "\"expect\":[\"x\"]")},
    {"golden: anything goes", NULL, QUERY(HISTORY EXPECT ",\"tolerance\":1")},
    {"golden: another answer", NULL, QUERY(HISTORY "\"expect\":[\"i002\"]")},
    {"golden: another answer, with tolerance", NULL,
     QUERY(HISTORY "\"expect\":[\"i002\"],\"tolerance\":0.5")},
    {"golden: a vector of other dims", NULL, QUERY("\"vector\":[1,2]," EXPECT)},
    {"golden: a vector of words", NULL, QUERY("\"vector\":[1,2,3,4,5,6,7,\"8\"]," EXPECT)},
    {"golden: an unknown space", NULL, QUERY(VECTOR_OF_EIGHT "\"space\":\"x\"," EXPECT)},
    {"golden: a space and no vector", NULL, QUERY("\"space\":\"main\"," HISTORY EXPECT)},
    {"golden: a history where vectors are given", given, QUERY(HISTORY EXPECT)},
    {"golden: a vector where histories are mixed", blend, QUERY(VECTOR_OF_EIGHT EXPECT)},
};

#define N(list)   (sizeof(list) / sizeof *(list))
#define MAX_KINDS (N(swaps) + N(files) + N(models))

static char said[MAX_KINDS][NBX_FAULT_FIELD_BYTES + NBX_FAULT_MESSAGE_BYTES + 3];
static size_t n_said;

/* The file is refused, within a second, in words that no other was refused in. */
static void must_refuse_alone(const char *what)
{
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = fit_ask();
    double seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
    cr_expect(err == NBX_EBAD || err == NBX_EVERSION, "%s: %d", what, err);
    cr_expect(fault.code == err && fault.message[0], "%s: nothing is said", what);
    cr_expect(seconds < 1, "%s: took %.2f s", what, seconds);
    cr_expect_eq(atomic_load(&budget.used), 0, "%s: memory is still charged", what);
    snprintf(said[n_said], sizeof said[n_said], "%s: %s", fault.field, fault.message);
    for (size_t i = 0; i < n_said; i++)
        cr_expect_str_neq(said[i], said[n_said], "%s", what);
    n_said++;
}

static void start_again(void)
{
    fit_end();
    fit_begin();
}

Test(accept_bad, every_kind_is_refused_in_words_of_its_own_within_a_second, .timeout = 300)
{
    for (size_t i = 0; i < N(swaps); i++) {
        spoil_header(&swaps[i]);
        must_refuse_alone(swaps[i].what);
    }
    for (size_t i = 0; i < N(files); i++) {
        files[i].spoil();
        must_refuse_alone(files[i].what);
    }
    for (size_t i = 0; i < N(models); i++) {
        start_again();
        if (models[i].spoil)
            models[i].spoil();
        extra = models[i].extra;
        fit_write();
        must_refuse_alone(models[i].what);
    }
    cr_expect_geq(n_said, 40);
    cr_log_info("%zu kinds", n_said);
}

Test(accept_bad, what_is_not_wrong_with_them_is_sound)
{
    fit_takes();
    raw_read(); /* the changes that all of them share spoil nothing */
    raw_unsign();
    raw_write();
    cr_expect_eq(fit_ask(), NBX_OK, "%s: %s", fault.field, fault.message);
}
