/* SPDX-License-Identifier: MIT
 * What went wrong on the disk is told, never served. */
#include "engine/base/hash.h"
#include "tests/unit/store/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store_damage, .init = begin, .fini = end);

/* A batch's last byte belongs to the last value's checksum. */
static void write_damaged(void)
{
    f.batch->ops.p[f.batch->ops.len - 1] ^= 0x10;
    fixture_write(&f);
}

Test(store_damage, every_flipped_bit_of_a_frame_is_noticed)
{
    struct nbx_buf frame = {0};
    struct nbx_stored stored;
    nbx_store__frame(&frame, 3, NBX_STR("payload"));
    struct nbx_str bytes = {(const char *)frame.p, (uint32_t)frame.len};
    cr_assert_eq(frame.len, 7 + NBX_FRAME_BYTES);
    cr_assert_eq(nbx_store__unframe(&stored, bytes), NBX_OK);
    cr_assert_eq(stored.version, 3);
    cr_assert(nbx_str_is(stored.payload, "payload"));
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        frame.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(nbx_store__unframe(&stored, bytes), NBX_ECORRUPT, "bit %zu", bit);
        frame.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (bytes.len = 0; bytes.len < frame.len; bytes.len++)
        cr_assert_eq(nbx_store__unframe(&stored, bytes), NBX_ECORRUPT, "cut to %u", bytes.len);
    nbx_buf_fini(&frame);
}

Test(store_damage, golden_frame)
{
    struct nbx_buf frame = {0};
    static const uint8_t head[] = {1, 'n', 'b', 'x'};
    uint32_t sum = nbx_hash32(head, sizeof head);
    nbx_store__frame(&frame, 1, NBX_STR("nbx"));
    cr_assert_eq(frame.len, 8);
    cr_assert_eq(memcmp(frame.p, head, 4), 0);
    cr_assert_eq(frame.p[4] | frame.p[5] << 8 | frame.p[6] << 16 | (uint32_t)frame.p[7] << 24, sum);
    cr_assert_eq(sum, 0x0BED8F72u);
    nbx_buf_fini(&frame);
}

Test(store_damage, a_damaged_value_is_not_served_by_get)
{
    struct nbx_stored stored;
    nbx_batch_put(f.batch, NBX_FAMILY_CUSTOMERS, NBX_STR("k"), 1, NBX_STR("v"));
    write_damaged();
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_CUSTOMERS, NBX_STR("k"), f.arena, &stored),
                 NBX_ECORRUPT);
}

Test(store_damage, a_cursor_tells_the_damaged_key_and_goes_on)
{
    struct nbx_cursor *c = NULL;
    struct nbx_str key;
    struct nbx_stored value;
    fixture_put(&f, NBX_FAMILY_EVENTS, "a", "1");
    fixture_put(&f, NBX_FAMILY_EVENTS, "c", "3");
    nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, NBX_STR("b"), 1, NBX_STR("2"));
    write_damaged();
    cr_assert_eq(nbx_cursor_open(&c, f.store, NBX_FAMILY_EVENTS, NBX_STR(""), NBX_STR(""), false),
                 NBX_OK);
    cr_assert_eq(nbx_cursor_next(c, &key, &value), NBX_OK);
    cr_assert_eq(nbx_cursor_next(c, &key, &value), NBX_ECORRUPT);
    cr_assert(nbx_str_is(key, "b"));
    cr_assert_eq(nbx_cursor_next(c, &key, &value), NBX_OK);
    cr_assert(nbx_str_is(value.payload, "3"));
    cr_assert_eq(nbx_cursor_next(c, &key, &value), NBX_ENOTFOUND);
    nbx_cursor_close(&c);
}

Test(store_damage, a_damaged_count_spoils_its_own_key_only)
{
    struct nbx_key good = nbx_key_trend(1, 1, 1), bad = nbx_key_trend(1, 1, 2);
    struct nbx_stored stored;
    nbx_batch_add(f.batch, nbx_key_str(&good), 3);
    nbx_batch_add(f.batch, nbx_key_str(&bad), 3);
    write_damaged();
    for (int round = 0; round < 2; round++) {
        nbx_batch_add(f.batch, nbx_key_str(&good), 1);
        nbx_batch_add(f.batch, nbx_key_str(&bad), 1);
        fixture_write(&f);
        cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_TRENDS), NBX_OK);
    }
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_TRENDS, nbx_key_str(&bad), f.arena, &stored),
                 NBX_ECORRUPT);
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_TRENDS, nbx_key_str(&good), f.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_stored_count(&stored), 5);
    fixture_put(&f, NBX_FAMILY_META, "still", "writable");
}

/* The newest file of the folder that ends in `suffix`. */
static void find_file(char *out, size_t size, const char *suffix)
{
    char best[256] = "";
    DIR *dir = opendir(f.dir);
    cr_assert_not_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name), m = strlen(suffix);
        if (n > m && strcmp(e->d_name + n - m, suffix) == 0 && strcmp(e->d_name, best) > 0)
            snprintf(best, sizeof best, "%s", e->d_name);
    }
    closedir(dir);
    cr_assert(best[0], "no file *%s", suffix);
    snprintf(out, size, "%s/%s", f.dir, best);
}

static void flip_byte(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0xFF;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static off_t size_of(const char *path)
{
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    return st.st_size;
}

static enum nbx_err open_again(struct nbx_fault *fault)
{
    nbx_store_close(&f.store);
    *fault = (struct nbx_fault){0};
    return nbx_store_open(&f.store, &f.options, fault);
}

Test(store_damage, a_flipped_byte_in_a_table_file_is_noticed)
{
    char path[400];
    struct nbx_stored stored;
    fixture_put(&f, NBX_FAMILY_CUSTOMERS, "k", "some value");
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_CUSTOMERS), NBX_OK);
    nbx_store_close(&f.store);
    find_file(path, sizeof path, ".sst");
    flip_byte(path, 10);
    fixture_open(&f);
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_CUSTOMERS, NBX_STR("k"), f.arena, &stored),
                 NBX_ECORRUPT);
}

/* Behind a table's records lies what is read when the store is opened: index, filter, properties,
 * what names them. RocksDB's own words name the manifest for some of it. */
Test(store_damage, whatever_of_a_table_the_start_reads_is_named)
{
    static const enum nbx_family families[] = {NBX_FAMILY_EVENTS, NBX_FAMILY_LOG, NBX_FAMILY_TRENDS,
                                               NBX_FAMILY_CUSTOMERS};
    char path[400], table[64];
    struct nbx_fault fault;
    int refused = 0;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        fixture_put(&f, families[i], "k", "some value");
        cr_assert_eq(nbx_store__compact(f.store, families[i]), NBX_OK);
    }
    nbx_store_close(&f.store);
    cr_assert_not(nbx_store__find_damaged_table(table, sizeof table, f.dir), "%s", table);
    find_file(path, sizeof path, ".sst");
    f.options.read_only = true; /* nothing is made of what is damaged */
    for (off_t at = size_of(path) - 1; at >= 0; at -= 5) {
        flip_byte(path, at);
        enum nbx_err err = open_again(&fault);
        cr_assert(err == NBX_OK || err == NBX_ECORRUPT, "at %lld: %d", (long long)at, err);
        if (err)
            cr_assert_not_null(strstr(fault.message, strrchr(path, '/') + 1), "at %lld: %s",
                               (long long)at, fault.message);
        refused += err != NBX_OK;
        flip_byte(path, at);
    }
    cr_assert_gt(refused, 10);
    f.options.read_only = false;
    cr_assert_eq(open_again(&fault), NBX_OK);
}

static void put_many(int n)
{
    for (int i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%05d", i);
        fixture_put(&f, NBX_FAMILY_CUSTOMERS, key, key);
    }
}

Test(store_damage, a_damaged_log_refuses_to_open)
{
    char path[400];
    struct nbx_fault fault;
    put_many(2000);
    nbx_store_close(&f.store);
    find_file(path, sizeof path, ".log");
    flip_byte(path, size_of(path) / 2);
    cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
    cr_assert_eq(fault.code, NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
}

/* Closes the store as a power cut does: what was not synced is not acknowledged either. */
static void end_unsynced(void)
{
    close(f.store->acknowledged_fd);
    f.store->acknowledged_fd = -1;
    nbx_store_close(&f.store);
}

static void cut_log(off_t bytes)
{
    char path[400];
    find_file(path, sizeof path, ".log");
    cr_assert_eq(truncate(path, size_of(path) - bytes), 0);
}

Test(store_damage, a_log_cut_short_opens_with_all_but_the_last)
{
    put_many(2000);
    end_unsynced();
    cut_log(7);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "01998", "01998");
    cr_assert_null(fixture_get(&f, NBX_FAMILY_CUSTOMERS, "01999"));
}

static void acknowledged_path(char *path, size_t size)
{
    snprintf(path, size, "%s/acknowledged", f.dir);
}

/* A page of zeros, as a file system leaves one that it wrote no more. */
static void lose_page(off_t at)
{
    static const uint8_t zeros[4096];
    char path[400];
    find_file(path, sizeof path, ".log");
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, zeros, sizeof zeros, at), (ssize_t)sizeof zeros);
    close(fd);
}

Test(store_damage, a_hole_behind_what_was_synced_ends_the_log)
{
    char path[400];
    put_many(2000);
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
    find_file(path, sizeof path, ".log");
    off_t synced = size_of(path);
    for (int i = 0; i < 2000; i++)
        fixture_put(&f, NBX_FAMILY_SEEN, i % 2 ? "odd" : "even", "later");
    fixture_put(&f, NBX_FAMILY_SEEN, "last", "later");
    end_unsynced();
    lose_page(synced + 20000);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "01999", "01999");
    fixture_is(&f, NBX_FAMILY_SEEN, "odd", "later"); /* of before the hole */
    cr_assert_null(fixture_get(&f, NBX_FAMILY_SEEN, "last"));
    fixture_put(&f, NBX_FAMILY_SEEN, "new", "after"); /* and goes on from there */
    fixture_reopen(&f);
    fixture_is(&f, NBX_FAMILY_SEEN, "new", "after");
}

Test(store_damage, a_hole_in_what_was_synced_refuses_to_open)
{
    struct nbx_fault fault;
    char path[400];
    put_many(2000);
    find_file(path, sizeof path, ".log");
    off_t hole = size_of(path) / 2;
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
    end_unsynced();
    lose_page(hole);
    for (int i = 0; i < 3; i++) /* nothing is dropped by looking */
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "damaged"), "%s", fault.message);
}

/* Refused with a word on the file and what to do, each time anew, until the file is gone. */
static void is_refused_until_removed(const char *word)
{
    char path[400], command[420];
    struct nbx_fault fault;
    acknowledged_path(path, sizeof path);
    snprintf(command, sizeof command, "rm %s", path);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
        cr_assert_null(f.store);
        cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
        cr_assert_not_null(strstr(fault.message, word), "%s", fault.message);
        cr_assert_not_null(strstr(fault.message, command), "%s", fault.message);
    }
    cr_assert_eq(unlink(path), 0);
    fixture_open(&f);
}

Test(store_damage, a_log_without_what_was_acknowledged_is_refused)
{
    put_many(100);
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
    put_many(1);
    end_unsynced();
    cut_log(60); /* the batch behind the sync and some of the one before it */
    is_refused_until_removed("ends at change 100 but 101 were acknowledged");
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00098", "00098");
    cr_assert_null(fixture_get(&f, NBX_FAMILY_CUSTOMERS, "00099"));
}

Test(store_damage, a_log_without_what_was_not_acknowledged_opens)
{
    put_many(100);
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
    put_many(1);
    end_unsynced();
    cut_log(20);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00099", "00099");
}

Test(store_damage, a_log_that_is_gone_is_refused)
{
    char path[400];
    put_many(10);
    nbx_store_close(&f.store);
    find_file(path, sizeof path, ".log");
    cr_assert_eq(unlink(path), 0);
    is_refused_until_removed("is missing or cut short");
}

/* Two logs that the database needs, both synced; the path of the older one. */
static void make_two_logs(char *older, size_t size)
{
    fixture_put(&f, NBX_FAMILY_EVENTS, "a", "1");
    put_many(50);
    find_file(older, size, ".log");
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_EVENTS), NBX_OK);
    put_many(60);
    cr_assert_eq(nbx_store_sync(f.store), NBX_OK);
    char newer[400];
    find_file(newer, sizeof newer, ".log");
    cr_assert_str_neq(older, newer);
    cr_assert_eq(access(older, F_OK), 0);
}

Test(store_damage, a_log_that_is_gone_from_before_newer_ones_is_refused)
{
    char older[400], aside[400];
    struct nbx_fault fault;
    make_two_logs(older, sizeof older);
    nbx_store_close(&f.store);
    snprintf(aside, sizeof aside, "%s/aside", f.root);
    cr_assert_eq(rename(older, aside), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
        cr_assert_not_null(strstr(fault.message, older), "%s", fault.message);
    }
    cr_assert_eq(rename(aside, older), 0);
    fixture_open(&f); /* nothing was touched: put back, all is there */
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00059", "00059");
    fixture_is(&f, NBX_FAMILY_EVENTS, "a", "1");
}

Test(store_damage, a_log_cut_short_before_newer_ones_is_refused)
{
    char older[400];
    make_two_logs(older, sizeof older);
    nbx_store_close(&f.store);
    cr_assert_eq(truncate(older, size_of(older) / 2), 0);
    is_refused_until_removed("is missing or cut short");
}

/* RocksDB would open it with the tables of before. */
Test(store_damage, a_manifest_cut_short_is_refused)
{
    char path[400], command[900];
    struct nbx_fault fault;
    put_many(10);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_CUSTOMERS), NBX_OK);
    nbx_store_close(&f.store);
    snprintf(command, sizeof command, "ls %s/MANIFEST-*", f.dir);
    FILE *list = popen(command, "r");
    cr_assert(list && fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    off_t whole = size_of(path);
    snprintf(command, sizeof command, "cp %s %s/manifest", path, f.root);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): a fixed command */
    for (off_t cut = 1; cut <= whole; cut += 1 + whole / 40) {
        cr_assert_eq(truncate(path, whole - cut), 0);
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT, "%ld bytes less", (long)cut);
        cr_assert_not_null(strstr(fault.message, strrchr(path, '/')), "%s", fault.message);
        snprintf(command, sizeof command, "cp %s/manifest %s", f.root, path);
        cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): a fixed command */
    }
    fixture_open(&f); /* nothing was touched: put back, all is there */
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00009", "00009");
}

Test(store_damage, a_log_that_is_needed_no_more_is_not_missed)
{
    char older[400];
    make_two_logs(older, sizeof older);
    for (int family = 0; family < NBX_N_FAMILIES; family++)
        cr_assert_eq(nbx_store__compact(f.store, (enum nbx_family)family), NBX_OK);
    end_unsynced();
    cr_assert_neq(access(older, F_OK), 0);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00059", "00059");
}

Test(store_damage, a_list_of_logs_half_written_is_none)
{
    char path[400], older[400];
    make_two_logs(older, sizeof older);
    nbx_store_close(&f.store);
    acknowledged_path(path, sizeof path);
    flip_byte(path, 60);
    cr_assert_eq(truncate(path, size_of(path) - 7), 0);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00059", "00059");
}

Test(store_damage, every_flipped_bit_of_what_was_acknowledged_is_noticed)
{
    char path[400], text[64] = "";
    struct nbx_fault fault;
    put_many(3);
    nbx_store_close(&f.store);
    acknowledged_path(path, sizeof path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(read(fd, text, 30), 30);
    for (int bit = 0; bit < 30 * 8; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        cr_assert_eq(pwrite(fd, text, 30, 0), 30);
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT, "bit %d", bit);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (int cut = 29; cut >= 0; cut -= 29) {
        cr_assert_eq(ftruncate(fd, cut), 0);
        cr_assert_eq(open_again(&fault), NBX_ECORRUPT, "cut to %d", cut);
    }
    close(fd);
    is_refused_until_removed("is damaged");
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00002", "00002");
}

static int count_files(void)
{
    int n = 0;
    DIR *dir = opendir(f.dir);
    cr_assert_not_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

Test(store_damage, a_folder_without_its_head_is_left_alone)
{
    char path[400], aside[400];
    struct nbx_fault fault;
    put_many(3);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_CUSTOMERS), NBX_OK);
    nbx_store_close(&f.store);
    snprintf(path, sizeof path, "%s/CURRENT", f.dir);
    snprintf(aside, sizeof aside, "%s/CURRENT", f.root);
    cr_assert_eq(rename(path, aside), 0);
    int n = count_files();
    cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, path), "%s", fault.message);
    cr_assert_eq(count_files(), n);
    cr_assert_eq(rename(aside, path), 0);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00002", "00002");
}

Test(store_damage, a_folder_of_an_older_program_opens_and_gets_the_file)
{
    char path[400], log[400];
    struct nbx_fault fault;
    put_many(3);
    nbx_store_close(&f.store);
    acknowledged_path(path, sizeof path);
    cr_assert_eq(unlink(path), 0);
    fixture_open(&f);
    fixture_is(&f, NBX_FAMILY_CUSTOMERS, "00002", "00002");
    put_many(1);
    nbx_store_close(&f.store);
    find_file(log, sizeof log, ".log");
    cr_assert_eq(truncate(log, 0), 0);
    cr_assert_eq(open_again(&fault), NBX_ECORRUPT);
}

#define N_BATCHES 20

/* The batches after `cut` of `of` parts of the log survived: whole, and none behind a missing one.
 */
static int check_cut(int cut, int of)
{
    char path[400];
    fixture_open(&f);
    for (uint32_t i = 0; i < N_BATCHES; i++) {
        struct nbx_key key = nbx_key_item(i);
        nbx_batch_put(f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), 1, NBX_STR("x"));
        nbx_batch_put(f.batch, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), 1, NBX_STR("y"));
        fixture_write(&f);
    }
    end_unsynced();
    find_file(path, sizeof path, ".log");
    cr_assert_eq(truncate(path, size_of(path) * cut / of), 0);
    acknowledged_path(path, sizeof path);
    cr_assert_eq(unlink(path), 0); /* of the first sync, when the folder was made */
    fixture_open(&f);
    int whole = 0;
    enum nbx_err err;
    for (uint32_t i = 0; i < N_BATCHES; i++) {
        struct nbx_key key = nbx_key_item(i);
        bool item = nbx_store_has(f.store, NBX_FAMILY_ITEMS, nbx_key_str(&key), &err);
        bool customer = nbx_store_has(f.store, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &err);
        cr_assert_eq(item, customer, "cut %d tears batch %u", cut, i);
        cr_assert(!item || whole == (int)i, "cut %d leaves a hole before batch %u", cut, i);
        whole += item;
    }
    return whole;
}

Test(store_damage, a_batch_is_whole_or_absent_wherever_the_log_is_cut)
{
    int before = 0;
    for (int cut = 0; cut <= 12; cut++) {
        fixture_end(&f);
        fixture_folder(&f);
        int whole = check_cut(cut, 12);
        cr_assert_geq(whole, before);
        before = whole;
    }
    cr_assert_eq(before, N_BATCHES);
}
