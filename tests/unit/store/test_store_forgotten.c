/* SPDX-License-Identifier: MIT
 * The list of who was forgotten: what is noted is read again, what is torn or damaged is told.
 */
#include "engine/base/hash.h"
#include "engine/store/forgotten.h"
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LINE 63

static struct fixture f;
static struct nbx_forgotten *list;
static struct nbx_forgotten_entries held;
static struct nbx_fault fault;
static char path[120], elsewhere[100];

static void begin(void)
{
    fixture_begin(&f);
    snprintf(path, sizeof path, "%s/" NBX_FORGOTTEN_NAME, f.dir);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", f.root);
    cr_assert_eq(mkdir(elsewhere, 0750), 0);
    cr_assert_eq(nbx_forgotten_open(&list, f.store, &fault), NBX_OK, "%s", fault.message);
}

static void end(void)
{
    free(held.p);
    nbx_forgotten_close(&list);
    fixture_end(&f);
}

TestSuite(store_forgotten, .init = begin, .fini = end);

static struct nbx_forgotten_entry entry_of(const char *customer, int64_t time_ms)
{
    struct nbx_forgotten_entry e = {.time_ms = time_ms};
    nbx_forgotten_hash(list, nbx_str_c(customer), e.hash);
    return e;
}

static void note(const char *customer, int64_t time_ms)
{
    struct nbx_forgotten_entry e = entry_of(customer, time_ms);
    cr_assert_eq(nbx_forgotten_note(list, &e), NBX_OK);
}

static enum nbx_err read_list(const char *dir)
{
    free(held.p);
    return nbx_forgotten_read(&held, dir, &fault);
}

static void must_hold(size_t i, const char *customer, int64_t time_ms)
{
    struct nbx_forgotten_entry e = entry_of(customer, time_ms);
    cr_assert_gt(held.n, i);
    cr_assert_eq(memcmp(held.p[i].hash, e.hash, sizeof e.hash), 0);
    cr_assert_eq(held.p[i].time_ms, time_ms);
}

static void reopen(void)
{
    nbx_forgotten_close(&list);
    fixture_reopen(&f);
    cr_assert_eq(nbx_forgotten_open(&list, f.store, &fault), NBX_OK, "%s", fault.message);
}

static void overwrite(off_t at, const char *bytes)
{
    int fd = open(path, O_WRONLY);
    cr_assert_eq(pwrite(fd, bytes, strlen(bytes), at), (ssize_t)strlen(bytes));
    close(fd);
}

Test(store_forgotten, what_is_noted_is_read_again)
{
    cr_assert_eq(read_list(elsewhere), NBX_ENOTFOUND);
    cr_assert_eq(read_list(f.dir), NBX_OK);
    cr_assert_eq(held.n, 0);
    note("anna", 0);
    note("bert", INT64_C(1700000000000));
    cr_assert_eq(nbx_forgotten_sync(list), NBX_OK);
    reopen();
    note("anna", 7);
    cr_assert_eq(read_list(f.dir), NBX_OK);
    cr_assert_eq(held.n, 3);
    must_hold(0, "anna", 0);
    must_hold(1, "bert", INT64_C(1700000000000));
    must_hold(2, "anna", 7);
}

Test(store_forgotten, hashes_are_keyed_by_the_folder)
{
    uint8_t plain[16], keyed[16], key[16] = {0};
    nbx_forgotten_hash(list, NBX_STR("anna"), keyed);
    nbx_keyed_hash128(key, "anna", 4, plain);
    cr_assert_neq(memcmp(plain, keyed, 16), 0);
    cr_assert_eq(read_list(f.dir), NBX_OK);
    nbx_keyed_hash128(held.salt, "anna", 4, plain);
    cr_assert_eq(memcmp(plain, keyed, 16), 0);
    nbx_forgotten_close(&list);
    cr_assert_eq(unlink(path), 0);
    reopen(); /* the database has the salt too */
    nbx_forgotten_hash(list, NBX_STR("anna"), plain);
    cr_assert_eq(memcmp(plain, keyed, 16), 0);
}

Test(store_forgotten, a_torn_end_is_none_and_damage_is_told)
{
    note("anna", 1);
    note("bert", 2);
    cr_assert_eq(truncate(path, 3 * LINE - 10), 0);
    cr_assert_eq(read_list(f.dir), NBX_OK);
    cr_assert_eq(held.n, 1);
    reopen();
    note("carl", 3);
    cr_assert_eq(read_list(f.dir), NBX_OK);
    cr_assert_eq(held.n, 2);
    must_hold(1, "carl", 3);
    overwrite((off_t)2 * LINE + 40, "9");
    cr_assert_eq(read_list(f.dir), NBX_OK);
    cr_assert_eq(held.n, 1, "of a line at the end nobody knows whether it was ever synced");
    overwrite(LINE + 40, "9");
    note("dora", 4);
    cr_assert_eq(read_list(f.dir), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "line 2"), "%s", fault.message);
    overwrite(3, "z");
    cr_assert_eq(read_list(f.dir), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "line 1"), "%s", fault.message);
}

/* A power cut while it was made: nothing was noted in it. */
Test(store_forgotten, a_first_line_half_written_is_made_anew)
{
    for (off_t bytes = 0; bytes < LINE; bytes += LINE - 1) {
        nbx_forgotten_close(&list);
        cr_assert_eq(truncate(path, bytes), 0);
        cr_assert_eq(read_list(f.dir), NBX_ENOTFOUND);
        reopen();
        note("anna", 1);
        cr_assert_eq(read_list(f.dir), NBX_OK);
        cr_assert_eq(held.n, 1);
        must_hold(0, "anna", 1);
    }
}

Test(store_forgotten, lists_of_one_folder_become_one)
{
    note("anna", 1);
    cr_assert_eq(nbx_forgotten_merge(elsewhere, f.dir, &fault), NBX_OK);
    note("bert", 2);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(nbx_forgotten_merge(elsewhere, f.dir, &fault), NBX_OK);
    cr_assert_eq(read_list(elsewhere), NBX_OK);
    cr_assert_eq(held.n, 2);
    must_hold(0, "anna", 1);
    must_hold(1, "bert", 2);
    cr_assert_eq(nbx_forgotten_merge(f.dir, "/nowhere", &fault), NBX_OK);
}

Test(store_forgotten, another_folders_list_is_refused)
{
    struct fixture g;
    struct nbx_forgotten *theirs;
    fixture_begin(&g);
    cr_assert_eq(nbx_forgotten_open(&theirs, g.store, &fault), NBX_OK);
    nbx_forgotten_close(&theirs);
    cr_assert_eq(nbx_forgotten_merge(g.dir, f.dir, &fault), NBX_ECONFLICT);
    cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
    nbx_forgotten_close(&list);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(nbx_forgotten_merge(f.dir, g.dir, &fault), NBX_OK);
    cr_assert_eq(nbx_forgotten_open(&list, f.store, &fault), NBX_ECONFLICT);
    cr_assert_null(list);
    fixture_end(&g);
}

/* erasing */

static bool any_file_has(const char *text)
{
    char command[300];
    snprintf(command, sizeof command, "grep -rqa '%s' %s", text, f.dir);
    return system(command) == 0; /* NOLINT(cert-env33-c) */
}

static void put_marked(enum nbx_family family, uint64_t number, const char *text)
{
    struct nbx_key key = nbx_key_customer(number);
    nbx_batch_put(f.batch, family, nbx_key_str(&key), 1, nbx_str_c(text));
    fixture_write(&f);
}

Test(store_forgotten, what_is_erased_is_in_no_file)
{
    struct nbx_key one = nbx_key_customer(7), two = nbx_key_customer_end(7);
    struct nbx_store_range range = {NBX_FAMILY_CUSTOMERS, nbx_key_str(&one), nbx_key_str(&two)};
    uint64_t before_file;
    for (int round = 0; round < 3; round++) {
        put_marked(NBX_FAMILY_CUSTOMERS, 6, "others-mark");
        put_marked(NBX_FAMILY_CUSTOMERS, 7, "erase-mark");
        put_marked(NBX_FAMILY_CUSTOMERS, 8, "others-mark");
        if (round < 2)
            cr_assert_eq(nbx_store_flush(f.store, NBX_FAMILY_CUSTOMERS), NBX_OK);
    }
    nbx_batch_delete_range(f.batch, NBX_FAMILY_CUSTOMERS, nbx_key_str(&one), nbx_key_str(&two));
    fixture_write(&f);
    cr_assert(any_file_has("erase-mark"));
    cr_assert_not(nbx_store_is_erased(f.store, &range, UINT64_MAX));
    cr_assert_eq(nbx_store_erase(f.store, &range, 1, &before_file), NBX_OK);
    cr_assert_not(any_file_has("erase-mark"));
    cr_assert(any_file_has("others-mark"));
    cr_assert(nbx_store_is_erased(f.store, &range, before_file));
    nbx_store_stop_erasing(f.store);
    put_marked(NBX_FAMILY_CUSTOMERS, 7, "erase-mark");
    cr_assert_eq(nbx_store_erase(f.store, &range, 1, &before_file), NBX_ESTORAGE, "it gave up");
    reopen();
    cr_assert_eq(nbx_store_erase(f.store, &range, 1, &before_file), NBX_OK);
}
