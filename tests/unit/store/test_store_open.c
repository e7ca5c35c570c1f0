/* SPDX-License-Identifier: MIT
 * Opening, refusing to open, and what is there after an end without goodbye. */
#include "tests/unit/store/fixture.h"

#include <sys/wait.h>

static struct fixture f;

static void begin(void)
{
    fixture_folder(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store_open, .init = begin, .fini = end);

Test(store_open, makes_missing_folders)
{
    static char deep[120]; /* outlives this call inside f.options */
    snprintf(deep, sizeof deep, "%s/a//b/c", f.root);
    f.options.dir = deep;
    fixture_open(&f);
    fixture_put(&f, NBX_FAMILY_META, "k", "v");
    fixture_reopen(&f);
    fixture_is(&f, NBX_FAMILY_META, "k", "v");
}

Test(store_open, a_folder_that_cannot_be_made_is_named)
{
    struct nbx_fault fault = {0};
    static char path[120]; /* outlives this call inside f.options */
    snprintf(path, sizeof path, "%s/file", f.root);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
    f.options.dir = path;
    cr_assert_eq(nbx_store_open(&f.store, &f.options, &fault), NBX_ESTORAGE);
    cr_assert_null(f.store);
    cr_assert_not_null(strstr(fault.message, path), "%s", fault.message);
}

Test(store_open, a_newer_format_is_refused_and_left_alone)
{
    struct nbx_fault fault = {0};
    fixture_open(&f);
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, NBX_STR("format"), NBX_STORE_FORMAT + 1);
    fixture_write(&f);
    nbx_store_close(&f.store);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(nbx_store_open(&f.store, &f.options, &fault), NBX_EVERSION);
        cr_assert_null(f.store);
        cr_assert_eq(fault.code, NBX_EVERSION);
        cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
    }
}

Test(store_open, the_format_number_is_in_meta)
{
    uint64_t format = 0;
    fixture_open(&f);
    cr_assert_eq(nbx_record_u64_get(f.store, NBX_FAMILY_META, NBX_STR("format"), f.arena, &format),
                 NBX_OK);
    cr_assert_eq(format, NBX_STORE_FORMAT);
}

/* Opens the folder without nbx, as an older or a newer program would have left it. */
static void raw_open(const char *const *names, int n)
{
    char *text = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_create_missing_column_families(options, 1);
    const rocksdb_options_t *each[NBX_N_FAMILIES + 1];
    rocksdb_column_family_handle_t *handles[NBX_N_FAMILIES + 1];
    for (int i = 0; i < n; i++)
        each[i] = options;
    rocksdb_t *db = rocksdb_open_column_families(options, f.dir, n, names, each, handles, &text);
    cr_assert_null(text, "%s", text);
    for (int i = 0; i < n; i++)
        rocksdb_column_family_handle_destroy(handles[i]);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
}

Test(store_open, a_family_missing_in_an_older_folder_is_created)
{
    static const char *const names[] = {"default", "identities", "customers"};
    raw_open(names, 3);
    fixture_open(&f);
    fixture_put(&f, NBX_FAMILY_DECISIONS, "k", "v");
    fixture_reopen(&f);
    fixture_is(&f, NBX_FAMILY_DECISIONS, "k", "v");
}

Test(store_open, a_family_of_a_newer_program_is_refused_as_newer)
{
    struct nbx_fault fault = {0};
    static const char *const names[] = {"default", "identities", "of tomorrow"};
    raw_open(names, 3);
    cr_assert_eq(nbx_store_open(&f.store, &f.options, &fault), NBX_EVERSION);
    cr_assert_not_null(strstr(fault.message, "of tomorrow"), "%s", fault.message);
}

Test(store_open, a_second_open_of_this_process_is_a_conflict)
{
    struct nbx_fault fault = {0};
    struct nbx_store *second = NULL;
    fixture_open(&f);
    cr_assert_eq(nbx_store_open(&second, &f.options, &fault), NBX_ECONFLICT);
    cr_assert_null(second);
    cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
    fixture_put(&f, NBX_FAMILY_META, "k", "v");
}

static pid_t start_child(int (*child)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(child());
    return pid;
}

/* Its exit status. */
static int end_of_child(pid_t pid)
{
    int status = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int ready_pipe[2], end_pipe[2];

/* Holds the folder until the other side closes end_pipe. */
static int child_holds(void)
{
    struct nbx_fault fault;
    char byte = 1;
    close(end_pipe[1]);
    if (nbx_store_open(&f.store, &f.options, &fault) || write(ready_pipe[1], &byte, 1) != 1)
        return 1;
    return read(end_pipe[0], &byte, 1) == 0 ? 0 : 2;
}

Test(store_open, another_process_that_holds_the_folder_is_a_conflict)
{
    struct nbx_fault fault = {0};
    char byte = 0;
    cr_assert(pipe(ready_pipe) == 0 && pipe(end_pipe) == 0);
    pid_t pid = start_child(child_holds);
    close(ready_pipe[1]);
    cr_assert_eq(read(ready_pipe[0], &byte, 1), 1, "the child cannot open");
    cr_assert_eq(nbx_store_open(&f.store, &f.options, &fault), NBX_ECONFLICT);
    cr_assert_not_null(strstr(fault.message, f.dir), "%s", fault.message);
    close(end_pipe[1]);
    cr_assert_eq(end_of_child(pid), 0);
    fixture_open(&f);
}

#define N_WRITES 3000

static int child_writes(void)
{
    struct nbx_fault fault;
    if (nbx_store_open(&f.store, &f.options, &fault))
        return 2;
    for (uint32_t i = 0; i < N_WRITES; i++) {
        struct nbx_key key = nbx_key_item(i), trend = nbx_key_trend(1, 1, 1);
        nbx_batch_clear(f.batch);
        nbx_batch_put(f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), 1, nbx_key_str(&key));
        nbx_batch_add(f.batch, nbx_key_str(&trend), 1);
        if (nbx_store_write(f.store, f.batch))
            return 3;
    }
    return 0; /* by _exit: neither synced nor closed */
}

Test(store_open, everything_written_is_there_after_an_end_without_close)
{
    cr_assert_eq(end_of_child(start_child(child_writes)), 0);
    fixture_open(&f);
    struct nbx_stored stored;
    for (uint32_t i = 0; i < N_WRITES; i++) {
        struct nbx_key key = nbx_key_item(i);
        cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_ITEMS, nbx_key_str(&key), f.arena, &stored),
                     NBX_OK, "write %u is lost", i);
        cr_assert(nbx_str_eq(stored.payload, nbx_key_str(&key)));
    }
    struct nbx_key trend = nbx_key_trend(1, 1, 1);
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_TRENDS, nbx_key_str(&trend), f.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_stored_count(&stored), N_WRITES, "an add is lost or counted twice");
}
