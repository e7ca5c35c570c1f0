/* SPDX-License-Identifier: MIT */
#include "engine/base/random.h"
#include "tests/unit/store/fixture.h"

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store_cursor, .init = begin, .fini = end);

/* The one-letter keys of a scan, joined. */
static const char *scan(const char *from, const char *to, bool reverse)
{
    static char keys[64];
    size_t n = 0;
    struct nbx_cursor *c = NULL;
    struct nbx_str key;
    struct nbx_stored value;
    cr_assert_eq(
        nbx_cursor_open(&c, f.store, NBX_FAMILY_EVENTS, nbx_str_c(from), nbx_str_c(to), reverse),
        NBX_OK);
    enum nbx_err err;
    while (!(err = nbx_cursor_next(c, &key, &value))) {
        cr_assert(key.len == 1 && n < sizeof keys - 1);
        cr_assert(nbx_str_eq(value.payload, key));
        keys[n++] = key.p[0];
    }
    cr_assert_eq(err, NBX_ENOTFOUND);
    cr_assert_eq(nbx_cursor_next(c, &key, &value), NBX_ENOTFOUND, "the end stays the end");
    nbx_cursor_close(&c);
    cr_assert_null(c);
    keys[n] = '\0';
    return keys;
}

static void put_letters(void)
{
    for (const char *p = "gacbed"; *p; p++) {
        char text[2] = {*p, '\0'};
        fixture_put(&f, NBX_FAMILY_EVENTS, text, text);
    }
    fixture_put(&f, NBX_FAMILY_EVENT_IDS, "b", "another family");
}

Test(store_cursor, both_directions_within_bounds)
{
    put_letters();
    cr_assert_str_eq(scan("", "", false), "abcdeg");
    cr_assert_str_eq(scan("", "", true), "gedcba");
    cr_assert_str_eq(scan("b", "e", false), "bcd");
    cr_assert_str_eq(scan("b", "e", true), "dcb");
    cr_assert_str_eq(scan("bb", "f", false), "cde");
    cr_assert_str_eq(scan("f", "", true), "g");
    cr_assert_str_eq(scan("h", "", false), "");
    cr_assert_str_eq(scan("", "a", true), "");
    cr_assert_str_eq(scan("e", "b", false), "");
}

Test(store_cursor, same_from_files_and_from_memory)
{
    put_letters();
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_EVENTS), NBX_OK);
    nbx_batch_delete(f.batch, NBX_FAMILY_EVENTS, NBX_STR("c"));
    fixture_write(&f);
    fixture_put(&f, NBX_FAMILY_EVENTS, "f", "f");
    cr_assert_str_eq(scan("", "", false), "abdefg");
    cr_assert_str_eq(scan("b", "g", true), "fedb");
}

Test(store_cursor, sees_what_was_there_when_it_opened)
{
    put_letters();
    struct nbx_cursor *c = NULL;
    struct nbx_str key;
    struct nbx_stored value;
    cr_assert_eq(nbx_cursor_open(&c, f.store, NBX_FAMILY_EVENTS, NBX_STR(""), NBX_STR(""), false),
                 NBX_OK);
    fixture_put(&f, NBX_FAMILY_EVENTS, "aa", "late");
    int n = 0;
    while (!nbx_cursor_next(c, &key, &value))
        n++;
    cr_assert_eq(n, 6);
    nbx_cursor_close(&c);
}

Test(store_cursor, a_customers_events_come_in_the_order_of_time)
{
    struct nbx_random r;
    cr_log_info("seed 7");
    nbx_random_init(&r, 7);
    for (int i = 0; i < 500; i++) {
        uint8_t id[16] = {(uint8_t)i, (uint8_t)(i >> 8)};
        int64_t time_ms = (int64_t)nbx_random_below(&r, 2000) - 1000;
        struct nbx_key key = nbx_key_event(1 + nbx_random_below(&r, 3), time_ms, id);
        nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key), 1, NBX_STR("e"));
    }
    fixture_write(&f);
    struct nbx_key from = nbx_key_customer(2), to = nbx_key_customer_end(2);
    struct nbx_cursor *c = NULL;
    cr_assert_eq(
        nbx_cursor_open(&c, f.store, NBX_FAMILY_EVENTS, nbx_key_str(&from), nbx_key_str(&to), true),
        NBX_OK);
    struct nbx_str key;
    struct nbx_stored value;
    int64_t before = INT64_MAX, time_ms;
    uint64_t number;
    int n = 0;
    for (; !nbx_cursor_next(c, &key, &value); n++, before = time_ms) {
        cr_assert(nbx_key_event_parse(key, &number, &time_ms, NULL));
        cr_assert_eq(number, 2);
        cr_assert_leq(time_ms, before);
    }
    cr_assert(n > 100 && n < 250);
    nbx_cursor_close(&c);
}

Test(store_cursor, counts_are_summed_on_the_way)
{
    struct nbx_key key = nbx_key_trend(1, 1, 1);
    for (int i = 0; i < 5; i++)
        nbx_batch_add(f.batch, nbx_key_str(&key), 2);
    fixture_write(&f);
    struct nbx_cursor *c = NULL;
    struct nbx_str got;
    struct nbx_stored value;
    cr_assert_eq(nbx_cursor_open(&c, f.store, NBX_FAMILY_TRENDS, NBX_STR(""), NBX_STR(""), false),
                 NBX_OK);
    cr_assert_eq(nbx_cursor_next(c, &got, &value), NBX_OK);
    cr_assert_eq(nbx_stored_count(&value), 10);
    nbx_cursor_close(&c);
}
