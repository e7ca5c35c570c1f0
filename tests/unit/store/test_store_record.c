/* SPDX-License-Identifier: MIT
 * Every kind of record: what goes in comes out, and no bytes whatever break a decoder. */
#include "tests/unit/store/samples_decision.h"
#include "tests/unit/store/samples_log.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SEED          20240502u
#define N_ROUND_TRIPS 2000
#define N_MUTATIONS   10000

static struct nbx_arena *arena;

static void begin(void)
{
    arena = nbx_arena_new(8u << 20);
}

static void end(void)
{
    nbx_arena_destroy(&arena);
}

TestSuite(store_record, .init = begin, .fini = end);

/* One function per kind and job, over the samples' any_x and x_same. */
#define KIND(kind, make)                                                                           \
    static void kind##_make(struct nbx_buf *out, struct nbx_random *r)                             \
    {                                                                                              \
        struct nbx_##kind##_record v = make(r, arena);                                             \
        nbx_##kind##_record_encode(out, &v);                                                       \
    }                                                                                              \
    static enum nbx_err kind##_decode(const struct nbx_stored *stored, struct nbx_arena *to)       \
    {                                                                                              \
        struct nbx_##kind##_record v;                                                              \
        return nbx_##kind##_record_decode(&v, stored, to);                                         \
    }                                                                                              \
    static bool kind##_comes_back(struct nbx_random *r, uint8_t version)                           \
    {                                                                                              \
        struct nbx_##kind##_record in = make(r, arena), out;                                       \
        struct nbx_buf b = {0};                                                                    \
        nbx_##kind##_record_encode(&b, &in);                                                       \
        struct nbx_stored stored = {version, {(const char *)b.p, (uint32_t)b.len}};                \
        enum nbx_err err = nbx_##kind##_record_decode(&out, &stored, arena);                       \
        nbx_buf_fini(&b); /* nothing decoded may point into it */                                  \
        return !err && make##_same(&in, &out);                                                     \
    }

#define any_customer_same  customer_same
#define any_identity_same  identity_same
#define any_forgotten_same forgotten_same
#define any_event_id_same  event_id_same
#define any_seen_same      seen_same
#define any_vector_same    vector_same
#define any_event_same     event_same
#define any_due_same       due_same
#define any_base_same      base_same
#define any_link_same      link_same
#define any_decided_same   decided_same
#define any_item_same      item_same
#define any_log_same       log_same
#define any_past_item_same past_item_same
#define any_model_same     model_same

KIND(customer, any_customer)
KIND(identity, any_identity)
KIND(forgotten, any_forgotten)
KIND(event_id, any_event_id)
KIND(seen, any_seen)
KIND(vector, any_vector)
KIND(event, any_event)
KIND(due, any_due)
KIND(base, any_base)
KIND(link, any_link)
KIND(decision, any_decided)
KIND(item, any_item)
KIND(log, any_log)
KIND(past_item, any_past_item)
KIND(model, any_model)

struct kind {
    const char *name;
    uint8_t version;
    void (*make)(struct nbx_buf *out, struct nbx_random *r);
    enum nbx_err (*decode)(const struct nbx_stored *stored, struct nbx_arena *to);
    bool (*comes_back)(struct nbx_random *r, uint8_t version);
};

static const struct kind kinds[] = {
    {"customer", NBX_CUSTOMER_RECORD, customer_make, customer_decode, customer_comes_back},
    {"identity", NBX_IDENTITY_RECORD, identity_make, identity_decode, identity_comes_back},
    {"forgotten", NBX_FORGOTTEN_RECORD, forgotten_make, forgotten_decode, forgotten_comes_back},
    {"event_id", NBX_EVENT_ID_RECORD, event_id_make, event_id_decode, event_id_comes_back},
    {"seen", NBX_SEEN_RECORD, seen_make, seen_decode, seen_comes_back},
    {"log", NBX_LOG_RECORD, log_make, log_decode, log_comes_back},
    {"vector", NBX_VECTOR_RECORD, vector_make, vector_decode, vector_comes_back},
    {"event", NBX_EVENT_RECORD, event_make, event_decode, event_comes_back},
    {"due", NBX_DUE_RECORD, due_make, due_decode, due_comes_back},
    {"base", NBX_BASE_RECORD, base_make, base_decode, base_comes_back},
    {"link", NBX_LINK_RECORD, link_make, link_decode, link_comes_back},
    {"decision", NBX_DECISION_RECORD, decision_make, decision_decode, decision_comes_back},
    {"item", NBX_ITEM_RECORD, item_make, item_decode, item_comes_back},
    {"past_item", NBX_PAST_ITEM_RECORD, past_item_make, past_item_decode, past_item_comes_back},
    {"model", NBX_MODEL_RECORD, model_make, model_decode, model_comes_back},
};

#define N_KINDS (sizeof kinds / sizeof *kinds)

static struct nbx_random seeded(void)
{
    struct nbx_random r;
    cr_log_info("seed %u", SEED);
    nbx_random_init(&r, SEED);
    return r;
}

Test(store_record, random_records_come_back)
{
    struct nbx_random r = seeded();
    for (size_t k = 0; k < N_KINDS; k++) {
        for (int i = 0; i < N_ROUND_TRIPS; i++) {
            nbx_arena_reset(arena);
            cr_assert(kinds[k].comes_back(&r, kinds[k].version), "%s %d", kinds[k].name, i);
        }
    }
}

/* A copy on the heap of exactly this size, so that reading past its end is seen. */
static enum nbx_err decode_version(const struct kind *kind, uint8_t version, const uint8_t *p,
                                   size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, p, n);
    struct nbx_stored stored = {version, {(const char *)copy, (uint32_t)n}};
    enum nbx_err err = kind->decode(&stored, arena);
    free(copy);
    return err;
}

static enum nbx_err decode_exact(const struct kind *kind, const uint8_t *p, size_t n)
{
    return decode_version(kind, kind->version, p, n);
}

/* Older versions have their turn too. */
static uint8_t any_version(const struct kind *kind, struct nbx_random *r)
{
    return (uint8_t)(1 + nbx_random_below(r, kind->version));
}

Test(store_record, cut_anywhere_is_corrupt)
{
    struct nbx_random r = seeded();
    for (size_t i = 0; i < N_KINDS * 20; i++) {
        const struct kind *kind = &kinds[i % N_KINDS];
        struct nbx_buf b = {0};
        nbx_arena_reset(arena);
        kind->make(&b, &r);
        cr_assert_eq(decode_exact(kind, b.p, b.len), NBX_OK);
        for (size_t n = 0; n < b.len; n++) {
            nbx_arena_reset(arena);
            cr_assert_eq(decode_exact(kind, b.p, n), NBX_ECORRUPT, "%s cut to %zu of %zu",
                         kind->name, n, b.len);
        }
        nbx_buf_put_u8(&b, 0);
        cr_assert_eq(decode_exact(kind, b.p, b.len), NBX_ECORRUPT, "%s with a byte behind",
                     kind->name);
        nbx_buf_fini(&b);
    }
}

static void mutate(struct nbx_buf *b, struct nbx_random *r)
{
    for (uint64_t n = 1 + nbx_random_below(r, 4); n > 0 && b->len; n--) {
        size_t at = nbx_random_below(r, b->len);
        switch (nbx_random_below(r, 4)) {
        case 0: b->p[at] ^= (uint8_t)(1u << nbx_random_below(r, 8)); break;
        case 1: b->p[at] = (uint8_t)nbx_random_u64(r); break;
        case 2: b->p[at] = 0xFF; break;
        default: b->len -= nbx_random_below(r, b->len - at + 1); break;
        }
    }
}

Test(store_record, random_damage_is_an_error_or_a_record)
{
    struct nbx_random r = seeded();
    for (size_t k = 0; k < N_KINDS; k++) {
        int n_refused = 0;
        for (int i = 0; i < N_MUTATIONS; i++) {
            struct nbx_buf b = {0};
            nbx_arena_reset(arena);
            kinds[k].make(&b, &r);
            mutate(&b, &r);
            enum nbx_err err = decode_version(&kinds[k], any_version(&kinds[k], &r), b.p, b.len);
            cr_assert(err == NBX_OK || err == NBX_ECORRUPT, "%s %d answers %d", kinds[k].name, i,
                      err);
            n_refused += err != NBX_OK;
            nbx_buf_fini(&b);
        }
        cr_assert_gt(n_refused, N_MUTATIONS / 100, "%s refuses nothing", kinds[k].name);
    }
}

Test(store_record, noise_is_an_error_or_a_record)
{
    struct nbx_random r = seeded();
    uint8_t noise[64];
    for (size_t k = 0; k < N_KINDS; k++) {
        for (int i = 0; i < N_MUTATIONS; i++) {
            size_t n = nbx_random_below(&r, sizeof noise);
            for (size_t j = 0; j < n; j++)
                noise[j] = (uint8_t)nbx_random_u64(&r);
            nbx_arena_reset(arena);
            enum nbx_err err = decode_version(&kinds[k], any_version(&kinds[k], &r), noise, n);
            cr_assert(err == NBX_OK || err == NBX_ECORRUPT);
        }
    }
}

Test(store_record, a_newer_version_is_refused_as_newer_and_zero_as_damage)
{
    struct nbx_random r = seeded();
    for (size_t k = 0; k < N_KINDS; k++) {
        struct nbx_buf b = {0};
        kinds[k].make(&b, &r);
        struct nbx_stored stored = {(uint8_t)(kinds[k].version + 1),
                                    {(const char *)b.p, (uint32_t)b.len}};
        cr_assert_eq(kinds[k].decode(&stored, arena), NBX_EVERSION, "%s", kinds[k].name);
        stored.version = 0;
        cr_assert_eq(kinds[k].decode(&stored, arena), NBX_ECORRUPT, "%s", kinds[k].name);
        nbx_buf_fini(&b);
    }
}

Test(store_record, a_small_arena_is_a_limit_not_a_crash)
{
    struct nbx_random r = seeded();
    for (size_t i = 0; i < N_KINDS * 50; i++) {
        const struct kind *kind = &kinds[i % N_KINDS];
        struct nbx_buf b = {0};
        nbx_arena_reset(arena);
        kind->make(&b, &r);
        struct nbx_stored stored = {kind->version, {(const char *)b.p, (uint32_t)b.len}};
        enum nbx_err err = NBX_ELIMIT;
        for (size_t cap = 0; err == NBX_ELIMIT; cap += 64) {
            struct nbx_arena *small = nbx_arena_new(cap);
            err = kind->decode(&stored, small);
            cr_assert(err == NBX_OK || err == NBX_ELIMIT, "%s answers %d", kind->name, err);
            nbx_arena_destroy(&small);
        }
        nbx_buf_fini(&b);
    }
}

Test(store_record, a_decoded_vector_is_aligned_and_padded_with_zeros)
{
    for (uint32_t n = 0; n <= 33; n++) {
        float p[33];
        for (uint32_t i = 0; i < n; i++)
            p[i] = 1.0f + (float)i;
        struct nbx_vector_record in = {.given = true, .p = p, .n = n}, out;
        struct nbx_buf b = {0};
        nbx_vector_record_encode(&b, &in);
        struct nbx_stored stored = {NBX_VECTOR_RECORD, {(const char *)b.p, (uint32_t)b.len}};
        cr_assert_eq(nbx_vector_record_decode(&out, &stored, arena), NBX_OK);
        cr_assert_eq((uintptr_t)out.p % 64, 0);
        for (uint32_t i = 0; i < (n + 15) / 16 * 16; i++)
            cr_assert_eq(out.p[i], i < n ? p[i] : 0, "n %u at %u", n, i);
        nbx_buf_fini(&b);
    }
}

static enum nbx_err decode_seen_bytes(uint8_t version, const char *bytes, uint32_t n)
{
    struct nbx_seen_record out;
    struct nbx_stored stored = {version, {bytes, n}};
    return nbx_seen_record_decode(&out, &stored, arena);
}

Test(store_record, a_seen_set_out_of_order_is_corrupt)
{
    static const char twice[] = "\0........\2\0\5\10\0\0\10\0",
                      reversed[] = "\0........\2\0\5\14\0\0\10\0",
                      sorted[] = "\0........\2\0\5\10\0\0\14\0";
    cr_assert_eq(decode_seen_bytes(2, twice, sizeof twice - 1), NBX_ECORRUPT);
    cr_assert_eq(decode_seen_bytes(2, reversed, sizeof reversed - 1), NBX_ECORRUPT);
    cr_assert_eq(decode_seen_bytes(2, sorted, sizeof sorted - 1), NBX_OK);
    cr_assert_eq(decode_seen_bytes(1, "\2\0\0\5\4\0\0\4\0", 9), NBX_ECORRUPT, "an entry twice");
    cr_assert_eq(decode_seen_bytes(1, "\2\0\0\5\5\0\0\4\0", 9), NBX_ECORRUPT,
                 "positive after negative");
    cr_assert_eq(decode_seen_bytes(1, "\2\0\0\5\4\0\0\5\0", 9), NBX_OK);
    cr_assert_eq(decode_seen_bytes(1, "\2\0\0\5\4\0\xFF\xFF\xFF\xFF\x0F\4\0", 13), NBX_ECORRUPT,
                 "an item number past 32 bits");
    cr_assert_eq(decode_seen_bytes(1, "\xFF\xFF\xFF\x0F\0\0", 6), NBX_ECORRUPT, "a count of lies");
}

static enum nbx_err decode_link_bytes(const char *bytes, uint32_t n)
{
    struct nbx_link_record out;
    struct nbx_stored stored = {1, {bytes, n}};
    return nbx_link_record_decode(&out, &stored, arena);
}

Test(store_record, a_link_to_nobody_is_corrupt)
{
    cr_assert_eq(decode_link_bytes("\1\1a\7\0\0\0\0\0\0\5\0\0", 13), NBX_OK);
    cr_assert_eq(decode_link_bytes("\1\1a\0\0\0\0\0\0\0\0\0\0", 13), NBX_ECORRUPT);
    cr_assert_eq(decode_link_bytes("\2\1a", 3), NBX_ECORRUPT, "a flag that is none");
}

static size_t framed(const struct nbx_buf *b)
{
    return b->len + 5;
}

/* Twenty events on twenty of 100,000 items within a year. */
static size_t typical_seen_bytes(struct nbx_random *r)
{
    struct nbx_seen_entry entries[20];
    for (uint32_t i = 0; i < 20; i++)
        entries[i] = (struct nbx_seen_entry){
            .item_no = i * 5000 + (uint32_t)nbx_random_below(r, 5000),
            .type_no = (uint16_t)(1 + nbx_random_below(r, 5)),
            .last_ms = 1700000000000 - (int64_t)nbx_random_below(r, INT64_C(365) * 86400000)};
    struct nbx_seen_record s = {.entries = entries, .n = 20, .digest = any_u64(r)};
    struct nbx_buf b = {0};
    nbx_seen_record_encode(&b, &s);
    size_t n = framed(&b);
    nbx_buf_fini(&b);
    return n;
}

Test(store_record, twenty_seen_items_take_about_200_bytes)
{
    struct nbx_random r = seeded();
    for (int i = 0; i < 100; i++) {
        size_t n = typical_seen_bytes(&r);
        cr_assert_leq(n, 200, "%zu bytes", n);
    }
}
