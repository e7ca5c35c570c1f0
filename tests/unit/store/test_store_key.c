/* SPDX-License-Identifier: MIT */
#include "engine/base/hash.h"
#include "engine/base/random.h"
#include "engine/store/key.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SEED 20240501u

static int cmp(struct nbx_key a, struct nbx_key b)
{
    return nbx_str_cmp(nbx_key_str(&a), nbx_key_str(&b));
}

static const uint8_t some_id[16] = {1, 2, 3};

Test(store_key, order_of_event_keys_is_the_order_of_time)
{
    static const int64_t times[] = {INT64_MIN, -1000000000000, -1,       0, 1, 255,
                                    256,       1700000000000,  INT64_MAX};
    for (size_t i = 1; i < sizeof times / sizeof *times; i++) {
        cr_assert_lt(
            cmp(nbx_key_event(7, times[i - 1], some_id), nbx_key_event(7, times[i], some_id)), 0,
            "at %zu", i);
    }
}

Test(store_key, order_of_random_event_keys_is_number_then_time)
{
    struct nbx_random r;
    cr_log_info("seed %u", SEED);
    nbx_random_init(&r, SEED);
    for (int i = 0; i < 10000; i++) {
        uint64_t a = nbx_random_u64(&r) >> nbx_random_below(&r, 64), b = a ^ (i & 1);
        int64_t s = (int64_t)nbx_random_u64(&r), t = (int64_t)nbx_random_u64(&r);
        int want = a != b ? (a < b ? -1 : 1) : s != t ? (s < t ? -1 : 1) : 0;
        int got = cmp(nbx_key_event(a, s, some_id), nbx_key_event(b, t, some_id));
        cr_assert_eq((got > 0) - (got < 0), want, "at %d", i);
    }
}

Test(store_key, everything_personal_lies_between_customer_and_customer_end)
{
    static const uint64_t numbers[] = {
        0, 1, NBX_CUSTOMER(3, 17), NBX_CUSTOMER(255, 0), UINT64_MAX - 1, UINT64_MAX};
    uint8_t greatest[16];
    memset(greatest, 0xFF, sizeof greatest);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t n = numbers[i];
        struct nbx_key from = nbx_key_customer(n), to = nbx_key_customer_end(n);
        struct nbx_key inside[] = {
            nbx_key_customer(n),
            nbx_key_vector(n, NBX_STR("main")),
            nbx_key_event(n, INT64_MIN, some_id),
            nbx_key_event(n, INT64_MAX, greatest),
            nbx_key_event_id(n, greatest),
            nbx_key_decision(nbx_decision_id_make(n, (INT64_C(1) << 48) - 1, UINT16_MAX)),
        };
        for (size_t k = 0; k < sizeof inside / sizeof *inside; k++) {
            cr_assert_leq(cmp(from, inside[k]), 0, "%zu.%zu begins before", i, k);
            cr_assert_lt(cmp(inside[k], to), 0, "%zu.%zu lies behind", i, k);
        }
        if (n > 0)
            cr_assert_leq(cmp(nbx_key_customer_end(n - 1), from), 0, "%zu overlaps", i);
    }
}

Test(store_key, what_is_due_lies_by_group_then_time)
{
    uint8_t greatest[16];
    memset(greatest, 0xFF, sizeof greatest);
    for (int g = 0; g < NBX_N_GROUPS; g++) {
        uint64_t first = NBX_CUSTOMER((uint64_t)g, 0);
        uint64_t last = NBX_CUSTOMER((uint64_t)g, UINT64_C(0xFFFFFFFFFFFFFF));
        struct nbx_key end = nbx_key_due_end((uint8_t)g);
        struct nbx_key least = nbx_key_due(first, INT64_MIN, (const uint8_t[16]){0});
        cr_assert_lt(cmp(nbx_key_due_from((uint8_t)g, INT64_MIN), least), 0);
        cr_assert_lt(cmp(nbx_key_due(last, 5, greatest), nbx_key_due_from((uint8_t)g, 6)), 0);
        cr_assert_lt(cmp(nbx_key_due(last, INT64_MAX, greatest), end), 0);
        if (g > 0)
            cr_assert_leq(cmp(nbx_key_due_end((uint8_t)(g - 1)), least), 0);
    }
}

Test(store_key, a_group_lies_together)
{
    struct nbx_key from = nbx_key_customer(NBX_CUSTOMER(9, 0));
    struct nbx_key to = nbx_key_customer(NBX_CUSTOMER(10, 0));
    struct nbx_key last = nbx_key_event(NBX_CUSTOMER(9, UINT64_C(0xFFFFFFFFFFFFFF)), 0, some_id);
    cr_assert_lt(cmp(from, last), 0);
    cr_assert_lt(cmp(last, to), 0);
    cr_assert_eq(NBX_CUSTOMER_GROUP(NBX_CUSTOMER(200, 5)), 200);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(NBX_CUSTOMER(200, 5)), 5);
}

Test(store_key, group_is_the_low_byte_of_the_hash)
{
    struct nbx_str id = NBX_STR("customer-1");
    cr_assert_eq(nbx_group_of(id), (uint8_t)nbx_hash64(id.p, id.len));
    int used[NBX_N_GROUPS] = {0}, n_used = 0;
    for (int i = 0; i < 10000; i++) {
        char text[16];
        snprintf(text, sizeof text, "c%d", i);
        n_used += used[nbx_group_of(nbx_str_c(text))]++ == 0;
    }
    cr_assert_eq(n_used, NBX_N_GROUPS);
}

Test(store_key, parsers_give_back_what_was_put_in)
{
    struct nbx_random r;
    uint8_t hash[16];
    cr_log_info("seed %u", SEED);
    nbx_random_init(&r, SEED);
    for (int i = 0; i < 1000; i++) {
        uint64_t number = nbx_random_u64(&r), n;
        int64_t time_ms = (int64_t)nbx_random_u64(&r), t;
        uint32_t item = (uint32_t)nbx_random_u64(&r), bucket = (uint32_t)nbx_random_u64(&r), a, b;
        uint16_t channel = (uint16_t)nbx_random_u64(&r), c;
        struct nbx_key k = nbx_key_event(number, time_ms, some_id);
        cr_assert(nbx_key_event_parse(nbx_key_str(&k), &n, &t, hash));
        cr_assert(n == number && t == time_ms && memcmp(hash, some_id, sizeof hash) == 0);
        k = nbx_key_due(number, time_ms, some_id);
        memset(hash, 0, sizeof hash);
        cr_assert(nbx_key_due_parse(nbx_key_str(&k), &n, &t, hash));
        cr_assert(n == number && t == time_ms && memcmp(hash, some_id, sizeof hash) == 0);
        k = nbx_key_item(item);
        cr_assert(nbx_key_item_parse(nbx_key_str(&k), &a));
        cr_assert_eq(a, item);
        k = nbx_key_past_item(item, number);
        cr_assert(nbx_key_past_item_parse(nbx_key_str(&k), &a, &n));
        cr_assert(a == item && n == number);
        k = nbx_key_trend(channel, bucket, item);
        cr_assert(nbx_key_trend_parse(nbx_key_str(&k), &c, &a, &b));
        cr_assert(c == channel && a == bucket && b == item);
    }
}

Test(store_key, parsers_refuse_every_other_length)
{
    uint64_t n;
    int64_t t;
    uint32_t a, b;
    uint16_t c;
    uint8_t hash[16];
    char bytes[64] = {0};
    for (uint32_t len = 0; len < sizeof bytes; len++) {
        struct nbx_str key = {bytes, len};
        cr_assert_eq(nbx_key_event_parse(key, &n, &t, NULL), len == 32);
        cr_assert_eq(nbx_key_due_parse(key, &n, &t, hash), len == 32);
        cr_assert_eq(nbx_key_item_parse(key, &a), len == 4);
        cr_assert_eq(nbx_key_past_item_parse(key, &a, &n), len == 12);
        cr_assert_eq(nbx_key_trend_parse(key, &c, &a, &b), len == 10);
    }
}

Test(store_key, log_keys_come_back_and_are_ordered_by_stream_and_number)
{
    uint16_t stream;
    uint64_t number, seq;
    struct nbx_key k = nbx_key_log(256, UINT64_C(0x0102030405060708));
    cr_assert(nbx_key_log_parse(nbx_key_str(&k), &stream, &seq));
    cr_assert_eq(stream, 256);
    cr_assert_eq(seq, UINT64_C(0x0102030405060708));
    cr_assert_lt(cmp(nbx_key_log(0, 255), nbx_key_log(0, 256)), 0);
    cr_assert_lt(cmp(nbx_key_log(255, UINT64_MAX), nbx_key_log(256, 1)), 0);
    k.len--;
    cr_assert_not(nbx_key_log_parse(nbx_key_str(&k), &stream, &seq));
    k = nbx_key_mention(NBX_CUSTOMER(7, 5), 300);
    cr_assert(nbx_key_mention_parse(nbx_key_str(&k), &number, &seq));
    cr_assert(number == NBX_CUSTOMER(7, 5) && seq == 300);
    cr_assert_lt(cmp(nbx_key_mention(5, 255), nbx_key_mention(5, 256)), 0);
    cr_assert_lt(cmp(nbx_key_customer(5), nbx_key_mention(5, 0)), 0);
    cr_assert_lt(cmp(nbx_key_mention(5, UINT64_MAX), nbx_key_customer_end(5)), 0);
    k.len--;
    cr_assert_not(nbx_key_mention_parse(nbx_key_str(&k), &number, &seq));
}

Test(store_key, trends_are_ordered_by_channel_bucket_item)
{
    cr_assert_lt(cmp(nbx_key_trend(1, 9, 9), nbx_key_trend(2, 0, 0)), 0);
    cr_assert_lt(cmp(nbx_key_trend(1, 255, 9), nbx_key_trend(1, 256, 0)), 0);
    cr_assert_lt(cmp(nbx_key_trend(1, 1, 255), nbx_key_trend(1, 1, 256)), 0);
    cr_assert_lt(cmp(nbx_key_trend(300, 0, 0), nbx_key_trend(NBX_TREND_ALL, 0, 0)), 0);
}

Test(store_key, identities_differ_by_type_and_value)
{
    struct nbx_key own = nbx_key_identity(NBX_STR(""), NBX_STR("a"));
    cr_assert_eq(own.len, 2);
    cr_assert_eq(memcmp(own.p, "\0a", 2), 0);
    cr_assert_neq(cmp(nbx_key_identity(NBX_STR("ab"), NBX_STR("c")),
                      nbx_key_identity(NBX_STR("a"), NBX_STR("bc"))),
                  0);
    /* a NUL inside the type must not move the border */
    cr_assert_neq(cmp(nbx_key_identity(NBX_STR("a\0b"), NBX_STR("c")),
                      nbx_key_identity(NBX_STR("a"), NBX_STR("b\0c"))),
                  0);
}

Test(store_key, long_text_is_hashed_never_cut)
{
    char text[1000], other[1000];
    memset(text, 'x', sizeof text);
    memset(other, 'x', sizeof other);
    other[999] = 'y';
    struct nbx_str a = {text, sizeof text}, b = {other, sizeof other};
    cr_assert_neq(cmp(nbx_key_item_id(a), nbx_key_item_id(b)), 0);
    cr_assert_neq(cmp(nbx_key_identity(NBX_STR("t"), a), nbx_key_identity(NBX_STR("t"), b)), 0);
    cr_assert_neq(cmp(nbx_key_identity(a, NBX_STR("t")), nbx_key_identity(b, NBX_STR("t"))), 0);
    struct nbx_str fits = {text, NBX_KEY_MAX_BYTES};
    struct nbx_key key = nbx_key_item_id(fits);
    cr_assert(nbx_str_eq(nbx_key_str(&key), fits));
}

Test(store_key, meta_group_differs_from_longer_names)
{
    cr_assert_neq(cmp(nbx_key_meta_group("seq", 'x'), nbx_key_meta("seqx")), 0);
    cr_assert_neq(cmp(nbx_key_meta_group("seq", 0), nbx_key_meta("seq")), 0);
    struct nbx_key key = nbx_key_meta_group("seq", 7);
    cr_assert_eq(key.len, 5);
    cr_assert_eq(memcmp(key.p, "seq\0\7", 5), 0);
}

Test(store_key, decision_id_tells_customer_and_time)
{
    struct nbx_decision_id id = nbx_decision_id_make(NBX_CUSTOMER(5, 77), 1700000000123, 42), back;
    cr_assert_eq(nbx_decision_id_customer(id), NBX_CUSTOMER(5, 77));
    cr_assert_eq(nbx_decision_id_time_ms(id), 1700000000123);
    char hex[33];
    nbx_decision_id_hex(id, hex);
    cr_assert_str_eq(hex, "050000000000004d018bcfe5687b002a");
    cr_assert(nbx_decision_id_parse(nbx_str_c(hex), &back));
    cr_assert_eq(memcmp(id.b, back.b, sizeof id.b), 0);
    struct nbx_key key = nbx_key_decision(id);
    cr_assert(nbx_str_eq(nbx_key_str(&key), (struct nbx_str){(const char *)id.b, 16}));
}

Test(store_key, decision_ids_of_one_customer_are_ordered_by_time_then_counter)
{
    struct nbx_key a = nbx_key_decision(nbx_decision_id_make(5, 1000, UINT16_MAX));
    struct nbx_key b = nbx_key_decision(nbx_decision_id_make(5, 1001, 0));
    struct nbx_key c = nbx_key_decision(nbx_decision_id_make(5, 1001, 1));
    cr_assert_lt(cmp(a, b), 0);
    cr_assert_lt(cmp(b, c), 0);
}

Test(store_key, decision_time_is_held_within_48_bits)
{
    cr_assert_eq(nbx_decision_id_time_ms(nbx_decision_id_make(1, -5, 0)), 0);
    struct nbx_decision_id id = nbx_decision_id_make(1, INT64_MAX, 9);
    cr_assert_eq(nbx_decision_id_time_ms(id), (INT64_C(1) << 48) - 1);
    cr_assert_eq(nbx_decision_id_customer(id), 1);
}

Test(store_key, decision_id_parse_refuses_what_is_not_32_lower_case_hex_digits)
{
    struct nbx_decision_id id;
    static const char *const bad[] = {"",
                                      "050000000000004d018bcfe5687b002",
                                      "050000000000004d018bcfe5687b002a0",
                                      "050000000000004D018bcfe5687b002a",
                                      "g50000000000004d018bcfe5687b002a",
                                      "0x0000000000004d018bcfe5687b002a",
                                      "05000000 000004d018bcfe5687b002a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(nbx_decision_id_parse(nbx_str_c(bad[i]), &id), "%s", bad[i]);
}

Test(store_key, models_by_name_then_version)
{
    struct nbx_str name, version, nothing = {0};
    struct nbx_key k = nbx_key_model(NBX_STR("ials"), NBX_STR("20260131T235959-1a2b"));
    cr_assert(nbx_key_model_parse(nbx_key_str(&k), &name, &version));
    cr_assert(nbx_str_is(name, "ials"));
    cr_assert(nbx_str_is(version, "20260131T235959-1a2b"));
    cr_assert_lt(
        cmp(nbx_key_model(NBX_STR("a"), NBX_STR("z")), nbx_key_model(NBX_STR("a-b"), NBX_STR("a"))),
        0, "a name's versions lie together");
    static const char *const bad[] = {"ials", "", "ials", "\0v"};
    static const uint32_t lens[] = {4, 0, 5, 2};
    for (int i = 0; i < 4; i++)
        cr_assert_not(nbx_key_model_parse((struct nbx_str){bad[i], lens[i]}, &name, &version), "%d",
                      i);
    cr_assert_not(nbx_key_model_parse(nothing, &name, &version));
    k = nbx_key_model(NBX_STR("a"), (struct nbx_str){"b\0c", 3});
    cr_assert_not(nbx_key_model_parse(nbx_key_str(&k), &name, &version));
}
