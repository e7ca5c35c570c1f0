/* SPDX-License-Identifier: MIT
 * Writing and reading back: batches, ranges, counts, names. */
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

TestSuite(store_batch, .init = begin, .fini = end);

Test(store_batch, get_gives_back_version_and_payload)
{
    for (int family = 0; family < NBX_FAMILY_TRENDS; family++) {
        nbx_batch_put(f.batch, (enum nbx_family)family, NBX_STR("k"), (uint8_t)(family + 1),
                      NBX_STR("pay\0load"));
        nbx_batch_put(f.batch, (enum nbx_family)family, NBX_STR("empty"), 1, NBX_STR(""));
    }
    fixture_write(&f);
    for (int family = 0; family < NBX_FAMILY_TRENDS; family++) {
        struct nbx_stored stored;
        cr_assert_eq(
            nbx_store_get(f.store, (enum nbx_family)family, NBX_STR("k"), f.arena, &stored),
            NBX_OK);
        cr_assert_eq(stored.version, family + 1);
        cr_assert(nbx_str_eq(stored.payload, NBX_STR("pay\0load")));
        fixture_is(&f, (enum nbx_family)family, "empty", "");
    }
}

Test(store_batch, has_and_get_tell_absence)
{
    enum nbx_err err = NBX_EINTERNAL;
    struct nbx_stored stored;
    fixture_put(&f, NBX_FAMILY_EVENT_IDS, "here", "x");
    cr_assert(nbx_store_has(f.store, NBX_FAMILY_EVENT_IDS, NBX_STR("here"), &err));
    cr_assert_eq(err, NBX_OK);
    cr_assert_not(nbx_store_has(f.store, NBX_FAMILY_EVENT_IDS, NBX_STR("not"), &err));
    cr_assert_eq(err, NBX_OK);
    cr_assert_not(nbx_store_has(f.store, NBX_FAMILY_EVENTS, NBX_STR("here"), &err));
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_EVENT_IDS, NBX_STR("not"), f.arena, &stored),
                 NBX_ENOTFOUND);
}

Test(store_batch, get_answers_limit_where_the_arena_is_out)
{
    char large[5000];
    memset(large, 'x', sizeof large);
    nbx_batch_put(f.batch, NBX_FAMILY_ITEMS, NBX_STR("k"), 1,
                  (struct nbx_str){large, sizeof large});
    fixture_write(&f);
    struct nbx_arena *small = nbx_arena_new(1000);
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_ITEMS, NBX_STR("k"), small, &stored),
                 NBX_ELIMIT);
    nbx_arena_destroy(&small);
}

Test(store_batch, nothing_is_visible_before_write)
{
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("a"), 1, NBX_STR("1"));
    cr_assert_eq(nbx_batch_count(f.batch), 1);
    cr_assert_null(fixture_get(&f, NBX_FAMILY_META, "a"));
    fixture_write(&f);
    cr_assert_eq(nbx_batch_count(f.batch), 0);
    fixture_is(&f, NBX_FAMILY_META, "a", "1");
}

Test(store_batch, later_changes_of_a_batch_win)
{
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("a"), 1, NBX_STR("1"));
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("a"), 1, NBX_STR("2"));
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("b"), 1, NBX_STR("1"));
    nbx_batch_delete(f.batch, NBX_FAMILY_META, NBX_STR("b"));
    cr_assert_eq(nbx_batch_count(f.batch), 4);
    fixture_write(&f);
    fixture_is(&f, NBX_FAMILY_META, "a", "2");
    cr_assert_null(fixture_get(&f, NBX_FAMILY_META, "b"));
}

Test(store_batch, write_leaves_the_batch_and_a_second_write_repeats_it)
{
    struct nbx_key key = nbx_key_trend(1, 2, 3);
    nbx_batch_add(f.batch, nbx_key_str(&key), 5);
    cr_assert_eq(nbx_store_write(f.store, f.batch), NBX_OK);
    cr_assert_eq(nbx_store_write(f.store, f.batch), NBX_OK);
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_TRENDS, nbx_key_str(&key), f.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_stored_count(&stored), 10);
}

Test(store_batch, an_empty_batch_writes_nothing)
{
    cr_assert_eq(nbx_store_write(f.store, f.batch), NBX_OK);
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
}

Test(store_batch, delete_range_takes_from_and_leaves_to)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        fixture_put(&f, NBX_FAMILY_EVENTS, keys[i], "x");
    nbx_batch_delete_range(f.batch, NBX_FAMILY_EVENTS, NBX_STR("b"), NBX_STR("d"));
    fixture_write(&f);
    fixture_is(&f, NBX_FAMILY_EVENTS, "a", "x");
    cr_assert_null(fixture_get(&f, NBX_FAMILY_EVENTS, "b"));
    cr_assert_null(fixture_get(&f, NBX_FAMILY_EVENTS, "c"));
    fixture_is(&f, NBX_FAMILY_EVENTS, "d", "x");
    fixture_reopen(&f);
    cr_assert_null(fixture_get(&f, NBX_FAMILY_EVENTS, "b"));
}

Test(store_batch, an_empty_or_reversed_range_deletes_nothing)
{
    fixture_put(&f, NBX_FAMILY_EVENTS, "b", "x");
    nbx_batch_delete_range(f.batch, NBX_FAMILY_EVENTS, NBX_STR("b"), NBX_STR("b"));
    nbx_batch_delete_range(f.batch, NBX_FAMILY_EVENTS, NBX_STR("c"), NBX_STR("a"));
    nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, NBX_STR("c"), 1, NBX_STR("y"));
    fixture_write(&f);
    fixture_is(&f, NBX_FAMILY_EVENTS, "b", "x");
    fixture_is(&f, NBX_FAMILY_EVENTS, "c", "y");
}

Test(store_batch, forgetting_one_customer_leaves_the_neighbours)
{
    uint8_t id[16] = {0};
    for (uint64_t n = 4; n <= 6; n++) {
        for (int t = -2; t <= 2; t++) {
            struct nbx_key key = nbx_key_event(n, t, id);
            nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key), 1, NBX_STR("e"));
        }
    }
    fixture_write(&f);
    struct nbx_key from = nbx_key_customer(5), to = nbx_key_customer_end(5);
    nbx_batch_delete_range(f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&from), nbx_key_str(&to));
    fixture_write(&f);
    for (uint64_t n = 4; n <= 6; n++) {
        for (int t = -2; t <= 2; t++) {
            enum nbx_err err;
            struct nbx_key key = nbx_key_event(n, t, id);
            cr_assert_eq(nbx_store_has(f.store, NBX_FAMILY_EVENTS, nbx_key_str(&key), &err),
                         n != 5);
        }
    }
}

static int64_t count_at(struct nbx_key key)
{
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_TRENDS, nbx_key_str(&key), f.arena, &stored),
                 NBX_OK);
    return nbx_stored_count(&stored);
}

Test(store_batch, adds_sum_up_over_reopen_and_compaction)
{
    struct nbx_key key = nbx_key_trend(1, 2, 3), other = nbx_key_trend(1, 2, 4);
    int64_t want = 0;
    for (int round = 0; round < 4; round++) {
        for (int64_t i = -3; i < 50; i++) {
            nbx_batch_add(f.batch, nbx_key_str(&key), i * 1000);
            want += i * 1000;
        }
        nbx_batch_add(f.batch, nbx_key_str(&other), -1);
        fixture_write(&f);
        cr_assert_eq(count_at(key), want);
        fixture_reopen(&f);
        cr_assert_eq(count_at(key), want);
        cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_TRENDS), NBX_OK);
        cr_assert_eq(count_at(key), want);
    }
    cr_assert_eq(count_at(other), -4);
    nbx_batch_delete(f.batch, NBX_FAMILY_TRENDS, nbx_key_str(&key));
    nbx_batch_add(f.batch, nbx_key_str(&key), 7);
    fixture_write(&f);
    cr_assert_eq(count_at(key), 7);
}

Test(store_batch, adds_wrap_instead_of_overflowing)
{
    struct nbx_key key = nbx_key_trend(0, 0, 0);
    nbx_batch_add(f.batch, nbx_key_str(&key), INT64_MAX);
    nbx_batch_add(f.batch, nbx_key_str(&key), 1);
    fixture_write(&f);
    cr_assert_eq(count_at(key), INT64_MIN);
}

Test(store_batch, u64_records_come_back)
{
    static const uint64_t values[] = {0, 1, UINT64_MAX, NBX_CUSTOMER(255, 1)};
    for (size_t i = 0; i < 4; i++) {
        uint64_t got = 5;
        nbx_record_u64_put(f.batch, NBX_FAMILY_IDENTITIES, NBX_STR("k"), values[i]);
        fixture_write(&f);
        cr_assert_eq(
            nbx_record_u64_get(f.store, NBX_FAMILY_IDENTITIES, NBX_STR("k"), f.arena, &got),
            NBX_OK);
        cr_assert_eq(got, values[i]);
    }
}

Test(store_batch, u64_records_of_wrong_length_or_version_are_refused)
{
    uint64_t got;
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("short"), 1, NBX_STR("1234567"));
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("newer"), 2, NBX_STR("12345678"));
    nbx_batch_put(f.batch, NBX_FAMILY_META, NBX_STR("zero"), 0, NBX_STR("12345678"));
    fixture_write(&f);
    cr_assert_eq(nbx_record_u64_get(f.store, NBX_FAMILY_META, NBX_STR("short"), f.arena, &got),
                 NBX_ECORRUPT);
    cr_assert_eq(nbx_record_u64_get(f.store, NBX_FAMILY_META, NBX_STR("newer"), f.arena, &got),
                 NBX_EVERSION);
    cr_assert_eq(nbx_record_u64_get(f.store, NBX_FAMILY_META, NBX_STR("zero"), f.arena, &got),
                 NBX_ECORRUPT);
    cr_assert_eq(nbx_record_u64_get(f.store, NBX_FAMILY_META, NBX_STR("none"), f.arena, &got),
                 NBX_ENOTFOUND);
}

Test(store_batch, names_are_numbered_from_one_and_keep_their_numbers)
{
    static const char *const names[] = {"web", "app", "email", "web/2", "a"};
    uint16_t no;
    for (int round = 0; round < 2; round++) {
        for (uint16_t i = 0; i < 5; i++) {
            cr_assert_eq(nbx_names_intern(f.store, "channel", nbx_str_c(names[i]), &no), NBX_OK);
            cr_assert_eq(no, i + 1);
        }
        fixture_reopen(&f);
    }
    cr_assert_eq(nbx_names_intern(f.store, "type", NBX_STR("view"), &no), NBX_OK);
    cr_assert_eq(no, 1);
    cr_assert_eq(nbx_names_intern(f.store, "channel", NBX_STR("kiosk"), &no), NBX_OK);
    cr_assert_eq(no, 6);
}

Test(store_batch, names_are_refused_where_empty_long_or_too_many)
{
    uint16_t no;
    char text[300];
    memset(text, 'n', sizeof text);
    cr_assert_eq(nbx_names_intern(f.store, "type", NBX_STR(""), &no), NBX_EBAD);
    cr_assert_eq(nbx_names_intern(f.store, "type", (struct nbx_str){text, 256}, &no), NBX_EBAD);
    cr_assert_eq(nbx_names_intern(f.store, "type", (struct nbx_str){text, 255}, &no), NBX_OK);
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, NBX_STR("type/last"), UINT16_MAX - 1);
    fixture_write(&f);
    cr_assert_eq(nbx_names_intern(f.store, "type", NBX_STR("one more"), &no), NBX_ELIMIT);
    cr_assert_eq(nbx_names_intern(f.store, "type", NBX_STR("last"), &no), NBX_OK);
    cr_assert_eq(no, UINT16_MAX - 1);
}

Test(store_batch, stats_tell_memory_and_disk)
{
    struct nbx_store_stats before, after;
    nbx_store_get_stats(f.store, &before);
    char large[4096];
    memset(large, 'x', sizeof large);
    for (uint32_t i = 0; i < 100; i++) {
        struct nbx_key key = nbx_key_item(i);
        nbx_batch_put(f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), 1,
                      (struct nbx_str){large, sizeof large});
    }
    fixture_write(&f);
    nbx_store_get_stats(f.store, &after);
    cr_assert_gt(after.memtable_bytes, before.memtable_bytes);
    cr_assert_geq(after.disk_bytes, 100 * sizeof large);
    cr_assert_not(after.write_stopped);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_ITEMS), NBX_OK);
    struct nbx_key key = nbx_key_item(5);
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_ITEMS, nbx_key_str(&key), f.arena, &stored),
                 NBX_OK);
    nbx_store_get_stats(f.store, &after);
    cr_assert_gt(after.cache_bytes, 0);
    cr_assert_lt(after.cache_bytes, f.options.cache_bytes * 2);
}
