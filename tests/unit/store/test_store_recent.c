/* SPDX-License-Identifier: MIT
 * A thread's copies of records: never other than what the store says, never more than allowed. */
#include "engine/base/random.h"
#include "engine/store/recent.h"
#include "tests/unit/store/fixture.h"

#define ROOM   ((size_t)1 << 14) /* the random test writes some 24 KB */
#define KEYS   200
#define ROUNDS 20000

static struct fixture f;
static struct nbx_recent *recent;

static void begin(void)
{
    fixture_begin(&f);
    recent = nbx_recent_new(ROOM);
    cr_assert_not_null(recent);
}

static void end(void)
{
    nbx_recent_destroy(&recent);
    fixture_end(&f);
}

TestSuite(store_recent, .init = begin, .fini = end);

static void write_through(void)
{
    cr_assert_eq(nbx_recent_write(recent, f.store, f.batch), NBX_OK);
    nbx_batch_clear(f.batch);
}

static void put(enum nbx_family family, const char *key, const char *payload)
{
    nbx_batch_put(f.batch, family, nbx_str_c(key), 1, nbx_str_c(payload));
    write_through();
}

/* NULL: there must be no such record. */
static void reads(enum nbx_family family, const char *key, const char *payload)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_recent_get(recent, f.store, family, nbx_str_c(key), f.arena, &stored);
    cr_assert_eq(err, payload ? NBX_OK : NBX_ENOTFOUND, "%s", key);
    if (payload)
        cr_assert(nbx_str_is(stored.payload, payload), "%s: %.*s", key,
                  NBX_STR_ARG(stored.payload));
    nbx_arena_reset(f.arena);
}

Test(store_recent, what_was_read_is_answered_from_memory)
{
    fixture_put(&f, NBX_FAMILY_SEEN, "k", "old");
    reads(NBX_FAMILY_SEEN, "k", "old");
    fixture_put(&f, NBX_FAMILY_SEEN, "k",
                "behind its back"); /* shows that the store is not asked */
    reads(NBX_FAMILY_SEEN, "k", "old");
    cr_assert_gt(nbx_recent_bytes(recent), 0);
}

Test(store_recent, what_was_written_is_answered_from_memory)
{
    put(NBX_FAMILY_VECTORS, "k", "mine");
    fixture_put(&f, NBX_FAMILY_VECTORS, "k", "behind its back");
    reads(NBX_FAMILY_VECTORS, "k", "mine");
}

Test(store_recent, other_families_are_always_asked_for)
{
    put(NBX_FAMILY_DECISIONS, "k", "mine");
    fixture_put(&f, NBX_FAMILY_DECISIONS, "k", "newer");
    reads(NBX_FAMILY_DECISIONS, "k", "newer");
    cr_assert_eq(nbx_recent_bytes(recent), 0);
}

Test(store_recent, families_do_not_share_a_key)
{
    put(NBX_FAMILY_SEEN, "k", "seen");
    put(NBX_FAMILY_VECTORS, "k", "vector");
    reads(NBX_FAMILY_SEEN, "k", "seen");
    reads(NBX_FAMILY_VECTORS, "k", "vector");
    reads(NBX_FAMILY_IDENTITIES, "k", NULL);
}

Test(store_recent, a_deleted_record_is_gone)
{
    put(NBX_FAMILY_IDENTITIES, "a", "1");
    nbx_batch_delete(f.batch, NBX_FAMILY_IDENTITIES, NBX_STR("a"));
    write_through();
    reads(NBX_FAMILY_IDENTITIES, "a", NULL);
}

Test(store_recent, a_deleted_range_is_gone_and_its_neighbours_stay)
{
    put(NBX_FAMILY_SEEN, "a", "1");
    put(NBX_FAMILY_SEEN, "b", "2");
    put(NBX_FAMILY_SEEN, "c", "3");
    put(NBX_FAMILY_VECTORS, "b", "4");
    nbx_batch_delete_range(f.batch, NBX_FAMILY_SEEN, NBX_STR("b"), NBX_STR("c"));
    write_through();
    reads(NBX_FAMILY_SEEN, "a", "1");
    reads(NBX_FAMILY_SEEN, "b", NULL);
    reads(NBX_FAMILY_SEEN, "c", "3");
    reads(NBX_FAMILY_VECTORS, "b", "4");
}

Test(store_recent, the_last_change_of_a_batch_wins)
{
    nbx_batch_put(f.batch, NBX_FAMILY_SEEN, NBX_STR("k"), 1, NBX_STR("1"));
    nbx_batch_put(f.batch, NBX_FAMILY_SEEN, NBX_STR("k"), 1, NBX_STR("2"));
    nbx_batch_put(f.batch, NBX_FAMILY_SEEN, NBX_STR("gone"), 1, NBX_STR("1"));
    nbx_batch_delete(f.batch, NBX_FAMILY_SEEN, NBX_STR("gone"));
    write_through();
    reads(NBX_FAMILY_SEEN, "k", "2");
    reads(NBX_FAMILY_SEEN, "gone", NULL);
}

Test(store_recent, a_large_record_is_not_copied_and_its_old_copy_goes)
{
    static char large[8192];
    memset(large, 'x', sizeof large - 1);
    put(NBX_FAMILY_SEEN, "k", "small");
    put(NBX_FAMILY_SEEN, "k", large);
    reads(NBX_FAMILY_SEEN, "k", large);
    cr_assert_eq(nbx_recent_bytes(recent), 0);
}

Test(store_recent, none_holds_nothing)
{
    nbx_batch_put(f.batch, NBX_FAMILY_SEEN, NBX_STR("k"), 1, NBX_STR("1"));
    cr_assert_eq(nbx_recent_write(NULL, f.store, f.batch), NBX_OK);
    struct nbx_stored stored;
    cr_assert_eq(nbx_recent_get(NULL, f.store, NBX_FAMILY_SEEN, NBX_STR("k"), f.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_recent_bytes(NULL), 0);
}

/* Random writes, deletes and reads, with room for a part of what is written. */
Test(store_recent, answers_what_the_store_holds_within_its_room)
{
    struct nbx_random random;
    static char want[KEYS][300];
    nbx_random_init(&random, 1); /* the seed */
    for (int round = 0; round < ROUNDS; round++) {
        char key[16];
        uint64_t k = nbx_random_below(&random, KEYS);
        snprintf(key, sizeof key, "k%llu", (unsigned long long)k);
        uint64_t what = nbx_random_below(&random, 10);
        if (what == 0) {
            want[k][0] = '\0';
            nbx_batch_delete(f.batch, NBX_FAMILY_SEEN, nbx_str_c(key));
            write_through();
        } else if (what < 4) {
            int n = 1 + (int)nbx_random_below(&random, sizeof want[k] - 2);
            memset(want[k], 'a' + (int)nbx_random_below(&random, 26), (size_t)n);
            want[k][n] = '\0';
            put(NBX_FAMILY_SEEN, key, want[k]);
        } else {
            reads(NBX_FAMILY_SEEN, key, want[k][0] ? want[k] : NULL);
        }
        cr_assert_leq(nbx_recent_bytes(recent), ROOM);
    }
}
