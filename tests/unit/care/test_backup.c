/* SPDX-License-Identifier: MIT
 * What is restored is what was saved, whole; whatever happened to a backup in between is told. */
#include "engine/care/backup.h"
#include "tests/unit/store/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define N_RECORDS 500

static struct fixture f;
static char saved[100], again[100]; /* the backup; the folder made of it */
static struct nbx_manifest manifest;
static struct nbx_fault fault;

static void put_some(int from, int n)
{
    for (int i = from; i < from + n; i++) {
        char key[16];
        snprintf(key, sizeof key, "%05d", i);
        nbx_batch_put(f.batch, NBX_FAMILY_CUSTOMERS, nbx_str_c(key), 1, nbx_str_c(key));
        nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, nbx_str_c(key), 1, nbx_str_c(key));
        fixture_write(&f);
    }
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

/* A store with tables and a log, and a bundle beside it. */
static void begin(void)
{
    fixture_begin(&f);
    snprintf(saved, sizeof saved, "%s/saved", f.root);
    snprintf(again, sizeof again, "%s/again", f.root);
    put_some(0, N_RECORDS / 2);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_CUSTOMERS), NBX_OK);
    put_some(N_RECORDS / 2, N_RECORDS / 2);
    write_file(f.dir, "taste.safetensors", "a bundle");
}

static void end(void)
{
    nbx_manifest_fini(&manifest);
    fixture_end(&f);
}

TestSuite(backup, .init = begin, .fini = end);

static enum nbx_err save_to(const char *dir)
{
    struct nbx_backup_options options = {.data_dir = f.dir, .dir = dir, .now_ms = 5};
    nbx_manifest_fini(&manifest);
    fault = (struct nbx_fault){0};
    return nbx_backup(&manifest, f.store, &options, &fault);
}

static enum nbx_err restore(void)
{
    nbx_manifest_fini(&manifest);
    fault = (struct nbx_fault){0};
    return nbx_restore(&manifest, saved, again, &fault);
}

static void must(enum nbx_err err)
{
    cr_assert_eq(err, NBX_OK, "%s: %s", fault.field, fault.message);
}

static bool has_file(const char *dir, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* Lets f stand on the restored folder. */
static void move_in(void)
{
    nbx_store_close(&f.store);
    f.options.dir = again;
    fixture_open(&f);
}

static int count(enum nbx_family family)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    int n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, f.store, family, all, all, false), NBX_OK);
    for (; nbx_cursor_next(cursor, &key, &stored) == NBX_OK; n++)
        cr_assert(nbx_str_eq(key, stored.payload));
    nbx_cursor_close(&cursor);
    return n;
}

Test(backup, comes_back_as_it_was_when_it_was_made)
{
    must(save_to(saved));
    cr_assert_gt(manifest.n, 4);
    cr_assert_gt(manifest.bytes, 10000);
    put_some(N_RECORDS, 10);
    must(restore());
    cr_assert_eq(manifest.made_ms, 5);
    cr_assert_eq(manifest.format, NBX_STORE_FORMAT);
    cr_assert(has_file(again, "taste.safetensors"));
    cr_assert_not(has_file(again, NBX_MANIFEST_NAME));
    cr_assert_eq(count(NBX_FAMILY_CUSTOMERS), N_RECORDS + 10);
    move_in();
    cr_assert_eq(count(NBX_FAMILY_CUSTOMERS), N_RECORDS);
    cr_assert_eq(count(NBX_FAMILY_EVENTS), N_RECORDS);
    put_some(N_RECORDS, 1);
    fixture_reopen(&f);
    cr_assert_eq(count(NBX_FAMILY_EVENTS), N_RECORDS + 1);
}

/* A folder in it, with the files of models but not those of uploads. */
Test(backup, has_the_models)
{
    char models[120], path[400];
    snprintf(models, sizeof models, "%s/models", f.dir);
    cr_assert_eq(mkdir(models, 0700), 0);
    write_file(f.dir, "models/taste@1.safetensors", "first");
    write_file(f.dir, "models/.taste@2.safetensors", "second");
    write_file(f.dir, "models/upload-00.part", "half");
    must(save_to(saved));
    must(restore());
    cr_assert(has_file(again, "models/taste@1.safetensors"));
    cr_assert(has_file(again, "models/.taste@2.safetensors"));
    cr_assert_not(has_file(again, "models/upload-00.part"));
    move_in();
    cr_assert_eq(count(NBX_FAMILY_CUSTOMERS), N_RECORDS);
    snprintf(again, sizeof again, "%s/once-more", f.root);
    snprintf(path, sizeof path, "%s/models/taste@1.safetensors", saved);
    cr_assert_eq(unlink(path), 0);
    write_file(saved, "models/taste@1.safetensors", "other"); /* of the same length */
    cr_assert_eq(restore(), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "taste@1"), "%s", fault.message);
    cr_assert_neq(access(again, F_OK), 0);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(restore(), NBX_ECORRUPT);
    cr_assert_neq(access(again, F_OK), 0);
}

Test(backup, may_be_restored_twice_and_made_again_from_what_was_restored)
{
    must(save_to(saved));
    must(restore());
    move_in();
    char second[120];
    snprintf(second, sizeof second, "%s/second", f.root);
    f.options.dir = again;
    memcpy(f.dir, again, sizeof f.dir);
    must(save_to(second));
    snprintf(again, sizeof again, "%s/third", f.root);
    snprintf(saved, sizeof saved, "%s/second", f.root);
    cr_assert_eq(mkdir(again, 0700), 0, "an empty folder will do");
    must(restore());
    move_in();
    cr_assert_eq(count(NBX_FAMILY_CUSTOMERS), N_RECORDS);
}

Test(backup, a_restored_history_cut_short_is_refused)
{
    must(save_to(saved));
    must(restore());
    DIR *dir = opendir(again);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot && strcmp(dot, ".log") == 0)
            n += unlinkat(dirfd(dir), e->d_name, 0) == 0;
    }
    closedir(dir);
    cr_assert_gt(n, 0);
    nbx_store_close(&f.store);
    f.options.dir = again;
    cr_assert_eq(nbx_store_open(&f.store, &f.options, &fault), NBX_ECORRUPT);
}

/* What a test does to one of the files of a backup. */
enum harm { FLIP, CUT, REMOVE, N_HARMS };

static void do_harm(const char *path, enum harm harm)
{
    struct stat st;
    uint8_t byte = 0;
    cr_assert_eq(stat(path, &st), 0);
    if (harm == CUT)
        cr_assert_eq(truncate(path, st.st_size - 1), 0);
    if (harm == REMOVE)
        cr_assert_eq(unlink(path), 0);
    if (harm != FLIP)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(pread(fd, &byte, 1, st.st_size / 2), 1);
    byte ^= 4;
    cr_assert_eq(pwrite(fd, &byte, 1, st.st_size / 2), 1);
    close(fd);
}

/* A fresh backup whose i-th file, named in `name`, is no link to the store's own. */
static void save_and_unlink(size_t i, enum harm harm, char name[64])
{
    char command[600];
    snprintf(saved, sizeof saved, "%s/saved-%zu-%d", f.root, i, harm);
    must(save_to(saved));
    snprintf(name, 64, "%s", i < manifest.n ? manifest.names[i] : NBX_MANIFEST_NAME);
    snprintf(command, sizeof command, "cd '%s' && cp '%s' ../copy && mv ../copy '%s'", saved, name,
             name);
    cr_assert_eq(system(command), 0);
}

Test(backup, harm_to_any_file_is_told_and_nothing_is_made)
{
    char name[64], path[400];
    struct stat st;
    must(save_to(saved));
    size_t n = manifest.n + 1;
    for (size_t i = 0; i < n; i++) {
        for (enum harm harm = FLIP; harm < N_HARMS; harm++) {
            save_and_unlink(i, harm, name);
            snprintf(path, sizeof path, "%s/%s", saved, name);
            if (stat(path, &st) == 0 && st.st_size == 0 && harm != REMOVE)
                continue;
            do_harm(path, harm);
            cr_assert_eq(restore(), NBX_ECORRUPT, "%s, harm %d", name, harm);
            cr_assert_not_null(strstr(fault.message, saved), "%s", fault.message);
            if (harm != REMOVE)
                cr_assert_not_null(strstr(fault.message, name), "%s", fault.message);
            cr_assert_neq(access(again, F_OK), 0);
        }
    }
}

Test(backup, files_that_were_not_saved_are_refused)
{
    must(save_to(saved));
    write_file(saved, "000001.sst", "of somebody else");
    cr_assert_eq(restore(), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "000001.sst"), "%s", fault.message);
    cr_assert_neq(access(again, F_OK), 0);
}

Test(backup, a_newer_one_is_refused)
{
    must(save_to(saved));
    write_file(saved, NBX_MANIFEST_NAME,
               "nbx-backup 2\nwho knows what follows, it is long enough "
               "to hold a sum of all that stands before it, or not\n");
    cr_assert_eq(restore(), NBX_EVERSION);
    cr_assert_not_null(strstr(fault.message, saved), "%s", fault.message);
}

Test(backup, folders_in_the_way_are_named)
{
    char part[120];
    cr_assert_eq(save_to("relative"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "dir");
    cr_assert_eq(save_to("/"), NBX_EBAD);
    snprintf(part, sizeof part, "%s/none/saved", f.root);
    cr_assert_eq(save_to(part), NBX_ESTORAGE);
    cr_assert_not_null(strstr(fault.message, part), "%s", fault.message);
    must(save_to(saved));
    cr_assert_eq(save_to(saved), NBX_ECONFLICT);
    snprintf(part, sizeof part, "%s.part", again);
    cr_assert_eq(mkdir(part, 0700), 0);
    cr_assert_eq(save_to(again), NBX_ECONFLICT);
    cr_assert_not_null(strstr(fault.message, part), "%s", fault.message);
    cr_assert_eq(mkdir(again, 0700), 0);
    write_file(again, "something", "");
    cr_assert_eq(restore(), NBX_ECONFLICT);
    cr_assert_not_null(strstr(fault.message, again), "%s", fault.message);
    cr_assert_eq(nbx_restore(&manifest, f.root, "/proc/none", &fault), NBX_ECORRUPT);
    cr_assert_not_null(strstr(fault.message, "BACKUP is missing"), "%s", fault.message);
}

static atomic_bool done;

static void *write_on(void *arg)
{
    struct nbx_batch *batch = nbx_batch_new();
    for (int i = N_RECORDS; !atomic_load(&done); i++) {
        char key[16];
        snprintf(key, sizeof key, "%05d", i);
        nbx_batch_put(batch, NBX_FAMILY_CUSTOMERS, nbx_str_c(key), 1, nbx_str_c(key));
        nbx_batch_put(batch, NBX_FAMILY_EVENTS, nbx_str_c(key), 1, nbx_str_c(key));
        nbx_store_write(f.store, batch);
        nbx_batch_clear(batch);
    }
    nbx_batch_destroy(&batch);
    return arg;
}

Test(backup, made_while_others_write_holds_whole_batches_up_to_one)
{
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, write_on, NULL), 0);
    usleep(20000);
    must(save_to(saved));
    atomic_store(&done, true);
    pthread_join(writer, NULL);
    int all = count(NBX_FAMILY_CUSTOMERS);
    must(restore());
    move_in();
    int n = count(NBX_FAMILY_CUSTOMERS);
    char last[16];
    snprintf(last, sizeof last, "%05d", n - 1);
    cr_assert(n >= N_RECORDS && n <= all, "%d of %d", n, all);
    cr_assert_eq(count(NBX_FAMILY_EVENTS), n);
    fixture_is(&f, NBX_FAMILY_EVENTS, last, last);
}
